#include "runtime/base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void codes_are_numbered_and_named_as_grpc_does(void **state)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    (void)state;
    assert_int_equal(FB_CODE_COUNT, 17);
    for (int code = 0; code < FB_CODE_COUNT; code++) {
        assert_string_equal(fb_code_name((enum fb_code)code), names[code]);
    }
}

static void a_number_outside_the_table_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(fb_code_name((enum fb_code)17), "UNKNOWN");
    assert_string_equal(fb_code_name((enum fb_code) - 1), "UNKNOWN");
}

static void only_ok_is_ok(void **state)
{
    const struct fb_status failed = fb_fail(FB_ABORTED, "someone else was first");

    (void)state;
    assert_true(fb_is_ok(fb_ok));
    assert_string_equal(fb_ok.why, "");
    assert_false(fb_is_ok(failed));
    assert_int_equal(failed.code, FB_ABORTED);
    assert_string_equal(failed.why, "someone else was first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_numbered_and_named_as_grpc_does),
        cmocka_unit_test(a_number_outside_the_table_is_unknown),
        cmocka_unit_test(only_ok_is_ok),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
