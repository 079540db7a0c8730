/*
 * status: Status, how a session goes, now or as soon as that has changed.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/foresight.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/warnings.h"

enum {
    TASKS_MOST = 64,
    AGENTS_MOST = 256,
    READY_MOST = 3,
};

static const Flowbalancer__V1__StatusRequest *request_of(const struct flow_call *f)
{
    return (const Flowbalancer__V1__StatusRequest *)f->request;
}

/* --- parts --- */

static bool is_told(const struct flow_call *f, const struct task *task)
{
    const int64_t since = request_of(f)->since_seq;

    return since > 0 ? task->changed_event > (uint64_t)since
                     : task->state == TASK_ACTIVE || task->state == TASK_RESTING;
}

static bool put_tasks(struct flow_call *f, const struct view *view,
                      Flowbalancer__V1__StatusResponse *answer)
{
    const struct session *session = view->session;
    uint32_t tasks[TASKS_MOST];
    /* What changed is looked for among all; of the others it is known how many there are. */
    const size_t there = request_of(f)->since_seq > 0
                             ? session->task_count
                             : session->in_state[TASK_ACTIVE] + session->in_state[TASK_RESTING];
    size_t count = 0;

    for (uint32_t i = 1; i <= session->task_count && count < there; i++) {
        if (!is_told(f, &session->tasks[i])) {
            continue;
        }
        if (count == TASKS_MOST) {
            answer->truncated = true;
            break;
        }
        tasks[count++] = i;
    }
    answer->n_tasks = count;
    answer->tasks = view_tasks(view, tasks, count);
    return answer->tasks != NULL;
}

/* Those that hold something first, as all are too many to tell. */
static bool put_agents(const struct view *view, Flowbalancer__V1__StatusResponse *answer)
{
    const struct session *session = view->session;

    answer->agents = fb_arena_zalloc(view->arena, AGENTS_MOST, sizeof(*answer->agents));
    for (int holding = 1; answer->agents != NULL && holding >= 0; holding--) {
        for (uint32_t i = 0; i < session->agent_names.count && answer->n_agents < AGENTS_MOST;
             i++) {
            if ((session->agents[i].held != 0) == (holding == 1)) {
                answer->agents[answer->n_agents] = view_agent(view, i);
                if (answer->agents[answer->n_agents++] == NULL) {
                    return false;
                }
            }
        }
    }
    return answer->agents != NULL;
}

static bool put_waiting(const struct decision *d, Flowbalancer__V1__StatusResponse *answer)
{
    for (size_t i = 0; i < d->waiter_count; i++) {
        for (size_t k = 0; k < answer->n_agents; k++) {
            if (fb_text_is(d->waiters[i].agent, answer->agents[k]->agent)) {
                answer->agents[k]->waits = true;
            }
        }
    }
    return true;
}

static bool put_ready(struct flow_call *f, const struct view *view,
                      Flowbalancer__V1__StatusResponse *answer)
{
    uint32_t tasks[READY_MOST];

    answer->n_ready = view_ready(view, f->actor, tasks, READY_MOST);
    answer->ready = view_tasks(view, tasks, answer->n_ready);
    return answer->ready != NULL;
}

static enum keeper_verdict answer_status(struct flow_call *f, const struct decision *d)
{
    Flowbalancer__V1__StatusResponse answer = FLOWBALANCER__V1__STATUS_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.line = view_line(&view, f->session);
    answer.forecast = foresight_of(&f->service->foresight, &view,
                                   foresight_key(f->keeper.scope, f->keeper.session));
    answer.alarms = warnings_of(&view, &answer.n_alarms);
    if (answer.line == NULL || answer.forecast == NULL || answer.alarms == NULL ||
        !put_tasks(f, &view, &answer) || !put_agents(&view, &answer) || !put_waiting(d, &answer) ||
        !put_ready(f, &view, &answer)) {
        return flow_exhausted(f);
    }
    answer.line->alarms = (uint32_t)answer.n_alarms;
    return flow_answer(f, &answer.base);
}

/* --- the call --- */

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__StatusRequest *request = request_of(f);

    if (request->wait_ms > 0 && f->keeper.cause != KEEPER_OVER &&
        d->session->events <= (uint64_t)request->since_seq) {
        return KEEPER_WAIT_CHANGE;
    }
    return answer_status(f, d);
}

static const struct flow_method method = {.decide = decide};

void serve_status(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__StatusRequest *request =
        (const Flowbalancer__V1__StatusRequest *)message;
    struct flow_call *f = flow_call_create(call, message, request->context, NULL, false, &method);

    if (f == NULL) {
        return;
    }
    f->actor = fb_text_of(request->actor);
    f->keeper.actor = f->actor;
    if (f->actor.size > FLOW_ACTOR_BYTES) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "actor is longer than 128 bytes"));
        return;
    }
    if (request->since_seq < 0 || request->wait_ms < 0 || request->wait_ms > FLOW_WAIT_MS_MOST) {
        flow_call_refuse(
            f, fb_fail(FB_INVALID_ARGUMENT, "since_seq is at least 0 and wait_ms 0 to 600,000"));
        return;
    }
    f->keeper.wait_ms = request->wait_ms;
    flow_call_begin(f);
}
