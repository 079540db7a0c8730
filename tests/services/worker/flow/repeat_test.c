#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

static void a_plan_that_comes_twice_is_planned_once(void **state)
{
    const struct plan_item items[] = {item("a", NULL, 0), item("b", NULL, 0)};
    struct world w;
    size_t events;

    (void)state;
    world_begin(&w);
    w.d.request_id = FB_TEXT("r1");
    assert_true(plan(&w, items, 2));
    assert_false(w.d.repeated);
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.task_count, 2);
    events = w.d.event_count;
    assert_true(plan(&w, items, 2));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.task_count, 2);
    assert_int_equal(w.d.event_count, events);
    w.d.request_id = FB_TEXT("r2");
    assert_false(plan(&w, items, 2));
    expect(&w, REFUSAL_DUPLICATE_KEY, "is task 1 already");
    world_finish(&w);
}

static void a_claim_and_a_finish_answer_again_as_they_did(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    const struct done_command finish = {.agent = ann, .task = 1, .fence = 1, .next = true};
    struct world w;
    uint32_t rev;
    size_t events;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    w.d.request_id = FB_TEXT("claim");
    assert_true(next(&w, ann, 1));
    rev = w.d.rev;
    assert_int_equal(rev, w.d.session->tasks[1].rev);
    assert_true(next(&w, ann, 1));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.fence, 1);
    assert_int_equal(w.d.rev, rev);
    assert_int_equal(w.d.grant_count, 1);
    w.d.request_id = FB_TEXT("finish");
    assert_true(decide_done(&w.d, &finish));
    assert_int_equal(w.d.task, 2);
    assert_int_equal(w.d.fence, 2);
    rev = w.d.rev;
    assert_int_equal(rev, w.d.session->tasks[1].rev);
    events = w.d.event_count;
    assert_true(decide_done(&w.d, &finish));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 2);
    assert_int_equal(w.d.fence, 2);
    assert_int_equal(w.d.rev, rev);
    assert_int_equal(w.d.grants[0].task, 2);
    assert_int_equal(w.d.event_count, events);
    world_finish(&w);
}

static void a_request_id_is_its_agents_own_and_of_one_kind_of_command(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    w.d.request_id = FB_TEXT("1");
    assert_true(next(&w, ann, 0));
    assert_true(next(&w, bob, 0));
    assert_false(w.d.repeated);
    assert_false(done(&w, ann, 1, 0));
    expect(&w, REFUSAL_INVALID, "request_id: \"1\"");
    w.d.request_id = FB_TEXT("with space");
    assert_false(done(&w, ann, 1, 0));
    expect(&w, REFUSAL_INVALID, "request_id:");
    world_finish(&w);
}

static void what_was_refused_may_be_tried_again_with_the_same_id(void **state)
{
    const struct fb_text eve = FB_TEXT("eve");
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    w.d.request_id = FB_TEXT("again");
    assert_false(next(&w, eve, 0));
    expect(&w, REFUSAL_NOT_READY, "nothing is ready");
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, eve, 0));
    assert_false(w.d.repeated);
    assert_int_equal(w.d.task, 1);
    world_finish(&w);
}

static void what_a_stale_agent_said_is_kept_without_its_request_being_done(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    const struct done_command late = {
        .agent = ann, .task = 1, .fence = 1, .summary = FB_TEXT("late")};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    w.d.now_ms += 31 * MINUTE_MS;
    assert_true(next(&w, bob, 1));
    w.d.request_id = FB_TEXT("late");
    assert_false(decide_done(&w.d, &late));
    assert_false(decide_done(&w.d, &late));
    expect(&w, REFUSAL_CONFLICT, "held by bob");
    assert_int_equal(w.d.session->tasks[1].unattached, 2);
    world_finish(&w);
}

static void a_plan_is_known_by_its_key_for_good(void **state)
{
    const struct plan_item items[] = {item("a", NULL, 0), item("b", NULL, 0), item("c", NULL, 0)};
    struct plan_command command = {
        .agent = ann, .items = items, .count = 3, .plan_key = FB_TEXT("monday")};
    struct world w;
    size_t events;

    (void)state;
    world_begin(&w);
    assert_true(decide_plan(&w.d, &command));
    events = w.d.event_count;
    command.agent = bob;
    assert_true(decide_plan(&w.d, &command));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.task_count, 3);
    assert_int_equal(w.d.event_count, events);
    world_finish(&w);
}

static void the_last_4096_mutations_are_remembered(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;
    char id[16];

    (void)state;
    world_begin(&w);
    for (int i = 0; i <= RECENT_MOST; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        w.d.request_id = fb_text_of(fb_arena_copy(&w.arena, id, strlen(id))); /* events borrow it */
        assert_true(plan(&w, &one, 1));
        assert_false(w.d.repeated);
    }
    w.d.request_id = FB_TEXT("r1");
    assert_true(plan(&w, &one, 1));
    assert_true(w.d.repeated);
    assert_int_equal(w.d.task, 2);
    w.d.request_id = FB_TEXT("r0");
    assert_true(plan(&w, &one, 1));
    assert_false(w.d.repeated);
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_that_comes_twice_is_planned_once),
        cmocka_unit_test(a_claim_and_a_finish_answer_again_as_they_did),
        cmocka_unit_test(a_request_id_is_its_agents_own_and_of_one_kind_of_command),
        cmocka_unit_test(what_was_refused_may_be_tried_again_with_the_same_id),
        cmocka_unit_test(what_a_stale_agent_said_is_kept_without_its_request_being_done),
        cmocka_unit_test(a_plan_is_known_by_its_key_for_good),
        cmocka_unit_test(the_last_4096_mutations_are_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
