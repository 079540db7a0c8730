#include "gateway/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT = 16 };

/* What came out: lines in brackets, '!' for one that was too long. */
struct heard {
    char text[512];
    size_t size;
};

static void put(struct heard *heard, const char *data, size_t size)
{
    assert_true(heard->size + size < sizeof(heard->text));
    memcpy(heard->text + heard->size, data, size);
    heard->size += size;
    heard->text[heard->size] = '\0';
}

static void on_line(void *arg, struct fb_text line)
{
    put(arg, "<", 1);
    put(arg, line.data, line.size);
    put(arg, ">", 1);
}

static void on_too_long(void *arg)
{
    put(arg, "!", 1);
}

static const struct lines_events events = {.on_line = on_line, .on_too_long = on_too_long};

/* The same in pieces of every size up to the whole. */
static void check(const char *in, const char *out)
{
    size_t size = strlen(in);

    for (size_t piece = 1; piece <= size; piece++) {
        struct heard heard = {.size = 0};
        struct lines lines = lines_begin(LIMIT, &events, &heard);

        for (size_t at = 0; at < size; at += piece) {
            size_t length = size - at < piece ? size - at : piece;
            char *copy = malloc(length);

            assert_non_null(copy);
            memcpy(copy, in + at, length);
            lines_feed(&lines, copy, length);
            free(copy);
        }
        lines_finish(&lines);
        assert_string_equal(heard.text, out);
    }
}

static void each_line_comes_out_without_its_end(void **state)
{
    (void)state;
    check("{}\n[1]\n\"a b\"\n", "<{}><[1]><\"a b\">");
}

static void one_carriage_return_belongs_to_the_end(void **state)
{
    (void)state;
    check("a\r\nb\r\r\n", "<a><b\r>");
}

static void blank_lines_are_no_lines(void **state)
{
    (void)state;
    check("\n\r\n  \t\na\n\n", "<a>");
}

static void what_is_unterminated_at_the_end_is_no_line(void **state)
{
    (void)state;
    check("a\nbc", "<a>");
}

static void a_byte_order_mark_is_skipped_before_the_first_line_only(void **state)
{
    (void)state;
    check("\xef\xbb\xbf"
          "a\n\xef\xbb\xbf"
          "b\n",
          "<a><\xef\xbb\xbf"
          "b>");
}

static void a_line_as_long_as_the_limit_passes(void **state)
{
    (void)state;
    check("0123456789abcdef\n0123456789abcdef\r\n", "<0123456789abcdef><0123456789abcdef>");
}

static void a_longer_line_is_told_once_and_skipped_to_its_end(void **state)
{
    (void)state;
    check("0123456789abcdefg\na\n0123456789abcdef0123456789abcdef0123456789abcdef\nb\n",
          "!<a>!<b>");
}

static void memory_of_a_long_line_is_let_go(void **state)
{
    struct heard heard = {.size = 0};
    struct lines lines = lines_begin(1 << 20, &events, &heard);
    char *half = calloc(1, 300000);

    (void)state;
    assert_non_null(half);
    memset(half, ' ', 300000);
    lines_feed(&lines, half, 300000);
    lines_feed(&lines, half, 300000);
    assert_true(lines.part.room >= 600000);
    lines_feed(&lines, "\n", 1);
    assert_true(lines.part.room <= 64 * 1024);
    assert_string_equal(heard.text, "");
    lines_finish(&lines);
    free(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_comes_out_without_its_end),
        cmocka_unit_test(one_carriage_return_belongs_to_the_end),
        cmocka_unit_test(blank_lines_are_no_lines),
        cmocka_unit_test(what_is_unterminated_at_the_end_is_no_line),
        cmocka_unit_test(a_byte_order_mark_is_skipped_before_the_first_line_only),
        cmocka_unit_test(a_line_as_long_as_the_limit_passes),
        cmocka_unit_test(a_longer_line_is_told_once_and_skipped_to_its_end),
        cmocka_unit_test(memory_of_a_long_line_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
