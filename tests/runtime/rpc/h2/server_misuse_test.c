/* The server against clients that break HTTP/2, flood it or fall silent. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/runtime/rpc/h2/server_world.h"

/* --- beginnings --- */

static void a_client_that_does_not_speak_http2_is_hung_up_on(void **state)
{
    static const char other[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (void)state;
    raw_bytes(&world.raw, other, sizeof(other) - 1);
    raw_drain(&world.raw);
    assert_true(world.raw.closed);
}

static void a_client_that_says_nothing_is_hung_up_on_in_time(void **state)
{
    (void)state;
    raw_drain(&world.raw);
    assert_true(world.raw.closed);
}

static int set_up_impatient(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.handshake_timeout_ms = 20});
    return 0;
}

static void frames_before_the_settings_are_an_error(void **state)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    (void)state;
    raw_bytes(&world.raw, magic, sizeof(magic) - 1);
    raw_request(&world.raw, 1, echo, NULL, NULL);
    raw_drain(&world.raw);
    assert_true(world.raw.closed);
}

/* --- broken frames --- */

static void a_frame_larger_than_agreed_is_a_frame_size_error(void **state)
{
    static uint8_t payload[16385];

    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, echo, NULL, NULL);
    raw_send(&world.raw, RAW_DATA, 0, 1, payload, sizeof(payload));
    expect_goaway(NGHTTP2_FRAME_SIZE_ERROR);
}

static void garbage_closes_the_connection(void **state)
{
    uint8_t garbage[4096];
    uint32_t seed = 12345;

    (void)state;
    for (size_t i = 0; i < sizeof(garbage); i++) {
        seed = seed * 1664525 + 1013904223;
        garbage[i] = (uint8_t)(seed >> 24);
    }
    raw_hello(&world.raw);
    raw_bytes(&world.raw, garbage, sizeof(garbage));
    raw_drain(&world.raw);
    assert_true(world.raw.closed);
}

static void header_blocks_that_cannot_be_decoded_are_a_compression_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_send(&world.raw, RAW_HEADERS, RAW_END_HEADERS, 1, "\377\377\377\377\377\377", 6);
    expect_goaway(NGHTTP2_COMPRESSION_ERROR);
}

static void a_stream_of_the_servers_numbers_is_a_protocol_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 2, echo, NULL, NULL);
    expect_goaway(NGHTTP2_PROTOCOL_ERROR);
}

static void data_on_no_stream_is_a_protocol_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_message(&world.raw, 0, 0, hello, 7);
    expect_goaway(NGHTTP2_PROTOCOL_ERROR);
}

static void data_on_a_stream_never_opened_is_a_protocol_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_message(&world.raw, 5, 0, hello, 7);
    expect_goaway(NGHTTP2_PROTOCOL_ERROR);
}

/* --- floods --- */

static uint32_t fill_streams(void)
{
    uint32_t stream = 1;

    for (; stream < 2 * STREAMS; stream += 2) {
        raw_request(&world.raw, stream, hold, NULL, NULL);
        raw_message(&world.raw, stream, RAW_END_STREAM, hello, 7);
    }
    raw_settle(&world.raw);
    raw_request(&world.raw, stream, hold, NULL, NULL);
    return stream;
}

static void more_streams_than_agreed_are_a_protocol_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    fill_streams();
    expect_goaway(NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(world.held_count, STREAMS);
}

static void more_streams_than_allowed_are_refused_before_it_is_agreed(void **state)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    (void)state;
    raw_bytes(&world.raw, magic, sizeof(magic) - 1);
    raw_send(&world.raw, RAW_SETTINGS, 0, 0, NULL, 0);
    expect_reset(fill_streams(), NGHTTP2_REFUSED_STREAM);
    assert_int_equal(world.held_count, STREAMS);
}

static void keep_held(struct fb_call *call, void *arg)
{
    (void)call;
    (void)arg;
    world.cancelled++;
}

static struct fb_call *unfinished[4 * STREAMS];

static void serve_stubborn(struct fb_call *call, const ProtobufCMessage *message)
{
    static const struct fb_call_events events = {.on_cancel = keep_held};

    (void)message;
    unfinished[world.held_count++] = call;
    fb_call_watch(call, &events, NULL);
}

