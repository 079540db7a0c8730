/*
 * next: Next, which gives an agent work, now or as soon as there is some.
 */
#include "runtime/base/clock.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

enum { TURNS_MOST = 8 /* sessions that are asked before the agent hears that there is nothing */ };

/* A call that names no session, in the arena of the call. */
struct turning {
    struct turn turn;
    uint32_t tries;
    bool nothing;       /* after all: others were faster */
    uint64_t effort_ms; /* of what was given */
};

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
    answer.session = (char *)f->session;
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
    answer.session = (char *)f->session;
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

    answer.session = (char *)f->session;
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
    struct turning *turning = f->own;

    if (!may_pass(d)) {
        return flow_refuse(f, d);
    }
    if (turning != NULL) {
        turning->nothing = true;
        return answer_nothing(f, d, d->refusal.why);
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

/* --- where no session is named --- */

/* False: none has anything for the actor. */
static bool take_turn(struct flow_service *service, struct fb_arena *arena,
                      const Flowbalancer__V1__NextRequest *request, struct turn *turn)
{
    const struct turns_asking asking = {
        .scope = fb_text_of(request->context->scope),
        .agent = fb_text_of(request->by->actor),
        .request_id = fb_text_of(request->by->request_id),
        .now_ms = fb_clock_unix_ms(),
    };

    return turns_pick(&service->turns, service->keeper, &asking, arena, turn);
}

static enum keeper_verdict decide_in_turn(struct flow_call *f, struct decision *d)
{
    struct turning *turning = f->own;
    const enum keeper_verdict verdict = decide(f, d);

    turning->effort_ms = 0;
    for (size_t i = 0; i < d->grant_count && !d->repeated; i++) {
        if (d->grants[i].waiter == GRANT_OWN) {
            turning->effort_ms +=
                session_effort_ms(d->session, &d->session->tasks[d->grants[i].task]);
        }
    }
    return verdict;
}

/* Another may have been faster; then it is the next one's turn. */
static bool on_decided_in_turn(struct flow_call *f)
{
    struct turning *turning = f->own;

    if (!turning->nothing) {
        turns_charge(&f->service->turns, &turning->turn, turning->effort_ms);
        return false;
    }
    turning->nothing = false;
    if (++turning->tries == TURNS_MOST ||
        !take_turn(f->service, f->arena, request_of(f), &turning->turn)) {
        return false;
    }
    f->session = turning->turn.session;
    f->keeper.session = fb_text_of(f->session);
    flow_call_again(f);
    return true;
}

static const struct flow_method method_in_turn = {
    .decide = decide_in_turn,
    .on_decided = on_decided_in_turn,
    .asks = true,
};

static void answer_no_turn(struct fb_call *call)
{
    Flowbalancer__V1__NextResponse answer = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;

    answer.why = (char *)"no session that you have opened, and that is at hand here, has anything "
                         "for you: open one, or name it to wait in it";
    fb_call_send(call, &answer.base);
    fb_call_finish(call, fb_ok);
}

static struct fb_status check_in_turn(const struct flow_service *service,
                                      const Flowbalancer__V1__NextRequest *request)
{
    struct fb_status status = flow_check_by(request->by, true);

    if (fb_is_ok(status) && (request->task != NULL || request->wait_ms != 0)) {
        status = fb_fail(FB_INVALID_ARGUMENT,
                         "task, wait_ms: they need a session; name it in context.session");
    }
    return fb_is_ok(status) ? flow_check_service(service) : status;
}

/* NULL: the call has been answered. */
static struct flow_call *create_in_turn(struct fb_call *call,
                                        const Flowbalancer__V1__NextRequest *request)
{
    struct flow_service *service = fb_call_self(call);
    struct fb_arena *arena = fb_call_arena(call);
    Flowbalancer__V1__CallContext *context = fb_arena_alloc(arena, sizeof(*context));
    struct turning *turning = fb_arena_zalloc(arena, 1, sizeof(*turning));
    struct fb_status status = check_in_turn(service, request);
    struct flow_call *f;

    if (fb_is_ok(status) && (context == NULL || turning == NULL)) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call");
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return NULL;
    }
    if (!take_turn(service, arena, request, &turning->turn)) {
        answer_no_turn(call);
        return NULL;
    }
    *context = *request->context;
    context->session = (char *)turning->turn.session;
    f = flow_call_create(call, &request->base, context, request->by, true, &method_in_turn);
    if (f != NULL) {
        f->own = turning;
    }
    return f;
}

void serve_next(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__NextRequest *request = (const Flowbalancer__V1__NextRequest *)message;
    const bool named = request->context == NULL || request->context->session[0] != '\0';
    struct flow_call *f =
        named ? flow_call_create(call, message, request->context, request->by, true, &method)
              : create_in_turn(call, request);

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
