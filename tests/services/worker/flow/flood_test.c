#include "services/worker/flow/flood.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)

static void a_few_chains_are_no_flood(void **state)
{
    struct flood flood = {.generated = 0};

    (void)state;
    flood_planned(&flood, 0, 3, 0);
    flood_planned(&flood, 8, 2, MINUTE_MS);
    assert_false(flood_level(&flood, 4, 13, MINUTE_MS).ratio);
    assert_false(flood_level(&flood, 4, 13, MINUTE_MS).growth);
}

static void more_than_four_generated_for_each_planned_are(void **state)
{
    struct flood flood = {.generated = 0};

    (void)state;
    flood_planned(&flood, 16, 4, 0);
    assert_false(flood_level(&flood, 0, 20, 0).ratio);
    assert_true(flood_level(&flood, 1, 20, 0).ratio);
    assert_int_equal(flood_level(&flood, 1, 20, 0).generated, 17);
}

static void more_than_fifty_within_an_hour_are_as_long_as_they_wait(void **state)
{
    struct flood flood = {.generated = 0};

    (void)state;
    for (int i = 0; i < 51; i++) {
        flood_planned(&flood, 0, 1, i * MINUTE_MS / 2);
    }
    assert_true(flood_level(&flood, 0, 51, 26 * MINUTE_MS).growth);
    assert_int_equal(flood_level(&flood, 0, 51, 26 * MINUTE_MS).came, 51);
    assert_false(flood_level(&flood, 0, 50, 26 * MINUTE_MS).growth);
    assert_false(flood_level(&flood, 0, 51, 65 * MINUTE_MS).growth);
    assert_int_equal(flood_level(&flood, 0, 51, 1000 * MINUTE_MS).came, 0);
}

static void a_large_plan_was_meant_but_not_its_chains(void **state)
{
    struct flood planned = {.generated = 0};
    struct flood chained = {.generated = 0};

    (void)state;
    flood_planned(&planned, 0, 500, 0);
    assert_false(flood_level(&planned, 0, 500, 0).growth);
    flood_planned(&chained, 120, 30, 0);
    assert_true(flood_level(&chained, 0, 150, 0).growth);
}

static void bins_left_behind_are_forgotten(void **state)
{
    struct flood flood = {.generated = 0};

    (void)state;
    for (int64_t hour = 0; hour < 100; hour++) {
        for (int i = 0; i < 60; i++) {
            flood_planned(&flood, 0, 1, (60 * hour + i) * MINUTE_MS);
        }
        assert_in_range(flood_level(&flood, 0, 60, (60 * hour + 59) * MINUTE_MS).came, 56, 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_chains_are_no_flood),
        cmocka_unit_test(more_than_four_generated_for_each_planned_are),
        cmocka_unit_test(more_than_fifty_within_an_hour_are_as_long_as_they_wait),
        cmocka_unit_test(a_large_plan_was_meant_but_not_its_chains),
        cmocka_unit_test(bins_left_behind_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
