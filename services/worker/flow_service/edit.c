/*
 * edit: Edit, which changes what a task says, its links, or its life outside the usual course.
 *
 * What one request changes of a task is up to three commands of the engine, each with a request id of
 * its own, so that a repeated request finds all of them.
 */
#include <string.h>

#include "services/worker/flow_service/effects.h"
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"

static const Flowbalancer__V1__EditRequest *request_of(const struct flow_call *f)
{
    return (const Flowbalancer__V1__EditRequest *)f->request;
}

/* --- commands --- */

enum { COMMANDS_MOST = 3 };

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

/* What the request asks for, in order; 0: it was refused. */
static size_t read_commands(struct flow_call *f, struct decision *d, uint32_t task,
                            struct edit_command *commands)
{
    const Flowbalancer__V1__EditRequest *request = request_of(f);
    const struct edit_command blank = {
        .agent = f->actor,
        .task = task,
        .reason = fb_text_of(request->reason),
    };
    size_t count = 0;

    if (request->set != NULL) {
        commands[count] = blank;
        commands[count].action = EDIT_FIELDS;
        commands[count++].fields = read_fields(request->set, task);
    }
    if (request->n_add + request->n_drop > 0) {
        commands[count] = blank;
        commands[count].action = EDIT_LINKS;
        if (!read_links(f, d, &commands[count++])) {
            return 0;
        }
    }
    if (request->action != FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNSPECIFIED) {
        commands[count] = blank;
        commands[count++].action = actions[request->action];
    }
    commands[0].if_rev = f->by->if_rev;
    return count;
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

/* A later part is refused though an earlier one is done: both have to be said. */
static enum keeper_verdict refuse_part(struct flow_call *f, struct decision *d, size_t part)
{
    const char *why = NULL;

    if (part > 0) {
        why = fb_arena_printf(f->arena, "what stood before is done, but: %s", d->refusal.why);
    }
    if (why != NULL) {
        d->refusal.why = why;
    }
    return flow_refuse(f, d);
}

static struct fb_text part_id(struct flow_call *f, struct fb_text whole, size_t part)
{
    const char *id;

    if (part == 0 || whole.size == 0) {
        return whole;
    }
    id = fb_arena_printf(f->arena, "%.*s/%zu", (int)whole.size, whole.data, part + 1);
    return fb_text_of(id);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    struct edit_command commands[COMMANDS_MOST] = {{.task = 0}};
    const struct fb_text request_id = d->request_id;
    const uint64_t before = d->session->events;
    bool repeated = true;
    uint32_t task;
    size_t count;

    if (!flow_task(f, d, request_of(f)->task, "task", false, &task)) {
        return KEEPER_ANSWER;
    }
    count = read_commands(f, d, task, commands);
    for (size_t i = 0; i < count; i++) {
        d->request_id = part_id(f, request_id, i);
        if (!decide_edit(d, &commands[i])) {
            return refuse_part(f, d, i);
        }
        repeated &= d->repeated;
    }
    d->repeated = repeated;
    return count == 0 ? KEEPER_ANSWER : answer_edit(f, d, task, before);
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
    if ((request->set != NULL) + links + action > 1 && strlen(request->by->request_id) > 126) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "by.request_id is up to 126 bytes for several changes at once");
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
