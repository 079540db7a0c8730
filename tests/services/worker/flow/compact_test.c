#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/compact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/decide.h"
#include "services/worker/flow/snapshot.h"

enum { TASKS = 400, HOUR_MS = 60 * 60 * 1000 };

static const char digest[] = "0123456789abcdef0123456789abcdef";

#define DIGEST ((struct fb_text){.data = digest, .size = 32})

static void must(struct session *session, struct event event)
{
    struct fb_status status;

    if (event.unix_ms == 0) {
        event.unix_ms = session->last_ms;
    }
    status = session_fold(session, &event);
    if (!fb_is_ok(status)) {
        fail_msg("kind %d: %s", event.kind, status.why);
    }
    assert_null(session_fault(session));
}

/* Tasks of many sizes, of which most have ended, one an hour. */
static struct session *old_session(unsigned short salt)
{
    static char text[60000];
    unsigned short seed[3] = {salt, 2, 3};
    struct session *session = session_create();

    assert_non_null(session);
    memset(text, 'x', sizeof(text));
    must(session, (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("s")}});
    for (uint32_t i = 1; i <= TASKS; i++) {
        const size_t size = nrand48(seed) % 20 == 0 ? 60000 : (size_t)(nrand48(seed) % 300);
        const struct event_planned_task task = {
            .title = FB_TEXT("task"),
            .body = {.data = text, .size = size},
            .accept = {.data = text, .size = size / 10},
            .weight = 1,
        };

        must(session,
             (struct event){.kind = EVENT_PLANNED,
                            .unix_ms = (int64_t)i * HOUR_MS,
                            .planned = {.first_task = i, .tasks = &task, .task_count = 1}});
        if (nrand48(seed) % 5 == 0) {
            continue;
        }
        must(session, (struct event){.kind = EVENT_CLAIMED,
                                     .task = i,
                                     .actor = FB_TEXT("ann"),
                                     .claimed = {.fence = session->fence + 1, .lasts_ms = 1000}});
        must(session, (struct event){.kind = EVENT_NOTED,
                                     .task = i,
                                     .actor = FB_TEXT("ann"),
                                     .noted = {.note = {.data = text, .size = size / 5}}});
        must(session,
             (struct event){
                 .kind = EVENT_FINISHED,
                 .task = i,
                 .actor = FB_TEXT("ann"),
                 .finished = {.outcome = nrand48(seed) % 3 == 0 ? EVENT_FAILED : EVENT_COMPLETED,
                              .summary = FB_TEXT("it went so"),
                              .fence = session->fence}});
    }
    return session;
}

static struct fb_buffer snapshot_of(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};

    assert_true(snapshot_write(session, &bytes));
    return bytes;
}

static bool same(struct session *a, struct session *b)
{
    struct fb_buffer x = snapshot_of(a);
    struct fb_buffer y = snapshot_of(b);
    const bool equal = fb_text_equal((struct fb_text){.data = x.data, .size = x.size},
                                     (struct fb_text){.data = y.data, .size = y.size});

    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
    return equal;
}

static struct fb_text text_of(const struct fb_buffer *buffer)
{
    return (struct fb_text){.data = buffer->data, .size = buffer->size};
}

static void only_what_ended_long_ago_is_selected(void **state)
{
    struct session *session = old_session(1);
    uint32_t tasks[TASKS];
    const int64_t now_ms = session->last_ms;
    const size_t count = compact_select(session, now_ms, 100 * (int64_t)HOUR_MS, tasks, TASKS);

    (void)state;
    assert_true(count > 200);
    for (size_t i = 0; i < count; i++) {
        const struct task *task = session_task(session, tasks[i]);

        assert_true(task_has_ended(task->state));
        assert_true(task->ended_ms <= now_ms - 100 * (int64_t)HOUR_MS);
        assert_true(i == 0 || tasks[i] > tasks[i - 1]);
    }
    assert_int_equal(compact_select(session, now_ms, 100 * (int64_t)HOUR_MS, tasks, 7), 7);
    assert_int_equal(compact_select(session, now_ms, COMPACT_AGE_MS * 10, tasks, TASKS), 0);
    session_destroy(session);
}

