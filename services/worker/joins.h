#ifndef FB_SERVICES_WORKER_JOINS_H
#define FB_SERVICES_WORKER_JOINS_H

/*
 * joins: how routers know this worker.
 *
 * Every router that the names given resolve to is joined: told what the worker can run, what runs and
 * how busy it is, and obeyed when it asks for a ping or a drain. A router that goes away is joined
 * again when it is back, one that appears is found when the names are resolved anew. On the loop's
 * thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/config/option.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "services/worker/mcp_service.h"

struct joins;

struct joins_server {
    const char *name;   /* as exposed: what calls are routed by */
    uint8_t digest[32]; /* of all that makes its instances differ */
    int tier;           /* number of proto's Tier; 0 leaves it to the router */
};

/* All borrowed for the life of the joins. */
struct joins_config {
    struct fb_loop *loop;
    const struct fb_transport *transport;
    const struct fb_tls_config *tls; /* NULL for none */
    const char *token;               /* NULL for none */
    struct fb_strings routers;       /* names or addresses, address.h */
    const char *worker_id;
    struct fb_strings addresses; /* where we serve, 1 to 8 */
    int tier;                    /* number of proto's Tier */
    uint32_t capacity;
    int64_t start_unix_ms;
    const struct joins_server *servers;
    const struct mcp_service *service; /* and its pool: how busy, what runs */
    /* Tells `fn` all sessions that are held. */
    void (*each_session)(void *self, void (*fn)(void *arg, const char *session), void *arg);
    /* A router wants the worker drained; 0: without a deadline. */
    void (*on_drain)(void *self, const char *reason, int64_t deadline_ms);
    void *self;
};

/* Begins to join. NULL when memory is exhausted. */
struct joins *joins_create(const struct joins_config *config);
void joins_destroy(struct joins *joins); /* NULL is fine */

/* Something that is reported has changed: told soon. */
void joins_touch(struct joins *joins);

/* A session is held from now on, or no longer: told soon. */
void joins_session(struct joins *joins, const char *session, bool held);

/* From now on routers are told that no new calls are wanted. */
void joins_drain(struct joins *joins);

#endif
