#ifndef FB_SERVICES_ROUTER_PLACEMENT_H
#define FB_SERVICES_ROUTER_PLACEMENT_H

/*
 * placement: chooses the worker that gets a call.
 *
 * Pure. Rendezvous hashing (Thaler & Ravishankar 1998) with bounded loads (Mirrokni, Thorup &
 * Zadimoghaddam 2018): every router that sees the same workers chooses the same one without talking to
 * the others, and none gets far more than its share.
 */

#include <stddef.h>
#include <stdint.h>

#include "services/router/worker.h"

enum { PLACEMENT_TRIED_MOST = 4 };

struct placement {
    uint64_t key;                         /* hash of session, else server, else agent */
    uint64_t server_hash;                 /* 0: the call is for no single server */
    Flowbalancer__V1__Tier tier;          /* wanted; unspecified: any */
    const struct worker *holder;          /* of the session; NULL: nobody holds it */
    uint64_t tried[PLACEMENT_TRIED_MOST]; /* serials: not these again */
    size_t tried_count;
};

/*
 * In this order: the holder, if it still answers at all (a draining one too: it alone can hand the
 * session over); a worker with a warm instance of the server and room; any that offers the server. Among
 * equals the highest hash with room within the bound. Workers of the wanted tier come before all others.
 * NULL when there is none now.
 */
struct worker *placement_pick(struct worker *const *workers, size_t count,
                              const struct placement *placement);

/*
 * Most calls a worker may have before others are preferred: 1.25 times the mean of `count` workers with
 * `total` calls, this one counted, but never below half of its capacity, since spreading a shared
 * server over workers costs a process each.
 */
uint32_t placement_bound(uint64_t total, size_t count, uint32_t capacity);

#endif
