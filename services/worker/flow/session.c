#include "services/worker/flow/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct fb_status refuse(const char *why)
{
    return fb_fail(FB_FAILED_PRECONDITION, why);
}

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session");
}

/* --- life --- */

struct session *session_create(void)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        return NULL;
    }
    session->active_most = SESSION_ACTIVE_MOST;
    session->load_most = SESSION_LOAD_MOST;
    session->effort = effort_unlearned();
    session->graph = graph_create();
    if (session->graph != NULL) {
        /* How many each agent may hold is the agent's own; the session sees to it. */
        session->schedule = schedule_create(session->graph, (struct schedule_limits){
                                                                .active_per_agent = UINT32_MAX,
                                                                .active = SESSION_ACTIVE_MOST,
                                                                .load = SESSION_LOAD_MOST,
                                                            });
    }
    if (session->schedule == NULL) {
        session_destroy(session);
        return NULL;
    }
    return session;
}

static void task_finish(struct task *task)
{
    free(task->title);
    free(task->key);
    free(task->body);
    free(task->accept);
    free(task->gate);
    free(task->note);
    free(task->summary);
}

void session_destroy(struct session *session)
{
    if (session == NULL) {
        return;
    }
    for (uint32_t i = 1; i <= session->task_count; i++) {
        task_finish(&session->tasks[i]);
    }
    if (session->schedule != NULL) {
        schedule_destroy(session->schedule);
    }
    if (session->graph != NULL) {
        graph_destroy(session->graph);
    }
    heap_finish(&session->deferred);
    names_finish(&session->agent_names);
    names_finish(&session->caps);
    names_finish(&session->keys);
    free(session->key_tasks);
    free(session->agents);
    free(session->tasks);
    free(session->name);
    free(session);
}

/* --- looking things up --- */

const struct task *session_task(const struct session *session, uint32_t task)
{
    return task >= 1 && task <= session->task_count ? &session->tasks[task] : NULL;
}

uint32_t session_task_of_key(const struct session *session, struct fb_text key)
{
    const uint32_t number = names_find(&session->keys, key);

    return number == NAMES_NONE ? 0 : session->key_tasks[number];
}

uint32_t session_agent_of(const struct session *session, struct fb_text name)
{
    return names_find(&session->agent_names, name);
}

struct graph_edge session_edge_of(const struct event_link *link)
{
    static const enum graph_kind kinds[EVENT_LINK_KINDS] = {
        [EVENT_LINK_AFTER] = GRAPH_AFTER,     [EVENT_LINK_ENDS] = GRAPH_ENDS,
        [EVENT_LINK_ON_FAIL] = GRAPH_ON_FAIL, [EVENT_LINK_PARENT] = GRAPH_PARENT,
        [EVENT_LINK_FROM] = GRAPH_FROM,       [EVENT_LINK_DUP] = GRAPH_DUP,
    };
    const bool parent = link->kind == EVENT_LINK_PARENT;

    return (struct graph_edge){
        .before = parent ? link->task : link->on,
        .after = parent ? link->on : link->task,
        .kind = kinds[link->kind],
    };
}

int64_t session_awake_ms(const struct session *session, int64_t now_ms)
{
    const int64_t gap = now_ms - session->last_ms;

    if (gap <= 0 || session->events == 0) {
        return session->awake_ms;
    }
    return session->awake_ms + (gap > MOMENTUM_GAP_MS ? MOMENTUM_GAP_MS : gap);
}

enum flow_state session_flow_state(const struct session *session, int64_t now_ms)
{
    const double momentum = momentum_at(&session->momentum, session_awake_ms(session, now_ms));
    const int64_t silent_ms = now_ms > session->last_ms ? now_ms - session->last_ms : 0;

    return flow_state_next(session->flow_state, momentum, silent_ms);
}

uint32_t session_progress(const struct session *session)
{
    if (session->leaf_weight == 0) {
        return 0;
    }
    return (uint32_t)((session->leaf_progress + session->leaf_weight / 2) / session->leaf_weight);
}

/* --- what is derived --- */

/* Counts a task among the leaves, or no longer. */
static void count_leaf(struct session *session, const struct task *task, bool in)
{
    const uint64_t percent = task->state == TASK_COMPLETED ? 100 : task->percent;

    if (task->children != 0 || task->state == TASK_CANCELLED) {
        return;
    }
    if (in) {
        session->leaf_weight += task->weight;
        session->leaf_progress += task->weight * percent;
    } else {
        session->leaf_weight -= task->weight;
        session->leaf_progress -= task->weight * percent;
    }
}

bool session_is_free(const struct task *task)
{
    return task->state == TASK_QUEUED && task->unmet == 0;
}

/* Puts a task where it belongs now: among the ready, the deferred, or neither. */
static void place(struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];

    if (!session_is_free(task)) {
        schedule_unready(session->schedule, number);
        heap_remove(&session->deferred, number);
        return;
    }
    if (task->defer_until_ms > session->settled_ms) {
        schedule_unready(session->schedule, number);
        heap_put(&session->deferred, number, -(double)task->defer_until_ms);
        return;
    }
    heap_remove(&session->deferred, number);
    if (!schedule_ready(session->schedule, number,
                        (struct schedule_task){
                            .needs = task->needs,
                            .created_awake_ms = task->created_awake_ms,
                            .priority = (uint8_t)task->priority,
                            .weight = (uint8_t)task->weight,
                        })) {
        session->broken = true;
    }
}

