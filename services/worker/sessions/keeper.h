#ifndef FB_SERVICES_WORKER_SESSIONS_KEEPER_H
#define FB_SERVICES_WORKER_SESSIONS_KEEPER_H

/*
 * keeper: the sessions that this worker holds, between the flow engine and the store.
 *
 * A call names a session and brings a function that decides. The keeper has the session in memory, or
 * acquires and loads it; it runs the function, keeps the events that were decided in the store, and
 * only then ends the call. Events decided while an append is on its way go together with the next one
 * (group commit), so a busy session costs one write of the disk at a time, not one for each call.
 *
 * What is answered is on disk. A function may look at events that are not: its call, also one that
 * decided nothing, ends only when all that it may have seen is. So nobody is ever told of something
 * that a lost append takes back.
 *
 * Whom a session belongs to is the store's to say: every append carries the epoch of the acquisition
 * and the sequence it goes behind. An append whose answer was lost is repeated under its own request
 * id until its fate is known. When another worker has taken the session, the copy is dropped, and the
 * calls whose events were not kept are decided anew on the session as it is then, or told where it is.
 * The engine remembers request ids, so a call whose events were kept, answer or no answer, answers as
 * it did then. The lease is renewed long before it ends, but nothing rests on it.
 *
 * Scopes: the same id in two scopes is two sessions. The store's id of a session is its own id in the
 * scope "", else a digest of the scope, a colon and the id: see store_id.h.
 *
 * All on the loop's thread. Nothing here waits: a store that is away holds calls up until their
 * deadlines, in queues with bounds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "services/worker/flow/decide.h"

struct keeper;
struct keeper_held;  /* a session in the keeper */
struct keeper_queue; /* of calls */

enum {
    KEEPER_CALLS_MOST = 4096, /* of one session that wait for anything, waiting agents too */
    KEEPER_ATTEMPTS_MOST = 5, /* how often a call is decided anew before it is given up */
};

/* Places of the keeper's metrics, counted from keeper_config.first_metric. */
enum keeper_metric {
    KEEPER_METRIC_SESSIONS,       /* gauge: held */
    KEEPER_METRIC_BYTES,          /* gauge: of held sessions, estimated */
    KEEPER_METRIC_CALLS,          /* counter: ended */
    KEEPER_METRIC_EVENTS,         /* counter: kept */
    KEEPER_METRIC_APPENDS,        /* counter: kept */
    KEEPER_METRIC_APPEND_SECONDS, /* histogram: from sending to its fate, repeats included */
    KEEPER_METRIC_LOADS,          /* counter: sessions read from the store */
    KEEPER_METRIC_LOAD_SECONDS,   /* histogram */
    KEEPER_METRIC_TAKEOVERS,      /* counter: acquired although another's lease ran */
    KEEPER_METRIC_LOST,           /* counter: sessions that another worker took */
    KEEPER_METRIC_WAITING,        /* gauge: calls that wait for work or a change */
    KEEPER_METRICS
};

/* The rows of the worker's table: [first_metric] = KEEPER_METRIC_ROWS, in the order above. */
#define KEEPER_METRIC_ROWS                                                                \
    {"flowbalancer_worker_sessions", FB_GAUGE, .help = "Sessions held in memory."},       \
        {"flowbalancer_worker_sessions_bytes", FB_GAUGE,                                  \
         .help = "Memory of the sessions held, estimated.", .unit = FB_UNIT_BYTES},       \
        {"flowbalancer_worker_session_calls_total", FB_COUNTER,                           \
         .help = "Calls in sessions answered."},                                          \
        {"flowbalancer_worker_session_events_total", FB_COUNTER,                          \
         .help = "Events of sessions kept in the store."},                                \
        {"flowbalancer_worker_appends_total", FB_COUNTER,                                 \
         .help = "Appends of events kept in the store."},                                 \
        {"flowbalancer_worker_append_seconds", FB_HISTOGRAM,                              \
         .help = "From sending an append to knowing its fate.", .unit = FB_UNIT_SECONDS}, \
        {"flowbalancer_worker_session_loads_total", FB_COUNTER,                           \
         .help = "Sessions read from the store."},                                        \
        {"flowbalancer_worker_session_load_seconds", FB_HISTOGRAM,                        \
         .help = "From acquiring a session to having it.", .unit = FB_UNIT_SECONDS},      \
        {"flowbalancer_worker_takeovers_total", FB_COUNTER,                               \
         .help = "Sessions taken over from other workers."},                              \
        {"flowbalancer_worker_sessions_lost_total", FB_COUNTER,                           \
         .help = "Sessions that other workers took."},                                    \
    {                                                                                     \
        "flowbalancer_worker_session_waiting", FB_GAUGE,                                  \
            .help = "Calls that wait for work or for a change."                           \
    }

