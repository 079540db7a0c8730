#ifndef FB_SERVICES_WORKER_POOL_POOL_H
#define FB_SERVICES_WORKER_POOL_POOL_H

/*
 * pool: the configured servers, and the calls that wait for them or run in them.
 *
 * A server is started when something needs it and stopped when nothing has for a while. There is
 * one instance of each, shared by all callers. A server that is slow, broken or in a loop of
 * crashes costs its own callers an error and nobody else anything. On the loop's thread.
 *
 * The process has to adopt orphans (fb_descendants_adopt) and to have no children but the pool's:
 * when a guard was killed, whatever descends from this process and from no other guard is ended.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "services/worker/mcp/session.h"

struct pool;

/* A server as it is to be run. A value; what it points to is borrowed for the pool's life. */
struct pool_server {
    const char *name;        /* as exposed */
    const char *const *argv; /* NULL-ended */
    const char *const *env;  /* NULL-ended, all of it */
    const char *cwd;         /* NULL: ours */
    const char *cannot;      /* why it cannot be run here at all; NULL when it can */
    enum era era;            /* what its settings say; ERA_UNKNOWN probes */
    int64_t start_ms;        /* from the start to the answered handshake */
    int64_t call_ms;         /* of a call that has no deadline of its own */
    int64_t idle_ms;         /* without a call for so long it is stopped */
    size_t line_most_bytes;  /* of what it writes */
};

/* What became of a server. */
enum pool_state {
    POOL_IDLE,     /* not running; started when needed */
    POOL_QUEUED,   /* waits for a place to start */
    POOL_STARTING, /* runs, has not answered the handshake */
    POOL_READY,
    POOL_STOPPING,
    POOL_RESTING, /* ended by itself, waits before it is started again */
    POOL_UNABLE,  /* cannot be run here */
};

struct pool_events {
    /* The tools of a server were read: all that it has now. `said` is what it says of itself. */
    void (*on_tools)(void *self, size_t server, const struct mcp_session_items *items,
                     const struct mcp_session_server *said);
    /* Its state has changed, or its tools could not be read. */
    void (*on_state)(void *self, size_t server);
};

/* 0 takes the default in brackets. */
struct pool_config {
    struct fb_loop *loop;
    const struct pool_server *servers; /* borrowed */
    size_t count;
    const char *guard_path;  /* of flow-guard */
    const char *version;     /* of this program */
    int64_t stop_ms;         /* patience at each step of stopping a server [2 s] */
    uint32_t starts_at_once; /* [4] */
    uint32_t waiting_most;   /* calls that may wait for one server [4,096] */
};

/* NULL when memory is exhausted. `events` is borrowed and usually static. */
struct pool *pool_create(const struct pool_config *config, const struct pool_events *events,
                         void *self);

/* Ends what still runs without waiting for it. NULL is fine. */
void pool_destroy(struct pool *pool);

/* No more starts; waiting calls fail, servers are stopped. `done` comes once, when none is left. */
void pool_stop(struct pool *pool, void (*done)(void *arg), void *arg);

/* --- servers --- */

/* What is known of its era from elsewhere, to spare the probe. Ignored where its settings say. */
void pool_know_era(struct pool *pool, size_t server, enum era era);

/* Has its tools read, now or as soon as it runs; starts it if need be. on_tools or on_state tells. */
void pool_refresh(struct pool *pool, size_t server);

/* Reads anew the tools that are older than their servers allow, of those that run. */
void pool_refresh_stale(struct pool *pool);

struct pool_report {
    enum pool_state state;
    pid_t pid;          /* 0 when not running */
    uint32_t in_flight; /* calls it runs, and those that wait for it */
    uint32_t starts;
    bool has_room;
    bool broke;        /* its last start failed; another may be under way */
    int64_t wanted_ms; /* how long ago it was to be started; while QUEUED or STARTING */
    const char *why;   /* of the last failure; "" when it has run since or never failed */
    int64_t retry_ms;  /* from now until it may be started again; 0: at once */
    bool not_found;    /* its command is not there, or cannot be executed */
};
struct pool_report pool_report(const struct pool *pool, size_t server);

/* --- calls --- */

enum pool_end {
    POOL_RESULT, /* `body` is the server's result */
    POOL_ERROR,  /* `body` is the server's error */
    POOL_FAILED, /* `status` says how */
};

struct pool_outcome {
    enum pool_end end;
    struct fb_text body;     /* raw JSON, borrowed until the function returns */
    const char *revision;    /* that the server speaks; "" when FAILED */
    struct fb_status status; /* its `why` lives in the call's arena, or is a constant */
    const char *reason;      /* one word for the trailer; "" for none */
};

#define POOL_NOT_RUN      "not-run"      /* it surely did not run */
#define POOL_MAY_HAVE_RUN "may-have-run" /* the server was lost while it ran it */

struct pool_call;

struct pool_call_events {
    void (*on_progress)(struct pool_call *call, struct fb_text params);
    void (*on_log)(struct pool_call *call, struct fb_text params);
    /* Exactly once, unless cancelled; perhaps before pool_call_start returns. */
    void (*on_end)(struct pool_call *call, const struct pool_outcome *outcome);
};

/* What to call. Borrowed until the call has ended. */
struct pool_call_plan {
    size_t server;
    struct mcp_session_plan say;
    bool repeatable;        /* it only reads, or twice is as good as once */
    bool has_deadline;      /* somebody else ends it in time */
    struct fb_arena *arena; /* for the words of a failure */
};

/* Embedded in its owner; the fields are the pool's. */
struct pool_call {
    struct mcp_session_request request;
    struct pool *pool;
    const struct pool_call_plan *plan;
    const struct pool_call_events *events;
    struct fb_timer timer;
    uint32_t attempts;
    bool waiting;
    struct pool_call *next;
};

/* Starts a call: at once, or when the server is ready for it. */
void pool_call_start(struct pool *pool, struct pool_call *call, const struct pool_call_plan *plan,
                     const struct pool_call_events *events);

/* Nobody waits for it any more: it never ends. Harmless for one that has ended. */
void pool_call_cancel(struct pool_call *call, const char *reason);

#endif
