#ifndef FB_SERVICES_WORKER_FLOW_MERGING_H
#define FB_SERVICES_WORKER_FLOW_MERGING_H

/* merging: what the files of merge share. */

#include "services/worker/flow/event.h"
#include "services/worker/flow/merge.h"
#include "services/worker/flow/names.h"
#include "services/worker/flow/session.h"

/* What an origin knew of another. */
struct merge_known {
    uint32_t origin;
    uint64_t sequence;
};

/* A task wherever it goes. */
struct merge_identity {
    uint32_t origin;
    uint32_t number;
};

/*
 * An event of the union. In `event` tasks are indices from 1: first those that the event itself adds, then
 * those of `tasks`.
 */
struct merge_element {
    uint32_t origin;
    uint64_t sequence;
    uint64_t lamport;
    struct fb_text event;
    const struct merge_identity *tasks;
    size_t task_count;
    const struct merge_known *knows; /* more than at the origin's event before */
    size_t known_count;
};

/* Both logs, as they are read. */
struct merge_reading {
    struct fb_arena *arena;
    struct names origins;
    struct merge_element *elements;
    size_t count;
    size_t room;
};

/* -- merge_read.c -- */

/* Appends the elements of a log. */
struct fb_status merge_read(struct merge_reading *reading, const struct merge_log *log);

/* How many tasks the event adds. */
size_t merge_adds(const struct event *event);

typedef uint32_t (*merge_map_fn)(void *arg, uint32_t task);

/* Gives each task that the event names, in order, another number; lists are copied into the arena. False:
 * no memory. 0 stays 0. */
bool merge_map(struct event *event, struct fb_arena *arena, merge_map_fn map, void *arg);

/* -- merge_apply.c -- */

/* The elements in order become an ordinary log. `same` is left alone. */
struct fb_status merge_apply(const struct merge_reading *reading, struct fb_arena *arena,
                             struct merge_result *result);

#endif
