#include "gateway/flow/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/flow/words.h"

static void words_digits_and_marks_are_counted_by_their_shapes(void **state)
{
    static const struct {
        const char *text;
        size_t tokens;
    } cases[] = {
        {"", 0},     {"word", 1}, {"two words", 2}, {"Capital", 2},
        {"1234", 2}, {"a, b", 3}, {"a\n\nb", 3},    {"\xe4\xbd\x9c\xe6\xa5\xad", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tokens_of(fb_text_of(cases[i].text)), cases[i].tokens);
    }
}

static void a_capital_that_begins_no_word_counts_as_well(void **state)
{
    static const char text[] = "A B C D";

    (void)state;
    assert_int_equal(tokens_of(fb_text_of("X")), 1);
    assert_int_equal(tokens_of(fb_text_of("T1")), 2);
    assert_int_equal(tokens_of(fb_text_of(text)), 4);
    assert_int_equal(tokens_cut(fb_text_of(text), 2).size, strlen("A B "));
}

static void a_cut_is_a_beginning_of_whole_characters_within_the_bound(void **state)
{
    static const char text[] = "Two \xe4\xbd\x9c\xe6\xa5\xad and \xf0\x9f\x8e\xaf 1234567 words.";
    const struct fb_text whole = {text, sizeof(text) - 1};
    size_t before = 0;

    (void)state;
    for (size_t most = 0; most <= tokens_of(whole); most++) {
        const struct fb_text part = tokens_cut(whole, most);

        assert_ptr_equal(part.data, text);
        assert_true(part.size >= before);
        assert_true(tokens_of(part) <= most);
        assert_int_equal(fb_utf8_check(part.data, part.size), part.size);
        before = part.size;
    }
    assert_int_equal(before, whole.size);
}

static void what_people_write_stays_on_its_line(void **state)
{
    struct fb_buffer out = {0};

    (void)state;
    words_put(&out,
              "a\nb\x01"
              "c\td",
              100);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "a b c d");
    fb_buffer_finish(&out);
    words_put(&out, "one two three", 2);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "one two …");
    fb_buffer_finish(&out);
}

static void spans_are_said_in_the_unit_that_fits(void **state)
{
    static const struct {
        int64_t ms;
        const char *said;
    } cases[] = {
        {0, "0s"},        {1, "1s"},       {119000, "119s"},   {120000, "2m"},
        {5400000, "90m"}, {7200000, "2h"}, {172799999, "48h"}, {172800000, "2d"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fb_buffer out = {0};

        words_span(&out, cases[i].ms);
        fb_buffer_append(&out, "", 1);
        assert_string_equal(out.data, cases[i].said);
        fb_buffer_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_digits_and_marks_are_counted_by_their_shapes),
        cmocka_unit_test(a_capital_that_begins_no_word_counts_as_well),
        cmocka_unit_test(a_cut_is_a_beginning_of_whole_characters_within_the_bound),
        cmocka_unit_test(what_people_write_stays_on_its_line),
        cmocka_unit_test(spans_are_said_in_the_unit_that_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
