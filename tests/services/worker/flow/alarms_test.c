#include "services/worker/flow/alarms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)

static const struct fb_text ann = {.data = "ann", .size = 3};
static const struct fb_text bob = {.data = "bob", .size = 3};

struct world {
    struct session *session;
    int64_t now_ms;
};

static void fold(struct world *w, struct fb_text actor, struct event event)
{
    event.unix_ms = w->now_ms;
    event.actor = actor;
    assert_true(fb_is_ok(session_fold(w->session, &event)));
}

static void begin(struct world *w)
{
    *w = (struct world){.session = session_create(), .now_ms = 1000};
    assert_non_null(w->session);
    fold(w, ann, (struct event){.kind = EVENT_OPENED, .opened = {.name = FB_TEXT("s")}});
    fold(w, bob, (struct event){.kind = EVENT_SEEN});
}

/* What is learned survives the snapshot, which is the same again. */
static void end(struct world *w)
{
    struct fb_buffer one = {.data = NULL};
    struct fb_buffer other = {.data = NULL};
    struct session *read;

    assert_true(snapshot_write(w->session, &one));
    assert_true(
        fb_is_ok(snapshot_read((struct fb_text){.data = one.data, .size = one.size}, &read)));
    assert_true(snapshot_write(read, &other));
    assert_int_equal(one.size, other.size);
    assert_memory_equal(one.data, other.data, one.size);
    fb_buffer_finish(&one);
    fb_buffer_finish(&other);
    session_destroy(read);
    session_destroy(w->session);
}

static uint32_t plan_one(struct world *w, const char *title, uint32_t phase)
{
    const struct event_planned_task task = {
        .title = fb_text_of(title), .weight = 1, .priority = 2, .phase = phase};
    const uint32_t number = w->session->task_count + 1;

    fold(w, ann,
         (struct event){.kind = EVENT_PLANNED,
                        .planned = {.first_task = number, .tasks = &task, .task_count = 1}});
    return number;
}

static uint32_t plan_some(struct world *w)
{
    char title[64];

    snprintf(title, sizeof(title), "Take measure number %u", w->session->task_count + 1);
    return plan_one(w, title, 0);
}

static void claim(struct world *w, struct fb_text agent, uint32_t task)
{
    fold(w, agent,
         (struct event){.kind = EVENT_CLAIMED,
                        .task = task,
                        .claimed = {.fence = w->session->fence + 1, .lasts_ms = HOUR_MS}});
}

static void finish(struct world *w, struct fb_text agent, uint32_t task, enum event_outcome outcome)
{
    fold(w, agent,
         (struct event){
             .kind = EVENT_FINISHED,
             .task = task,
             .finished = {.outcome = outcome, .fence = w->session->tasks[task].lease.fence}});
}

static void requeue(struct world *w, struct fb_text agent, uint32_t task, enum event_cause cause)
{
    fold(w, agent,
         (struct event){.kind = EVENT_REQUEUED,
                        .task = task,
                        .requeued = {.cause = cause, .reason = FB_TEXT("so")}});
}

static void edit(struct world *w, struct fb_text agent, uint32_t task)
{
    fold(w, agent,
         (struct event){.kind = EVENT_EDITED,
                        .task = task,
                        .edited = {.fields = EVENT_FIELD_PRIORITY, .priority = 1}});
}

/* The alarm of a kind at that time; false: it is not told. */
static bool told(const struct world *w, int64_t now_ms, enum alarm_kind kind, struct alarm *alarm)
{
    struct alarm alarms[ALARMS_MOST];
    const size_t count = session_alarms(w->session, now_ms, alarms, ALARMS_MOST);

    *alarm = (struct alarm){.kind = kind};
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(alarms[i].evidence) > 0 && strlen(alarms[i].suggestion) > 0);
        if (alarms[i].kind == kind) {
            *alarm = alarms[i];
            return true;
        }
    }
    return false;
}

/* Holds of about ten minutes by ann, one after the other; bob edits a task each few minutes. */
static void work(struct world *w, int holds)
{
    for (int i = 0; i < holds; i++) {
        const uint32_t task = plan_some(w);

        claim(w, ann, task);
        for (int minute = 0; minute < 8 + i % 5; minute++) {
            w->now_ms += MINUTE_MS;
            if (minute % 3 == 2) {
                edit(w, bob, task);
            }
        }
        finish(w, ann, task, EVENT_COMPLETED);
    }
}

