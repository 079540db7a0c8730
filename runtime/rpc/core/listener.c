#include "runtime/rpc/core/listener.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/core/connections.h"
#include "runtime/rpc/core/credentials.h"
#include "runtime/rpc/core/greeting.h"
#include "runtime/rpc/core/library.h"
#include "runtime/rpc/core/queue.h"
#include "runtime/rpc/core/served.h"
#include "runtime/rpc/listening.h"

enum {
    SLOTS = 64,                /* calls that the library can hand over at once */
    ACCEPTS_AT_ONCE = 64,      /* connections in one round */
    ACCEPT_PAUSE_MS = 100,     /* when the process is out of descriptors */
    PING_EACH_MS_AT_MOST = 10, /* how often a peer wants to know if we live is its own affair */
};

struct listener;

/* Where the library puts the next call. */
struct slot {
    struct fb_core_event came;
    struct listener *listener;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

struct listener {
    struct fb_listener listener; /* first */
    struct fb_core_queue *queue;
    grpc_server *core;
    grpc_server_credentials *credentials;
    struct slot slots[SLOTS];

    /* plain: we accept, and know who comes */
    struct fb_listening listening;
    struct fb_watch watch;
    struct fb_timer pause;
    struct fb_core_greeting *greeting; /* those that have said nothing yet */
    struct fb_core_connections *connections;

