#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/table.h"

static void expect(struct table *table, const char *wanted)
{
    struct fb_buffer out = {.data = NULL};

    table_render(table, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, wanted);
    fb_buffer_finish(&out);
    table_finish(table);
}

static void columns_line_up_numbers_at_the_right(void **state)
{
    struct table table = {.headings = {"NAME", "COUNT", "REST"}, .right = {false, true}};

    (void)state;
    table_put(&table, TERMINAL_PLAIN, "a");
    table_put(&table, TERMINAL_PLAIN, "%d", 7);
    table_put(&table, TERMINAL_PLAIN, "x");
    table_put(&table, TERMINAL_GOOD, "longer");
    table_put(&table, TERMINAL_PLAIN, "%d", 1234567);
    table_put(&table, TERMINAL_PLAIN, "y");
    expect(&table, "NAME      COUNT  REST\n"
                   "a             7  x\n"
                   "longer  1234567  y\n");
}

static void a_character_of_several_bytes_takes_one_column(void **state)
{
    struct table table = {.headings = {"A", "B"}};

    (void)state;
    table_put(&table, TERMINAL_PLAIN, "µs");
    table_put(&table, TERMINAL_PLAIN, "1");
    expect(&table, "A   B\nµs  1\n");
}

static void control_characters_of_a_name_stay_in_its_cell(void **state)
{
    struct table table = {.headings = {"A", "B"}};

    (void)state;
    table_put(&table, TERMINAL_PLAIN, "x\ny\033[31m");
    table_put(&table, TERMINAL_PLAIN, "1");
    expect(&table, "A         B\nx?y?[31m  1\n");
}

static void a_row_that_is_not_full_is_left_out(void **state)
{
    struct table table = {.headings = {"A", "B"}};

    (void)state;
    table_put(&table, TERMINAL_PLAIN, "lonely");
    expect(&table, "A  B\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_numbers_at_the_right),
        cmocka_unit_test(a_character_of_several_bytes_takes_one_column),
        cmocka_unit_test(control_characters_of_a_name_stay_in_its_cell),
        cmocka_unit_test(a_row_that_is_not_full_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
