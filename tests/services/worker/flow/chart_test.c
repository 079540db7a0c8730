#define _XOPEN_SOURCE 700 /* erand48 */

#include "services/worker/flow/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Knuth's: how many uniform factors it takes. */
static uint32_t poisson(unsigned short seed[3], double mean)
{
    const double end = exp(-mean);
    double product = erand48(seed);
    uint32_t count = 0;

    while (product > end) {
        product *= erand48(seed);
        count++;
    }
    return count;
}

static void too_few_ticks_say_nothing(void **state)
{
    struct chart chart = {.seen = 0};

    (void)state;
    for (int i = 0; i < CHART_AT_LEAST + CHART_RECENT; i++) {
        assert_false(chart_is_below(&chart, 3));
        chart_tick(&chart, i < CHART_AT_LEAST ? 100 : 0);
    }
    assert_true(chart_is_below(&chart, 3));
}

static void the_average_moves_by_a_fifth(void **state)
{
    struct chart chart = {.seen = 0};

    (void)state;
    chart_tick(&chart, 10);
    assert_true(chart.average == 10);
    chart_tick(&chart, 20);
    assert_true(fabs(chart.average - 12) < 1e-12);
    assert_true(fabs(chart_average_with(&chart, 2) - 10) < 1e-12);
}

static void a_sudden_end_is_seen_within_some_ticks(void **state)
{
    unsigned short seed[3] = {1, 2, 3};

    (void)state;
    for (int run = 0; run < 200; run++) {
        struct chart chart = {.seen = 0};
        int ticks = 0;

        for (int i = 0; i < 100; i++) {
            chart_tick(&chart, poisson(seed, 6));
        }
        while (!chart_is_below(&chart, 3)) {
            chart_tick(&chart, 0);
            ticks++;
        }
        assert_in_range(ticks, 0, 6);
    }
}

static void a_slow_drift_is_summed_up(void **state)
{
    unsigned short seed[3] = {4, 5, 6};
    int seen = 0;

    (void)state;
    for (int run = 0; run < 100; run++) {
        struct chart chart = {.seen = 0};
        bool below = false;

        for (int i = 0; i < 96; i++) {
            chart_tick(&chart, poisson(seed, 5));
        }
        for (int i = 0; i < 48 && !below; i++) {
            chart_tick(&chart, poisson(seed, 5 - i / 10.0 > 1 ? 5 - i / 10.0 : 1));
            below = chart_is_below(&chart, 3);
        }
        seen += below;
    }
    assert_in_range(seen, 95, 100);
}

static void steady_ticks_are_in_their_range(void **state)
{
    unsigned short seed[3] = {7, 8, 9};
    struct chart chart = {.seen = 0};
    int below = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const bool was = chart_is_below(&chart, 3);

        chart_tick(&chart, poisson(seed, 4));
        below += !was && chart_is_below(&chart, 3);
    }
    assert_in_range(below, 0, 60);
}

static void ticks_that_resemble_their_neighbours_widen_the_limits(void **state)
{
    struct chart alternating = {.seen = 0};
    struct chart blocks = {.seen = 0};

    (void)state;
    for (uint32_t i = 0; i < CHART_WINDOW; i++) {
        chart_tick(&alternating, i % 2 == 0 ? 2 : 8);
        chart_tick(&blocks, i / 8 % 2 == 0 ? 2 : 8);
    }
    assert_true(chart_usual(&blocks).average_deviation >
                1.5 * chart_usual(&alternating).average_deviation);
}

static void with_nothing_learned_any_average_is_above(void **state)
{
    const struct chart chart = {.seen = 0};

    (void)state;
    assert_false(chart_is_above(&chart, 0, 2.7));
    assert_true(chart_is_above(&chart, .8, 2.7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_ticks_say_nothing),
        cmocka_unit_test(the_average_moves_by_a_fifth),
        cmocka_unit_test(a_sudden_end_is_seen_within_some_ticks),
        cmocka_unit_test(a_slow_drift_is_summed_up),
        cmocka_unit_test(steady_ticks_are_in_their_range),
        cmocka_unit_test(ticks_that_resemble_their_neighbours_widen_the_limits),
        cmocka_unit_test(with_nothing_learned_any_average_is_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
