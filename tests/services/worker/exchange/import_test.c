#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/exchange/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/exchange/journal.h"
#include "services/worker/exchange/staging.h"
#include "services/worker/flow/merge.h"
#include "tests/services/worker/exchange/arriving.h"

/* A log with an event of every kind that is easily made, and odd texts. */
static void stage_some(struct staging *staging)
{
    static const char digest[] = "0123456789abcdef0123456789abcd\0\xff";
    const struct fb_text needs[] = {FB_TEXT("gpu"), FB_TEXT("k\xc3\xb6nnen")};
    const struct event_planned_task tasks[] = {
        {.title = FB_TEXT("one \"quoted\"\n\t\x01"),
         .key = FB_TEXT("k"),
         .body = FB_TEXT("\xe2\x82\xac"),
         .weight = 3,
         .needs = {.items = needs, .count = 2}},
        {.title = FB_TEXT("two"), .weight = 10, .priority = 4, .defer_until_unix_ms = 7},
    };
    const struct event_link link = {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER};
    const struct event_evidence evidence = {.kind = EVENT_EVIDENCE_FILE,
                                            .ref = FB_TEXT("/x"),
                                            .sha256 = {.data = digest, .size = 32},
                                            .size = INT64_C(1) << 53,
                                            .host = FB_TEXT("h")};
    const struct event events[] = {
        {.kind = EVENT_OPENED, .unix_ms = 5, .opened = {.name = FB_TEXT("a session")}},
        {.kind = EVENT_SEEN,
         .unix_ms = 6,
         .actor = FB_TEXT("ann"),
         .seen = {.caps = {.items = needs, .count = 2}, .held_most = 3, .declares = true}},
        {.kind = EVENT_PLANNED,
         .unix_ms = 7,
         .actor = FB_TEXT("ann"),
         .request_id = FB_TEXT("r-1"),
         .planned =
             {.first_task = 1, .tasks = tasks, .task_count = 2, .links = &link, .link_count = 1}},
        {.kind = EVENT_CLAIMED,
         .unix_ms = 8,
         .actor = FB_TEXT("ann"),
         .task = 1,
         .claimed = {.fence = 1, .lasts_ms = 60000}},
        {.kind = EVENT_NOTED,
         .unix_ms = 9,
         .actor = FB_TEXT("ann"),
         .task = 1,
         .noted = {.note = FB_TEXT("n"),
                   .evidence = {.items = &evidence, .count = 1},
                   .percent = 30}},
        {.kind = EVENT_FINISHED,
         .unix_ms = 10,
         .actor = FB_TEXT("ann"),
         .task = 1,
         .origin = FB_TEXT("elsewhere"),
         .origin_sequence = UINT64_MAX,
         .lamport = UINT64_MAX - 1,
         .finished = {.outcome = EVENT_COMPLETED, .fence = 1}},
        /* Of a later version: field 1, then field 2000 with the number 5. */
        {.kind = EVENT_UNKNOWN, .unix_ms = 11, .unknown = FB_TEXT("\x08\x0b\x80\x7d\x05")},
        {.kind = EVENT_EDITED,
         .unix_ms = 12,
         .task = 2,
         .edited = {.fields = EVENT_FIELD_TITLE, .title = FB_TEXT("2")}},
    };

    *staging = (struct staging){.scratch = session_create()};
    assert_non_null(staging->scratch);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct fb_arena arena;
        struct fb_status status;

        fb_arena_init(&arena, 0);
        status = staging_add(staging, &events[i], &arena);
        if (!fb_is_ok(status)) {
            fail_msg("event %zu: %s", i, status.why);
        }
        fb_arena_finish(&arena);
    }
}

static const struct journal_header header = {
    .session = {.data = "s-1", .size = 3}, .name = {.data = "a session", .size = 9}, .events = 8};

static struct fb_buffer jsonl_of(const struct staging *staging)
{
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;

    journal_write_header(&header, &out);
    for (size_t i = 0; i < staging->count; i++) {
        fb_arena_init(&arena, 0);
        journal_write_event(staging_event(staging, i), &arena, &out);
        fb_arena_finish(&arena);
    }
    assert_false(out.failed);
    return out;
}

