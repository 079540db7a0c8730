#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/supervisor/fleet.h"

static struct fb_arena arena;

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static void tiers_are_read_with_and_without_a_number(void **state)
{
    const char *const items[] = {"warm", "hot=3", "cold=0"};
    struct fleet fleet;

    (void)state;
    assert_true(fb_is_ok(fleet_read(items, 3, &arena, &fleet)));
    assert_int_equal(fleet.workers[FLEET_HOT], 3);
    assert_int_equal(fleet.workers[FLEET_WARM], 1);
    assert_int_equal(fleet.workers[FLEET_COLD], 0);
}

static void check_refused(const char *const *items, size_t count, const char *why)
{
    struct fleet fleet;
    struct fb_status status = fleet_read(items, count, &arena, &fleet);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, why);
}

static void what_is_no_fleet_is_refused_by_name(void **state)
{
    const char *const tepid[] = {"tepid"};
    const char *const text[] = {"hot=x"};
    const char *const many[] = {"hot=65"};
    const char *const sum[] = {"hot=64", "cold"};
    const char *const twice[] = {"hot", "hot=2"};
    const char *const none[] = {"warm=0"};

    (void)state;
    check_refused(tepid, 1,
                  "workers: 'tepid' is not hot, warm or cold, alone or with '=' and a number up "
                  "to 64");
    check_refused(text, 1,
                  "workers: 'hot=x' is not hot, warm or cold, alone or with '=' and a number up "
                  "to 64");
    check_refused(many, 1,
                  "workers: 'hot=65' is not hot, warm or cold, alone or with '=' and a number up "
                  "to 64");
    check_refused(sum, 2, "workers: there must be 1 to 64 in all");
    check_refused(twice, 2, "workers: 'hot' is there twice");
    check_refused(none, 1, "workers: there must be 1 to 64 in all");
    check_refused(none, 0, "workers: there must be 1 to 64 in all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tiers_are_read_with_and_without_a_number, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_fleet_is_refused_by_name, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
