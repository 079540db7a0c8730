#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"
#include "tests/services/worker/flow/world.h"

static void begin_unopened_world(struct world *w)
{
    fb_arena_init(&w->arena, 0);
    w->d = (struct decision){.session = session_create(), .arena = &w->arena, .now_ms = 1000};
    assert_non_null(w->d.session);
}

static void a_plan_is_worked_in_its_order_with_one_call_for_each_task(void **state)
{
    const struct plan_link after_a = {.key = FB_TEXT("a"), .kind = EVENT_LINK_AFTER};
    const struct plan_link after_first = {.item = 2, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("c", &after_first, 1), item("b", &after_a, 1),
                                      item("a", NULL, 0)};
    static const uint32_t order[] = {3, 2, 1};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    assert_int_equal(w.d.task, 1);
    assert_true(next(&w, ann, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w.d.task, order[i]);
        assert_true(decide_done(
            &w.d, &(struct done_command){
                      .agent = ann, .task = w.d.task, .fence = w.d.fence, .next = true}));
    }
    assert_int_equal(w.d.task, 0);
    assert_int_equal(session_progress(w.d.session), 100);
    world_finish(&w);
}

static void a_task_knows_which_event_changed_it_last_and_when(void **state)
{
    const struct plan_item items[] = {item("a", NULL, 0), item("b", NULL, 0)};
    const struct task *tasks;
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    tasks = w.d.session->tasks;
    assert_int_equal(tasks[1].changed_ms, 1000);
    assert_int_equal(tasks[1].changed_event, tasks[2].changed_event);
    w.d.now_ms = 2000;
    assert_true(next(&w, ann, 1));
    tasks = w.d.session->tasks;
    assert_int_equal(tasks[1].changed_ms, 2000);
    assert_true(tasks[1].changed_event > tasks[2].changed_event);
    assert_true(tasks[1].changed_event <= w.d.session->events);
    assert_int_equal(tasks[2].changed_ms, 1000);
    world_finish(&w);
}

