/* The server and what is said to it in calls: as it should be, bent and broken. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "tests/runtime/rpc/h2/server_world.h"

/* --- calls as they should be --- */

static void a_call_is_answered_with_headers_message_and_trailers(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_int_equal(raw->frame.flags, RAW_END_HEADERS);
    assert_string_equal(raw_value(raw, ":status"), "200");
    assert_string_equal(raw_value(raw, "content-type"), "application/grpc");
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.flags, 0);
    assert_memory_equal(raw->frame.payload, "\0\0\0\0\7", 5);
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_int_equal(raw->frame.flags, RAW_END_HEADERS | RAW_END_STREAM);
    assert_string_equal(raw_value(raw, "grpc-status"), "0");
    assert_null(raw_value(raw, "grpc-message"));
}

static void a_failure_is_one_block_of_headers(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, "/probe.Probe/None", NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_int_equal(raw->frame.flags, RAW_END_HEADERS | RAW_END_STREAM);
    assert_string_equal(raw_value(raw, ":status"), "200");
    assert_string_equal(raw_value(raw, "grpc-status"), "12");
    assert_non_null(strstr(raw_value(raw, "grpc-message"), "/probe.Probe/None"));
}

static void a_message_may_come_in_frames_of_one_byte(void **state)
{
    struct raw *raw = &world.raw;
    static const char bytes[] = "\0\0\0\0\7\n\5hello";

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    for (size_t i = 0; i < 12; i++) {
        raw_send(raw, RAW_DATA, i == 11 ? RAW_END_STREAM : 0, 1, bytes + i, 1);
    }
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    expect_trailers(1, "0");
}

static void padding_is_passed_over(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_send(raw, RAW_DATA, RAW_END_STREAM | 8, 1, "\3\0\0\0\0\7\n\5hello\0\0\0", 16);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    expect_trailers(1, "0");
}

static void frames_of_unknown_type_are_passed_over(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_send(&world.raw, 0xbb, 0xff, 0, "what is this?", 13);
    raw_send(&world.raw, 0xbb, 0xff, 77, NULL, 0);
    expect_echo(1);
}

static void fields_at_the_end_of_a_request_are_passed_over(void **state)
{
    static const struct raw_field fields[] = {{"x-late", "1"}};
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_message(raw, 1, 0, hello, 7);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 1);
    expect_trailers(1, "0");
}

static void an_answer_before_the_client_has_said_all_resets_the_stream_without_error(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_message(raw, 1, 0, hello, 7);
    expect_trailers(1, "0");
    expect_reset(1, NGHTTP2_NO_ERROR);
    expect_echo(3);
}

/* --- what is not gRPC --- */

static void get_is_answered_with_405(void **state)
{
    static const struct raw_field fields[] = {
        {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "localhost"}};

    (void)state;
    raw_hello(&world.raw);
    raw_headers(&world.raw, 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 4);
    assert_true(raw_find(&world.raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(&world.raw, ":status"), "405");
    assert_string_equal(raw_value(&world.raw, "allow"), "POST");
    expect_echo(3);
}

static void another_content_type_is_answered_with_415(void **state)
{
    static const struct raw_field fields[] = {{":method", "POST"},
                                              {":scheme", "http"},
                                              {":path", "/probe.Probe/Echo"},
                                              {":authority", "localhost"},
                                              {"content-type", "application/json"}};

    (void)state;
    raw_hello(&world.raw);
    raw_headers(&world.raw, 1, RAW_END_HEADERS, fields, 5);
    assert_true(raw_find(&world.raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(&world.raw, ":status"), "415");
    expect_reset(1, NGHTTP2_NO_ERROR);
    raw_headers(&world.raw, 3, RAW_END_HEADERS | RAW_END_STREAM, fields, 4);
    assert_true(raw_find(&world.raw, RAW_HEADERS, 3));
    assert_string_equal(raw_value(&world.raw, ":status"), "415");
}

static void messages_in_json_are_unimplemented(void **state)
{
    static const struct raw_field fields[] = {{":method", "POST"},
                                              {":scheme", "http"},
                                              {":path", "/probe.Probe/Echo"},
                                              {":authority", "localhost"},
                                              {"content-type", "application/grpc+json"}};

    (void)state;
    raw_hello(&world.raw);
    raw_headers(&world.raw, 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 5);
    expect_trailers(1, "12");
}

static void a_request_without_a_path_is_reset(void **state)
{
    static const struct raw_field fields[] = {{":method", "POST"},
                                              {":scheme", "http"},
                                              {":authority", "localhost"},
                                              {"content-type", "application/grpc"}};

    (void)state;
    raw_hello(&world.raw);
    raw_headers(&world.raw, 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 4);
    expect_reset(1, NGHTTP2_PROTOCOL_ERROR);
    expect_echo(3);
}

static void capital_letters_in_a_field_name_reset_the_stream(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, "X-Loud", "1");
    expect_reset(1, NGHTTP2_PROTOCOL_ERROR);
    expect_echo(3);
}

/* --- messages --- */

static void a_message_over_the_limit_is_refused_and_the_connection_lives(void **state)
{
    struct raw *raw = &world.raw;
    uint8_t prefix[5] = {0, 0, 1, 0x86, 0xa1}; /* 100,001 */

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_send(raw, RAW_DATA, 0, 1, prefix, sizeof(prefix));
    expect_trailers(1, "8");
    expect_reset(1, NGHTTP2_NO_ERROR);
    expect_echo(3);
}

static void a_stream_that_ends_inside_a_message_is_internal(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_send(raw, RAW_DATA, RAW_END_STREAM, 1, "\0\0\0", 3);
    expect_trailers(1, "13");
    raw_request(raw, 3, echo, NULL, NULL);
    raw_send(raw, RAW_DATA, RAW_END_STREAM, 3, "\0\0\0\0\7\n\5", 7);
    expect_trailers(3, "13");
    expect_echo(5);
}

static void a_prefix_that_is_none_is_internal(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_send(raw, RAW_DATA, RAW_END_STREAM, 1, "\7\0\0\0\7\n\5hello", 12);
    expect_trailers(1, "13");
}

static void a_call_without_a_message_is_unimplemented(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, NULL, NULL);
    raw_send(&world.raw, RAW_DATA, RAW_END_STREAM, 1, NULL, 0);
    expect_trailers(1, "12");
}

