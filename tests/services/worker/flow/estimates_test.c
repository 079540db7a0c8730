#include "services/worker/flow/estimates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/worker/flow/graph.h"

enum { MINUTE_MS = 60000 };

/* Every task takes a fifth of what the prior says. */
static void learn_quick_holds(struct effort *effort, int holds)
{
    for (int i = 0; i < holds; i++) {
        const uint32_t weight = 1 + (uint32_t)i % 10;

        effort_learn(effort, &(struct effort_input){.weight = weight, .attempt = 1, .phase = 0},
                     (int64_t)(effort_prior(weight) / 5 * MINUTE_MS));
    }
}

static void estimates_begin_with_the_prior(void **state)
{
    const struct estimates estimates = estimates_prior();

    (void)state;
    assert_int_equal(estimates_ms(&estimates, 5, 1, 0), 10 * MINUTE_MS);
    assert_int_equal(estimates_ms(&estimates, 0, 0, 99), graph_effort_of(effort_prior(1)));
    assert_int_equal(estimates_ms(&estimates, 99, 99, 0), graph_effort_of(effort_prior(10)));
}

static void they_follow_what_was_learned_once_it_is_off_by_a_tenth(void **state)
{
    struct estimates estimates = estimates_prior();
    struct effort effort = effort_unlearned();

    (void)state;
    assert_false(estimates_revise(&estimates, &effort, 16, 0));
    learn_quick_holds(&effort, 200);
    assert_true(estimates_revise(&estimates, &effort, 32, 0));
    assert_in_range(estimates_ms(&estimates, 5, 1, 0), MINUTE_MS, 4 * MINUTE_MS);
    learn_quick_holds(&effort, 1);
    assert_false(estimates_revise(&estimates, &effort, 48, 0));
}

static void a_large_session_is_revised_more_seldom(void **state)
{
    struct estimates estimates = estimates_prior();
    struct effort effort = effort_unlearned();

    (void)state;
    learn_quick_holds(&effort, 200);
    assert_false(estimates_revise(&estimates, &effort, 12499, 100000));
    assert_true(estimates_revise(&estimates, &effort, 12500, 100000));
    assert_int_equal(estimates.revised, 12500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_begin_with_the_prior),
        cmocka_unit_test(they_follow_what_was_learned_once_it_is_off_by_a_tenth),
        cmocka_unit_test(a_large_session_is_revised_more_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