static struct fb_buffer json_of(const struct staging *staging)
{
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;

    journal_begin_document(&header, staging->scratch, &out);
    for (size_t i = 0; i < staging->count; i++) {
        fb_arena_init(&arena, 0);
        journal_add_event(staging_event(staging, i), i == 0, &arena, &out);
        fb_arena_finish(&arena);
    }
    journal_end_document(&out);
    assert_false(out.failed);
    return out;
}

/* Whether the import has exactly the events that were staged. */
static void expect_same_events(const struct import *import, const struct staging *staging)
{
    assert_int_equal(import_event_count(import), staging->count);
    for (size_t i = 0; i < staging->count; i++) {
        const struct fb_text a = import_event(import, i);
        const struct fb_text b = staging_event(staging, i);

        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
    }
}

static void a_journal_comes_back_byte_for_byte_however_it_is_cut(void **state)
{
    static const size_t steps[] = {1, 2, 3, 64, 1000, 100000};
    struct staging staging;
    struct fb_buffer texts[2];

    (void)state;
    stage_some(&staging);
    texts[0] = jsonl_of(&staging);
    texts[1] = json_of(&staging);
    for (size_t i = 0; i < 2 * sizeof(steps) / sizeof(steps[0]); i++) {
        const struct fb_buffer *text = &texts[i % 2];
        struct fb_status status;
        struct import *import =
            arriving_import(text->data, text->size, steps[i / 2], NULL, &status);
        struct session *session;

        if (!fb_is_ok(status)) {
            fail_msg("%s", status.why);
        }
        assert_int_equal(import_format(import), i % 2 == 0 ? IMPORT_JSONL : IMPORT_JSON);
        expect_same_events(import, &staging);
        session = arriving_session(import);
        assert_true(arriving_same(session, staging.scratch));
        assert_int_equal(import_tasks(import), 2);
        session_destroy(session);
        import_destroy(import);
    }
    fb_buffer_finish(&texts[0]);
    fb_buffer_finish(&texts[1]);
    staging_finish(&staging);
}

static void a_journal_that_ends_too_soon_is_refused_wherever_it_ends(void **state)
{
    struct staging staging;
    struct fb_buffer text;
    const char *last;

    (void)state;
    stage_some(&staging);
    text = jsonl_of(&staging);
    for (size_t size = 1; size + 1 < text.size; size++) {
        struct fb_status status;
        struct import *import = arriving_import(text.data, size, 512, NULL, &status);

        assert_false(fb_is_ok(status));
        import_destroy(import);
    }
    text.data[text.size - 1] = '\0';
    last = strrchr(text.data, '\n');
    text.data[last + 20 - text.data] = '\0';
    arriving_refused(text.data, FB_INVALID_ARGUMENT, "line 9, byte ");
    arriving_refused(text.data, FB_INVALID_ARGUMENT, "the line is cut off");
    text.data[last + 1 - text.data] = '\0';
    arriving_refused(text.data, FB_DATA_LOSS, "after 7 of 8 events");
    fb_buffer_finish(&text);
    staging_finish(&staging);
}

#define HEADER(events) "{\"flow_balancer\":\"journal\",\"version\":1,\"events\":" events "}\n"
#define OPENED         "{\"unix_ms\":5,\"opened\":{\"name\":\"s\"}}\n"

