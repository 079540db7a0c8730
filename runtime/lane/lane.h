#ifndef FB_RUNTIME_LANE_LANE_H
#define FB_RUNTIME_LANE_LANE_H

/*
 * lane: blocking work on threads of its own, taken in order and in batches.
 *
 * One loop serves all calls of a program, so what blocks (SQL, disks) runs here and posts its result
 * back. A lane of one thread is a total order; one of several threads has no order. Any thread may
 * push; work is embedded in its owner, so that a lane allocates nothing for it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fb_lane;

/* All zero is not queued. */
struct fb_work {
    struct fb_work *next; /* the lane's while queued; in a batch the one that was pushed after it */
    size_t bytes;         /* what it holds on to, for the lane's bound; set before the push */
};

/*
 * Does the work of a batch: `first` and all that follow by `next`, 1 to batch_most of them in order of
 * pushing. The work is the function's from here on; whoever waits for it is told by the function.
 * `thread` counts from 0. With `first` NULL the lane is idle, see idle_ms.
 */
typedef void fb_lane_fn(void *arg, unsigned thread, struct fb_work *first);

struct fb_lane_config {
    const char *name;     /* of its threads, as a debugger shows them; up to 15 bytes */
    unsigned threads;     /* 1 to 64 */
    size_t batch_most;    /* works in one batch; at least 1 */
    size_t batch_bytes;   /* a batch ends before it exceeds this, but holds at least one */
    size_t waiting_most;  /* works that may wait */
    size_t waiting_bytes; /* and what they may hold on to together */
    int64_t idle_ms;      /* call `run` with NULL after so long without work; 0 for never */
    fb_lane_fn *run;
    void *arg;
};

/* Starts the threads. `config` is copied. NULL when out of memory or threads. */
struct fb_lane *fb_lane_create(const struct fb_lane_config *config);

/* Queues it; false, and nothing queued, when the lane is full or stopping. */
bool fb_lane_push(struct fb_lane *lane, struct fb_work *work);

/* What waits now, for metrics. */
size_t fb_lane_waiting(struct fb_lane *lane);

/* Does what is queued, refuses more, ends the threads and frees. NULL is harmless. */
void fb_lane_destroy(struct fb_lane *lane);

#endif
