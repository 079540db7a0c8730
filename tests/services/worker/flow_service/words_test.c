#include "services/worker/flow_service/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct words words;

static bool reads(const char *text)
{
    return words_read(fb_text_of(text), &words);
}

/* How often all terms together occur; 0 if one is missing. */
static size_t found(const char *sought, const char *text)
{
    size_t sum = 0;

    assert_true(reads(sought));
    for (size_t i = 0; i < words.count; i++) {
        size_t first = SIZE_MAX;
        const size_t count = words_count(&words.terms[i], fb_text_of(text), 100, &first);

        if (count == 0) {
            return 0;
        }
        assert_true(first < strlen(text));
        sum += count;
    }
    return sum;
}

static void a_word_is_found_as_a_whole_in_whatever_case(void **state)
{
    (void)state;
    assert_int_equal(found("parser", "The Parser parses; PARSER!"), 2);
    assert_int_equal(found("pars", "The Parser parses"), 0);
    assert_int_equal(found("a-b", "so a, b it is"), 1);
    assert_int_equal(found("\xc3\xa4rger", "viel \xc3\xa4rger."), 1);
}

static void a_star_finds_what_begins_so(void **state)
{
    (void)state;
    assert_int_equal(found("pars*", "The Parser parses the spare"), 2);
    assert_int_equal(found("\"the pars\"*", "the parser, the cat"), 1);
}

static void words_in_quotes_stand_side_by_side(void **state)
{
    (void)state;
    assert_int_equal(found("\"the parser\"", "the parser, the old parser, The-Parser"), 2);
    assert_int_equal(found("\"parser the\"", "the parser"), 0);
}

static void every_word_has_to_be_there(void **state)
{
    (void)state;
    assert_int_equal(found("one two", "two ones, and one"), 2);
    assert_int_equal(found("one three", "two ones, and one"), 0);
}

static void what_has_no_word_is_none(void **state)
{
    (void)state;
    assert_false(reads(""));
    assert_false(reads("  ... \"\" *"));
    assert_true(reads("\"unclosed quote"));
    assert_int_equal(words.count, 1);
}

static void more_words_than_are_sought_at_once_are_refused(void **state)
{
    char text[2 * WORDS_TERMS_MOST + 3];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i += 2) {
        memcpy(text + i, "a ", 2);
    }
    text[2 * WORDS_TERMS_MOST] = '\0';
    assert_true(reads(text));
    text[2 * WORDS_TERMS_MOST] = 'a';
    text[sizeof(text) - 1] = '\0';
    assert_false(reads(text));
}

static void a_snippet_is_cut_between_letters_and_has_no_breaks(void **state)
{
    struct fb_arena arena;
    char text[1201];

    (void)state;
    fb_arena_init(&arena, 0);
    for (size_t i = 0; i < 400; i++) {
        memcpy(text + 3 * i, i == 200 ? "\nab" : "\xe2\x82\xac", 3);
    }
    text[1200] = '\0';
    for (size_t at = 0; at < 1200; at += 7) {
        const char *snippet = words_snippet(fb_text_of(text), at, &arena);

        assert_true(strlen(snippet) <= WORDS_SNIPPET_BYTES);
        assert_int_equal(fb_utf8_check(snippet, strlen(snippet)), strlen(snippet));
        assert_null(strchr(snippet, '\n'));
    }
    assert_non_null(strstr(words_snippet(fb_text_of(text), 601, &arena), "ab"));
    assert_string_equal(words_snippet(fb_text_of("short"), 2, &arena), "short");
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_found_as_a_whole_in_whatever_case),
        cmocka_unit_test(a_star_finds_what_begins_so),
        cmocka_unit_test(words_in_quotes_stand_side_by_side),
        cmocka_unit_test(every_word_has_to_be_there),
        cmocka_unit_test(what_has_no_word_is_none),
        cmocka_unit_test(more_words_than_are_sought_at_once_are_refused),
        cmocka_unit_test(a_snippet_is_cut_between_letters_and_has_no_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