void session_settle(struct session *session, int64_t now_ms)
{
    if (now_ms <= session->settled_ms) {
        return;
    }
    session->settled_ms = now_ms;
    while (session->deferred.count != 0) {
        const uint32_t number = heap_top(&session->deferred);

        if (session->tasks[number].defer_until_ms > now_ms) {
            return;
        }
        place(session, number);
    }
}

/* Whether an edge no longer holds up its end. */
static bool is_met(const struct session *session, struct graph_edge edge)
{
    const enum task_state state = session->tasks[edge.before].state;

    switch (edge.kind) {
    case GRAPH_AFTER:
        return state == TASK_COMPLETED;
    case GRAPH_ON_FAIL:
        return state == TASK_FAILED;
    case GRAPH_ENDS:
    case GRAPH_PARENT:
        return task_has_ended(state);
    case GRAPH_FROM:
    case GRAPH_DUP:
    case GRAPH_KINDS:
        return true;
    }
    return true;
}

/* What the edges into a task say: how much holds it up, its children, its parent. */
static void count_edges(struct session *session, uint32_t number)
{
    struct task *task = &session->tasks[number];
    uint32_t unmet = 0;
    uint32_t children = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        unmet += !is_met(session, edge);
        children += edge.kind == GRAPH_PARENT;
    }
    count_leaf(session, task, false);
    task->unmet = unmet;
    task->children = children;
    count_leaf(session, task, true);
}

uint32_t session_holds_up(const struct session *session, uint32_t task)
{
    uint32_t lowest = 0;

    for (uint32_t at = graph_first_in(session->graph, task); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (!is_met(session, edge) && (lowest == 0 || edge.before < lowest)) {
            lowest = edge.before;
        }
    }
    return lowest;
}

/* The lowest task that this one comes after and that was cancelled, or 0. */
static uint32_t cancelled_before(const struct session *session, uint32_t number)
{
    uint32_t lowest = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (edge.kind == GRAPH_AFTER && session->tasks[edge.before].state == TASK_CANCELLED &&
            (lowest == 0 || edge.before < lowest)) {
            lowest = edge.before;
        }
    }
    return lowest;
}

/* --- life cycle: the one place that moves --- */

static void move(struct session *session, uint32_t number, enum task_state next);

/* A blocked task whose blocker is gone is queued; a queued one after a cancelled one is blocked. */
static void settle_blocked(struct session *session, uint32_t number)
{
    struct task *task = &session->tasks[number];
    uint32_t cancelled;

    if (task->state == TASK_BLOCKED && task->blocker != 0 &&
        (session->tasks[task->blocker].state == TASK_COMPLETED ||
         !graph_has_edge(
             session->graph,
             (struct graph_edge){.before = task->blocker, .after = number, .kind = GRAPH_AFTER}))) {
        move(session, number, TASK_QUEUED);
    }
    if (task->state != TASK_QUEUED) {
        return;
    }
    cancelled = cancelled_before(session, number);
    if (cancelled != 0) {
        move(session, number, TASK_BLOCKED);
        task->blocker = cancelled;
    }
}

/* Tells those that wait for a task what has become of it. */
static void tell_dependents(struct session *session, uint32_t number, enum task_state was)
{
    const enum task_state now = session->tasks[number].state;

    if (!task_has_ended(was) && !task_has_ended(now)) {
        return; /* it is not over, as before */
    }
    for (uint32_t at = graph_first_out(session->graph, number); at != GRAPH_NONE;
         at = graph_next_out(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);
        struct task *after = &session->tasks[edge.after];
        const bool met = is_met(session, edge);
        bool was_met;

        session->tasks[number].state = was;
        was_met = is_met(session, edge);
        session->tasks[number].state = now;
        if (met == was_met && now != TASK_CANCELLED) {
            continue;
        }
        after->unmet += (uint32_t)was_met;
        after->unmet -= (uint32_t)met;
        if (was_met && !met && edge.kind != GRAPH_PARENT && after->state == TASK_ACTIVE) {
            after->stale_input = true;
        }
        if (edge.kind == GRAPH_AFTER) {
            settle_blocked(session, edge.after);
        }
        place(session, edge.after);
    }
}

static void move(struct session *session, uint32_t number, enum task_state next)
{
    struct task *task = &session->tasks[number];
    const enum task_state was = task->state;

    assert(task_may_become(was, next));
    count_leaf(session, task, false);
    session->in_state[was]--;
    task->state = next;
    session->in_state[next]++;
    count_leaf(session, task, true);
    task->rev++;
    if (was == TASK_BLOCKED) {
        free(task->gate);
        task->gate = NULL;
        task->blocker = 0;
        task->blocked_by = 0;
    }
    if (was == TASK_ACTIVE) {
        task->stale_input = false;
    }
    if (task_has_ended(was) != task_has_ended(next)) {
        (void)graph_set_open(session->graph, number, !task_has_ended(next));
    }
    place(session, number);
    tell_dependents(session, number, was);
}

