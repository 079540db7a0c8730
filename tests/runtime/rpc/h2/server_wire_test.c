/* The server against clients that keep to the protocol, bend it and break it. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/h2/probe.pb-c.h"
#include "tests/runtime/rpc/h2/raw.h"

enum {
    MESSAGE_LIMIT = 100000,
    SEND_HIGH = 64 * 1024,
    SEND_LIMIT = 1024 * 1024,
    STREAMS = 20,
    STREAM_WINDOW = 256 * 1024,
};

static const char echo[] = "/probe.Probe/Echo";
static const char copies[] = "/probe.Probe/Copies";
static const char hold[] = "/probe.Probe/Hold";
static const char talk[] = "/probe.Probe/Talk";
static const char hello[] = "\n\5hello"; /* Bytes{payload: "hello"} */

static struct world {
    char folder[32];
    char address[64];
    struct fb_loop *loop;
    struct fb_server *server;
    struct raw raw;

    /* of the handlers */
    struct fb_call *held;
    unsigned held_count;
    unsigned cancelled;
    unsigned heard; /* messages of Talk */
    size_t heard_bytes;
    bool half_closed;
    bool pause_each;
    bool blocked; /* a send returned false */
    uint32_t copies_sent;
    bool done;
} world;

/* --- handlers --- */

static void serve_echo(struct fb_call *call, const ProtobufCMessage *message)
{
    const Probe__Bytes *request = (const Probe__Bytes *)message;
    Probe__Bytes answer = PROBE__BYTES__INIT;

    answer.payload = request->payload;
    fb_call_reply(call, &answer.base);
}

static void cancel_held(struct fb_call *call, void *arg)
{
    (void)arg;
    world.cancelled++;
    if (world.held == call) {
        world.held = NULL;
    }
    fb_call_finish(call, fb_fail(FB_CANCELLED, "cancelled"));
}

static void send_copies(struct fb_call *call, void *arg)
{
    const Probe__Bytes *request = arg;
    Probe__Bytes answer = PROBE__BYTES__INIT;

    answer.payload = request->payload;
    while (world.copies_sent < request->copies) {
        world.copies_sent++;
        if (!fb_call_send(call, &answer.base)) {
            world.blocked = true;
            return;
        }
    }
    fb_call_finish(call, fb_ok);
}

static const struct fb_call_events copies_events = {
    .on_drain = send_copies,
    .on_cancel = cancel_held,
};

static void serve_copies(struct fb_call *call, const ProtobufCMessage *message)
{
    world.copies_sent = 0;
    fb_call_watch(call, &copies_events, (void *)(uintptr_t)message);
    send_copies(call, (void *)(uintptr_t)message);
}

static const struct fb_call_events hold_events = {.on_cancel = cancel_held};

static void serve_hold(struct fb_call *call, const ProtobufCMessage *message)
{
    (void)message;
    world.held = call;
    world.held_count++;
    fb_call_watch(call, &hold_events, NULL);
}

static void talk_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    (void)arg;
    (void)data;
    world.heard++;
    world.heard_bytes += size;
    if (world.pause_each) {
        fb_call_pause(call);
    }
}

static void talk_half_close(struct fb_call *call, void *arg)
{
    (void)call;
    (void)arg;
    world.half_closed = true;
}

static const struct fb_call_events talk_events = {
    .on_message = talk_message,
    .on_half_close = talk_half_close,
    .on_cancel = cancel_held,
};

static void serve_talk(struct fb_call *call, const ProtobufCMessage *message)
{
    (void)message;
    world.held = call;
    fb_call_watch(call, &talk_events, NULL);
}

static const struct fb_method methods[] = {
    {.name = "Copies", .kind = FB_SERVER_STREAM, .handle = serve_copies},
    {.name = "Echo", .kind = FB_UNARY, .handle = serve_echo},
    {.name = "Hold", .kind = FB_UNARY, .handle = serve_hold},
    {.name = "Talk", .kind = FB_BIDI_STREAM, .handle = serve_talk},
};

