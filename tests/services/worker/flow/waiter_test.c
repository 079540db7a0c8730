#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

static const struct fb_text eve = {.data = "eve", .size = 3};
static const struct fb_text gpu = {.data = "gpu", .size = 3};

static bool open_agent(struct world *w, struct fb_text agent, struct event_texts caps,
                       uint32_t held_most)
{
    return decide_open(&w->d, &(struct open_command){.name = FB_TEXT("s"),
                                                     .agent = agent,
                                                     .declares = true,
                                                     .caps = caps,
                                                     .held_most = held_most});
}

static void finishing_a_blocker_gives_what_was_behind_it_to_who_waits(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1)};
    const struct waiter waiters[] = {{.agent = bob, .request_id = FB_TEXT("wait-1")}};
    const struct event *granted;
    struct world w;
    size_t events;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    w.d.waiters = waiters;
    w.d.waiter_count = 1;
    w.d.request_id = FB_TEXT("ann-1");
    assert_true(done(&w, ann, 1, 0));
    assert_int_equal(w.d.task, 0);
    assert_int_equal(w.d.grant_count, 1);
    assert_true(fb_text_is(w.d.grants[0].agent, "bob"));
    assert_int_equal(w.d.grants[0].task, 2);
    assert_int_equal(w.d.grants[0].waiter, 0);
    granted = &w.d.events[w.d.event_count - 1];
    assert_int_equal(granted->kind, EVENT_CLAIMED);
    assert_true(granted->continues);
    assert_true(fb_text_is(granted->request_id, "wait-1"));
    /* bob's own call, sent again, has the answer */
    w.d.waiter_count = 0;
    w.d.request_id = FB_TEXT("wait-1");
    events = w.d.event_count;
    assert_true(decide_next(&w.d, &(struct next_command){.agent = bob}));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 2);
    assert_int_equal(w.d.event_count, events);
    world_finish(&w);
}

static void the_longest_waiting_goes_first_and_nobody_gets_two(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0), item("", NULL, 0)};
    const struct waiter waiters[] = {{.agent = bob}, {.agent = eve}};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(open_agent(&w, eve, (struct event_texts){.count = 0}, 3));
    w.d.waiters = waiters;
    w.d.waiter_count = 2;
    assert_true(plan(&w, items, 3));
    assert_int_equal(w.d.grant_count, 2);
    assert_true(fb_text_is(w.d.grants[0].agent, "bob"));
    assert_true(fb_text_is(w.d.grants[1].agent, "eve"));
    assert_int_equal(schedule_ready_count(w.d.session->schedule), 1);
    world_finish(&w);
}

static void who_lacks_a_capability_or_room_is_passed_over(void **state)
{
    const struct waiter waiters[] = {{.agent = ann}, {.agent = bob}, {.agent = eve}};
    struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    items[1].task.needs = (struct event_texts){.items = &gpu, .count = 1};
    assert_true(open_agent(&w, eve, (struct event_texts){.items = &gpu, .count = 1}, 1));
    assert_true(plan(&w, items, 1));
    assert_true(next(&w, ann, 1));
    w.d.waiters = waiters;
    w.d.waiter_count = 3;
    assert_true(plan(&w, items + 1, 1));
    assert_int_equal(w.d.grant_count, 1);
    assert_true(fb_text_is(w.d.grants[0].agent, "eve"));
    assert_int_equal(w.d.grants[0].waiter, 2);
    world_finish(&w);
}

static void who_waits_for_one_task_gets_no_other(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    const struct waiter waiters[] = {{.agent = bob, .task = 2}};
    struct world w;

    (void)state;
    world_begin(&w);
    w.d.waiters = waiters;
    w.d.waiter_count = 1;
    assert_true(plan(&w, items, 3));
    assert_int_equal(w.d.grant_count, 0);
    assert_true(done(&w, ann, 1, 0));
    assert_int_equal(w.d.grant_count, 1);
    assert_int_equal(w.d.grants[0].task, 2);
    world_finish(&w);
}