/* The lease ends; a hold that says something about holds is learned from. */
static void release(struct session *session, struct task *task, uint32_t number, int64_t now_ms,
                    bool learn)
{
    if (task->lease.fence == 0) {
        return;
    }
    if (learn && !task->implicit) {
        lease_learn(&session->holds, now_ms - task->lease.since_ms);
    }
    session->agents[task->lease.agent].held--;
    schedule_stop(session->schedule, number);
    task->lease = (struct lease){.fence = 0};
    task->implicit = false;
}

static void earn(struct session *session, struct task *task, enum momentum_credit credit,
                 double share)
{
    momentum_earn(&session->momentum, credit, share, session->awake_ms);
    if (task != NULL) {
        momentum_earn(&task->momentum, credit, share, session->awake_ms);
    }
}

/* --- texts --- */

/* Puts a copy of the text in place of what was there. */
static void keep(struct session *session, char **at, struct fb_text text)
{
    char *copy = NULL;

    if (text.size != 0) {
        copy = malloc(text.size + 1);
        if (copy == NULL) {
            session->broken = true;
            return;
        }
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
    }
    free(*at);
    *at = copy;
}

/* Bits of the words, which are numbered as they come; false when there are more than 64. */
static bool caps_of(struct session *session, struct event_texts words, uint64_t *caps)
{
    *caps = 0;
    for (size_t i = 0; i < words.count; i++) {
        const uint32_t number = names_add(&session->caps, words.items[i]);

        if (number >= EVENT_CAPS) {
            return false;
        }
        *caps |= UINT64_C(1) << number;
    }
    return true;
}

/* Whether the words fit among the session's 64, those of one event together. */
static bool caps_fit(const struct session *session, const struct event_texts *lists, size_t count,
                     size_t stride)
{
    struct fb_text fresh[EVENT_CAPS];
    uint32_t used = session->caps.count;
    uint32_t fresh_count = 0;

    for (size_t i = 0; i < count; i++) {
        const struct event_texts *words =
            (const struct event_texts *)(const void *)((const char *)lists + i * stride);

        for (size_t j = 0; j < words->count; j++) {
            uint32_t k = 0;

            if (names_find(&session->caps, words->items[j]) != NAMES_NONE) {
                continue;
            }
            while (k < fresh_count && !fb_text_equal(fresh[k], words->items[j])) {
                k++;
            }
            if (k == fresh_count) {
                if (used + fresh_count == EVENT_CAPS) {
                    return false;
                }
                fresh[fresh_count++] = words->items[j];
            }
        }
    }
    return true;
}

/* --- who --- */

bool session_agents_room(struct session *session)
{
    struct session_agent *agents =
        realloc(session->agents, (session->agent_names.room + 1) * sizeof(*agents));

    if (agents == NULL) {
        return false;
    }
    session->agents = agents;
    return true;
}

/* The actor's number, new if need be; NAMES_NONE for want of memory. */
static uint32_t meet(struct session *session, struct fb_text name)
{
    const uint32_t known = session->agent_names.count;
    const uint32_t room = session->agent_names.room;
    const uint32_t number = names_add(&session->agent_names, name);

    if (number == NAMES_NONE ||
        (session->agent_names.room != room && !session_agents_room(session))) {
        session->broken = true;
        return NAMES_NONE;
    }
    if (number == known) {
        session->agents[number] = (struct session_agent){.held_most = 1};
    }
    return number;
}

/* --- the kinds: each checks everything before it changes anything --- */

static struct fb_status fold_opened(struct session *session, const struct event *event)
{
    keep(session, &session->name, event->opened.name);
    session->active_most =
        event->opened.active_most == 0 ? SESSION_ACTIVE_MOST : event->opened.active_most;
    session->load_most = event->opened.load_most == 0 ? SESSION_LOAD_MOST : event->opened.load_most;
    schedule_set_limits(session->schedule, (struct schedule_limits){
                                               .active_per_agent = UINT32_MAX,
                                               .active = session->active_most,
                                               .load = session->load_most,
                                           });
    return fb_ok;
}

static struct fb_status fold_seen(struct session *session, const struct event *event)
{
    uint32_t agent;

    if (event->actor.size == 0) {
        return refuse("nobody was seen");
    }
    if (!event->seen.declares) {
        return fb_ok;
    }
    if (!caps_fit(session, &event->seen.caps, 1, 0)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "caps: a session knows at most 64 words");
    }
    agent = session_agent_of(session, event->actor);
    session->agents[agent].held_most = event->seen.held_most == 0 ? 1 : event->seen.held_most;
    if (!caps_of(session, event->seen.caps, &session->agents[agent].caps)) {
        session->broken = true;
    }
    return fb_ok;
}

/* Room for `count` more tasks, which are as new. */
static bool tasks_room(struct session *session, size_t count)
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
        if (!heap_reserve(&session->deferred, room)) {
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
    if (session->task_count == SESSION_TASKS_MOST || !tasks_room(session, 1)) {
        return NULL;
    }
    return &session->tasks[session->task_count + 1];
}

