#ifndef FB_SERVICES_WORKER_FLOW_REMAINING_H
#define FB_SERVICES_WORKER_FLOW_REMAINING_H

/*
 * remaining: how long it takes until all open tasks are done.
 *
 * Monte Carlo: runs of the schedule's own dispatch (the gate between the longest chain and the best
 * index), each with holds drawn about the efforts, log-normal, those under way given how long they have
 * lasted; and of each run all times multiplied by how far off such an estimate is as a whole (`pace`).
 * The time is the session's awake time.
 *
 * Bounded: REMAINING_STEPS holds are drawn in all, so of few tasks there are REMAINING_RUNS_MOST runs
 * and of 1,000 REMAINING_RUNS_LEAST; of more tasks than that nothing is dispatched: the sum of their
 * holds shared evenly, or the longest chain, with the spread of such a sum. Deterministic, by the seed.
 * Pure, any thread.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
    REMAINING_STEPS = 20000,
    REMAINING_RUNS_MOST = 200,
    REMAINING_RUNS_LEAST = 20,
    REMAINING_TASKS_MOST = REMAINING_STEPS / REMAINING_RUNS_LEAST, /* that are dispatched */
};

struct remaining_task {
    double minutes;         /* the median of its hold; 0: it takes nobody's time */
    double elapsed_minutes; /* held so far; only of those held */
    bool held;
    uint32_t priority; /* 0 (first) to 4 */
    double age_days;   /* awake days */
};

/* By index: `after` has to wait for `before`. No cycles. */
struct remaining_edge {
    uint32_t before;
    uint32_t after;
};

struct remaining_work {
    const struct remaining_task *tasks;
    uint32_t count;
    const struct remaining_edge *edges;
    uint32_t edge_count;
    uint32_t workers;   /* 0 counts as 1 */
    double spread;      /* sigma of ln hold */
    double pace;        /* mean of ln (real time / dispatched time) */
    double pace_spread; /* its sigma */
    uint64_t seed;
};

struct remaining {
    double p50_minutes;
    double p90_minutes;
    uint32_t runs; /* 0: nothing was dispatched, see above */
};

/* False when memory is exhausted, or the edges form a cycle. Without tasks all is 0. */
bool remaining_estimate(const struct remaining_work *work, struct remaining *remaining);

#endif