static void bad_plans_change_nothing_and_name_the_offender(void **state)
{
    const struct plan_link to_b = {.key = FB_TEXT("b"), .kind = EVENT_LINK_AFTER};
    const struct plan_link to_a = {.key = FB_TEXT("a"), .kind = EVENT_LINK_ENDS};
    const struct plan_link to_nobody = {.key = FB_TEXT("zz"), .kind = EVENT_LINK_AFTER};
    const struct plan_link to_itself = {.item = 1, .kind = EVENT_LINK_AFTER};
    struct plan_item heavy = item("h", NULL, 0);
    const struct plan_item cycle[] = {item("a", &to_b, 1), item("b", &to_a, 1)};
    const struct plan_item twice[] = {item("x", NULL, 0), item("x", NULL, 0)};
    const struct plan_item lost = item("l", &to_nobody, 1);
    const struct plan_item self = item("s", &to_itself, 1);
    const struct plan_item known = item("known", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    heavy.task.weight = 1000;
    assert_false(plan(&w, cycle, 2));
    expect(&w, REFUSAL_CYCLE, " -> ");
    assert_false(plan(&w, &self, 1));
    expect(&w, REFUSAL_CYCLE, "tasks[0] -> tasks[0]");
    assert_false(plan(&w, twice, 2));
    expect(&w, REFUSAL_DUPLICATE_KEY, "tasks[1].key \"x\"");
    assert_false(plan(&w, &lost, 1));
    expect(&w, REFUSAL_NO_SUCH, "zz");
    assert_false(plan(&w, &heavy, 1));
    expect(&w, REFUSAL_INVALID, "tasks[0].weight: 1 to 10");
    assert_false(plan(&w, NULL, 0));
    expect(&w, REFUSAL_INVALID, "tasks:");
    assert_int_equal(w.d.session->task_count, 0);
    assert_true(plan(&w, &known, 1));
    assert_false(plan(&w, &known, 1));
    expect(&w, REFUSAL_DUPLICATE_KEY, "is task 1 already");
    world_finish(&w);
}

static void what_cannot_be_claimed_is_refused_with_the_way_out(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct fb_text gpu = FB_TEXT("gpu");
    struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    items[2].task.needs = (struct event_texts){.items = &gpu, .count = 1};
    assert_true(plan(&w, items, 3));
    assert_false(next(&w, ann, 9));
    expect(&w, REFUSAL_NO_SUCH, "no task 9");
    assert_false(next(&w, ann, 2));
    expect(&w, REFUSAL_NOT_READY, "waits for task 1");
    assert_int_equal(w.d.refusal.other, 1);
    assert_false(next(&w, ann, 3));
    expect(&w, REFUSAL_NEEDS_CAPS, "\"gpu\"");
    assert_true(next(&w, ann, 1));
    assert_false(next(&w, ann, 0));
    expect(&w, REFUSAL_WIP_LIMIT, "1; finish one");
    assert_false(next(&w, bob, 0));
    expect(&w, REFUSAL_NEEDS_CAPS, "declare");
    assert_false(next(&w, bob, 1));
    expect(&w, REFUSAL_CONFLICT, "held by ann with fence 1");
    assert_int_equal(w.d.refusal.fence, 1);
    assert_true(next(&w, ann, 1)); /* its own again */
    assert_int_equal(w.d.fence, 1);
    world_finish(&w);
}

static void a_stale_fence_is_a_conflict_and_its_note_is_kept(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;
    uint64_t stale;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 0));
    stale = w.d.fence;
    w.d.now_ms += 31 * MINUTE_MS; /* suspect: still ann's, but bob may name it */
    assert_false(next(&w, bob, 0));
    assert_true(next(&w, bob, 1));
    assert_true(w.d.fence > stale);
    assert_false(decide_done(
        &w.d, &(struct done_command){
                  .agent = ann, .task = 1, .fence = stale, .summary = FB_TEXT("was here")}));
    expect(&w, REFUSAL_CONFLICT, "held by bob");
    assert_int_equal(w.d.session->tasks[1].unattached, 1);
    assert_int_equal(w.d.events[w.d.event_count - 1].kind, EVENT_UNATTACHED);
    assert_true(done(&w, bob, 1, 0));
    assert_false(done(&w, bob, 1, 0));
    expect(&w, REFUSAL_CONFLICT, "completed");
    world_finish(&w);
}

static void an_expired_lease_gives_its_task_to_whoever_asks_next(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 0));
    w.d.now_ms += 44 * MINUTE_MS;
    assert_false(next(&w, bob, 0));
    w.d.now_ms += MINUTE_MS;
    assert_true(next(&w, bob, 0));
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.session->tasks[1].attempt, 1);
    world_finish(&w);
}

static void a_session_may_say_how_long_leases_last(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    const struct open_command brisk = {.name = FB_TEXT("s"), .agent = ann, .lease_ms = 2000};
    const struct open_command too_brisk = {.name = FB_TEXT("s"), .agent = ann, .lease_ms = 999};
    struct world w;

    (void)state;
    begin_unopened_world(&w);
    assert_false(decide_open(&w.d, &too_brisk));
    expect(&w, REFUSAL_INVALID, "lease_ms");
    assert_true(decide_open(&w.d, &brisk));
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 0));
    w.d.now_ms += 2999;
    assert_false(next(&w, bob, 0));
    w.d.now_ms += 1;
    assert_true(next(&w, bob, 0));
    assert_int_equal(w.d.task, 1);
    world_finish(&w);
}

static void any_call_renews_the_leases_of_its_agent(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    for (int i = 0; i < 10; i++) {
        w.d.now_ms += 29 * MINUTE_MS;
        assert_true(plan(&w, items, 2)); /* ann plans */
    }
    assert_false(next(&w, bob, 1));
    expect(&w, REFUSAL_CONFLICT, "ann");
    world_finish(&w);
}