static void calls_reset_but_still_at_work_are_bounded(void **state)
{
    static const struct fb_method stubborn[] = {
        {.name = "Hold", .kind = FB_UNARY, .handle = serve_stubborn}};
    static const struct fb_rpc_service stubborn_service = {
        .descriptor = &probe__probe__descriptor, .methods = stubborn, .method_count = 1};
    struct raw *raw = &world.raw;

    (void)state;
    tear_down(state);
    world = (struct world){.folder = "/tmp/fb-h2-XXXXXX"};
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.address, sizeof(world.address), "unix:%s/s", world.folder);
    world.loop = fb_loop_create();
    world.server =
        fb_server_create(world.loop, &(struct fb_server_config){.streams_per_connection = STREAMS});
    fb_server_add(world.server, &stubborn_service, NULL);
    assert_true(fb_is_ok(fb_server_listen(world.server, &fb_h2,
                                          &(struct fb_listen_config){.address = world.address})));
    raw_connect(raw, world.loop, world.address);
    raw_hello(raw);
    for (uint32_t stream = 1; stream < 2 * 4 * STREAMS; stream += 2) {
        raw_request(raw, stream, hold, NULL, NULL);
        raw_message(raw, stream, RAW_END_STREAM, hello, 7);
        raw_reset(raw, stream, NGHTTP2_CANCEL);
    }
    raw_settle(raw);
    assert_int_equal(world.held_count, 2 * STREAMS);
    for (unsigned i = 0; i < world.held_count; i++) {
        fb_call_finish(unfinished[i], fb_ok);
    }
}

static void resets_without_end_close_the_connection(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    for (uint32_t stream = 1; stream < 2 * 50000 && !raw->closed; stream += 2) {
        raw_request(raw, stream, hold, NULL, NULL);
        raw_reset(raw, stream, NGHTTP2_CANCEL);
        if (stream % 1000 == 1) {
            fb_loop_turn(world.loop, 0);
            fb_buffer_clear(&raw->in, SIZE_MAX);
        }
    }
    raw->in.size = 0;
    raw_drain(raw);
    assert_true(raw->closed);
    assert_int_equal(fb_server_stats(world.server)->calls_open, 0);
}

static void flood(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t size)
{
    struct raw *raw = &world.raw;

    for (int i = 0; i < 200000 && !raw->closed; i++) {
        raw_send(raw, type, flags, stream, payload, size);
        if (i % 100 == 0) {
            fb_loop_turn(world.loop, 0);
            fb_buffer_clear(&raw->in, SIZE_MAX);
        }
    }
    raw->in.size = 0;
    while (!raw->closed) {
        fb_loop_turn(world.loop, 100);
    }
}

static void pings_without_end_close_the_connection(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    flood(RAW_PING, 0, 0, "12345678", 8);
}

static void settings_without_end_close_the_connection(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    flood(RAW_SETTINGS, 0, 0, NULL, 0);
}

static void empty_data_without_end_closes_the_connection(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, talk, NULL, NULL);
    flood(RAW_DATA, 0, 1, NULL, 0);
}

static void a_client_that_asks_and_never_reads_is_hung_up_on(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    fb_loop_unwatch(&raw->watch);
    for (int i = 0; i < 1000000; i++) {
        static const uint8_t ping[17] = {0, 0, 8, RAW_PING};

        if (fb_server_stats(world.server)->connections_open == 0 && i > 1000) {
            break;
        }
        raw_bytes(raw, ping, sizeof(ping));
        if (i % 100 == 0) {
            fb_loop_turn(world.loop, 0);
        }
    }
    assert_int_equal(fb_server_stats(world.server)->connections_open, 0);
    raw->closed = true;
}

/* --- silence and the end --- */

static int set_up_watchful(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.keepalive_ms = 20, .keepalive_timeout_ms = 20});
    return 0;
}

static void a_silent_client_is_pinged_and_hung_up_on_when_it_does_not_answer(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    assert_true(raw_find(raw, RAW_PING, 0));
    assert_int_equal(raw->frame.flags & RAW_ACK, 0);
    raw_send(raw, RAW_PING, RAW_ACK, 0, raw->frame.payload, 8);
    assert_true(raw_find(raw, RAW_PING, 0));
    raw_drain(raw);
    assert_true(raw->closed);
}

