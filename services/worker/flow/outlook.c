#include "services/worker/flow/outlook.h"

#include <math.h>
#include <stdlib.h>

#include "services/worker/flow/readiness.h"

/* The median of a task's hold; what has children is done with them. */
static double minutes_of(const struct session *session, const struct task *task)
{
    if (task->children != 0) {
        return 0;
    }
    return effort_minutes(&session->effort, &(struct effort_input){.weight = task->weight,
                                                                   .attempt = task->attempt,
                                                                   .phase = task->phase});
}

static double elapsed_minutes(const struct task *task, int64_t now_ms)
{
    if (task->state != TASK_ACTIVE || now_ms <= task->lease.since_ms) {
        return 0;
    }
    return (double)(now_ms - task->lease.since_ms) / 60000.0;
}

/* --- readiness --- */

struct blockers {
    uint32_t tasks[OUTLOOK_BLOCKERS];
    uint32_t count;
    bool never; /* something will not come by itself */
};

static void add_blocker(struct blockers *blockers, uint32_t number)
{
    for (uint32_t i = 0; i < blockers->count; i++) {
        if (blockers->tasks[i] == number) {
            return;
        }
    }
    if (blockers->count < OUTLOOK_BLOCKERS) {
        blockers->tasks[blockers->count++] = number;
    }
}

/* What a task waits for itself. */
static void add_blockers_of(const struct session *session, uint32_t number,
                            struct blockers *blockers)
{
    const struct task *task = &session->tasks[number];

    blockers->never |= task->state == TASK_BLOCKED && task->blocker == 0;
    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);
        const enum task_state state = session->tasks[edge.before].state;

        if (!graph_holds_up(edge.kind)) {
            continue;
        }
        if (!task_has_ended(state)) {
            blockers->never |= edge.kind == GRAPH_ON_FAIL;
            add_blocker(blockers, edge.before);
        } else if ((edge.kind == GRAPH_AFTER && state != TASK_COMPLETED) ||
                   (edge.kind == GRAPH_ON_FAIL && state != TASK_FAILED)) {
            blockers->never = true;
        }
    }
}

double outlook_ready_within(const struct session *session, uint32_t number, int64_t within_ms,
                            int64_t now_ms)
{
    const struct task *task = &session->tasks[number];
    struct readiness_blocker holds[OUTLOOK_BLOCKERS];
    struct blockers blockers = {.count = 0};
    size_t count = 0;

    if ((task->state != TASK_QUEUED && task->state != TASK_BLOCKED) ||
        task->defer_until_ms > now_ms + within_ms) {
        return 0;
    }
    add_blockers_of(session, number, &blockers);
    for (uint32_t i = 0; i < blockers.count; i++) {
        const struct task *blocker = &session->tasks[blockers.tasks[i]];
        const double minutes = minutes_of(session, blocker);

        add_blockers_of(session, blockers.tasks[i], &blockers);
        if (minutes > 0) {
            holds[count++] = (struct readiness_blocker){
                .minutes = minutes, .elapsed_minutes = elapsed_minutes(blocker, now_ms)};
        }
    }
    if (blockers.never) {
        return 0;
    }
    return readiness_within(holds, count, effort_spread(&session->effort),
                            (double)within_ms / 60000.0);
}

/* --- remaining --- */

/* The edges among open tasks that hold up, by index; gives how many. */
static uint32_t edges_among(const struct session *session, const uint32_t *indices,
                            struct remaining_edge *edges)
{
    uint32_t count = 0;

    for (uint32_t number = 1; number <= session->task_count; number++) {
        if (indices[number] == 0) {
            continue;
        }
        for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
             at = graph_next_in(session->graph, at)) {
            const struct graph_edge edge = graph_edge_at(session->graph, at);

            if (graph_holds_up(edge.kind) && indices[edge.before] != 0) {
                edges[count++] = (struct remaining_edge){.before = indices[edge.before] - 1,
                                                         .after = indices[number] - 1};
            }
        }
    }
    return count;
}

struct fb_status outlook_remaining(const struct session *session, int64_t now_ms,
                                   struct remaining *remaining)
{
    uint32_t *indices = calloc(session->task_count + 1, sizeof(*indices)); /* from 1; 0: ended */
    struct remaining_task *tasks = calloc(session->task_count + 1, sizeof(*tasks));
    struct remaining_edge *edges = calloc(graph_edge_count(session->graph) + 1, sizeof(*edges));
    struct remaining_work work = {
        .tasks = tasks,
        .edges = edges,
        .workers = session_workers(session, now_ms),
        .spread = effort_spread(&session->effort),
        .seed = session->events,
    };
    bool done = false;

    *remaining = (struct remaining){.runs = 0};
    if (indices != NULL && tasks != NULL && edges != NULL) {
        for (uint32_t number = 1; number <= session->task_count; number++) {
            const struct task *task = &session->tasks[number];
            const int64_t age_ms = session_awake_ms(session, now_ms) - task->created_awake_ms;

            if (task_has_ended(task->state)) {
                continue;
            }
            tasks[work.count] = (struct remaining_task){
                .minutes = minutes_of(session, task),
                .elapsed_minutes = elapsed_minutes(task, now_ms),
                .held = task->state == TASK_ACTIVE,
                .priority = task->priority,
                .age_days = (double)age_ms / 86400000.0,
            };
            indices[number] = ++work.count;
        }
        work.edge_count = edges_among(session, indices, edges);
        pace_of(&session->pace, work.count, &work.pace, &work.pace_spread);
        done = remaining_estimate(&work, remaining);
    }
    free(indices);
    free(tasks);
    free(edges);
    return done ? fb_ok : fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to forecast what remains");
}
