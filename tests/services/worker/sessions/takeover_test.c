#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/sessions/crowd.h"

static const struct keeper_config usual;

static void a_session_that_another_worker_has_is_there(void **state)
{
    struct world *world = *state;
    struct keeper *first = world_keeper(world, 0, &usual);
    struct keeper *second = world_keeper(world, 1, &usual);
    struct ask ask = {.kind = ASK_NEXT, .session = "s"};

    must(world, first, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_do(world, second, &ask);
    assert_int_equal(ask.end.status.code, FB_ABORTED);
    assert_string_equal(ask.end.reason, "held");
    assert_string_equal(ask.end.holder, "w0");
    assert_true(ask.end.retry_ms > 0);
    assert_int_equal(ask.decided, 0);
    ask_finish(&ask);
}

static void a_session_of_a_worker_that_is_gone_can_be_taken_over(void **state)
{
    struct world *world = *state;
    struct keeper *first = world_keeper(world, 0, &usual);
    struct keeper *second = world_keeper(world, 1, &usual);
    struct ask ask;

    must(world, first, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, first, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    world_lose_keeper(world, 0);
    ask = must(world, second,
               (struct ask){.kind = ASK_NEXT, .session = "s", .call = {.take_over = true}});
    assert_int_equal(ask.got_task, 1);
}

static void a_worker_that_comes_again_under_its_name_has_its_sessions(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    world_lose_keeper(world, 0);
    keeper = world_keeper(world, 0, &usual);
    ask = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});
    assert_int_equal(ask.got_task, 1);
}

static void whoever_lost_a_session_says_who_has_it(void **state)
{
    struct world *world = *state;
    struct keeper *first = world_keeper(world, 0, &usual);
    struct keeper *second = world_keeper(world, 1, &usual);
    struct ask ask = {.kind = ASK_PLAN, .session = "s", .count = 1};
    struct ask seen;

    must(world, first, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, second,
         (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1, .call = {.take_over = true}});
    ask_do(world, first, &ask);
    assert_int_equal(ask.end.status.code, FB_ABORTED);
    assert_string_equal(ask.end.reason, "held");
    assert_string_equal(ask.end.holder, "w1");
    ask_finish(&ask);
    seen = look(world, second, "s");
    assert_int_equal(seen.in_state[TASK_QUEUED], 1);
    ask_finish(&seen);
}

static void a_lease_is_renewed_before_it_ends(void **state)
{
    static const struct keeper_config brief = {.lease_ms = 1000, .idle_ms = 60000};
    struct world *world = *state;
    struct keeper *first = world_keeper(world, 0, &brief);
    struct keeper *second = world_keeper(world, 1, &usual);
    struct ask watch = {.kind = ASK_CHANGE, .session = "s", .call = {.wait_ms = 2500}};
    struct ask ask = {.kind = ASK_NEXT, .session = "s"};

    must(world, first, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_do(world, first, &watch); /* two leases and a half */
    ask_do(world, second, &ask);
    assert_string_equal(ask.end.reason, "held");
    ask_finish(&ask);
    ask_finish(&watch);
}

static void two_workers_that_take_a_session_from_each_other_lose_and_double_nothing(void **state)
{
    static struct crowd crowd;
    struct world *world = *state;

    crowd = (struct crowd){.world = world, .keepers = 2, .take_over_every = 16, .count = 16};
    world_keeper(world, 0, &usual);
    world_keeper(world, 1, &usual);
    crowd_begin(&crowd, 400);
    while (crowd_turn(&crowd)) {
    }
    assert_true(crowd.takeovers >= 40);
    crowd_check(&crowd);
}

static void a_worker_that_drains_hands_its_session_over_in_the_midst_of_work(void **state)
{
    static struct crowd crowd;
    struct world *world = *state;

    crowd = (struct crowd){.world = world, .keepers = 2, .count = 16};
    world_keeper(world, 0, &usual);
    world_keeper(world, 1, &usual);
    crowd_begin(&crowd, 400);
    while (crowd.done < 100) {
        crowd_turn(&crowd);
    }
    keeper_drain(world->keepers[0], INT64_MAX, NULL, NULL);
    while (crowd_turn(&crowd)) {
    }
    crowd_check(&crowd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_session_that_another_worker_has_is_there),
        WORLD_TEST(a_session_of_a_worker_that_is_gone_can_be_taken_over),
        WORLD_TEST(a_worker_that_comes_again_under_its_name_has_its_sessions),
        WORLD_TEST(whoever_lost_a_session_says_who_has_it),
        WORLD_TEST(a_lease_is_renewed_before_it_ends),
        WORLD_TEST(two_workers_that_take_a_session_from_each_other_lose_and_double_nothing),
        WORLD_TEST(a_worker_that_drains_hands_its_session_over_in_the_midst_of_work),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