static void drained(void *arg)
{
    *(bool *)arg = true;
}

static void a_drain_says_so_twice_and_lets_calls_end(void **state)
{
    struct raw *raw = &world.raw;
    bool done = false;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, hold, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    raw_settle(raw);
    fb_server_drain(world.server, fb_clock_ms() + RAW_WAIT_MS, drained, &done);
    assert_true(raw_find(raw, RAW_GOAWAY, 0));
    assert_int_equal(raw_number(raw, 0), INT32_MAX);
    assert_int_equal(raw_number(raw, 4), NGHTTP2_NO_ERROR);
    assert_true(raw_find(raw, RAW_PING, 0));
    raw_send(raw, RAW_PING, RAW_ACK, 0, raw->frame.payload, 8);
    assert_true(raw_find(raw, RAW_GOAWAY, 0));
    assert_int_equal(raw_number(raw, 0), 1);
    assert_false(done);
    fb_call_finish(world.held, fb_ok);
    expect_trailers(1, "0");
    raw_drain(raw);
    raw_until(raw, &done);
}

static void a_drain_ends_even_if_the_client_never_answers(void **state)
{
    bool done = false;

    (void)state;
    raw_hello(&world.raw);
    raw_settle(&world.raw);
    fb_server_drain(world.server, fb_clock_ms() + RAW_WAIT_MS, drained, &done);
    raw_until(&world.raw, &done);
}

static void a_drain_cancels_what_does_not_end_in_time(void **state)
{
    bool done = false;

    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    raw_settle(&world.raw);
    fb_server_drain(world.server, fb_clock_ms() + 20, drained, &done);
    expect_trailers(1, "14");
    raw_until(&world.raw, &done);
    assert_int_equal(world.cancelled, 1);
}

/* --- listening --- */

static void a_socket_that_lives_is_not_taken_over(void **state)
{
    struct fb_server *second =
        fb_server_create(world.loop, &(struct fb_server_config){.connections = 1});
    struct fb_status status;

    (void)state;
    fb_server_add(second, &service, NULL);
    status = fb_server_listen(second, &fb_h2, &(struct fb_listen_config){.address = world.address});
    assert_int_equal(status.code, FB_ALREADY_EXISTS);
    fb_server_destroy(second);
    raw_hello(&world.raw);
    expect_echo(1);
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    struct raw second;

    (void)state;
    raw_hello(&world.raw);
    expect_echo(1);
    raw_connect(&second, world.loop, world.address);
    raw_drain(&second);
    assert_true(second.closed);
    raw_close(&second);
    expect_echo(3);
}

static int set_up_for_one(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.connections = 1});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_does_not_speak_http2_is_hung_up_on),
        TEST_IN(set_up_impatient, a_client_that_says_nothing_is_hung_up_on_in_time),
        TEST(frames_before_the_settings_are_an_error),
        TEST(a_frame_larger_than_agreed_is_a_frame_size_error),
        TEST(garbage_closes_the_connection),
        TEST(header_blocks_that_cannot_be_decoded_are_a_compression_error),
        TEST(a_stream_of_the_servers_numbers_is_a_protocol_error),
        TEST(data_on_no_stream_is_a_protocol_error),
        TEST(data_on_a_stream_never_opened_is_a_protocol_error),
        TEST(more_streams_than_agreed_are_a_protocol_error),
        TEST(more_streams_than_allowed_are_refused_before_it_is_agreed),
        TEST(calls_reset_but_still_at_work_are_bounded),
        TEST(resets_without_end_close_the_connection),
        TEST(pings_without_end_close_the_connection),
        TEST(settings_without_end_close_the_connection),
        TEST(empty_data_without_end_closes_the_connection),
        TEST(a_client_that_asks_and_never_reads_is_hung_up_on),
        TEST_IN(set_up_watchful, a_silent_client_is_pinged_and_hung_up_on_when_it_does_not_answer),
        TEST(a_drain_says_so_twice_and_lets_calls_end),
        TEST(a_drain_ends_even_if_the_client_never_answers),
        TEST(a_drain_cancels_what_does_not_end_in_time),
        TEST(a_socket_that_lives_is_not_taken_over),
        TEST_IN(set_up_for_one, connections_beyond_the_limit_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