static void a_session_that_goes_well_has_none(void **state)
{
    struct alarm alarms[ALARMS_MOST];
    struct world w;

    (void)state;
    begin(&w);
    for (int i = 0; i < 100; i++) {
        work(&w, 1);
        assert_int_equal(session_alarms(w.session, w.now_ms, alarms, ALARMS_MOST), 0);
    }
    assert_int_equal(session_alarms(w.session, w.now_ms + 100 * HOUR_MS, alarms, ALARMS_MOST), 0);
    end(&w);
}

static void one_that_is_not_open_yet_has_none(void **state)
{
    struct session *session = session_create();
    struct alarm alarm;

    (void)state;
    assert_int_equal(session_alarms(session, 1000, &alarm, 1), 0);
    session_destroy(session);
}

static void who_stops_in_the_midst_of_a_task_is_told_of_without_an_event_of_its_own(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;
    int minutes = 0;

    (void)state;
    begin(&w);
    work(&w, 60);
    task = plan_some(&w);
    claim(&w, ann, task);
    while (!told(&w, w.now_ms, ALARM_STALLED, &alarm)) {
        w.now_ms += MINUTE_MS;
        edit(&w, bob, task);
        assert_in_range(++minutes, 1, 60);
    }
    assert_in_range(minutes, 12, 60);
    assert_int_equal(alarm.task, task);
    assert_int_equal(alarm.agent, session_agent_of(w.session, ann));
    while (!told(&w, w.now_ms, ALARM_SILENT_AGENT, &alarm)) {
        w.now_ms += MINUTE_MS;
        edit(&w, bob, task);
        assert_in_range(++minutes, 12, 120);
    }
    assert_int_equal(alarm.task, 0);
    assert_int_equal(alarm.agent, session_agent_of(w.session, ann));
    edit(&w, ann, task);
    assert_false(told(&w, w.now_ms, ALARM_STALLED, &alarm));
    assert_false(told(&w, w.now_ms, ALARM_SILENT_AGENT, &alarm));
    end(&w);
}

static void nobody_is_told_of_because_all_have_gone_home(void **state)
{
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    work(&w, 60);
    claim(&w, ann, plan_some(&w));
    for (int hour = 0; hour < 100; hour++) {
        assert_false(told(&w, w.now_ms + hour * HOUR_MS, ALARM_STALLED, &alarm));
        assert_false(told(&w, w.now_ms + hour * HOUR_MS, ALARM_SILENT_AGENT, &alarm));
        assert_false(told(&w, w.now_ms + hour * HOUR_MS, ALARM_RATE_DROP, &alarm));
    }
    end(&w);
}

static void a_long_hold_of_an_agent_that_keeps_talking_is_none(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;

    (void)state;
    begin(&w);
    work(&w, 60);
    task = plan_some(&w);
    claim(&w, ann, task);
    for (int minute = 0; minute < 600; minute += 5) {
        w.now_ms += 5 * MINUTE_MS;
        edit(&w, ann, task);
        assert_false(told(&w, w.now_ms, ALARM_STALLED, &alarm));
        assert_false(told(&w, w.now_ms, ALARM_SILENT_AGENT, &alarm));
    }
    end(&w);
}

static void a_task_handed_back_and_claimed_again_and_again_thrashes(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;
    int flips = 0;

    (void)state;
    begin(&w);
    work(&w, 20);
    task = plan_some(&w);
    claim(&w, bob, task);
    while (!told(&w, w.now_ms, ALARM_THRASHING, &alarm)) {
        w.now_ms += MINUTE_MS;
        if (flips % 2 == 0) {
            requeue(&w, bob, task, EVENT_HANDED_BACK);
        } else {
            claim(&w, bob, task);
        }
        assert_in_range(++flips, 1, 6);
    }
    assert_in_range(flips, RHYTHM_FLIPS_LEAST, 6);
    assert_int_equal(alarm.task, task);
    assert_int_equal(alarm.agent, session_agent_of(w.session, bob));
    assert_false(told(&w, w.now_ms + 2 * HOUR_MS, ALARM_THRASHING, &alarm));
    end(&w);
}

