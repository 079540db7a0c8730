#include "services/worker/flow/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000 };

static struct fb_text text_of(const char *string)
{
    return fb_text_of(string);
}

/* Folds it and checks all invariants. */
static struct fb_status fold(struct session *session, const struct event *event)
{
    const struct fb_status status = session_fold(session, event);
    const char *fault = session_fault(session);

    if (fault != NULL) {
        fail_msg("after kind %d of task %u: %s", event->kind, event->task, fault);
    }
    return status;
}

static void must(struct session *session, struct event event)
{
    const struct fb_status status = fold(session, &event);

    if (!fb_is_ok(status)) {
        fail_msg("kind %d of task %u: %s", event.kind, event.task, status.why);
    }
}

static void must_not(struct session *session, struct event event)
{
    assert_int_equal(fold(session, &event).code, FB_FAILED_PRECONDITION);
}

static struct event opened(void)
{
    return (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("s")}};
}

static struct session *open_session(void)
{
    struct session *session = session_create();

    assert_non_null(session);
    must(session, opened());
    return session;
}

/* `count` tasks of weight 1 with these links. */
static void plan(struct session *session, uint32_t count, const struct event_link *links,
                 size_t link_count)
{
    struct event_planned_task tasks[16];

    for (uint32_t i = 0; i < count; i++) {
        tasks[i] =
            (struct event_planned_task){.title = FB_TEXT("task"), .weight = 1, .priority = 2};
    }
    must(session, (struct event){.kind = EVENT_PLANNED,
                                 .unix_ms = session->last_ms,
                                 .planned = {.first_task = session->task_count + 1,
                                             .tasks = tasks,
                                             .task_count = count,
                                             .links = links,
                                             .link_count = link_count}});
}

static struct event claimed(const struct session *session, uint32_t task, const char *agent)
{
    return (struct event){.kind = EVENT_CLAIMED,
                          .unix_ms = session->last_ms,
                          .actor = text_of(agent),
                          .task = task,
                          .claimed = {.fence = session->fence + 1, .lasts_ms = MINUTE_MS}};
}

static struct event finished(const struct session *session, uint32_t task, const char *agent,
                             enum event_outcome outcome)
{
    return (struct event){
        .kind = EVENT_FINISHED,
        .unix_ms = session->last_ms,
        .actor = text_of(agent),
        .task = task,
        .finished = {.outcome = outcome, .fence = session->tasks[task].lease.fence}};
}

static struct event requeued(const struct session *session, uint32_t task, const char *agent,
                             enum event_cause cause)
{
    return (struct event){.kind = EVENT_REQUEUED,
                          .unix_ms = session->last_ms,
                          .actor = text_of(agent),
                          .task = task,
                          .requeued = {.cause = cause, .reason = FB_TEXT("because")}};
}

static void complete(struct session *session, uint32_t task)
{
    must(session, claimed(session, task, "a"));
    must(session, finished(session, task, "a", EVENT_COMPLETED));
}

static void one_of_six_equal_tasks_reads_seventeen_percent(void **state)
{
    struct session *session = open_session();

    (void)state;
    plan(session, 6, NULL, 0);
    assert_int_equal(session_progress(session), 0);
    complete(session, 3);
    assert_int_equal(session_progress(session), 17);
    session_destroy(session);
}

static void a_parent_counts_only_through_its_children(void **state)
{
    const struct event_link links[] = {
        {.task = 2, .on = 1, .kind = EVENT_LINK_PARENT},
        {.task = 3, .on = 1, .kind = EVENT_LINK_PARENT},
    };
    struct session *session = open_session();

    (void)state;
    plan(session, 3, links, 2);
    must_not(session, claimed(session, 1, "a"));
    complete(session, 2);
    assert_int_equal(session_progress(session), 50);
    complete(session, 3);
    assert_int_equal(session_progress(session), 100);
    assert_true(schedule_is_ready(session->schedule, 1));
    session_destroy(session);
}

static void a_task_is_ready_in_the_same_commit_that_ends_its_last_blocker(void **state)
{
    const struct event_link links[] = {
        {.task = 4, .on = 1, .kind = EVENT_LINK_AFTER},
        {.task = 4, .on = 2, .kind = EVENT_LINK_ENDS},
        {.task = 4, .on = 3, .kind = EVENT_LINK_ON_FAIL},
    };
    struct session *session = open_session();

    (void)state;
    plan(session, 4, links, 3);
    complete(session, 1);
    must(session, finished(session, 2, "", EVENT_CANCELLED));
    assert_false(schedule_is_ready(session->schedule, 4));
    must(session, claimed(session, 3, "a"));
    must(session, finished(session, 3, "a", EVENT_FAILED));
    assert_true(schedule_is_ready(session->schedule, 4));
    session_destroy(session);
}

static void a_cancelled_task_blocks_what_comes_after_it_by_name(void **state)
{
    const struct event_link link = {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER};
    const struct event_link dropped = {
        .task = 2, .on = 1, .kind = EVENT_LINK_AFTER, .dropped = true};
    struct session *session = open_session();

    (void)state;
    plan(session, 2, &link, 1);
    must(session, finished(session, 1, "", EVENT_CANCELLED));
    assert_int_equal(session->tasks[2].state, TASK_BLOCKED);
    assert_int_equal(session->tasks[2].blocker, 1);
    must(session,
         (struct event){.kind = EVENT_LINKED, .linked = {.links = &dropped, .link_count = 1}});
    assert_int_equal(session->tasks[2].state, TASK_QUEUED);
    assert_true(schedule_is_ready(session->schedule, 2));
    session_destroy(session);
}

