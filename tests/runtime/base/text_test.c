#include "runtime/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void texts_with_nul_are_compared_whole(void **state)
{
    (void)state;
    assert_true(fb_text_equal(FB_TEXT("a\0b"), FB_TEXT("a\0b")));
    assert_false(fb_text_equal(FB_TEXT("a\0b"), FB_TEXT("a\0c")));
    assert_false(fb_text_is(FB_TEXT("a\0b"), "a"));
    assert_true(fb_text_is(fb_text_of(NULL), ""));
    assert_true(fb_text_begins(FB_TEXT("unix:/x"), "unix:"));
    assert_true(fb_text_begins(fb_text_of(NULL), ""));
    assert_false(fb_text_begins(FB_TEXT("uni"), "unix:"));
}

/* Each row of the table of RFC 3629 section 4 at its ends, and just outside of them. */
static void utf8_is_what_rfc_3629_says(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xec\xbf\xbf",
        "\xed\x80\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf3\xbf\xbf\xbf",
        "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe0\xa0",
        "\xe1\x80\x7f",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xf1\x80\x80\xc0",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(fb_utf8_check(good[i], strlen(good[i])), strlen(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(fb_utf8_check(bad[i], strlen(bad[i])), 0);
    }
}

static void the_first_bad_byte_is_named_wherever_it_stands(void **state)
{
    char text[40];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        memset(text, 'a', sizeof(text));
        text[i] = (char)0xff;
        assert_int_equal(fb_utf8_check(text, sizeof(text)), i);
    }
}

