#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE_MS = 60 * 1000 };

static void a_lease_is_suspect_at_its_time_and_expires_at_one_and_a_half(void **state)
{
    const struct lease lease = {.fence = 1, .since_ms = 1000, .lasts_ms = 600};

    (void)state;
    assert_int_equal(lease_phase(&lease, 0, 1599), LEASE_LIVE);
    assert_int_equal(lease_phase(&lease, 0, 1600), LEASE_SUSPECT);
    assert_int_equal(lease_phase(&lease, 0, 1899), LEASE_SUSPECT);
    assert_int_equal(lease_phase(&lease, 0, 1900), LEASE_EXPIRED);
}

static void hearing_its_agent_renews_it(void **state)
{
    const struct lease lease = {.fence = 1, .since_ms = 1000, .lasts_ms = 600};

    (void)state;
    assert_int_equal(lease_phase(&lease, 1500, 2099), LEASE_LIVE);
    assert_int_equal(lease_phase(&lease, 1500, 2100), LEASE_SUSPECT);
    assert_int_equal(lease_phase(&lease, 1500, 2400), LEASE_EXPIRED);
}

static void it_lasts_half_an_hour_until_twenty_holds_were_seen(void **state)
{
    struct lease_holds holds = {.seen = 0};

    (void)state;
    for (int i = 0; i < LEASE_HOLDS_AT_LEAST; i++) {
        assert_int_equal(lease_lasts_ms(&holds), 30 * MINUTE_MS);
        lease_learn(&holds, 20 * MINUTE_MS);
    }
    assert_int_equal(lease_lasts_ms(&holds), 60 * MINUTE_MS);
}

static void it_lasts_three_upper_quartiles(void **state)
{
    struct lease_holds holds = {.seen = 0};

    (void)state;
    for (int i = 1; i <= 20; i++) {
        lease_learn(&holds, i * MINUTE_MS);
    }
    assert_int_equal(lease_lasts_ms(&holds), 45 * MINUTE_MS);
}

static void it_stays_between_a_quarter_and_four_hours(void **state)
{
    unsigned short seed[3] = {7, 8, 9};

    (void)state;
    for (int scale = 1; scale <= 10000; scale *= 10) {
        struct lease_holds holds = {.seen = 0};

        for (int i = 0; i < 1000; i++) {
            lease_learn(&holds, nrand48(seed) % scale * MINUTE_MS);
            assert_in_range(lease_lasts_ms(&holds), LEASE_LEAST_MS, LEASE_MOST_MS);
        }
    }
}

static void holds_of_long_ago_are_forgotten(void **state)
{
    struct lease_holds holds = {.seen = 0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        lease_learn(&holds, LEASE_MOST_MS);
    }
    for (int i = 0; i < LEASE_HOLDS; i++) {
        lease_learn(&holds, 10 * MINUTE_MS);
    }
    assert_int_equal(lease_lasts_ms(&holds), 30 * MINUTE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_suspect_at_its_time_and_expires_at_one_and_a_half),
        cmocka_unit_test(hearing_its_agent_renews_it),
        cmocka_unit_test(it_lasts_half_an_hour_until_twenty_holds_were_seen),
        cmocka_unit_test(it_lasts_three_upper_quartiles),
        cmocka_unit_test(it_stays_between_a_quarter_and_four_hours),
        cmocka_unit_test(holds_of_long_ago_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
