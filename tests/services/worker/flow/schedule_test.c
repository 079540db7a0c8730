#include "services/worker/flow/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE = 60000, TASKS = 120 };

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static void ok(struct fb_status status)
{
    assert_int_equal(status.code, FB_OK);
}

/* A session with room for everything, so that a test limits only what it is about. */
struct world {
    struct graph *graph;
    struct schedule *schedule;
};

static struct world world_open(void)
{
    struct world world = {.graph = graph_create()};

    assert_non_null(world.graph);
    world.schedule = schedule_create(
        world.graph,
        (struct schedule_limits){.active_per_agent = 1000, .active = 1000, .load = 10000});
    assert_non_null(world.schedule);
    return world;
}

static void world_close(struct world *world)
{
    schedule_destroy(world->schedule);
    graph_destroy(world->graph);
}

static struct schedule_task plain(void)
{
    return (struct schedule_task){.priority = 2, .weight = 5};
}

static void add(struct world *world, uint32_t node, uint32_t minutes, struct schedule_task task)
{
    ok(graph_add_node(world->graph, node, minutes * MINUTE));
    assert_true(schedule_ready(world->schedule, node, task));
}

/* So much other work that nothing is critical. */
static void add_ballast(struct world *world)
{
    ok(graph_add_node(world->graph, 99999, 10000 * MINUTE));
}

static struct schedule_choice pick(struct world *world, int64_t now_awake_ms)
{
    return schedule_pick(world->schedule, (struct schedule_agent){.agent = 1}, 4, now_awake_ms);
}

static void the_longest_chain_goes_first_while_its_slack_is_within_the_gate(void **state)
{
    struct world world = world_open();
    struct schedule_choice choice;

    /* 0 holds up an hour; 1 is short. 70 min in all, so both ways of counting leave 70. */
    (void)state;
    add(&world, 0, 10, plain());
    add(&world, 1, 1, plain());
    ok(graph_add_node(world.graph, 2, 60 * MINUTE));
    ok(graph_add_edge(world.graph,
                      (struct graph_edge){.before = 0, .after = 2, .kind = GRAPH_AFTER}));
    choice = pick(&world, 0);
    assert_int_equal(choice.answer, SCHEDULE_CRITICAL);
    assert_int_equal(choice.task, 0);
    assert_int_equal(choice.left_ms, 70 * MINUTE);
    assert_int_equal(choice.slack_ms, 0);
    world_close(&world);
}

static void the_gate_closes_when_slack_is_above_two_fifths_of_what_is_left(void **state)
{
    struct world world = world_open();

    /* 100 min are left; a slack of 40 is critical, one of 41 is not. */
    (void)state;
    ok(graph_add_node(world.graph, 2, 100 * MINUTE));
    add(&world, 0, 60, plain());
    add(&world, 1, 1, plain());
    assert_int_equal(pick(&world, 0).answer, SCHEDULE_CRITICAL);
    assert_int_equal(pick(&world, 0).task, 0);
    ok(graph_set_effort(world.graph, 0, 59 * MINUTE));
    assert_int_equal(pick(&world, 0).answer, SCHEDULE_INDEX);
    assert_int_equal(pick(&world, 0).task, 1);
    world_close(&world);
}

static void fewer_workers_leave_more_time_and_so_more_slack(void **state)
{
    struct world world = world_open();
    struct schedule_agent agent = {.agent = 1};

    (void)state;
    for (uint32_t node = 0; node < 10; node++) {
        add(&world, node, node == 0 ? 60 : 10, plain());
    }
    assert_int_equal(schedule_pick(world.schedule, agent, 8, 0).left_ms, 60 * MINUTE);
    assert_int_equal(schedule_pick(world.schedule, agent, 8, 0).task, 0);
    assert_int_equal(schedule_pick(world.schedule, agent, 1, 0).left_ms, 150 * MINUTE);
    assert_int_equal(schedule_pick(world.schedule, agent, 1, 0).task, 1);
    assert_int_equal(schedule_pick(world.schedule, agent, 0, 0).left_ms, 150 * MINUTE);
    world_close(&world);
}

