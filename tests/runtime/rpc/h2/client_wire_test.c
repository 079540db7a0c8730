/* What the channel says on the wire, and what it makes of answers, sound, bent or broken. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "runtime/rpc/metadata.h"
#include "runtime/rpc/status_wire.h"
#include "tests/runtime/rpc/h2/client_world.h"

/* --- calls as they should be --- */

static void a_request_says_what_the_protocol_asks_for(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(raw, ":method"), "POST");
    assert_string_equal(raw_value(raw, ":scheme"), "http");
    assert_string_equal(raw_value(raw, ":path"), path);
    assert_string_equal(raw_value(raw, ":authority"), "localhost");
    assert_string_equal(raw_value(raw, "te"), "trailers");
    assert_string_equal(raw_value(raw, "content-type"), "application/grpc");
    assert_null(raw_value(raw, "grpc-timeout"));
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.flags, RAW_END_STREAM);
    assert_int_equal(raw->frame.size, 12);
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_int_equal(world.went.headers, 1);
    assert_int_equal(world.went.messages, 1);
    assert_memory_equal(world.went.first, hello, 7);
}

static void a_deadline_travels_as_a_timeout_and_ends_the_call(void **state)
{
    struct raw *raw;

    (void)state;
    start(&world.went,
          &(struct fb_call_plan){.path = path, .deadline_ms = fb_loop_now_ms(world.loop) + 100});
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_non_null(raw_value(raw, "grpc-timeout"));
    assert_in_range(fb_timeout_decode_us(fb_text_of(raw_value(raw, "grpc-timeout"))), 1, 100000);
    expect_end(&world.went, FB_DEADLINE_EXCEEDED, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(raw_number(raw, 0), NGHTTP2_CANCEL);
}

static void metadata_and_token_go_along(void **state)
{
    struct fb_arena arena;
    struct fb_metadata metadata = {0};
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.token = "0123456789abcdef"});
    fb_arena_init(&arena, 0);
    assert_true(fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("x-text"), FB_TEXT("some"))));
    assert_true(
        fb_is_ok(fb_metadata_add(&metadata, &arena, FB_TEXT("x-data-bin"), FB_TEXT("\0\1\2\3"))));
    start(&world.went, &(struct fb_call_plan){.path = path, .metadata = &metadata});
    fb_arena_finish(&arena);
    raw = serve();
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    assert_string_equal(raw_value(raw, "x-text"), "some");
    assert_string_equal(raw_value(raw, "x-data-bin"), "AAECAw");
    assert_string_equal(raw_value(raw, "authorization"), "Bearer 0123456789abcdef");
}

static void trailers_and_message_come_back(void **state)
{
    static const struct raw_field fields[] = {{":status", "200"},
                                              {"content-type", "application/grpc"},
                                              {"grpc-status", "5"},
                                              {"grpc-message", "no %22w%C3%B6rd%22"},
                                              {"x-trailer", "yes"}};

    (void)state;
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS | RAW_END_STREAM, fields, 5);
    expect_end(&world.went, FB_NOT_FOUND, false);
    assert_string_equal(world.went.why, "no \"w\xc3\xb6rd\"");
    assert_string_equal(world.went.trailer, "yes");
    assert_int_equal(world.went.headers, 0);
}

static void an_interim_answer_is_passed_over(void **state)
{
    static const struct raw_field interim[] = {{":status", "103"}, {"link", "</x>"}};
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, interim, 2);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_int_equal(world.went.headers, 1);
}

static void two_calls_share_a_connection(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    answer(raw, 1);
    wait_end(&world.went);
    wait_end(&second);
    assert_int_equal(world.went.code, FB_OK);
    assert_int_equal(second.code, FB_OK);
}

