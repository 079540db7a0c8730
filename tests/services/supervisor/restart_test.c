#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/supervisor/restart.h"

static void each_early_end_doubles_the_wait_up_to_the_most(void **state)
{
    struct restart restart = {.ends_in_a_row = 0};
    int64_t expected_ms = RESTART_FIRST_MS;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(restart_wait_ms(&restart, 10, 0), expected_ms);
        expected_ms = expected_ms * 2 > RESTART_MOST_MS ? RESTART_MOST_MS : expected_ms * 2;
    }
}

static void a_program_that_held_begins_anew(void **state)
{
    struct restart restart = {.ends_in_a_row = 0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        restart_wait_ms(&restart, 0, 0);
    }
    assert_int_equal(restart_wait_ms(&restart, RESTART_STABLE_MS - 1, 0), RESTART_MOST_MS);
    assert_int_equal(restart_wait_ms(&restart, RESTART_STABLE_MS, 0), RESTART_FIRST_MS);
}

static void chance_takes_off_at_most_a_quarter(void **state)
{
    int64_t least_ms = INT64_MAX;
    int64_t most_ms = 0;

    (void)state;
    for (uint32_t chance = 0; chance < 100000; chance += 7) {
        struct restart restart = {.ends_in_a_row = 4};
        int64_t wait_ms = restart_wait_ms(&restart, 0, chance);

        least_ms = wait_ms < least_ms ? wait_ms : least_ms;
        most_ms = wait_ms > most_ms ? wait_ms : most_ms;
    }
    assert_int_equal(least_ms, 1200);
    assert_int_equal(most_ms, 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_early_end_doubles_the_wait_up_to_the_most),
        cmocka_unit_test(a_program_that_held_begins_anew),
        cmocka_unit_test(chance_takes_off_at_most_a_quarter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
