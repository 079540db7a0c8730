#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/services/worker/sessions/breaker.h"
#include "tests/services/worker/sessions/crowd.h"

static const struct keeper_config usual;

static void a_store_that_is_killed_in_the_midst_costs_time_and_nothing_else(void **state)
{
    static struct crowd crowd;
    struct world *world = *state;
    unsigned kills = 0;

    crowd = (struct crowd){.world = world, .keepers = 1, .count = 16};
    world_keeper(world, 0, &usual);
    crowd_begin(&crowd, 600);
    while (crowd_turn(&crowd)) {
        if (crowd.done > (kills + 1) * 60 && crowd.done < 600) {
            world_kill_store(world);
            kills++;
            world_start_store(world);
        }
    }
    assert_true(kills >= 8);
    crowd_check(&crowd);
}

static void answers_that_are_lost_are_asked_for_again(void **state)
{
    static struct crowd crowd;
    struct world *world = *state;
    struct breaker *breaker;

    crowd = (struct crowd){.world = world, .keepers = 1, .count = 16};
    snprintf(world->through, sizeof(world->through), "unix:%s/p", world->folder);
    breaker = breaker_create(world->loop, world->through, world->target);
    world_keeper(world, 0, &usual);
    crowd_begin(&crowd, 1000);
    breaker_set(breaker, 7);
    while (crowd_turn(&crowd)) {
    }
    assert_true(breaker_broken(breaker) > 2);
    breaker_set(breaker, 0);
    crowd_check(&crowd);
    world_lose_keeper(world, 0);
    breaker_destroy(breaker);
}

static void calls_to_a_session_that_cannot_be_brought_end_by_their_deadlines(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = {.kind = ASK_OPEN, .session = "s"};

    world_kill_store(world);
    ask.call.deadline_ms = fb_clock_ms() + 100;
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_DEADLINE_EXCEEDED);
    assert_string_equal(ask.end.reason, "not-run");
    ask_finish(&ask);
}

static void what_may_have_been_kept_is_not_called_undone(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask plan = {.kind = ASK_PLAN, .session = "s", .count = 1, .request = "p"};
    struct ask again = {.kind = ASK_PLAN, .session = "s", .count = 1, .request = "p"};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    world_kill_store(world);
    plan.call.deadline_ms = fb_clock_ms() + 100;
    ask_do(world, keeper, &plan);
    assert_int_equal(plan.end.status.code, FB_DEADLINE_EXCEEDED);
    assert_string_equal(plan.end.reason, "");
    ask_finish(&plan);
    world_start_store(world);
    ask_do(world, keeper, &again);
    assert_int_equal(again.end.status.code, FB_OK);
    assert_true(again.repeated);
    assert_int_equal(stored_sequence(world, "s"), again.end.sequence);
    ask_finish(&again);
}

static void nobody_sees_what_is_not_on_disk(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask plan = {.kind = ASK_PLAN, .session = "s", .count = 1};
    struct ask seen = {.kind = ASK_LOOK, .session = "s"};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    world_kill_store(world);
    ask_begin(keeper, &plan);
    ask_begin(keeper, &seen);
    while (seen.decided == 0) {
        fb_loop_turn(world->loop, 100);
    }
    assert_int_equal(seen.in_state[TASK_QUEUED], 1);
    assert_false(seen.ended);
    world_start_store(world);
    ask_wait(world, &seen);
    assert_true(plan.ended);
    assert_int_equal(seen.end.status.code, FB_OK);
    ask_finish(&plan);
    ask_finish(&seen);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void a_drain_while_the_store_is_away_ends_in_time_and_says_what_is_not_known(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask plan = {.kind = ASK_PLAN, .session = "s", .count = 1};
    struct ask late = {.kind = ASK_PLAN, .session = "s", .count = 1};
    bool drained = false;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    world_kill_store(world);
    ask_begin(keeper, &plan);
    while (plan.decided == 0) {
        fb_loop_turn(world->loop, 100);
    }
    keeper_drain(keeper, fb_clock_ms() + 100, set_true, &drained);
    ask_begin(keeper, &late);
    world_until(world, &drained);
    assert_int_equal(plan.end.status.code, FB_UNAVAILABLE);
    assert_string_equal(plan.end.reason, "");
    assert_int_equal(late.end.status.code, FB_UNAVAILABLE);
    assert_string_equal(late.end.reason, "not-run");
    ask_finish(&plan);
    ask_finish(&late);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_store_that_is_killed_in_the_midst_costs_time_and_nothing_else),
        WORLD_TEST(answers_that_are_lost_are_asked_for_again),
        WORLD_TEST(calls_to_a_session_that_cannot_be_brought_end_by_their_deadlines),
        WORLD_TEST(what_may_have_been_kept_is_not_called_undone),
        WORLD_TEST(nobody_sees_what_is_not_on_disk),
        WORLD_TEST(a_drain_while_the_store_is_away_ends_in_time_and_says_what_is_not_known),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
