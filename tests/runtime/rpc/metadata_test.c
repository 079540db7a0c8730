#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/rpc/metadata.h"

static struct fb_arena arena;
static struct fb_metadata metadata;

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    metadata = (struct fb_metadata){.items = NULL};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static enum fb_code add(const char *key, const char *value)
{
    return fb_metadata_add(&metadata, &arena, fb_text_of(key), fb_text_of(value)).code;
}

/* --- keys and values --- */

static void keys_of_lower_case_letters_digits_and_marks_are_custom(void **state)
{
    (void)state;
    assert_true(fb_metadata_key_is_custom(FB_TEXT("a")));
    assert_true(fb_metadata_key_is_custom(FB_TEXT("x-request_id.9")));
    assert_true(fb_metadata_key_is_custom(FB_TEXT("trace-bin")));
    assert_true(fb_metadata_key_is_custom(FB_TEXT("authorization")));
}

static void reserved_and_malformed_keys_are_not_custom(void **state)
{
    static const char *const bad[] = {
        "",           "X-Upper",           "a b", "a:b",  ":path", ":status",    "grpc-timeout",
        "grpc-x-bin", "user-agent",        "te",  "host", "naïve", "connection", "content-type",
        "keep-alive", "transfer-encoding",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(fb_metadata_key_is_custom(fb_text_of(bad[i])));
        assert_int_equal(add(bad[i], "v"), FB_INVALID_ARGUMENT);
    }
    assert_int_equal(metadata.count, 0);
}

static void a_refusal_names_the_key(void **state)
{
    struct fb_status status;

    (void)state;
    status = fb_metadata_add(&metadata, &arena, FB_TEXT("grpc-tags"), FB_TEXT("v"));
    assert_non_null(strstr(status.why, "\"grpc-tags\""));
    status = fb_metadata_add(&metadata, &arena, FB_TEXT("note"), FB_TEXT("two\nlines"));
    assert_non_null(strstr(status.why, "\"note\""));
    assert_non_null(strstr(status.why, "0x0a at 3"));
}

static void plain_values_are_printable_ascii(void **state)
{
    (void)state;
    assert_int_equal(add("a", "with spaces ~ and !"), FB_OK);
    assert_int_equal(add("a", ""), FB_OK);
    assert_int_equal(add("a", "tab\t"), FB_INVALID_ARGUMENT);
    assert_int_equal(add("a", "é"), FB_INVALID_ARGUMENT);
    assert_int_equal(add("a", "\x7f"), FB_INVALID_ARGUMENT);
}

static void binary_values_are_any_bytes(void **state)
{
    struct fb_text value;

    (void)state;
    assert_int_equal(
        fb_metadata_add(&metadata, &arena, FB_TEXT("id-bin"), FB_TEXT("\0\xff\n")).code, FB_OK);
    assert_true(fb_metadata_find(&metadata, "id-bin", &value));
    assert_true(fb_text_equal(value, FB_TEXT("\0\xff\n")));
}

static void items_keep_their_order_and_keys_repeat(void **state)
{
    char key[8];
    struct fb_text value;

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "k%d", i % 20);
        assert_int_equal(add(key, i < 20 ? "first" : "second"), FB_OK);
    }
    assert_int_equal(metadata.count, 40);
    assert_true(fb_text_is(metadata.items[39].key, "k19"));
    assert_true(fb_metadata_find(&metadata, "k7", &value));
    assert_true(fb_text_is(value, "first"));
    assert_false(fb_metadata_find(&metadata, "k20", &value));
}

static void what_is_added_is_a_copy(void **state)
{
    char key[] = "key";
    char text[] = "value";
    struct fb_text value;

    (void)state;
    assert_int_equal(add(key, text), FB_OK);
    memset(key, 'x', 3);
    memset(text, 'x', 5);
    assert_true(fb_metadata_find(&metadata, "key", &value));
    assert_true(fb_text_is(value, "value"));
}

static void more_than_16_kib_with_32_for_each_item_is_too_much(void **state)
{
    static char large[FB_METADATA_LIMIT_BYTES + 1];

    (void)state;
    memset(large, 'v', FB_METADATA_LIMIT_BYTES);
    large[FB_METADATA_LIMIT_BYTES - 32 - 1] = '\0';
    assert_int_equal(add("a", large), FB_OK); /* 1 + size + 32 is the limit exactly */
    assert_int_equal(metadata.bytes, FB_METADATA_LIMIT_BYTES);
    assert_int_equal(add("b", ""), FB_RESOURCE_EXHAUSTED);
    assert_int_equal(metadata.count, 1);
}

static void an_exhausted_arena_is_told(void **state)
{
    struct fb_arena small;

    (void)state;
    fb_arena_init(&small, 64);
    assert_int_equal(fb_metadata_add(&metadata, &small, FB_TEXT("key"), FB_TEXT("value")).code,
                     FB_RESOURCE_EXHAUSTED);
    assert_int_equal(metadata.count, 0);
    fb_arena_finish(&small);
}

/* --- base64 --- */

/* RFC 4648, section 10 */
static const struct {
    const char *plain;
    const char *bare;
    const char *padded;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg", "Zg=="},
    {"fo", "Zm8", "Zm8="},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg", "Zm9vYg=="},
    {"fooba", "Zm9vYmE", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
};

static void base64_is_written_without_padding(void **state)
{
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t size = fb_base64_encode(fb_text_of(vectors[i].plain), out);

        assert_true(fb_text_is((struct fb_text){out, size}, vectors[i].bare));
    }
}

static void base64_is_read_with_and_without_padding(void **state)
{
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        long size = fb_base64_decode(fb_text_of(vectors[i].bare), out);

        assert_int_equal(size, strlen(vectors[i].plain));
        assert_memory_equal(out, vectors[i].plain, (size_t)size);
        size = fb_base64_decode(fb_text_of(vectors[i].padded), out);
        assert_int_equal(size, strlen(vectors[i].plain));
        assert_memory_equal(out, vectors[i].plain, (size_t)size);
    }
}

static void every_byte_survives_base64(void **state)
{
    char bytes[256];
    char there[344];
    char back[258];

    (void)state;
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        size_t spelled;

        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)(255 - i);
        }
        spelled = fb_base64_encode((struct fb_text){bytes, size}, there);
        assert_int_equal(fb_base64_decode((struct fb_text){there, spelled}, back), size);
        assert_memory_equal(back, bytes, size);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "Z",     "Zg=",  "Zg===",  "=",      "====", "Zm9v=", "Zm9vY",
        "Z g==", "Zm9-", "Zm\n9v", "Zg==Zg", "Zh",   "Zm9",   "Zm8=Zm8=",
    };
    char out[16];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fb_base64_decode(fb_text_of(bad[i]), out), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_lower_case_letters_digits_and_marks_are_custom),
        cmocka_unit_test_setup_teardown(reserved_and_malformed_keys_are_not_custom, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_names_the_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_values_are_printable_ascii, set_up, tear_down),
        cmocka_unit_test_setup_teardown(binary_values_are_any_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(items_keep_their_order_and_keys_repeat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_added_is_a_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_16_kib_with_32_for_each_item_is_too_much, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_exhausted_arena_is_told, set_up, tear_down),
        cmocka_unit_test(base64_is_written_without_padding),
        cmocka_unit_test(base64_is_read_with_and_without_padding),
        cmocka_unit_test(every_byte_survives_base64),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
