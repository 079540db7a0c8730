#include "services/router/holders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The table never looks into a worker: any two addresses will do. */
static char places[2];
static struct worker *const first = (struct worker *)&places[0];
static struct worker *const second = (struct worker *)&places[1];

static void a_session_is_found_with_the_last_that_claimed_it(void **state)
{
    struct holders *holders = holders_create(10);

    (void)state;
    assert_null(holders_find(holders, FB_TEXT("a")));
    assert_true(holders_put(holders, FB_TEXT("a"), first));
    assert_true(holders_put(holders, FB_TEXT("a"), second));
    assert_ptr_equal(holders_find(holders, FB_TEXT("a")), second);
    assert_int_equal(holders_count(holders), 1);
    holders_destroy(holders);
}

static void a_late_drop_of_the_former_holder_changes_nothing(void **state)
{
    struct holders *holders = holders_create(10);

    (void)state;
    holders_put(holders, FB_TEXT("a"), first);
    holders_put(holders, FB_TEXT("a"), second);
    holders_drop(holders, FB_TEXT("a"), first);
    assert_ptr_equal(holders_find(holders, FB_TEXT("a")), second);
    holders_drop(holders, FB_TEXT("a"), second);
    assert_null(holders_find(holders, FB_TEXT("a")));
    holders_destroy(holders);
}

static void a_full_table_keeps_what_it_has(void **state)
{
    struct holders *holders = holders_create(1);

    (void)state;
    assert_true(holders_put(holders, FB_TEXT("a"), first));
    assert_false(holders_put(holders, FB_TEXT("b"), first));
    assert_true(holders_put(holders, FB_TEXT("a"), second));
    assert_ptr_equal(holders_find(holders, FB_TEXT("a")), second);
    holders_destroy(holders);
}

static struct fb_text name_of(int i, char room[16])
{
    snprintf(room, 16, "s%d", i);
    return fb_text_of(room);
}

static void many_sessions_come_and_go_and_none_is_mixed_up(void **state)
{
    enum { SESSIONS = 20000 };
    struct holders *holders = holders_create(SESSIONS);
    char room[16];

    (void)state;
    for (int i = 0; i < SESSIONS; i++) {
        assert_true(holders_put(holders, name_of(i, room), i % 3 == 0 ? first : second));
    }
    for (int i = 0; i < SESSIONS; i += 2) {
        holders_drop(holders, name_of(i, room), i % 3 == 0 ? first : second);
    }
    for (int i = 0; i < SESSIONS; i++) {
        struct worker *expected = i % 2 == 0 ? NULL : i % 3 == 0 ? first : second;

        assert_ptr_equal(holders_find(holders, name_of(i, room)), expected);
    }
    holders_drop_all(holders, second);
    for (int i = 0; i < SESSIONS; i++) {
        struct worker *expected = i % 2 == 1 && i % 3 == 0 ? first : NULL;

        assert_ptr_equal(holders_find(holders, name_of(i, room)), expected);
    }
    holders_drop_all(holders, first);
    assert_int_equal(holders_count(holders), 0);
    holders_destroy(holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_found_with_the_last_that_claimed_it),
        cmocka_unit_test(a_late_drop_of_the_former_holder_changes_nothing),
        cmocka_unit_test(a_full_table_keeps_what_it_has),
        cmocka_unit_test(many_sessions_come_and_go_and_none_is_mixed_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
