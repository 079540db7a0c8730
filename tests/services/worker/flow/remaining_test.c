#include "services/worker/flow/remaining.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 50000 };

static struct remaining_task tasks[MANY];
static struct remaining_edge edges[MANY];

/* So many tasks of ten minutes, which take just that. */
static struct remaining_work alike(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        tasks[i] = (struct remaining_task){.minutes = 10, .priority = 2};
    }
    return (struct remaining_work){
        .tasks = tasks, .count = count, .edges = edges, .workers = 1, .spread = 1e-9};
}

/* Each after the one before. */
static void chain(struct remaining_work *work)
{
    for (uint32_t i = 0; i + 1 < work->count; i++) {
        edges[i] = (struct remaining_edge){.before = i, .after = i + 1};
    }
    work->edge_count = work->count - 1;
}

static struct remaining estimate(const struct remaining_work *work)
{
    struct remaining remaining;

    assert_true(remaining_estimate(work, &remaining));
    return remaining;
}

static bool about(double minutes, double expected)
{
    return fabs(minutes - expected) < 1e-3 * expected;
}

static void nothing_takes_no_time(void **state)
{
    const struct remaining_work work = alike(0);

    (void)state;
    assert_true(estimate(&work).p50_minutes == 0 && estimate(&work).p90_minutes == 0);
}

static void agents_share_what_hangs_on_nothing(void **state)
{
    struct remaining_work work = alike(12);

    (void)state;
    assert_true(about(estimate(&work).p50_minutes, 120));
    work.workers = 4;
    assert_true(about(estimate(&work).p50_minutes, 30));
    work.workers = 100;
    assert_true(about(estimate(&work).p90_minutes, 10));
}

static void a_chain_takes_its_length_however_many_work(void **state)
{
    struct remaining_work work = alike(12);

    (void)state;
    chain(&work);
    work.workers = 4;
    assert_true(about(estimate(&work).p50_minutes, 120));
}

static void what_is_done_with_others_takes_nobodys_time(void **state)
{
    struct remaining_work work = alike(3);

    (void)state;
    chain(&work);
    tasks[1].minutes = 0;
    assert_true(about(estimate(&work).p50_minutes, 20));
}

static void what_is_held_goes_on_beside_the_rest(void **state)
{
    struct remaining_work work = alike(3);

    (void)state;
    tasks[0].held = true;
    tasks[0].elapsed_minutes = 4;
    work.workers = 3;
    assert_true(about(estimate(&work).p90_minutes, 10));
    work.workers = 2;
    assert_true(about(estimate(&work).p90_minutes, 16));
}

static void uncertain_holds_spread_the_forecast(void **state)
{
    struct remaining_work work = alike(20);
    struct remaining remaining;

    (void)state;
    work.spread = 1.3;
    work.seed = 7;
    remaining = estimate(&work);
    /* The mean of a hold is 10 e^(1.3^2 / 2) = 23 min. */
    assert_true(remaining.p50_minutes > 250 && remaining.p50_minutes < 650);
    assert_true(remaining.p90_minutes > 1.2 * remaining.p50_minutes);
    assert_int_equal(remaining.runs, REMAINING_RUNS_MOST);
}

static void what_has_lasted_long_lasts_long(void **state)
{
    struct remaining_work work = alike(1);
    double before = 0;

    (void)state;
    work.spread = 1.3;
    tasks[0].held = true;
    for (uint32_t elapsed = 30; elapsed < 1000000; elapsed *= 6) {
        struct remaining remaining;

        tasks[0].elapsed_minutes = elapsed;
        remaining = estimate(&work);
        assert_true(remaining.p50_minutes > before && remaining.p90_minutes < 1e8);
        before = remaining.p50_minutes;
    }
}

static void a_pace_multiplies_all(void **state)
{
    struct remaining_work work = alike(12);

    (void)state;
    work.pace = log(3);
    assert_true(about(estimate(&work).p50_minutes, 360));
}

static void the_same_seed_gives_the_same_forecast(void **state)
{
    struct remaining_work work = alike(100);

    (void)state;
    work.spread = 1;
    work.seed = 5;
    assert_true(estimate(&work).p90_minutes == estimate(&work).p90_minutes);
}

static void the_work_is_bounded_and_its_bound_does_not_show(void **state)
{
    struct remaining_work work = alike(REMAINING_TASKS_MOST);
    struct remaining dispatched;
    struct remaining summed;

    (void)state;
    work.workers = 8;
    work.spread = 1;
    dispatched = estimate(&work);
    assert_int_equal(dispatched.runs, REMAINING_RUNS_LEAST);
    work = alike(REMAINING_TASKS_MOST + 1);
    work.workers = 8;
    work.spread = 1;
    summed = estimate(&work);
    assert_int_equal(summed.runs, 0);
    assert_true(fabs(summed.p50_minutes / dispatched.p50_minutes - 1) < .05);
    assert_true(fabs(summed.p90_minutes / dispatched.p90_minutes - 1) < .05);
    work = alike(MANY);
    chain(&work);
    assert_true(about(estimate(&work).p50_minutes, 10.0 * MANY));
}

static void a_cycle_is_refused(void **state)
{
    struct remaining_work work = alike(3);
    struct remaining remaining;

    (void)state;
    chain(&work);
    edges[work.edge_count++] = (struct remaining_edge){.before = 2, .after = 0};
    assert_false(remaining_estimate(&work, &remaining));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_takes_no_time),
        cmocka_unit_test(agents_share_what_hangs_on_nothing),
        cmocka_unit_test(a_chain_takes_its_length_however_many_work),
        cmocka_unit_test(what_is_done_with_others_takes_nobodys_time),
        cmocka_unit_test(what_is_held_goes_on_beside_the_rest),
        cmocka_unit_test(uncertain_holds_spread_the_forecast),
        cmocka_unit_test(what_has_lasted_long_lasts_long),
        cmocka_unit_test(a_pace_multiplies_all),
        cmocka_unit_test(the_same_seed_gives_the_same_forecast),
        cmocka_unit_test(the_work_is_bounded_and_its_bound_does_not_show),
        cmocka_unit_test(a_cycle_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
