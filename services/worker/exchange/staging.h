#ifndef FB_SERVICES_WORKER_EXCHANGE_STAGING_H
#define FB_SERVICES_WORKER_EXCHANGE_STAGING_H

/*
 * staging: events that are about to be appended, each proved by folding it into a scratch session.
 *
 * Nothing of it has happened until the caller appends it. Pure; one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/session.h"

enum {
    STAGING_BYTES_MOST = 256 << 20,
    STAGING_CHUNK_BYTES = 8 << 20, /* of one append */
    STAGING_CHUNK_EVENTS = 4096,
};

/* All zero but for `scratch`, which it owns. */
struct staging {
    struct session *scratch; /* as it will be behind the last event */
    struct fb_buffer bytes;  /* of all events */
    size_t *ends;            /* of each in `bytes` */
    size_t count;
    size_t room;
};

void staging_finish(struct staging *staging);

/* A scratch session that is in the state of `session`; NULL when memory is exhausted. */
struct session *staging_copy(struct session *session);

/*
 * Folds and keeps an event, or its bytes; the arena holds what is needed on the way. Fails as
 * session_fold does, or with RESOURCE_EXHAUSTED; then nothing was kept.
 */
struct fb_status staging_add(struct staging *staging, const struct event *event,
                             struct fb_arena *arena);
struct fb_status staging_add_bytes(struct staging *staging, struct fb_text bytes,
                                   struct fb_arena *arena);

/* Takes other bytes in place of those of every event, which fold to the same. RESOURCE_EXHAUSTED. */
struct fb_status staging_replace(struct staging *staging, const struct fb_text *events);

/* The bytes of the i-th event, from 0. */
struct fb_text staging_event(const struct staging *staging, size_t i);

/* Where the append ends that begins with event `first`: STAGING_CHUNK_BYTES or _EVENTS, at least one. */
size_t staging_chunk_end(const struct staging *staging, size_t first);

#endif
