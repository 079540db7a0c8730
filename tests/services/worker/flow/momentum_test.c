#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/momentum.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void it_halves_after_exactly_the_half_life(void **state)
{
    const struct momentum m = {.value = .8, .at_ms = 5};

    (void)state;
    assert_true(fabs(momentum_at(&m, 5 + MOMENTUM_HALF_LIFE_MS) - .4) < 1e-15);
    assert_true(fabs(momentum_at(&m, 5 + 2 * MOMENTUM_HALF_LIFE_MS) - .2) < 1e-15);
}

static void time_that_runs_backwards_changes_nothing(void **state)
{
    struct momentum m = {.value = .8, .at_ms = 1000};

    (void)state;
    assert_true(momentum_at(&m, 0) == .8);
    momentum_earn(&m, MOMENTUM_REPEATED_NOTE, 1, 0);
    assert_true(m.value == .8 && m.at_ms == 1000);
}

static void two_equal_credits_give_one_minus_the_square_of_what_is_missing(void **state)
{
    (void)state;
    for (int i = 0; i < MOMENTUM_CREDITS; i++) {
        const double c = momentum_credit((enum momentum_credit)i);
        struct momentum m = {.value = 0};
        struct momentum many = {.value = 0};

        momentum_earn(&m, (enum momentum_credit)i, 1, 0);
        momentum_earn(&m, (enum momentum_credit)i, 1, 0);
        momentum_earn_many(&many, (enum momentum_credit)i, 2, 0);
        assert_true(fabs(m.value - (c >= 0 ? 1 - (1 - c) * (1 - c) : 0)) < 1e-15);
        assert_true(fabs(m.value - many.value) < 1e-15);
    }
}

static void it_stays_in_bounds_whatever_happens(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    struct momentum m = {.value = 0};
    int64_t now_ms = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const enum momentum_credit credit =
            (enum momentum_credit)(nrand48(seed) % MOMENTUM_CREDITS);

        now_ms += nrand48(seed) % 4000;
        if (nrand48(seed) % 4 == 0) {
            momentum_earn_many(&m, credit, (uint32_t)(nrand48(seed) % 50), now_ms);
        } else {
            momentum_earn(&m, credit, erand48(seed), now_ms);
        }
        momentum_freeze(&m, nrand48(seed) % 8 == 0, now_ms);
        assert_true(m.value >= 0 && m.value <= 1);
    }
}

static void it_stands_still_while_frozen(void **state)
{
    struct momentum m = {.value = .6, .at_ms = 0};

    (void)state;
    momentum_freeze(&m, true, 0);
    assert_true(momentum_at(&m, 1000000000) == .6);
    momentum_freeze(&m, false, 1000000000);
    assert_true(momentum_at(&m, 1000000000) == .6);
    assert_true(fabs(momentum_at(&m, 1000000000 + MOMENTUM_HALF_LIFE_MS) - .3) < 1e-15);
}

static void a_repeated_note_cannot_raise_it(void **state)
{
    struct momentum m = {.value = .5};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        momentum_earn(&m, MOMENTUM_REPEATED_NOTE, 1, i);
        assert_true(m.value <= .5);
    }
}

static void a_setback_takes_three_tenths_of_it(void **state)
{
    struct momentum m = {.value = .5};

    (void)state;
    momentum_earn(&m, MOMENTUM_SETBACK, 1, 0);
    assert_true(fabs(m.value - .35) < 1e-15);
    assert_int_equal(momentum_percent(m.value), 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_halves_after_exactly_the_half_life),
        cmocka_unit_test(time_that_runs_backwards_changes_nothing),
        cmocka_unit_test(two_equal_credits_give_one_minus_the_square_of_what_is_missing),
        cmocka_unit_test(it_stays_in_bounds_whatever_happens),
        cmocka_unit_test(it_stands_still_while_frozen),
        cmocka_unit_test(a_repeated_note_cannot_raise_it),
        cmocka_unit_test(a_setback_takes_three_tenths_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
