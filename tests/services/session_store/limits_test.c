#include "services/session_store/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct fb_arena arena;

static int setup(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static void assert_says(struct fb_status status, const char *why)
{
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, why);
}

static const char *letters(size_t count)
{
    char *text = fb_arena_zalloc(&arena, count + 1, 1);

    memset(text, 'x', count);
    return text;
}

static void an_id_has_1_to_128_bytes(void **state)
{
    (void)state;
    assert_int_equal(limits_id(&arena, "owner", letters(1)).code, FB_OK);
    assert_int_equal(limits_id(&arena, "owner", letters(128)).code, FB_OK);
    assert_says(limits_id(&arena, "owner", ""), "owner: has 0 bytes, but 1 to 128 are allowed");
    assert_says(limits_id(&arena, "owner", letters(129)),
                "owner: has 129 bytes, but 1 to 128 are allowed");
}

static void an_id_is_printable_ascii_without_spaces(void **state)
{
    (void)state;
    assert_int_equal(limits_id(&arena, "owner", "!~aZ09/:").code, FB_OK);
    assert_says(limits_id(&arena, "owner", "a b"),
                "owner: byte 2 is not printable ASCII without spaces");
    assert_says(limits_id(&arena, "owner", "\x7f"),
                "owner: byte 1 is not printable ASCII without spaces");
    assert_says(limits_id(&arena, "owner", "a\xc3\xbc"),
                "owner: byte 2 is not printable ASCII without spaces");
}

static void a_scope_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(limits_scope(&arena, "scope", "").code, FB_OK);
    assert_int_equal(limits_scope(&arena, "scope", "a b").code, FB_INVALID_ARGUMENT);
}

static void a_text_is_utf8_without_control_characters(void **state)
{
    (void)state;
    assert_int_equal(limits_text(&arena, "name", "\xc3\xbc or two", 256).code, FB_OK);
    assert_says(limits_text(&arena, "name", "a\tb", 256), "name: byte 2 is a control character");
    assert_says(limits_text(&arena, "name", "\xff", 256), "name: is not UTF-8");
    assert_says(limits_text(&arena, "name", "abc", 2),
                "name: has 3 bytes, but at most 2 are allowed");
}

static void a_number_out_of_range_is_told_with_the_range(void **state)
{
    (void)state;
    assert_int_equal(limits_number(&arena, "epoch", 1, 1, INT64_MAX).code, FB_OK);
    assert_says(limits_number(&arena, "epoch", 0, 1, INT64_MAX),
                "epoch: is 0, but at least 1 is needed");
    assert_says(limits_number(&arena, "lease_ms", 7, 10, 20),
                "lease_ms: is 7, but 10 to 20 are allowed");
}

static void a_size_out_of_range_is_told_with_the_range(void **state)
{
    (void)state;
    assert_int_equal(limits_size(&arena, "events", 1000, 1, 1000, "events").code, FB_OK);
    assert_says(limits_size(&arena, "events", 0, 1, 1000, "events"),
                "events: has 0 events, but 1 to 1000 are allowed");
    assert_says(limits_size(&arena, "sha256", 31, 32, 32, "bytes"),
                "sha256: has 31 bytes, but 32 are needed");
}

static void the_first_failure_of_several_is_the_one_told(void **state)
{
    const struct fb_status checks[] = {fb_ok, fb_fail(FB_INVALID_ARGUMENT, "a"),
                                       fb_fail(FB_INVALID_ARGUMENT, "b")};

    (void)state;
    assert_says(limits_all(checks, 3), "a");
    assert_int_equal(limits_all(checks, 1).code, FB_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_1_to_128_bytes),
        cmocka_unit_test(an_id_is_printable_ascii_without_spaces),
        cmocka_unit_test(a_scope_may_be_empty),
        cmocka_unit_test(a_text_is_utf8_without_control_characters),
        cmocka_unit_test(a_number_out_of_range_is_told_with_the_range),
        cmocka_unit_test(a_size_out_of_range_is_told_with_the_range),
        cmocka_unit_test(the_first_failure_of_several_is_the_one_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
