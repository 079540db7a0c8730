#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/sessions/world.h"

enum { LONG_MS = 600000 };

static const struct keeper_config usual;

static struct ask waiting_for_work(const char *agent)
{
    return (struct ask){
        .kind = ASK_NEXT, .session = "s", .agent = agent, .call = {.wait_ms = LONG_MS}};
}

static void work_goes_to_the_agents_that_wait_in_the_commit_that_made_it(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask asks[3] = {waiting_for_work("a"), waiting_for_work("b"), waiting_for_work("c")};
    struct ask plan;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    for (int i = 0; i < 3; i++) {
        ask_begin(keeper, &asks[i]);
        world_until(world, &asks[i].waited);
    }
    plan = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 2});
    ask_wait(world, &asks[0]);
    ask_wait(world, &asks[1]);
    assert_int_equal(asks[0].cause, KEEPER_GRANTED);
    assert_int_equal(asks[0].got_task + asks[1].got_task, 3);
    assert_true(asks[0].end.sequence >= plan.end.sequence);
    assert_false(asks[2].ended);
    for (int i = 0; i < 3; i++) {
        ask_finish(&asks[i]);
    }
}

static void work_that_comes_while_the_wait_is_not_on_disk_yet_finds_it(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = waiting_for_work("a");
    struct ask plan = {.kind = ASK_PLAN, .session = "s", .count = 1};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &ask); /* introduces its agent, so it has an event on its way */
    ask_begin(keeper, &plan);
    ask_wait(world, &plan);
    ask_wait(world, &ask);
    assert_int_equal(ask.cause, KEEPER_GRANTED);
    assert_int_equal(ask.got_task, 1);
    ask_finish(&ask);
    ask_finish(&plan);
}

static void of_two_waits_of_an_agent_the_one_hears_that_the_work_was_given_to(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask picky = waiting_for_work("a");
    struct ask any = waiting_for_work("a");

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    picky.request = "picky";
    picky.call.wants = 2;
    any.request = "any";
    ask_begin(keeper, &picky);
    world_until(world, &picky.waited);
    ask_begin(keeper, &any);
    world_until(world, &any.waited);
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    ask_wait(world, &any);
    assert_int_equal(any.cause, KEEPER_GRANTED);
    assert_int_equal(any.got_task, 1);
    assert_false(picky.ended);
    ask_finish(&any);
    ask_finish(&picky);
}

static void a_grant_to_a_caller_that_went_away_stays_its_agents(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask gone = waiting_for_work("a");
    struct ask plan = {.kind = ASK_PLAN, .session = "s", .agent = "b", .count = 1};
    struct ask seen;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &gone);
    world_until(world, &gone.waited);
    ask_begin(keeper, &plan);
    /* Decided, and the append is on its way. */
    while (plan.decided == 0) {
        fb_loop_turn(world->loop, 100);
    }
    ask_finish(&gone);
    ask_wait(world, &plan);
    seen = look(world, keeper, "s");
    assert_int_equal(seen.in_state[TASK_ACTIVE], 1);
    ask_finish(&seen);
    ask_finish(&plan);
}

static void a_caller_that_went_away_is_given_nothing(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask gone = waiting_for_work("a");
    struct ask seen;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &gone);
    world_until(world, &gone.waited);
    ask_finish(&gone);
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    seen = look(world, keeper, "s");
    assert_int_equal(seen.in_state[TASK_ACTIVE], 0);
    ask_finish(&seen);
}

static void waiting_ends_when_its_time_is_over(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = waiting_for_work("a");

    ask.call.wait_ms = 50;
    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_OK);
    assert_int_equal(ask.cause, KEEPER_OVER);
    ask_finish(&ask);
}

static void waiting_ends_when_all_tasks_have_ended(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = waiting_for_work("b");
    struct ask next;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    next = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});
    ask_begin(keeper, &ask);
    world_until(world, &ask.waited);
    must(world, keeper,
         (struct ask){
             .kind = ASK_FINISH, .session = "s", .task = next.got_task, .fence = next.got_fence});
    ask_wait(world, &ask);
    assert_int_equal(ask.cause, KEEPER_FINISHED);
    ask_finish(&ask);
}

static void whoever_waits_for_a_change_hears_of_it_when_it_is_on_disk(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = {.kind = ASK_CHANGE, .session = "s", .call = {.wait_ms = LONG_MS}};
    struct ask plan;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &ask);
    world_until(world, &ask.waited);
    plan = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    ask_wait(world, &ask);
    assert_int_equal(ask.cause, KEEPER_CHANGED);
    assert_int_equal(ask.end.sequence, plan.end.sequence);
    ask_finish(&ask);
}

static void a_lease_that_ends_gives_its_task_to_who_waits(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = waiting_for_work("b");
    struct ask first;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s", .lease_ms = 1000});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    first = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s", .agent = "a"});
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_OK);
    assert_int_equal(ask.cause, KEEPER_GRANTED);
    assert_int_equal(ask.got_task, 1);
    assert_true(ask.got_fence > first.got_fence);
    ask_finish(&ask);
}

static void a_lease_that_ended_while_nobody_had_the_session_is_seen_when_it_comes(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask seen = {.kind = ASK_LOOK, .session = "s"};
    struct ask change = {.kind = ASK_CHANGE, .session = "s", .call = {.wait_ms = LONG_MS}};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s", .agent = "a"});
    world_lose_keeper(world, 0);
    world_pass(24 * 3600000);
    keeper = world_keeper(world, 0, &usual);
    ask_do(world, keeper, &change);
    ask_finish(&change);
    ask_do(world, keeper, &seen);
    assert_int_equal(seen.in_state[TASK_QUEUED], 1);
    ask_finish(&seen);
}

static void a_task_whose_time_has_come_goes_to_who_waits(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    const int64_t until_ms = world_unix_ms() + 300;
    struct ask ask = waiting_for_work("b");

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper,
         (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1, .defer_until_ms = until_ms});
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_OK);
    assert_int_equal(ask.cause, KEEPER_GRANTED);
    assert_int_equal(ask.got_task, 1);
    assert_true(world_unix_ms() >= until_ms);
    ask_finish(&ask);
}

static void who_waits_is_sent_away_when_the_worker_drains(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = waiting_for_work("a");

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &ask);
    world_until(world, &ask.waited);
    world_drain_keeper(world, 0);
    assert_true(ask.ended);
    assert_int_equal(ask.end.status.code, FB_UNAVAILABLE);
    assert_string_equal(ask.end.reason, "not-run");
    fb_arena_finish(&ask.arena);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(work_goes_to_the_agents_that_wait_in_the_commit_that_made_it),
        WORLD_TEST(work_that_comes_while_the_wait_is_not_on_disk_yet_finds_it),
        WORLD_TEST(of_two_waits_of_an_agent_the_one_hears_that_the_work_was_given_to),
        WORLD_TEST(a_grant_to_a_caller_that_went_away_stays_its_agents),
        WORLD_TEST(a_caller_that_went_away_is_given_nothing),
        WORLD_TEST(waiting_ends_when_its_time_is_over),
        WORLD_TEST(waiting_ends_when_all_tasks_have_ended),
        WORLD_TEST(whoever_waits_for_a_change_hears_of_it_when_it_is_on_disk),
        WORLD_TEST(a_lease_that_ends_gives_its_task_to_who_waits),
        WORLD_TEST(a_lease_that_ended_while_nobody_had_the_session_is_seen_when_it_comes),
        WORLD_TEST(a_task_whose_time_has_come_goes_to_who_waits),
        WORLD_TEST(who_waits_is_sent_away_when_the_worker_drains),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