static struct fb_status check_links(const struct session *session, const struct event_link *links,
                                    size_t count, uint32_t last)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].task > last || links[i].on > last) {
            return refuse("a link names a task that there is not");
        }
        if (links[i].dropped && !graph_has_edge(session->graph, session_edge_of(&links[i]))) {
            return refuse("a link is dropped that there is not");
        }
    }
    return fb_ok;
}

/* A task has at most one parent; those behind `task_count` are about to be added. */
static struct fb_status check_parents(struct session *session, const struct event_link *links,
                                      size_t count)
{
    session->mark++;
    for (size_t i = 0; i < count; i++) {
        struct task *task = &session->tasks[links[i].task];

        if (links[i].kind != EVENT_LINK_PARENT || links[i].dropped) {
            continue;
        }
        if ((task->parent != 0 && task->parent != links[i].on) || task->mark == session->mark) {
            return refuse("a task has one parent; drop the link to the present one first");
        }
        task->mark = session->mark;
    }
    return fb_ok;
}

/* The graph forgets it with the next edit. */
static void remember_cycle(struct session *session)
{
    size_t count;
    const uint32_t *cycle = graph_cycle(session->graph, &count);

    session->cycle_count = (uint32_t)(count < SESSION_CYCLE_NAMED ? count : SESSION_CYCLE_NAMED);
    if (session->cycle_count != 0) {
        memcpy(session->cycle, cycle, session->cycle_count * sizeof(*cycle));
    }
}

/* Takes away and puts in edges, all or none. The nodes are there. */
static struct fb_status change_edges(struct session *session, const struct event_link *links,
                                     size_t count)
{
    struct graph_edge *edges = malloc((count + 1) * sizeof(*edges));
    struct fb_status status = fb_ok;
    size_t added = 0;
    size_t done = 0;

    if (edges == NULL) {
        return exhausted();
    }
    while (done < count && fb_is_ok(status)) {
        if (links[done].dropped) {
            status = graph_remove_edge(session->graph, session_edge_of(&links[done]));
        } else {
            edges[added++] = session_edge_of(&links[done]);
        }
        done += fb_is_ok(status);
    }
    if (fb_is_ok(status) && added == 1) {
        status = graph_add_edge(session->graph, edges[0]);
        if (status.code == FB_ALREADY_EXISTS) {
            status = fb_ok;
        }
    } else if (fb_is_ok(status) && added > 1) {
        status = graph_add_edges(session->graph, edges, added, NULL);
    }
    if (status.code == FB_FAILED_PRECONDITION) {
        remember_cycle(session);
    }
    for (size_t i = 0; i < done && !fb_is_ok(status); i++) {
        if (links[i].dropped &&
            !fb_is_ok(graph_add_edge(session->graph, session_edge_of(&links[i])))) {
            session->broken = true;
        }
    }
    free(edges);
    return status;
}

/* What the links at a task's end mean for it, once for each task. */
static void links_changed(struct session *session, const struct event_link *links, size_t count)
{
    session->mark++;
    for (size_t i = 0; i < count; i++) {
        const struct graph_edge edge = session_edge_of(&links[i]);
        struct task *task = &session->tasks[edge.after];

        if (links[i].kind == EVENT_LINK_PARENT) {
            session->tasks[links[i].task].parent = links[i].dropped ? 0 : links[i].on;
        }
        session->tasks[links[i].task].rev++;
        if (task->mark == session->mark) {
            continue;
        }
        task->mark = session->mark;
        count_edges(session, edge.after);
        place(session, edge.after);
        settle_blocked(session, edge.after);
    }
}

static struct fb_status fold_linked(struct session *session, const struct event *event)
{
    const struct event_link *links = event->linked.links;
    const size_t count = event->linked.link_count;
    struct fb_status status = check_links(session, links, count, session->task_count);
    uint32_t added = 0;

    if (fb_is_ok(status)) {
        status = check_parents(session, links, count);
    }
    if (fb_is_ok(status)) {
        status = change_edges(session, links, count);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    links_changed(session, links, count);
    for (size_t i = 0; i < count; i++) {
        added += !links[i].dropped;
    }
    momentum_earn_many(&session->momentum, MOMENTUM_CREATED, added, session->awake_ms);
    return fb_ok;
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
            status = exhausted();
        } else if (number < known || session_task_of_key(session, tasks[i].key) != 0) {
            status = refuse("a key names another task already");
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
        return refuse("tasks are planned under numbers that are not the next");
    }
    if (count > SESSION_TASKS_MOST - session->task_count) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a session holds at most 200,000 tasks");
    }
    status = check_keys(session, event->planned.tasks, count);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (!caps_fit(session, &event->planned.tasks[0].needs, count,
                  sizeof(event->planned.tasks[0]))) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "needs: a session knows at most 64 words");
    }
    if (!tasks_room(session, count)) {
        return exhausted();
    }
    for (size_t i = 0; i < event->planned.link_count; i++) {
        if (event->planned.links[i].dropped) {
            return refuse("a plan drops no links");
        }
    }
    status = check_links(session, event->planned.links, event->planned.link_count,
                         session->task_count + (uint32_t)count);
    return fb_is_ok(status)
               ? check_parents(session, event->planned.links, event->planned.link_count)
               : status;
}

