#include "services/worker/flow_service/flow_call.h"

#include <string.h>

#include "services/worker/flow/alarms.h"
#include "services/worker/flow_service/refusals.h"
#include "services/worker/sessions/store_id.h"

enum { ARGUMENTS_BYTES = 64 << 10 /* more is no accident */ };

static const char TAKE_OVER_KEY[] = "flowbalancer-take-over";

/* --- checks --- */

static struct fb_status check_text(const char *text, size_t most, const char *why)
{
    return strlen(text) > most ? fb_fail(FB_INVALID_ARGUMENT, why) : fb_ok;
}

struct fb_status flow_check_context(const Flowbalancer__V1__CallContext *context,
                                    bool session_needed)
{
    struct fb_status status;

    if (context == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "context is missing");
    }
    if (session_needed && context->session[0] == '\0') {
        return fb_fail(
            FB_INVALID_ARGUMENT,
            "context.session is empty: it names the session, 1 to 128 of [A-Za-z0-9._-]");
    }
    status = check_text(context->session, 128, "context.session is longer than 128 bytes");
    if (fb_is_ok(status)) {
        status = check_text(context->agent, 128, "context.agent is longer than 128 bytes");
    }
    if (fb_is_ok(status)) {
        status = check_text(context->scope, 128, "context.scope is longer than 128 bytes");
    }
    return status;
}

struct fb_status flow_check_service(const struct flow_service *service)
{
    if (service->keeper == NULL) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "this worker has no store, so it holds no sessions: start it with --store");
    }
    return service->draining ? fb_fail(FB_UNAVAILABLE, "the worker is going down") : fb_ok;
}

struct fb_status flow_check_by(const Flowbalancer__V1__FlowMutation *by, bool mutates)
{
    const char *at;

    if (by == NULL) {
        return mutates
                   ? fb_fail(FB_INVALID_ARGUMENT, "by is missing: it says who changes something")
                   : fb_ok;
    }
    if (by->actor[0] == '\0' && mutates) {
        return fb_fail(FB_INVALID_ARGUMENT, "by.actor is empty: say who you are");
    }
    if (strlen(by->actor) > FLOW_ACTOR_BYTES) {
        return fb_fail(FB_INVALID_ARGUMENT, "by.actor is longer than 128 bytes");
    }
    for (at = by->request_id; *at > ' ' && *at < 0x7f; at++) {
    }
    if (*at != '\0' || at - by->request_id > FLOW_REQUEST_ID_BYTES) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "by.request_id is up to 128 of printable ASCII without spaces");
    }
    return fb_ok;
}

bool flow_takes_over(const struct fb_call *call)
{
    struct fb_text said;

    return fb_metadata_find(fb_call_metadata(call), TAKE_OVER_KEY, &said) && fb_text_is(said, "1");
}

/* --- the answer --- */

static void forget(struct flow_call *f)
{
    f->messages = NULL;
    f->messages_end = &f->messages;
    f->refusal = (struct refusal){.kind = REFUSAL_NONE};
    f->failure = fb_ok;
}

enum keeper_verdict flow_fail(struct flow_call *f, enum fb_code code, const char *why)
{
    f->failure = fb_fail(code, why);
    return KEEPER_ANSWER;
}

enum keeper_verdict flow_exhausted(struct flow_call *f)
{
    return flow_fail(f, FB_RESOURCE_EXHAUSTED, "no memory for the answer");
}

enum keeper_verdict flow_answer(struct flow_call *f, const ProtobufCMessage *message)
{
    struct flow_message *said = fb_arena_zalloc(f->arena, 1, sizeof(*said));
    const size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = fb_arena_alloc(f->arena, size + 1);

    if (said == NULL || data == NULL) {
        return flow_exhausted(f);
    }
    protobuf_c_message_pack(message, data);
    *said = (struct flow_message){.data = data, .size = size};
    *f->messages_end = said;
    f->messages_end = &said->next;
    return KEEPER_ANSWER;
}

enum keeper_verdict flow_refuse(struct flow_call *f, const struct decision *d)
{
    const char *holder = fb_arena_copy(f->arena, d->refusal.holder.data, d->refusal.holder.size);

    f->refusal = d->refusal; /* `why` is in the arena of the call, the holder is the session's */
    f->refusal.holder.data = holder;
    f->refusal.holder.size = holder == NULL ? 0 : d->refusal.holder.size;
    return KEEPER_ANSWER;
}

/* --- the keeper --- */

