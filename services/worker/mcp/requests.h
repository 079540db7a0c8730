#ifndef FB_SERVICES_WORKER_MCP_REQUESTS_H
#define FB_SERVICES_WORKER_MCP_REQUESTS_H

/*
 * requests: what is open with one server, and the bytes that wait to be written to it.
 *
 * Each request gets an id of its own, which is its progress token too, and is found again by it.
 * How it ends is known from how much of its line was written. Requests are an owner's or the
 * session's own (the handshake, pages of a list), which nobody outside counts or hears logs of.
 * Part of a session: no I/O, no clock, one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* --- what owners see of it --- */

struct mcp_session_request;

/* How a request ended. */
enum mcp_session_end {
    MCP_SESSION_RESULT,  /* `body` is the result, an object */
    MCP_SESSION_INPUT,   /* `body` is a result that asks for input */
    MCP_SESSION_ERROR,   /* `body` is the error, an object */
    MCP_SESSION_GARBLED, /* answered, but with what cannot be used; `why` says how */
    MCP_SESSION_UNSENT,  /* the server was lost before it had the whole line: it did not run */
    MCP_SESSION_LOST,    /* the server was lost after that: it may have run */
};

struct mcp_session_answer {
    enum mcp_session_end end;
    struct fb_text body;     /* raw JSON, borrowed until the function returns */
    struct fb_status status; /* OK unless GARBLED; its `why` is a constant */
};

struct mcp_session_request_events {
    /* The server's progress, its `params` without the token; values rise strictly. May be NULL. */
    void (*on_progress)(struct mcp_session_request *request, struct fb_text params);
    /* A log message that surely belongs to this request. May be NULL. */
    void (*on_log)(struct mcp_session_request *request, struct fb_text params);
    /* Exactly once, unless cancelled; the struct is the owner's again when it is called. */
    void (*on_answer)(struct mcp_session_request *request, const struct mcp_session_answer *answer);
};

/* Embedded in its owner; its fields are the session's. */
struct mcp_session_request {
    const struct mcp_session_request_events *events;
    int64_t id;       /* 0: not with a session */
    uint64_t ends_at; /* in the bytes ever put out: where its line is whole */
    bool own;         /* the session's own */
    bool wants_progress;
    bool progressed;
    double progress; /* the last value */
    int log_level;   /* least it wants; -1: none */
    struct mcp_session_request *next;
};

/* What a request is to say. Everything is borrowed until it was put out. */
struct mcp_session_plan {
    const char *method;       /* "tools/call" */
    struct fb_text name;      /* the tool's own name, raw JSON string; empty for none */
    struct fb_text arguments; /* a checked object, or empty for none */
    struct fb_text cursor;    /* raw JSON string; empty for none */
    struct fb_text meta;      /* the agent's `_meta`: a checked object, or empty */
    bool progress;
    int log_level; /* as mcp_session_log_level says; -1: none */
};

/* Least level first: "debug" to "emergency". Its place in the list, or -1. */
int mcp_session_log_level(struct fb_text name);

/* The name of a level that mcp_session_log_level has told. */
const char *mcp_session_log_level_name(int level);

/* --- what the session does with it --- */

enum { REQUESTS_BUCKETS = 256 };

/* All zero but for `version` is a good start. */
struct requests {
    const char *version; /* of this program */
    bool modern;         /* whether requests carry the modern envelope */
    bool lost;           /* requests_lost was called */

    /* output */
    struct fb_buffer out;
    size_t out_at;      /* bytes of `out` already written */
    uint64_t put_bytes; /* ever put out */

    /* open requests, by id */
    struct mcp_session_request *open[REQUESTS_BUCKETS];
    size_t of_owners;
    int64_t last_id;
};

void requests_finish(struct requests *all);

/* Bytes for the server, borrowed until something is put out or written. */
struct fb_text requests_output(const struct requests *all);
void requests_written(struct requests *all, size_t size);

/*
 * Ends a line that is no request, appended to `out` from `start` on; false, and the line undone, when
 * it did not fit into memory.
 */
bool requests_end_line(struct requests *all, size_t start);

/* Puts a request of an owner out; false, and nothing put out, when memory is exhausted. */
bool requests_put(struct requests *all, struct mcp_session_request *request,
                  const struct mcp_session_request_events *events,
                  const struct mcp_session_plan *plan);

/* The same for one of the session's own. `extra_params` are members, or NULL. */
bool requests_put_own(struct requests *all, struct mcp_session_request *request,
                      const struct mcp_session_request_events *events,
                      const struct mcp_session_plan *plan, const char *extra_params);

/* NULL when it is not open. */
struct mcp_session_request *requests_find(const struct requests *all, int64_t id);

/* The one open request of an owner; NULL when there are none or several. */
struct mcp_session_request *requests_only(const struct requests *all);

/* Forgets one that is open. */
void requests_take_out(struct requests *all, struct mcp_session_request *request);

/* Forgets it and tells the server. Harmless when it is not open. */
void requests_cancel(struct requests *all, struct mcp_session_request *request, const char *reason);

/* Forgets it and tells its owner how it ended. */
void requests_answer(struct requests *all, struct mcp_session_request *request,
                     const struct mcp_session_answer *how);

/* The server is gone: ends all with UNSENT or LOST. */
void requests_lost(struct requests *all);

#endif
