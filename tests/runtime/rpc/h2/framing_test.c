#include "runtime/rpc/h2/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

static const uint32_t limit = 1000;

struct fed {
    struct fb_h2_framing framing;
    struct fb_h2_message message;
    struct fb_status status;
    const uint8_t *data;
    size_t size;
};

static enum fb_h2_framed feed(struct fed *fed, const void *data, size_t size)
{
    fed->data = data;
    fed->size = size;
    return fb_h2_framing_next(&fed->framing, limit, &fed->data, &fed->size, &fed->message,
                              &fed->status);
}

static enum fb_h2_framed feed_on(struct fed *fed)
{
    return fb_h2_framing_next(&fed->framing, limit, &fed->data, &fed->size, &fed->message,
                              &fed->status);
}

static void assert_message(const struct fed *fed, const char *text)
{
    assert_int_equal(fed->message.size, strlen(text));
    assert_memory_equal(fed->message.data, text, strlen(text));
}

static void a_message_that_came_whole_is_not_copied(void **state)
{
    static const char bytes[] = "\0\0\0\0\5hello";
    struct fed fed = {0};

    (void)state;
    assert_int_equal(feed(&fed, bytes, 10), FB_H2_MESSAGE);
    assert_message(&fed, "hello");
    assert_true(fed.message.whole);
    assert_false(fed.message.compressed);
    assert_ptr_equal(fed.message.data, bytes + 5);
    assert_int_equal(feed_on(&fed), FB_H2_MORE);
    assert_true(fb_h2_framing_at_end(&fed.framing));
    fb_h2_framing_finish(&fed.framing);
}

static void two_messages_in_one_piece_come_one_after_the_other(void **state)
{
    static const char bytes[] = "\0\0\0\0\1a\1\0\0\0\2bc";
    struct fed fed = {0};

    (void)state;
    assert_int_equal(feed(&fed, bytes, 13), FB_H2_MESSAGE);
    assert_message(&fed, "a");
    assert_int_equal(feed_on(&fed), FB_H2_MESSAGE);
    assert_message(&fed, "bc");
    assert_true(fed.message.compressed);
    assert_int_equal(feed_on(&fed), FB_H2_MORE);
    fb_h2_framing_finish(&fed.framing);
}

static void a_message_may_come_byte_by_byte(void **state)
{
    static const char bytes[] = "\0\0\0\0\5hello\0\0\0\0\5world";
    struct fed fed = {0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 9; i++) {
            assert_int_equal(feed(&fed, bytes + round * 10 + i, 1), FB_H2_MORE);
            assert_false(fb_h2_framing_at_end(&fed.framing));
        }
        assert_int_equal(feed(&fed, bytes + round * 10 + 9, 1), FB_H2_MESSAGE);
        assert_message(&fed, round == 0 ? "hello" : "world");
        assert_false(fed.message.whole);
        assert_true(fb_h2_framing_at_end(&fed.framing));
    }
    fb_h2_framing_finish(&fed.framing);
}

static void an_empty_message_is_a_message(void **state)
{
    struct fed fed = {0};

    (void)state;
    assert_int_equal(feed(&fed, "\0\0\0\0", 4), FB_H2_MORE);
    assert_int_equal(feed(&fed, "\0", 1), FB_H2_MESSAGE);
    assert_int_equal(fed.message.size, 0);
    fb_h2_framing_finish(&fed.framing);
}

static void a_message_as_large_as_the_limit_is_taken(void **state)
{
    uint8_t bytes[5 + 1000] = {0};
    struct fed fed = {0};

    (void)state;
    fb_h2_prefix_write(bytes, 1000);
    assert_int_equal(feed(&fed, bytes, sizeof(bytes)), FB_H2_MESSAGE);
    assert_int_equal(fed.message.size, 1000);
    fb_h2_framing_finish(&fed.framing);
}

static void a_larger_one_is_refused_by_its_prefix_alone(void **state)
{
    uint8_t bytes[5];
    struct fed fed = {0};

    (void)state;
    fb_h2_prefix_write(bytes, 1001);
    assert_int_equal(feed(&fed, bytes, sizeof(bytes)), FB_H2_BROKEN);
    assert_int_equal(fed.status.code, FB_RESOURCE_EXHAUSTED);
    fb_h2_framing_finish(&fed.framing);
}

