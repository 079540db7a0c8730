#include "runtime/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void monotonic_time_never_goes_back(void **state)
{
    int64_t before_us = fb_clock_us();

    (void)state;
    for (int i = 0; i < 10000; i++) {
        const int64_t now_us = fb_clock_us();

        assert_true(now_us >= before_us);
        before_us = now_us;
    }
}

static void milliseconds_and_microseconds_are_the_same_clock(void **state)
{
    const int64_t before_us = fb_clock_us();
    const int64_t now_ms = fb_clock_ms();
    const int64_t after_us = fb_clock_us();

    (void)state;
    assert_true(before_us / 1000 <= now_ms && now_ms <= after_us / 1000);
}

static void wall_clock_is_after_this_was_written(void **state)
{
    const int64_t year_2024_unix_ms = INT64_C(1704067200000);
    const int64_t now_unix_ms = fb_clock_unix_ms();

    (void)state;
    assert_true(now_unix_ms > year_2024_unix_ms);
    assert_true(fb_clock_unix_us() / 1000 >= now_unix_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_never_goes_back),
        cmocka_unit_test(milliseconds_and_microseconds_are_the_same_clock),
        cmocka_unit_test(wall_clock_is_after_this_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