/* --- the keeper --- */

struct keeper_events {
    /* A session (its id, in a scope `<scope>/` and its id) is held from now on, or no longer: for joins. */
    void (*on_held)(void *self, const char *session, bool held);
};

/* 0 takes the default in brackets. */
struct keeper_config {
    struct fb_loop *loop;
    const char *worker_id;    /* what routers know it by */
    int64_t start_unix_ms;    /* tells lives of the same worker apart: with the id, the owner */
    int64_t (*unix_ms)(void); /* the time [fb_clock_unix_ms] */

    uint32_t sessions_most;   /* held at once [1,000] */
    uint64_t bytes_most;      /* that they take, estimated [512 MiB] */
    int64_t lease_ms;         /* of a session [30 s] */
    int64_t call_ms;          /* for a call that has no deadline of its own [30 s] */
    int64_t idle_ms;          /* without a call: snapshot [5 s], sixty times that: released */
    uint32_t snapshot_events; /* events after which a snapshot is put [2,000] */
    uint64_t snapshot_bytes;  /* or their bytes [4 MiB] */

    struct fb_metrics *metrics; /* NULL: not counted */
    size_t first_metric;
    const struct keeper_events *events; /* NULL: nobody to tell */
    void *self;
};

/*
 * Takes `channel`, which leads to the store. Nothing is dialled before it is needed. NULL when memory is
 * exhausted; the channel is then destroyed.
 */
struct keeper *keeper_create(const struct keeper_config *config, struct fb_channel *channel);

/*
 * Finishes what is on its way, puts snapshots and gives up all sessions, then calls `done`, once; at the
 * latest at `deadline_ms` (monotonic). New calls end UNAVAILABLE with reason `not-run` from now on, and
 * so do those that wait for work or a change.
 */
void keeper_drain(struct keeper *keeper, int64_t deadline_ms, void (*done)(void *arg), void *arg);

/* Calls that are left end with CANCELLED before it returns. NULL is fine. */
void keeper_destroy(struct keeper *keeper);

/* Tells the on_held of `fn` all that is held, named as in on_held: for a router that joins. */
void keeper_each_held(const struct keeper *keeper, void (*fn)(void *arg, const char *session),
                      void *arg);

/* A session that is in memory, as it is now. */
struct keeper_seen {
    const char *id; /* lives as long as the session is held */
    uint64_t key;   /* of scope and id */
    uint32_t place; /* below the most that were ever held at once; its own while it is held */
    struct session *session;
};

/*
 * Shows the sessions of a scope that can be decided on at once. `fn` may look at them, and settle them; it
 * may not call the keeper.
 */
void keeper_each_seen(const struct keeper *keeper, struct fb_text scope,
                      void (*fn)(void *arg, const struct keeper_seen *seen), void *arg);

/*
 * A session by its id in the store as it is in memory, with what is on its way to the disk; NULL: it is
 * not held, or not yet read. Lasts until anything is decided.
 */
const struct session *keeper_peek(const struct keeper *keeper, const char *store_id);

/* The way to the store, for what needs no session: listing and searching. */
struct fb_channel *keeper_channel(const struct keeper *keeper);

/* --- a call in a session --- */

/* Why `decide` is called. */
enum keeper_cause {
    KEEPER_FIRST,   /* the call came; also when it is decided anew after its events were not kept */
    KEEPER_GRANTED, /* after KEEPER_WAIT_WORK: the actor was given `task` under `fence` */
    KEEPER_CHANGED, /* after KEEPER_WAIT_CHANGE: what has happened meanwhile is on disk */
    KEEPER_FINISHED, /* after KEEPER_WAIT_WORK: all tasks have ended, so no work will come */
    KEEPER_OVER,     /* after any wait: `wait_ms` is over; to wait again is to be answered */
};

