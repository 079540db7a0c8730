#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "runtime/base/text.h"
#include "runtime/rpc/message.h"

/* DescriptorProto is a type that contains itself (nested_type = 3) and strings (name = 1). */
static const ProtobufCMessageDescriptor *const type =
    &google__protobuf__descriptor_proto__descriptor;

static struct fb_arena arena;
static ProtobufCMessage *message;

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    message = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static struct fb_status unpack(const void *bytes, size_t size)
{
    /* From a block of its own, so that the sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    struct fb_status status;

    memcpy(copy, bytes, size);
    status = fb_message_unpack(type, copy, size, 0, &arena, &message);
    free(copy);
    return status;
}

static void assert_refused(struct fb_status status, const char *says)
{
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_null(message);
    if (strstr(status.why, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", status.why, says);
    }
}

/* A message in a message and so on; `levels` 1 is an empty one alone. */
static uint8_t *nest(size_t levels, size_t *size)
{
    struct fb_buffer reversed = {.data = NULL};
    uint8_t *bytes;

    for (size_t level = 1; level < levels; level++) {
        char head[8];
        size_t inner = reversed.size;
        size_t count = 0;

        head[count++] = 3 << 3 | 2;
        do {
            head[count++] = (char)((inner & 0x7f) | (inner > 0x7f ? 0x80 : 0));
            inner >>= 7;
        } while (inner != 0);
        while (count > 0) {
            fb_buffer_append(&reversed, &head[--count], 1);
        }
    }
    *size = reversed.size;
    bytes = malloc(*size + 1);
    for (size_t i = 0; i < *size; i++) {
        bytes[i] = (uint8_t)reversed.data[*size - 1 - i];
    }
    fb_buffer_finish(&reversed);
    return bytes;
}

static void a_message_is_unpacked_into_the_arena(void **state)
{
    const Google__Protobuf__DescriptorProto *unpacked;

    (void)state;
    assert_int_equal(unpack("\x0a\x03one\x1a\x05\x0a\x03two", 12).code, FB_OK);
    unpacked = (const Google__Protobuf__DescriptorProto *)message;
    assert_string_equal(unpacked->name, "one");
    assert_int_equal(unpacked->n_nested_type, 1);
    assert_string_equal(unpacked->nested_type[0]->name, "two");
    assert_true(arena.used_bytes > 0);
}

static void no_bytes_are_an_empty_message(void **state)
{
    (void)state;
    assert_int_equal(fb_message_unpack(type, NULL, 0, 0, &arena, &message).code, FB_OK);
    assert_non_null(message);
}

static void thirty_two_levels_are_fine_and_one_more_is_refused(void **state)
{
    size_t size;
    uint8_t *bytes = nest(FB_MESSAGE_DEPTH, &size);

    (void)state;
    assert_int_equal(unpack(bytes, size).code, FB_OK);
    free(bytes);
    bytes = nest(FB_MESSAGE_DEPTH + 1, &size);
    message = NULL;
    assert_refused(unpack(bytes, size), "\"nested_type\" of google.protobuf.DescriptorProto");
    free(bytes);
}

static void a_nesting_bomb_does_no_harm(void **state)
{
    size_t size;
    uint8_t *bytes = nest(100000, &size);

    (void)state;
    assert_refused(unpack(bytes, size), "nested too deep");
    free(bytes);
}

static void sub_messages_cannot_outgrow_the_limit(void **state)
{
    enum { BYTES = 4 << 20 };
    uint8_t *bytes = malloc(BYTES);
    struct fb_status status;

    (void)state;
    for (size_t i = 0; i < BYTES; i += 2) { /* an empty nested_type each */
        bytes[i] = 3 << 3 | 2;
        bytes[i + 1] = 0;
    }
    status = fb_message_unpack(type, bytes, BYTES, 0, &arena, &message);
    assert_int_equal(status.code, FB_RESOURCE_EXHAUSTED);
    assert_null(message);
    assert_true(arena.used_bytes <= BYTES * 8u + (1u << 20) + 65536u);
    free(bytes);
}

static void the_caller_may_set_the_limit(void **state)
{
    static const uint8_t bytes[] = {0x1a, 0, 0x1a, 0, 0x1a, 0, 0x1a, 0};

    (void)state;
    assert_int_equal(fb_message_unpack(type, bytes, sizeof(bytes), 256, &arena, &message).code,
                     FB_RESOURCE_EXHAUSTED);
    assert_int_equal(fb_message_unpack(type, bytes, sizeof(bytes), 4096, &arena, &message).code,
                     FB_OK);
}

static void an_exhausted_arena_is_told(void **state)
{
    struct fb_arena small;

    (void)state;
    fb_arena_init(&small, 64);
    assert_int_equal(
        fb_message_unpack(type, (const uint8_t *)"\x0a\x01x", 3, 0, &small, &message).code,
        FB_RESOURCE_EXHAUSTED);
    fb_arena_finish(&small);
}

static void many_small_parts_of_an_honest_message_fit(void **state)
{
    enum { PARTS = 5000, EACH = 7 };
    uint8_t *bytes = malloc(PARTS * EACH);

    (void)state;
    for (size_t i = 0; i < PARTS; i++) {
        memcpy(bytes + i * EACH,
               "\x1a\x05\x0a\x03"
               "abc",
               EACH);
    }
    assert_int_equal(unpack(bytes, PARTS * EACH).code, FB_OK);
    free(bytes);
}

static void invalid_utf8_in_a_string_names_the_field_and_the_byte(void **state)
{
    (void)state;
    assert_refused(unpack("\x0a\x02\xc3\x28", 4),
                   "\"name\" of google.protobuf.DescriptorProto is not UTF-8 (byte 2");
    assert_refused(unpack("\x1a\x04\x0a\x02o\xff", 6), "\"name\" of google.protobuf.Descriptor");
    assert_refused(unpack("\x0a\x03\xed\xa0\x80", 5), "is not UTF-8");
    assert_int_equal(unpack("\x0a\x03\xe2\x98\x83", 5).code, FB_OK);
}

static void a_nul_in_a_string_is_refused_as_it_would_cut_it_short(void **state)
{
    (void)state;
    assert_refused(unpack("\x0a\x03o\0e", 5), "\"name\" of google.protobuf.DescriptorProto holds");
}

static void any_bytes_are_fine_in_unknown_fields(void **state)
{
    (void)state;
    /* field 100, bytes; field 101, varint; field 102 fixed32; field 103 fixed64 */
    assert_int_equal(unpack("\xa2\x06\x02\xff\0", 5).code, FB_OK);
    assert_int_equal(message->n_unknown_fields, 1);
    assert_int_equal(unpack("\xa8\x06\x05", 3).code, FB_OK);
    assert_int_equal(unpack("\xb5\x06\1\2\3\4", 6).code, FB_OK);
    assert_int_equal(unpack("\xb9\x06\1\2\3\4\5\6\7\x08", 10).code, FB_OK);
}

static void every_cut_of_a_message_is_refused_or_a_shorter_message(void **state)
{
    static const char bytes[] = "\x0a\x03one\x1a\x0a\x0a\x03two\x1a\x03\x0a\x01x\xa2\x06\x02no";
    /* Where one field ends and the next begins. */
    static const size_t whole[] = {0, 5, 17, 22};
    const size_t size = sizeof(bytes) - 1;
    size_t next = 0;

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        enum fb_code code = unpack(bytes, cut).code;

        if (next < sizeof(whole) / sizeof(whole[0]) && cut == whole[next]) {
            assert_int_equal(code, FB_OK);
            next++;
        } else {
            assert_int_equal(code, FB_INVALID_ARGUMENT);
        }
    }
    assert_int_equal(next, 4);
}