static const struct fb_rpc_service service = {
    .descriptor = &probe__probe__descriptor, .methods = methods, .method_count = 4};

/* --- the world --- */

static void serve(const struct fb_server_config *config)
{
    world = (struct world){.folder = "/tmp/fb-h2-XXXXXX"};
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.address, sizeof(world.address), "unix:%s/s", world.folder);
    world.loop = fb_loop_create();
    assert_non_null(world.loop);
    world.server = fb_server_create(world.loop, config);
    assert_non_null(world.server);
    fb_server_add(world.server, &service, NULL);
    assert_true(fb_is_ok(fb_server_listen(world.server, &fb_h2,
                                          &(struct fb_listen_config){.address = world.address})));
    raw_connect(&world.raw, world.loop, world.address);
}

static int set_up(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){
        .message_limit_bytes = MESSAGE_LIMIT,
        .send_high_bytes = SEND_HIGH,
        .send_limit_bytes = SEND_LIMIT,
        .streams_per_connection = STREAMS,
    });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    raw_close(&world.raw);
    fb_server_destroy(world.server);
    fb_loop_destroy(world.loop);
    rmdir(world.folder);
    return 0;
}

/* --- helpers --- */

static void expect_trailers(uint32_t stream, const char *status)
{
    struct raw *raw = &world.raw;

    do {
        assert_true(raw_find(raw, RAW_HEADERS, stream));
    } while ((raw->frame.flags & RAW_END_STREAM) == 0);
    assert_non_null(raw_value(raw, "grpc-status"));
    assert_string_equal(raw_value(raw, "grpc-status"), status);
}

static void expect_echo(uint32_t stream)
{
    struct raw *raw = &world.raw;

    raw_request(raw, stream, echo, NULL, NULL);
    raw_message(raw, stream, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_DATA, stream));
    assert_int_equal(raw->frame.size, 12);
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    expect_trailers(stream, "0");
}

static void expect_reset(uint32_t stream, uint32_t error)
{
    assert_true(raw_find(&world.raw, RAW_RST_STREAM, stream));
    assert_int_equal(raw_number(&world.raw, 0), error);
}

static void expect_goaway(uint32_t error)
{
    assert_true(raw_find(&world.raw, RAW_GOAWAY, 0));
    assert_int_equal(raw_number(&world.raw, 4), error);
    raw_drain(&world.raw);
}

static void wait_until_no_call_is_open(void)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (fb_server_stats(world.server)->calls_open > 0) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world.loop, 100);
    }
}

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

/* --- messages that are large --- */

enum {
    LARGE = 1 << 20,
    FRAME = 16 * 1024,
    SHARE = 4,        /* large messages may come at once */
    LARGE_CALLS = 10, /* on the streams 1, 3 and so on */
};

static int set_up_roomy(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.message_limit_bytes = LARGE,
                                     .streams_per_connection = STREAMS});
    return 0;
}

/* What the client may still send on each stream, and on the connection as the stream 0. */
static int64_t room[2 * STREAMS];

static void read_ping_answer(void)
{
    struct raw *raw = &world.raw;

    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        if (raw->frame.type == RAW_WINDOW_UPDATE) {
            assert_in_range(raw->frame.stream, 0, 2 * STREAMS - 1);
            room[raw->frame.stream] += raw_number(raw, 0);
        }
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
}

/* Pings overtake: behind the second answer there is nothing that belongs before the first. */
static void read_windows(void)
{
    read_ping_answer();
    read_ping_answer();
}

static void begin_large(void)
{
    struct raw *raw = &world.raw;

    raw_hello(raw);
    memset(room, 0, sizeof(room));
    room[0] = 65535;
    read_windows();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        raw_request(raw, stream, talk, NULL, NULL);
        room[stream] = STREAM_WINDOW;
    }
}

