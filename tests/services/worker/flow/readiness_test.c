#include "services/worker/flow/readiness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void half_of_all_holds_outlast_the_median(void **state)
{
    (void)state;
    assert_true(fabs(readiness_survival(10, 1.3, 10) - .5) < 1e-12);
    assert_true(readiness_survival(10, 1.3, 0) == 1);
    /* one sigma of ln above: 15.87 % */
    assert_true(fabs(readiness_survival(10, 1.3, 10 * exp(1.3)) - .158655) < 1e-5);
}

static void what_waits_for_nothing_is_ready(void **state)
{
    (void)state;
    assert_true(readiness_within(NULL, 0, 1.3, 30) == 1);
}

static void blockers_multiply(void **state)
{
    const struct readiness_blocker blockers[] = {{.minutes = 10}, {.minutes = 30}};

    (void)state;
    assert_true(fabs(readiness_within(blockers, 1, 1.3, 10) - .5) < 1e-12);
    assert_true(fabs(readiness_within(blockers, 2, 1.3, 30) -
                     .5 * (1 - readiness_survival(10, 1.3, 30))) < 1e-12);
}

static void it_is_given_how_long_a_blocker_has_lasted(void **state)
{
    const struct readiness_blocker blocker = {.minutes = 10, .elapsed_minutes = 10};

    (void)state;
    assert_true(fabs(readiness_within(&blocker, 1, 1.3, 20) -
                     (1 - readiness_survival(10, 1.3, 30) / .5)) < 1e-12);
}

static void more_time_is_more_likely_and_all_stays_a_probability(void **state)
{
    (void)state;
    for (int64_t elapsed = 0; elapsed < 1000000000; elapsed = elapsed * 7 + 1) {
        const struct readiness_blocker blocker = {.minutes = .1,
                                                  .elapsed_minutes = (double)elapsed};
        double before = 0;

        for (int64_t within = 0; within < 1000000000; within = within * 5 + 1) {
            const double within_it = readiness_within(&blocker, 1, .1, (double)within);

            assert_true(within_it >= before && within_it <= 1);
            before = within_it;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_all_holds_outlast_the_median),
        cmocka_unit_test(what_waits_for_nothing_is_ready),
        cmocka_unit_test(blockers_multiply),
        cmocka_unit_test(it_is_given_how_long_a_blocker_has_lasted),
        cmocka_unit_test(more_time_is_more_likely_and_all_stays_a_probability),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