/* Nodes and edges of a plan, all or none. */
static struct fb_status plan_graph(struct session *session, const struct event *event)
{
    const uint32_t first = event->planned.first_task;
    struct fb_status status = fb_ok;
    uint32_t added = 0;

    while (added < event->planned.task_count && fb_is_ok(status)) {
        const double minutes = effort_prior(event->planned.tasks[added].weight);

        status = graph_add_node(session->graph, first + added, graph_effort_of(minutes));
        added += fb_is_ok(status);
    }
    if (fb_is_ok(status)) {
        status = change_edges(session, event->planned.links, event->planned.link_count);
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
    struct fb_status status = nodes == NULL ? exhausted() : event_check(event);

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
    }
    free(nodes);
    return status;
}

static void plan_key(struct session *session, struct fb_text key, uint32_t number)
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
        .created_awake_ms = session->awake_ms,
        .momentum = {.at_ms = session->awake_ms},
    };
    keep(session, &task->title, planned->title);
    keep(session, &task->key, planned->key);
    keep(session, &task->body, planned->body);
    keep(session, &task->accept, planned->accept);
    if (!caps_of(session, planned->needs, &task->needs)) {
        session->broken = true;
    }
    if (planned->key.size != 0) {
        plan_key(session, planned->key, number);
    }
    session->in_state[TASK_QUEUED]++;
    count_leaf(session, task, true);
    place(session, number);
}

static struct fb_status fold_planned(struct session *session, const struct event *event)
{
    const size_t count = event->planned.task_count;
    const size_t link_count = event->planned.link_count;
    struct fb_status status = check_planned(session, event);

    if (fb_is_ok(status)) {
        status = plan_graph(session, event);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        plan_task(session, &event->planned.tasks[i], event->unix_ms);
    }
    links_changed(session, event->planned.links, link_count);
    momentum_earn_many(&session->momentum, MOMENTUM_CREATED, (uint32_t)(count + link_count),
                       session->awake_ms);
    return fb_ok;
}

static struct fb_status fold_claimed(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t agent = session_agent_of(session, event->actor);

    if (!task_may_become(task->state, TASK_ACTIVE)) {
        return refuse("only a queued or resting task can be claimed");
    }
    if (task->state == TASK_QUEUED && task->unmet != 0) {
        return refuse("a task is claimed that something holds up");
    }
    if (event->claimed.fence != session->fence + 1) {
        return refuse("a fence is not the next");
    }
    if (agent == NAMES_NONE) {
        return refuse("a task is claimed by nobody");
    }
    if (task->state == TASK_RESTING) {
        momentum_freeze(&task->momentum, false, session->awake_ms);
    }
    session->fence = event->claimed.fence;
    move(session, event->task, TASK_ACTIVE);
    task->lease = (struct lease){
        .fence = event->claimed.fence,
        .agent = agent,
        .since_ms = event->unix_ms,
        .lasts_ms = event->claimed.lasts_ms,
    };
    task->implicit = event->claimed.implicit;
    session->agents[agent].held++;
    if (!schedule_start(session->schedule, event->task, agent, (uint8_t)task->weight)) {
        session->broken = true;
    }
    earn(session, task, MOMENTUM_START, 1);
    return fb_ok;
}

/* Remembers what is new among the evidence; true if anything is. */
static bool learn_evidence(struct task *task, struct event_texts evidence)
{
    bool fresh = false;

    for (size_t i = 0; i < evidence.count; i++) {
        const uint64_t hash = fb_hash(evidence.items[i].data, evidence.items[i].size);
        const uint32_t known =
            task->evidence_seen < TASK_EVIDENCE ? task->evidence_seen : TASK_EVIDENCE;
        uint32_t at = 0;

        while (at < known && task->evidence[at] != hash) {
            at++;
        }
        if (at == known) {
            task->evidence[task->evidence_seen % TASK_EVIDENCE] = hash;
            task->evidence_seen++;
            fresh = true;
        }
    }
    return fresh;
}

static void note_percent(struct session *session, struct task *task, uint32_t percent)
{
    if (percent <= task->percent) {
        return;
    }
    earn(session, task, MOMENTUM_FULL_RISE, (percent - task->percent) / 100.0);
    count_leaf(session, task, false);
    task->percent = percent;
    count_leaf(session, task, true);
}

static struct fb_status fold_noted(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const struct fb_text last = fb_text_of(task->note);

    if (task->state != TASK_ACTIVE) {
        return refuse("only an active task takes notes");
    }
    if (learn_evidence(task, event->noted.evidence)) {
        earn(session, task, MOMENTUM_NEW_EVIDENCE, 1);
    } else if (event->noted.note.size != 0) {
        earn(session, task,
             fb_text_equal(last, event->noted.note) ? MOMENTUM_REPEATED_NOTE : MOMENTUM_NOTE, 1);
    }
    if (event->noted.note.size != 0) {
        keep(session, &task->note, event->noted.note);
    }
    note_percent(session, task, event->noted.percent);
    task->rev++;
    return fb_ok;
}

