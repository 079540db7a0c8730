#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_ACROSS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_ACROSS_H

/*
 * across: what is asked of all sessions of a scope, which the store answers: it alone knows them all.
 */

#include <stdint.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/rpc/call.h"
#include "services/worker/flow_service/search.h"

/* Finds tasks in all sessions of the request's scope; the rest of it was read into `search`. */
void find_across(struct fb_call *call, const Flowbalancer__V1__FindRequest *request,
                 const struct search *search);

/* The conditions and the order that the store can answer; INVALID_ARGUMENT names what it cannot. */
struct fb_status across_check(const struct search *search);

/* A session as the store shows it, in the arena; NULL: exhausted. Pure. */
Flowbalancer__V1__FlowSessionLine *across_line(const Flowbalancer__V1__SessionInfo *info,
                                               int64_t now_ms, struct fb_arena *arena);

#endif
