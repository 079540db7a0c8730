#include "services/worker/flow/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"

static const char digest[] = "0123456789abcdef0123456789abcdef";
static const char other_digest[] = "fedcba9876543210fedcba9876543210";

#define DIGEST       ((struct fb_text){.data = digest, .size = 32})
#define OTHER_DIGEST ((struct fb_text){.data = other_digest, .size = 32})

/* Folds what comes back from the bytes of the event, and checks all invariants. */
static struct fb_status fold(struct session *session, struct event event)
{
    struct fb_arena arena;
    struct fb_text bytes;
    struct event again;
    struct fb_status status;
    const char *fault;

    fb_arena_init(&arena, 0);
    event.unix_ms = session->last_ms + 1000;
    status = event_pack(&event, &arena, &bytes);
    if (fb_is_ok(status)) {
        status = event_unpack(bytes, &arena, &again);
    }
    if (fb_is_ok(status)) {
        status = session_fold(session, &again);
    }
    fb_arena_finish(&arena);
    fault = session_fault(session);
    if (fault != NULL) {
        fail_msg("after kind %d: %s", event.kind, fault);
    }
    return status;
}

static void must(struct session *session, struct event event)
{
    const struct fb_status status = fold(session, event);

    if (!fb_is_ok(status)) {
        fail_msg("kind %d: %s", event.kind, status.why);
    }
}

static void must_not(struct session *session, struct event event)
{
    const uint64_t events = session->events;

    assert_false(fb_is_ok(fold(session, event)));
    assert_int_equal(session->events, events);
}

static struct session *open_session(void)
{
    struct session *session = session_create();

    assert_non_null(session);
    must(session, (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("s")}});
    return session;
}

static struct event_imported_task imported(enum event_imported_state state)
{
    return (struct event_imported_task){
        .task = {.title = FB_TEXT("task"), .body = FB_TEXT("the text"), .weight = 5, .priority = 2},
        .state = state,
        .note = FB_TEXT("a note"),
        .gate = state == EVENT_IMPORTED_BLOCKED ? FB_TEXT("why?") : (struct fb_text){.size = 0},
    };
}

static void import_tasks(struct session *session, const struct event_imported_task *tasks,
                         size_t count, const struct event_link *links, size_t link_count)
{
    must(session, (struct event){.kind = EVENT_IMPORTED,
                                 .imported = {.first_task = session->task_count + 1,
                                              .tasks = tasks,
                                              .task_count = count,
                                              .links = links,
                                              .link_count = link_count,
                                              .sha256 = DIGEST}});
}

static struct fb_buffer snapshot_of(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};

    assert_true(snapshot_write(session, &bytes));
    return bytes;
}

static void expect_comes_back(struct session *session)
{
    struct fb_buffer bytes = snapshot_of(session);
    struct fb_buffer again;
    struct session *read;

    assert_true(
        fb_is_ok(snapshot_read((struct fb_text){.data = bytes.data, .size = bytes.size}, &read)));
    again = snapshot_of(read);
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    fb_buffer_finish(&bytes);
    fb_buffer_finish(&again);
    session_destroy(read);
}

static void imported_tasks_are_as_they_were_and_teach_nothing(void **state)
{
    static const enum task_state states[] = {TASK_QUEUED,    TASK_BLOCKED, TASK_RESTING,
                                             TASK_COMPLETED, TASK_FAILED,  TASK_CANCELLED};
    struct event_imported_task tasks[6];
    struct session *session = open_session();

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        tasks[i] = imported((enum event_imported_state)(i + EVENT_IMPORTED_QUEUED));
    }
    import_tasks(session, tasks, 6, NULL, 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(session_task(session, i + 1)->state, states[i]);
        assert_int_equal(session_task(session, i + 1)->ended_ms != 0, task_has_ended(states[i]));
    }
    assert_true(session->momentum.value == 0);
    assert_int_equal(session->effort.seen, 0);
    assert_int_equal(session->fence, 0);
    expect_comes_back(session);
    session_destroy(session);
}

static void one_of_six_equal_imported_tasks_reads_17_percent(void **state)
{
    struct event_imported_task tasks[6];
    struct session *session = open_session();

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        tasks[i] = imported(i == 0 ? EVENT_IMPORTED_COMPLETED : EVENT_IMPORTED_QUEUED);
    }
    import_tasks(session, tasks, 6, NULL, 0);
    assert_int_equal(session_progress(session), 17);
    session_destroy(session);
}

static void links_of_imported_tasks_hold_up_whatever_comes_first(void **state)
{
    const struct event_link links[] = {
        {.task = 1, .on = 2, .kind = EVENT_LINK_AFTER},
        {.task = 3, .on = 4, .kind = EVENT_LINK_AFTER},
        {.task = 4, .on = 1, .kind = EVENT_LINK_PARENT},
        {.task = 3, .on = 2, .kind = EVENT_LINK_AFTER},
    };
    const struct event_imported_task tasks[] = {
        imported(EVENT_IMPORTED_QUEUED), imported(EVENT_IMPORTED_COMPLETED),
        imported(EVENT_IMPORTED_COMPLETED), imported(EVENT_IMPORTED_RESTING)};
    struct session *session = open_session();

    (void)state;
    import_tasks(session, tasks, 4, links, 4);
    assert_int_equal(session_task(session, 1)->unmet, 1);
    assert_int_equal(session_holds_up(session, 1), 4);
    assert_int_equal(session_task(session, 3)->state, TASK_COMPLETED);
    expect_comes_back(session);
    session_destroy(session);
}

