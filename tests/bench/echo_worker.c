/*
 * echo-worker: a worker that gives each request back, for measuring what stands before it.
 *
 * Serves McpService/Complete and CallTool as bytes, and joins the router of --router if one is given, so
 * that the same program stands behind flow-router and behind other proxies.
 */
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/base/version.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "runtime/rpc/server.h"
#include "runtime/service/service.h"

enum { HEARTBEAT_MS = 500 };

struct echo_config {
    const char *router;
    const char *id;
};

struct echo {
    struct fb_host *host;
    struct fb_channel *channel;
    struct fb_client_call *join;
    struct fb_timer heartbeat;
};

static struct echo_config config;
static struct echo echo;

static const struct fb_option echo_options[] = {
    {"router", FB_OPTION_STRING, offsetof(struct echo_config, router), .fallback = "",
     .help = "the router to join; empty: none"},
    {"id", FB_OPTION_STRING, offsetof(struct echo_config, id), .fallback = "echo",
     .help = "worker id"},
    {.name = NULL},
};

static void give_back(struct fb_call *call, const ProtobufCMessage *request)
{
    const struct fb_text bytes = fb_call_request_bytes(call);

    (void)request;
    fb_call_send_bytes(call, (const uint8_t *)bytes.data, bytes.size);
    fb_call_finish(call, fb_ok);
}

static const struct fb_method methods[] = {
    {"CallTool", FB_SERVER_STREAM, give_back, .raw = true},
    {"Complete", FB_UNARY, give_back, .raw = true},
};

static const struct fb_rpc_service mcp_service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
};

static void beat(struct fb_timer *timer)
{
    Flowbalancer__V1__WorkerHeartbeat heartbeat = FLOWBALANCER__V1__WORKER_HEARTBEAT__INIT;
    Flowbalancer__V1__JoinRequest request = FLOWBALANCER__V1__JOIN_REQUEST__INIT;
    struct fb_loop *loop = fb_host_loop(echo.host);

    heartbeat.in_flight = fb_server_stats(fb_host_server(echo.host))->calls_open;
    request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HEARTBEAT;
    request.heartbeat = &heartbeat;
    fb_client_call_send(echo.join, &request.base);
    fb_timer_set(loop, timer, fb_loop_now_ms(loop) + HEARTBEAT_MS, beat);
}

static void join_ended(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    (void)call;
    (void)arg;
    echo.join = NULL;
    fb_timer_clear(&echo.heartbeat);
    fprintf(stderr, "echo-worker: the join ended: %s %s\n", fb_code_name(end->status.code),
            end->status.why);
}

static const struct fb_client_call_events join_events = {.on_end = join_ended};

static void listening(void *self)
{
    Flowbalancer__V1__WorkerHello hello = FLOWBALANCER__V1__WORKER_HELLO__INIT;
    Flowbalancer__V1__JoinRequest request = FLOWBALANCER__V1__JOIN_REQUEST__INIT;
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.WorkerRegistryService/Join",
        .wait_for_ready = true,
    };
    char *address = (char *)fb_server_address(fb_host_server(echo.host), 0);

    (void)self;
    if (echo.channel == NULL) {
        return;
    }
    hello.worker_id = (char *)config.id;
    hello.addresses = &address;
    hello.n_addresses = 1;
    hello.tier = FLOWBALANCER__V1__TIER__TIER_WARM;
    hello.capacity = 100000;
    hello.version = (char *)FB_VERSION;
    hello.start_unix_ms = fb_clock_unix_ms();
    request.message_case = FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HELLO;
    request.hello = &hello;
    echo.join = fb_channel_call(echo.channel, &plan, &join_events, NULL);
    if (echo.join != NULL) {
        fb_client_call_send(echo.join, &request.base);
        beat(&echo.heartbeat);
    }
}

static struct fb_status start(struct fb_host *host, void **self)
{
    const struct fb_channel_config channel = {.target = config.router};

    echo.host = host;
    *self = &echo;
    fb_host_serve(host, &mcp_service, &echo);
    return config.router[0] == '\0'
               ? fb_ok
               : fb_channel_create(fb_host_loop(host), &fb_h2, &channel, &echo.channel);
}

static void drain(void *self)
{
    (void)self;
    fb_timer_clear(&echo.heartbeat);
    if (echo.join != NULL) {
        fb_client_call_cancel(echo.join);
        echo.join = NULL;
    }
}

static void destroy(void *self)
{
    (void)self;
    fb_channel_destroy(echo.channel);
}

static const struct fb_service echo_service = {
    .name = "echo",
    .purpose = "gives each request back, behind a router or another proxy",
    .transport = &fb_h2,
    .listen = "127.0.0.1:0",
    .options = echo_options,
    .config = &config,
    .config_size = sizeof(config),
    .start = start,
    .listening = listening,
    .drain = drain,
    .destroy = destroy,
};

int main(int argc, char **argv)
{
    return fb_service_main(argc, argv, &echo_service);
}