static void malformed_bytes_are_refused_with_the_place(void **state)
{
    (void)state;
    assert_refused(unpack("\x00\x01", 2), "no field tag at byte 0");
    assert_refused(unpack("\x0a\x01x\x07", 4), "no field tag at byte 3");
    assert_refused(unpack("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11), "no field tag");
    assert_refused(unpack("\x0b", 1), "\"name\" of google.protobuf.DescriptorProto has the wrong");
    assert_refused(unpack("\xa3\x06", 2), "an unknown wire type at byte 0");
    assert_refused(unpack("\x08\x01", 2), "has the wrong wire type");
    assert_refused(unpack("\xa8\x06\xff", 3), "a number is cut off");
    assert_refused(unpack("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10), "is cut off");
}

static void numbers_may_come_packed_or_not(void **state)
{
    /* FileDescriptorProto: repeated int32 public_dependency = 10, not packed in the .proto */
    const ProtobufCMessageDescriptor *file = &google__protobuf__file_descriptor_proto__descriptor;
    const Google__Protobuf__FileDescriptorProto *unpacked;

    (void)state;
    assert_int_equal(
        fb_message_unpack(file, (const uint8_t *)"\x52\x02\x01\x02\x50\x03", 6, 0, &arena, &message)
            .code,
        FB_OK);
    unpacked = (const Google__Protobuf__FileDescriptorProto *)message;
    assert_int_equal(unpacked->n_public_dependency, 3);
    assert_int_equal(unpacked->public_dependency[2], 3);
}

static void random_bytes_never_do_harm(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[48];
        size_t size;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
            if (i % 3 == 0) { /* likely tags and lengths, so that some of it goes deep */
                bytes[i] &= 0x1f;
            }
        }
        size = seed % sizeof(bytes);
        if (fb_is_ok(unpack(bytes, size))) {
            assert_non_null(message);
        }
        fb_arena_reset(&arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_unpacked_into_the_arena),
        TEST(no_bytes_are_an_empty_message),
        TEST(thirty_two_levels_are_fine_and_one_more_is_refused),
        TEST(a_nesting_bomb_does_no_harm),
        TEST(sub_messages_cannot_outgrow_the_limit),
        TEST(the_caller_may_set_the_limit),
        TEST(an_exhausted_arena_is_told),
        TEST(many_small_parts_of_an_honest_message_fit),
        TEST(invalid_utf8_in_a_string_names_the_field_and_the_byte),
        TEST(a_nul_in_a_string_is_refused_as_it_would_cut_it_short),
        TEST(any_bytes_are_fine_in_unknown_fields),
        TEST(every_cut_of_a_message_is_refused_or_a_shorter_message),
        TEST(malformed_bytes_are_refused_with_the_place),
        TEST(numbers_may_come_packed_or_not),
        TEST(random_bytes_never_do_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
