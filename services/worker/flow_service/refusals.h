#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_REFUSALS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_REFUSALS_H

/*
 * refusals: how a refusal of the engine is said on the wire.
 */

#include "runtime/base/status.h"
#include "runtime/rpc/call.h"
#include "services/worker/flow/decide.h"

/* The code of flow.proto's table. */
enum fb_code refusal_code(enum refusal_kind kind);

/* Says it in the call's trailers; the status to finish with borrows `why`. */
struct fb_status refusal_say(struct fb_call *call, const struct refusal *refusal);

/* The FlowRefusal as bytes, in the arena; empty when that is exhausted. */
struct fb_text refusal_pack(const struct refusal *refusal, struct fb_arena *arena);

#endif