/* `bytes` of the message and its prefix, the first of them if `first`. */
static void send_large(uint32_t stream, size_t bytes, bool first)
{
    static const uint8_t begin[FRAME] = {0, 0, 0x10, 0, 0};
    static const uint8_t part[FRAME];

    for (size_t sent = 0; sent < bytes; sent += FRAME) {
        const size_t size = bytes - sent < FRAME ? bytes - sent : FRAME;

        raw_send(&world.raw, RAW_DATA, 0, stream, first && sent == 0 ? begin : part, size);
    }
    room[0] -= (int64_t)bytes;
    room[stream] -= (int64_t)bytes;
}

static void a_client_that_begins_many_large_messages_is_held_back(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
        read_windows();
    }
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        assert_int_equal(room[stream], stream < 2 * SHARE ? STREAM_WINDOW : 0);
    }
    assert_int_equal(fb_server_stats(world.server)->calls_open, LARGE_CALLS);
    expect_echo(2 * LARGE_CALLS + 1);
}

static void large_messages_come_one_behind_the_other_the_oldest_first(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
        read_windows();
    }
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        size_t left = LARGE + 5 - STREAM_WINDOW;

        while (left > 0) {
            const size_t bytes = left < (size_t)room[stream] ? left : (size_t)room[stream];

            assert_true(bytes > 0); /* or it would wait for ever */
            send_large(stream, bytes, false);
            left -= bytes;
            read_windows();
        }
        assert_int_equal(world.heard, stream / 2 + 1);
        if (stream / 2 + SHARE + 1 < LARGE_CALLS) {
            assert_int_equal(room[stream + 2 * SHARE + 2], 0);
        }
    }
    assert_int_equal(world.heard_bytes, LARGE_CALLS * LARGE);
}

static void a_large_message_that_is_given_up_lets_the_next_come(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
    }
    read_windows();
    assert_int_equal(room[2 * SHARE + 1], 0);
    raw_reset(&world.raw, 1, NGHTTP2_CANCEL);
    read_windows();
    assert_int_equal(room[2 * SHARE + 1], STREAM_WINDOW);
    assert_int_equal(room[2 * SHARE + 3], 0);
}

static void what_waits_for_a_paused_handler_leaves_others_their_window(void **state)
{
    static const uint8_t part[FRAME - 5];
    struct raw *raw = &world.raw;
    int64_t before;

    (void)state;
    world.pause_each = true;
    begin_large();
    before = room[0];
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += FRAME) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    read_windows();
    assert_int_equal(world.heard, 1);
    assert_true(room[0] >= before);
    assert_true(room[1] <= STREAM_WINDOW);
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

/* --- windows --- */

static void an_answer_waits_for_a_window(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_int_not_equal(raw->frame.type, RAW_DATA);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    raw_window(raw, 1, 5);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.size, 5);
    raw_window(raw, 1, 100);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.size, 7);
    expect_trailers(1, "0");
}

static void settings_that_shrink_a_window_in_mid_answer_are_obeyed(void **state)
{
    struct raw *raw = &world.raw;
    size_t came = 0;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, copies, NULL, NULL);
    /* a hundred copies of two thousand bytes */
    {
        static uint8_t request[2005] = {'\n', 0xd0, 0x0f};

        request[2003] = 0x10;
        request[2004] = 100;
        raw_message(raw, 1, RAW_END_STREAM, request, sizeof(request));
    }
    while (came < 65535) {
        assert_true(raw_find(raw, RAW_DATA, 1));
        came += raw->frame.size;
    }
    assert_int_equal(came, 65535);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10); /* our window is negative now */
    raw_window(raw, 0, 1 << 20);
    raw_window(raw, 1, 60000); /* and still is */
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_int_not_equal(raw->frame.type, RAW_DATA);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    raw_window(raw, 1, 1 << 20);
    while (came < 100 * (2003 + 5)) {
        assert_true(raw_find(raw, RAW_DATA, 1));
        came += raw->frame.size;
    }
    assert_int_equal(came, 100 * (2003 + 5));
    expect_trailers(1, "0");
}