/* The same again and again, with nothing that has happened: an agent that has lost its way. */
static bool runs_away(struct flow_call *f, const struct decision *d)
{
    const char *why;
    uint32_t times;

    if (f->arguments == 0 || f->keeper.cause != KEEPER_FIRST ||
        session_recent(d->session, f->actor, d->request_id) != NULL ||
        session_called(d->session, f->actor, fb_text_of(fb_call_method(f->call)->name),
                       f->arguments, f->method->asks, d->now_ms, &times) != RUNAWAY_REFUSED) {
        return false;
    }
    why = fb_arena_printf(f->arena,
                          "you have asked for just this %u times in a row: say or do something "
                          "else first, or wait for work with wait_ms",
                          times);
    f->refusal = (struct refusal){
        .kind = REFUSAL_BUDGET,
        .why = why == NULL ? "you have asked for just this too often in a row" : why,
    };
    return true;
}

/* Whoever makes a call that is no mutation. */
static struct fb_text onlooker(const struct flow_call *f)
{
    return f->actor.size != 0 ? f->actor : fb_text_of(f->context->agent);
}

static enum keeper_verdict decide(struct keeper_call *keeper, struct decision *d)
{
    struct flow_call *f = keeper->self;

    forget(f);
    if (runs_away(f, d)) {
        decide_hear(d, f->actor);
        return KEEPER_ANSWER;
    }
    if (f->by == NULL && keeper->cause == KEEPER_FIRST) {
        decide_hear(d, onlooker(f));
    }
    return f->method->decide(f, d);
}

static void on_wait(struct keeper_call *keeper)
{
    struct flow_call *f = keeper->self;

    if (f->method->on_wait != NULL && !f->told_to_wait) {
        f->told_to_wait = true;
        f->method->on_wait(f);
    }
}

/* Sends what there is, as fast as it is read. */
static void send_on(struct flow_call *f)
{
    bool room = true;

    while (room && f->messages != NULL) {
        room = fb_call_send_bytes(f->call, f->messages->data, f->messages->size);
        f->messages = f->messages->next;
    }
    if (f->messages == NULL) {
        fb_call_finish(f->call, fb_ok);
    }
}

static void on_end(struct keeper_call *keeper, const struct keeper_end *end)
{
    struct flow_call *f = keeper->self;

    f->deciding = false;
    if (!fb_is_ok(end->status)) {
        if (f->method->on_gone != NULL) {
            f->method->on_gone(f);
        }
        keeper_say(f->call, end);
        fb_call_finish(f->call, end->status);
    } else if (f->method->on_decided != NULL && f->method->on_decided(f)) {
        return;
    } else if (!fb_is_ok(f->failure)) {
        fb_call_finish(f->call, f->failure);
    } else if (f->refusal.kind != REFUSAL_NONE) {
        fb_call_finish(f->call, refusal_say(f->call, &f->refusal));
    } else {
        f->ended = true;
        send_on(f);
    }
}

static const struct keeper_call_events keeper_events = {
    .decide = decide,
    .on_wait = on_wait,
    .on_end = on_end,
};

/* --- the caller --- */

static void on_cancel(struct fb_call *call, void *arg)
{
    struct flow_call *f = arg;

    if (f->deciding) {
        keeper_cancel(f->service->keeper, &f->keeper);
    }
    if (!f->ended && f->method->on_gone != NULL) {
        f->method->on_gone(f);
    }
    fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct flow_call *f = arg;

    (void)call;
    if (f->ended) {
        send_on(f);
    }
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

struct flow_call *flow_call_create(struct fb_call *call, const ProtobufCMessage *request,
                                   const Flowbalancer__V1__CallContext *context,
                                   const Flowbalancer__V1__FlowMutation *by, bool mutates,
                                   const struct flow_method *method)
{
    struct flow_service *service = fb_call_self(call);
    struct fb_arena *arena = fb_call_arena(call);
    struct flow_call *f = fb_arena_zalloc(arena, 1, sizeof(*f));
    struct fb_status status = flow_check_context(context, true);

    if (fb_is_ok(status)) {
        status = flow_check_by(by, mutates);
    }
    if (fb_is_ok(status) && service->keeper == NULL) {
        status = flow_check_service(service); /* while it drains the keeper says so itself */
    }
    if (fb_is_ok(status) && f == NULL) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return NULL;
    }
    f->service = service;
    f->call = call;
    f->arena = arena;
    f->method = method;
    f->request = request;
    f->by = by;
    f->context = context;
    f->session = context->session;
    f->actor = fb_text_of(by == NULL ? "" : by->actor);
    f->keeper = (struct keeper_call){
        .scope = fb_text_of(context->scope),
        .session = fb_text_of(context->session),
        .actor = f->actor,
        .request_id = fb_text_of(by == NULL ? "" : by->request_id),
        .take_over = flow_takes_over(call),
        .deadline_ms = fb_call_deadline_ms(call),
        .arena = arena,
        .events = &keeper_events,
        .self = f,
    };
    forget(f);
    return f;
}