static void a_number_is_decimal_and_whole(void **state)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616", "99999999999999999999"};
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(fb_text_to_u64(fb_text_of(bad[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_true(fb_text_to_u64(FB_TEXT("0"), &value));
    assert_int_equal(value, 0);
    assert_true(fb_text_to_u64(FB_TEXT("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
}

static void the_nearest_name_is_found_within_a_third_of_the_word(void **state)
{
    static const char *const names[] = {"command", "args", "env", "cwd", "headers"};

    (void)state;
    assert_string_equal(fb_text_nearest("comand", names, COUNT(names)), "command");
    assert_string_equal(fb_text_nearest("commnad", names, COUNT(names)), "command");
    assert_string_equal(fb_text_nearest("arg", names, COUNT(names)), "args");
    assert_string_equal(fb_text_nearest("evn", names, COUNT(names)), "env");
    assert_string_equal(fb_text_nearest("Headers", names, COUNT(names)), "headers");
    assert_null(fb_text_nearest("xyz", names, COUNT(names)));
    assert_null(fb_text_nearest("", names, COUNT(names)));
    assert_null(fb_text_nearest("a", names, 0));
}

static void a_word_too_long_to_be_meant_has_no_nearest(void **state)
{
    static const char *const names[] = {
        "a-name-that-is-much-longer-than-sixty-four-bytes-and-so-is-never-compared", "env"};
    char word[4096];

    (void)state;
    memset(word, 'e', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_null(fb_text_nearest(word, names, COUNT(names)));
    assert_string_equal(fb_text_nearest("envv", names, COUNT(names)), "env");
}

static void hashes_of_near_keys_spread_over_all_bits(void **state)
{
    int ones[64] = {0};
    const int keys = 4096;

    (void)state;
    for (int i = 0; i < keys; i++) {
        const uint64_t hash = fb_hash(&i, sizeof(i));

        for (int bit = 0; bit < 64; bit++) {
            ones[bit] += (int)(hash >> bit & 1);
        }
    }
    for (int bit = 0; bit < 64; bit++) {
        assert_in_range(ones[bit], keys * 2 / 5, keys * 3 / 5);
    }
    assert_true(fb_hash_mix(1, 2) != fb_hash_mix(2, 1));
    assert_true(fb_hash("a", 1) == fb_hash("a", 1));
}

static void a_buffer_keeps_all_that_was_appended(void **state)
{
    struct fb_buffer buffer = {0};
    char expected[3001];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        fb_buffer_append(&buffer, "a", 1);
        fb_buffer_string(&buffer, "b");
        fb_buffer_text(&buffer, FB_TEXT("c"));
        memcpy(expected + i * 3, "abc", 3);
    }
    assert_false(buffer.failed);
    assert_int_equal(buffer.size, 3000);
    assert_memory_equal(buffer.data, expected, 3000);
    fb_buffer_consume(&buffer, 2998);
    assert_int_equal(buffer.size, 2);
    assert_memory_equal(buffer.data, "bc", 2);
    fb_buffer_consume(&buffer, 99);
    assert_int_equal(buffer.size, 0);
    fb_buffer_finish(&buffer);
}

static void a_full_buffer_fails_and_stays_failed_until_it_is_cleared(void **state)
{
    struct fb_buffer buffer = {.limit_bytes = 4};

    (void)state;
    fb_buffer_string(&buffer, "abc");
    fb_buffer_string(&buffer, "de");
    fb_buffer_string(&buffer, "f");
    assert_true(buffer.failed);
    assert_int_equal(buffer.size, 3);
    assert_null(fb_buffer_reserve(&buffer, 0));
    fb_buffer_clear(&buffer, 1024);
    fb_buffer_string(&buffer, "abcd");
    assert_false(buffer.failed);
    fb_buffer_finish(&buffer);
    assert_int_equal(buffer.limit_bytes, 4);
}

static void clearing_keeps_memory_only_up_to_what_is_asked(void **state)
{
    struct fb_buffer buffer = {0};

    (void)state;
    assert_non_null(fb_buffer_reserve(&buffer, 100000));
    fb_buffer_clear(&buffer, 4096);
    assert_null(buffer.data);
    fb_buffer_string(&buffer, "a");
    fb_buffer_clear(&buffer, 4096);
    assert_non_null(buffer.data);
    fb_buffer_finish(&buffer);
}

static void print_fits_exactly_up_to_the_limit(void **state)
{
    struct fb_buffer buffer = {.limit_bytes = 256};

    (void)state;
    fb_buffer_printf(&buffer, "%250d", 1);
    fb_buffer_printf(&buffer, "%s", "abcdef");
    assert_false(buffer.failed);
    assert_int_equal(buffer.size, 256);
    assert_memory_equal(buffer.data + 249, "1abcdef", 7);
    fb_buffer_printf(&buffer, "%s", "");
    assert_false(buffer.failed);
    fb_buffer_printf(&buffer, "%c", 'x');
    assert_true(buffer.failed);
    fb_buffer_finish(&buffer);
}

static void a_json_string_escapes_what_json_demands(void **state)
{
    static const struct {
        struct fb_text text;
        const char *json;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"\"\\/", 3}, "\"\\\"\\\\/\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"a\0\x1f\x7f", 4}, "\"a\\u0000\\u001f\x7f\""},
        {{"\xc3\xa4\xf0\x9f\x98\x80", 6}, "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {{"a\xff"
          "b\xed\xa0\x80",
          6},
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xe2\x82", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fb_buffer buffer = {0};

        fb_buffer_json_string(&buffer, cases[i].text);
        assert_int_equal(buffer.size, strlen(cases[i].json));
        assert_memory_equal(buffer.data, cases[i].json, buffer.size);
        fb_buffer_finish(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_with_nul_are_compared_whole),
        cmocka_unit_test(utf8_is_what_rfc_3629_says),
        cmocka_unit_test(the_first_bad_byte_is_named_wherever_it_stands),
        cmocka_unit_test(a_number_is_decimal_and_whole),
        cmocka_unit_test(the_nearest_name_is_found_within_a_third_of_the_word),
        cmocka_unit_test(a_word_too_long_to_be_meant_has_no_nearest),
        cmocka_unit_test(hashes_of_near_keys_spread_over_all_bits),
        cmocka_unit_test(a_buffer_keeps_all_that_was_appended),
        cmocka_unit_test(a_full_buffer_fails_and_stays_failed_until_it_is_cleared),
        cmocka_unit_test(clearing_keeps_memory_only_up_to_what_is_asked),
        cmocka_unit_test(print_fits_exactly_up_to_the_limit),
        cmocka_unit_test(a_json_string_escapes_what_json_demands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
