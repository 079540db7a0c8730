#ifndef FB_GATEWAY_LOOK_H
#define FB_GATEWAY_LOOK_H

/*
 * look: how the gateway looks at files of the agent's machine without holding up its loop.
 *
 * A value of functions, as the uplink is: look_lane.h makes the real one, which reads on a thread of
 * its own; tests look at once. A job belongs to both sides until it is done: whoever loses interest
 * before says so.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "clients/evidence/evidence.h"
#include "runtime/base/arena.h"
#include "runtime/lane/lane.h"

struct look_item {
    const char *said;        /* what the agent said; NULL for a recorded file */
    const char *path;        /* of a recorded file */
    size_t tag;              /* the owner's own */
    struct fb_evidence seen; /* afterwards */
    const char *fault;       /* what is wrong with what was said; "" when it was understood */
};

struct look_job {
    struct look_item *items; /* in the arena, with their texts */
    size_t count;
    struct fb_arena arena;

    /* On the loop's thread, once; the job is freed when it returns. */
    void (*done)(struct look_job *job, void *arg);
    void *arg;

    atomic_bool abandoned; /* nobody is told, and reading ends soon */
    struct fb_work work;   /* of who does it */
    void *by;
};

struct looker {
    void *self;
    /* Takes the job; `done` comes later, never before it returns. False: too much to do, job not taken. */
    bool (*look)(void *self, struct look_job *job);
};

/* NULL when memory is exhausted. Items are all zero. */
struct look_job *look_job_create(size_t count);
void look_job_destroy(struct look_job *job);

/* Does it: blocks. */
void look_job_do(struct look_job *job);

/* It is done: tells, if anybody is to be told, and frees. */
void look_job_end(struct look_job *job);

#endif