static void attempts_that_follow_each_other_are_a_storm(void **state)
{
    struct alarm alarm;
    struct world w;
    int attempts = 0;

    (void)state;
    begin(&w);
    work(&w, 40);
    while (!told(&w, w.now_ms, ALARM_RETRY_STORM, &alarm)) {
        const uint32_t task = plan_some(&w);

        w.now_ms += MINUTE_MS;
        claim(&w, ann, task);
        finish(&w, ann, task, EVENT_FAILED);
        requeue(&w, bob, task, EVENT_RETRIED);
        assert_in_range(++attempts, 1, 4);
    }
    assert_in_range(attempts, RHYTHM_STORM_LEAST, 4);
    end(&w);
}

static void a_task_that_failed_in_all_its_attempts_is_named(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;

    (void)state;
    begin(&w);
    task = plan_some(&w);
    for (int attempt = 1; attempt <= TASK_ATTEMPTS_MOST; attempt++) {
        claim(&w, ann, task);
        finish(&w, ann, task, EVENT_FAILED);
        assert_int_equal(told(&w, w.now_ms, ALARM_RETRY_STORM, &alarm),
                         attempt == TASK_ATTEMPTS_MOST);
        if (attempt < TASK_ATTEMPTS_MOST) {
            requeue(&w, bob, task, EVENT_RETRIED);
            w.now_ms += 2 * HOUR_MS;
        }
    }
    assert_int_equal(alarm.task, task);
    for (int i = 0; i < 13; i++) {
        w.now_ms += 2 * HOUR_MS;
        edit(&w, bob, task);
    }
    assert_false(told(&w, w.now_ms, ALARM_RETRY_STORM, &alarm));
    end(&w);
}

static void a_refused_cycle_is_named_for_ten_minutes(void **state)
{
    const struct event_link links[] = {{.task = 1, .on = 2, .kind = EVENT_LINK_AFTER},
                                       {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER}};
    struct event event = {.kind = EVENT_LINKED,
                          .unix_ms = 1000,
                          .actor = ann,
                          .linked = {.links = links, .link_count = 2}};
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    plan_some(&w);
    plan_some(&w);
    assert_int_equal(session_fold(w.session, &event).code, FB_FAILED_PRECONDITION);
    assert_true(told(&w, 1000, ALARM_CYCLE, &alarm));
    assert_non_null(strstr(alarm.evidence, "#1"));
    assert_non_null(strstr(alarm.evidence, "#2"));
    assert_false(told(&w, 1001 + ALARM_CYCLE_MS, ALARM_CYCLE, &alarm));
    end(&w);
}

static void a_ready_task_that_nobody_claims_in_four_tau_starves(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;

    (void)state;
    begin(&w);
    task = plan_some(&w);
    for (int64_t awake_ms = 0; awake_ms <= SCHEDULE_OLD_MS; awake_ms += HOUR_MS) {
        assert_false(told(&w, w.now_ms, ALARM_STARVED, &alarm));
        w.now_ms += HOUR_MS;
        edit(&w, bob, task);
    }
    assert_true(told(&w, w.now_ms, ALARM_STARVED, &alarm));
    assert_int_equal(alarm.task, task);
    claim(&w, bob, task);
    requeue(&w, bob, task, EVENT_HANDED_BACK);
    assert_false(told(&w, w.now_ms, ALARM_STARVED, &alarm));
    end(&w);
}

static void fewer_completions_than_usual_while_some_are_ready_are_a_drop(void **state)
{
    struct alarm alarm;
    struct world w;
    int hours = 0;

    (void)state;
    begin(&w);
    plan_some(&w);
    work(&w, 150);
    assert_false(told(&w, w.now_ms, ALARM_RATE_DROP, &alarm));
    while (!told(&w, w.now_ms, ALARM_RATE_DROP, &alarm)) {
        for (int i = 0; i < 12; i++) {
            w.now_ms += 5 * MINUTE_MS;
            plan_some(&w);
        }
        assert_in_range(++hours, 1, 8);
    }
    end(&w);
}

static void chains_that_drip_are_a_flood_until_they_stop(void **state)
{
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    for (int i = 0; i < 10; i++) {
        plan_some(&w);
        for (uint32_t phase = 1; phase <= 4; phase++) {
            plan_one(&w, "A part", phase);
        }
        w.now_ms += MINUTE_MS;
    }
    assert_false(told(&w, w.now_ms, ALARM_CHAIN_FLOOD, &alarm));
    assert_true(session_flood(w.session, 4, w.now_ms).growth);
    plan_one(&w, "A part", 1);
    assert_true(told(&w, w.now_ms, ALARM_CHAIN_FLOOD, &alarm));
    w.now_ms += 65 * MINUTE_MS;
    assert_false(session_flood(w.session, 4, w.now_ms).growth);
    end(&w);
}