static void a_slow_reader_stops_the_handler_at_the_high_mark(void **state)
{
    static uint8_t request[2006] = {'\n', 0xd0, 0x0f};
    struct raw *raw = &world.raw;

    (void)state;
    request[2003] = 0x10;
    request[2004] = 0xe8;
    request[2005] = 0x07; /* a thousand copies: 2 MB, more than the send limit */
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_request(raw, 1, copies, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, request, sizeof(request));
    raw_settle(raw);
    assert_true(world.blocked);
    assert_in_range(world.copies_sent * 2008, SEND_HIGH, SEND_HIGH + 2 * 2008);
    raw_window(raw, 0, 1 << 30);
    raw_window(raw, 1, 1 << 30);
    for (size_t came = 0; came < 1000 * 2008; came += raw->frame.size) {
        assert_true(raw_find(raw, RAW_DATA, 1));
    }
    expect_trailers(1, "0");
}

static void a_small_answer_does_not_wait_behind_a_large_one(void **state)
{
    static uint8_t request[60004] = {'\n', 0xe0, 0xd4, 0x03}; /* 60,000 bytes */
    struct raw *raw = &world.raw;
    size_t large = 0;

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
    raw_window(raw, 0, 1 << 20);
    raw_settle(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    for (size_t at = 0; at < sizeof(request); at += 12000) {
        const size_t size = sizeof(request) - at < 12000 ? sizeof(request) - at : 12000;
        uint8_t part[12005] = {0, 0, 0, 0xea, 0x64}; /* 60,004 */

        memcpy(part + (at == 0 ? 5 : 0), request + at, size);
        raw_send(raw, RAW_DATA, at + size == sizeof(request) ? RAW_END_STREAM : 0, 1, part,
                 size + (at == 0 ? 5 : 0));
    }
    raw_request(raw, 3, echo, NULL, NULL);
    raw_message(raw, 3, RAW_END_STREAM, hello, 7);
    do {
        assert_true(raw_find(raw, RAW_DATA, 0));
        large += raw->frame.stream == 1 ? raw->frame.size : 0;
    } while (raw->frame.stream != 3);
    assert_true(large < sizeof(request)); /* some of it is still to come */
    expect_trailers(3, "0");
    expect_trailers(1, "0");
}

static int set_up_stingy(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.send_limit_bytes = 20000, .streams_per_connection = STREAMS});
    return 0;
}

static void answers_nobody_reads_share_a_bound(void **state)
{
    static uint8_t request[12003] = {'\n', 0xe0, 0x5d}; /* 12,000 bytes */
    struct raw *raw = &world.raw;
    const struct fb_server_stats *stats = fb_server_stats(world.server);

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    for (uint32_t stream = 1; stream < 2 * STREAMS; stream += 2) {
        raw_request(raw, stream, echo, NULL, NULL);
        raw_message(raw, stream, RAW_END_STREAM, request, sizeof(request));
    }
    raw_settle(raw);
    assert_int_equal(stats->calls_ended[FB_OK], 13); /* 13 times 12,008 are within 8 times 20,000 */
    assert_int_equal(stats->calls_ended[FB_RESOURCE_EXHAUSTED], STREAMS - 13);
    raw_window(raw, 1, 20000);
    expect_trailers(1, "0");
}

static void a_window_that_overflows_is_a_flow_control_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_window(&world.raw, 0, INT32_MAX);
    expect_goaway(NGHTTP2_FLOW_CONTROL_ERROR);
}

static void a_window_of_a_stream_that_overflows_resets_it(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    raw_window(&world.raw, 1, INT32_MAX);
    expect_reset(1, NGHTTP2_FLOW_CONTROL_ERROR);
    expect_echo(3);
    assert_int_equal(world.cancelled, 1);
}