/* Expands what was compacted, some tasks first, then the rest. */
static void bring_all_back(struct session *session, struct fb_text segment, const uint32_t *some,
                           size_t some_count, uint32_t *events_folded)
{
    for (int i = 0; i < 2; i++) {
        struct fb_arena arena;
        struct event *events;
        size_t count;
        struct fb_status status;

        fb_arena_init(&arena, 0);
        status = compact_expand(session, segment, DIGEST, some, i == 0 ? some_count : 0, &arena,
                                &events, &count);
        if (!fb_is_ok(status)) {
            fail_msg("%s", status.why);
        }
        for (size_t j = 0; j < count; j++) {
            struct fb_text bytes;

            assert_true(fb_is_ok(event_pack(&events[j], &arena, &bytes)));
            must(session, events[j]);
            ++*events_folded;
        }
        fb_arena_finish(&arena);
    }
}

static void what_was_moved_comes_back_as_it_was(void **state)
{
    (void)state;
    for (unsigned short salt = 1; salt <= 5; salt++) {
        struct session *session = old_session(salt);
        struct session *plain = old_session(salt);
        struct fb_buffer segment = {.data = NULL};
        struct fb_buffer before = snapshot_of(session);
        struct fb_buffer after;
        uint32_t tasks[TASKS];
        uint32_t folded = 1;
        const size_t count = compact_select(session, session->last_ms, HOUR_MS, tasks, TASKS);

        assert_true(same(session, plain));
        compact_write(session, tasks, count, &segment);
        assert_false(segment.failed);
        must(session, compact_event(DIGEST, segment.size, tasks, count));
        after = snapshot_of(session);
        assert_true(after.size + segment.size / 2 < before.size);
        assert_int_equal(compact_select(session, session->last_ms, HOUR_MS, tasks, TASKS), 0);
        bring_all_back(session, text_of(&segment), tasks, 3, &folded);
        /* As if as many events had come that do nothing. */
        for (uint32_t i = 0; i < folded; i++) {
            must(plain, (struct event){.kind = EVENT_MERGED});
        }
        kept_finish(&session->kept);
        assert_true(same(session, plain));
        fb_buffer_finish(&segment);
        fb_buffer_finish(&before);
        fb_buffer_finish(&after);
        session_destroy(session);
        session_destroy(plain);
    }
}

static void folding_the_log_of_a_compacted_session_gives_the_same_again(void **state)
{
    struct session *a = old_session(9);
    struct session *b = old_session(9);
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};
    uint32_t tasks[TASKS];
    const size_t count = compact_select(a, a->last_ms, HOUR_MS, tasks, TASKS);
    struct session *read;
    struct fb_buffer snapshot;

    (void)state;
    compact_write(a, tasks, count, &x);
    compact_write(b, tasks, count, &y);
    assert_true(fb_text_equal(text_of(&x), text_of(&y)));
    must(a, compact_event(DIGEST, x.size, tasks, count));
    must(b, compact_event(DIGEST, x.size, tasks, count));
    assert_true(same(a, b));
    snapshot = snapshot_of(a);
    assert_true(fb_is_ok(snapshot_read(text_of(&snapshot), &read)));
    assert_true(same(a, read));
    session_destroy(read);
    fb_buffer_finish(&snapshot);
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
    session_destroy(a);
    session_destroy(b);
}

