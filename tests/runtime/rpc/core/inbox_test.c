#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <grpc/byte_buffer.h>
#include <zlib.h>

#include "runtime/rpc/core/inbox.h"

enum { GZIP = 15 + 16, DEFLATE = 15 };

static int set_up(void **state)
{
    (void)state;
    grpc_init();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    grpc_shutdown_blocking();
    return 0;
}

static size_t compress_bytes(int kind, const void *data, size_t size, uint8_t *out, size_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)(uintptr_t)data,
        .avail_in = (uInt)size,
        .next_out = out,
        .avail_out = (uInt)room,
    };

    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, kind, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static struct fb_status open_bytes(const void *data, size_t size, bool compressed,
                                   size_t limit_bytes, grpc_slice *message)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(data, size);
    grpc_byte_buffer *buffer =
        compressed ? grpc_raw_compressed_byte_buffer_create(&slice, 1, GRPC_COMPRESS_GZIP)
                   : grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    return fb_core_inbox_open(buffer, limit_bytes, message);
}

static void a_plain_message_comes_as_it_is(void **state)
{
    grpc_slice parts[2] = {grpc_slice_from_static_string("two "),
                           grpc_slice_from_static_string("parts")};
    grpc_slice message;

    (void)state;
    assert_int_equal(fb_core_inbox_open(grpc_raw_byte_buffer_create(parts, 2), 100, &message).code,
                     FB_OK);
    assert_int_equal(GRPC_SLICE_LENGTH(message), 9);
    assert_memory_equal(GRPC_SLICE_START_PTR(message), "two parts", 9);
    grpc_slice_unref(message);
}

static void gzip_and_deflate_are_inflated(void **state)
{
    static const int kinds[] = {GZIP, DEFLATE};
    static char text[100000];
    static uint8_t packed[100000];
    grpc_slice message;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)('a' + i * i % 26);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t length = 0; length <= sizeof(text); length = length * 3 + 1) {
            size_t packed_size = compress_bytes(kinds[kind], text, length, packed, sizeof(packed));

            assert_int_equal(open_bytes(packed, packed_size, true, length, &message).code, FB_OK);
            assert_int_equal(GRPC_SLICE_LENGTH(message), length);
            assert_memory_equal(GRPC_SLICE_START_PTR(message), text, length);
            grpc_slice_unref(message);
        }
    }
}

static void what_inflates_beyond_the_limit_is_refused(void **state)
{
    enum { BOMB_BYTES = 16 << 20 };
    uint8_t *zeros = calloc(1, BOMB_BYTES);
    uint8_t *packed = malloc(BOMB_BYTES / 100);
    size_t packed_size = compress_bytes(GZIP, zeros, BOMB_BYTES, packed, BOMB_BYTES / 100);
    grpc_slice message;

    (void)state;
    assert_int_equal(open_bytes(packed, packed_size, true, 1 << 20, &message).code,
                     FB_RESOURCE_EXHAUSTED);
    assert_int_equal(open_bytes(packed, packed_size, true, BOMB_BYTES - 1, &message).code,
                     FB_RESOURCE_EXHAUSTED);
    assert_int_equal(open_bytes(packed, packed_size, true, BOMB_BYTES, &message).code, FB_OK);
    grpc_slice_unref(message);
    free(zeros);
    free(packed);
}

static void what_cannot_be_inflated_is_refused(void **state)
{
    uint8_t packed[200];
    size_t packed_size = compress_bytes(GZIP, "some text", 9, packed, sizeof(packed));
    grpc_slice message;

    (void)state;
    for (size_t cut = 0; cut < packed_size; cut++) {
        assert_int_equal(open_bytes(packed, cut, true, 1000, &message).code, FB_INTERNAL);
    }
    packed[packed_size] = 'x'; /* more than one member */
    assert_int_equal(open_bytes(packed, packed_size + 1, true, 1000, &message).code, FB_INTERNAL);
    packed[packed_size / 2] ^= 0x55;
    assert_int_equal(open_bytes(packed, packed_size, true, 1000, &message).code, FB_INTERNAL);
    assert_int_equal(open_bytes("not compressed", 14, true, 1000, &message).code, FB_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message_comes_as_it_is),
        cmocka_unit_test(gzip_and_deflate_are_inflated),
        cmocka_unit_test(what_inflates_beyond_the_limit_is_refused),
        cmocka_unit_test(what_cannot_be_inflated_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
