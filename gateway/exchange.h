#ifndef FB_GATEWAY_EXCHANGE_H
#define FB_GATEWAY_EXCHANGE_H

/*
 * exchange: what mcp.c and the files of methods share: a message on its way to its answer.
 *
 * A method's function gets a `struct ask`, which lives until it returns. It answers at once, or opens
 * an exchange and answers later. Included by mcp.c and the methods, by nobody else.
 */

#include "gateway/envelope.h"
#include "gateway/era.h"
#include "gateway/failures.h"
#include "gateway/jsonrpc.h"
#include "gateway/mcp.h"
#include "gateway/revision.h"
#include "runtime/base/arena.h"

/* The answers to an array of messages, gathered to be one line. */
struct batch {
    bool reading; /* the array is not yet at its end */
    size_t unanswered;
    struct fb_buffer answers;
    struct batch *next_done;
};

/* Where an answer goes. */
struct reply {
    struct fb_text id;
    struct batch *batch; /* NULL: a line of its own */
};

/* A request or notification; slices are of the line. */
struct ask {
    struct reply reply;
    const char *method;
    enum revision revision;
    struct fb_text params;
    struct envelope envelope;
    size_t line_bytes;
    int64_t now_ms;
};

/* A request that waits for the suite. */
struct exchange {
    struct mcp *mcp;

    /* what was asked; copies that live as long as the exchange */
    struct reply reply;
    enum revision revision;
    struct fb_text progress_token; /* empty: no progress is wanted */
    bool wants_log;                /* a modern request that named a level */
    bool repeatable;               /* doing it twice is as good as once */
    bool waits;                    /* the agent asked to wait: it hears that it still does */
    const char *tool;              /* tools/call: the name that the agent used */
    size_t line_bytes;
    int64_t deadline_ms;

    /* how far it is */
    struct uplink_call *call; /* NULL when none is open */
    bool answered;            /* only the end of the call is waited for */
    bool progressed;
    double progress; /* last value told */
    void *work;      /* the method's own */
    void (*work_free)(void *work);

    /* kept by mcp.c */
    uint64_t hash;
    struct exchange *next_of_hash;
    struct exchange *next;
    struct exchange *previous;
    char copies[];
};

struct changes; /* changes.h */
struct flow;    /* flow/flow.h */

enum { EXCHANGE_BUCKETS = 1024 };

struct mcp {
    struct mcp_config config;
    struct mcp_output output;
    struct uplink uplink;
    struct looker looker;
    struct flow *flow;

    /* the legacy session */
    struct era_session session;
    const char *log_level; /* of era_log_levels; "" before logging/setLevel */
    struct changes *changes;

    /* unanswered requests */
    struct exchange *buckets[EXCHANGE_BUCKETS];
    struct exchange
        *exchanges; /* newest first; answered ones whose call has not ended are here too */
    size_t unanswered;
    size_t unanswered_bytes;
    struct batch *done_batches;

    /* the answer that is being written */
    size_t mark; /* where it began */

    bool held;
    struct fb_arena scratch; /* for one line or one message */
    struct fb_text server_info;
};

/* --- answering: answer.c --- */

/* Where the result object is appended to; answer_end follows. */
struct fb_buffer *answer_begin(struct mcp *mcp, const struct reply *reply);

/* False: it was too long for a line (or for memory) and nothing was written; answer otherwise. */
bool answer_end(struct mcp *mcp, const struct reply *reply);

/* A result that is written already. */
void answer_with(struct mcp *mcp, const struct reply *reply, const char *result);
void answer_error(struct mcp *mcp, const struct reply *reply, const struct jsonrpc_error *error);

/* A result of tools/call that says what went wrong. */
void answer_tool_error(struct mcp *mcp, const struct reply *reply, enum revision revision,
                       const char *text);

/* Appends `,"_meta":{…}` with serverInfo for a modern result, nothing for a legacy one. */
void answer_put_server_info(struct mcp *mcp, struct fb_buffer *out, enum revision revision);

/* One of its answers has been written, or will never be; says what was answered, if that is all. */
void batch_release(struct mcp *mcp, struct batch *batch);

/* The same when its array has been read to the end. */
void batch_finish(struct mcp *mcp, struct batch *batch);

/* Between two lines, when nobody refers to those that are done any more. */
void batch_free_done(struct mcp *mcp);

/* --- notifications of ours --- */

/* Where the params object is appended to. */
struct fb_buffer *notice_begin(struct mcp *mcp, const char *method);

/* False: it was too long, and was dropped. */
bool notice_end(struct mcp *mcp);

/* --- waiting for the suite --- */

/*
 * NULL when there are too many, which has been answered. `tool` is empty for other requests than
 * tools/call.
 */
struct exchange *exchange_open(struct mcp *mcp, const struct ask *ask, struct fb_text tool);

/* Asks the suite; answers the failure when not even that is possible. */
void exchange_call(struct exchange *exchange, const char *path, const ProtobufCMessage *request,
                   const struct fb_trace_context *trace, const struct uplink_events *events);

/* The answer was written: frees it, unless its call has not ended; then exchange_close follows. */
void exchange_answered(struct exchange *exchange);

/* The call has ended, or there was none: frees it. */
void exchange_close(struct exchange *exchange);

/* --- the methods --- */

typedef void method_fn(struct mcp *mcp, const struct ask *ask);

/* Our name and version as JSON, on the heap; NULL when memory is exhausted. */
const char *lifecycle_server_info(const char *version);

method_fn lifecycle_cancelled;
method_fn lifecycle_discover;
method_fn lifecycle_initialize;
method_fn lifecycle_initialized;
method_fn lifecycle_ping;
method_fn lifecycle_set_level;
method_fn resources_list;
method_fn resources_read;
method_fn resources_subscribe;
method_fn resources_templates;
method_fn resources_unsubscribe;
method_fn subscriptions_listen;
method_fn tools_call;
method_fn tools_list;

#endif
