#include "services/worker/flow/session_learn.h"

#include <math.h>

/* --- the ranker --- */

static uint8_t fan_out(const struct session *session, uint32_t number)
{
    uint8_t count = 0;

    for (uint32_t at = graph_first_out(session->graph, number);
         at != GRAPH_NONE && count < RANKER_FAN_OUT_MOST; at = graph_next_out(session->graph, at)) {
        count += graph_holds_up(graph_edge_at(session->graph, at).kind);
    }
    return count;
}

static void describe(struct session *session, uint32_t number)
{
    const struct task *task = &session->tasks[number];

    ranker_describe(&session->ranker, number,
                    (struct ranker_task){
                        .planned_ms = task->created_ms,
                        .parent = task->parent,
                        .priority = (uint8_t)task->priority,
                        .fan_out = fan_out(session, number),
                    });
}

/* Both ends of each link, each task once. */
static void describe_linked(struct session *session, const struct event_link *links, size_t count)
{
    session->mark++;
    for (size_t i = 0; i < count; i++) {
        const uint32_t ends[2] = {links[i].task, links[i].on};

        for (size_t j = 0; j < 2; j++) {
            if (session->tasks[ends[j]].mark != session->mark) {
                session->tasks[ends[j]].mark = session->mark;
                describe(session, ends[j]);
            }
        }
    }
}

/* The agent's last task, or for want of one the session's, and what waited for it and waits no more. */
static struct ranker_last last_of(const struct session *session, uint32_t agent)
{
    struct ranker_last last = {.task = session->last_completed};

    if (agent < session->agent_names.count && session->agents[agent].last_task != 0) {
        last.task = session->agents[agent].last_task;
    }
    if (last.task == 0 || session->tasks[last.task].state != TASK_COMPLETED) {
        return last;
    }
    for (uint32_t at = graph_first_out(session->graph, last.task); at != GRAPH_NONE;
         at = graph_next_out(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (graph_holds_up(edge.kind) && session_is_free(&session->tasks[edge.after])) {
            ranker_last_freed(&last, edge.after);
        }
    }
    return last;
}

void learn_choice(struct session *session, uint32_t number, uint32_t agent, int64_t now_ms)
{
    const struct ranker_last last = last_of(session, agent);

    ranker_learn(&session->ranker, &last, number, now_ms);
}

static bool may_be_had(const void *arg, uint32_t number)
{
    const struct session *session = arg;

    return schedule_is_ready(session->schedule, number);
}

size_t session_likely(const struct session *session, uint32_t agent, int64_t now_ms,
                      struct ranker_likely *likely, size_t most)
{
    const struct ranker_last last = last_of(session, agent);

    return ranker_likely(&session->ranker, &last, now_ms, may_be_had, session, likely, most);
}

void learn_derive(struct session *session)
{
    for (uint32_t i = 1; i <= session->task_count; i++) {
        describe(session, i);
    }
}

/* --- every event --- */

static bool is_completion(const struct event *event)
{
    return event->kind == EVENT_FINISHED && event->finished.outcome == EVENT_COMPLETED;
}

static void tell_forecast(struct session *session, const struct event *event)
{
    struct forecast *forecast = &session->forecast;
    const int64_t now_ms = event->unix_ms;

    forecast_settle(forecast, now_ms, NULL, NULL);
    if (event->kind == EVENT_PLANNED) {
        forecast_count(forecast, FORECAST_CREATION, (uint32_t)event->planned.task_count, now_ms);
    } else if (event->kind == EVENT_CLAIMED && !event->claimed.implicit) {
        forecast_count(forecast, FORECAST_START, 1, now_ms);
    } else if (is_completion(event)) {
        forecast_count(forecast, FORECAST_COMPLETION, 1, now_ms);
    } else {
        forecast_event(forecast, now_ms);
    }
}

uint32_t session_workers(const struct session *session, int64_t now_ms)
{
    uint32_t workers = 0;

    for (uint32_t i = 0; i < session->agent_names.count; i++) {
        workers += now_ms - session->agents[i].heard_ms <= SESSION_WORKS_MS;
    }
    workers = workers > session->active_most ? session->active_most : workers;
    return workers == 0 ? 1 : workers;
}

/* What has children was done with them. */
static void tell_pace(struct session *session, const struct task *task, int64_t now_ms)
{
    const double spread = effort_spread(&session->effort);
    const struct effort_input input = {
        .weight = task->weight, .attempt = task->attempt, .phase = task->phase};

    if (task->children == 0 &&
        pace_completed(&session->pace,
                       effort_minutes(&session->effort, &input) * exp(spread * spread / 2),
                       task->created_awake_ms)) {
        pace_block(&session->pace, session_workers(session, now_ms), session->awake_ms);
    }
}

void learn_event(struct session *session, const struct event *event)
{
    tell_forecast(session, event);
    switch (event->kind) {
    case EVENT_PLANNED:
        for (uint32_t i = 0; i < event->planned.task_count; i++) {
            describe(session, event->planned.first_task + i);
        }
        describe_linked(session, event->planned.links, event->planned.link_count);
        break;
    case EVENT_IMPORTED:
        for (uint32_t i = 0; i < event->imported.task_count; i++) {
            describe(session, event->imported.first_task + i);
        }
        describe_linked(session, event->imported.links, event->imported.link_count);
        break;
    case EVENT_LINKED:
        describe_linked(session, event->linked.links, event->linked.link_count);
        break;
    case EVENT_EDITED:
        describe(session, event->task);
        break;
    case EVENT_FINISHED:
        if (is_completion(event)) {
            session->last_completed = event->task;
            tell_pace(session, &session->tasks[event->task], event->unix_ms);
        }
        return;
    default:
        break;
    }
    /* Completing without a claim claims on the way, which says nothing; nor does the engine. */
    if (event->task != 0 && event->actor.size != 0 &&
        !(event->kind == EVENT_CLAIMED && event->claimed.implicit)) {
        ranker_touch(&session->ranker, event->task, event->unix_ms);
    }
}
