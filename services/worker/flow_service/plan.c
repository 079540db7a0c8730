/*
 * plan: Plan, which adds tasks and links, all or nothing.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/serve.h"
#include "services/worker/flow_service/warnings.h"
#include "services/worker/sessions/store_id.h"

enum { ITEMS_MOST = 100000, WEIGHT_UNSAID = 5, TWINS_LOOKED_FOR = 1000 };

static bool read_links(struct flow_call *f, const Flowbalancer__V1__FlowPlanItem *said,
                       struct plan_item *item)
{
    struct plan_link *links = fb_arena_zalloc(f->arena, said->n_links + 1, sizeof(*links));

    for (size_t i = 0; links != NULL && i < said->n_links; i++) {
        const Flowbalancer__V1__FlowPlanLink *link = said->links[i];

        links[i].kind = (enum event_link_kind)link->kind;
        switch (link->on_case) {
        case FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_TASK:
            links[i].task = link->task;
            break;
        case FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_KEY:
            links[i].key = fb_text_of(link->key);
            break;
        case FLOWBALANCER__V1__FLOW_PLAN_LINK__ON_ITEM:
            links[i].item = link->item;
            break;
        default: /* the engine names a link to nothing */
            break;
        }
    }
    item->links = links;
    item->link_count = said->n_links;
    return links != NULL;
}

static bool read_item(struct flow_call *f, const Flowbalancer__V1__FlowPlanItem *said,
                      struct plan_item *item)
{
    const Flowbalancer__V1__FlowPlannedTask *task = said->task;

    item->chain = said->chain;
    if (task == NULL) {
        return read_links(f, said, item); /* the engine names a task without a title */
    }
    item->task = (struct event_planned_task){
        .title = fb_text_of(task->title),
        .key = fb_text_of(task->key),
        .body = fb_text_of(task->body),
        .accept = fb_text_of(task->accept),
        .weight = task->weight == 0 ? WEIGHT_UNSAID : task->weight,
        .priority = task->priority,
        .defer_until_unix_ms = task->defer_until_unix_ms,
    };
    return flow_texts(f, task->needs, task->n_needs, &item->task.needs) &&
           read_links(f, said, item);
}

/* Adds what is like open tasks of other sessions. */
static bool put_twins(struct flow_call *f, const struct session *session, uint32_t first,
                      uint32_t count, Flowbalancer__V1__PlanResponse *answer)
{
    struct twins *twins = f->service->twins;
    const char *store_id = flow_meet_twins(f, session);
    struct twin twin;

    for (uint32_t i = 0; store_id != NULL && i < count && i < TWINS_LOOKED_FOR; i++) {
        const struct fb_text title = fb_text_of(session->tasks[first + i].title);
        Flowbalancer__V1__FlowDuplicate *shown;

        if (answer->n_duplicates == WARNINGS_DUPLICATES) {
            break;
        }
        if (!twins_find(twins, store_id, title, &twin)) {
            continue;
        }
        shown = fb_arena_alloc(f->arena, sizeof(*shown));
        if (shown == NULL) {
            return false;
        }
        flowbalancer__v1__flow_duplicate__init(shown);
        shown->task = first + i;
        shown->like = twin.task;
        shown->like_session = fb_arena_printf(f->arena, "%s", store_id_session(twin.store_id));
        shown->like_title = fb_arena_printf(f->arena, "%s", twin.title);
        shown->similarity = twin.percent;
        if (shown->like_session == NULL || shown->like_title == NULL) {
            return false;
        }
        answer->duplicates[answer->n_duplicates++] = shown;
    }
    return true;
}

static enum keeper_verdict answer_plan(struct flow_call *f, const struct decision *d)
{
    Flowbalancer__V1__PlanResponse answer = FLOWBALANCER__V1__PLAN_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.committed = flow_committed(f, d);
    answer.tasks = fb_arena_zalloc(f->arena, (size_t)d->task_count + 1, sizeof(*answer.tasks));
    answer.ready = schedule_ready_count(view.session->schedule);
    answer.alarms = warnings_of(&view, &answer.n_alarms);
    answer.duplicates = warnings_duplicates(&view, d->task, d->task_count, &answer.n_duplicates);
    if (answer.committed == NULL || answer.tasks == NULL || answer.alarms == NULL ||
        answer.duplicates == NULL || !put_twins(f, view.session, d->task, d->task_count, &answer)) {
        return flow_exhausted(f);
    }
    for (uint32_t i = 0; i < d->task_count; i++) {
        answer.tasks[answer.n_tasks++] = d->task + i;
    }
    return flow_answer(f, &answer.base);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    const Flowbalancer__V1__PlanRequest *request =
        (const Flowbalancer__V1__PlanRequest *)f->request;
    struct plan_item *items = fb_arena_zalloc(f->arena, request->n_items + 1, sizeof(*items));
    const struct plan_command command = {
        .agent = f->actor,
        .items = items,
        .count = request->n_items,
        .plan_key = fb_text_of(request->plan_key),
        .chains_most = request->chains_most,
    };

    for (size_t i = 0; i < request->n_items; i++) {
        if (items == NULL || !read_item(f, request->items[i], &items[i])) {
            return flow_exhausted(f);
        }
    }
    if (!decide_plan(d, &command)) {
        return flow_refuse(f, d);
    }
    return answer_plan(f, d);
}

static const struct flow_method method = {.decide = decide};

void serve_plan(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__PlanRequest *request = (const Flowbalancer__V1__PlanRequest *)message;
    struct flow_call *f =
        flow_call_create(call, message, request->context, request->by, true, &method);

    if (f == NULL) {
        return;
    }
    if (request->n_items == 0 || request->n_items > ITEMS_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "items: 1 to 100,000 of them"));
        return;
    }
    flow_call_begin(f);
}
