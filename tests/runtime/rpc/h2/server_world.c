#include "tests/runtime/rpc/h2/server_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/h2/h2.h"
#include "tests/runtime/rpc/h2/probe.pb-c.h"

const char echo[] = "/probe.Probe/Echo";
const char copies[] = "/probe.Probe/Copies";
const char hold[] = "/probe.Probe/Hold";
const char talk[] = "/probe.Probe/Talk";
const char hello[] = "\n\5hello"; /* Bytes{payload: "hello"} */

struct world world;

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

const struct fb_rpc_service service = {
    .descriptor = &probe__probe__descriptor, .methods = methods, .method_count = 4};

/* --- the world --- */

void serve(const struct fb_server_config *config)
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

int set_up(void **state)
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

int tear_down(void **state)
{
    (void)state;
    raw_close(&world.raw);
    fb_server_destroy(world.server);
    fb_loop_destroy(world.loop);
    rmdir(world.folder);
    return 0;
}

/* --- helpers --- */

void expect_trailers(uint32_t stream, const char *status)
{
    struct raw *raw = &world.raw;

    do {
        assert_true(raw_find(raw, RAW_HEADERS, stream));
    } while ((raw->frame.flags & RAW_END_STREAM) == 0);
    assert_non_null(raw_value(raw, "grpc-status"));
    assert_string_equal(raw_value(raw, "grpc-status"), status);
}

void expect_echo(uint32_t stream)
{
    struct raw *raw = &world.raw;

    raw_request(raw, stream, echo, NULL, NULL);
    raw_message(raw, stream, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_DATA, stream));
    assert_int_equal(raw->frame.size, 12);
    assert_memory_equal(raw->frame.payload + 5, hello, 7);
    expect_trailers(stream, "0");
}

void expect_reset(uint32_t stream, uint32_t error)
{
    assert_true(raw_find(&world.raw, RAW_RST_STREAM, stream));
    assert_int_equal(raw_number(&world.raw, 0), error);
}

void expect_goaway(uint32_t error)
{
    assert_true(raw_find(&world.raw, RAW_GOAWAY, 0));
    assert_int_equal(raw_number(&world.raw, 4), error);
    raw_drain(&world.raw);
}

void wait_until_no_call_is_open(void)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (fb_server_stats(world.server)->calls_open > 0) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world.loop, 100);
    }
}