static struct fb_status fold_rested(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];

    if (task->state != TASK_ACTIVE) {
        return refuse("only an active task can rest");
    }
    release(session, task, event->task, event->unix_ms, false);
    move(session, event->task, TASK_RESTING);
    momentum_freeze(&task->momentum, true, session->awake_ms);
    return fb_ok;
}

static struct fb_status fold_blocked(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t blocker = event->blocked.blocker;
    const struct graph_edge edge = {.before = blocker, .after = event->task, .kind = GRAPH_AFTER};

    if (task->state != TASK_ACTIVE) {
        return refuse("only an active task gets blocked");
    }
    if (blocker != 0 && (blocker > session->task_count || !graph_has_edge(session->graph, edge) ||
                         is_met(session, edge))) {
        return refuse("a blocker is no open task that this one comes after");
    }
    release(session, task, event->task, event->unix_ms, false);
    move(session, event->task, TASK_BLOCKED);
    task->blocker = blocker;
    task->blocked_by = 0;
    if (blocker == 0) {
        const uint32_t agent = session_agent_of(session, event->actor);

        task->blocked_by = agent == NAMES_NONE ? 0 : agent + 1;
        keep(session, &task->gate, event->blocked.gate);
    }
    earn(session, task, MOMENTUM_SETBACK, 1);
    return fb_ok;
}

static struct fb_status fold_requeued(struct session *session, const struct event *event)
{
    static const enum task_state from[EVENT_CAUSES] = {
        [EVENT_HANDED_BACK] = TASK_ACTIVE, [EVENT_EXPIRED] = TASK_ACTIVE,
        [EVENT_UNBLOCKED] = TASK_BLOCKED,  [EVENT_RETRIED] = TASK_FAILED,
        [EVENT_REOPENED] = TASK_COMPLETED,
    };
    struct task *task = &session->tasks[event->task];
    const enum event_cause cause = event->requeued.cause;

    if (task->state != from[cause]) {
        return refuse("a task goes back to the queue for a cause that its state does not allow");
    }
    if (cause == EVENT_UNBLOCKED && task->blocker != 0) {
        return refuse("a task that waits for a task has no gate to open");
    }
    if (cause == EVENT_UNBLOCKED && task->blocked_by != 0 &&
        task->blocked_by == session_agent_of(session, event->actor) + 1) {
        return refuse("a gate is opened by another than who closed it");
    }
    if (cause == EVENT_RETRIED && task->attempt >= TASK_ATTEMPTS_MOST) {
        return refuse("a task is tried at most three times");
    }
    release(session, task, event->task, event->unix_ms, cause == EVENT_HANDED_BACK);
    task->attempt += cause == EVENT_RETRIED;
    task->defer_until_ms = event->requeued.defer_until_unix_ms;
    move(session, event->task, TASK_QUEUED);
    settle_blocked(session, event->task);
    if (cause == EVENT_REOPENED) {
        earn(session, task, MOMENTUM_SETBACK, 1);
    }
    return fb_ok;
}

static struct fb_status fold_finished(struct session *session, const struct event *event)
{
    static const enum task_state ends[EVENT_OUTCOMES] = {
        [EVENT_COMPLETED] = TASK_COMPLETED,
        [EVENT_FAILED] = TASK_FAILED,
        [EVENT_CANCELLED] = TASK_CANCELLED,
    };
    struct task *task = &session->tasks[event->task];
    const enum event_outcome outcome = event->finished.outcome;

    if (!task_may_become(task->state, ends[outcome])) {
        return refuse("a task ends that is not active, or is cancelled when it has ended");
    }
    if (outcome != EVENT_CANCELLED &&
        (event->finished.fence != task->lease.fence ||
         session_agent_of(session, event->actor) != task->lease.agent)) {
        return refuse("a task is finished by another than who holds it");
    }
    if (task->lease.fence != 0 && !task->implicit && outcome == EVENT_COMPLETED) {
        effort_learn(&session->effort,
                     &(struct effort_input){
                         .weight = task->weight, .attempt = task->attempt, .phase = task->phase},
                     event->unix_ms - task->lease.since_ms);
    }
    (void)learn_evidence(task, event->finished.evidence);
    release(session, task, event->task, event->unix_ms, outcome != EVENT_CANCELLED);
    if (event->finished.summary.size != 0) {
        keep(session, &task->summary, event->finished.summary);
    }
    if (task->state == TASK_RESTING) {
        momentum_freeze(&task->momentum, false, session->awake_ms);
    }
    move(session, event->task, ends[outcome]);
    if (outcome == EVENT_COMPLETED) {
        earn(session, NULL, MOMENTUM_COMPLETION, 1);
    } else if (outcome == EVENT_FAILED) {
        earn(session, task, MOMENTUM_SETBACK, 1);
    }
    return fb_ok;
}

