#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_DRAW_PARTS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_DRAW_PARTS_H

/*
 * draw_parts: a picture before it is written down: which tasks it shows, and in which layer.
 */

#include "services/worker/flow_service/draw.h"

struct picture_node {
    uint32_t task;
    uint32_t layer; /* above those of all that it waits for */
    bool critical;
};

struct picture {
    const struct session *session;
    struct picture_node *nodes; /* by layer, within a layer side by side what hangs together */
    uint32_t count;
    uint32_t *places; /* by task: its node + 1; 0: not shown */
    const uint32_t *critical;
    uint32_t critical_count;
    uint32_t left_out;
};

/* Told of each link between two tasks that are shown. */
typedef void picture_link_fn(void *arg, const struct graph_edge *edge, bool critical);
void picture_each_link(const struct picture *picture, picture_link_fn *fn, void *arg);

/* What a task is called in pictures: "ready" for what is queued and free, else its state. */
const char *picture_state(const struct picture *picture, uint32_t task);

/* "after", "ends", "on_fail", "parent", "from", "dup" */
const char *picture_link_name(enum graph_kind kind);

void draw_dot(const struct picture *picture, struct fb_buffer *out);
void draw_svg(const struct picture *picture, struct fb_arena *arena, struct fb_buffer *out);
void draw_json(const struct picture *picture, struct fb_buffer *out);

#endif
