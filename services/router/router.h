#ifndef FB_SERVICES_ROUTER_ROUTER_H
#define FB_SERVICES_ROUTER_ROUTER_H

/*
 * router: what the parts of flow-router share.
 *
 * One per process, on the loop's thread. join.c brings workers in, forward.c sends calls to them,
 * admin.c shows both.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/method.h"
#include "services/router/recent.h"
#include "services/router/registry.h"

enum { ROUTER_METHODS = 29 }; /* that it forwards */

struct fb_server;
struct fb_tls_config;
struct fb_transport;
struct forward;
struct follower;

/* The options table in main.c fills it. */
struct router_config {
    const char *id; /* "": host name and process id */
    int64_t heartbeat_interval_ms;
    int64_t heartbeat_grace_ms;
    int64_t wait_for_worker_ms; /* most a call waits for a place */
    int64_t waiting;            /* most calls that wait at once */
};

/* Places in router_metrics. */
enum router_metric {
    ROUTER_CALLS,
    ROUTER_CALL_SECONDS,
    ROUTER_IN_FLIGHT,
    ROUTER_WAITING,
    ROUTER_RETRIES,
    ROUTER_WORKERS,
    ROUTER_SESSIONS,
};
extern const struct fb_metric router_metrics[];

struct router {
    /* who and with what: fixed at start */
    struct fb_loop *loop;
    const struct router_config *config;
    const struct fb_transport *transport; /* towards workers, with the two below */
    const struct fb_tls_config *tls;      /* NULL: none */
    const char *token;                    /* NULL: none */
    const struct fb_server *server;       /* for its figures */
    struct fb_metrics *metrics;
    char id[65];
    int64_t start_unix_ms;

    /* what it knows */
    struct registry *registry;
    struct recent *recent;
    struct follower *followers; /* of recent calls; admin.c */

    /* calls that found no worker, oldest first; forward_lists.c */
    struct forward *waiting;
    struct forward **waiting_end;
    uint32_t waiting_count;
    struct fb_timer waiting_timer;
    struct fb_defer waiting_retry;
    struct forward *standing; /* subscriptions and long waits that are on a worker */
    bool stopping;

    /* figures */
    uint32_t in_flight;
    uint64_t calls;
    uint64_t failures;
    uint64_t retries;
    double retry_tokens; /* each call adds a fifth of one, each retry takes one */
    struct fb_series *call_series[ROUTER_METHODS][FB_CODE_COUNT];
    struct fb_series *second_series[ROUTER_METHODS];

    struct fb_timer sweep;
    struct fb_defer reap;
};

/* RESOURCE_EXHAUSTED without memory. `router` is all zero but for its first group. */
struct fb_status router_init(struct router *router);

/* Ends what stands (joins, subscriptions, waiting calls) with UNAVAILABLE; calls in flight go on. */
void router_drain(struct router *router);

/* After the server has drained: frees everything. */
void router_finish(struct router *router);

/* Frees workers that are gone, at the end of the round. */
void router_reap_soon(struct router *router);

/* join.c */
extern const struct fb_rpc_service join_service;
void join_stop(struct router *router);
void join_end(struct join *join, struct fb_status status); /* ends the stream of a worker */
bool join_drain(struct join *join, const char *reason, int64_t deadline_ms);

/* forward_methods.c, forward_lists.c */
extern const struct fb_rpc_service forward_mcp_service;
extern const struct fb_rpc_service forward_flow_service;
void forward_waiting_soon(struct router *router); /* a place may be free */
void forward_stop(struct router *router);

/* admin.c */
extern const struct fb_rpc_service admin_service;
void admin_call_ended(struct router *router); /* the latest of recent is to be shown to followers */
void admin_stop(struct router *router);

#endif
