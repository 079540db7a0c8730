/*
 * work: Pulse and Finish, by which an agent says how its task goes and how it ended.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/foresight.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/warnings.h"

enum { NEWLY_READY_MOST = 16, LOOKED_AT_MOST = 4096 };

/* --- pulse --- */

static const enum pulse_state pulse_states[] = {
    [FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_UNSPECIFIED] = PULSE_ACTIVE,
    [FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_ACTIVE] = PULSE_ACTIVE,
    [FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_RESTING] = PULSE_RESTING,
    [FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_BLOCKED] = PULSE_BLOCKED,
    [FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_HAND_BACK] = PULSE_HAND_BACK,
};

static enum keeper_verdict answer_pulse(struct flow_call *f, const struct decision *d,
                                        uint32_t number)
{
    Flowbalancer__V1__PulseResponse answer = FLOWBALANCER__V1__PULSE_RESPONSE__INIT;
    const struct view view = view_of(d);
    const struct session *session = view.session;
    const struct task *task = session_task(session, number);
    const int64_t awake_ms = session_awake_ms(session, view.now_ms);

    answer.committed = flow_committed(f, d);
    answer.alarms = warnings_of(&view, &answer.n_alarms);
    if (answer.committed == NULL || answer.alarms == NULL) {
        return flow_exhausted(f);
    }
    if (task->lease.fence != 0 && task->lease.agent == session_agent_of(session, f->actor)) {
        answer.lease_ms = task->lease.lasts_ms;
    }
    answer.task_momentum = (uint32_t)momentum_percent(momentum_at(&task->momentum, awake_ms));
    answer.momentum = (uint32_t)momentum_percent(momentum_at(&session->momentum, awake_ms));
    return flow_answer(f, &answer.base);
}

static enum keeper_verdict decide_on_pulse(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__PulseRequest *request =
        (const Flowbalancer__V1__PulseRequest *)f->request;
    struct pulse_command command = {
        .agent = f->actor,
        .fence = f->by->fence,
        .note = fb_text_of(request->note),
        .percent = request->percent,
        .state = pulse_states[request->state],
        .gate = fb_text_of(request->gate),
    };

    if (!flow_task(f, d, request->task, "task", false, &command.task) ||
        !flow_task(f, d, request->blocker, "blocker", true, &command.blocker)) {
        return KEEPER_ANSWER;
    }
    if (!flow_evidence(f, request->evidence, request->n_evidence, &command.evidence)) {
        return flow_exhausted(f);
    }
    if (!decide_pulse(d, &command)) {
        return flow_refuse(f, d);
    }
    return answer_pulse(f, d, command.task);
}

static const struct flow_method pulse_method = {.decide = decide_on_pulse};

void serve_pulse(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PulseRequest *request = (const Flowbalancer__V1__PulseRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &pulse_method);

    if (f == NULL) {
        return;
    }
    if ((size_t)request->state >= sizeof(pulse_states) / sizeof(pulse_states[0])) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT,
                                    "state is none of ACTIVE, RESTING, BLOCKED and HAND_BACK"));
        return;
    }
    flow_call_begin(f);
}

/* --- finish --- */

/* What the end of a task has freed: a walk along the links, on through what ended with it. */
struct freed {
    const struct decision *d;
    uint64_t before; /* events that there were before the command */
    uint32_t tasks[NEWLY_READY_MOST];
    uint32_t count;
    uint32_t looked_at;
};

static bool was_granted(const struct decision *d, uint32_t task)
{
    for (size_t i = 0; i < d->grant_count; i++) {
        if (d->grants[i].task == task) {
            return true;
        }
    }
    return false;
}

