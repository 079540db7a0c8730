/*
 * join: the streams by which workers come, report and are told what to do.
 */
#include <stddef.h>
#include <string.h>

#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/message.h"
#include "services/router/link.h"
#include "services/router/router.h"

enum { JOIN_MESSAGE_LIMIT_BYTES = 8 << 20 };

struct join {
    struct router *router;
    struct fb_call *call;
    struct worker *worker;   /* NULL before the hello */
    struct fb_arena scratch; /* of one message */
};

void join_end(struct join *join, struct fb_status status)
{
    struct router *router = join->router;

    if (join->worker != NULL) {
        join->worker->join = NULL;
        registry_left(router->registry, join->worker);
        router_reap_soon(router);
    }
    fb_arena_finish(&join->scratch);
    fb_call_finish(join->call, status);
}

static void welcome(struct join *join)
{
    Flowbalancer__V1__RouterWelcome said = FLOWBALANCER__V1__ROUTER_WELCOME__INIT;
    Flowbalancer__V1__JoinResponse response = FLOWBALANCER__V1__JOIN_RESPONSE__INIT;

    said.router_id = join->router->id;
    said.heartbeat_interval_ms = join->router->config->heartbeat_interval_ms;
    said.grace_ms = join->router->config->heartbeat_grace_ms;
    response.message_case = FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_WELCOME;
    response.welcome = &said;
    fb_call_send(join->call, &response.base);
}

static struct fb_status take_hello(struct join *join, const Flowbalancer__V1__WorkerHello *hello)
{
    struct router *router = join->router;
    struct fb_status status;

    if (join->worker != NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "a second hello on one stream");
    }
    status = registry_join(router->registry, hello, fb_loop_now_ms(router->loop), &join->worker);
    if (!fb_is_ok(status)) {
        return status;
    }
    join->worker->join = join;
    status = link_open(router, join->worker);
    if (fb_is_ok(status)) {
        welcome(join);
    }
    router_reap_soon(router); /* an older worker of this id may have left */
    return status;
}

static struct fb_status take(struct join *join, const Flowbalancer__V1__JoinRequest *request)
{
    switch (request->message_case) {
    case FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HELLO:
        return take_hello(join, request->hello);
    case FLOWBALANCER__V1__JOIN_REQUEST__MESSAGE_HEARTBEAT:
        if (join->worker == NULL) {
            return fb_fail(FB_INVALID_ARGUMENT, "a heartbeat before the hello");
        }
        registry_heard(join->router->registry, join->worker, request->heartbeat,
                       fb_loop_now_ms(join->router->loop));
        return fb_ok;
    default:
        return fb_fail(FB_INVALID_ARGUMENT, "neither hello nor heartbeat");
    }
}

static void on_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct join *join = arg;
    ProtobufCMessage *message = NULL;
    struct fb_status status =
        fb_message_unpack(&flowbalancer__v1__join_request__descriptor, data, size,
                          JOIN_MESSAGE_LIMIT_BYTES, &join->scratch, &message);

    (void)call;
    if (fb_is_ok(status)) {
        status = take(join, (const Flowbalancer__V1__JoinRequest *)message);
    }
    if (!fb_is_ok(status)) {
        const char *why = fb_arena_copy(fb_call_arena(join->call), status.why, strlen(status.why));

        join_end(join, fb_fail(status.code, why == NULL ? "" : why));
        return;
    }
    fb_arena_reset(&join->scratch);
}

static void on_half_close(struct fb_call *call, void *arg)
{
    (void)call;
    join_end(arg, fb_ok);
}

static void on_cancel(struct fb_call *call, void *arg)
{
    (void)call;
    join_end(arg, fb_fail(FB_CANCELLED, "the worker went away"));
}

static const struct fb_call_events join_events = {
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_cancel = on_cancel,
};

static void serve_join(struct fb_call *call, const ProtobufCMessage *request)
{
    struct router *router = fb_call_self(call);
    struct join *join;

    (void)request;
    if (router->stopping) {
        fb_call_finish(call, fb_fail(FB_UNAVAILABLE, "the router is going down"));
        return;
    }
    join = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*join));
    if (join == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another worker"));
        return;
    }
    join->router = router;
    join->call = call;
    fb_arena_init(&join->scratch, JOIN_MESSAGE_LIMIT_BYTES + 4096);
    fb_call_watch(call, &join_events, join);
}

bool join_drain(struct join *join, const char *reason, int64_t deadline_ms)
{
    Flowbalancer__V1__DrainCommand command = FLOWBALANCER__V1__DRAIN_COMMAND__INIT;
    Flowbalancer__V1__JoinResponse response = FLOWBALANCER__V1__JOIN_RESPONSE__INIT;

    command.reason = (char *)reason;
    command.deadline_ms = deadline_ms;
    response.message_case = FLOWBALANCER__V1__JOIN_RESPONSE__MESSAGE_DRAIN;
    response.drain = &command;
    return fb_call_send(join->call, &response.base);
}

void join_stop(struct router *router)
{
    size_t count;
    struct worker *const *workers = registry_workers(router->registry, &count);

    for (size_t i = 0; i < count; i++) {
        if (workers[i]->join != NULL) {
            join_end(workers[i]->join, fb_fail(FB_UNAVAILABLE, "the router is going down"));
        }
    }
}

static const struct fb_method join_methods[] = {
    {"Join", FB_BIDI_STREAM, serve_join, .raw = false},
};

const struct fb_rpc_service join_service = {
    .descriptor = &flowbalancer__v1__worker_registry_service__descriptor,
    .methods = join_methods,
    .method_count = sizeof(join_methods) / sizeof(join_methods[0]),
};