static void work_that_has_begun_is_shared_no_more_but_still_holds_up(void **state)
{
    struct world world = world_open();
    struct schedule_agent agent = {.agent = 1};

    (void)state;
    for (uint32_t node = 0; node < 4; node++) {
        add(&world, node, 30, plain());
    }
    assert_int_equal(schedule_pick(world.schedule, agent, 2, 0).left_ms, 60 * MINUTE);
    assert_true(schedule_start(world.schedule, 0, 2, 5));
    assert_int_equal(schedule_pick(world.schedule, agent, 2, 0).left_ms, 45 * MINUTE);
    ok(graph_add_node(world.graph, 4, 50 * MINUTE));
    ok(graph_add_edge(world.graph,
                      (struct graph_edge){.before = 0, .after = 4, .kind = GRAPH_AFTER}));
    assert_int_equal(schedule_pick(world.schedule, agent, 2, 0).left_ms, 80 * MINUTE);
    ok(graph_set_open(world.graph, 0, false));
    assert_int_equal(schedule_pick(world.schedule, agent, 2, 0).left_ms, 70 * MINUTE);
    world_close(&world);
}

static void among_equals_the_shorter_goes_first_and_a_step_of_priority_doubles_its_worth(
    void **state)
{
    struct world world = world_open();
    struct schedule_task urgent = plain();

    (void)state;
    urgent.priority = 1;
    add_ballast(&world);
    add(&world, 0, 10, plain());
    add(&world, 1, 9, plain());
    assert_int_equal(pick(&world, 0).task, 1);
    add(&world, 2, 17, urgent);
    assert_int_equal(pick(&world, 0).task, 2);
    ok(graph_set_effort(world.graph, 2, 19 * MINUTE));
    assert_int_equal(pick(&world, 0).task, 1);
    world_close(&world);
}

static void two_steps_of_priority_cost_two_tau_of_age(void **state)
{
    struct world world = world_open();
    struct schedule_task old = plain();
    struct schedule_task urgent = plain();

    (void)state;
    old.priority = 2;
    urgent.priority = 0;
    urgent.created_awake_ms = 2 * SCHEDULE_TAU_MS - MINUTE;
    add_ballast(&world);
    add(&world, 0, 10, old);
    add(&world, 1, 10, urgent);
    assert_int_equal(pick(&world, 2 * SCHEDULE_TAU_MS).task, 1);
    urgent.created_awake_ms = 2 * SCHEDULE_TAU_MS + MINUTE;
    assert_true(schedule_ready(world.schedule, 1, urgent));
    assert_int_equal(pick(&world, 2 * SCHEDULE_TAU_MS + MINUTE).task, 0);
    world_close(&world);
}

static void the_least_urgent_outranks_a_new_most_urgent_after_four_tau(void **state)
{
    struct world world = world_open();
    struct schedule_task old = plain();
    struct schedule_task urgent = plain();

    (void)state;
    old.priority = 4;
    urgent.priority = 0;
    add_ballast(&world);
    add(&world, 0, 10, old);
    urgent.created_awake_ms = 4 * SCHEDULE_TAU_MS - 1;
    add(&world, 1, 10, urgent);
    assert_int_equal(pick(&world, urgent.created_awake_ms).task, 1);
    urgent.created_awake_ms = 4 * SCHEDULE_TAU_MS + 1;
    assert_true(schedule_ready(world.schedule, 1, urgent));
    assert_int_equal(pick(&world, urgent.created_awake_ms).task, 0);
    world_close(&world);
}

static void a_ready_task_older_than_four_tau_goes_before_the_longest_chain(void **state)
{
    struct world world = world_open();
    struct schedule_task old = plain();
    struct schedule_task urgent = plain();

    (void)state;
    old.priority = 4;
    urgent.priority = 0;
    urgent.created_awake_ms = SCHEDULE_OLD_MS;
    add(&world, 0, 1, old);
    add(&world, 1, 500, urgent);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS).answer, SCHEDULE_CRITICAL);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS + 1).answer, SCHEDULE_STARVED);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS + 1).task, 0);
    world_close(&world);
}

