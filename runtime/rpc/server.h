#ifndef FB_RUNTIME_RPC_SERVER_H
#define FB_RUNTIME_RPC_SERVER_H

/*
 * server: the services of a program, and where they are listened for.
 *
 * On the loop's thread. The same server may listen on several addresses, on both transports.
 */

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/method.h"
#include "runtime/rpc/security.h"

struct fb_server;
struct fb_transport; /* h2/h2.h has fb_h2, core/core.h has fb_core */

/* Bounds; 0 takes the default in brackets. */
struct fb_server_config {
    uint32_t message_limit_bytes;    /* largest message received [16 MiB] */
    uint32_t send_limit_bytes;       /* most bytes waiting to be sent in one call [32 MiB] */
    uint32_t send_high_bytes;        /* above this, sends return false [256 KiB] */
    uint32_t streams_per_connection; /* calls at once on one connection [1,024] */
    uint32_t connections;            /* at once in all [4,096] */
    int64_t keepalive_ms;            /* silence after which a connection is pinged [60 s] */
    int64_t keepalive_timeout_ms;    /* a ping unanswered for so long ends it [20 s] */
    int64_t handshake_timeout_ms;    /* from accept to the client's settings [10 s] */
};

/* NULL when memory is exhausted. */
struct fb_server *fb_server_create(struct fb_loop *loop, const struct fb_server_config *config);

/* Closes at once what is left; drain first to be polite. Every call must have been finished or will be
 * cancelled; handlers are called for that. */
void fb_server_destroy(struct fb_server *server);

/* Adds a service before the first listen; `self` is what fb_call_self returns. A table that names a
 * method the descriptor lacks is our bug and asserted. */
void fb_server_add(struct fb_server *server, const struct fb_rpc_service *service, void *self);

struct fb_listen_config {
    const char *address; /* address.h */
    struct fb_tls_config tls;
    const struct fb_tokens *tokens; /* NULL: no token asked for; else UNAUTHENTICATED without one */
};

/*
 * FAILED_PRECONDITION when it may not be listened there (security.h), INVALID_ARGUMENT for a bad address
 * or unreadable TLS files (named), ALREADY_EXISTS when a living program listens there. A Unix socket
 * is made with mode 0600, and a dead one in its place is removed.
 */
struct fb_status fb_server_listen(struct fb_server *server, const struct fb_transport *transport,
                                  const struct fb_listen_config *config);

/* Where listener `index` really listens (the port chosen for 0), spelled as in address.h; NULL past the last. */
const char *fb_server_address(const struct fb_server *server, size_t index);

/*
 * Stops accepting, tells the peers (GOAWAY) and lets calls end until `deadline_ms` (monotonic), then
 * cancels the rest. `done` is called once, when no call and no connection is left; a peer that does
 * not hang up is waited for a second after the last call, no longer.
 */
void fb_server_drain(struct fb_server *server, int64_t deadline_ms, void (*done)(void *arg),
                     void *arg);

/* Figures for metrics. */
struct fb_server_stats {
    uint64_t calls_started;
    uint64_t calls_ended[17]; /* by code */
    uint32_t calls_open;
    uint32_t connections_open;
    uint64_t connections_accepted;
    uint64_t bytes_received;
    uint64_t bytes_sent;
};
const struct fb_server_stats *fb_server_stats(const struct fb_server *server);

#endif
