/*
 * forwarder ADDRESS TARGET: hands each call on as bytes, as a router does.
 *
 * Prints the address and serves until SIGTERM or SIGINT; then prints how many calls it answered.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/loop/loop.h"
#include "runtime/loop/signals.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"
#include "tests/bench/echo/echo.pb-c.h"

static void stop(struct fb_signals *signals, int number)
{
    (void)number;
    fb_loop_stop(signals->watch.loop);
}

/* --- what comes back --- */

static void came_back(struct fb_client_call *onward, void *arg, const uint8_t *data, size_t size)
{
    if (!fb_call_send_bytes(arg, data, size)) {
        fb_client_call_pause(onward);
    }
}

static void ended(struct fb_client_call *onward, void *arg, const struct fb_call_end *end)
{
    (void)onward;
    fb_call_finish(arg, end->status);
}

static const struct fb_client_call_events onward_events = {
    .on_message = came_back,
    .on_end = ended,
};

/* --- what the caller does --- */

static void drained(struct fb_call *call, void *arg)
{
    (void)call;
    fb_client_call_resume(arg);
}

static void cancelled(struct fb_call *call, void *arg)
{
    fb_client_call_cancel(arg);
    fb_call_finish(call, fb_fail(FB_CANCELLED, "cancelled"));
}

static const struct fb_call_events call_events = {.on_drain = drained, .on_cancel = cancelled};

static void forward(struct fb_call *call, const ProtobufCMessage *message)
{
    const struct fb_text request = fb_call_request_bytes(call);
    const struct fb_call_plan plan = {
        .path = fb_call_path(call),
        .deadline_ms = fb_call_deadline_ms(call),
    };
    struct fb_client_call *onward =
        fb_channel_call(fb_call_self(call), &plan, &onward_events, call);

    (void)message;
    if (onward == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory"));
        return;
    }
    fb_call_watch(call, &call_events, onward);
    fb_client_call_send_bytes(onward, (const uint8_t *)request.data, request.size);
    fb_client_call_half_close(onward);
}

static const struct fb_method methods[] = {
    {.name = "Stream", .kind = FB_SERVER_STREAM, .handle = forward, .raw = true},
    {.name = "Unary", .kind = FB_UNARY, .handle = forward, .raw = true},
};

static const struct fb_rpc_service service = {
    .descriptor = &echo__v1__echo__descriptor, .methods = methods, .method_count = 2};

static int fail(const char *what, struct fb_status status)
{
    fprintf(stderr, "%s: %s\n", what, status.why);
    return 1;
}

int main(int argc, char **argv)
{
    struct fb_channel *channel;
    struct fb_loop *loop = fb_loop_create();
    struct fb_signals signals = {.fn = NULL};
    struct fb_server *server;
    struct fb_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS TARGET\n", argv[0]);
        return 2;
    }
    status =
        fb_channel_create(loop, &fb_h2, &(struct fb_channel_config){.target = argv[2]}, &channel);
    if (!fb_is_ok(status)) {
        return fail(argv[2], status);
    }
    server = fb_server_create(loop, &(struct fb_server_config){.streams_per_connection = 256});
    fb_server_add(server, &service, channel);
    status = fb_server_listen(server, &fb_h2, &(struct fb_listen_config){.address = argv[1]});
    if (!fb_is_ok(status)) {
        return fail(argv[1], status);
    }
    if (!fb_is_ok(fb_signals_open(loop, &signals, stop))) {
        return 1;
    }
    printf("%s\n", fb_server_address(server, 0));
    fflush(stdout);
    fb_loop_run(loop);
    printf("%" PRIu64 " calls answered\n", fb_server_stats(server)->calls_ended[FB_OK]);
    fb_signals_close(&signals);
    fb_server_destroy(server);
    fb_channel_destroy(channel);
    fb_loop_destroy(loop);
    return 0;
}