static void a_refused_call_renews_them_too(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    for (int i = 0; i < 10; i++) {
        w.d.now_ms += 29 * MINUTE_MS;
        assert_false(next(&w, ann, 0));
        expect(&w, REFUSAL_WIP_LIMIT, "1");
    }
    assert_false(next(&w, bob, 1));
    expect(&w, REFUSAL_CONFLICT, "ann");
    world_finish(&w);
}

static void a_call_that_gives_an_agent_what_it_holds_renews_them_too(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    const struct next_command again = {.agent = ann, .n = 1};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    for (int i = 0; i < 10; i++) {
        w.d.now_ms += 29 * MINUTE_MS;
        assert_true(decide_next(&w.d, &again));
    }
    for (int i = 0; i < 10; i++) {
        w.d.now_ms += 29 * MINUTE_MS;
        decide_hear(&w.d, ann);
    }
    assert_false(next(&w, bob, 1));
    expect(&w, REFUSAL_CONFLICT, "ann");
    world_finish(&w);
}

static void brisk_leases_are_renewed_by_any_call(void **state)
{
    const struct open_command brisk = {.name = FB_TEXT("s"), .agent = ann, .lease_ms = 2000};
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    begin_unopened_world(&w);
    assert_true(decide_open(&w.d, &brisk));
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    for (int i = 0; i < 10; i++) {
        const size_t events = w.d.event_count;

        w.d.now_ms += 1000;
        assert_false(next(&w, ann, 0));
        assert_int_equal(w.d.event_count, events + 1);
        assert_false(next(&w, ann, 0)); /* which is no news */
        assert_int_equal(w.d.event_count, events + 1);
    }
    assert_false(next(&w, bob, 1));
    expect(&w, REFUSAL_CONFLICT, "ann");
    world_finish(&w);
}

static void finishing_without_a_claim_is_an_implicit_one(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(done(&w, ann, 1, 0));
    assert_true(w.d.events[w.d.event_count - 2].claimed.implicit);
    assert_int_equal(w.d.session->tasks[1].state, TASK_COMPLETED);
    assert_int_equal(w.d.session->holds.seen, 0);
    world_finish(&w);
}

static void an_edit_of_an_old_revision_is_refused(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct edit_command edit = {
        .agent = ann,
        .task = 1,
        .action = EDIT_FIELDS,
        .fields = {.edited = {.fields = EVENT_FIELD_TITLE, .title = FB_TEXT("new")}},
    };
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(decide_edit(&w.d, &edit));
    edit.if_rev = w.d.session->tasks[1].rev + 1;
    assert_false(decide_edit(&w.d, &edit));
    expect(&w, REFUSAL_STALE_REV, "read it again");
    world_finish(&w);
}

static void a_failed_task_is_tried_again_after_a_growing_wait(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    const struct edit_command retry = {.agent = ann, .task = 1, .action = EDIT_RETRY};
    int64_t waited_ms = 0;
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    for (int attempt = 1; attempt < TASK_ATTEMPTS_MOST; attempt++) {
        int64_t wait_ms;

        assert_true(
            decide_done(&w.d, &(struct done_command){.agent = ann, .task = 1, .failed = true}));
        assert_true(decide_edit(&w.d, &retry));
        wait_ms = w.d.session->tasks[1].defer_until_ms - w.d.now_ms;
        assert_true(wait_ms > waited_ms);
        waited_ms = wait_ms;
        assert_false(next(&w, ann, 0));
        expect(&w, REFUSAL_NOT_READY, "nothing is ready");
        w.d.now_ms += wait_ms;
        assert_true(next(&w, ann, 0));
    }
    assert_true(decide_done(&w.d, &(struct done_command){.agent = ann, .task = 1, .failed = true}));
    assert_false(decide_edit(&w.d, &retry));
    expect(&w, REFUSAL_BUDGET, "3 times");
    world_finish(&w);
}

