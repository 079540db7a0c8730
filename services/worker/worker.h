#ifndef FB_SERVICES_WORKER_WORKER_H
#define FB_SERVICES_WORKER_WORKER_H

/*
 * worker: puts together what a worker is made of, and tells one part what another has found out.
 *
 * On the loop's thread.
 */

#include <stdint.h>

#include "runtime/config/option.h"
#include "runtime/metrics/metrics.h"
#include "runtime/service/service.h"

struct worker;

/* The options of flow-worker (main.c). */
struct worker_config {
    const char *id;   /* "": made of host name and process id */
    int tier;         /* place in worker_tiers */
    int64_t capacity; /* calls at once that routers may send */
    struct fb_strings routers;
    const char *store;           /* NULL: none */
    struct fb_strings advertise; /* where routers reach us; none: where we listen */
    const char *guard;           /* flow-guard; NULL: beside this program */
    int64_t sessions;            /* most held in memory */
    int64_t session_bytes;       /* and their memory */
    int64_t session_idle_ms;
    int64_t session_lease_ms;
    int64_t starts;  /* servers that may start at once */
    int64_t stop_ms; /* patience at each step of stopping a server */
};

extern const char *const worker_tiers[];
extern const struct fb_metric worker_metrics[];

/*
 * Reads the servers and serves McpService. FAILED_PRECONDITION: flow-guard is not where it should be;
 * else as configured_read and fb_channel_create say. `*worker` is set even then, unless memory is
 * exhausted.
 */
struct fb_status worker_create(const struct worker_config *config, struct fb_host *host,
                               struct worker **worker);

/* It listens: routers are joined from now on. */
void worker_listening(struct worker *worker);

/* Routers are told, and whoever only waits is sent away. */
void worker_drain(struct worker *worker);

/* Stops the servers; fb_host_stopped follows. */
void worker_stop(struct worker *worker);

void worker_destroy(struct worker *worker); /* NULL is fine */

#endif
