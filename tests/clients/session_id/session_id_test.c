#include "clients/session_id/session_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_name_that_can_be_an_id_is_one(void **state)
{
    char id[FB_SESSION_ID_BYTES + 1];

    (void)state;
    assert_true(fb_session_id_of("Work_1.b-c", id));
    assert_string_equal(id, "Work_1.b-c");
}

static void any_other_name_keeps_its_words_and_is_told_apart_by_its_digest(void **state)
{
    char first[FB_SESSION_ID_BYTES + 1];
    char second[FB_SESSION_ID_BYTES + 1];

    (void)state;
    assert_true(fb_session_id_of("my work", first));
    assert_string_equal(first, "my-work-a73eaf");
    assert_true(fb_session_id_of("my/work", second));
    assert_memory_equal(second, "my-work-", 8);
    assert_string_not_equal(first, second);
    assert_true(fb_session_id_is(first));
}

static void a_name_without_any_letter_is_only_a_digest(void **state)
{
    char id[FB_SESSION_ID_BYTES + 1];

    (void)state;
    assert_true(fb_session_id_of("\xe4\xbd\x9c\xe6\xa5\xad", id));
    assert_int_equal(strlen(id), 6);
    assert_true(fb_session_id_is(id));
}

static void a_long_name_is_cut_and_still_its_own(void **state)
{
    char name[FB_SESSION_NAME_BYTES + 2];
    char first[FB_SESSION_ID_BYTES + 1];
    char second[FB_SESSION_ID_BYTES + 1];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[FB_SESSION_NAME_BYTES] = '\0';
    assert_true(fb_session_id_of(name, first));
    assert_true(fb_session_id_is(first));
    name[FB_SESSION_NAME_BYTES - 1] = 'b';
    assert_true(fb_session_id_of(name, second));
    assert_string_not_equal(first, second);
    name[FB_SESSION_NAME_BYTES] = 'a';
    name[FB_SESSION_NAME_BYTES + 1] = '\0';
    assert_false(fb_session_id_of(name, first));
    assert_false(fb_session_id_of("", first));
}

static void a_handle_is_told_from_a_name_with_an_at_sign(void **state)
{
    char id[FB_SESSION_ID_BYTES + 1];
    const char *agent;

    (void)state;
    assert_true(fb_session_id_of_handle("w@ada@home", id, &agent));
    assert_string_equal(id, "w");
    assert_string_equal(agent, "ada@home");
    assert_true(fb_session_id_of_handle("my work", id, &agent));
    assert_string_equal(id, "my-work-a73eaf");
    assert_null(agent);
    assert_true(fb_session_id_of_handle("my work @ home", id, &agent));
    assert_memory_equal(id, "my-work-home-", 13);
    assert_null(agent);
    assert_false(fb_session_id_of_handle("", id, &agent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_can_be_an_id_is_one),
        cmocka_unit_test(any_other_name_keeps_its_words_and_is_told_apart_by_its_digest),
        cmocka_unit_test(a_name_without_any_letter_is_only_a_digest),
        cmocka_unit_test(a_long_name_is_cut_and_still_its_own),
        cmocka_unit_test(a_handle_is_told_from_a_name_with_an_at_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