static void what_is_wrong_in_a_journal_is_named_by_its_line_and_member(void **state)
{
    (void)state;
    arriving_refused("{\"flow_balancer\":\"journal\",\"version\":9}\n", FB_UNIMPLEMENTED,
                     "later flow-balancer");
    arriving_refused(HEADER("\"x\""), FB_INVALID_ARGUMENT, "line 1: $.events");
    arriving_refused(HEADER("0"), FB_INVALID_ARGUMENT, "no events");
    arriving_refused(HEADER("1") "{\"unix_ms\":5,\"opend\":{}}\n", FB_INVALID_ARGUMENT,
                     "line 2.opend: there is no such member, did you mean \"opened\"?");
    arriving_refused(HEADER("1") "{\"unix_ms\":5,\"opened\":{\"name\":7}}\n", FB_INVALID_ARGUMENT,
                     "line 2.opened.name: expected a string");
    arriving_refused(HEADER("1") "{\"unix_ms\":5,\"opened\":{}}\n", FB_INVALID_ARGUMENT,
                     "line 2: name: 1 to 256 bytes");
    arriving_refused(HEADER("1") "{\"bytes\":\"*\"}\n", FB_INVALID_ARGUMENT,
                     "line 2.bytes: expected base64");
    arriving_refused(HEADER("2") OPENED "{\"unix_ms\":5,\"planned\":{\"first_task\":1,\"tasks\":["
                                        "{\"title\":\"a\",\"weight\":1},{\"weight\":-1}]}}\n",
                     FB_INVALID_ARGUMENT,
                     "line 3.planned.tasks[1].weight: expected a whole number");
    arriving_refused(HEADER("2") OPENED "{\"unix_ms\":5,\"rested\":{\"task\":1}}\n",
                     FB_FAILED_PRECONDITION, "line 3: event 2: an event is about a task");
    arriving_refused(
        HEADER("2") OPENED "{\"unix_ms\":5,\"linked\":{\"links\":[{\"task\":1,\"on\":1,"
                           "\"kind\":\"AFTER\"}]}}\n",
        FB_INVALID_ARGUMENT, "line 3.linked.links[0].kind: expected the name of a FlowLinkKind");
}

static void a_journal_that_was_cut_short_in_the_store_is_resumed(void **state)
{
    struct staging staging;
    struct fb_buffer text;

    (void)state;
    stage_some(&staging);
    text = jsonl_of(&staging);
    for (size_t already = 1; already <= staging.count; already++) {
        struct session *session = session_create();
        struct fb_status status;
        struct import *import;

        assert_non_null(session);
        import = arriving_import(text.data, text.size, 4096, NULL, &status);
        arriving_fold(session, import, 0, already);
        import_destroy(import);
        import = arriving_import(text.data, text.size, 4096, session, &status);
        assert_true(fb_is_ok(status));
        assert_int_equal(import_first(import), already);
        arriving_fold(session, import, already, import_event_count(import));
        assert_true(arriving_same(session, staging.scratch));
        import_destroy(import);
        session_destroy(session);
    }
    fb_buffer_finish(&text);
    staging_finish(&staging);
}

static void a_session_that_went_another_way_takes_no_journal(void **state)
{
    struct staging staging;
    struct fb_buffer text;
    struct import *other = arriving_must("{\"sessionId\":\"s\",\"tasks\":[{\"id\":\"a\"}]}");
    struct session *session = arriving_session(other);
    struct fb_status status;
    struct import *import;

    (void)state;
    stage_some(&staging);
    text = jsonl_of(&staging);
    import = arriving_import(text.data, text.size, 4096, session, &status);
    assert_int_equal(status.code, FB_FAILED_PRECONDITION);
    assert_non_null(strstr(status.why, "merge"));
    import_destroy(import);
    session_destroy(session);
    import_destroy(other);
    fb_buffer_finish(&text);
    staging_finish(&staging);
}

/* --- large documents of other systems --- */

/* Tasks that mostly hang on later ones, with `body` bytes of text each. */
static struct fb_buffer large_file(uint32_t tasks, size_t body)
{
    struct fb_buffer text = {.data = NULL};
    unsigned short seed[3] = {1, 2, 3};

    fb_buffer_string(&text, "{\"sessionId\":\"large\",\"tasks\":[");
    for (uint32_t i = 0; i < tasks; i++) {
        fb_buffer_printf(&text, "%s{\"id\":\"t%u\",\"state\":\"%s\",\"context\":\"",
                         i == 0 ? "" : ",", (unsigned)i, i % 7 == 0 ? "completed" : "queued");
        for (size_t j = 0; j < body; j += 8) {
            fb_buffer_string(&text, "so much ");
        }
        fb_buffer_string(&text, "\",\"dependencies\":[");
        for (unsigned j = 0; j < 3 && i + 1 < tasks; j++) {
            const uint32_t later = i + 1 + (uint32_t)(nrand48(seed) % (long)(tasks - i - 1));

            fb_buffer_printf(&text, "%s\"t%u\"", j == 0 ? "" : ",", (unsigned)later);
        }
        fb_buffer_string(&text, "]}");
    }
    fb_buffer_string(&text, "]}");
    fb_buffer_append(&text, "", 1);
    return text;
}