/* Ties of one kind with the one task that `arg` leads to. */
static unsigned tied_once(const void *arg, uint32_t task)
{
    return task == *(const uint32_t *)arg ? SCHEDULE_SAME_PARENT : 0;
}

static unsigned tied_thrice(const void *arg, uint32_t task)
{
    return task == *(const uint32_t *)arg
               ? SCHEDULE_SAME_PARENT | SCHEDULE_HELD_PREDECESSOR | SCHEDULE_SHARED_EVIDENCE
               : 0;
}

static void ties_are_worth_at_most_a_factor_of_two_among_the_best_eight(void **state)
{
    struct world world = world_open();
    uint32_t tied = 7;
    struct schedule_agent agent = {.agent = 1, .ties = tied_once, .ties_arg = &tied};

    (void)state;
    add_ballast(&world);
    for (uint32_t node = 0; node < 9; node++) {
        add(&world, node, 100 + node, plain());
    }
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, 7);
    tied = 8;
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, 0);
    tied = 1;
    ok(graph_set_effort(world.graph, 0, 60 * MINUTE));
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, 0);
    agent.ties = tied_thrice;
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, 1);
    ok(graph_set_effort(world.graph, 0, 50 * MINUTE));
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, 0);
    world_close(&world);
}

static void limits_answer_with_their_kind_and_the_holders_can_be_named(void **state)
{
    struct world world = world_open();
    struct schedule_task heavy = plain();
    uint32_t held[4];

    (void)state;
    heavy.weight = 10;
    schedule_set_limits(world.schedule, schedule_limits_default());
    assert_int_equal(pick(&world, 0).answer, SCHEDULE_NOTHING_READY);
    add(&world, 0, 10, heavy);
    add(&world, 1, 10, heavy);
    add(&world, 2, 10, heavy);
    add(&world, 3, 10, heavy);
    assert_true(schedule_start(world.schedule, 0, 1, 10));
    assert_false(schedule_is_ready(world.schedule, 0));
    assert_int_equal(pick(&world, 0).answer, SCHEDULE_AGENT_FULL);
    assert_int_equal(schedule_active(world.schedule, 1, held, 4), 1);
    assert_int_equal(held[0], 0);
    assert_true(schedule_start(world.schedule, 2, 2, 10));
    assert_true(schedule_start(world.schedule, 1, 3, 10));
    assert_int_equal(schedule_load(world.schedule), 30);
    assert_int_equal(
        schedule_pick(world.schedule, (struct schedule_agent){.agent = 4}, 4, 0).answer,
        SCHEDULE_SESSION_FULL);
    assert_int_equal(schedule_active(world.schedule, GRAPH_NONE, held, 4), 3);
    assert_int_equal(held[1], 2);
    schedule_stop(world.schedule, 2);
    assert_int_equal(schedule_pick(world.schedule, (struct schedule_agent){.agent = 4}, 4, 0).task,
                     3);
    schedule_set_limits(world.schedule,
                        (struct schedule_limits){.active_per_agent = 1, .active = 2, .load = 1000});
    assert_int_equal(
        schedule_pick(world.schedule, (struct schedule_agent){.agent = 4}, 4, 0).answer,
        SCHEDULE_SESSION_FULL);
    world_close(&world);
}

static void what_does_not_fit_is_passed_over_until_it_starves_and_then_all_wait(void **state)
{
    struct world world = world_open();
    struct schedule_task heavy = {.weight = 9, .priority = 0};
    struct schedule_task light = {.weight = 1, .priority = 4, .created_awake_ms = SCHEDULE_TAU_MS};

    (void)state;
    schedule_set_limits(world.schedule,
                        (struct schedule_limits){.active_per_agent = 9, .active = 9, .load = 10});
    add(&world, 0, 10, plain());
    assert_true(schedule_start(world.schedule, 0, 2, 5));
    add(&world, 1, 10, heavy);
    add(&world, 2, 10, light);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS).task, 2);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS + 1).answer, SCHEDULE_SESSION_FULL);
    assert_int_equal(schedule_may(world.schedule, (struct schedule_agent){.agent = 1}, 1),
                     SCHEDULE_SESSION_FULL);
    schedule_stop(world.schedule, 0);
    assert_int_equal(pick(&world, SCHEDULE_OLD_MS + 1).task, 1);
    world_close(&world);
}

