#ifndef FB_SERVICES_WORKER_FLOW_EVENT_PARTS_H
#define FB_SERVICES_WORKER_FLOW_EVENT_PARTS_H

/* event_parts: what writing and reading of events share; for event_pack.c and event_unpack.c. */

#include "services/worker/flow/event.h"

/* Where messages and lists are made; whatever fails for want of memory leaves `failed`. */
struct event_room {
    struct fb_arena *arena;
    bool failed;
};

/* Zeroed memory for `count` things, at least one; NULL when there is none. */
void *event_take(struct event_room *room, size_t count, size_t size);

#endif
