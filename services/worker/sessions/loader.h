#ifndef FB_SERVICES_WORKER_SESSIONS_LOADER_H
#define FB_SERVICES_WORKER_SESSIONS_LOADER_H

/*
 * loader: brings a session from the store into memory.
 *
 * Reads the latest snapshot and folds the events after it, aside from the loop, so that a large session
 * holds up no other. A snapshot that cannot be read (of another version, or damaged) is passed over: then
 * all events are folded. On the loop's thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "services/worker/flow/session.h"
#include "services/worker/sessions/aside.h"

struct loader;

struct loaded {
    struct session *session; /* given; its `events` are the last sequence */
    int64_t snapshot_sequence;
    int64_t projection_sequence; /* what queries see of it */
    size_t bytes;                /* of snapshot and events */
};

/* OK with `loaded`; else as the store says, or DATA_LOSS: the events cannot be folded. */
typedef void loader_fn(void *arg, struct fb_status status, const struct loaded *loaded);

struct loader_plan {
    struct fb_loop *loop;
    struct fb_channel *channel;
    struct aside *aside;
    const char *scope;
    const char *store_id;
};

/* `fn` is called once, later, unless it is cancelled. NULL when memory is exhausted. */
struct loader *loader_create(const struct loader_plan *plan, loader_fn *fn, void *arg);
void loader_cancel(struct loader *loader); /* NULL is fine */

#endif
