#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_WHERE_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_WHERE_H

/*
 * where: the conditions of FindRequest.where, as a value.
 *
 *     conditions = [condition *(" " condition)]
 *     condition  = word ":" value          all of them hold
 *     value      = text without spaces / DQUOTE text DQUOTE
 *
 * flow.proto lists the words. Each stands at most once. Pure, any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { WHERE_BYTES = 1024 };

/* What is asked of a task's state beside its seven states. */
enum where_has {
    WHERE_EVIDENCE = 1,
    WHERE_NOTE = 2,
    WHERE_GATE = 4,
    WHERE_ALARM = 8,
};

/* From and to, both included. */
struct where_range {
    bool asked;
    uint32_t least;
    uint32_t most;
};

/* All zero asks for nothing. */
struct where {
    uint32_t states; /* bits of enum task_state; 0: all of them, unless `ready` */
    bool ready;      /* queued and free, beside those in `states` */
    struct fb_text agent;
    struct fb_text key; /* prefix */
    uint32_t parent;    /* 0: not asked */
    uint32_t after;
    uint32_t before;
    struct where_range priority;
    struct where_range weight;
    struct where_range number;
    int64_t since_ms; /* changed within the last so many; 0: not asked */
    unsigned has;     /* bits of enum where_has */
};

/*
 * Reads the conditions; what is found borrows from `text`. INVALID_ARGUMENT, in the arena, names the
 * condition that is not understood, and what would be.
 */
struct fb_status where_read(struct fb_text text, struct fb_arena *arena, struct where *where);

/* Whether a value lies in the range, or none was asked for. */
bool where_in(const struct where_range *range, uint32_t value);

#endif