/* Of all but the request id, which differs each time. */
static uint64_t hash_arguments(struct flow_call *f)
{
    Flowbalancer__V1__FlowMutation *by = (Flowbalancer__V1__FlowMutation *)f->by;
    char *const request_id = by->request_id;
    size_t size;
    uint8_t *bytes;

    by->request_id = (char *)"";
    size = protobuf_c_message_get_packed_size(f->request);
    bytes = size > ARGUMENTS_BYTES ? NULL : fb_arena_alloc(f->arena, size + 1);
    if (bytes != NULL) {
        protobuf_c_message_pack(f->request, bytes);
    }
    by->request_id = request_id;
    return bytes == NULL ? 0 : fb_hash(bytes, size);
}

void flow_call_begin(struct flow_call *f)
{
    if (f->by != NULL && f->keeper.wait_ms == 0) {
        f->arguments = hash_arguments(f);
    }

    fb_call_watch(f->call, &call_events, f);
    f->deciding = true;
    keeper_begin(f->service->keeper, &f->keeper);
}

void flow_call_again(struct flow_call *f)
{
    f->keeper = (struct keeper_call){
        .scope = f->keeper.scope,
        .session = f->keeper.session,
        .actor = f->keeper.actor,
        .request_id = f->keeper.request_id,
        .take_over = f->keeper.take_over,
        .deadline_ms = f->keeper.deadline_ms,
        .arena = f->arena,
        .events = &keeper_events,
        .self = f,
    };
    f->arguments = 0; /* it is the same call */
    f->deciding = true;
    keeper_begin(f->service->keeper, &f->keeper);
}

void flow_call_refuse(struct flow_call *f, struct fb_status status)
{
    fb_call_finish(f->call, status);
}

/* --- what methods share --- */

static bool no_such(struct flow_call *f, const char *why)
{
    f->refusal = (struct refusal){
        .kind = REFUSAL_NO_SUCH,
        .why = why == NULL ? "there is no such task" : why,
    };
    return false;
}

bool flow_task(struct flow_call *f, struct decision *d, const Flowbalancer__V1__FlowTaskRef *ref,
               const char *field, bool may_be_absent, uint32_t *task)
{
    const char *why;

    *task = 0;
    if (ref == NULL || ref->ref_case == FLOWBALANCER__V1__FLOW_TASK_REF__REF__NOT_SET) {
        why = fb_arena_printf(f->arena, "%s is missing: it names a task by number or key", field);
        if (!may_be_absent) {
            (void)flow_fail(f, FB_INVALID_ARGUMENT, why == NULL ? "a task is missing" : why);
        }
        return may_be_absent;
    }
    if (ref->ref_case == FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY) {
        *task = session_task_of_key(d->session, fb_text_of(ref->key));
        return *task != 0 ||
               no_such(f,
                       fb_arena_printf(f->arena,
                                       "there is no task with the key \"%.128s\"; flow_find lists "
                                       "those there are",
                                       ref->key));
    }
    *task = ref->task;
    return session_task(d->session, ref->task) != NULL ||
           no_such(f,
                   fb_arena_printf(f->arena, "there is no task %u; flow_find lists those there are",
                                   ref->task));
}

const char *flow_meet_twins(struct flow_call *f, const struct session *session)
{
    const char *store_id;

    if (f->service->twins == NULL || !fb_is_ok(store_id_of(f->arena, fb_text_of(f->context->scope),
                                                           fb_text_of(f->session), &store_id))) {
        return NULL;
    }
    twins_meet(f->service->twins, store_id, session);
    return store_id;
}

Flowbalancer__V1__FlowCommitted *flow_committed(struct flow_call *f, const struct decision *d)
{
    Flowbalancer__V1__FlowCommitted *committed = fb_arena_alloc(f->arena, sizeof(*committed));

    if (committed != NULL) {
        flowbalancer__v1__flow_committed__init(committed);
        committed->seq = (int64_t)d->session->events;
        committed->rev = d->rev;
        committed->repeated = d->repeated;
    }
    return committed;
}

bool flow_texts(struct flow_call *f, char **items, size_t count, struct event_texts *texts)
{
    struct fb_text *all = fb_arena_zalloc(f->arena, count + 1, sizeof(*all));

    if (all == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = fb_text_of(items[i]);
    }
    *texts = (struct event_texts){.items = all, .count = count};
    return true;
}

bool flow_evidence(struct flow_call *f, Flowbalancer__V1__FlowEvidence **items, size_t count,
                   struct event_evidence_list *list)
{
    struct event_evidence *all = fb_arena_zalloc(f->arena, count + 1, sizeof(*all));

    if (all == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct event_evidence){
            .kind = (enum event_evidence_kind)items[i]->kind,
            .ref = fb_text_of(items[i]->ref),
            .sha256 = {.data = (const char *)items[i]->sha256.data, .size = items[i]->sha256.len},
            .size = items[i]->size,
            .host = fb_text_of(items[i]->host),
        };
    }
    *list = (struct event_evidence_list){.items = all, .count = count};
    return true;
}
