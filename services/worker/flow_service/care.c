/*
 * care: Mute and Verify, what people do beside the work.
 */
#include <string.h>

#include "services/worker/flow/alarms.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

enum {
    VERIFIED_MOST = 4096,
    OBSERVATIONS_MOST = 4096,
    LOOKS_MOST = 64, /* at one task */
};

#define MUTE_MS_MOST (INT64_C(30) * 24 * 60 * 60 * 1000)

/* --- mute --- */

static enum keeper_verdict decide_on_mute(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__MuteRequest *request =
        (const Flowbalancer__V1__MuteRequest *)f->request;
    Flowbalancer__V1__MuteResponse answer = FLOWBALANCER__V1__MUTE_RESPONSE__INIT;
    uint32_t task;

    if (!flow_task(f, d, request->task, "task", true, &task)) {
        return KEEPER_ANSWER;
    }
    if (!decide_mute(d, f->actor, alarm_kind_of(fb_text_of(request->kind)), task,
                     d->now_ms + request->for_ms)) {
        return flow_refuse(f, d);
    }
    answer.committed = flow_committed(f, d);
    return answer.committed == NULL ? flow_exhausted(f) : flow_answer(f, &answer.base);
}

static const struct flow_method mute_method = {.decide = decide_on_mute};

void serve_mute(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__MuteRequest *request = (const Flowbalancer__V1__MuteRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &mute_method);

    if (f == NULL) {
        return;
    }
    if (alarm_kind_of(fb_text_of(request->kind)) == 0) {
        flow_call_refuse(f,
                         fb_arena_fail(f->arena, FB_INVALID_ARGUMENT,
                                       "kind: \"%.32s\" is no alarm; Status tells which there are",
                                       request->kind));
        return;
    }
    if (request->for_ms < 0 || request->for_ms > MUTE_MS_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "for_ms is 0 to 30 days"));
        return;
    }
    flow_call_begin(f);
}

/* --- verify --- */

static const Flowbalancer__V1__VerifyRequest *verify_of(const struct flow_call *f)
{
    return (const Flowbalancer__V1__VerifyRequest *)f->request;
}

static enum event_look_state compare(const struct task_evidence *evidence,
                                     const Flowbalancer__V1__FlowObservation *seen)
{
    if (seen->sha256.len == 0) {
        return EVENT_LOOK_MISSING;
    }
    if (!evidence->digested) {
        return EVENT_LOOK_UNCHANGED; /* it is there, and more was never said */
    }
    return seen->sha256.len == sizeof(evidence->sha256) &&
                   memcmp(seen->sha256.data, evidence->sha256, sizeof(evidence->sha256)) == 0
               ? EVENT_LOOK_UNCHANGED
               : EVENT_LOOK_CHANGED;
}

/* What was seen of a piece of evidence; of another host it says nothing. */
static enum event_look_state look(const struct flow_call *f, uint32_t task,
                                  const struct task_evidence *evidence)
{
    const Flowbalancer__V1__VerifyRequest *request = verify_of(f);

    if (evidence->host != NULL && strcmp(evidence->host, request->host) != 0) {
        return EVENT_LOOK_UNSAID;
    }
    for (size_t i = 0; i < request->n_observations; i++) {
        const Flowbalancer__V1__FlowObservation *seen = request->observations[i];

        if (seen->task == task && strcmp(seen->ref, evidence->ref) == 0) {
            return compare(evidence, seen);
        }
    }
    return EVENT_LOOK_UNSAID;
}

/* Keeps what was seen of one task. */
static bool keep_looks(struct flow_call *f, struct decision *d, uint32_t number)
{
    const struct task *task = session_task(d->session, number);
    struct event_look *looks = fb_arena_zalloc(f->arena, LOOKS_MOST, sizeof(*looks));
    size_t count = 0;

    if (looks == NULL) {
        d->refusal = (struct refusal){.kind = REFUSAL_BUDGET, .why = "no memory to verify"};
        return false;
    }
    for (uint32_t i = 0; i < task->evidence_count && count < LOOKS_MOST; i++) {
        const enum event_look_state state = look(f, number, &task->evidence[i]);

        if (state != EVENT_LOOK_UNSAID) {
            looks[count++] = (struct event_look){
                .ref = fb_text_of(task->evidence[i].ref),
                .state = state,
                .host = fb_text_of(verify_of(f)->host),
            };
        }
    }
    return count == 0 || decide_verify(d, f->actor, number, looks, count);
}