static void a_queued_import_after_a_cancelled_one_is_blocked_by_it(void **state)
{
    const struct event_link link = {.task = 1, .on = 2, .kind = EVENT_LINK_AFTER};
    const struct event_imported_task tasks[] = {imported(EVENT_IMPORTED_QUEUED),
                                                imported(EVENT_IMPORTED_CANCELLED)};
    struct session *session = open_session();

    (void)state;
    import_tasks(session, tasks, 2, &link, 1);
    assert_int_equal(session_task(session, 1)->state, TASK_BLOCKED);
    assert_int_equal(session_task(session, 1)->blocker, 2);
    session_destroy(session);
}

static struct event part(uint32_t number, uint32_t parts)
{
    return (struct event){.kind = EVENT_DOCUMENT,
                          .document = {.sha256 = DIGEST,
                                       .format = 3,
                                       .size = 9,
                                       .part = number,
                                       .parts = parts,
                                       .data = FB_TEXT("abc")}};
}

static void a_document_is_kept_part_by_part_and_taken_when_it_is_whole(void **state)
{
    const struct event taken = {.kind = EVENT_DOCUMENT,
                                .document = {.sha256 = DIGEST, .size = 9, .taken = true}};
    struct session *session = open_session();

    (void)state;
    must_not(session, taken);
    must_not(session, part(1, 3));
    must(session, part(0, 3));
    must_not(session, part(2, 3));
    must(session, part(1, 3));
    must_not(session, taken);
    must(session, part(0, 3)); /* it begins anew */
    must(session, part(1, 3));
    must(session, part(2, 3));
    must(session, taken);
    assert_int_equal(session->kept.document_count, 1);
    assert_true(session->kept.documents[0].taken);
    assert_int_equal(session->kept.documents[0].seen, 9);
    expect_comes_back(session);
    session_destroy(session);
}

static void texts_go_to_cold_storage_and_come_back_as_they_were(void **state)
{
    const struct event_imported_task tasks[] = {imported(EVENT_IMPORTED_COMPLETED),
                                                imported(EVENT_IMPORTED_QUEUED)};
    static const uint32_t first = 1;
    static const uint32_t second = 2;
    const struct event_expanded_task back = {
        .task = 1, .body = FB_TEXT("the text"), .note = FB_TEXT("a note")};
    struct event compacted = {
        .kind = EVENT_COMPACTED,
        .compacted = {.sha256 = DIGEST, .size = 100, .tasks = &first, .task_count = 1}};
    struct event expanded = {.kind = EVENT_EXPANDED,
                             .expanded = {.sha256 = DIGEST, .tasks = &back, .task_count = 1}};
    struct session *session = open_session();
    struct session *plain = open_session();
    struct fb_buffer a;
    struct fb_buffer b;

    (void)state;
    import_tasks(session, tasks, 2, NULL, 0);
    import_tasks(plain, tasks, 2, NULL, 0);
    must(session, compacted);
    assert_null(session_task(session, 1)->body);
    assert_null(session_task(session, 1)->note);
    assert_string_equal(session_task(session, 1)->title, "task");
    assert_int_equal(session_task(session, 1)->cold, 1);
    expect_comes_back(session);
    must_not(session, compacted); /* once */
    compacted.compacted.tasks = &second;
    must_not(session, compacted); /* only what has ended */
    expanded.expanded.sha256 = OTHER_DIGEST;
    must_not(session, expanded);
    expanded.expanded.sha256 = DIGEST;
    must(session, expanded);
    must_not(session, expanded);
    assert_string_equal(session_task(session, 1)->body, "the text");
    /* But for the events and the name of the segment it is as if nothing had happened. */
    must(plain, part(0, 1));
    must(plain, part(0, 1));
    kept_finish(&session->kept);
    kept_finish(&plain->kept);
    a = snapshot_of(session);
    b = snapshot_of(plain);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    fb_buffer_finish(&a);
    fb_buffer_finish(&b);
    session_destroy(session);
    session_destroy(plain);
}

static void a_conflict_is_open_until_the_task_is_edited(void **state)
{
    const struct event_imported_task task = imported(EVENT_IMPORTED_QUEUED);
    struct event conflict = {.kind = EVENT_CONFLICT,
                             .task = 1,
                             .conflict = {.field = FB_TEXT("title"),
                                          .other = FB_TEXT("what the other said"),
                                          .other_origin = FB_TEXT("b")}};
    struct session *session = open_session();

    (void)state;
    must_not(session, conflict);
    import_tasks(session, &task, 1, NULL, 0);
    for (int i = 0; i < KEPT_CONFLICTS_MOST + 3; i++) {
        must(session, conflict);
    }
    assert_int_equal(session->kept.conflict_count, KEPT_CONFLICTS_MOST);
    assert_string_equal(session->kept.conflicts[0].other, "what the other said");
    expect_comes_back(session);
    must(session, (struct event){.kind = EVENT_EDITED,
                                 .task = 1,
                                 .edited = {.fields = EVENT_FIELD_WEIGHT, .weight = 3}});
    assert_int_equal(session->kept.conflict_count, 0);
    session_destroy(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imported_tasks_are_as_they_were_and_teach_nothing),
        cmocka_unit_test(one_of_six_equal_imported_tasks_reads_17_percent),
        cmocka_unit_test(links_of_imported_tasks_hold_up_whatever_comes_first),
        cmocka_unit_test(a_queued_import_after_a_cancelled_one_is_blocked_by_it),
        cmocka_unit_test(a_document_is_kept_part_by_part_and_taken_when_it_is_whole),
        cmocka_unit_test(texts_go_to_cold_storage_and_come_back_as_they_were),
        cmocka_unit_test(a_conflict_is_open_until_the_task_is_edited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