/* No task is ready whose document says that it waits for an open one. */
static void expect_sound_beginning(const struct session *session, const struct session *whole)
{
    for (uint32_t i = 1; i <= session->task_count; i++) {
        const struct task *task = session_task(session, i);
        const uint32_t there = session_task_of_key(whole, fb_text_of(task->key));

        assert_true(task->unmet == session_task(whole, there)->unmet);
    }
}

static void a_large_import_is_resumed_from_any_chunk_and_every_beginning_is_sound(void **state)
{
    struct fb_buffer text = large_file(2500, 6000);
    struct import *import = arriving_must(text.data);
    const struct session *whole = import_session(import);
    size_t chunks = 0;

    (void)state;
    for (size_t end = 0; end < import_event_count(import); chunks++) {
        struct session *session = session_create();
        struct fb_status status;
        struct import *rest;

        end = import_chunk_end(import, end);
        arriving_fold(session, import, 0, end);
        if (session->kept.document_count == 1) {
            expect_sound_beginning(session, whole);
        }
        rest = arriving_import(text.data, text.size - 1, 1 << 20, session, &status);
        if (!fb_is_ok(status)) {
            fail_msg("%s", status.why);
        }
        assert_int_equal(import_tasks(rest) + session->task_count, 2500);
        arriving_fold(session, rest, 0, import_event_count(rest));
        assert_int_equal(session->task_count, 2500);
        assert_int_equal(graph_edge_count(session->graph), graph_edge_count(whole->graph));
        assert_true(session->kept.documents[0].taken);
        import_destroy(rest);
        /* A third time there is nothing left to do. */
        rest = arriving_import(text.data, text.size - 1, 1 << 20, session, &status);
        assert_true(fb_is_ok(status));
        assert_int_equal(import_event_count(rest), 0);
        import_destroy(rest);
        session_destroy(session);
    }
    assert_true(chunks >= 3);
    import_destroy(import);
    fb_buffer_finish(&text);
}

static void a_small_import_keeps_the_numbers_of_the_document(void **state)
{
    struct fb_buffer text = large_file(300, 16);
    struct import *import = arriving_must(text.data);

    (void)state;
    assert_int_equal(import_chunk_end(import, 0), import_event_count(import));
    for (uint32_t i = 0; i < 300; i++) {
        char id[16];

        snprintf(id, sizeof(id), "t%u", (unsigned)i);
        assert_int_equal(session_task_of_key(import_session(import), fb_text_of(id)), i + 1);
    }
    import_destroy(import);
    fb_buffer_finish(&text);
}

static void links_that_would_knot_the_session_are_refused_with_the_knot(void **state)
{
    static const char second[] =
        "{\"sessionId\":\"s\",\"tasks\":[{\"id\":\"c\",\"dependencies\":[\"b\"]},"
        "{\"id\":\"b\"},{\"id\":\"a\",\"dependencies\":[\"c\"]}]}";
    struct import *first =
        arriving_must("{\"sessionId\":\"s\",\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\","
                      "\"dependencies\":[\"a\"]}]}");
    struct session *session = arriving_session(first);
    struct fb_status status;
    struct import *import = arriving_import(second, sizeof(second) - 1, 9, session, &status);

    (void)state;
    assert_int_equal(status.code, FB_FAILED_PRECONDITION);
    assert_non_null(strstr(status.why, "wait for each other"));
    assert_non_null(strstr(status.why, ": task "));
    import_destroy(import);
    session_destroy(session);
    import_destroy(first);
}