static void a_blocker_that_would_close_a_cycle_is_refused(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    struct pulse_command pulse = {
        .agent = ann, .task = 1, .state = PULSE_BLOCKED, .blocker = 2, .note = FB_TEXT("hm")};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    assert_true(next(&w, ann, 1));
    assert_false(decide_pulse(&w.d, &pulse));
    expect(&w, REFUSAL_CYCLE, " -> ");
    assert_int_equal(w.d.session->tasks[1].state, TASK_ACTIVE);
    pulse.blocker = 3;
    assert_true(decide_pulse(&w.d, &pulse));
    assert_int_equal(w.d.session->tasks[1].state, TASK_BLOCKED);
    assert_true(done(&w, bob, 3, 0));
    assert_int_equal(w.d.session->tasks[1].state, TASK_QUEUED);
    world_finish(&w);
}

static void a_hundred_thousand_tasks_are_one_plan_of_events_that_fit(void **state)
{
    enum { COUNT = 100000 };
    struct plan_item *items = calloc(COUNT, sizeof(*items));
    struct plan_link *links = calloc(COUNT, sizeof(*links));
    struct session *again = session_create();
    struct fb_buffer a = {.data = NULL};
    struct fb_buffer b = {.data = NULL};
    struct fb_arena arena;
    struct world w;

    (void)state;
    assert_true(items != NULL && links != NULL && again != NULL);
    world_begin(&w);
    for (uint32_t i = 0; i < COUNT; i++) {
        links[i] = (struct plan_link){.item = i + 2, .kind = EVENT_LINK_AFTER};
        items[i] = item("", &links[i], i + 1 < COUNT);
    }
    links[COUNT - 1].item = 1;
    items[COUNT - 1].link_count = 1;
    assert_false(plan(&w, items, COUNT));
    expect(&w, REFUSAL_CYCLE, " -> ");
    assert_int_equal(w.d.session->task_count, 0);
    items[COUNT - 1].link_count = 0;
    assert_true(plan(&w, items, COUNT));
    assert_int_equal(w.d.session->task_count, COUNT);
    for (size_t i = 0; i < w.d.event_count; i++) {
        struct event event;
        struct fb_text bytes;

        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(event_pack(&w.d.events[i], &arena, &bytes)));
        assert_true(fb_is_ok(event_unpack(bytes, &arena, &event)));
        assert_true(fb_is_ok(session_fold(again, &event)));
        fb_arena_finish(&arena);
    }
    assert_true(snapshot_write(w.d.session, &a) && snapshot_write(again, &b));
    assert_true(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    fb_buffer_finish(&a);
    fb_buffer_finish(&b);
    assert_true(next(&w, ann, 0));
    assert_int_equal(w.d.task, COUNT);
    session_destroy(again);
    world_finish(&w);
    free(items);
    free(links);
}

/* --- agents that crash, stall and come back with what they once held --- */

enum { AGENTS = 5, TASKS = 40, STEPS = 1200 };

struct memory {
    uint32_t task;
    uint64_t fence;
};

static void step(struct world *w, unsigned short seed[3], struct memory memory[AGENTS])
{
    static const struct fb_text names[AGENTS] = {
        {.data = "a0", .size = 2}, {.data = "a1", .size = 2}, {.data = "a2", .size = 2},
        {.data = "a3", .size = 2}, {.data = "a4", .size = 2},
    };
    const uint32_t who = (uint32_t)nrand48(seed) % AGENTS;
    const uint32_t any = 1 + (uint32_t)nrand48(seed) % TASKS;
    struct memory *m = &memory[who];
    bool held = false;

    w->d.now_ms += nrand48(seed) % (nrand48(seed) % 20 == 0 ? 60 * MINUTE_MS : MINUTE_MS);
    switch (nrand48(seed) % 6) {
    case 0:
        held = next(w, names[who], 0);
        break;
    case 1:
        held = next(w, names[who], any);
        break;
    case 2:
        (void)decide_pulse(&w->d, &(struct pulse_command){.agent = names[who],
                                                          .task = m->task == 0 ? any : m->task,
                                                          .fence = m->fence,
                                                          .note = FB_TEXT("still at it"),
                                                          .percent = any,
                                                          .state = (enum pulse_state)(any % 4),
                                                          .gate = FB_TEXT("so?")});
        break;
    case 3:
    case 4:
        held = decide_done(&w->d, &(struct done_command){.agent = names[who],
                                                         .task = m->task == 0 ? any : m->task,
                                                         .fence = any % 3 == 0 ? 0 : m->fence,
                                                         .failed = any % 11 == 0,
                                                         .summary = FB_TEXT("done"),
                                                         .next = any % 2 == 0});
        break;
    default:
        (void)decide_edit(&w->d,
                          &(struct edit_command){.agent = names[who],
                                                 .task = any,
                                                 .action = any % 2 == 0 ? EDIT_RETRY : EDIT_UNBLOCK,
                                                 .reason = FB_TEXT("go")});
        break;
    }
    if (held && w->d.task != 0) {
        *m = (struct memory){.task = w->d.task, .fence = w->d.fence};
    }
}

