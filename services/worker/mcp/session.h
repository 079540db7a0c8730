#ifndef FB_SERVICES_WORKER_MCP_SESSION_H
#define FB_SERVICES_WORKER_MCP_SESSION_H

/*
 * session: the protocol with one server over one pipe.
 *
 * It finds out the era, shakes hands, gives every request an id of its own, brings each answer to
 * whom it belongs and answers what the server asks. It does no I/O and reads no clock: lines come
 * in with the time, bytes to be written gather in an output, and what has happened is told by the
 * functions the owner gave. These may start and cancel requests, but not destroy the session. On
 * one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/mcp/era.h"
#include "services/worker/mcp/wire.h"

struct session;
struct session_request;

/* --- requests --- */

/* How a request ended. */
enum session_end {
    SESSION_RESULT,  /* `body` is the result, an object */
    SESSION_INPUT,   /* `body` is a result that asks for input */
    SESSION_ERROR,   /* `body` is the error, an object */
    SESSION_GARBLED, /* answered, but with what cannot be used; `why` says how */
    SESSION_UNSENT,  /* the server was lost before it had the whole line: it did not run */
    SESSION_LOST,    /* the server was lost after that: it may have run */
};

struct session_answer {
    enum session_end end;
    struct fb_text body;     /* raw JSON, borrowed until the function returns */
    struct fb_status status; /* OK unless GARBLED; its `why` is a constant */
};

struct session_request_events {
    /* The server's progress, its `params` without the token; values rise strictly. May be NULL. */
    void (*on_progress)(struct session_request *request, struct fb_text params);
    /* A log message that surely belongs to this request. May be NULL. */
    void (*on_log)(struct session_request *request, struct fb_text params);
    /* Exactly once, unless cancelled; the struct is the owner's again when it is called. */
    void (*on_answer)(struct session_request *request, const struct session_answer *answer);
};

/* Embedded in its owner; its fields are the session's. */
struct session_request {
    const struct session_request_events *events;
    int64_t id;       /* 0: not with a session */
    uint64_t ends_at; /* in the bytes ever put out: where its line is whole */
    bool wants_progress;
    bool progressed;
    double progress; /* the last value */
    int log_level;   /* least it wants; -1: none */
    struct session_request *next;
};

/* Least level first: "debug" to "emergency". Its place in the list, or -1. */
int session_log_level(struct fb_text name);

/* What a request is to say. Everything is borrowed until session_request returns. */
struct session_plan {
    const char *method;       /* "tools/call" */
    struct fb_text name;      /* the tool's own name, raw JSON string; empty for none */
    struct fb_text arguments; /* a checked object, or empty for none */
    struct fb_text cursor;    /* raw JSON string; empty for none */
    struct fb_text meta;      /* the agent's `_meta`: a checked object, or empty */
    bool progress;
    int log_level; /* as session_log_level says; -1: none */
};

/* --- lists --- */

enum session_list {
    SESSION_TOOLS,
    SESSION_RESOURCES,
    SESSION_TEMPLATES,
    SESSION_PROMPTS,
    SESSION_LISTS
};

/* A list that was read to its end. Borrowed until the function returns. */
struct session_items {
    const struct fb_text *items; /* raw JSON objects */
    size_t count;
    int64_t ttl_ms; /* as the server says; 0 where it does not */
    size_t skipped; /* items that were no objects with a name */
    bool cut;       /* a bound was met: there would be more */
};

/* --- the session --- */

/* What a server says of itself. Texts are raw JSON but for `instructions`; empty where not said. */
struct session_server {
    enum era era;
    const char *revision;
    struct fb_text info;
    struct fb_text capabilities;
    struct fb_text instructions;
};

/* Why a session cannot go on. */
enum session_failure {
    SESSION_REFUSED, /* the handshake was answered with an error, or with what we cannot speak */
    SESSION_SILENT,  /* it was not answered in time */
    SESSION_OUT_OF_MEMORY,
};

