#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_FORESIGHT_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_FORESIGHT_H

/*
 * foresight: what is likely to come, as answers have it.
 *
 * What is given lives in the view's arena; NULL: that is exhausted.
 */

#include <stdint.h>

#include "services/worker/flow_service/views.h"

enum { FORESIGHT_SESSIONS = 64, FORESIGHT_LIKELY = 3 };

/*
 * The time that is left, as it was worked out last for some sessions: that takes up to 50 ms, and whoever
 * follows a session asks often. All zero knows nothing.
 */
struct foresight {
    struct foresight_left {
        uint64_t session; /* hash of scope and id; 0: free */
        uint64_t events;  /* when it was worked out, */
        int64_t unix_ms;  /* and when that was */
        int64_t p50_ms;
        int64_t p90_ms;
    } left[FORESIGHT_SESSIONS];
};

/* The names of a session, as foresight_of takes them. */
uint64_t foresight_key(struct fb_text scope, struct fb_text session);

/*
 * Completions and the time that is left; the latter at most a few seconds old where nothing has changed, and
 * a minute otherwise.
 */
Flowbalancer__V1__FlowForecast *foresight_of(struct foresight *foresight, const struct view *view,
                                             uint64_t key);

/* What the agent is likely to take up next, up to FORESIGHT_LIKELY; none for one that is not known. */
Flowbalancer__V1__FlowLikely **foresight_likely(const struct view *view, struct fb_text agent,
                                                size_t *count);

/* How likely a task is ready within each horizon. */
Flowbalancer__V1__FlowReadiness *foresight_readiness(const struct view *view, uint32_t task);

#endif
