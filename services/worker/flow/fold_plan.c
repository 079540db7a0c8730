#include "services/worker/flow/fold.h"

#include <stdlib.h>

#include "services/worker/flow/session_life.h"

bool fold_tasks_room(struct session *session, size_t count)
{
    uint32_t room = session->task_room == 0 ? 16 : session->task_room;

    while (room <= session->task_count + count) {
        room *= 2;
    }
    if (room != session->task_room) {
        struct task *tasks = realloc(session->tasks, room * sizeof(*tasks));

        if (tasks == NULL) {
            return false;
        }
        session->tasks = tasks;
        if (!heap_reserve(&session->deferred, room) ||
            !ranker_reserve(&session->ranker, room - 1)) {
            return false;
        }
        session->task_room = room;
    }
    for (size_t i = 1; i <= count; i++) {
        session->tasks[session->task_count + i] = (struct task){.attempt = 1};
    }
    return true;
}

struct task *session_task_room(struct session *session)
{
    if (session->task_count == SESSION_TASKS_MOST || !fold_tasks_room(session, 1)) {
        return NULL;
    }
    return &session->tasks[session->task_count + 1];
}

/* Keys are new, and no two the same. */
static struct fb_status check_keys(const struct session *session,
                                   const struct event_planned_task *tasks, size_t count)
{
    struct names seen = {.count = 0};
    struct fb_status status = fb_ok;

    for (size_t i = 0; i < count && fb_is_ok(status); i++) {
        const uint32_t known = seen.count;
        uint32_t number;

        if (tasks[i].key.size == 0) {
            continue;
        }
        number = names_add(&seen, tasks[i].key);
        if (number == NAMES_NONE) {
            status = fold_exhausted();
        } else if (number < known || session_task_of_key(session, tasks[i].key) != 0) {
            status = fold_refuse("a key names another task already");
        }
    }
    names_finish(&seen);
    return status;
}

static struct fb_status check_planned(struct session *session, const struct event *event)
{
    const size_t count = event->planned.task_count;
    struct fb_status status;

    if (event->planned.first_task != session->task_count + 1) {
        return fold_refuse("tasks are planned under numbers that are not the next");
    }
    if (count > SESSION_TASKS_MOST - session->task_count) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a session holds at most 200,000 tasks");
    }
    if (event->planned.plan_key.size != 0 &&
        session_plan_of(session, event->planned.plan_key) != NULL) {
        return fold_refuse("a plan has the key of another");
    }
    if (event->planned.plan_key.size != 0 && session->plan_keys.count == SESSION_PLANS_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a session knows at most 16,384 plans by key");
    }
    status = check_keys(session, event->planned.tasks, count);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (!fold_caps_fit(session, &event->planned.tasks[0].needs, count,
                       sizeof(event->planned.tasks[0]))) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "needs: a session knows at most 64 words");
    }
    if (!fold_tasks_room(session, count)) {
        return fold_exhausted();
    }
    for (size_t i = 0; i < event->planned.link_count; i++) {
        if (event->planned.links[i].dropped) {
            return fold_refuse("a plan drops no links");
        }
    }
    status = fold_check_links(session, event->planned.links, event->planned.link_count,
                              session->task_count + (uint32_t)count);
    return fb_is_ok(status)
               ? fold_check_parents(session, event->planned.links, event->planned.link_count)
               : status;
}

/* Nodes and edges of a plan, all or none. */
static struct fb_status plan_graph(struct session *session, const struct event *event)
{
    const uint32_t first = event->planned.first_task;
    struct fb_status status = fb_ok;
    uint32_t added = 0;

    while (added < event->planned.task_count && fb_is_ok(status)) {
        const struct event_planned_task *task = &event->planned.tasks[added];

        status = graph_add_node(session->graph, first + added,
                                estimates_ms(&session->estimates, task->weight, 1, task->phase));
        added += fb_is_ok(status);
    }
    if (fb_is_ok(status)) {
        status = fold_change_edges(session, event->planned.links, event->planned.link_count);
    }
    while (!fb_is_ok(status) && added > 0) {
        added--;
        (void)graph_remove_node(session->graph, first + added);
    }
    return status;
}

struct placed {
    uint32_t position;
    uint32_t node;
};

static int by_position(const void *a, const void *b)
{
    const struct placed *x = a;
    const struct placed *y = b;

    return (x->position > y->position) - (x->position < y->position);
}