static void a_lease_that_expires_goes_to_who_waits(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    const struct waiter waiters[] = {{.agent = bob}};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    w.d.waiters = waiters;
    w.d.waiter_count = 1;
    w.d.now_ms += 44 * MINUTE_MS;
    assert_true(decide_expire(&w.d));
    assert_int_equal(w.d.grant_count, 0);
    w.d.now_ms += MINUTE_MS;
    assert_true(decide_expire(&w.d));
    assert_int_equal(w.d.grant_count, 1);
    assert_int_equal(w.d.grants[0].fence, 2);
    world_finish(&w);
}

static void several_tasks_are_claimed_at_once_up_to_what_may_be_held(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0), item("", NULL, 0)};
    const struct next_command two = {.agent = eve, .n = 2};
    const struct next_command many = {.agent = eve, .n = 16};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(open_agent(&w, eve, (struct event_texts){.count = 0}, 8));
    assert_true(plan(&w, items, 3));
    assert_true(decide_next(&w.d, &two));
    assert_int_equal(w.d.grant_count, 2);
    assert_int_equal(w.d.grants[0].task, w.d.task);
    assert_true(decide_next(&w.d, &many));
    assert_int_equal(w.d.grant_count, 1);
    assert_true(decide_next(&w.d, &many)); /* it holds three */
    assert_int_equal(w.d.grant_count, 0);
    assert_false(decide_next(&w.d, &(struct next_command){.agent = bob, .n = 2}));
    expect(&w, REFUSAL_NOT_READY, "nothing is ready");
    assert_false(decide_next(&w.d, &(struct next_command){.agent = bob, .n = 17}));
    expect(&w, REFUSAL_INVALID, "n:");
    world_finish(&w);
}

static void an_automatic_session_gives_work_to_all_who_have_room_in_turn(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    fb_arena_init(&w.arena, 0);
    w.d = (struct decision){.session = session_create(), .arena = &w.arena, .now_ms = 1000};
    assert_true(decide_open(&w.d, &(struct open_command){.name = FB_TEXT("s"),
                                                         .agent = FB_TEXT("human"),
                                                         .automatic = true}));
    assert_true(open_agent(&w, ann, (struct event_texts){.count = 0}, 2));
    assert_true(open_agent(&w, bob, (struct event_texts){.count = 0}, 1));
    assert_true(decide_plan(
        &w.d, &(struct plan_command){.agent = FB_TEXT("human"), .items = items, .count = 3}));
    assert_int_equal(w.d.grant_count, 3);
    assert_true(fb_text_is(w.d.grants[0].agent, "ann"));
    assert_true(fb_text_is(w.d.grants[1].agent, "bob"));
    assert_true(fb_text_is(w.d.grants[2].agent, "ann"));
    assert_int_equal(w.d.grants[0].waiter, GRANT_AUTO);
    world_finish(&w);
}

static void what_was_handed_back_is_not_given_back_at_once(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    fb_arena_init(&w.arena, 0);
    w.d = (struct decision){.session = session_create(), .arena = &w.arena, .now_ms = 1000};
    assert_true(decide_open(
        &w.d, &(struct open_command){
                  .name = FB_TEXT("s"), .agent = ann, .declares = true, .automatic = true}));
    assert_true(plan(&w, &one, 1));
    assert_int_equal(w.d.grant_count, 1);
    assert_true(decide_pulse(
        &w.d, &(struct pulse_command){.agent = ann, .task = 1, .state = PULSE_HAND_BACK}));
    assert_int_equal(w.d.grant_count, 0);
    assert_true(open_agent(&w, bob, (struct event_texts){.count = 0}, 1));
    assert_int_equal(w.d.grant_count, 1);
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishing_a_blocker_gives_what_was_behind_it_to_who_waits),
        cmocka_unit_test(the_longest_waiting_goes_first_and_nobody_gets_two),
        cmocka_unit_test(who_lacks_a_capability_or_room_is_passed_over),
        cmocka_unit_test(who_waits_for_one_task_gets_no_other),
        cmocka_unit_test(a_lease_that_expires_goes_to_who_waits),
        cmocka_unit_test(several_tasks_are_claimed_at_once_up_to_what_may_be_held),
        cmocka_unit_test(an_automatic_session_gives_work_to_all_who_have_room_in_turn),
        cmocka_unit_test(what_was_handed_back_is_not_given_back_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