static void a_message_that_is_no_protobuf_is_invalid(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, "\377\377\377", 3);
    expect_trailers(1, "3");
}

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

static void send_compressed(uint32_t stream, const void *data, size_t size)
{
    static uint8_t payload[32768] = {1};
    const size_t packed = gzip(data, size, payload + 5, sizeof(payload) - 5);

    payload[3] = (uint8_t)(packed >> 8);
    payload[4] = (uint8_t)packed;
    for (size_t at = 0; at < packed + 5; at += 16384) {
        const size_t left = packed + 5 - at;

        raw_send(&world.raw, RAW_DATA, left <= 16384 ? RAW_END_STREAM : 0, stream, payload + at,
                 left <= 16384 ? left : 16384);
    }
}

static void a_gzipped_message_is_understood(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, "grpc-encoding", "gzip");
    send_compressed(1, hello, 7);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    expect_trailers(1, "0");
}

static void a_gzip_bomb_is_refused(void **state)
{
    uint8_t *zeros = calloc(1, 8 << 20);

    (void)state;
    assert_non_null(zeros);
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, "grpc-encoding", "gzip");
    send_compressed(1, zeros, 8 << 20);
    expect_trailers(1, "8");
    free(zeros);
    expect_echo(3);
}

static void a_compressed_message_in_a_call_without_encoding_is_internal(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, NULL, NULL);
    send_compressed(1, hello, 7);
    expect_trailers(1, "13");
}

static void an_unknown_encoding_is_answered_with_those_we_know(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, "grpc-encoding", "snappy");
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    expect_trailers(1, "12");
    assert_string_equal(raw_value(&world.raw, "grpc-accept-encoding"), "identity,gzip");
}

/* --- metadata --- */

static void a_timeout_that_is_none_is_invalid(void **state)
{
    static const char *const bad[] = {"", "1", "S", "1x", "-1S", "123456789S", "1 S", "1.5S"};

    (void)state;
    raw_hello(&world.raw);
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        raw_request(&world.raw, 1 + 2 * i, echo, "grpc-timeout", bad[i]);
        raw_message(&world.raw, 1 + 2 * i, RAW_END_STREAM, hello, 7);
        expect_trailers(1 + 2 * i, "3");
    }
}

static void a_call_that_runs_into_its_deadline_says_so(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, "grpc-timeout", "20m");
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    expect_trailers(1, "4");
    assert_int_equal(world.cancelled, 1);
}

static void the_longest_timeout_is_no_overflow(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, "grpc-timeout", "99999999H");
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    expect_trailers(1, "0");
}

static void binary_metadata_that_is_not_base64_is_invalid(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, "x-data-bin", "!!");
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    expect_trailers(1, "3");
    assert_non_null(strstr(raw_value(&world.raw, "grpc-message"), "x-data-bin"));
}

static void more_metadata_than_16_kib_is_refused(void **state)
{
    static char large[9000];
    const struct raw_field fields[] = {{":method", "POST"},
                                       {":scheme", "http"},
                                       {":path", echo},
                                       {":authority", "localhost"},
                                       {"content-type", "application/grpc"},
                                       {"x-a", large},
                                       {"x-b", large}};

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    raw_hello(&world.raw);
    raw_headers(&world.raw, 1, RAW_END_HEADERS, fields, 7);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    expect_trailers(1, "8");
    expect_echo(3);
}

