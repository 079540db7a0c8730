#include "services/worker/flow/session_life.h"

#include <assert.h>
#include <stdlib.h>

void life_count_leaf(struct session *session, const struct task *task, bool in)
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

void life_place(struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];

    ranker_set_candidate(&session->ranker, number, session_is_free(task));
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
        life_place(session, number);
    }
}

bool life_is_met(const struct session *session, struct graph_edge edge)
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

void life_count_edges(struct session *session, uint32_t number)
{
    struct task *task = &session->tasks[number];
    uint32_t unmet = 0;
    uint32_t children = 0;
    uint32_t phases = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        unmet += !life_is_met(session, edge);
        children += edge.kind == GRAPH_PARENT;
        phases += edge.kind == GRAPH_PARENT && session->tasks[edge.before].phase != 0;
    }
    life_count_leaf(session, task, false);
    if (!task_has_ended(task->state)) {
        session->open_chains += phases != 0;
        session->open_chains -= task->phases != 0;
    }
    task->unmet = unmet;
    task->children = children;
    task->phases = phases;
    life_count_leaf(session, task, true);
}

uint32_t session_holds_up(const struct session *session, uint32_t task)
{
    uint32_t lowest = 0;

    for (uint32_t at = graph_first_in(session->graph, task); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (!life_is_met(session, edge) && (lowest == 0 || edge.before < lowest)) {
            lowest = edge.before;
        }
    }
    return lowest;
}

bool session_chain_is_done(const struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];
    bool completed = false;

    if (task->phases == 0 || !session_is_free(task)) {
        return false;
    }
    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);
        const enum task_state state = session->tasks[edge.before].state;

        if (edge.kind == GRAPH_PARENT && state == TASK_FAILED) {
            return false;
        }
        completed |= edge.kind == GRAPH_PARENT && state == TASK_COMPLETED;
    }
    return completed;
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

/* --- moving --- */

void life_settle_blocked(struct session *session, uint32_t number)
{
    struct task *task = &session->tasks[number];
    uint32_t cancelled;

    if (task->state == TASK_BLOCKED && task->blocker != 0 &&
        (session->tasks[task->blocker].state == TASK_COMPLETED ||
         (task->orphaned && session->tasks[task->blocker].state != TASK_CANCELLED) ||
         !graph_has_edge(
             session->graph,
             (struct graph_edge){.before = task->blocker, .after = number, .kind = GRAPH_AFTER}))) {
        life_move(session, number, TASK_QUEUED);
    }
    if (task->state != TASK_QUEUED) {
        return;
    }
    cancelled = cancelled_before(session, number);
    if (cancelled != 0) {
        life_move(session, number, TASK_BLOCKED);
        task->blocker = cancelled;
        task->orphaned = true;
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
        const bool met = life_is_met(session, edge);
        bool was_met;

        session->tasks[number].state = was;
        was_met = life_is_met(session, edge);
        session->tasks[number].state = now;
        if (met == was_met && now != TASK_CANCELLED && was != TASK_CANCELLED) {
            continue;
        }
        after->unmet += (uint32_t)was_met;
        after->unmet -= (uint32_t)met;
        if (was_met && !met && edge.kind != GRAPH_PARENT && after->state == TASK_ACTIVE) {
            after->stale_input = true;
        }
        if (edge.kind == GRAPH_AFTER) {
            life_settle_blocked(session, edge.after);
        }
        life_place(session, edge.after);
    }
}

void life_changed(struct session *session, struct task *task)
{
    task->rev++;
    task->changed_ms = session->last_ms;
    task->changed_event = session->events + 1;
}

void life_move(struct session *session, uint32_t number, enum task_state next)
{
    struct task *task = &session->tasks[number];
    const enum task_state was = task->state;

    assert(task_may_become(was, next));
    life_count_leaf(session, task, false);
    session->in_state[was]--;
    task->state = next;
    session->in_state[next]++;
    life_count_leaf(session, task, true);
    life_changed(session, task);
    if (was == TASK_BLOCKED) {
        free(task->gate);
        task->gate = NULL;
        task->blocker = 0;
        task->blocked_by = 0;
        task->orphaned = false;
    }
    if (was == TASK_ACTIVE) {
        task->stale_input = false;
    }
    if (task_has_ended(was) != task_has_ended(next)) {
        (void)graph_set_open(session->graph, number, !task_has_ended(next));
        session->open_chains += task->phases != 0 && task_has_ended(was);
        session->open_chains -= task->phases != 0 && task_has_ended(next);
    }
    life_place(session, number);
    tell_dependents(session, number, was);
}

void life_release(struct session *session, struct task *task, uint32_t number, int64_t now_ms,
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

void life_earn(struct session *session, struct task *task, enum momentum_credit credit,
               double share)
{
    momentum_earn(&session->momentum, credit, share, session->awake_ms);
    if (task != NULL) {
        momentum_earn(&task->momentum, credit, share, session->awake_ms);
    }
}
