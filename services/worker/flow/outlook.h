#ifndef FB_SERVICES_WORKER_FLOW_OUTLOOK_H
#define FB_SERVICES_WORKER_FLOW_OUTLOOK_H

/*
 * outlook: what is to be expected of a session's tasks, worked out when somebody asks.
 *
 * What it says is no part of the state. Beside it stand forecast_at on `session->forecast`, a
 * completion soon, and session_likely, what an agent takes up next. One thread at a time.
 */

#include "runtime/base/status.h"
#include "services/worker/flow/remaining.h"
#include "services/worker/flow/session.h"

enum { OUTLOOK_BLOCKERS = 256 /* that are looked at */ };

/*
 * How likely a queued or blocked task of the session is ready within that time: by all that it waits
 * for, directly or through others, as if all of that were worked on at once, so at best. 0 if it is
 * deferred for longer, has ended or is held, waits for an answer or a failure, or for what will not be.
 */
double outlook_ready_within(const struct session *session, uint32_t number, int64_t within_ms,
                            int64_t now_ms);

/*
 * Awake time until all tasks that are open now are done; takes some 15 ms at most (remaining.h), of 100,000 tasks. The
 * same state and time give the same answer. RESOURCE_EXHAUSTED: no memory.
 */
struct fb_status outlook_remaining(const struct session *session, int64_t now_ms,
                                   struct remaining *remaining);

#endif
