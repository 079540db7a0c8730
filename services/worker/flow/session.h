#ifndef FB_SERVICES_WORKER_FLOW_SESSION_H
#define FB_SERVICES_WORKER_FLOW_SESSION_H

/*
 * session: what has become of a session's tasks, folded from its events and from nothing else.
 *
 * Folding the same events gives the same state, byte for byte (snapshot_write shows it). What an
 * event may not do in the present state is refused and changes nothing; the one exception is lack of
 * memory in the midst of an event, after which the session is `broken` and is to be loaded again.
 *
 * Invariants, checked by session_fault: at most one lease per task, and exactly the active ones have
 * one; fences strictly increase; what has ended holds no lease; a task is among the ready exactly if
 * it is queued, nothing holds it up and it is not deferred; counts, loads and progress are what the
 * tasks say. Progress is sum(w pct) / sum(w) over the tasks without children, cancelled ones left out.
 *
 * Anyone may read the fields; only session.c, what folds for it (fold.h, session_life.h) and snapshot.c
 * write them. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/flow/changes.h"
#include "services/worker/flow/effort.h"
#include "services/worker/flow/estimates.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/flow_state.h"
#include "services/worker/flow/forecast.h"
#include "services/worker/flow/graph.h"
#include "services/worker/flow/heap.h"
#include "services/worker/flow/kept.h"
#include "services/worker/flow/names.h"
#include "services/worker/flow/pace.h"
#include "services/worker/flow/ranker.h"
#include "services/worker/flow/recent.h"
#include "services/worker/flow/schedule.h"
#include "services/worker/flow/task.h"
#include "services/worker/flow/watch.h"

enum {
    SESSION_TASKS_MOST = 200000,
    SESSION_AGENTS_MOST = 4096,
    SESSION_ACTIVE_MOST = 40,              /* default of FlowSessionOpened.active_most */
    SESSION_LOAD_MOST = 30,                /* of load_most */
    SESSION_WORKS_MS = 2 * 60 * 60 * 1000, /* an agent that was heard since then works */
    SESSION_CYCLE_NAMED = 16,              /* tasks of a refused cycle that are remembered */
    SESSION_PLANS_MOST = 16384,
    SESSION_PATHS = 16, /* of the last evidence of an agent */
};

struct session_agent {
    uint64_t caps;         /* bits: numbers of the session's caps */
    uint32_t held_most;    /* tasks at once */
    uint32_t held;         /* now; derived */
    int64_t heard_ms;      /* unix time of its last event */
    int64_t heard_busy_ms; /* busy time of it: see rhythm.h */
    bool declared;         /* it said what it is capable of: it wants work */
    uint32_t last_task;    /* that it held; 0: none yet */
    uint64_t last_fence;
    uint64_t paths[SESSION_PATHS]; /* hashes of what it named as evidence last, a ring */
    uint32_t paths_seen;
};

/* A plan that has a key. */
struct session_plan {
    uint32_t first;
    uint32_t items;
};

struct session {
    char *name; /* NULL until it was opened */
    uint32_t active_most;
    uint32_t load_most;
    bool automatic;   /* ready work goes to agents with room by itself */
    int64_t lease_ms; /* how long leases last; 0: learned */
    uint32_t share;   /* of the work of agents that several sessions share */

    /* time */
    int64_t opened_ms; /* unix time of being made; 0: not yet */
    uint64_t events;   /* folded so far */
    uint64_t unknown_events;
    int64_t last_ms;  /* unix time of the last event */
    int64_t awake_ms; /* awake time at that event */

    /* who */
    struct names agent_names;
    struct session_agent *agents; /* by number */
    struct names caps;

    /* what */
    struct task *tasks; /* 1 .. task_count */
    uint32_t task_count;
    uint32_t task_room;
    struct names keys;
    uint32_t *key_tasks; /* by number of the key */
    uint64_t fence;      /* the last one granted */
    struct kept kept;    /* documents, segments, conflicts */
    struct names plan_keys;
    struct session_plan *plans; /* by number of the key */
    struct recent recent;       /* mutations */
    uint64_t command;           /* number of the last one: of its first event */
    struct changes changes;

    /* how it goes */
    struct momentum momentum;
    enum flow_state flow_state;
    struct effort effort;
    struct estimates estimates; /* what the schedule goes by */
    struct lease_holds holds;
    struct forecast forecast;
    struct pace pace;
    struct ranker ranker;    /* its candidates: session_is_free */
    uint32_t last_completed; /* task; 0: none yet */
    struct watch watch;