static void a_flood_of_fields_ends_the_call_or_the_connection(void **state)
{
    struct raw *raw = &world.raw;
    struct fb_buffer block = {0};

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, echo, NULL, NULL); /* the table of the peer is not what is flooded */
    raw_reset(raw, 1, NGHTTP2_CANCEL);
    for (int i = 0; i < 400; i++) {
        fb_buffer_append(&block, "\x10\5x-any\x64", 8);
        for (int k = 0; k < 100; k++) {
            fb_buffer_append(&block, "v", 1);
        }
    }
    raw_send(raw, RAW_HEADERS, 0, 3, block.data, 16384);
    raw_send(raw, RAW_CONTINUATION, 0, 3, block.data + 16384, 16384);
    raw_send(raw, RAW_CONTINUATION, RAW_END_HEADERS, 3, block.data + 32768, block.size - 32768);
    fb_buffer_finish(&block);
    while (raw_read(raw) && raw->frame.type != RAW_RST_STREAM && raw->frame.type != RAW_GOAWAY) {
    }
    assert_true(raw->closed || raw->frame.type == RAW_RST_STREAM || raw->frame.type == RAW_GOAWAY);
}

static void continuations_without_end_close_the_connection(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_send(raw, RAW_HEADERS, 0, 1, "\x10\1a\1b", 5);
    for (int i = 0; i < 1000 && !raw->closed; i++) {
        raw_send(raw, RAW_CONTINUATION, 0, 1, NULL, 0);
    }
    raw_drain(raw);
    assert_true(raw->closed);
}

/* --- cancelling --- */

static void a_reset_cancels_the_call(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    raw_reset(&world.raw, 1, NGHTTP2_CANCEL);
    expect_echo(3);
    assert_int_equal(world.held_count, 1);
    assert_int_equal(world.cancelled, 1);
    assert_int_equal(fb_server_stats(world.server)->calls_open, 0);
}

static void a_client_that_vanishes_cancels_its_calls(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    for (uint32_t stream = 1; stream < 10; stream += 2) {
        raw_request(&world.raw, stream, hold, NULL, NULL);
        raw_message(&world.raw, stream, RAW_END_STREAM, hello, 7);
    }
    raw_settle(&world.raw);
    assert_int_equal(world.held_count, 5);
    raw_close(&world.raw);
    wait_until_no_call_is_open();
    assert_int_equal(world.cancelled, 5);
    raw_connect(&world.raw, world.loop, world.address);
    raw_hello(&world.raw);
    expect_echo(1);
}

static void a_handler_may_finish_long_after_its_client_vanished(void **state)
{
    static const struct fb_call_events deaf = {.on_cancel = NULL};
    struct fb_call *call;

    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    raw_settle(&world.raw);
    call = world.held;
    fb_call_watch(call, &deaf, NULL);
    raw_close(&world.raw);
    raw_connect(&world.raw, world.loop, world.address);
    raw_hello(&world.raw);
    expect_echo(1);
    while (!fb_call_cancelled(call)) {
        fb_loop_turn(world.loop, 100);
    }
    assert_string_equal(fb_call_peer(call)->address, "unix:");
    fb_call_finish(call, fb_ok);
    assert_int_equal(fb_server_stats(world.server)->calls_open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_answered_with_headers_message_and_trailers),
        TEST(a_failure_is_one_block_of_headers),
        TEST(a_message_may_come_in_frames_of_one_byte),
        TEST(padding_is_passed_over),
        TEST(frames_of_unknown_type_are_passed_over),
        TEST(fields_at_the_end_of_a_request_are_passed_over),
        TEST(an_answer_before_the_client_has_said_all_resets_the_stream_without_error),
        TEST(get_is_answered_with_405),
        TEST(another_content_type_is_answered_with_415),
        TEST(messages_in_json_are_unimplemented),
        TEST(a_request_without_a_path_is_reset),
        TEST(capital_letters_in_a_field_name_reset_the_stream),
        TEST(a_message_over_the_limit_is_refused_and_the_connection_lives),
        TEST(a_stream_that_ends_inside_a_message_is_internal),
        TEST(a_prefix_that_is_none_is_internal),
        TEST(a_call_without_a_message_is_unimplemented),
        TEST(a_message_that_is_no_protobuf_is_invalid),
        TEST(a_gzipped_message_is_understood),
        TEST(a_gzip_bomb_is_refused),
        TEST(a_compressed_message_in_a_call_without_encoding_is_internal),
        TEST(an_unknown_encoding_is_answered_with_those_we_know),
        TEST(a_timeout_that_is_none_is_invalid),
        TEST(a_call_that_runs_into_its_deadline_says_so),
        TEST(the_longest_timeout_is_no_overflow),
        TEST(binary_metadata_that_is_not_base64_is_invalid),
        TEST(more_metadata_than_16_kib_is_refused),
        TEST(a_flood_of_fields_ends_the_call_or_the_connection),
        TEST(continuations_without_end_close_the_connection),
        TEST(a_reset_cancels_the_call),
        TEST(a_client_that_vanishes_cancels_its_calls),
        TEST(a_handler_may_finish_long_after_its_client_vanished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
