#ifndef FB_SERVICES_ROUTER_REGISTRY_H
#define FB_SERVICES_ROUTER_REGISTRY_H

/*
 * registry: the workers that have joined, and who holds what.
 *
 * Decides who counts as there; time comes in, it does no I/O. On the loop's thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/router/worker.h"

enum { REGISTRY_WORKERS_MOST = 256, REGISTRY_SESSIONS_MOST = 1000000 };

struct registry;

/* Told whenever a call that found no worker might find one now. */
typedef void registry_change_fn(void *arg);

/* `grace_ms`: silence after which a worker is ejected. NULL when memory is exhausted. */
struct registry *registry_create(int64_t grace_ms, registry_change_fn *on_change, void *arg);
void registry_destroy(struct registry *registry); /* the workers too */

/*
 * Takes in a worker (and owns it from then on). A living one of the same id with an earlier start is
 * made to leave first. ALREADY_EXISTS when that one started later or at the same time and is still heard
 * of; RESOURCE_EXHAUSTED with REGISTRY_WORKERS_MOST.
 */
struct fb_status registry_join(struct registry *registry,
                               const Flowbalancer__V1__WorkerHello *hello, int64_t now_ms,
                               struct worker **worker);

void registry_heard(struct registry *registry, struct worker *worker,
                    const Flowbalancer__V1__WorkerHeartbeat *heartbeat, int64_t now_ms);

/* The worker's channel is connected, or no more. */
void registry_reached(struct registry *registry, struct worker *worker, bool reached,
                      int64_t now_ms);

/* Its stream ended: it is GONE and forgotten once its last call has ended. */
void registry_left(struct registry *registry, struct worker *worker);

/* As worker_call_ended; a worker that is gone may be freed soon after. */
void registry_call_ended(struct registry *registry, struct worker *worker, bool lost,
                         int64_t now_ms);

/* Reviews the health of all; to be called about once a second. */
void registry_sweep(struct registry *registry, int64_t now_ms);

/* Frees one worker that is gone and has no calls any more; NULL when there is none. The caller closes its
 * channel, then calls worker_destroy. */
struct worker *registry_reap(struct registry *registry);

/* All workers, gone ones too, in order of joining; good until the next change. */
struct worker *const *registry_workers(const struct registry *registry, size_t *count);

/* The worker that holds the session; NULL for none. */
struct worker *registry_holder(const struct registry *registry, struct fb_text session);

size_t registry_sessions(const struct registry *registry);

#endif
