#include "services/worker/mcp/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 200 };

static void feed(struct mcp_lines *lines, const char *data, size_t size)
{
    char *room = mcp_lines_room(lines);

    assert_non_null(room);
    assert_true(size <= LINES_READ_BYTES);
    memcpy(room, data, size);
    mcp_lines_added(lines, size);
}

static void expect(struct mcp_lines *lines, const char *text)
{
    struct mcp_lines_line line;

    assert_true(mcp_lines_next(lines, &line));
    assert_false(line.too_long);
    assert_true(fb_text_is(line.text, text));
}

static void expect_none(struct mcp_lines *lines)
{
    struct mcp_lines_line line;

    assert_false(mcp_lines_next(lines, &line));
}

static void lines_come_out_whole_however_they_are_cut(void **state)
{
    const char all[] = "one\ntwo\r\n\nthree\nunfinished";

    (void)state;
    for (size_t step = 1; step < sizeof(all); step++) {
        const char *const wanted[] = {"one", "two", "", "three"};
        struct mcp_lines lines;
        size_t got = 0;

        mcp_lines_init(&lines, MOST);
        for (size_t at = 0; at < sizeof(all) - 1; at += step) {
            const size_t left = sizeof(all) - 1 - at;
            struct mcp_lines_line line;

            feed(&lines, all + at, left < step ? left : step);
            while (mcp_lines_next(&lines, &line)) {
                assert_true(got < 4);
                assert_true(fb_text_is(line.text, wanted[got]));
                got++;
            }
        }
        assert_int_equal(got, 4);
        mcp_lines_finish(&lines);
    }
}

static void a_line_may_hold_nul_and_be_as_long_as_allowed(void **state)
{
    char data[MOST + 1];
    struct mcp_lines lines;
    struct mcp_lines_line line;

    (void)state;
    memset(data, 0, MOST);
    data[MOST] = '\n';
    mcp_lines_init(&lines, MOST);
    feed(&lines, data, sizeof(data));
    assert_true(mcp_lines_next(&lines, &line));
    assert_false(line.too_long);
    assert_int_equal(line.text.size, MOST);
    expect_none(&lines);
    mcp_lines_finish(&lines);
}

static void of_a_line_too_long_both_ends_are_told_and_the_next_line_is_whole(void **state)
{
    char data[5 * MOST];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)('a' + i % 26);
    }
    data[sizeof(data) - 6] = '\n';
    memcpy(data + sizeof(data) - 5, "next\n", 5);
    for (size_t step = 1; step <= sizeof(data); step += 7) {
        struct mcp_lines lines;
        struct mcp_lines_line line;
        bool told = false;

        mcp_lines_init(&lines, MOST);
        for (size_t at = 0; at < sizeof(data); at += step) {
            const size_t left = sizeof(data) - at;

            feed(&lines, data + at, left < step ? left : step);
            while (mcp_lines_next(&lines, &line)) {
                if (!told) {
                    assert_true(line.too_long);
                    assert_int_equal(line.size, sizeof(data) - 6);
                    assert_int_equal(line.text.size, LINES_EDGE_BYTES);
                    assert_memory_equal(line.text.data, data, LINES_EDGE_BYTES);
                    assert_int_equal(line.tail.size, LINES_EDGE_BYTES);
                    assert_memory_equal(line.tail.data, data + sizeof(data) - 6 - LINES_EDGE_BYTES,
                                        LINES_EDGE_BYTES);
                    told = true;
                } else {
                    assert_false(line.too_long);
                    assert_true(fb_text_is(line.text, "next"));
                }
            }
            assert_true(lines.held.size <= LINES_READ_BYTES + MOST + 1);
        }
        assert_true(told);
        mcp_lines_finish(&lines);
    }
}

static void what_was_handed_out_does_not_pile_up(void **state)
{
    struct mcp_lines lines;

    (void)state;
    mcp_lines_init(&lines, MOST);
    for (int i = 0; i < 10000; i++) {
        feed(&lines, "a line of no great interest\nha", 30);
        expect(&lines, i == 0 ? "a line of no great interest" : "haa line of no great interest");
        expect_none(&lines);
        assert_true(lines.held.size <= 64);
    }
    mcp_lines_finish(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_are_cut),
        cmocka_unit_test(a_line_may_hold_nul_and_be_as_long_as_allowed),
        cmocka_unit_test(of_a_line_too_long_both_ends_are_told_and_the_next_line_is_whole),
        cmocka_unit_test(what_was_handed_out_does_not_pile_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