static void no_task_is_accepted_as_finished_twice_whoever_comes_when(void **state)
{
    (void)state;
    for (unsigned short run = 0; run < 25; run++) {
        unsigned short seed[3] = {run, 4, 9};
        struct memory memory[AGENTS] = {{.task = 0}};
        struct plan_item items[TASKS];
        struct plan_link links[TASKS];
        unsigned completed[TASKS + 1] = {0};
        uint64_t fence = 0;
        struct world w;

        world_begin(&w);
        for (uint32_t i = 0; i < TASKS; i++) {
            links[i] = (struct plan_link){.item = 1 + (i == 0 ? 0 : (uint32_t)nrand48(seed) % i),
                                          .kind = EVENT_LINK_AFTER};
            items[i] = item("", &links[i], i != 0 && nrand48(seed) % 2 == 0);
        }
        assert_true(plan(&w, items, TASKS));
        for (int i = 0; i < STEPS; i++) {
            const size_t from = w.d.event_count;
            const char *fault;

            step(&w, seed, memory);
            fault = session_fault(w.d.session);
            if (fault != NULL) {
                fail_msg("run %d, step %d: %s", run, i, fault);
            }
            for (size_t j = from; j < w.d.event_count; j++) {
                const struct event *event = &w.d.events[j];

                if (event->kind == EVENT_CLAIMED) {
                    assert_true(event->claimed.fence > fence);
                    fence = event->claimed.fence;
                }
                if (event->kind == EVENT_FINISHED && event->finished.outcome == EVENT_COMPLETED) {
                    completed[event->task]++;
                    assert_int_equal(completed[event->task], 1);
                }
            }
        }
        assert_true(w.d.session->in_state[TASK_COMPLETED] > 5);
        world_finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_worked_in_its_order_with_one_call_for_each_task),
        cmocka_unit_test(a_task_knows_which_event_changed_it_last_and_when),
        cmocka_unit_test(bad_plans_change_nothing_and_name_the_offender),
        cmocka_unit_test(what_cannot_be_claimed_is_refused_with_the_way_out),
        cmocka_unit_test(a_stale_fence_is_a_conflict_and_its_note_is_kept),
        cmocka_unit_test(an_expired_lease_gives_its_task_to_whoever_asks_next),
        cmocka_unit_test(a_session_may_say_how_long_leases_last),
        cmocka_unit_test(any_call_renews_the_leases_of_its_agent),
        cmocka_unit_test(a_refused_call_renews_them_too),
        cmocka_unit_test(a_call_that_gives_an_agent_what_it_holds_renews_them_too),
        cmocka_unit_test(brisk_leases_are_renewed_by_any_call),
        cmocka_unit_test(finishing_without_a_claim_is_an_implicit_one),
        cmocka_unit_test(an_edit_of_an_old_revision_is_refused),
        cmocka_unit_test(a_failed_task_is_tried_again_after_a_growing_wait),
        cmocka_unit_test(a_blocker_that_would_close_a_cycle_is_refused),
        cmocka_unit_test(a_hundred_thousand_tasks_are_one_plan_of_events_that_fit),
        cmocka_unit_test(no_task_is_accepted_as_finished_twice_whoever_comes_when),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