static void reopening_marks_active_dependents_and_holds_up_queued_ones(void **state)
{
    const struct event_link links[] = {
        {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER},
        {.task = 3, .on = 1, .kind = EVENT_LINK_AFTER},
    };
    struct session *session = open_session();

    (void)state;
    plan(session, 3, links, 2);
    complete(session, 1);
    must(session, claimed(session, 2, "b"));
    must(session, requeued(session, 1, "c", EVENT_REOPENED));
    assert_int_equal(session->tasks[2].state, TASK_ACTIVE);
    assert_true(session->tasks[2].stale_input);
    assert_false(schedule_is_ready(session->schedule, 3));
    assert_true(schedule_is_ready(session->schedule, 1));
    session_destroy(session);
}

static void a_gate_is_opened_by_another_than_who_closed_it(void **state)
{
    struct session *session = open_session();

    (void)state;
    plan(session, 1, NULL, 0);
    must(session, claimed(session, 1, "a"));
    must(session, (struct event){.kind = EVENT_BLOCKED,
                                 .actor = FB_TEXT("a"),
                                 .task = 1,
                                 .blocked = {.gate = FB_TEXT("which colour?")}});
    must_not(session, requeued(session, 1, "a", EVENT_UNBLOCKED));
    must(session, requeued(session, 1, "b", EVENT_UNBLOCKED));
    assert_int_equal(session->tasks[1].state, TASK_QUEUED);
    session_destroy(session);
}

static void a_fourth_attempt_is_refused(void **state)
{
    struct session *session = open_session();

    (void)state;
    plan(session, 1, NULL, 0);
    for (uint32_t attempt = 1; attempt <= TASK_ATTEMPTS_MOST; attempt++) {
        assert_int_equal(session->tasks[1].attempt, attempt);
        must(session, claimed(session, 1, "a"));
        must(session, finished(session, 1, "a", EVENT_FAILED));
        if (attempt < TASK_ATTEMPTS_MOST) {
            must(session, requeued(session, 1, "a", EVENT_RETRIED));
        }
    }
    must_not(session, requeued(session, 1, "a", EVENT_RETRIED));
    session_destroy(session);
}

static void a_cycle_is_refused_and_nothing_has_changed(void **state)
{
    const struct event_link links[] = {
        {.task = 1, .on = 2, .kind = EVENT_LINK_AFTER},
        {.task = 2, .on = 3, .kind = EVENT_LINK_ENDS},
        {.task = 3, .on = 1, .kind = EVENT_LINK_AFTER},
    };
    const struct event_planned_task tasks[3] = {
        {.title = FB_TEXT("a"), .weight = 1},
        {.title = FB_TEXT("b"), .weight = 1},
        {.title = FB_TEXT("c"), .weight = 1},
    };
    struct session *session = open_session();

    (void)state;
    must_not(session, (struct event){.kind = EVENT_PLANNED,
                                     .planned = {.first_task = 1,
                                                 .tasks = tasks,
                                                 .task_count = 3,
                                                 .links = links,
                                                 .link_count = 3}});
    assert_int_equal(session->task_count, 0);
    plan(session, 3, links, 2);
    must_not(session,
             (struct event){.kind = EVENT_LINKED, .linked = {.links = &links[2], .link_count = 1}});
    session_destroy(session);
}

static void momentum_stands_still_while_a_task_rests(void **state)
{
    struct session *session = open_session();
    struct event event;
    double value;

    (void)state;
    plan(session, 1, NULL, 0);
    must(session, claimed(session, 1, "a"));
    must(session, (struct event){.kind = EVENT_RESTED, .actor = FB_TEXT("a"), .task = 1});
    value = session->tasks[1].momentum.value;
    event = claimed(session, 1, "a");
    event.unix_ms = 100 * MINUTE_MS;
    must(session, event);
    assert_true(session->tasks[1].momentum.value > value);
    session_destroy(session);
}

static void a_deferred_task_is_ready_when_its_time_has_come(void **state)
{
    const struct event_planned_task task = {
        .title = FB_TEXT("later"), .weight = 1, .defer_until_unix_ms = 1000};
    struct session *session = open_session();

    (void)state;
    must(session, (struct event){.kind = EVENT_PLANNED,
                                 .planned = {.first_task = 1, .tasks = &task, .task_count = 1}});
    session_settle(session, 999);
    assert_false(schedule_is_ready(session->schedule, 1));
    session_settle(session, 1000);
    assert_true(schedule_is_ready(session->schedule, 1));
    assert_null(session_fault(session));
    session_destroy(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_six_equal_tasks_reads_seventeen_percent),
        cmocka_unit_test(a_parent_counts_only_through_its_children),
        cmocka_unit_test(a_task_is_ready_in_the_same_commit_that_ends_its_last_blocker),
        cmocka_unit_test(a_cancelled_task_blocks_what_comes_after_it_by_name),
        cmocka_unit_test(reopening_marks_active_dependents_and_holds_up_queued_ones),
        cmocka_unit_test(a_gate_is_opened_by_another_than_who_closed_it),
        cmocka_unit_test(a_fourth_attempt_is_refused),
        cmocka_unit_test(a_cycle_is_refused_and_nothing_has_changed),
        cmocka_unit_test(momentum_stands_still_while_a_task_rests),
        cmocka_unit_test(a_deferred_task_is_ready_when_its_time_has_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
