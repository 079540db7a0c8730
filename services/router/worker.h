#ifndef FB_SERVICES_ROUTER_WORKER_H
#define FB_SERVICES_ROUTER_WORKER_H

/*
 * worker: what the router knows of one worker: who it is, how busy, how well.
 *
 * Decides nothing but its own life cycle; time comes in. On the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct fb_channel;
struct join; /* join.c */

enum worker_state {
    WORKER_JOINING,  /* its address is not reached yet */
    WORKER_READY,    /* gets calls */
    WORKER_DRAINING, /* gets no new ones, by its own wish or by order */
    WORKER_EJECTED,  /* set aside for failures or silence; tried again after a while */
    WORKER_GONE,     /* its stream ended; freed when its last call has */
    WORKER_STATES
};

enum {
    WORKER_ADDRESSES = 8,
    WORKER_OFFERS_MOST = 1000,
    WORKER_INSTANCES_MOST = 4096,
    WORKER_FAILURES_IN_A_ROW = 5,    /* lost calls that eject it */
    WORKER_EJECTION_FIRST_MS = 2000, /* doubles with each ejection in a row */
    WORKER_EJECTION_MOST_MS = 60000,
};

struct worker_offer {
    char server[65];
    uint64_t server_hash;
    Flowbalancer__V1__Tier tier; /* unspecified: any */
};

struct worker_instance {
    char id[65];
    char server[65];
    uint64_t server_hash;
    Flowbalancer__V1__InstanceState state;
    uint32_t in_flight;
    uint32_t starts;
    int64_t pid;
    int64_t resident_bytes;
    bool warm;
};

struct worker {
    /* who: fixed once it has joined */
    char id[65];
    uint64_t id_hash;
    uint64_t serial; /* which join this is, from 1; never used again */
    char version[65];
    char addresses[WORKER_ADDRESSES][128];
    size_t address_count;
    Flowbalancer__V1__Tier tier;
    int64_t start_unix_ms;
    struct worker_offer *offers;
    size_t offer_count;

    /* load: changes with every call */
    uint32_t in_flight_here;  /* sent by us and not yet answered; subscriptions aside */
    uint32_t in_flight_there; /* of other routers, as of the last heartbeat */
    uint32_t capacity;        /* most calls at once; at least 1 */
    uint64_t calls;
    uint64_t failures;

    /* holdings: change with heartbeats */
    struct worker_instance *instances;
    size_t instance_count;
    uint32_t sessions;
    int64_t cpu_ms;
    int64_t resident_bytes;

    /* health */
    enum worker_state state;
    bool reached;     /* its channel is connected */
    bool draining;    /* it said so, or was told to */
    int64_t heard_ms; /* last message of its stream, monotonic */
    uint32_t failed_in_a_row;
    uint32_t ejections; /* in a row */
    int64_t ejected_until_ms;

    /* the edge: the forwarder's and the join's to use */
    struct fb_channel *channel;
    size_t address;    /* the one that is dialled */
    struct join *join; /* its stream; NULL once that has ended */
};

/*
 * A worker as its hello describes it; the caller frees it by worker_destroy. INVALID_ARGUMENT names the
 * field that is wrong; RESOURCE_EXHAUSTED without memory.
 */
struct fb_status worker_create(const Flowbalancer__V1__WorkerHello *hello, int64_t now_ms,
                               struct worker **worker);
void worker_destroy(struct worker *worker);

/* Takes over what a heartbeat says (sessions aside: the registry's). */
void worker_heard(struct worker *worker, const Flowbalancer__V1__WorkerHeartbeat *heartbeat,
                  int64_t now_ms);

/* The state that its health and wishes give it now. True when it changed. */
bool worker_review(struct worker *worker, int64_t grace_ms, int64_t now_ms);

/* Its stream ended. */
void worker_left(struct worker *worker);

/* A call was sent to it; and it ended, `lost` when the worker (not what it ran) failed it. */
void worker_call_began(struct worker *worker);
void worker_call_ended(struct worker *worker, bool lost, int64_t now_ms);

/* Calls on it now, from all routers, as far as we know. */
uint32_t worker_load(const struct worker *worker);

/* NULL when it does not offer the server. */
const struct worker_offer *worker_offer(const struct worker *worker, uint64_t server_hash);

/* Whether an instance of the server is initialised and has room. */
bool worker_is_warm(const struct worker *worker, uint64_t server_hash);

#endif
