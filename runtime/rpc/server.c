#include "runtime/rpc/server.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/message.h"
#include "runtime/rpc/served.h"
#include "runtime/rpc/transport.h"

enum {
    ROUTES_MOST = 256,
    ROUTE_SLOTS = 512,     /* a power of two, at least twice ROUTES_MOST */
    DRAIN_GRACE_MS = 1000, /* for connections to close after the last call was cancelled */
};

struct fb_server {
    struct fb_loop *loop;
    struct fb_server_config limits;
    struct fb_listener *listeners; /* newest last */

    /* what is offered: fixed before the first listen */
    struct fb_route routes[ROUTES_MOST];
    size_t route_count;
    uint16_t slots[ROUTE_SLOTS]; /* index into routes + 1 by hash of path; 0 is free */

    /* what is going on */
    struct fb_call *calls;
    struct fb_server_stats stats;

    /* draining */
    bool draining;
    bool calls_cancelled; /* the drain's deadline has passed */
    int64_t drain_deadline_ms;
    void (*done)(void *arg);
    void *done_arg;
    struct fb_timer drain_end;
    struct fb_defer drain_check;
};

static uint32_t u32_or(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static int64_t i64_or(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value;
}

struct fb_server *fb_server_create(struct fb_loop *loop, const struct fb_server_config *config)
{
    struct fb_server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        return NULL;
    }
    server->loop = loop;
    server->limits = (struct fb_server_config){
        .message_limit_bytes = u32_or(config->message_limit_bytes, FB_MESSAGE_LIMIT_BYTES),
        .send_limit_bytes = u32_or(config->send_limit_bytes, 32u << 20),
        .send_high_bytes = u32_or(config->send_high_bytes, 256u << 10),
        .streams_per_connection = u32_or(config->streams_per_connection, 1024),
        .connections = u32_or(config->connections, 4096),
        .keepalive_ms = i64_or(config->keepalive_ms, 60000),
        .keepalive_timeout_ms = i64_or(config->keepalive_timeout_ms, 20000),
        .handshake_timeout_ms = i64_or(config->handshake_timeout_ms, 10000),
    };
    return server;
}

/* --- routes --- */

static void add_route(struct fb_server *server, const struct fb_rpc_service *service, void *self,
                      const struct fb_method *method)
{
    const ProtobufCMethodDescriptor *described =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method->name);
    const size_t room = strlen(service->descriptor->name) + strlen(method->name) + 3;
    char *path = malloc(room);
    size_t slot;

    assert(described != NULL && server->route_count < ROUTES_MOST && server->listeners == NULL);
    if (path == NULL) {
        abort(); /* before anything is served: nothing to save */
    }
    snprintf(path, room, "/%s/%s", service->descriptor->name, method->name);
    server->routes[server->route_count++] = (struct fb_route){
        .path = path,
        .method = method,
        .input = described->input,
        .output = described->output,
        .self = self,
    };
    slot = fb_hash(path, room - 1) % ROUTE_SLOTS;
    while (server->slots[slot] != 0) {
        slot = (slot + 1) % ROUTE_SLOTS;
    }
    server->slots[slot] = (uint16_t)server->route_count;
}

void fb_server_add(struct fb_server *server, const struct fb_rpc_service *service, void *self)
{
    for (size_t i = 0; i < service->method_count; i++) {
        add_route(server, service, self, &service->methods[i]);
    }
}

const struct fb_route *fb_server_route(const struct fb_server *server, struct fb_text path)
{
    size_t slot = fb_hash(path.data, path.size) % ROUTE_SLOTS;

    while (server->slots[slot] != 0) {
        const struct fb_route *route = &server->routes[server->slots[slot] - 1];

        if (fb_text_is(path, route->path)) {
            return route;
        }
        slot = (slot + 1) % ROUTE_SLOTS;
    }
    return NULL;
}

size_t fb_server_routes(const struct fb_server *server, const struct fb_route **routes)
{
    *routes = server->routes;
    return server->route_count;
}

const struct fb_server_config *fb_server_limits(const struct fb_server *server)
{
    return &server->limits;
}

struct fb_loop *fb_server_loop(const struct fb_server *server)
{
    return server->loop;
}

const struct fb_server_stats *fb_server_stats(const struct fb_server *server)
{
    return &server->stats;
}

/* --- listening --- */