static bool add_verified(struct flow_call *f, const struct view *view, uint32_t number,
                         Flowbalancer__V1__VerifyResponse *answer)
{
    const struct task *task = session_task(view->session, number);
    const Flowbalancer__V1__FlowTask *shown = view_task(view, number, true);

    for (uint32_t i = 0; shown != NULL && i < task->evidence_count; i++) {
        Flowbalancer__V1__FlowVerified *verified = fb_arena_alloc(f->arena, sizeof(*verified));

        if (verified == NULL) {
            return false;
        }
        if (answer->n_verified == VERIFIED_MOST) {
            answer->truncated = true;
            return true;
        }
        flowbalancer__v1__flow_verified__init(verified);
        verified->task = number;
        verified->evidence = shown->evidence[i];
        verified->state = (Flowbalancer__V1__FlowEvidenceState)look(f, number, &task->evidence[i]);
        answer->verified[answer->n_verified++] = verified;
    }
    return shown != NULL;
}

static enum keeper_verdict answer_verify(struct flow_call *f, const struct decision *d,
                                         uint32_t task)
{
    Flowbalancer__V1__VerifyResponse answer = FLOWBALANCER__V1__VERIFY_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.verified = fb_arena_zalloc(f->arena, VERIFIED_MOST, sizeof(*answer.verified));
    if (verify_of(f)->n_observations > 0) {
        answer.committed = flow_committed(f, d);
    }
    if (answer.verified == NULL || (verify_of(f)->n_observations > 0 && answer.committed == NULL)) {
        return flow_exhausted(f);
    }
    for (uint32_t i = task == 0 ? 1 : task; i <= (task == 0 ? view.session->task_count : task);
         i++) {
        const struct task *one = &view.session->tasks[i];

        if ((task != 0 || one->state == TASK_COMPLETED) && one->evidence_count != 0 &&
            !answer.truncated && !add_verified(f, &view, i, &answer)) {
            return flow_exhausted(f);
        }
    }
    return flow_answer(f, &answer.base);
}

/* Before anything is kept, as all of it is or nothing. */
static bool are_of_tasks(const struct flow_call *f, const struct session *session)
{
    const Flowbalancer__V1__VerifyRequest *request = verify_of(f);

    for (size_t i = 0; i < request->n_observations; i++) {
        if (session_task(session, request->observations[i]->task) == NULL) {
            return false;
        }
    }
    return true;
}

static enum keeper_verdict decide_on_verify(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__VerifyRequest *request = verify_of(f);
    const bool again = session_recent(d->session, f->actor, d->request_id) != NULL;
    uint32_t task;

    if (!flow_task(f, d, request->task, "task", true, &task)) {
        return KEEPER_ANSWER;
    }
    if (!again && !are_of_tasks(f, d->session)) {
        return flow_fail(f, FB_INVALID_ARGUMENT, "observations: of a task that is not there");
    }
    for (size_t i = 0; i < request->n_observations && !again; i++) {
        const uint32_t number = request->observations[i]->task;
        bool first = true;

        for (size_t k = 0; k < i && first; k++) {
            first = request->observations[k]->task != number;
        }
        if (first && !keep_looks(f, d, number)) {
            return flow_refuse(f, d);
        }
    }
    d->repeated = again;
    return answer_verify(f, d, task);
}

static const struct flow_method verify_method = {.decide = decide_on_verify};

void serve_verify(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__VerifyRequest *request =
        (const Flowbalancer__V1__VerifyRequest *)message;
    struct flow_call *f = flow_call_create(call, message, request->context, request->by,
                                           request->n_observations > 0, &verify_method);

    if (f == NULL) {
        return;
    }
    if (request->n_observations > OBSERVATIONS_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "observations: at most 4,096"));
        return;
    }
    if (strlen(request->host) > EVENT_HOST_BYTES) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "host is longer than 128 bytes"));
        return;
    }
    flow_call_begin(f);
}