static void a_title_that_is_open_already_is_a_double_until_one_has_ended(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t first;
    uint32_t second;

    (void)state;
    begin(&w);
    first = plan_one(&w, "Implement the coordinator for the agents of a session", 0);
    plan_one(&w, "Implement the coordinator for the agents of a session", 2);
    assert_false(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    second = plan_one(&w, "Implement a coordinator for the agents of the session", 0);
    assert_true(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    assert_int_equal(alarm.task, second);
    assert_int_equal(alarm.other, first);
    finish(&w, bob, first, EVENT_CANCELLED);
    assert_false(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    end(&w);
}

static void a_double_that_was_linked_is_settled(void **state)
{
    const struct event_link link = {.task = 2, .on = 1, .kind = EVENT_LINK_DUP};
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    plan_one(&w, "Write the manual of the gateway", 0);
    plan_one(&w, "Write the manual of the gateway", 0);
    assert_true(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    fold(&w, ann,
         (struct event){.kind = EVENT_LINKED, .linked = {.links = &link, .link_count = 1}});
    assert_false(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    end(&w);
}

static void show(struct world *w, struct fb_text agent, uint32_t task)
{
    const struct event_evidence file = {.kind = EVENT_EVIDENCE_FILE, .ref = FB_TEXT("src/a.c")};

    fold(w, agent,
         (struct event){.kind = EVENT_NOTED,
                        .task = task,
                        .noted = {.evidence = {.items = &file, .count = 1}}});
}

static void two_agents_at_the_same_file_for_two_tasks_are_a_double(void **state)
{
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    plan_one(&w, "Mend the parser", 0);
    plan_one(&w, "Measure the latency of claims", 0);
    claim(&w, ann, 1);
    claim(&w, bob, 2);
    show(&w, ann, 1);
    assert_false(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    show(&w, bob, 2);
    assert_true(told(&w, w.now_ms, ALARM_DUPLICATE, &alarm));
    assert_int_equal(alarm.task, 2);
    assert_int_equal(alarm.other, 1);
    end(&w);
}

static void who_repeats_a_call_is_warned_then_refused(void **state)
{
    struct alarm alarm;
    struct world w;

    (void)state;
    begin(&w);
    for (uint32_t call = 1; call <= 12; call++) {
        uint32_t times;
        const enum runaway_answer answer =
            session_called(w.session, bob, FB_TEXT("pulse"), 7, false, w.now_ms, &times);

        assert_int_equal(times, call);
        assert_int_equal(answer, call < 3    ? RUNAWAY_OK
                                 : call < 10 ? RUNAWAY_WARNED
                                             : RUNAWAY_REFUSED);
        assert_int_equal(told(&w, w.now_ms, ALARM_RUNAWAY, &alarm), call >= 3);
        w.now_ms += 1000;
    }
    assert_int_equal(alarm.agent, session_agent_of(w.session, bob));
    end(&w);
}

static void look_at(struct world *w, uint32_t task, enum event_look_state state)
{
    const struct event_look looks[] = {
        {.ref = FB_TEXT("README"), .state = EVENT_LOOK_UNCHANGED},
        {.ref = FB_TEXT("src/a.c"), .state = state, .host = FB_TEXT("desk")}};

    fold(w, bob,
         (struct event){
             .kind = EVENT_VERIFIED, .task = task, .verified = {.looks = looks, .look_count = 2}});
}

static void evidence_that_is_gone_disproves_a_task_until_it_is_back_or_the_task_open(void **state)
{
    struct alarm alarm;
    struct world w;
    uint32_t task;

    (void)state;
    begin(&w);
    task = plan_some(&w);
    claim(&w, ann, task);
    finish(&w, ann, task, EVENT_COMPLETED);
    look_at(&w, task, EVENT_LOOK_UNCHANGED);
    assert_false(told(&w, w.now_ms, ALARM_FALSE_DONE, &alarm));
    look_at(&w, task, EVENT_LOOK_MISSING);
    assert_true(told(&w, w.now_ms, ALARM_FALSE_DONE, &alarm));
    assert_int_equal(alarm.task, task);
    assert_non_null(strstr(alarm.evidence, "src/a.c"));
    assert_non_null(strstr(alarm.evidence, "desk"));
    look_at(&w, task, EVENT_LOOK_UNCHANGED);
    assert_false(told(&w, w.now_ms, ALARM_FALSE_DONE, &alarm));
    look_at(&w, task, EVENT_LOOK_CHANGED);
    assert_true(told(&w, w.now_ms, ALARM_FALSE_DONE, &alarm));
    requeue(&w, bob, task, EVENT_REOPENED);
    assert_false(told(&w, w.now_ms, ALARM_FALSE_DONE, &alarm));
    end(&w);
}

static void what_is_muted_comes_last_until_its_time_is_over(void **state)
{
    struct alarm alarms[2];
    struct world w;

    (void)state;
    begin(&w);
    for (int i = 0; i < 3; i++) {
        plan_one(&w, "Write the manual of the gateway", 0);
    }
    fold(&w, ann,
         (struct event){.kind = EVENT_MUTED,
                        .task = 3,
                        .muted = {.kind = ALARM_DUPLICATE, .until_unix_ms = w.now_ms + 1000}});
    assert_int_equal(session_alarms(w.session, w.now_ms, alarms, 2), 2);
    assert_int_equal(alarms[0].task, 2);
    assert_int_equal(alarms[0].muted_until_ms, 0);
    assert_int_equal(alarms[1].task, 3);
    assert_int_equal(alarms[1].muted_until_ms, w.now_ms + 1000);
    assert_int_equal(session_alarms(w.session, w.now_ms + 1000, alarms, 2), 2);
    assert_int_equal(alarms[0].task, 3);
    end(&w);
}

static void no_more_are_given_than_there_is_room_for(void **state)
{
    struct alarm alarms[3];
    struct world w;

    (void)state;
    begin(&w);
    for (int i = 0; i < 10; i++) {
        plan_one(&w, "Write the manual of the gateway", 0);
    }
    assert_int_equal(session_alarms(w.session, w.now_ms, alarms, 0), 0);
    assert_int_equal(session_alarms(w.session, w.now_ms, alarms, 3), 3);
    end(&w);
}

static void every_kind_has_a_name_that_finds_it(void **state)
{
    (void)state;
    for (int kind = 1; kind < ALARM_KINDS; kind++) {
        assert_int_equal(alarm_kind_of(fb_text_of(alarm_name((enum alarm_kind)kind))), kind);
    }
    assert_int_equal(alarm_kind_of(FB_TEXT("fire")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_goes_well_has_none),
        cmocka_unit_test(one_that_is_not_open_yet_has_none),
        cmocka_unit_test(who_stops_in_the_midst_of_a_task_is_told_of_without_an_event_of_its_own),
        cmocka_unit_test(nobody_is_told_of_because_all_have_gone_home),
        cmocka_unit_test(a_long_hold_of_an_agent_that_keeps_talking_is_none),
        cmocka_unit_test(a_task_handed_back_and_claimed_again_and_again_thrashes),
        cmocka_unit_test(attempts_that_follow_each_other_are_a_storm),
        cmocka_unit_test(a_task_that_failed_in_all_its_attempts_is_named),
        cmocka_unit_test(a_refused_cycle_is_named_for_ten_minutes),
        cmocka_unit_test(a_ready_task_that_nobody_claims_in_four_tau_starves),
        cmocka_unit_test(fewer_completions_than_usual_while_some_are_ready_are_a_drop),
        cmocka_unit_test(chains_that_drip_are_a_flood_until_they_stop),
        cmocka_unit_test(a_title_that_is_open_already_is_a_double_until_one_has_ended),
        cmocka_unit_test(a_double_that_was_linked_is_settled),
        cmocka_unit_test(two_agents_at_the_same_file_for_two_tasks_are_a_double),
        cmocka_unit_test(who_repeats_a_call_is_warned_then_refused),
        cmocka_unit_test(evidence_that_is_gone_disproves_a_task_until_it_is_back_or_the_task_open),
        cmocka_unit_test(what_is_muted_comes_last_until_its_time_is_over),
        cmocka_unit_test(no_more_are_given_than_there_is_room_for),
        cmocka_unit_test(every_kind_has_a_name_that_finds_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
