#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/sessions/world.h"

enum { TASKS = 400, CALLERS = 16, ROUNDS = 40 };

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

/*
 * An agent that does one task after the other, at whichever worker has the session: told that another
 * has it, it goes there, and from time to time it takes the session over to the other one for no reason.
 */
struct agent {
    struct world *world;
    struct ask ask;
    struct fb_defer again;
    char name[8];
    char request[24];
    unsigned at; /* of the two keepers */
    unsigned steps;
    bool busy;
};

static struct agent agents[CALLERS];
static unsigned finished[TASKS + 1];
static uint64_t last_fence;
static unsigned takeovers;

static void go_on(struct agent *agent)
{
    struct ask *ask = &agent->ask;
    const enum ask_kind kind = ask->kind;

    if (ask->end.status.code == FB_ABORTED || ask->end.status.code == FB_UNAVAILABLE) {
        agent->at = 1 - agent->at; /* the same again, elsewhere */
    } else if (kind == ASK_NEXT && ask->refusal == REFUSAL_NONE) {
        const uint32_t task = ask->got_task;
        const uint64_t fence = ask->got_fence;

        assert_int_equal(ask->end.status.code, FB_OK);
        last_fence = fence > last_fence ? fence : last_fence;
        *ask = (struct ask){.kind = ASK_FINISH, .task = task, .fence = fence};
        agent->steps++;
    } else if (kind == ASK_NEXT) {
        agent->busy = false; /* nothing is left */
        return;
    } else {
        assert_int_equal(ask->end.status.code, FB_OK);
        assert_int_equal(ask->refusal, REFUSAL_NONE);
        finished[ask->task]++;
        *ask = (struct ask){.kind = ASK_NEXT};
        agent->steps++;
    }
    {
        struct ask again = {.kind = ask->kind, .task = ask->task, .fence = ask->fence};

        snprintf(agent->request, sizeof(agent->request), "%s-%u", agent->name, agent->steps);
        again.session = "s";
        again.agent = agent->name;
        again.request = agent->request;
        if (agent->steps % 16 == 7 && ask->end.status.code != FB_ABORTED) {
            agent->at = 1 - agent->at;
            again.call.take_over = true;
            takeovers++;
        }
        *ask = again;
    }
    ask_begin(agent->world->keepers[agent->at], ask);
}

static void two_workers_that_take_a_session_from_each_other_lose_and_double_nothing(void **state)
{
    struct world *world = *state;
    struct keeper *first = world_keeper(world, 0, &usual);
    bool busy = true;
    struct ask seen = {.kind = ASK_LOOK, .session = "s", .call = {.take_over = true}};

    world_keeper(world, 1, &usual);
    memset(agents, 0, sizeof(agents));
    memset(finished, 0, sizeof(finished));
    takeovers = 0;
    must(world, first, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, first, (struct ask){.kind = ASK_PLAN, .session = "s", .count = TASKS});
    for (size_t i = 0; i < CALLERS; i++) {
        struct agent *agent = &agents[i];

        agent->world = world;
        agent->busy = true;
        snprintf(agent->name, sizeof(agent->name), "a%zu", i);
        agent->ask = (struct ask){.kind = ASK_NEXT, .session = "s", .agent = agent->name};
        ask_begin(first, &agent->ask);
    }
    while (busy) {
        fb_loop_turn(world->loop, 100);
        busy = false;
        for (size_t i = 0; i < CALLERS; i++) {
            if (agents[i].busy && agents[i].ask.ended) {
                ask_finish(&agents[i].ask);
                go_on(&agents[i]);
            }
            busy |= agents[i].busy;
        }
    }
    for (uint32_t i = 1; i <= TASKS; i++) {
        assert_int_equal(finished[i], 1);
    }
    assert_true(takeovers >= ROUNDS);
    ask_do(world, world->keepers[1], &seen);
    assert_false(seen.fault);
    assert_int_equal(seen.in_state[TASK_COMPLETED], TASKS);
    assert_int_equal(stored_sequence(world, "s"), (int64_t)seen.events);
    ask_finish(&seen);
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
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