struct fb_status fb_server_listen(struct fb_server *server, const struct fb_transport *transport,
                                  const struct fb_listen_config *config)
{
    struct fb_listener *listener = NULL;
    struct fb_listener **last = &server->listeners;
    struct fb_status status = fb_address_check(config->address);

    if (fb_is_ok(status) && strchr(config->address, ',') != NULL) {
        status = fb_fail(FB_INVALID_ARGUMENT, "one listens on one address, not on a list");
    }
    if (fb_is_ok(status)) {
        status = fb_listen_allowed(config->address, &config->tls, config->tokens);
    }
    if (fb_is_ok(status)) {
        status = transport->listen(server, config, &listener);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = listener;
    return fb_ok;
}

const char *fb_server_address(const struct fb_server *server, size_t index)
{
    const struct fb_listener *listener = server->listeners;

    while (listener != NULL && index-- > 0) {
        listener = listener->next;
    }
    return listener == NULL ? NULL : listener->address;
}

/* --- draining --- */

static void end_drain(struct fb_server *server)
{
    void (*done)(void *arg) = server->done;

    fb_timer_clear(&server->drain_end);
    if (done != NULL) {
        server->done = NULL;
        done(server->done_arg);
    }
}

static void drain_deadline_passed(struct fb_timer *timer);

static void check_drain(struct fb_defer *defer)
{
    struct fb_server *server =
        (struct fb_server *)((char *)defer - offsetof(struct fb_server, drain_check));

    if (server->stats.calls_open != 0) {
        return;
    }
    if (server->stats.connections_open == 0) {
        end_drain(server);
        return;
    }
    /* A peer that does not hang up, perhaps as it never looks, need not be waited for long. */
    if (!server->calls_cancelled) {
        const int64_t soon_ms = fb_loop_now_ms(server->loop) + DRAIN_GRACE_MS;

        fb_timer_set(server->loop, &server->drain_end,
                     soon_ms < server->drain_deadline_ms ? soon_ms : server->drain_deadline_ms,
                     drain_deadline_passed);
    }
}

static void check_drain_soon(struct fb_server *server)
{
    if (server->draining && server->done != NULL) {
        fb_loop_defer(server->loop, &server->drain_check, check_drain);
    }
}

/* A handler may finish other calls while it is told, so each round starts at the list's head again. */
static void cancel_all(struct fb_server *server)
{
    const struct fb_status verdict = fb_fail(FB_UNAVAILABLE, "the server is shutting down");
    struct fb_call *call = server->calls;

    while (call != NULL) {
        if (call->cancelled) {
            call = call->next;
            continue;
        }
        fb_call_abort(call, verdict);
        call = server->calls;
    }
}

static void drain_deadline_passed(struct fb_timer *timer)
{
    struct fb_server *server =
        (struct fb_server *)((char *)timer - offsetof(struct fb_server, drain_end));

    if (server->calls_cancelled || server->stats.calls_open == 0) {
        end_drain(server);
        return;
    }
    if (fb_loop_now_ms(server->loop) < server->drain_deadline_ms) {
        /* A call that was on its way has come meanwhile. */
        fb_timer_set(server->loop, timer, server->drain_deadline_ms, drain_deadline_passed);
        return;
    }
    server->calls_cancelled = true;
    cancel_all(server);
    fb_timer_set(server->loop, &server->drain_end, fb_loop_now_ms(server->loop) + DRAIN_GRACE_MS,
                 drain_deadline_passed);
    check_drain_soon(server);
}

void fb_server_drain(struct fb_server *server, int64_t deadline_ms, void (*done)(void *arg),
                     void *arg)
{
    assert(!server->draining);
    server->draining = true;
    server->drain_deadline_ms = deadline_ms;
    server->done = done;
    server->done_arg = arg;
    for (struct fb_listener *listener = server->listeners; listener != NULL;
         listener = listener->next) {
        listener->ops->drain(listener);
    }
    fb_timer_set(server->loop, &server->drain_end, deadline_ms, drain_deadline_passed);
    check_drain_soon(server);
}

bool fb_server_is_draining(const struct fb_server *server)
{
    return server->draining;
}

void fb_server_destroy(struct fb_server *server)
{
    struct fb_listener *listener;

    if (server == NULL) {
        return;
    }
    server->done = NULL;
    cancel_all(server);
    listener = server->listeners;
    while (listener != NULL) {
        struct fb_listener *next = listener->next;

        listener->ops->destroy(listener);
        listener = next;
    }
    assert(server->calls == NULL);
    fb_timer_clear(&server->drain_end);
    fb_defer_cancel(&server->drain_check);
    for (size_t i = 0; i < server->route_count; i++) {
        free((char *)server->routes[i].path);
    }
    free(server);
}

/* --- counting --- */

bool fb_server_connection_opened(struct fb_listener *listener)
{
    struct fb_server *server = listener->server;

    if (server->stats.connections_open >= server->limits.connections) {
        return false;
    }
    server->stats.connections_open++;
    server->stats.connections_accepted++;
    listener->connections++;
    return true;
}

void fb_server_connection_closed(struct fb_listener *listener)
{
    listener->connections--;
    listener->server->stats.connections_open--;
    check_drain_soon(listener->server);
}

void fb_server_count_bytes(struct fb_server *server, uint64_t received, uint64_t sent)
{
    server->stats.bytes_received += received;
    server->stats.bytes_sent += sent;
}

void fb_server_count_begin(struct fb_server *server, struct fb_call *call)
{
    server->stats.calls_started++;
    server->stats.calls_open++;
    call->next = server->calls;
    call->link = &server->calls;
    if (call->next != NULL) {
        call->next->link = &call->next;
    }
    server->calls = call;
}

void fb_server_count_end(struct fb_server *server, enum fb_code code)
{
    server->stats.calls_ended[code]++;
}

void fb_server_forget_call(struct fb_server *server, struct fb_call *call)
{
    *call->link = call->next;
    if (call->next != NULL) {
        call->next->link = call->link;
    }
    server->stats.calls_open--;
    check_drain_soon(server);
}
