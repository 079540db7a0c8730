#include "services/worker/flow/session.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/fold.h"
#include "services/worker/flow/session_learn.h"
#include "services/worker/flow/session_life.h"

bool session_derive(struct session *session, const struct graph_edge *edges, size_t edge_count)
{
    if (!session_agents_room(session) || !fold_tasks_room(session, 0)) {
        return false;
    }
    schedule_set_limits(session->schedule, (struct schedule_limits){
                                               .active_per_agent = UINT32_MAX,
                                               .active = session->active_most,
                                               .load = session->load_most,
                                           });
    for (uint32_t i = 1; i <= session->task_count; i++) {
        const struct task *task = &session->tasks[i];

        if (!fb_is_ok(graph_add_node(session->graph, i, session_effort_ms(session, task)))) {
            return false;
        }
        if (task_has_ended(task->state) && !fb_is_ok(graph_set_open(session->graph, i, false))) {
            return false;
        }
        if (task->key != NULL) {
            fold_key(session, fb_text_of(task->key), i);
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
        life_count_leaf(session, task, true);
        life_count_edges(session, i);
        life_place(session, i);
        if (task->lease.fence != 0) {
            session->agents[task->lease.agent].held++;
            session->broken |=
                !schedule_start(session->schedule, i, task->lease.agent, (uint8_t)task->weight);
        }
    }
    learn_derive(session);
    return !session->broken && session_fault(session) == NULL;
}

/* What of one task does not hold, given how much really holds it up. */
static const char *task_fault(const struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];
    const bool ready = session_is_free(task) && task->defer_until_ms <= session->settled_ms;
    uint32_t unmet = 0;
    uint32_t children = 0;
    uint32_t phases = 0;

    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        unmet += !life_is_met(session, edge);
        children += edge.kind == GRAPH_PARENT;
        phases += edge.kind == GRAPH_PARENT && session->tasks[edge.before].phase != 0;
        if (edge.kind == GRAPH_PARENT && session->tasks[edge.before].parent != number) {
            return "a child does not know its parent";
        }
    }
    if (unmet != task->unmet || children != task->children || phases != task->phases) {
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
    if (ranker_is_candidate(&session->ranker, number) != session_is_free(task)) {
        return "a task is not among the ranker's candidates where it belongs";
    }
    if (graph_effort_ms(session->graph, number) != session_effort_ms(session, task)) {
        return "a task has another effort than its estimate";
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
    uint32_t chains = 0;

    for (uint32_t i = 1; i <= session->task_count; i++) {
        const struct task *task = &session->tasks[i];
        const char *fault = task_fault(session, i);

        if (fault != NULL) {
            return fault;
        }
        in_state[task->state]++;
        chains += task->phases != 0 && !task_has_ended(task->state);
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
    if (chains != session->open_chains) {
        return "the open chains are not what is counted";
    }
    if (!(session->momentum.value >= 0 && session->momentum.value <= 1)) {
        return "momentum is out of bounds";
    }
    return leases_fault(session);
}