static struct fb_status fold_edited(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t fields = event->edited.fields;

    if ((fields & EVENT_FIELD_TITLE) != 0) {
        keep(session, &task->title, event->edited.title);
    }
    if ((fields & EVENT_FIELD_BODY) != 0) {
        keep(session, &task->body, event->edited.body);
    }
    if ((fields & EVENT_FIELD_ACCEPT) != 0) {
        keep(session, &task->accept, event->edited.accept);
    }
    if ((fields & EVENT_FIELD_PRIORITY) != 0) {
        task->priority = event->edited.priority;
    }
    if ((fields & EVENT_FIELD_DEFER) != 0) {
        task->defer_until_ms = event->edited.defer_until_unix_ms;
    }
    if ((fields & EVENT_FIELD_WEIGHT) != 0) {
        count_leaf(session, task, false);
        task->weight = event->edited.weight;
        count_leaf(session, task, true);
        (void)graph_set_effort(session->graph, event->task,
                               graph_effort_of(effort_prior(task->weight)));
        if (task->state == TASK_ACTIVE) {
            schedule_stop(session->schedule, event->task);
            session->broken |= !schedule_start(session->schedule, event->task, task->lease.agent,
                                               (uint8_t)task->weight);
        }
    }
    task->rev++;
    place(session, event->task);
    return fb_ok;
}

static struct fb_status fold_unattached(struct session *session, const struct event *event)
{
    session->tasks[event->task].unattached++;
    return fb_ok;
}

/* --- folding --- */

typedef struct fb_status (*fold_fn)(struct session *session, const struct event *event);

static const struct {
    fold_fn fold;
    bool about_task; /* `task` must be there */
} kinds[EVENT_UNATTACHED + 1] = {
    [EVENT_OPENED] = {fold_opened, false},    [EVENT_SEEN] = {fold_seen, false},
    [EVENT_PLANNED] = {fold_planned, false},  [EVENT_LINKED] = {fold_linked, false},
    [EVENT_CLAIMED] = {fold_claimed, true},   [EVENT_NOTED] = {fold_noted, true},
    [EVENT_RESTED] = {fold_rested, true},     [EVENT_BLOCKED] = {fold_blocked, true},
    [EVENT_REQUEUED] = {fold_requeued, true}, [EVENT_FINISHED] = {fold_finished, true},
    [EVENT_EDITED] = {fold_edited, true},     [EVENT_UNATTACHED] = {fold_unattached, true},
};

/* What holds for any kind. */
static struct fb_status check(const struct session *session, const struct event *event)
{
    const struct fb_status status = event_check(event);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (session->broken) {
        return exhausted();
    }
    if (event->unix_ms < session->last_ms) {
        return refuse("time runs backwards");
    }
    if (event->kind == EVENT_UNKNOWN) {
        return fb_ok;
    }
    if (session->name == NULL && event->kind != EVENT_OPENED) {
        return refuse("a session begins with being opened");
    }
    if (kinds[event->kind].about_task && session_task(session, event->task) == NULL) {
        return refuse("an event is about a task that there is not");
    }
    if (event->actor.size != 0 && session->agent_names.count == SESSION_AGENTS_MOST &&
        session_agent_of(session, event->actor) == NAMES_NONE) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a session knows at most 4,096 agents");
    }
    return fb_ok;
}

struct fb_status session_fold(struct session *session, const struct event *event)
{
    struct fb_status status = check(session, event);
    const int64_t awake_ms = session->awake_ms;
    const enum flow_state flow_state = session->flow_state;
    uint32_t agents;

    session->cycle_count = 0;
    if (!fb_is_ok(status)) {
        return status;
    }
    /* An agent that is not known yet is needed by the kinds; if refused, it is forgotten again. */
    agents = session->agent_names.count;
    if (event->actor.size != 0 && event->kind != EVENT_UNKNOWN &&
        meet(session, event->actor) == NAMES_NONE) {
        return exhausted();
    }
    session->awake_ms = session_awake_ms(session, event->unix_ms);
    session_settle(session, event->unix_ms);
    if (event->kind == EVENT_UNKNOWN) {
        session->unknown_events++;
    } else {
        session->flow_state = session_flow_state(session, event->unix_ms);
        status = kinds[event->kind].fold(session, event);
    }
    if (!fb_is_ok(status)) {
        session->awake_ms = awake_ms;
        session->flow_state = flow_state;
        names_truncate(&session->agent_names, agents);
        return status;
    }
    session->last_ms = event->unix_ms;
    session->events++;
    if (event->actor.size != 0 && event->kind != EVENT_UNKNOWN) {
        session->agents[session_agent_of(session, event->actor)].heard_ms = event->unix_ms;
    }
    session->flow_state =
        flow_state_next(session->flow_state, momentum_at(&session->momentum, session->awake_ms), 0);
    return session->broken ? exhausted() : fb_ok;
}

/* --- from a snapshot, and checks --- */

