#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_DRAW_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_DRAW_H

/*
 * draw: the tasks of a session and what they wait for, as a picture.
 *
 * DOT for Graphviz; SVG, laid out in layers of which each waits for the ones before it, readable
 * without scripts and without colours; JSON for programs. Whatever stands in a title is escaped. Pure;
 * borrows the session.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/session.h"

enum {
    DRAW_TASKS = 500, /* unless said */
    DRAW_TASKS_MOST = 5000,
    DRAW_BYTES_MOST = 15 << 20,
};

enum draw_format { DRAW_DOT, DRAW_SVG, DRAW_JSON, DRAW_FORMATS };

struct draw_wish {
    enum draw_format format;
    uint32_t around; /* only this task and what hangs together with it; 0: all */
    bool open_only;  /* leave out what has ended */
    uint32_t
        tasks_most; /* drawn, the most critical first; 0: DRAW_TASKS, never above DRAW_TASKS_MOST */
};

struct drawing {
    struct fb_text bytes;
    uint32_t left_out;        /* tasks beyond `tasks_most` */
    const uint32_t *critical; /* the longest chain of open tasks, in order */
    uint32_t critical_count;
};

/*
 * Gives a picture in the arena. NOT_FOUND: no such task; RESOURCE_EXHAUSTED: no memory, or the picture
 * is larger than DRAW_BYTES_MOST.
 */
struct fb_status draw(struct session *session, const struct draw_wish *wish, struct fb_arena *arena,
                      struct drawing *drawing);

#endif
