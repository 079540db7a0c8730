#include "services/router/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_latest_thousand_calls_are_kept(void **state)
{
    struct recent *recent = recent_create();

    (void)state;
    assert_null(recent_find(recent, 0));
    assert_null(recent_find(recent, 1));
    for (int i = 1; i <= RECENT_CALLS + 10; i++) {
        recent_next(recent)->duration_us = i;
    }
    assert_int_equal(recent_latest(recent), RECENT_CALLS + 10);
    assert_null(recent_find(recent, 10));
    assert_int_equal(recent_find(recent, 11)->duration_us, 11);
    assert_int_equal(recent_find(recent, RECENT_CALLS + 10)->duration_us, RECENT_CALLS + 10);
    assert_null(recent_find(recent, RECENT_CALLS + 11));
    recent_destroy(recent);
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    char room[4];

    (void)state;
    recent_copy(room, sizeof(room), FB_TEXT("abcdef"));
    assert_string_equal(room, "abc");
    recent_copy(room, sizeof(room), FB_TEXT("abc"));
    assert_string_equal(room, "abc");
    recent_copy(room, sizeof(room), FB_TEXT("ab\xc3\xbc")); /* what is shown has to be UTF-8 */
    assert_string_equal(room, "ab");
    recent_copy(room, sizeof(room), (struct fb_text){0});
    assert_string_equal(room, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_thousand_calls_are_kept),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