static void look_behind(struct freed *freed, uint32_t number)
{
    const struct session *session = freed->d->session;
    uint32_t cursor = graph_first_out(session->graph, number);

    while (cursor != GRAPH_NONE && freed->looked_at++ < LOOKED_AT_MOST) {
        const struct graph_edge edge = graph_edge_at(session->graph, cursor);
        const struct task *task = &session->tasks[edge.after];

        if (graph_holds_up(edge.kind) && (schedule_is_ready(session->schedule, edge.after) ||
                                          was_granted(freed->d, edge.after))) {
            if (freed->count < NEWLY_READY_MOST) {
                freed->tasks[freed->count] = edge.after;
            }
            freed->count++;
        } else if (task_has_ended(task->state) && task->changed_event > freed->before) {
            look_behind(freed, edge.after); /* the end of a chain: no deeper than parents are */
        }
        cursor = graph_next_out(session->graph, cursor);
    }
}

static bool put_next(struct flow_call *f, const struct decision *d, const struct view *view,
                     Flowbalancer__V1__FinishResponse *answer)
{
    const Flowbalancer__V1__FinishRequest *request =
        (const Flowbalancer__V1__FinishRequest *)f->request;
    const struct task *task = session_task(d->session, d->task);
    uint32_t should;

    if (!request->next) {
        if (view_ready(view, f->actor, &should, 1) == 1) {
            answer->should = view_task(view, should, false);
            return answer->should != NULL;
        }
        return true;
    }
    if (task == NULL || task->lease.fence == 0 || task->lease.fence != d->fence) {
        answer->why = (char *)view_why(view, f->actor);
        return true;
    }
    answer->next = view_claim(view, d->task, false);
    return answer->next != NULL;
}

static enum keeper_verdict answer_finish(struct flow_call *f, const struct decision *d,
                                         uint32_t task, uint64_t before)
{
    Flowbalancer__V1__FinishResponse answer = FLOWBALANCER__V1__FINISH_RESPONSE__INIT;
    struct freed freed = {.d = d, .before = before};
    const struct view view = view_of(d);

    look_behind(&freed, task);
    answer.committed = flow_committed(f, d);
    answer.n_newly_ready = freed.count < NEWLY_READY_MOST ? freed.count : NEWLY_READY_MOST;
    answer.newly_ready = view_tasks(&view, freed.tasks, answer.n_newly_ready);
    answer.newly_ready_count = freed.count;
    answer.finished = view_is_finished(&view);
    answer.line = view_line(&view, f->session);
    answer.likely = foresight_likely(&view, f->actor, &answer.n_likely);
    answer.alarms = warnings_of(&view, &answer.n_alarms);
    if (answer.committed == NULL || answer.newly_ready == NULL || answer.line == NULL ||
        answer.likely == NULL || answer.alarms == NULL || !put_next(f, d, &view, &answer)) {
        return flow_exhausted(f);
    }
    answer.line->alarms = (uint32_t)answer.n_alarms;
    return flow_answer(f, &answer.base);
}

static enum keeper_verdict decide_on_finish(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__FinishRequest *request =
        (const Flowbalancer__V1__FinishRequest *)f->request;
    const uint64_t before = d->session->events;
    struct done_command command = {
        .agent = f->actor,
        .fence = f->by->fence,
        .failed = request->outcome == FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_FAILED,
        .summary = fb_text_of(request->summary),
        .next = request->next,
    };

    if (!flow_task(f, d, request->task, "task", false, &command.task)) {
        return KEEPER_ANSWER;
    }
    if (!flow_evidence(f, request->evidence, request->n_evidence, &command.evidence)) {
        return flow_exhausted(f);
    }
    if (!decide_done(d, &command)) {
        return flow_refuse(f, d);
    }
    return answer_finish(f, d, command.task, before);
}

static const struct flow_method finish_method = {.decide = decide_on_finish};

void serve_finish(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__FinishRequest *request =
        (const Flowbalancer__V1__FinishRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &finish_method);

    if (f == NULL) {
        return;
    }
    if (request->outcome != FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_UNSPECIFIED &&
        request->outcome != FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_COMPLETED &&
        request->outcome != FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_FAILED) {
        flow_call_refuse(
            f, fb_fail(FB_INVALID_ARGUMENT, "outcome is COMPLETED or FAILED; Edit cancels a task"));
        return;
    }
    flow_call_begin(f);
}
