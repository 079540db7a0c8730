#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/flow_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void it_goes_up_and_down_at_its_own_thresholds(void **state)
{
    static const double up[] = {.10, .35, .70};
    static const double down[] = {.05, .25, .55};

    (void)state;
    for (int i = 0; i < FLOW_SURGING; i++) {
        const enum flow_state low = (enum flow_state)i;
        const enum flow_state high = (enum flow_state)(i + 1);

        assert_int_equal(flow_state_next(low, up[i] - 1e-9, 0), low);
        assert_int_equal(flow_state_next(low, up[i], 0), high);
        assert_int_equal(flow_state_next(high, down[i], 0), high);
        assert_int_equal(flow_state_next(high, down[i] - 1e-9, 0), low);
    }
}

static void momentum_that_swings_inside_a_dead_band_changes_nothing(void **state)
{
    static const double bands[][2] = {{.05, .10}, {.25, .35}, {.55, .70}};
    unsigned short seed[3] = {4, 5, 6};

    (void)state;
    for (int band = 0; band < 3; band++) {
        for (int side = 0; side < 2; side++) {
            const enum flow_state begin = (enum flow_state)(band + side);
            enum flow_state now = begin;

            for (int i = 0; i < 1000; i++) {
                const double width = bands[band][1] - bands[band][0];

                now = flow_state_next(now, bands[band][0] + erand48(seed) * width * .999, 0);
                assert_int_equal(now, begin);
            }
        }
    }
}

static void it_takes_several_steps_at_once(void **state)
{
    (void)state;
    assert_int_equal(flow_state_next(FLOW_RESTING, .9, 0), FLOW_SURGING);
    assert_int_equal(flow_state_next(FLOW_SURGING, 0, 0), FLOW_RESTING);
}

static void two_hours_of_silence_are_rest(void **state)
{
    (void)state;
    assert_int_equal(flow_state_next(FLOW_SURGING, .9, FLOW_STATE_SILENCE_MS - 1), FLOW_SURGING);
    assert_int_equal(flow_state_next(FLOW_SURGING, .9, FLOW_STATE_SILENCE_MS), FLOW_RESTING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_up_and_down_at_its_own_thresholds),
        cmocka_unit_test(momentum_that_swings_inside_a_dead_band_changes_nothing),
        cmocka_unit_test(it_takes_several_steps_at_once),
        cmocka_unit_test(two_hours_of_silence_are_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