    /* derived */
    struct graph *graph; /* nodes are numbers of tasks */
    struct schedule *schedule;
    struct heap deferred;   /* tasks that only time holds up, by minus that time */
    int64_t settled_ms;     /* what was deferred until then is among the ready */
    uint64_t leaf_weight;   /* sum of w */
    uint64_t leaf_progress; /* sum of w pct */
    uint32_t in_state[TASK_STATES];
    uint32_t open_chains; /* open tasks with parts of a chain below them */
    uint32_t mark;
    uint32_t cycle[SESSION_CYCLE_NAMED]; /* the last fold was refused for it */
    uint32_t cycle_count;
    bool broken;
};

/* Nothing has happened yet. NULL when memory is exhausted. */
struct session *session_create(void);
void session_destroy(struct session *session);

/*
 * Lets an event happen. FAILED_PRECONDITION, INVALID_ARGUMENT: it may not; nothing has changed.
 * RESOURCE_EXHAUSTED: no memory or no room; see `broken`. An event of an unknown kind only counts.
 */
struct fb_status session_fold(struct session *session, const struct event *event);

/* Whether a plan would be folded, without limits of size; it is not. */
struct fb_status session_try_plan(struct session *session, const struct event *event);

/* The task of a number, or NULL. */
const struct task *session_task(const struct session *session, uint32_t task);

/* The number of the task with a key, or 0. */
uint32_t session_task_of_key(const struct session *session, struct fb_text key);

/* The plan of a key, or NULL. */
const struct session_plan *session_plan_of(const struct session *session, struct fb_text key);

/* What became of a mutation that was folded lately, or NULL. */
const struct recent_outcome *session_recent(const struct session *session, struct fb_text agent,
                                            struct fb_text request_id);

/* The number of an agent, or NAMES_NONE. */
uint32_t session_agent_of(const struct session *session, struct fb_text name);

/* Enters what was deferred until `now_ms` among the ready; changes no state. */
void session_settle(struct session *session, int64_t now_ms);

/* Whether nothing but perhaps time holds up the queued task. */
bool session_is_free(const struct task *task);

/* The lowest task that holds up this one, or 0. */
uint32_t session_holds_up(const struct session *session, uint32_t task);

/* Awake time at a unix time: counts at most two hours of every silence. */
int64_t session_awake_ms(const struct session *session, int64_t now_ms);

/*
 * Up to `most` (at most RANKER_CANDIDATES) of the ready tasks, those first that the agent is likely to
 * take up next (NAMES_NONE: whoever, after what was completed last); returns how many. What it should do, the schedule says.
 */
size_t session_likely(const struct session *session, uint32_t agent, int64_t now_ms,
                      struct ranker_likely *likely, size_t most);

/* Agents at work: heard in the last two hours, at most as many as may be active, at least 1. */
uint32_t session_workers(const struct session *session, int64_t now_ms);

/* The flow state as it looks at `now_ms`, without a further event. */
enum flow_state session_flow_state(const struct session *session, int64_t now_ms);

/* Computed, never declared: 0 to 100, to the nearest. */
uint32_t session_progress(const struct session *session);

/* The link as an edge of the graph. */
struct graph_edge session_edge_of(const struct event_link *link);

/* Whether every part of the task's chain has completed or was cancelled, at least one completed, and
 * nothing holds it up: it is to complete of itself. */
bool session_chain_is_done(const struct session *session, uint32_t task);

/* The agent named a file as evidence; whether it did so lately. */
void session_agent_touches(struct session_agent *agent, struct fb_text path);
bool session_agent_touched(const struct session_agent *agent, struct fb_text path);

/* The effort that the session's estimates give a task. */
uint32_t session_effort_ms(const struct session *session, const struct task *task);

/* A sentence about the first invariant that does not hold, or NULL; O(tasks + links). */
const char *session_fault(const struct session *session);

/* -- for snapshot.c -- */

/* Computes all that is derived, once tasks, agents and `links` are there; false: they contradict. */
bool session_derive(struct session *session, const struct graph_edge *edges, size_t edge_count);

/* Room for one more task; NULL when there is none. It is counted by the caller. */
struct task *session_task_room(struct session *session);

/* Makes room for the agents, or plans, that have names. */
bool session_agents_room(struct session *session);
bool session_plans_room(struct session *session);

#endif
