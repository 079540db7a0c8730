#include "services/session_store/search_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_match(const char *text, const char *expected, size_t expected_words)
{
    struct fb_arena arena;
    size_t words;

    fb_arena_init(&arena, 0);
    assert_string_equal(search_match(&arena, text, &words), expected);
    assert_int_equal(words, expected_words);
    fb_arena_finish(&arena);
}

static void each_word_becomes_a_string(void **state)
{
    (void)state;
    assert_match("fix  the parser", "\"fix\" \"the\" \"parser\" ", 3);
}

static void a_quotation_is_one_string_whether_it_ends_or_not(void **state)
{
    (void)state;
    assert_match("a \"b c\" d", "\"a\" \"b c\" \"d\" ", 3);
    assert_match("a\"b c", "\"a\" \"b c\" ", 2);
}

static void no_word_is_a_match_for_nothing(void **state)
{
    (void)state;
    assert_match("", "\"\"", 0);
    assert_match("   ", "\"\"", 0);
    assert_match("\"\" \"", "\"\"", 0);
    assert_match("**", "\"**\" * ", 1);
}

static void a_star_behind_makes_a_beginning(void **state)
{
    (void)state;
    assert_match("pars*", "\"pars*\" * ", 1);
    assert_match("\"the pars\"*", "\"the pars\" * ", 1);
    assert_match("\"a\"** b", "\"a\" * \"b\" ", 2);
    assert_match("a*b", "\"a*b\" ", 1);
}

static void without_memory_there_is_no_match(void **state)
{
    struct fb_arena arena;
    size_t words;

    (void)state;
    fb_arena_init(&arena, 1);
    assert_null(search_match(&arena, "a text that needs room", &words));
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_becomes_a_string),
        cmocka_unit_test(a_quotation_is_one_string_whether_it_ends_or_not),
        cmocka_unit_test(no_word_is_a_match_for_nothing),
        cmocka_unit_test(a_star_behind_makes_a_beginning),
        cmocka_unit_test(without_memory_there_is_no_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