struct fb_status session_try_plan(struct session *session, const struct event *event)
{
    const size_t count = event->planned.task_count;
    struct placed *nodes = calloc(count + 1, sizeof(*nodes));
    struct fb_status status = event_check(event);

    if (nodes == NULL) {
        return fold_exhausted();
    }
    session->cycle_count = 0;
    if (fb_is_ok(status)) {
        status = check_planned(session, event);
    }
    if (fb_is_ok(status)) {
        status = plan_graph(session, event);
    }
    if (fb_is_ok(status)) {
        /* First to last, for then nothing that is left hangs on what goes. */
        for (uint32_t i = 0; i < count; i++) {
            nodes[i].node = event->planned.first_task + i;
            nodes[i].position = graph_position(session->graph, nodes[i].node);
        }
        qsort(nodes, count, sizeof(*nodes), by_position);
        for (size_t i = 0; i < count; i++) {
            (void)graph_remove_node(session->graph, nodes[i].node);
        }
    } else {
        fold_watch_refused(session, event);
    }
    free(nodes);
    return status;
}

void fold_key(struct session *session, struct fb_text key, uint32_t number)
{
    const uint32_t room = session->keys.room;
    const uint32_t at = names_add(&session->keys, key);

    if (at != NAMES_NONE && session->keys.room != room) {
        uint32_t *tasks = realloc(session->key_tasks, session->keys.room * sizeof(*tasks));

        if (tasks == NULL) {
            session->broken = true;
            return;
        }
        session->key_tasks = tasks;
    }
    if (at == NAMES_NONE) {
        session->broken = true;
        return;
    }
    session->key_tasks[at] = number;
}

static void plan_task(struct session *session, const struct event_planned_task *planned,
                      int64_t now_ms)
{
    const uint32_t number = ++session->task_count;
    struct task *task = &session->tasks[number];

    *task = (struct task){
        .weight = planned->weight,
        .priority = planned->priority,
        .phase = planned->phase,
        .defer_until_ms = planned->defer_until_unix_ms,
        .attempt = 1,
        .created_ms = now_ms,
        .changed_ms = now_ms,
        .changed_event = session->events + 1,
        .created_awake_ms = session->awake_ms,
        .momentum = {.at_ms = session->awake_ms},
    };
    fold_keep(session, &task->title, planned->title);
    fold_keep(session, &task->key, planned->key);
    fold_keep(session, &task->body, planned->body);
    fold_keep(session, &task->accept, planned->accept);
    if (!fold_caps_of(session, planned->needs, &task->needs)) {
        session->broken = true;
    }
    if (planned->key.size != 0) {
        fold_key(session, planned->key, number);
    }
    session->in_state[TASK_QUEUED]++;
    life_count_leaf(session, task, true);
    life_place(session, number);
}

bool session_plans_room(struct session *session)
{
    struct session_plan *plans =
        realloc(session->plans, (session->plan_keys.room + 1) * sizeof(*plans));

    if (plans == NULL) {
        return false;
    }
    session->plans = plans;
    return true;
}

static void keep_plan(struct session *session, const struct event *event)
{
    const uint32_t room = session->plan_keys.room;
    const uint32_t number = names_add(&session->plan_keys, event->planned.plan_key);

    if (number == NAMES_NONE || (session->plan_keys.room != room && !session_plans_room(session))) {
        session->broken = true;
        return;
    }
    session->plans[number] = (struct session_plan){
        .first = event->planned.first_task,
        .items = event->planned.items,
    };
}

struct fb_status fold_plan_tasks(struct session *session, const struct event *event)
{
    struct fb_status status = check_planned(session, event);

    if (fb_is_ok(status)) {
        status = plan_graph(session, event);
    }
    for (size_t i = 0; i < event->planned.task_count && fb_is_ok(status); i++) {
        plan_task(session, &event->planned.tasks[i], event->unix_ms);
    }
    return status;
}

struct fb_status fold_planned(struct session *session, const struct event *event)
{
    const size_t count = event->planned.task_count;
    const size_t link_count = event->planned.link_count;
    const struct fb_status status = fold_plan_tasks(session, event);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (event->planned.plan_key.size != 0) {
        keep_plan(session, event);
    }
    fold_links_changed(session, event->planned.links, link_count);
    momentum_earn_many(&session->momentum, MOMENTUM_CREATED, (uint32_t)(count + link_count),
                       session->awake_ms);
    return fb_ok;
}