static void a_flag_other_than_0_and_1_is_internal(void **state)
{
    struct fed fed = {0};

    (void)state;
    assert_int_equal(feed(&fed, "\2\0\0\0\0", 5), FB_H2_BROKEN);
    assert_int_equal(fed.status.code, FB_INTERNAL);
    fb_h2_framing_finish(&fed.framing);
}

static void memory_grows_with_what_comes_and_not_with_what_is_announced(void **state)
{
    struct fed fed = {0};
    const uint8_t *data = (const uint8_t *)"\0\377\377\377\377x";
    size_t size = 6;

    (void)state;
    assert_int_equal(
        fb_h2_framing_next(&fed.framing, UINT32_MAX, &data, &size, &fed.message, &fed.status),
        FB_H2_MORE);
    assert_true(fed.framing.partial.room < 4096);
    fb_h2_framing_finish(&fed.framing);
}

static void a_reset_begins_anew(void **state)
{
    struct fed fed = {0};

    (void)state;
    assert_int_equal(feed(&fed, "\0\0\0\0\5he", 7), FB_H2_MORE);
    fb_h2_framing_reset(&fed.framing);
    assert_true(fb_h2_framing_at_end(&fed.framing));
    assert_int_equal(feed(&fed, "\0\0\0\0\1x", 6), FB_H2_MESSAGE);
    assert_message(&fed, "x");
    fb_h2_framing_finish(&fed.framing);
}

/* --- gzip --- */

static size_t gzip(const void *data, size_t size, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (z_const Bytef *)data,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = (uInt)room};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void what_was_gzipped_is_inflated(void **state)
{
    uint8_t packed[256];
    const size_t size = gzip("hello, hello, hello", 19, packed, sizeof(packed));
    struct fb_buffer out = {0};

    (void)state;
    assert_true(fb_is_ok(fb_h2_gunzip(packed, size, 19, &out)));
    assert_int_equal(out.size, 19);
    assert_memory_equal(out.data, "hello, hello, hello", 19);
    fb_buffer_finish(&out);
}

static void a_bomb_is_stopped_at_the_limit(void **state)
{
    const size_t large = 8 << 20;
    uint8_t *zeros = calloc(1, large);
    uint8_t *packed = malloc(large);
    size_t size;
    struct fb_buffer out = {0};

    (void)state;
    assert_non_null(zeros);
    assert_non_null(packed);
    size = gzip(zeros, large, packed, large);
    assert_true(size < 16384);
    assert_int_equal(fb_h2_gunzip(packed, size, 100000, &out).code, FB_RESOURCE_EXHAUSTED);
    assert_true(out.room < 1 << 20);
    fb_buffer_finish(&out);
    free(zeros);
    free(packed);
}

static void what_is_not_gzip_is_internal(void **state)
{
    uint8_t packed[256];
    const size_t size = gzip("hello", 5, packed, sizeof(packed));
    struct fb_buffer out = {0};

    (void)state;
    assert_int_equal(fb_h2_gunzip((const uint8_t *)"hello", 5, 100, &out).code, FB_INTERNAL);
    assert_int_equal(fb_h2_gunzip(packed, 0, 100, &out).code, FB_INTERNAL);
    assert_int_equal(fb_h2_gunzip(packed, size - 1, 100, &out).code, FB_INTERNAL);
    assert_int_equal(fb_h2_gunzip(packed, size + 1, 100, &out).code, FB_INTERNAL);
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_came_whole_is_not_copied),
        cmocka_unit_test(two_messages_in_one_piece_come_one_after_the_other),
        cmocka_unit_test(a_message_may_come_byte_by_byte),
        cmocka_unit_test(an_empty_message_is_a_message),
        cmocka_unit_test(a_message_as_large_as_the_limit_is_taken),
        cmocka_unit_test(a_larger_one_is_refused_by_its_prefix_alone),
        cmocka_unit_test(a_flag_other_than_0_and_1_is_internal),
        cmocka_unit_test(memory_grows_with_what_comes_and_not_with_what_is_announced),
        cmocka_unit_test(a_reset_begins_anew),
        cmocka_unit_test(what_was_gzipped_is_inflated),
        cmocka_unit_test(a_bomb_is_stopped_at_the_limit),
        cmocka_unit_test(what_is_not_gzip_is_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