static void a_document_beyond_the_limits_is_refused(void **state)
{
    struct import *import = import_create(&(struct import_options){.format = IMPORT_JSONL});
    char *line = calloc(1, 1 << 20);
    struct fb_status status = fb_ok;

    (void)state;
    memset(line, ' ', 1 << 20);
    for (int i = 0; i < 3; i++) {
        status = import_feed(import, (struct fb_text){.data = line, .size = 1 << 20});
    }
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(status.why, "line 1, byte 0: longer than 2 MiB"));
    import_destroy(import);
    import = import_create(&(struct import_options){.format = IMPORT_ANY});
    status = fb_ok;
    for (int i = 0; i < 65; i++) {
        status = import_feed(import, (struct fb_text){.data = line, .size = 1 << 20});
    }
    assert_int_equal(status.code, FB_RESOURCE_EXHAUSTED);
    assert_int_equal(import_finish(import).code, FB_RESOURCE_EXHAUSTED);
    import_destroy(import);
    free(line);
    {
        struct fb_buffer deep = {.data = NULL};

        fb_buffer_string(&deep, "{\"sessionId\":\"s\",\"tasks\":");
        for (int i = 0; i < 200; i++) {
            fb_buffer_string(&deep, "[");
        }
        fb_buffer_append(&deep, "", 1);
        arriving_refused(deep.data, FB_INVALID_ARGUMENT, "line 1, byte ");
        fb_buffer_finish(&deep);
    }
}

static void a_journal_under_another_id_is_a_copy_that_merges_with_its_source(void **state)
{
    struct staging staging;
    struct fb_text events[8];
    struct fb_text copied[8];
    struct fb_buffer text;
    struct import *import;
    struct session *session;
    struct fb_arena arena;
    struct merge_log source = {.origin = FB_TEXT("s-1"), .events = events};
    struct merge_log copy = {.origin = FB_TEXT("s-2"), .events = copied};
    struct merge_result result;

    (void)state;
    stage_some(&staging);
    staging.count--; /* without the event of a later version and what follows it */
    staging.count--;
    text = jsonl_of(&staging);
    fb_buffer_append(&text, "", 1);
    text.size--;
    memcpy(strstr(text.data, "\"events\":8"), "\"events\":6", 10);
    import = import_create(&(struct import_options){.session_id = FB_TEXT("s-2")});
    assert_true(fb_is_ok(import_feed(import, (struct fb_text){text.data, text.size})));
    assert_true(fb_is_ok(import_finish(import)));
    assert_int_equal(import_event_count(import), 6);
    session = arriving_session(import);
    assert_true(arriving_same(session, (struct session *)import_session(import)));
    for (size_t i = 0; i < 6; i++) {
        events[i] = staging_event(&staging, i);
        copied[i] = import_event(import, i);
        assert_false(fb_text_equal(events[i], copied[i]) && i != 5);
    }
    source.count = 6;
    copy.count = 6;
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(merge_logs(&source, &copy, &arena, &result)));
    assert_int_equal(result.new_events, 0);
    assert_ptr_equal(result.same, &source);
    fb_arena_finish(&arena);
    session_destroy(session);
    import_destroy(import);
    fb_buffer_finish(&text);
    staging_finish(&staging);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_comes_back_byte_for_byte_however_it_is_cut),
        cmocka_unit_test(a_journal_that_ends_too_soon_is_refused_wherever_it_ends),
        cmocka_unit_test(what_is_wrong_in_a_journal_is_named_by_its_line_and_member),
        cmocka_unit_test(a_journal_that_was_cut_short_in_the_store_is_resumed),
        cmocka_unit_test(a_journal_under_another_id_is_a_copy_that_merges_with_its_source),
        cmocka_unit_test(a_session_that_went_another_way_takes_no_journal),
        cmocka_unit_test(a_large_import_is_resumed_from_any_chunk_and_every_beginning_is_sound),
        cmocka_unit_test(a_small_import_keeps_the_numbers_of_the_document),
        cmocka_unit_test(links_that_would_knot_the_session_are_refused_with_the_knot),
        cmocka_unit_test(a_document_beyond_the_limits_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
