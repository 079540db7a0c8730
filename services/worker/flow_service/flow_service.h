#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_FLOW_SERVICE_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_FLOW_SERVICE_H

/*
 * flow_service: FlowService as a worker serves it: a request becomes a command of the engine, which the
 * keeper decides and keeps, and the session as it is then becomes the answer.
 *
 * On the loop's thread.
 */

#include "runtime/loop/loop.h"
#include "runtime/rpc/method.h"
#include "services/worker/flow_service/foresight.h"
#include "services/worker/flow_service/turns.h"
#include "services/worker/flow_service/twins.h"
#include "services/worker/sessions/keeper.h"

struct flow_watch; /* watch.c */

/* Open, as the files of the service share it. All zero but the first group. */
struct flow_service {
    /* given by the worker, which outlives it */
    struct fb_loop *loop;
    struct keeper *keeper; /* NULL: there is no store, and so are no sessions */
    struct twins *twins;   /* NULL: no memory for it; nothing is told of other sessions */

    struct flow_watch *watches;
    struct foresight foresight;
    struct turns turns;
    bool draining;
};

extern const struct fb_rpc_service flow_service_rpc;

/* For twins_create; `self` is the keeper. */
const struct session *flow_service_held(void *self, const char *store_id);

/* Whoever watches a session is sent away; calls in sessions are the keeper's to drain. */
void flow_service_drain(struct flow_service *service);

/* After the drain; harmless for what is all zero. */
void flow_service_finish(struct flow_service *service);

#endif
