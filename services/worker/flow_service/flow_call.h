#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_FLOW_CALL_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_FLOW_CALL_H

/*
 * flow_call: a call in one session, from its request to its answer.
 *
 * A method checks its request, begins, and then decides, perhaps several times (keeper.h says when).
 * It answers by flow_answer while the session is there; what was answered goes out when the keeper has on
 * disk all that the answer may know of. Everything is in the arena of the call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "runtime/rpc/call.h"
#include "services/worker/flow_service/flow_service.h"
#include "services/worker/flow_service/views.h"

enum {
    FLOW_ACTOR_BYTES = 128,
    FLOW_REQUEST_ID_BYTES = 128,
    FLOW_WAIT_MS_MOST = 600000,
};

struct flow_call;

struct flow_method {
    /* As in keeper.h; flow_answer, flow_refuse or flow_fail says what the answer is. */
    enum keeper_verdict (*decide)(struct flow_call *f, struct decision *d);
    /* The call waits from now on; may be NULL. */
    void (*on_wait)(struct flow_call *f);
    /* What was decided is on disk. True: the method goes on by itself, there is no answer yet. May be NULL. */
    bool (*on_decided)(struct flow_call *f);
    /* The caller went away, or the keeper gave up; may be NULL. */
    void (*on_gone)(struct flow_call *f);
    /* It asks what there is: after somebody else has done something, the same is no repetition. */
    bool asks;
};

/* A message of the answer. */
struct flow_message {
    uint8_t *data;
    size_t size;
    struct flow_message *next;
};

struct flow_call {
    struct flow_service *service;
    struct fb_call *call;
    struct fb_arena *arena;
    const struct flow_method *method;
    const ProtobufCMessage *request;
    const Flowbalancer__V1__FlowMutation *by; /* NULL: it changes nothing */
    const Flowbalancer__V1__CallContext *context;
    const char *session;  /* its id */
    struct fb_text actor; /* empty for an onlooker */
    uint64_t arguments;   /* hash of what is asked; 0: whoever asks again and again may */
    struct keeper_call keeper;
    void *own; /* the method's */
    bool told_to_wait;

    /* what was decided last */
    struct flow_message *messages;
    struct flow_message **messages_end;
    struct refusal refusal;
    struct fb_status failure; /* of the request itself */
    bool deciding;            /* the keeper has it */
    bool ended;               /* with OK: messages are being sent */
};

/*
 * A call in the session of `context`, by the actor of `by`, which may be NULL unless `mutates`. NULL: the
 * call has been refused. What may be said of the keeper's call is set before flow_call_begin.
 */
struct flow_call *flow_call_create(struct fb_call *call, const ProtobufCMessage *request,
                                   const Flowbalancer__V1__CallContext *context,
                                   const Flowbalancer__V1__FlowMutation *by, bool mutates,
                                   const struct flow_method *method);
void flow_call_begin(struct flow_call *f);

/* Decides once more, after on_decided. */
void flow_call_again(struct flow_call *f);

/* For a method that is refused before it begins. */
void flow_call_refuse(struct flow_call *f, struct fb_status status);

/* OK, or INVALID_ARGUMENT that names the field; `session_needed`: an empty session is wrong. */
struct fb_status flow_check_context(const Flowbalancer__V1__CallContext *context,
                                    bool session_needed);

/* OK, or FAILED_PRECONDITION without a store, UNAVAILABLE while it drains. */
struct fb_status flow_check_service(const struct flow_service *service);

/* OK, or INVALID_ARGUMENT that names the field. */
struct fb_status flow_check_by(const Flowbalancer__V1__FlowMutation *by, bool mutates);

/* Whether a router has the worker take the session from whoever held it. */
bool flow_takes_over(const struct fb_call *call);

/* --- while deciding; each returns KEEPER_ANSWER, so that a method may end with it --- */

/* A message of the answer, packed at once. */
enum keeper_verdict flow_answer(struct flow_call *f, const ProtobufCMessage *message);

/* The decision's refusal. */
enum keeper_verdict flow_refuse(struct flow_call *f, const struct decision *d);

/* A failure of the request itself; `why` lives in the arena or is constant. */
enum keeper_verdict flow_fail(struct flow_call *f, enum fb_code code, const char *why);
enum keeper_verdict flow_exhausted(struct flow_call *f);

/*
 * The number of a task that is there, by number or key. False: it was refused, `field` is named. An
 * absent one is 0 if `may_be_absent`.
 */
bool flow_task(struct flow_call *f, struct decision *d, const Flowbalancer__V1__FlowTaskRef *ref,
               const char *field, bool may_be_absent, uint32_t *task);

/* What every mutation answers with, in the arena; NULL: exhausted. */
/* Its tasks may be told of as twins from now on. The session's id in the store; NULL: they may not. */
const char *flow_meet_twins(struct flow_call *f, const struct session *session);

Flowbalancer__V1__FlowCommitted *flow_committed(struct flow_call *f, const struct decision *d);

/* Texts and lists as the engine takes them; false: the arena is exhausted. */
bool flow_texts(struct flow_call *f, char **items, size_t count, struct event_texts *texts);
bool flow_evidence(struct flow_call *f, Flowbalancer__V1__FlowEvidence **items, size_t count,
                   struct event_evidence_list *list);

#endif