bool session_derive(struct session *session, const struct graph_edge *edges, size_t edge_count)
{
    if (!session_agents_room(session) || !tasks_room(session, 0)) {
        return false;
    }
    schedule_set_limits(session->schedule, (struct schedule_limits){
                                               .active_per_agent = UINT32_MAX,
                                               .active = session->active_most,
                                               .load = session->load_most,
                                           });
    for (uint32_t i = 1; i <= session->task_count; i++) {
        const struct task *task = &session->tasks[i];

        if (!fb_is_ok(
                graph_add_node(session->graph, i, graph_effort_of(effort_prior(task->weight))))) {
            return false;
        }
        if (task_has_ended(task->state) && !fb_is_ok(graph_set_open(session->graph, i, false))) {
            return false;
        }
        if (task->key != NULL) {
            plan_key(session, fb_text_of(task->key), i);
        }
    }
    if (edge_count != 0 && !fb_is_ok(graph_add_edges(session->graph, edges, edge_count, NULL))) {
        return false;
    }
    for (size_t i = 0; i < edge_count; i++) {
        if (edges[i].kind == GRAPH_PARENT) {
            session->tasks[edges[i].before].parent = edges[i].after;
        }
    }
    session->settled_ms = session->last_ms;
    for (uint32_t i = 1; i <= session->task_count; i++) {
        struct task *task = &session->tasks[i];

        session->in_state[task->state]++;
        count_leaf(session, task, true);
        count_edges(session, i);
        place(session, i);
        if (task->lease.fence != 0) {
            session->agents[task->lease.agent].held++;
            session->broken |=
                !schedule_start(session->schedule, i, task->lease.agent, (uint8_t)task->weight);
        }
    }
    return !session->broken && session_fault(session) == NULL;
}

/* What of one task does not hold, given how much really holds it up. */
static const char *task_fault(const struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];
    const bool ready = session_is_free(task) && task->defer_until_ms <= session->settled_ms;
    uint32_t unmet = 0;
    uint32_t children = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        unmet += !is_met(session, edge);
        children += edge.kind == GRAPH_PARENT;
        if (edge.kind == GRAPH_PARENT && session->tasks[edge.before].parent != number) {
            return "a child does not know its parent";
        }
    }
    if (unmet != task->unmet || children != task->children) {
        return "what holds up a task is not what is counted";
    }
    if ((task->state == TASK_ACTIVE) != (task->lease.fence != 0)) {
        return "a task is active without a lease, or has one and is not";
    }
    if (task->lease.fence > session->fence ||
        (task->lease.fence != 0 && task->lease.agent >= session->agent_names.count)) {
        return "a lease was never granted";
    }
    if (schedule_is_ready(session->schedule, number) != ready ||
        heap_has(&session->deferred, number) != (session_is_free(task) && !ready)) {
        return "a task is not among the ready where it belongs";
    }
    if (graph_is_open(session->graph, number) == task_has_ended(task->state)) {
        return "the graph takes an ended task for open";
    }
    if ((task->blocker != 0 || task->gate != NULL) != (task->state == TASK_BLOCKED)) {
        return "a task is blocked by nothing, or something blocks it and it is not";
    }
    return NULL;
}

static int by_fence(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* No two leases have the same fence, and agents hold what they are said to. */
static const char *leases_fault(const struct session *session)
{
    const size_t active = session->in_state[TASK_ACTIVE];
    uint64_t *fences = calloc(active + 1, sizeof(*fences));
    const char *fault = NULL;
    uint64_t held = 0;
    uint64_t load = 0;
    size_t count = 0;

    if (fences == NULL) {
        return "no memory to check the leases";
    }
    for (uint32_t i = 1; i <= session->task_count; i++) {
        if (session->tasks[i].lease.fence != 0 && count < active) {
            fences[count++] = session->tasks[i].lease.fence;
            load += session->tasks[i].weight;
        }
    }
    qsort(fences, count, sizeof(*fences), by_fence);
    for (size_t i = 1; i < count; i++) {
        if (fences[i] == fences[i - 1]) {
            fault = "two leases have the same fence";
        }
    }
    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        held += session->agents[i].held;
    }
    if (count != active || held != active) {
        fault = "agents hold other tasks than are active";
    }
    if (load != schedule_load(session->schedule)) {
        fault = "the load is not that of the active tasks";
    }
    free(fences);
    return fault;
}

const char *session_fault(const struct session *session)
{
    uint32_t in_state[TASK_STATES] = {0};
    uint64_t weight = 0;
    uint64_t progress = 0;

    for (uint32_t i = 1; i <= session->task_count; i++) {
        const struct task *task = &session->tasks[i];
        const char *fault = task_fault(session, i);

        if (fault != NULL) {
            return fault;
        }
        in_state[task->state]++;
        if (task->children == 0 && task->state != TASK_CANCELLED) {
            weight += task->weight;
            progress += task->weight * (task->state == TASK_COMPLETED ? 100 : task->percent);
        }
    }
    if (memcmp(in_state, session->in_state, sizeof(in_state)) != 0) {
        return "the tasks in each state are not what is counted";
    }
    if (weight != session->leaf_weight || progress != session->leaf_progress) {
        return "progress is not what the tasks say";
    }
    if (!(session->momentum.value >= 0 && session->momentum.value <= 1)) {
        return "momentum is out of bounds";
    }
    return leases_fault(session);
}