/* What is to happen with the call when all events up to here are on disk. */
enum keeper_verdict {
    KEEPER_ANSWER,      /* on_end, with OK; a refusal is the caller's to tell from the decision */
    KEEPER_WAIT_WORK,   /* on_wait; then decided again when `actor` is given a task */
    KEEPER_WAIT_CHANGE, /* on_wait; then decided again after any further event */
};

struct keeper_end {
    struct fb_status status; /* `why` lives in the call's arena or is constant */
    const char *reason;      /* one word for `flowbalancer-reason`, or "" */
    const char *holder;      /* with `held`: id of the worker that has the session; else "" */
    int64_t retry_ms;        /* for `flowbalancer-retry-ms`; 0: none */
    int64_t sequence;        /* with OK: of the last event that the answer may know of */
};

struct keeper_call;

struct keeper_call_events {
    /*
     * Decides with any of the decide_ functions, and reads. Session, arena, time, request id and waiting
     * agents are set in `decision`. What is to be answered is made now and copied: later the session is
     * another, or gone. Nothing may be said yet. May be called again with KEEPER_FIRST: all that was
     * made before is then void. May not call the keeper.
     */
    enum keeper_verdict (*decide)(struct keeper_call *call, struct decision *decision);

    /* What was decided is on disk, and the call waits. May be NULL. */
    void (*on_wait)(struct keeper_call *call);

    /*
     * Exactly once and last, unless cancelled by us: OK after KEEPER_ANSWER; else:
     *   NOT_FOUND          `no_such`: there is no such session, and `create` was not set.
     *   ABORTED            `held`: `holder` has the session. Go there; or, if it is gone, here again with
     *                      `take_over`.
     *   UNAVAILABLE        `not-run`: nothing was kept; the session is on its way to another worker, the
     *                      keeper drains, or the store was away. Without a reason: whether events were
     *                      kept is not known; repeat with the same request id.
     *   DEADLINE_EXCEEDED  as UNAVAILABLE without a reason, unless `not-run`.
     *   RESOURCE_EXHAUSTED too many calls wait (`retry_ms`), the session does not fit into memory, the
     *                      decision into an append, or the store's disk is full (`disk-full`).
     *   INVALID_ARGUMENT   of scope, id or name. DATA_LOSS: the session cannot be read back.
     */
    void (*on_end)(struct keeper_call *call, const struct keeper_end *end);
};

/* Part of what its owner has for the call. Set the first group; the rest is the keeper's. */
struct keeper_call {
    struct fb_text scope;
    struct fb_text session;
    struct fb_text name;       /* with `create`, for people; empty: none */
    struct fb_text actor;      /* the agent; needed to wait for work */
    struct fb_text request_id; /* of the mutation; empty: it cannot be repeated */
    bool create;               /* make the session if there is none */
    bool take_over;            /* its holder is gone: acquire it all the same */
    int64_t deadline_ms;       /* monotonic; 0 or INT64_MAX: none */
    int64_t wait_ms;           /* how long it may wait for work or a change, in all */
    uint32_t wants;            /* only this task, when it waits for work; 0: the best */
    struct fb_arena *arena;    /* lives until on_end, or until the call is cancelled */
    const struct keeper_call_events *events;
    void *self; /* the owner's */

    /* for `decide` */
    enum keeper_cause cause;
    bool created;   /* the session was made for this call */
    uint32_t task;  /* with KEEPER_GRANTED */
    uint64_t fence; /* with KEEPER_GRANTED */

    /* the keeper's */
    struct keeper_held *held;
    struct keeper_queue *queue; /* NULL: not begun, or ended */
    struct keeper_call *next;
    struct keeper_call *before;
    enum keeper_verdict verdict;
    int64_t sequence; /* to be on disk before it goes on */
    int64_t until_ms; /* of the wait */
    uint32_t attempts;
    bool told_wait;
    struct keeper_end failed; /* if it could not even begin */
    struct fb_timer timer;    /* of deadline or wait */
};

/* Begins. No event comes before it returns: failures, too, are told by on_end. */
void keeper_begin(struct keeper *keeper, struct keeper_call *call);

/*
 * Takes the call back: no event comes any more. What it has decided stays: a task that was granted is
 * the agent's, who gets it with the next call. Harmless when it has ended, or never began (all zero).
 */
void keeper_cancel(struct keeper *keeper, struct keeper_call *call);

/* Says in trailers what an end says beside its status: reason, holder, time to retry. */
void keeper_say(struct fb_call *call, const struct keeper_end *end);

#endif
