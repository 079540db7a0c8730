#include "runtime/config/env_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/arena.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MOST = 8 };

static void a_name_is_there_once_and_all_are_sorted(void **state)
{
    struct fb_env_list list = {.count = 0};
    const char *const *joined;

    assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, "B", "1")));
    assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, "A", "2")));
    assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, "C", "3")));
    assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, "B", "4=5")));
    fb_env_list_remove(&list, "C");
    fb_env_list_remove(&list, "D");
    joined = fb_env_list_join(&list, *state, "=");
    assert_string_equal(joined[0], "A=2");
    assert_string_equal(joined[1], "B=4=5");
    assert_null(joined[2]);
}

static void an_empty_list_joins_to_an_empty_one(void **state)
{
    struct fb_env_list list = {.count = 0};

    assert_null(fb_env_list_join(&list, *state, "=")[0]);
}

static void more_names_than_allowed_are_refused(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct fb_env_list list = {.count = 0};

    for (size_t i = 0; i < MOST; i++) {
        assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, names[i], "")));
    }
    assert_true(fb_is_ok(fb_env_list_set(&list, *state, MOST, "a", "x")));
    assert_int_equal(fb_env_list_set(&list, *state, MOST, "i", "").code, FB_RESOURCE_EXHAUSTED);
}

static void a_dotenv_file_is_read_as_everybody_writes_it(void **state)
{
    static const char text[] = "\xef\xbb\xbf# comment\r\n"
                               "\r\n"
                               "A=1\r\n"
                               "  export B = two words # comment\n"
                               "C=\"a\\nb \\\"q\\\" # kept\" # comment\n"
                               "D='a\\nb'\n"
                               "E=\n"
                               "F=a#b=c\n"
                               "A=again";
    static const char *const expected[] = {"A=again", "B=two words", "C=a\nb \"q\" # kept",
                                           "D=a\\nb", "E=",          "F=a#b=c"};
    struct fb_env_list list = {.count = 0};
    const struct fb_status status = fb_env_list_read(&list, *state, MOST, ".env", fb_text_of(text));
    const char *const *joined = fb_env_list_join(&list, *state, "=");

    assert_string_equal(status.why, "");
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_string_equal(joined[i], expected[i]);
    }
    assert_null(joined[COUNT(expected)]);
}

static void a_bad_line_is_named_without_repeating_it(void **state)
{
    static const struct {
        struct fb_text text;
        const char *why;
    } cases[] = {
        {{"A=1\nsecret", 10}, ".env:2: wanted NAME=value"},
        {{"=secret", 7}, ".env:1: wanted NAME=value"},
        {{"\n\nA=\"secret", 11}, ".env:3: the quotes do not close, or not at the end"},
        {{"A='secret' more", 15}, ".env:1: the quotes do not close, or not at the end"},
        {{"A='", 3}, ".env:1: the quotes do not close, or not at the end"},
        {{"A=\0", 3}, ".env:1: a NUL byte"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fb_env_list list = {.count = 0};
        const struct fb_status status =
            fb_env_list_read(&list, *state, MOST, ".env", cases[i].text);

        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        assert_string_equal(status.why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_name_is_there_once_and_all_are_sorted),
        ARENA_TEST(an_empty_list_joins_to_an_empty_one),
        ARENA_TEST(more_names_than_allowed_are_refused),
        ARENA_TEST(a_dotenv_file_is_read_as_everybody_writes_it),
        ARENA_TEST(a_bad_line_is_named_without_repeating_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
