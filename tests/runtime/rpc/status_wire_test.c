#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/rpc/status_wire.h"

static struct fb_arena arena;

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

/* --- grpc-message --- */

static void assert_encodes(const char *why, const char *wire)
{
    struct fb_buffer out = {.data = NULL};

    fb_status_message_encode(&out, why);
    assert_true(fb_text_is((struct fb_text){out.data, out.size}, wire));
    fb_buffer_finish(&out);
}

static void assert_decodes(struct fb_text wire, const char *why)
{
    assert_string_equal(fb_status_message_decode(&arena, wire), why);
}

static void messages_are_percent_encoded_but_for_printable_ascii(void **state)
{
    (void)state;
    assert_encodes("", "");
    assert_encodes("no such tool: \"x\" ~", "no such tool: \"x\" ~");
    assert_encodes("100%", "100%25");
    assert_encodes("a\tb\r\n", "a%09b%0D%0A");
    assert_encodes("\x7f", "%7F");
    assert_encodes(" at the ends ", "%20at the ends%20");
    assert_encodes(" ", "%20");
    assert_encodes("é ☃ 😀", "%C3%A9 %E2%98%83 %F0%9F%98%80");
}

static void a_long_message_is_cut_between_characters_at_4_kib(void **state)
{
    struct fb_buffer out = {.data = NULL};
    char why[3 * 1000 + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(why) - 1; i += 3) {
        memcpy(why + i, "☃", 3);
    }
    why[sizeof(why) - 1] = '\0';
    fb_status_message_encode(&out, why);
    assert_int_equal(out.size, 4096 / 9 * 9);
    fb_buffer_finish(&out);
}

static void encoded_messages_come_back_as_they_were(void **state)
{
    static const char why[] = "tab\t, 100% of é, ☃ and 😀\n";
    struct fb_buffer out = {.data = NULL};

    (void)state;
    fb_status_message_encode(&out, why);
    assert_decodes((struct fb_text){out.data, out.size}, why);
    fb_buffer_finish(&out);
}

static void invalid_escapes_are_kept_as_they_came(void **state)
{
    (void)state;
    assert_decodes(FB_TEXT("%"), "%");
    assert_decodes(FB_TEXT("100%"), "100%");
    assert_decodes(FB_TEXT("%2"), "%2");
    assert_decodes(FB_TEXT("%zz %2x %x2"), "%zz %2x %x2");
    assert_decodes(FB_TEXT("%%41"), "%A");
    assert_decodes(FB_TEXT("%c3%a9%C3%A9"), "éé");
}

static void a_decoded_message_is_always_a_utf8_string(void **state)
{
    (void)state;
    assert_decodes(FB_TEXT("a%00b"), "a%00b");
    assert_decodes(FB_TEXT("a\0b"), "a?b");
    assert_decodes(FB_TEXT("%ff%fe!"), "?\?!");
    assert_decodes(FB_TEXT("cut %C3"), "cut ?");
    assert_decodes(FB_TEXT("\xed\xa0\x80"), "?\?\?");
    assert_decodes((struct fb_text){NULL, 0}, "");
}

static void without_memory_a_message_decodes_to_nothing(void **state)
{
    struct fb_arena small;

    (void)state;
    fb_arena_init(&small, 1);
    assert_string_equal(fb_status_message_decode(&small, FB_TEXT("why")), "");
    fb_arena_finish(&small);
}

/* --- codes --- */

static void each_code_is_read_by_its_number(void **state)
{
    char number[8];

    (void)state;
    for (int code = 0; code < FB_CODE_COUNT; code++) {
        snprintf(number, sizeof(number), "%d", code);
        assert_int_equal(fb_code_of_wire(fb_text_of(number)), code);
    }
}

static void other_spellings_are_unknown(void **state)
{
    static const char *const odd[] = {"", "17", "99", "100", "-1", "+1", "1 ", "x", "00", "0x1"};

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_int_equal(fb_code_of_wire(fb_text_of(odd[i])), FB_UNKNOWN);
    }
}

static void http_statuses_become_codes_by_the_standards_table(void **state)
{
    (void)state;
    assert_int_equal(fb_code_of_http(400), FB_INTERNAL);
    assert_int_equal(fb_code_of_http(401), FB_UNAUTHENTICATED);
    assert_int_equal(fb_code_of_http(403), FB_PERMISSION_DENIED);
    assert_int_equal(fb_code_of_http(404), FB_UNIMPLEMENTED);
    assert_int_equal(fb_code_of_http(429), FB_UNAVAILABLE);
    assert_int_equal(fb_code_of_http(502), FB_UNAVAILABLE);
    assert_int_equal(fb_code_of_http(503), FB_UNAVAILABLE);
    assert_int_equal(fb_code_of_http(504), FB_UNAVAILABLE);
    assert_int_equal(fb_code_of_http(200), FB_UNKNOWN);
    assert_int_equal(fb_code_of_http(500), FB_UNKNOWN);
    assert_int_equal(fb_code_of_http(302), FB_UNKNOWN);
}