struct session_events {
    /* The handshake is done; requests may be made. */
    void (*on_ready)(void *self);
    /* It cannot go on: end the server. `why` lives as long as the session. */
    void (*on_failed)(void *self, enum session_failure failure, const char *why);
    /* The server says that a list has changed; changes close to each other are told as one. */
    void (*on_changed)(void *self, enum session_list list);
    /* A list asked for: read to its end, or failed and `items` is NULL. */
    void (*on_listed)(void *self, enum session_list list, struct fb_status status,
                      const struct session_items *items);
    /* A log message that belongs to nobody in particular. */
    void (*on_log)(void *self, struct fb_text params);
};

/* Bounds; 0 takes the default in brackets. */
struct session_config {
    enum era era;            /* what is known of it; ERA_UNKNOWN probes */
    bool era_forced;         /* the user's word: another era is an error */
    const char *version;     /* of this program */
    int64_t probe_ms;        /* silence after which a probe counts as not understood [3 s] */
    int64_t start_ms;        /* from the start to the answered handshake [60 s] */
    int64_t list_ms;         /* for all pages of a list [30 s] */
    int64_t debounce_ms;     /* from a change notice to telling of it [250 ms] */
    uint32_t pages_most;     /* of a list [1,000] */
    uint32_t items_most;     /* of a list [10,000] */
    size_t items_bytes_most; /* of a list [8 MiB] */
};

/* NULL when memory is exhausted. `events` is borrowed and usually static. */
struct session *session_create(const struct session_config *config,
                               const struct session_events *events, void *self);

/* Forgets what is open without telling anyone (session_lost tells). NULL is fine. */
void session_destroy(struct session *session);

/* Puts out the first message. */
void session_start(struct session *session, int64_t now_ms);

bool session_is_ready(const struct session *session);

/* Whether the server may still end over the probe: then start it again with ERA_LEGACY. */
bool session_is_probing(const struct session *session);

/* Meaningful once it is ready. */
const struct session_server *session_server(const struct session *session);

/* A line of the server. */
void session_line(struct session *session, struct fb_text line, int64_t now_ms);

/* A line that was too long to keep: of an answer, the request ends GARBLED. */
void session_long_line(struct session *session, struct fb_text head, struct fb_text tail);

/* When session_tick has something to do; INT64_MAX for never. */
int64_t session_due_ms(const struct session *session);
void session_tick(struct session *session, int64_t now_ms);

/* --- what is to be written --- */

/* Bytes for the server, borrowed until the session is used again; empty when there are none. */
struct fb_text session_output(const struct session *session);
void session_written(struct session *session, size_t size);

/* --- work --- */

/*
 * Puts a request out; only when ready. `request` is borrowed until it was answered or cancelled.
 * RESOURCE_EXHAUSTED when memory is; then nothing was put out.
 */
struct fb_status session_request(struct session *session, struct session_request *request,
                                 const struct session_request_events *events,
                                 const struct session_plan *plan);

/* Nobody waits for it any more: tells the server, and ignores what may still come. Harmless twice. */
void session_cancel(struct session *session, struct session_request *request, const char *reason);

/* Requests of owners that are open. */
size_t session_open_requests(const struct session *session);

/*
 * Reads a list; on_listed comes later (at once only when memory is exhausted). Only when ready. Asked
 * for again meanwhile, it is read once more.
 */
void session_list(struct session *session, enum session_list list, int64_t now_ms);

/* Whether the server says that it has such a list at all. */
bool session_has_list(const struct session *session, enum session_list list);

/*
 * The server is gone: ends all open requests with UNSENT or LOST and lists with UNAVAILABLE. Nothing but
 * destroy may follow.
 */
void session_lost(struct session *session);

/* What was odd, since the start. */
struct session_oddities {
    uint64_t noise;   /* lines that were no JSON-RPC */
    uint64_t strays;  /* answers to nothing that is open: late, doubled or made up */
    uint64_t refused; /* requests of the server that were answered with an error */
    uint64_t dropped; /* requests of the server that could not be answered, progress out of order */
};
const struct session_oddities *session_oddities(const struct session *session);

#endif
