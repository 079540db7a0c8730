#include "tests/runtime/rpc/h2/client_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/metadata.h"

const char path[] = "/probe.Probe/Echo";
const char hello[] = "\n\5hello";

struct world world;

/* --- the caller --- */

static void on_headers(struct fb_client_call *call, void *arg, const struct fb_metadata *headers)
{
    struct went *went = arg;

    (void)call;
    (void)headers;
    went->headers++;
}

void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct went *went = arg;

    if (went->messages == 0) {
        memcpy(went->first, data, size < sizeof(went->first) ? size : sizeof(went->first));
    }
    went->messages++;
    went->bytes += size;
    if (went->pause_each) {
        fb_client_call_pause(call);
    }
}

static void on_drain(struct fb_client_call *call, void *arg)
{
    struct went *went = arg;

    (void)call;
    went->drained = true;
}

void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct went *went = arg;
    struct fb_text value;

    (void)call;
    assert_false(went->ended);
    went->ended = true;
    went->code = end->status.code;
    went->not_run = end->not_run;
    snprintf(went->why, sizeof(went->why), "%s", end->status.why);
    if (fb_metadata_find(end->trailers, "x-trailer", &value)) {
        snprintf(went->trailer, sizeof(went->trailer), "%.*s", (int)value.size, value.data);
    }
}

const struct fb_client_call_events events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_end = on_end,
};

void start(struct went *went, const struct fb_call_plan *plan)
{
    went->call = fb_channel_call(world.channel, plan, &events, went);
    assert_non_null(went->call);
    fb_client_call_send_bytes(went->call, (const uint8_t *)hello, 7);
    fb_client_call_half_close(went->call);
}

void call(struct went *went)
{
    start(went, &(struct fb_call_plan){.path = path});
}

void wait_end(struct went *went)
{
    const int64_t end_ms = fb_clock_ms() + RAW_WAIT_MS;

    while (!went->ended) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world.loop, 100);
    }
}

void expect_end(struct went *went, enum fb_code code, bool not_run)
{
    wait_end(went);
    assert_int_equal(went->code, code);
    assert_int_equal(went->not_run, not_run);
}

/* --- the world --- */

void make_channel(const struct fb_channel_config *config)
{
    struct fb_channel_config own = *config;

    own.target = world.address;
    assert_true(fb_is_ok(fb_channel_create(world.loop, &fb_h2, &own, &world.channel)));
}

void listen_here(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/s", world.folder);
    world.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(world.listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(world.listen_fd, 8), 0);
}

static int set_up_with(const struct fb_channel_config *config)
{
    world = (struct world){.folder = "/tmp/fb-h2-XXXXXX", .listen_fd = -1};
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.address, sizeof(world.address), "unix:%s/s", world.folder);
    world.loop = fb_loop_create();
    assert_non_null(world.loop);
    make_channel(config);
    listen_here();
    return 0;
}

int set_up(void **state)
{
    (void)state;
    return set_up_with(&(struct fb_channel_config){
        .message_limit_bytes = MESSAGE_LIMIT, .send_high_bytes = 1000, .send_limit_bytes = 100000});
}

void stop_listening(void)
{
    if (world.listen_fd >= 0) {
        close(world.listen_fd);
        world.listen_fd = -1;
        unlink(world.address + strlen("unix:"));
    }
}

int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(world.channel);
    if (world.accepted) {
        raw_close(&world.raw);
    }
    stop_listening();
    fb_loop_destroy(world.loop);
    rmdir(world.folder);
    return 0;
}

void accept_one(struct raw *raw)
{
    char magic[24];
    int fd;

    while (fb_channel_state(world.channel) == FB_CHANNEL_IDLE) {
        fb_loop_turn(world.loop, 100);
    }
    for (int i = 0; i < 4; i++) {
        fb_loop_turn(world.loop, 0); /* looks up, dials */
    }
    fd = accept(world.listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    raw_take(raw, world.loop, fd);
    while (raw->in.size < sizeof(magic) && !raw->closed) {
        fb_loop_turn(world.loop, 100);
    }
    assert_memory_equal(raw->in.data, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sizeof(magic));
    fb_buffer_consume(&raw->in, sizeof(magic));
}

void greet(struct raw *raw)
{
    raw_send(raw, RAW_SETTINGS, 0, 0, NULL, 0);
    raw_send(raw, RAW_SETTINGS, RAW_ACK, 0, NULL, 0);
}

struct raw *serve(void)
{
    accept_one(&world.raw);
    world.accepted = true;
    greet(&world.raw);
    raw_await(&world.raw, RAW_HEADERS);
    return &world.raw;
}

const struct raw_field heading[] = {{":status", "200"}, {"content-type", "application/grpc"}};
const struct raw_field ok[] = {{"grpc-status", "0"}};

void answer(struct raw *raw, uint32_t stream)
{
    raw_headers(raw, stream, RAW_END_HEADERS, heading, 2);
    raw_message(raw, stream, 0, hello, 7);
    raw_headers(raw, stream, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
}
