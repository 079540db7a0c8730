#include "runtime/rpc/h2/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void fields_of_the_protocol_are_told_from_metadata(void **state)
{
    (void)state;
    assert_int_equal(fb_h2_field_of(FB_TEXT(":path")), FB_H2_PATH);
    assert_int_equal(fb_h2_field_of(FB_TEXT(":method")), FB_H2_METHOD);
    assert_int_equal(fb_h2_field_of(FB_TEXT(":status")), FB_H2_HTTP_STATUS);
    assert_int_equal(fb_h2_field_of(FB_TEXT(":authority")), FB_H2_IGNORED);
    assert_int_equal(fb_h2_field_of(FB_TEXT("content-type")), FB_H2_CONTENT_TYPE);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc-timeout")), FB_H2_TIMEOUT);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc-encoding")), FB_H2_ENCODING);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc-status")), FB_H2_GRPC_STATUS);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc-message")), FB_H2_GRPC_MESSAGE);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc-anything")), FB_H2_IGNORED);
    assert_int_equal(fb_h2_field_of(FB_TEXT("te")), FB_H2_IGNORED);
    assert_int_equal(fb_h2_field_of(FB_TEXT("user-agent")), FB_H2_IGNORED);
    assert_int_equal(fb_h2_field_of(FB_TEXT("content-length")), FB_H2_IGNORED);
    assert_int_equal(fb_h2_field_of(FB_TEXT("authorization")), FB_H2_CUSTOM);
    assert_int_equal(fb_h2_field_of(FB_TEXT("grpc")), FB_H2_CUSTOM);
    assert_int_equal(fb_h2_field_of(FB_TEXT("")), FB_H2_CUSTOM);
}

static void a_content_type_is_protobuf_other_or_alien(void **state)
{
    (void)state;
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc")), FB_H2_CONTENT_PROTO);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc+proto")), FB_H2_CONTENT_PROTO);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc;charset=utf-8")),
                     FB_H2_CONTENT_PROTO);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc+proto; a=b")), FB_H2_CONTENT_PROTO);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc+json")), FB_H2_CONTENT_OTHER);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc+protobuf")), FB_H2_CONTENT_OTHER);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/grpc-web")), FB_H2_CONTENT_ALIEN);
    assert_int_equal(fb_h2_content_of(FB_TEXT("application/json")), FB_H2_CONTENT_ALIEN);
    assert_int_equal(fb_h2_content_of(FB_TEXT("")), FB_H2_CONTENT_ALIEN);
}

static void identity_and_gzip_are_the_encodings(void **state)
{
    (void)state;
    assert_int_equal(fb_h2_encoding_of(FB_TEXT("identity")), FB_H2_IDENTITY);
    assert_int_equal(fb_h2_encoding_of(FB_TEXT("gzip")), FB_H2_GZIP);
    assert_int_equal(fb_h2_encoding_of(FB_TEXT("snappy")), FB_H2_UNKNOWN_ENCODING);
    assert_int_equal(fb_h2_encoding_of(FB_TEXT("")), FB_H2_UNKNOWN_ENCODING);
}

static void assert_item(const struct fb_metadata *metadata, size_t index, const char *key,
                        const void *value, size_t size)
{
    assert_true(index < metadata->count);
    assert_true(fb_text_is(metadata->items[index].key, key));
    assert_int_equal(metadata->items[index].value.size, size);
    assert_memory_equal(metadata->items[index].value.data, value, size);
}

static void text_metadata_is_taken_as_it_came(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(
        fb_is_ok(fb_h2_metadata_take(&metadata, &arena, FB_TEXT("x-some"), FB_TEXT("AAEC,AwQ"))));
    assert_int_equal(metadata.count, 1);
    assert_item(&metadata, 0, "x-some", "AAEC,AwQ", 8);
    fb_arena_finish(&arena);
}

static void binary_metadata_is_split_and_decoded(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(
        fb_h2_metadata_take(&metadata, &arena, FB_TEXT("x-bin"), FB_TEXT("AAEC, AwQ,BQ=="))));
    assert_int_equal(metadata.count, 3);
    assert_item(&metadata, 0, "x-bin", "\0\1\2", 3);
    assert_item(&metadata, 1, "x-bin", "\3\4", 2);
    assert_item(&metadata, 2, "x-bin", "\5", 1);
    fb_arena_finish(&arena);
}

static void what_is_not_base64_is_named(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};
    struct fb_status status;

    (void)state;
    fb_arena_init(&arena, 0);
    status = fb_h2_metadata_take(&metadata, &arena, FB_TEXT("x-bin"), FB_TEXT("?!"));
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(status.why, "x-bin"));
    assert_int_equal(metadata.count, 0);
    fb_arena_finish(&arena);
}

static void written_metadata_reads_back(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};
    struct fb_metadata back = {0};
    nghttp2_nv fields[2];

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("a"), FB_TEXT("text"))));
    assert_true(fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("b-bin"), FB_TEXT("\0\377,"))));
    assert_true(fb_h2_metadata_write(&metadata, &arena, fields));
    for (size_t i = 0; i < 2; i++) {
        assert_true(fb_is_ok(fb_h2_metadata_take(
            &back, &arena,
            (struct fb_text){.data = (const char *)fields[i].name, .size = fields[i].namelen},
            (struct fb_text){.data = (const char *)fields[i].value, .size = fields[i].valuelen})));
    }
    assert_int_equal(back.count, 2);
    assert_item(&back, 0, "a", "text", 4);
    assert_item(&back, 1, "b-bin", "\0\377,", 3);
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_protocol_are_told_from_metadata),
        cmocka_unit_test(a_content_type_is_protobuf_other_or_alien),
        cmocka_unit_test(identity_and_gzip_are_the_encodings),
        cmocka_unit_test(text_metadata_is_taken_as_it_came),
        cmocka_unit_test(binary_metadata_is_split_and_decoded),
        cmocka_unit_test(what_is_not_base64_is_named),
        cmocka_unit_test(written_metadata_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
