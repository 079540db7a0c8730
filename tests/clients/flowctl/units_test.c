#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clients/flowctl/units.h"

static void bytes_have_three_digits_at_most(void **state)
{
    char out[UNITS_ROOM];

    (void)state;
    assert_string_equal(units_bytes(0, out), "0 B");
    assert_string_equal(units_bytes(-5, out), "0 B");
    assert_string_equal(units_bytes(999, out), "999 B");
    assert_string_equal(units_bytes(1000, out), "1.0 KiB");
    assert_string_equal(units_bytes(1536, out), "1.5 KiB");
    assert_string_equal(units_bytes(64 << 20, out), "64 MiB");
    assert_string_equal(units_bytes((int64_t)21 * (1 << 30) / 10, out), "2.1 GiB");
    assert_string_equal(units_bytes(INT64_MAX, out), "8.0 EiB");
}

static void spans_have_the_unit_that_fits(void **state)
{
    char out[UNITS_ROOM];

    (void)state;
    assert_string_equal(units_ms(0, out), "0 ms");
    assert_string_equal(units_ms(999, out), "999 ms");
    assert_string_equal(units_ms(1500, out), "1.5 s");
    assert_string_equal(units_ms(59999, out), "59 s");
    assert_string_equal(units_ms(720000, out), "12 min");
    assert_string_equal(units_ms(11100000, out), "3 h 5 min");
    assert_string_equal(units_ms(352800000, out), "4 d 2 h");
}

static void microseconds_go_over_into_longer_spans(void **state)
{
    char out[UNITS_ROOM];

    (void)state;
    assert_string_equal(units_us(850, out), "850 µs");
    assert_string_equal(units_us(2649, out), "2.6 ms");
    assert_string_equal(units_us(553000, out), "553 ms");
    assert_string_equal(units_us(2500000, out), "2.5 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_three_digits_at_most),
        cmocka_unit_test(spans_have_the_unit_that_fits),
        cmocka_unit_test(microseconds_go_over_into_longer_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