static void stream_errors_become_codes_by_the_standards_table(void **state)
{
    static const enum fb_code table[] = {
        FB_INTERNAL, FB_INTERNAL,           FB_INTERNAL,          FB_INTERNAL,  FB_INTERNAL,
        FB_UNKNOWN,  FB_INTERNAL,           FB_UNAVAILABLE,       FB_CANCELLED, FB_INTERNAL,
        FB_INTERNAL, FB_RESOURCE_EXHAUSTED, FB_PERMISSION_DENIED, FB_UNKNOWN,
    };

    (void)state;
    for (uint32_t error = 0; error < sizeof(table) / sizeof(table[0]); error++) {
        assert_int_equal(fb_code_of_h2_error(error), table[error]);
    }
    assert_int_equal(fb_code_of_h2_error(UINT32_MAX), FB_UNKNOWN);
}

/* --- grpc-timeout --- */

static void every_unit_of_a_timeout_is_read(void **state)
{
    (void)state;
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("1H")), INT64_C(3600000000));
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("2M")), 120000000);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("3S")), 3000000);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("4m")), 4000);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("5u")), 5);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("5000n")), 5);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("0n")), 0);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("00000007S")), 7000000);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("99999999H")), INT64_C(359999996400000000));
}

static void nanoseconds_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("1n")), 1);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("1000n")), 1);
    assert_int_equal(fb_timeout_decode_us(FB_TEXT("1001n")), 2);
}

static void what_is_not_a_timeout_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "1", "S", "-1S", "+1S", " 1S", "1S ", "1s", "1h", "1.5S", "100000000n", "1SS", "0x1S",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fb_timeout_decode_us(fb_text_of(bad[i])), -1);
    }
}

static void assert_timeout(int64_t timeout_us, const char *wire)
{
    char out[16];

    fb_timeout_encode_us(timeout_us, out);
    assert_string_equal(out, wire);
}

static void a_timeout_is_written_in_the_finest_unit_of_eight_digits(void **state)
{
    (void)state;
    assert_timeout(1, "1000n");
    assert_timeout(99999, "99999000n");
    assert_timeout(100000, "100000u");
    assert_timeout(99999999, "99999999u");
    assert_timeout(100000000, "100000m");
    assert_timeout(100000001, "100001m"); /* never less than was left */
    assert_timeout(INT64_C(99999999000), "99999999m");
    assert_timeout(INT64_C(99999999001), "100000S");
    assert_timeout(INT64_C(99999999000000), "99999999S");
    assert_timeout(INT64_C(100000000000000), "1666667M");
    assert_timeout(INT64_C(6000000000000000), "1666667H");
    assert_timeout(INT64_MAX, "99999999H");
}

static void a_timeout_that_has_passed_is_one_nanosecond(void **state)
{
    (void)state;
    assert_timeout(0, "1n");
    assert_timeout(-5, "1n");
    assert_timeout(INT64_MIN, "1n");
}

static void what_is_written_is_never_read_as_less(void **state)
{
    char out[16];

    (void)state;
    for (int64_t timeout_us = 1; timeout_us < INT64_MAX / 100; timeout_us = timeout_us * 7 + 3) {
        fb_timeout_encode_us(timeout_us, out);
        if (strcmp(out, "99999999H") != 0) {
            assert_true(fb_timeout_decode_us(fb_text_of(out)) >= timeout_us);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_percent_encoded_but_for_printable_ascii),
        cmocka_unit_test(a_long_message_is_cut_between_characters_at_4_kib),
        cmocka_unit_test_setup_teardown(encoded_messages_come_back_as_they_were, set_up, tear_down),
        cmocka_unit_test_setup_teardown(invalid_escapes_are_kept_as_they_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_decoded_message_is_always_a_utf8_string, set_up,
                                        tear_down),
        cmocka_unit_test(without_memory_a_message_decodes_to_nothing),
        cmocka_unit_test(each_code_is_read_by_its_number),
        cmocka_unit_test(other_spellings_are_unknown),
        cmocka_unit_test(http_statuses_become_codes_by_the_standards_table),
        cmocka_unit_test(stream_errors_become_codes_by_the_standards_table),
        cmocka_unit_test(every_unit_of_a_timeout_is_read),
        cmocka_unit_test(nanoseconds_are_rounded_up),
        cmocka_unit_test(what_is_not_a_timeout_is_refused),
        cmocka_unit_test(a_timeout_is_written_in_the_finest_unit_of_eight_digits),
        cmocka_unit_test(a_timeout_that_has_passed_is_one_nanosecond),
        cmocka_unit_test(what_is_written_is_never_read_as_less),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
