#include "runtime/config/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void durations_have_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},          {"0s", 0},      {"200ms", 200},
        {"30s", 30000},    {"5m", 300000}, {"2h", 7200000},
        {"7d", 604800000}, {"007s", 7000}, {"106751991167d", INT64_C(106751991167) * 86400000},
    };
    static const char *const bad[] = {
        "",     "30",  "s",     "-1s",           "+1s",
        "1.5s", "1 s", " 1s",   "1s ",           "1us",
        "1M",   "1S",  "1m30s", "106751991168d", "9223372036854775808ms"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -1;

        assert_true(fb_duration_parse(good[i].text, &ms));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = -1;

        assert_false(fb_duration_parse(bad[i], &ms));
        assert_int_equal(ms, -1);
    }
}

static void sizes_may_have_a_unit_of_two_or_of_ten(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"1B", 1},
        {"64KiB", 65536},
        {"64MiB", 67108864},
        {"1GiB", INT64_C(1) << 30},
        {"2TiB", INT64_C(1) << 41},
        {"10kB", 10000},
        {"10MB", 10000000},
        {"1GB", 1000000000},
        {"9223372036854775807", INT64_MAX},
    };
    static const char *const bad[] = {
        "", "MiB", "-1", "64M", "64K", "1 KiB", "1kib", "8388608TiB", "9223372036854775808"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t bytes = -1;

        assert_true(fb_size_parse(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t bytes = -1;

        assert_false(fb_size_parse(bad[i], &bytes));
        assert_int_equal(bytes, -1);
    }
}

static void what_is_printed_reads_back_as_the_same(void **state)
{
    static const int64_t values[] = {
        0, 1, 999, 1000, 1024, 1500, 60000, 65536, 90000, 86400000, INT64_C(1) << 40, INT64_MAX};
    char text[FB_QUANTITY_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        int64_t value = -1;

        fb_duration_format(values[i], text);
        assert_true(fb_duration_parse(text, &value));
        assert_true(value == values[i]);
        fb_size_format(values[i], text);
        assert_true(fb_size_parse(text, &value));
        assert_true(value == values[i]);
    }
    fb_duration_format(90000, text);
    assert_string_equal(text, "90s");
    fb_size_format(67108864, text);
    assert_string_equal(text, "64MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(sizes_may_have_a_unit_of_two_or_of_ten),
        cmocka_unit_test(what_is_printed_reads_back_as_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