static void the_texts_of_one_task_are_shown_without_changing_anything(void **state)
{
    struct session *session = old_session(3);
    struct fb_buffer segment = {.data = NULL};
    struct event_expanded_task texts;
    struct fb_arena arena;
    uint32_t tasks[TASKS];
    const size_t count = compact_select(session, session->last_ms, HOUR_MS, tasks, TASKS);

    (void)state;
    fb_arena_init(&arena, 0);
    compact_write(session, tasks, count, &segment);
    for (size_t i = 0; i < count; i++) {
        const struct task *task = session_task(session, tasks[i]);

        assert_true(fb_is_ok(compact_find(text_of(&segment), tasks[i], &arena, &texts)));
        assert_true(fb_text_equal(texts.body, fb_text_of(task->body)));
        assert_true(fb_text_equal(texts.accept, fb_text_of(task->accept)));
        assert_true(fb_text_equal(texts.note, fb_text_of(task->note)));
    }
    assert_int_equal(compact_find(text_of(&segment), TASKS + 1, &arena, &texts).code, FB_NOT_FOUND);
    fb_arena_finish(&arena);
    fb_buffer_finish(&segment);
    session_destroy(session);
}

static void a_task_is_reopened_only_with_its_texts(void **state)
{
    struct session *session = old_session(6);
    struct fb_buffer segment = {.data = NULL};
    struct event *events;
    size_t event_count;
    struct fb_arena arena;
    uint32_t tasks[TASKS];
    const size_t count = compact_select(session, session->last_ms, HOUR_MS, tasks, TASKS);
    size_t at = 0;
    struct edit_command reopen = {
        .agent = FB_TEXT("ann"), .action = EDIT_REOPEN, .reason = FB_TEXT("it is not done")};
    struct decision d;

    (void)state;
    fb_arena_init(&arena, 0);
    while (session_task(session, tasks[at])->state != TASK_COMPLETED) {
        at++;
    }
    reopen.task = tasks[at];
    compact_write(session, tasks, count, &segment);
    must(session, compact_event(DIGEST, segment.size, tasks, count));
    d = (struct decision){.session = session, .arena = &arena, .now_ms = session->last_ms};
    assert_false(decide_edit(&d, &reopen));
    assert_string_equal(refusal_name(d.refusal.kind), "not_ready");
    assert_non_null(strstr(d.refusal.why, "bring them back first"));
    assert_true(fb_is_ok(compact_expand(session, text_of(&segment), DIGEST, &tasks[at], 1, &arena,
                                        &events, &event_count)));
    must(session, events[0]);
    assert_true(decide_edit(&d, &reopen));
    assert_int_equal(session_task(session, tasks[at])->state, TASK_QUEUED);
    fb_arena_finish(&arena);
    fb_buffer_finish(&segment);
    session_destroy(session);
}

static void damaged_segments_and_wrong_tasks_are_refused(void **state)
{
    struct session *session = old_session(4);
    struct fb_buffer segment = {.data = NULL};
    struct event_expanded_task texts;
    struct event *events;
    size_t event_count;
    struct fb_arena arena;
    uint32_t tasks[TASKS];
    const uint32_t nobody = TASKS + 1;
    const size_t count = compact_select(session, session->last_ms, HOUR_MS, tasks, 20);

    (void)state;
    fb_arena_init(&arena, 0);
    compact_write(session, tasks, count, &segment);
    must(session, compact_event(DIGEST, segment.size, tasks, count));
    for (size_t size = 0; size < segment.size; size += 1 + size / 50) {
        const struct fb_text cut = {.data = segment.data, .size = size};

        assert_int_equal(compact_find(cut, nobody, &arena, &texts).code, FB_DATA_LOSS);
        assert_int_equal(
            compact_expand(session, cut, DIGEST, NULL, 0, &arena, &events, &event_count).code,
            FB_DATA_LOSS);
    }
    assert_int_equal(compact_expand(session, text_of(&segment), DIGEST, &nobody, 1, &arena, &events,
                                    &event_count)
                         .code,
                     FB_FAILED_PRECONDITION);
    fb_arena_finish(&arena);
    fb_buffer_finish(&segment);
    session_destroy(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_ended_long_ago_is_selected),
        cmocka_unit_test(what_was_moved_comes_back_as_it_was),
        cmocka_unit_test(folding_the_log_of_a_compacted_session_gives_the_same_again),
        cmocka_unit_test(the_texts_of_one_task_are_shown_without_changing_anything),
        cmocka_unit_test(a_task_is_reopened_only_with_its_texts),
        cmocka_unit_test(damaged_segments_and_wrong_tasks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
