/*
 * echo_server ADDRESS: answers each payload with itself, unpacking and packing as any handler does.
 *
 * Prints the address and serves until SIGTERM or SIGINT; then prints how many calls it answered.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/loop/loop.h"
#include "runtime/loop/signals.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"
#include "tests/bench/echo/echo.pb-c.h"

static void stop(struct fb_signals *signals, int number)
{
    (void)number;
    fb_loop_stop(signals->watch.loop);
}

static void unary(struct fb_call *call, const ProtobufCMessage *message)
{
    const Echo__V1__EchoRequest *request = (const Echo__V1__EchoRequest *)message;
    Echo__V1__EchoResponse answer = ECHO__V1__ECHO_RESPONSE__INIT;

    answer.payload = request->payload;
    fb_call_reply(call, &answer.base);
}

struct copies {
    const Echo__V1__EchoRequest *request;
    uint32_t sent;
};

static void send_copies(struct fb_call *call, struct copies *copies)
{
    Echo__V1__EchoResponse answer = ECHO__V1__ECHO_RESPONSE__INIT;

    answer.payload = copies->request->payload;
    while (copies->sent < copies->request->copies) {
        copies->sent++;
        if (!fb_call_send(call, &answer.base)) {
            return; /* on_drain goes on */
        }
    }
    fb_call_finish(call, fb_ok);
}

static void drained(struct fb_call *call, void *arg)
{
    send_copies(call, arg);
}

static void cancelled(struct fb_call *call, void *arg)
{
    (void)arg;
    fb_call_finish(call, fb_fail(FB_CANCELLED, "cancelled"));
}

static const struct fb_call_events stream_events = {.on_drain = drained, .on_cancel = cancelled};

static void stream(struct fb_call *call, const ProtobufCMessage *message)
{
    struct copies *copies = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*copies));

    if (copies == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory"));
        return;
    }
    copies->request = (const Echo__V1__EchoRequest *)message;
    fb_call_watch(call, &stream_events, copies);
    send_copies(call, copies);
}

static const struct fb_method methods[] = {
    {.name = "Stream", .kind = FB_SERVER_STREAM, .handle = stream},
    {.name = "Unary", .kind = FB_UNARY, .handle = unary},
};

static const struct fb_rpc_service service = {
    .descriptor = &echo__v1__echo__descriptor, .methods = methods, .method_count = 2};

int main(int argc, char **argv)
{
    struct fb_loop *loop = fb_loop_create();
    struct fb_signals signals = {.fn = NULL};
    struct fb_server *server;
    struct fb_status status;

    if (argc != 2) {
        fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
        return 2;
    }
    server = fb_server_create(loop, &(struct fb_server_config){.streams_per_connection = 256});
    fb_server_add(server, &service, NULL);
    status = fb_server_listen(server, &fb_h2, &(struct fb_listen_config){.address = argv[1]});
    if (!fb_is_ok(status)) {
        fprintf(stderr, "%s: %s\n", argv[1], status.why);
        return 1;
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
    fb_loop_destroy(loop);
    return 0;
}
