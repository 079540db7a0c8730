#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/effort.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* A normal deviate, good enough: the sum of twelve uniform ones. */
static double deviate(unsigned short seed[3])
{
    double sum = -6;

    for (int i = 0; i < 12; i++) {
        sum += erand48(seed);
    }
    return sum;
}

static struct effort_input any_input(unsigned short seed[3])
{
    return (struct effort_input){
        .weight = 1 + (uint32_t)(nrand48(seed) % 10),
        .attempt = 1 + (uint32_t)(nrand48(seed) % 3),
        .phase = (uint32_t)(nrand48(seed) % EFFORT_PHASES),
    };
}

static void weight_five_is_ten_minutes_and_more_weight_is_more(void **state)
{
    (void)state;
    assert_true(fabs(effort_prior(5) - 10) < 1e-12);
    for (uint32_t weight = 1; weight < 10; weight++) {
        assert_true(effort_prior(weight) < effort_prior(weight + 1));
    }
}

static void nothing_learned_is_the_prior(void **state)
{
    const struct effort effort = effort_unlearned();
    const struct effort_input input = {.weight = 3, .attempt = 1};

    (void)state;
    assert_true(effort_minutes(&effort, &input) == effort_prior(3));
}

static void it_learns_what_the_prior_does_not_know(void **state)
{
    const struct effort_input light = {.weight = 2, .attempt = 1, .phase = 1};
    unsigned short seed[3] = {1, 2, 3};
    struct effort effort = effort_unlearned();
    double learned;
    double prior;

    (void)state;
    for (int i = 0; i < 500; i++) {
        const struct effort_input input = any_input(seed);
        const double minutes = exp(2 + .3 * input.weight + .2 * input.phase + .2 * deviate(seed));

        effort_learn(&effort, &input, (int64_t)(minutes * 60000));
    }
    effort_errors(&effort, &learned, &prior);
    assert_true(effort.learned_better && learned < prior && learned < .2);
    assert_true(fabs(log(effort_minutes(&effort, &light)) - 2.8) < .3);
}

static void it_falls_back_to_the_prior_where_that_is_better(void **state)
{
    unsigned short seed[3] = {4, 5, 6};
    struct effort effort = effort_unlearned();

    (void)state;
    for (int i = 0; i < 500; i++) {
        const struct effort_input input = any_input(seed);

        effort_learn(&effort, &input, (int64_t)(effort_prior(input.weight) * 60000));
    }
    for (uint32_t weight = 1; weight <= 10; weight++) {
        const struct effort_input input = {.weight = weight, .attempt = 1};

        assert_true(effort_minutes(&effort, &input) == effort_prior(weight));
    }
}

static void its_spread_is_that_of_the_holds(void **state)
{
    const struct effort_input input = {.weight = 5, .attempt = 1};
    unsigned short seed[3] = {4, 5, 6};
    struct effort effort = effort_unlearned();

    (void)state;
    assert_true(effort_spread(&effort) == EFFORT_SPREAD);
    for (int i = 0; i < 500; i++) {
        effort_learn(&effort, &input, (int64_t)(600000 * exp(.8 * deviate(seed))));
    }
    assert_true(fabs(effort_spread(&effort) - .8) < .25);
}

static void absurd_holds_leave_it_finite(void **state)
{
    static const int64_t holds[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    unsigned short seed[3] = {7, 8, 9};
    struct effort effort = effort_unlearned();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const struct effort_input input = any_input(seed);
        double minutes;

        effort_learn(&effort, &input, holds[nrand48(seed) % 5]);
        minutes = effort_minutes(&effort, &input);
        assert_true(minutes > 0 && minutes < 50000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_five_is_ten_minutes_and_more_weight_is_more),
        cmocka_unit_test(nothing_learned_is_the_prior),
        cmocka_unit_test(it_learns_what_the_prior_does_not_know),
        cmocka_unit_test(it_falls_back_to_the_prior_where_that_is_better),
        cmocka_unit_test(its_spread_is_that_of_the_holds),
        cmocka_unit_test(absurd_holds_leave_it_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