static void calls_beyond_what_the_server_allows_wait_their_turn(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    accept_one(&world.raw);
    world.accepted = true;
    raw = &world.raw;
    raw_setting(raw, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    raw_send(raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0);
    assert_true(raw_find(raw, RAW_DATA, 1));
    raw_settle(raw);
    answer(raw, 1);
    wait_end(&world.went);
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    expect_end(&second, FB_OK, false);
}

/* --- answers that are none --- */

static void an_answer_without_a_status_is_unknown(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    expect_end(&world.went, FB_UNKNOWN, false);
}

static void an_http_error_is_said_in_grpcs_words(void **state)
{
    static const struct raw_field fields[] = {{":status", "503"}, {"content-type", "text/html"}};
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, fields, 2);
    expect_end(&world.went, FB_UNAVAILABLE, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
}

static void an_answer_that_is_not_grpc_is_unknown(void **state)
{
    static const struct raw_field fields[] = {{":status", "200"}, {"content-type", "text/html"}};

    (void)state;
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS, fields, 2);
    expect_end(&world.went, FB_UNKNOWN, false);
}

static void a_message_over_the_limit_is_refused(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\1\x86\xa1", 5);
    expect_end(&world.went, FB_RESOURCE_EXHAUSTED, false);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    call(&world.went);
    world.went.ended = false;
    assert_true(raw_find(raw, RAW_DATA, 3));
    answer(raw, 3);
    expect_end(&world.went, FB_OK, false);
}

static void an_answer_that_ends_inside_a_message_is_internal(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\0\0\7\n\5", 7);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_INTERNAL, false);
}

static void a_gzipped_answer_is_understood(void **state)
{
    static const struct raw_field fields[] = {
        {":status", "200"}, {"content-type", "application/grpc"}, {"grpc-encoding", "gzip"}};
    uint8_t payload[128] = {1};
    z_stream z = {.next_in = (z_const Bytef *)hello,
                  .avail_in = 7,
                  .next_out = payload + 5,
                  .avail_out = sizeof(payload) - 5};
    struct raw *raw;

    (void)state;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    payload[4] = (uint8_t)z.total_out;
    call(&world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, fields, 3);
    raw_send(raw, RAW_DATA, 0, 1, payload, 5 + z.total_out);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_OK, false);
    assert_memory_equal(world.went.first, hello, 7);
}

static void garbage_ends_the_call_as_unavailable(void **state)
{
    (void)state;
    call(&world.went);
    raw_bytes(serve(), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
              18);
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

static void a_pushed_promise_is_an_error_of_the_connection(void **state)
{
    (void)state;
    call(&world.went);
    raw_send(serve(), 5, RAW_END_HEADERS, 1, "\0\0\0\2\x82\x84\x86\x41\1a", 10);
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

static void fields_without_end_reset_the_call(void **state)
{
    static char value[8000];
    struct raw_field fields[] = {{":status", "200"},
                                 {"content-type", "application/grpc"},
                                 {"x-a", value},
                                 {"x-b", value},
                                 {"x-c", value}};

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    call(&world.went);
    raw_headers(serve(), 1, RAW_END_HEADERS, fields, 5);
    expect_end(&world.went, FB_INTERNAL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_says_what_the_protocol_asks_for),
        TEST(a_deadline_travels_as_a_timeout_and_ends_the_call),
        TEST(metadata_and_token_go_along),
        TEST(trailers_and_message_come_back),
        TEST(an_interim_answer_is_passed_over),
        TEST(two_calls_share_a_connection),
        TEST(calls_beyond_what_the_server_allows_wait_their_turn),
        TEST(an_answer_without_a_status_is_unknown),
        TEST(an_http_error_is_said_in_grpcs_words),
        TEST(an_answer_that_is_not_grpc_is_unknown),
        TEST(a_message_over_the_limit_is_refused),
        TEST(an_answer_that_ends_inside_a_message_is_internal),
        TEST(a_gzipped_answer_is_understood),
        TEST(garbage_ends_the_call_as_unavailable),
        TEST(a_pushed_promise_is_an_error_of_the_connection),
        TEST(fields_without_end_reset_the_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
