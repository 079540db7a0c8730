#ifndef FB_SERVICES_WORKER_FLOW_SCHEDULE_H
#define FB_SERVICES_WORKER_FLOW_SCHEDULE_H

/*
 * schedule: which ready task of a session an agent should do next.
 *
 * List scheduling with a gate: while the session's longest chain is in danger (the ready task with the
 * greatest level has slack of at most theta times the time left), that task goes; otherwise the one with
 * the best index, which is urgent, old and short for its worth (Smith's ratio rule with aging):
 *
 *     left  = max(longest level, effort of the open tasks that nobody has begun / workers)
 *     slack = left - level
 *     index = (2 - priority) - created / tau - log2(effort) + log2(affinity)
 *
 * with efforts below 6 s taken as 6 s. All ages grow alike, so the index is static but for the affinity,
 * and nothing is sorted again as time passes. A ready task older than 4 tau goes before everything. An
 * agent without the capabilities that a task needs never gets it. A task that does not fit into the load
 * is passed over, unless it goes before everything: then all wait for its room. A claim costs O(log V)
 * and a step for each task that is passed over.
 *
 * Time is the session's awake time in milliseconds: it stands still while the session sleeps. Holds
 * the ready and the active tasks, by their index in the graph; whether one is ready, the caller knows.
 * Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/worker/flow/graph.h"

#define SCHEDULE_THETA  0.4
#define SCHEDULE_TAU_MS INT64_C(86400000)     /* 24 awake hours */
#define SCHEDULE_OLD_MS (4 * SCHEDULE_TAU_MS) /* beyond it a ready task goes first */

enum {
    SCHEDULE_RERANKED = 8, /* so many of the best may be overtaken by affinity */
    SCHEDULE_PRIORITY_MOST = 4,
    SCHEDULE_WEIGHT_MOST = 10,
};

struct schedule_limits {
    uint32_t active_per_agent; /* tasks one agent may hold; default 1 */
    uint32_t active;           /* tasks of the session at once; default 40 */
    uint32_t load;             /* weights of the active tasks, if several, together; default 30 */
};

struct schedule_limits schedule_limits_default(void);

struct schedule_task {
    uint64_t needs;           /* capabilities, one bit each as the session numbers them */
    int64_t created_awake_ms; /* awake time of its creation */
    uint8_t priority;         /* 0 (first) .. 4; above counts as 4 */
    uint8_t weight;           /* 1 .. 10; outside counts as the nearest */
};

/* What ties a task to an agent; each makes it a third of a step of priority more attractive. */
enum schedule_tie {
    SCHEDULE_SAME_PARENT = 1,      /* as the last task of the agent */
    SCHEDULE_HELD_PREDECESSOR = 2, /* the agent did something it waited for */
    SCHEDULE_SHARED_EVIDENCE = 4,  /* paths that the agent has touched */
};

/* A set of enum schedule_tie. Must not change graph or schedule. */
typedef unsigned (*schedule_ties_fn)(const void *arg, uint32_t task);

struct schedule_agent {
    uint32_t agent;        /* who, as named to schedule_start */
    uint64_t caps;         /* capabilities it has */
    schedule_ties_fn ties; /* NULL: none */
    const void *ties_arg;
};

enum schedule_answer {
    SCHEDULE_CRITICAL,      /* a task: the longest chain is in danger */
    SCHEDULE_INDEX,         /* a task: the best index */
    SCHEDULE_STARVED,       /* a task: ready, and older than 4 tau */
    SCHEDULE_NOTHING_READY, /* no task is ready */
    SCHEDULE_NEEDS_CAPS,    /* some are, none that the agent may do */
    SCHEDULE_AGENT_FULL,    /* it holds active_per_agent tasks: schedule_active names them */
    SCHEDULE_SESSION_FULL, /* the session has limits.active active tasks, or its load has no room */
};

struct schedule_choice {
    enum schedule_answer answer;
    uint32_t task;     /* GRAPH_NONE unless the answer is a task */
    uint64_t left_ms;  /* time left at best, in effort */
    uint64_t slack_ms; /* of the ready task with the greatest level that the agent may do */
};

struct schedule;

/*
 * Watches `graph`, which it borrows and which must outlive it; one schedule per graph. NULL when memory
 * is exhausted.
 */
struct schedule *schedule_create(struct graph *graph, struct schedule_limits limits);
void schedule_destroy(struct schedule *schedule);

void schedule_set_limits(struct schedule *schedule, struct schedule_limits limits);

/*
 * Enters `node` of the graph as ready, or changes what was said of a task that is ready. False when
 * memory is exhausted, which changes nothing. A task that becomes closed or leaves the graph is no longer
 * ready; new levels and efforts arrive by themselves.
 */
bool schedule_ready(struct schedule *schedule, uint32_t node, struct schedule_task task);

/* No longer ready (deferred, blocked, held up anew). Nothing happens if it is not. */
void schedule_unready(struct schedule *schedule, uint32_t node);

bool schedule_is_ready(const struct schedule *schedule, uint32_t node);
uint32_t schedule_ready_count(const struct schedule *schedule);

/* The next task for the agent, with `workers` agents alive (0 counts as 1). Starts nothing. */
struct schedule_choice schedule_pick(struct schedule *schedule, struct schedule_agent agent,
                                     uint32_t workers, int64_t now_awake_ms);

/*
 * Up to `most` tasks in the order in which the agent would be given them if it could hold them all;
 * returns how many. For a listing of what comes next: limits do not count.
 */
size_t schedule_peek(struct schedule *schedule, struct schedule_agent agent, uint32_t workers,
                     int64_t now_awake_ms, uint32_t *tasks, size_t most);

/*
 * The ready tasks that were created before that awake time, the oldest first; fills up to `most`,
 * returns how many.
 */
size_t schedule_oldest(struct schedule *schedule, int64_t before_awake_ms, uint32_t *tasks,
                       size_t most);

/*
 * What schedule_pick would say of this one task, which the agent has named: SCHEDULE_INDEX if it may
 * start it.
 */
enum schedule_answer schedule_may(const struct schedule *schedule, struct schedule_agent agent,
                                  uint32_t task);

/*
 * A task is active with an agent; no longer ready. Counted against the limits but not held to them, as
 * what has happened is so. False when memory is exhausted, which changes nothing. `weight` as above.
 */
bool schedule_start(struct schedule *schedule, uint32_t node, uint32_t agent, uint8_t weight);

/* No longer active: ended, handed back, resting. Nothing happens if it is not. */
void schedule_stop(struct schedule *schedule, uint32_t node);

/*
 * The active tasks, oldest start first: of `agent`, or of all for GRAPH_NONE. Fills up to `most`, returns
 * how many there are.
 */
size_t schedule_active(const struct schedule *schedule, uint32_t agent, uint32_t *tasks,
                       size_t most);

/* Weights of the active tasks together. */
uint32_t schedule_load(const struct schedule *schedule);

#endif
