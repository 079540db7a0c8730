#include "services/worker/pool/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_wait_doubles_up_to_its_bound(void **state)
{
    struct restart r = {.failures = 0};
    const int64_t waits[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        restart_after_end(&r, 0, (uint32_t)(waits[i] / 2), 1000);
        assert_int_equal(r.due_ms, 1000 + waits[i]);
    }
}

static void chance_takes_at_most_half_of_the_wait(void **state)
{
    (void)state;
    for (uint32_t chance = 0; chance < 1000; chance++) {
        struct restart r = {.failures = 2};

        restart_after_end(&r, 0, chance * 7919, 0);
        assert_in_range(r.due_ms, 400, 800);
    }
}

static void a_good_run_forgets_the_failures_before(void **state)
{
    struct restart r = {.failures = 7};

    (void)state;
    restart_after_end(&r, RESTART_GOOD_MS, 0, 0);
    assert_int_equal(r.failures, 1);
    assert_int_equal(r.due_ms, RESTART_FIRST_MS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_doubles_up_to_its_bound),
        cmocka_unit_test(chance_takes_at_most_half_of_the_wait),
        cmocka_unit_test(a_good_run_forgets_the_failures_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
