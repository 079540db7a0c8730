#include "services/worker/flow/rhythm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)

static void busy_time_counts_no_more_of_a_silence_than_is_usual(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};
    int64_t before_ms;

    (void)state;
    for (int i = 0; i < 60; i++) {
        rhythm_advance(&rhythm, (1 + i % 3) * MINUTE_MS, 1);
    }
    before_ms = rhythm.busy_ms;
    assert_int_equal(before_ms, 120 * MINUTE_MS);
    assert_int_equal(rhythm_busy_ms(&rhythm, MINUTE_MS), before_ms + MINUTE_MS);
    assert_true(rhythm_busy_ms(&rhythm, 14 * HOUR_MS) < before_ms + 15 * MINUTE_MS);
    assert_true(rhythm_busy_ms(&rhythm, 14 * HOUR_MS) >= before_ms + RHYTHM_BUSY_LEAST_MS);
    assert_int_equal(rhythm_busy_ms(&rhythm, -5), before_ms);
}

static void with_nothing_learned_it_counts_two_hours(void **state)
{
    const struct rhythm rhythm = {.busy_ms = 5};

    (void)state;
    assert_int_equal(rhythm_busy_ms(&rhythm, 100 * HOUR_MS), 5 + RHYTHM_BUSY_MOST_MS);
}

static void a_hold_is_stalled_only_when_its_holder_is_quiet_as_well(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};

    (void)state;
    assert_false(rhythm_is_stalled(&rhythm, 4 * HOUR_MS, 3 * HOUR_MS, 0));
    assert_true(rhythm_is_stalled(&rhythm, 4 * HOUR_MS + 1, 3 * HOUR_MS, 0));
    for (int i = 0; i < 100; i++) {
        rhythm_held(&rhythm, (5 + i % 11) * MINUTE_MS);
        rhythm_heard(&rhythm, (1 + i % 5) * MINUTE_MS, 0, 0);
    }
    assert_true(rhythm_is_stalled(&rhythm, 60 * MINUTE_MS, 30 * MINUTE_MS, 0));
    assert_false(rhythm_is_stalled(&rhythm, 60 * MINUTE_MS, 2 * MINUTE_MS, 0));
    assert_false(rhythm_is_stalled(&rhythm, 6 * MINUTE_MS, 30 * MINUTE_MS, 0));
}

static void false_alarms_make_it_harder_to_be_told_of(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};
    int told = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        rhythm_heard(&rhythm, (1 + i % 5) * MINUTE_MS, 0, 0);
    }
    assert_true(rhythm_is_silent(&rhythm, 3 * HOUR_MS, 0));
    while (rhythm_is_silent(&rhythm, 3 * HOUR_MS, 0)) {
        rhythm_heard(&rhythm, 3 * HOUR_MS, 0, 0);
        assert_in_range(++told, 1, 8);
    }
    assert_int_equal(rhythm.caution.false_alarms, told);
}

static void the_chance_of_so_many_is_that_of_poisson(void **state)
{
    (void)state;
    assert_true(rhythm_chance(0, 2) == 1);
    assert_true(fabs(rhythm_chance(1, 2) - (1 - exp(-2))) < 1e-12);
    assert_true(fabs(rhythm_chance(3, 1) - (1 - 2.5 * exp(-1))) < 1e-12);
    assert_true(rhythm_chance(1000, .1) >= 0 && rhythm_chance(1000, .1) < 1e-12);
}

static void attempts_as_many_as_usual_are_no_storm(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};
    struct rhythm_burst burst;

    (void)state;
    for (int64_t hour = 0; hour < 100; hour++) {
        for (uint32_t i = 0; i < 4; i++) {
            rhythm_tried_again(&rhythm, i, 0, hour * HOUR_MS + i * 10 * MINUTE_MS);
        }
        if (hour > 4) {
            assert_false(rhythm_storms(&rhythm, hour * HOUR_MS + 40 * MINUTE_MS, &burst));
            assert_int_equal(burst.count, 4);
        }
    }
    for (uint32_t i = 0; i < 11; i++) {
        rhythm_tried_again(&rhythm, 7, 3, 100 * HOUR_MS + i * MINUTE_MS);
    }
    assert_true(rhythm_storms(&rhythm, 100 * HOUR_MS + 11 * MINUTE_MS, &burst));
    assert_int_equal(burst.task, 7);
    assert_int_equal(burst.agent, 3);
}

static void flips_of_many_tasks_are_no_thrashing(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};
    struct rhythm_burst burst;

    (void)state;
    for (uint32_t i = 1; i <= 10; i++) {
        rhythm_left(&rhythm, i, 0, i * MINUTE_MS);
        rhythm_claimed(&rhythm, 100 + i, 0, i * MINUTE_MS);
    }
    assert_false(rhythm_thrashes(&rhythm, 10 * MINUTE_MS, &burst));
    assert_int_equal(burst.count, 10);
    rhythm_claimed(&rhythm, 10, 0, 11 * MINUTE_MS);
    rhythm_left(&rhythm, 10, 0, 12 * MINUTE_MS);
    assert_true(rhythm_thrashes(&rhythm, 12 * MINUTE_MS, &burst));
    assert_int_equal(burst.task, 10);
    assert_int_equal(burst.of_task, 3);
}

static void nothing_drops_while_nothing_is_ready(void **state)
{
    struct rhythm rhythm = {.busy_ms = 0};
    struct rhythm_drop drop;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        rhythm_advance(&rhythm, 2 * MINUTE_MS, 5);
        if (i % 3 == 0) {
            rhythm_completed(&rhythm);
        }
        rhythm_settle(&rhythm, 5);
    }
    for (int i = 0; i < 300; i++) {
        rhythm_advance(&rhythm, 2 * MINUTE_MS, 0);
        rhythm_settle(&rhythm, 0);
        assert_false(rhythm_drops(&rhythm, rhythm.busy_ms, 0, &drop));
    }
    for (int i = 0; i < 300; i++) {
        rhythm_advance(&rhythm, 2 * MINUTE_MS, 5);
        rhythm_settle(&rhythm, 5);
    }
    assert_true(rhythm_drops(&rhythm, rhythm.busy_ms, 5, &drop));
    assert_true(drop.average < drop.usual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_time_counts_no_more_of_a_silence_than_is_usual),
        cmocka_unit_test(with_nothing_learned_it_counts_two_hours),
        cmocka_unit_test(a_hold_is_stalled_only_when_its_holder_is_quiet_as_well),
        cmocka_unit_test(false_alarms_make_it_harder_to_be_told_of),
        cmocka_unit_test(the_chance_of_so_many_is_that_of_poisson),
        cmocka_unit_test(attempts_as_many_as_usual_are_no_storm),
        cmocka_unit_test(flips_of_many_tasks_are_no_thrashing),
        cmocka_unit_test(nothing_drops_while_nothing_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