static void a_single_task_is_never_too_heavy(void **state)
{
    struct world world = world_open();
    struct schedule_task heavy = {.weight = 200};

    (void)state;
    schedule_set_limits(world.schedule,
                        (struct schedule_limits){.active_per_agent = 1, .active = 1, .load = 2});
    add(&world, 0, 10, heavy);
    assert_int_equal(pick(&world, 0).task, 0);
    world_close(&world);
}

static void a_task_that_closes_or_goes_is_no_longer_ready(void **state)
{
    struct world world = world_open();

    (void)state;
    add(&world, 0, 10, plain());
    add(&world, 1, 0, plain());
    add(&world, 2, 0, plain());
    ok(graph_set_open(world.graph, 0, false));
    ok(graph_set_open(world.graph, 1, false));
    ok(graph_remove_node(world.graph, 2));
    assert_int_equal(schedule_ready_count(world.schedule), 0);
    assert_int_equal(pick(&world, 0).answer, SCHEDULE_NOTHING_READY);
    world_close(&world);
}

static void a_peek_lists_what_picks_would_give_and_changes_nothing(void **state)
{
    struct world world = world_open();
    uint64_t seed = 4;
    uint32_t listed[20];

    (void)state;
    for (uint32_t node = 0; node < 30; node++) {
        struct schedule_task task = {.priority = (uint8_t)random_below(&seed, 5), .weight = 5};

        add(&world, node, 1 + random_below(&seed, 100), task);
    }
    assert_int_equal(
        schedule_peek(world.schedule, (struct schedule_agent){.agent = 1}, 4, 0, listed, 20), 20);
    assert_int_equal(schedule_ready_count(world.schedule), 30);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pick(&world, 0).task, listed[i]);
        assert_true(schedule_start(world.schedule, listed[i], 1, 5));
    }
    world_close(&world);
}

static void an_agent_never_gets_what_it_cannot_do_and_always_what_it_alone_can(void **state)
{
    struct world world = world_open();
    uint64_t needs[TASKS];
    uint64_t seed = 11;
    int64_t now_awake_ms = 0;

    (void)state;
    for (uint32_t node = 0; node < TASKS; node++) {
        struct schedule_task task = {
            .needs = UINT64_C(1) << random_below(&seed, 4),
            .priority = (uint8_t)random_below(&seed, 5),
            .weight = 5,
            .created_awake_ms = random_below(&seed, 1000000),
        };

        needs[node] = task.needs;
        add(&world, node, 1 + random_below(&seed, 100), task);
    }
    while (schedule_ready_count(world.schedule) > 0) {
        struct schedule_agent agent = {.agent = 1, .caps = random_below(&seed, 16)};
        struct schedule_choice choice =
            schedule_pick(world.schedule, agent, 4, now_awake_ms += 10 * MINUTE * 60);
        uint32_t able = 0;

        for (uint32_t node = 0; node < TASKS; node++) {
            able += schedule_is_ready(world.schedule, node) && (needs[node] & ~agent.caps) == 0;
        }
        if (able == 0) {
            assert_int_equal(choice.answer, SCHEDULE_NEEDS_CAPS);
            assert_int_equal(choice.task, GRAPH_NONE);
            continue;
        }
        assert_int_not_equal(choice.task, GRAPH_NONE);
        assert_int_equal(needs[choice.task] & ~agent.caps, 0);
        assert_int_equal(schedule_may(world.schedule, agent, choice.task), SCHEDULE_INDEX);
        ok(graph_set_open(world.graph, choice.task, false));
    }
    world_close(&world);
}

