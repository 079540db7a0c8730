/*
 * edit: Edit, which changes what a task says, its links, or its life outside the usual course.
 */
#include "services/worker/flow_service/effects.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

static const Flowbalancer__V1__EditRequest *request_of(const struct flow_call *f)
{
    return (const Flowbalancer__V1__EditRequest *)f->request;
}

/* --- the command --- */

static const enum edit_action actions[] = {
    [FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNSPECIFIED] = EDIT_FIELDS,
    [FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_CANCEL] = EDIT_CANCEL,
    [FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_RETRY] = EDIT_RETRY,
    [FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_REOPEN] = EDIT_REOPEN,
    [FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNBLOCK] = EDIT_UNBLOCK,
};

static struct event read_fields(const Flowbalancer__V1__FlowTaskEdited *set, uint32_t task)
{
    return (struct event){
        .kind = EVENT_EDITED,
        .task = task,
        .edited =
            {
                .fields = set->fields,
                .title = fb_text_of(set->title),
                .body = fb_text_of(set->body),
                .accept = fb_text_of(set->accept),
                .weight = set->weight,
                .priority = set->priority,
                .defer_until_unix_ms = set->defer_until_unix_ms,
            },
    };
}

/* The other end of a link. */
static bool read_end(struct flow_call *f, struct decision *d,
                     const Flowbalancer__V1__FlowPlanLink *link, const char *field, uint32_t *on)
{
    Flowbalancer__V1__FlowTaskRef ref = FLOWBALANCER__V1__FLOW_TASK_REF__INIT;

    switch (link->on_case) {
    case FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_TASK:
        ref.ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_TASK;
        ref.task = link->task;
        break;
    case FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_KEY:
        ref.ref_case = FLOWBALANCER__V1__FLOW_TASK_REF__REF_KEY;
        ref.key = link->key;
        break;
    default:
        break;
    }
    return flow_task(f, d, &ref, field, false, on);
}

static bool read_links(struct flow_call *f, struct decision *d, struct edit_command *command)
{
    const Flowbalancer__V1__EditRequest *request = request_of(f);
    const size_t count = request->n_add + request->n_drop;
    struct event_link *links = fb_arena_zalloc(f->arena, count + 1, sizeof(*links));

    for (size_t i = 0; links != NULL && i < count; i++) {
        const bool dropped = i >= request->n_add;
        const Flowbalancer__V1__FlowPlanLink *link =
            dropped ? request->drop[i - request->n_add] : request->add[i];

        links[i] = (struct event_link){
            .task = command->task,
            .kind = (enum event_link_kind)link->kind,
            .dropped = dropped,
        };
        if (!read_end(f, d, link, dropped ? "drop" : "add", &links[i].on)) {
            return false;
        }
    }
    if (links == NULL) {
        (void)flow_exhausted(f);
        return false;
    }
    command->links = links;
    command->link_count = count;
    return true;
}

/* --- the answer --- */

static enum keeper_verdict answer_edit(struct flow_call *f, const struct decision *d, uint32_t task,
                                       uint64_t before)
{
    Flowbalancer__V1__EditResponse answer = FLOWBALANCER__V1__EDIT_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.committed = flow_committed(f, d);
    answer.task = view_task(&view, task, true);
    answer.effects = effects_of(&view, task, before, false, &answer.n_effects);
    if (answer.committed == NULL || answer.task == NULL || answer.effects == NULL) {
        return flow_exhausted(f);
    }
    answer.committed->rev = answer.task->rev;
    return flow_answer(f, &answer.base);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__EditRequest *request = request_of(f);
    const uint64_t before = d->session->events;
    struct edit_command command = {
        .agent = f->actor,
        .if_rev = f->by->if_rev,
        .action = actions[request->action],
        .reason = fb_text_of(request->reason),
    };

    if (!flow_task(f, d, request->task, "task", false, &command.task)) {
        return KEEPER_ANSWER;
    }
    if (request->set != NULL) {
        command.fields = read_fields(request->set, command.task);
    }
    if (!read_links(f, d, &command)) {
        return KEEPER_ANSWER;
    }
    if (!decide_edit(d, &command)) {
        return flow_refuse(f, d);
    }
    return answer_edit(f, d, command.task, before);
}

static const struct flow_method method = {.decide = decide};

static struct fb_status check(const Flowbalancer__V1__EditRequest *request)
{
    const bool links = request->n_add + request->n_drop > 0;
    const bool action =
        request->action != FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNSPECIFIED;

    if ((size_t)request->action >= sizeof(actions) / sizeof(actions[0])) {
        return fb_fail(FB_INVALID_ARGUMENT, "action is none of CANCEL, RETRY, REOPEN and UNBLOCK");
    }
    if (request->set == NULL && !links && !action) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "nothing is to be changed: say set, add, drop or action");
    }
    return fb_ok;
}

void serve_edit(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__EditRequest *request = (const Flowbalancer__V1__EditRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);
    struct fb_status status;

    if (f == NULL) {
        return;
    }
    status = check(request);
    if (!fb_is_ok(status)) {
        flow_call_refuse(f, status);
        return;
    }
    flow_call_begin(f);
}
