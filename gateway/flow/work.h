#ifndef FB_GATEWAY_FLOW_WORK_H
#define FB_GATEWAY_FLOW_WORK_H

/*
 * work: a request of the agent's about sessions, on its way to FlowService and back.
 *
 * It is a row of questions: each is asked with what is to be done with the answer, and the last
 * answers the agent. Refusals and failures are said here, so a step only sees answers. Whoever has
 * asked or answered returns at once: the work may be gone.
 */

#include "flowbalancer/v1/flow.pb-c.h"

#include "clients/session_id/session_id.h"
#include "gateway/exchange.h"
#include "gateway/flow/args.h"
#include "gateway/look.h"

struct work;

/* The next step; `replies` of the last question are there. */
typedef void work_fn(struct work *work);

/* Looks at one message of a stream, which is kept as well. False: no more are wanted. */
typedef bool work_each_fn(struct work *work, const ProtobufCMessage *reply);

struct work_method {
    const char *path;
    const ProtobufCMessageDescriptor *reply;
};

struct work {
    struct exchange *exchange;
    struct mcp *mcp;
    struct fb_arena arena; /* lives as long as the work */

    /* who asks, in which session */
    const char *session; /* id; "" for none */
    const char *agent;
    const char *handle; /* of both, as agents see it */
    const char *uri;    /* resources/read: what is read; "" for tools */
    struct fb_trace_context trace;

    /* the question that is open, or was answered last */
    const struct work_method *method;
    work_fn *then;
    work_each_fn *each; /* NULL: all are wanted */
    ProtobufCMessage **replies;
    size_t reply_count;
    size_t reply_room;
    struct fb_status broken; /* what was wrong with a reply */
    struct look_job *look;   /* NULL while nobody looks */
    work_fn *looked;

    void *state;  /* the tool's own, in the arena */
    bool refused; /* what will be answered is an error */

    /* what will be answered */
    struct fb_buffer text;
    struct fb_buffer json; /* structured, an object */
};

/* For a tools/call of `tool`, or, with an empty one, another request. NULL: that has been answered. */
struct work *work_open(struct mcp *mcp, const struct ask *ask, const char *tool);

/* In the arena, cleared; NULL when it is exhausted, which has been answered. */
void *work_alloc(struct work *work, size_t count, size_t size);

/* Whom a handle, an id or a name of a session means. False when it can be none: answered. */
bool work_names(struct work *work, const char *handle);

/* The same of a session's name and an agent's. */
bool work_is_of(struct work *work, const char *name, const char *agent);

/* --- asking --- */

Flowbalancer__V1__CallContext *work_context(struct work *work);
Flowbalancer__V1__FlowMutation *work_by(struct work *work, uint64_t fence, uint32_t if_rev);

/* NULL for a ref to nothing. */
Flowbalancer__V1__FlowTaskRef *work_ref(struct work *work, const struct flow_ref *ref);

void work_ask(struct work *work, const struct work_method *method, const ProtobufCMessage *request,
              work_fn *then);
void work_ask_each(struct work *work, const struct work_method *method,
                   const ProtobufCMessage *request, work_each_fn *each, work_fn *then);

/* The first reply; never NULL in `then` of a question that is not answered by a stream. */
const void *work_reply(const struct work *work);

/* Looks at files, then goes on with `work->look`, which is gone when `then` returns. */
void work_look(struct work *work, struct look_job *job, work_fn *then);

/* --- answering --- */

/* A result of tools/call with `text` and, where the revision knows it, `json`. */
void work_answer(struct work *work);

/* An argument is wrong: says so, with the way out if the sentence has none. */
void work_invalid(struct work *work, const char *why);

/* Something else stands in the way. */
void work_fail(struct work *work, enum fb_code code, const char *why);

#endif