static void a_long_listing_is_no_slower_for_what_the_agent_may_not_do(void **state)
{
    enum { OTHERS = 60000, ABLE = 4096 };
    struct world world = world_open();
    const struct schedule_agent agent = {.agent = 1, .caps = 1};
    uint32_t *listed = calloc(ABLE, sizeof(*listed));

    (void)state;
    assert_non_null(listed);
    for (uint32_t node = 0; node < OTHERS + ABLE; node++) {
        /* All that the agent may not do comes first, by level and by index. */
        const bool others = node < OTHERS;
        const struct schedule_task task = {
            .needs = others ? 2 : 1, .priority = others ? 0 : 4, .weight = 5};

        add(&world, node, others ? 100 : 10, task);
    }
    assert_int_equal(schedule_peek(world.schedule, agent, 4, 0, listed, ABLE), ABLE);
    for (uint32_t i = 0; i < ABLE; i++) {
        assert_int_equal(listed[i], OTHERS + i);
    }
    assert_int_equal(schedule_ready_count(world.schedule), OTHERS + ABLE);
    assert_int_equal(schedule_pick(world.schedule, agent, 4, 0).task, OTHERS);
    free(listed);
    world_close(&world);
}

/*
 * Urgent short tasks and long chains keep coming, more than one agent can do. Once a task is beyond its
 * time, at most those that were older and ready go before it.
 */
static void no_ready_task_waits_beyond_its_bound_for_newer_ones(void **state)
{
    struct world world = world_open();
    struct schedule_task lazy = {.priority = 4, .weight = 10};
    int64_t now_awake_ms = 0;
    uint32_t node = 0;
    uint64_t seed = 2;

    (void)state;
    add(&world, node++, 600, lazy);
    for (;;) {
        struct schedule_choice choice;

        for (int i = 0; i < 2; i++) {
            struct schedule_task urgent = {
                .priority = 0, .weight = 1, .created_awake_ms = now_awake_ms};

            add(&world, node++, 1 + random_below(&seed, 1000), urgent);
        }
        choice = pick(&world, now_awake_ms);
        assert_int_not_equal(choice.task, GRAPH_NONE);
        if (choice.task == 0) {
            break;
        }
        ok(graph_set_open(world.graph, choice.task, false));
        now_awake_ms += 30 * MINUTE;
        assert_true(now_awake_ms <= SCHEDULE_OLD_MS + 30 * MINUTE);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_chain_goes_first_while_its_slack_is_within_the_gate),
        cmocka_unit_test(the_gate_closes_when_slack_is_above_two_fifths_of_what_is_left),
        cmocka_unit_test(fewer_workers_leave_more_time_and_so_more_slack),
        cmocka_unit_test(work_that_has_begun_is_shared_no_more_but_still_holds_up),
        cmocka_unit_test(
            among_equals_the_shorter_goes_first_and_a_step_of_priority_doubles_its_worth),
        cmocka_unit_test(two_steps_of_priority_cost_two_tau_of_age),
        cmocka_unit_test(the_least_urgent_outranks_a_new_most_urgent_after_four_tau),
        cmocka_unit_test(a_ready_task_older_than_four_tau_goes_before_the_longest_chain),
        cmocka_unit_test(ties_are_worth_at_most_a_factor_of_two_among_the_best_eight),
        cmocka_unit_test(limits_answer_with_their_kind_and_the_holders_can_be_named),
        cmocka_unit_test(what_does_not_fit_is_passed_over_until_it_starves_and_then_all_wait),
        cmocka_unit_test(a_single_task_is_never_too_heavy),
        cmocka_unit_test(a_task_that_closes_or_goes_is_no_longer_ready),
        cmocka_unit_test(a_peek_lists_what_picks_would_give_and_changes_nothing),
        cmocka_unit_test(an_agent_never_gets_what_it_cannot_do_and_always_what_it_alone_can),
        cmocka_unit_test(a_long_listing_is_no_slower_for_what_the_agent_may_not_do),
        cmocka_unit_test(no_ready_task_waits_beyond_its_bound_for_newer_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