static void a_client_is_held_back_while_the_handler_pauses(void **state)
{
    static uint8_t part[16384 - 5];
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_false(raw->frame.type == RAW_WINDOW_UPDATE && raw->frame.stream == 1);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    assert_int_equal(world.heard, 1);
    world.pause_each = false;
    fb_call_resume(world.held);
    assert_true(raw_find(raw, RAW_WINDOW_UPDATE, 1));
    raw_settle(raw);
    assert_int_equal(world.heard, STREAM_WINDOW / 16384);
    raw_send(raw, RAW_DATA, RAW_END_STREAM, 1, NULL, 0);
    raw_until(raw, &world.half_closed);
    fb_call_finish(world.held, fb_ok);
    expect_trailers(1, "0");
}

static void a_client_that_ignores_the_window_is_a_flow_control_error(void **state)
{
    static uint8_t part[16384 - 5];
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    for (size_t sent = 0; sent <= STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    while (raw_read(raw) && raw->frame.type != RAW_RST_STREAM && raw->frame.type != RAW_GOAWAY) {
    }
    assert_int_equal(raw_number(raw, raw->frame.type == RAW_GOAWAY ? 4 : 0),
                     NGHTTP2_FLOW_CONTROL_ERROR);
}

static void all_paused_messages_are_told_in_order_after_half_close(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    raw_settle(raw);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(world.heard, i);
        assert_false(world.half_closed);
        fb_call_resume(world.held);
        raw_settle(raw);
    }
    assert_true(world.half_closed);
    fb_call_finish(world.held, fb_ok);
    expect_trailers(1, "0");
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

#define TEST(name)           cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_IN(world, name) cmocka_unit_test_setup_teardown(name, world, tear_down)

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
        TEST_IN(set_up_roomy, a_client_that_begins_many_large_messages_is_held_back),
        TEST_IN(set_up_roomy, large_messages_come_one_behind_the_other_the_oldest_first),
        TEST_IN(set_up_roomy, a_large_message_that_is_given_up_lets_the_next_come),
        TEST_IN(set_up_roomy, what_waits_for_a_paused_handler_leaves_others_their_window),
        TEST(a_timeout_that_is_none_is_invalid),
        TEST(a_call_that_runs_into_its_deadline_says_so),
        TEST(the_longest_timeout_is_no_overflow),
        TEST(binary_metadata_that_is_not_base64_is_invalid),
        TEST(more_metadata_than_16_kib_is_refused),
        TEST(a_flood_of_fields_ends_the_call_or_the_connection),
        TEST(continuations_without_end_close_the_connection),
        TEST(a_client_that_does_not_speak_http2_is_hung_up_on),
        TEST_IN(set_up_impatient, a_client_that_says_nothing_is_hung_up_on_in_time),
        TEST(frames_before_the_settings_are_an_error),
        TEST(a_frame_larger_than_agreed_is_a_frame_size_error),
        TEST(garbage_closes_the_connection),
        TEST(header_blocks_that_cannot_be_decoded_are_a_compression_error),
        TEST(a_stream_of_the_servers_numbers_is_a_protocol_error),
        TEST(data_on_no_stream_is_a_protocol_error),
        TEST(data_on_a_stream_never_opened_is_a_protocol_error),
        TEST(an_answer_waits_for_a_window),
        TEST(settings_that_shrink_a_window_in_mid_answer_are_obeyed),
        TEST(a_slow_reader_stops_the_handler_at_the_high_mark),
        TEST(a_small_answer_does_not_wait_behind_a_large_one),
        TEST_IN(set_up_stingy, answers_nobody_reads_share_a_bound),
        TEST(a_window_that_overflows_is_a_flow_control_error),
        TEST(a_window_of_a_stream_that_overflows_resets_it),
        TEST(a_client_is_held_back_while_the_handler_pauses),
        TEST(a_client_that_ignores_the_window_is_a_flow_control_error),
        TEST(all_paused_messages_are_told_in_order_after_half_close),
        TEST(a_reset_cancels_the_call),
        TEST(a_client_that_vanishes_cancels_its_calls),
        TEST(a_handler_may_finish_long_after_its_client_vanished),
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
