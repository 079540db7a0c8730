#define _XOPEN_SOURCE 700 /* erand48 */

#include "services/worker/flow/caution.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void one_false_alarm_is_borne_a_second_raises_it_and_time_brings_it_back(void **state)
{
    struct caution caution = {.raised = 0};

    (void)state;
    assert_true(caution_now(&caution, 1000) == 0);
    caution_false_alarm(&caution, 1000);
    assert_int_equal(caution.false_alarms, 1);
    assert_true(caution_now(&caution, 1000) == 0);
    caution_false_alarm(&caution, 1000);
    assert_true(fabs(caution_now(&caution, 1000) - (2 * CAUTION_STEP - CAUTION_BORNE)) < 1e-9);
    assert_true(fabs(caution_now(&caution, 1000 + CAUTION_CALM_MS / 5) -
                     (1.8 * CAUTION_STEP - CAUTION_BORNE)) < 1e-9);
    assert_true(caution_now(&caution, 1000 + 2 * CAUTION_CALM_MS) == 0);
}

static void those_that_come_soon_after_raise_it_twice_as_much(void **state)
{
    struct caution caution = {.raised = 0};
    double before;

    (void)state;
    caution_false_alarm(&caution, 0);
    caution_false_alarm(&caution, 0);
    before = caution_now(&caution, 0);
    caution_false_alarm(&caution, 0);
    assert_true(fabs(caution_now(&caution, 0) - (before + 2 * CAUTION_STEP)) < 1e-9);
}

static void it_has_a_most(void **state)
{
    struct caution caution = {.raised = 0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        caution_false_alarm(&caution, 0);
    }
    assert_true(caution_now(&caution, 0) == CAUTION_MOST - CAUTION_BORNE);
}

/* Each ten minutes something ends whose z falls off as slowly as e^(-z). */
static void however_heavy_the_tail_false_alarms_stay_rare_in_time(void **state)
{
    unsigned short seed[3] = {10, 11, 12};
    struct caution caution = {.raised = 0};
    int64_t now_ms = 0;

    (void)state;
    while (now_ms < 20 * CAUTION_CALM_MS) {
        if (-log(1 - erand48(seed)) > 3 + caution_now(&caution, now_ms)) {
            caution_false_alarm(&caution, now_ms);
        }
        now_ms += 600000;
    }
    assert_in_range(caution.false_alarms, 10, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_false_alarm_is_borne_a_second_raises_it_and_time_brings_it_back),
        cmocka_unit_test(those_that_come_soon_after_raise_it_twice_as_much),
        cmocka_unit_test(it_has_a_most),
        cmocka_unit_test(however_heavy_the_tail_false_alarms_stay_rare_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
