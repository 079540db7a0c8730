#include "services/worker/told_sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void of_one_session_only_the_last_counts(void **state)
{
    struct told_sessions told = {.count = 0};

    (void)state;
    assert_true(told_sessions_add(&told, "a", true));
    assert_true(told_sessions_add(&told, "b", true));
    assert_true(told_sessions_add(&told, "a", false));
    assert_int_equal(told.count, 2);
    assert_string_equal(told.items[0].name, "a");
    assert_false(told.items[0].held);
    assert_true(told.items[1].held);
    told_sessions_clear(&told);
    assert_int_equal(told.count, 0);
    told_sessions_finish(&told);
}

static void without_room_what_there_is_has_to_be_told_first(void **state)
{
    struct told_sessions told = {.count = 0};
    char name[16];

    (void)state;
    for (int i = 0; i < TOLD_SESSIONS_MOST; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        assert_true(told_sessions_add(&told, name, true));
    }
    assert_false(told_sessions_add(&told, "one more", true));
    assert_true(told_sessions_add(&told, "s7", false));
    told_sessions_clear(&told);
    assert_true(told_sessions_add(&told, "one more", true));
    told_sessions_finish(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_session_only_the_last_counts),
        cmocka_unit_test(without_room_what_there_is_has_to_be_told_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