    /* shutting down */
    struct fb_core_event shut_down;
    bool started;
    bool shutting_down;
    bool counted; /* as a connection: nobody is done before the library has let go of its own */
};

/* --- calls --- */

static void request_call(struct slot *slot)
{
    struct listener *listener = slot->listener;
    grpc_completion_queue *cq = fb_core_queue_cq(listener->queue);

    grpc_call_details_init(&slot->details);
    grpc_metadata_array_init(&slot->metadata);
    /* Refused only while shutting down. */
    if (grpc_server_request_call(listener->core, &slot->call, &slot->details, &slot->metadata, cq,
                                 cq, fb_core_tag(&slot->came)) != GRPC_CALL_OK) {
        grpc_call_details_destroy(&slot->details);
        grpc_metadata_array_destroy(&slot->metadata);
    }
}

static void on_call(struct fb_core_event *event, bool ok)
{
    struct slot *slot = (struct slot *)(void *)((char *)event - offsetof(struct slot, came));
    struct listener *listener = slot->listener;

    if (ok && fb_core_queue_is_closing(listener->queue)) {
        grpc_call_cancel(slot->call, NULL);
        grpc_call_unref(slot->call);
    } else if (ok) {
        fb_core_serve(&listener->listener, listener->queue, listener->connections, slot->call,
                      &slot->details, &slot->metadata);
    }
    grpc_call_details_destroy(&slot->details);
    grpc_metadata_array_destroy(&slot->metadata);
    if (ok && !listener->shutting_down) {
        request_call(slot);
    }
}

/* --- connections --- */

static void on_connection_closed(void *arg)
{
    struct listener *listener = arg;

    fb_server_connection_closed(&listener->listener);
}

static void on_greeted(void *arg, int fd)
{
    struct listener *listener = arg;

    if (fd >= 0) {
        fd = fb_core_connections_add(listener->connections, fd);
    }
    if (fd < 0) {
        fb_server_connection_closed(&listener->listener);
        return;
    }
    grpc_server_add_channel_from_fd(listener->core, fd, listener->credentials);
}

static void add_connection(struct listener *listener, int fd)
{
    if (fb_server_connection_opened(&listener->listener)) {
        fb_core_greeting_add(listener->greeting, fd);
    } else {
        close(fd);
    }
}

static void on_pause_over(struct fb_timer *timer)
{
    struct listener *listener =
        (struct listener *)(void *)((char *)timer - offsetof(struct listener, pause));

    fb_watch_interest(&listener->watch, FB_READABLE);
}

static void on_connections(struct fb_watch *watch, unsigned events)
{
    struct listener *listener =
        (struct listener *)(void *)((char *)watch - offsetof(struct listener, watch));

    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int fd = fb_listening_accept(&listener->listening);

        if (fd >= 0) {
            add_connection(listener, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            fb_watch_interest(&listener->watch, 0);
            fb_timer_set(watch->loop, &listener->pause,
                         fb_loop_now_ms(watch->loop) + ACCEPT_PAUSE_MS, on_pause_over);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

static void stop_accepting(struct listener *listener)
{
    fb_timer_clear(&listener->pause);
    if (listener->watch.fd >= 0) {
        fb_loop_unwatch(&listener->watch);
    }
    fb_listening_close(&listener->listening);
    fb_core_greeting_destroy(listener->greeting);
    listener->greeting = NULL;
}

/* --- the end --- */

static void on_shut_down(struct fb_core_event *event, bool ok)
{
    struct listener *listener =
        (struct listener *)(void *)((char *)event - offsetof(struct listener, shut_down));

    (void)ok;
    if (listener->counted) {
        listener->counted = false;
        fb_server_connection_closed(&listener->listener);
    }
}

static void shut_down(struct listener *listener)
{
    if (listener->shutting_down) {
        return;
    }
    listener->shutting_down = true;
    stop_accepting(listener);
    grpc_server_shutdown_and_notify(listener->core, fb_core_queue_cq(listener->queue),
                                    fb_core_tag(&listener->shut_down));
}

static void listener_drain(struct fb_listener *head)
{
    struct listener *listener = (struct listener *)head;

    listener->counted = fb_server_connection_opened(head);
    shut_down(listener);
}

static void listener_destroy(struct fb_listener *head)
{
    struct listener *listener = (struct listener *)head;

    if (listener == NULL) {
        return;
    }
    stop_accepting(listener);
    if (listener->started) {
        shut_down(listener);
        grpc_server_cancel_all_calls(listener->core);
    }
    fb_core_queue_destroy(listener->queue);
    if (listener->core != NULL) {
        grpc_server_destroy(listener->core);
    }
    fb_core_connections_destroy(listener->connections);
    if (listener->credentials != NULL) {
        grpc_server_credentials_release(listener->credentials);
    }
    free(listener);
    fb_core_library_release();
}

/* --- the beginning --- */

static const struct fb_listener_ops listener_ops = {
    .drain = listener_drain,
    .destroy = listener_destroy,
};

static int as_int(int64_t value)
{
    return value > INT_MAX ? INT_MAX : (int)value;
}

static grpc_arg integer(const char *key, int64_t value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER,
        .key = (char *)(uintptr_t)key,
        .value.integer = as_int(value),
    };
}

static grpc_server *create_core(const struct fb_server_config *limits)
{
    grpc_arg args[] = {
        integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, limits->message_limit_bytes),
        integer(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        integer(GRPC_ARG_MAX_METADATA_SIZE, 2 * FB_METADATA_LIMIT_BYTES),
        integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits->streams_per_connection),
        integer(GRPC_ARG_KEEPALIVE_TIME_MS, limits->keepalive_ms),
        integer(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, limits->keepalive_timeout_ms),
        integer(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        integer(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        integer(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_EACH_MS_AT_MOST),
        integer(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, limits->handshake_timeout_ms),
        integer(GRPC_ARG_ALLOW_REUSEPORT, 0),
    };
    const grpc_channel_args all = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};

    return grpc_server_create(&all, NULL);
}

/* The library knows TLS only on ports of its own. */
static struct fb_status open_secure(struct listener *listener, const char *address)
{
    const char *spelled = strncmp(address, "dns:", 4) == 0 ? address + 4 : address;
    struct fb_listening probe;
    struct fb_status status;
    int port;

    if (fb_address_is_unix(address)) {
        return fb_fail(FB_INVALID_ARGUMENT, "this transport has no TLS on Unix sockets; their mode "
                                            "and the peer's credentials guard them");
    }
    /* It would not say why it cannot. */
    status = fb_listening_open(address, &probe);
    fb_listening_close(&probe);
    if (!fb_is_ok(status)) {
        return status;
    }
    port = grpc_server_add_http2_port(listener->core, spelled, listener->credentials);
    if (port <= 0) {
        return fb_fail(FB_UNAVAILABLE, "the port was taken while it was being opened");
    }
    snprintf(listener->listener.address, sizeof(listener->listener.address), "%.*s:%d",
             (int)(strrchr(spelled, ':') - spelled), spelled, port);
    return fb_ok;
}

static struct fb_status open_plain(struct listener *listener, const char *address)
{
    struct fb_loop *loop = fb_server_loop(listener->listener.server);
    struct fb_status status = fb_listening_open(address, &listener->listening);

    if (!fb_is_ok(status)) {
        return status;
    }
    memcpy(listener->listener.address, listener->listening.address,
           sizeof(listener->listener.address));
    listener->connections = fb_core_connections_create(loop, on_connection_closed, listener);
    listener->greeting = fb_core_greeting_create(
        loop, fb_server_limits(listener->listener.server)->handshake_timeout_ms, on_greeted,
        listener);
    if (listener->connections == NULL || listener->greeting == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no descriptor or memory left to listen with");
    }
    return fb_loop_watch(loop, &listener->watch, listener->listening.fd, FB_READABLE,
                         on_connections);
}

static struct fb_status open_listener(struct listener *listener,
                                      const struct fb_listen_config *config)
{
    struct fb_server *server = listener->listener.server;
    struct fb_status status;

    listener->queue = fb_core_queue_create(fb_server_loop(server));
    if (listener->queue == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no thread or memory left to listen with");
    }
    status = fb_core_server_credentials(&config->tls, &listener->credentials);
    if (!fb_is_ok(status)) {
        return status;
    }
    listener->core = create_core(fb_server_limits(server));
    grpc_server_register_completion_queue(listener->core, fb_core_queue_cq(listener->queue), NULL);
    status = fb_core_has_tls(&config->tls) ? open_secure(listener, config->address)
                                           : open_plain(listener, config->address);
    if (!fb_is_ok(status)) {
        return status;
    }
    grpc_server_start(listener->core);
    listener->started = true;
    for (size_t i = 0; i < SLOTS; i++) {
        listener->slots[i] = (struct slot){.came.fn = on_call, .listener = listener};
        request_call(&listener->slots[i]);
    }
    return fb_ok;
}

struct fb_status fb_core_listen(struct fb_server *server, const struct fb_listen_config *config,
                                struct fb_listener **listener)
{
    struct listener *made = calloc(1, sizeof(*made));
    struct fb_status status;

    *listener = NULL;
    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left to listen with");
    }
    fb_core_library_acquire();
    made->listener.ops = &listener_ops;
    made->listener.server = server;
    made->listener.tokens = config->tokens;
    made->listening.fd = -1;
    made->watch.fd = -1;
    made->shut_down.fn = on_shut_down;
    status = open_listener(made, config);
    if (!fb_is_ok(status)) {
        listener_destroy(&made->listener);
        return status;
    }
    *listener = &made->listener;
    return fb_ok;
}
