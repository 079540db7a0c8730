/*
 * next: Next, which gives an agent work, now or as soon as there is some.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

static const Flowbalancer__V1__NextRequest *request_of(const struct flow_call *f)
{
    return (const Flowbalancer__V1__NextRequest *)f->request;
}

/* The tasks of `numbers` are the actor's; those of this decision's grants are so from now on. */
static bool is_new(const struct decision *d, uint32_t task)
{
    for (size_t i = 0; i < d->grant_count; i++) {
        if (d->grants[i].task == task && d->grants[i].waiter == GRANT_OWN) {
            return true;
        }
    }
    return false;
}

static enum keeper_verdict answer_claims(struct flow_call *f, const struct decision *d,
                                         const uint32_t *tasks, size_t count)
{
    Flowbalancer__V1__NextResponse answer = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.committed = flow_committed(f, d);
    answer.claims = fb_arena_zalloc(f->arena, count + 1, sizeof(*answer.claims));
    if (answer.committed == NULL || answer.claims == NULL) {
        return flow_exhausted(f);
    }
    for (size_t i = 0; i < count; i++) {
        const bool fresh =
            f->keeper.cause == KEEPER_GRANTED ? tasks[i] == f->keeper.task : is_new(d, tasks[i]);

        answer.claims[answer.n_claims] = view_claim(&view, tasks[i], !fresh);
        if (answer.claims[answer.n_claims++] == NULL) {
            return flow_exhausted(f);
        }
    }
    return flow_answer(f, &answer.base);
}

static enum keeper_verdict answer_held(struct flow_call *f, const struct decision *d)
{
    const struct view view = view_of(d);
    uint32_t tasks[NEXT_MOST];

    return answer_claims(f, d, tasks, view_held(&view, f->actor, tasks, NEXT_MOST));
}

static enum keeper_verdict answer_nothing(struct flow_call *f, const struct decision *d,
                                          const char *why)
{
    Flowbalancer__V1__NextResponse answer = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.committed = flow_committed(f, d);
    answer.finished = view_is_finished(&view);
    answer.why = (char *)(answer.finished ? view_why(&view, f->actor) : why);
    return answer.committed == NULL ? flow_exhausted(f) : flow_answer(f, &answer.base);
}

static enum keeper_verdict peek(struct flow_call *f, struct decision *d, uint32_t task)
{
    Flowbalancer__V1__NextResponse answer = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    const struct view view = view_of(d);
    const uint32_t n = request_of(f)->n == 0 ? 1 : request_of(f)->n;
    uint32_t tasks[NEXT_MOST] = {task};
    const size_t count = task != 0 ? 1 : view_ready(&view, f->actor, tasks, n);

    answer.finished = view_is_finished(&view);
    answer.why = (char *)(count == 0 ? view_why(&view, f->actor) : "");
    answer.n_peeked = count;
    answer.peeked = view_tasks(&view, tasks, count);
    return answer.peeked == NULL ? flow_exhausted(f) : flow_answer(f, &answer.base);
}

/* Nothing is ready that the actor may do, or the session is full: that may change by itself. */
static bool may_pass(const struct decision *d)
{
    return d->refusal.kind == REFUSAL_NOT_READY || d->refusal.kind == REFUSAL_NEEDS_CAPS ||
           d->refusal.kind == REFUSAL_WIP_LIMIT;
}

static enum keeper_verdict refused(struct flow_call *f, struct decision *d, uint32_t task)
{
    const struct view view = view_of(d);

    if (!may_pass(d)) {
        return flow_refuse(f, d);
    }
    if (request_of(f)->wait_ms > 0 && !view_is_finished(&view)) {
        return KEEPER_WAIT_WORK;
    }
    if (task != 0 || d->refusal.kind == REFUSAL_WIP_LIMIT) {
        return flow_refuse(f, d);
    }
    return answer_nothing(f, d, d->refusal.why);
}

static enum keeper_verdict claim(struct flow_call *f, struct decision *d, uint32_t task)
{
    const struct next_command command = {
        .agent = f->actor,
        .task = task,
        .n = task != 0               ? 0
             : request_of(f)->n == 0 ? 1
                                     : request_of(f)->n,
    };

    if (!decide_next(d, &command)) {
        return refused(f, d, task);
    }
    return task != 0 ? answer_claims(f, d, &task, 1) : answer_held(f, d);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    uint32_t task;

    switch (f->keeper.cause) {
    case KEEPER_GRANTED:
        return answer_held(f, d);
    case KEEPER_FINISHED:
    case KEEPER_OVER:
        return answer_nothing(f, d, "nothing became ready in time: ask again, or look at Status");
    case KEEPER_FIRST:
    case KEEPER_CHANGED:
        break;
    }
    if (!flow_task(f, d, request_of(f)->task, "task", true, &task)) {
        return KEEPER_ANSWER;
    }
    f->keeper.wants = task;
    return request_of(f)->peek ? peek(f, d, task) : claim(f, d, task);
}

static void on_wait(struct flow_call *f)
{
    Flowbalancer__V1__NextResponse answer = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;

    answer.waiting = true;
    fb_call_send(f->call, &answer.base);
}

static const struct flow_method method = {.decide = decide, .on_wait = on_wait, .asks = true};

void serve_next(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__NextRequest *request = (const Flowbalancer__V1__NextRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);

    if (f == NULL) {
        return;
    }
    if (request->n > NEXT_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "n is at most 16"));
        return;
    }
    if (request->wait_ms < 0 || request->wait_ms > FLOW_WAIT_MS_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "wait_ms is 0 to 600,000"));
        return;
    }
    f->keeper.wait_ms = request->wait_ms;
    flow_call_begin(f);
}
