#include "services/worker/flow/deciding.h"

/* --- pulse --- */

static bool check_blocker(struct decision *d, const struct pulse_command *command)
{
    const struct task *blocker = session_task(d->session, command->blocker);

    if (command->blocker == 0) {
        return true;
    }
    if (blocker == NULL) {
        return refusal_no_such(d, command->blocker);
    }
    if (command->blocker == command->task) {
        return refusal_set(d, REFUSAL_CYCLE, command->task, command->task,
                           "task %u cannot wait for itself", command->task);
    }
    if (task_has_ended(blocker->state)) {
        return refusal_set(d, REFUSAL_NOT_READY, command->task, command->blocker,
                           "task %u is %s and holds up nothing; say what you wait for as a text",
                           command->blocker, task_state_name(blocker->state));
    }
    return true;
}

/* What a pulse does beside its note. */
static struct event state_event(const struct pulse_command *command)
{
    struct event event = {.actor = command->agent, .task = command->task};

    switch (command->state) {
    case PULSE_ACTIVE:
        event.kind = EVENT_SEEN;
        event.task = 0;
        break;
    case PULSE_RESTING:
        event.kind = EVENT_RESTED;
        break;
    case PULSE_BLOCKED:
        event.kind = EVENT_BLOCKED;
        event.blocked.blocker = command->blocker;
        event.blocked.gate = command->gate;
        break;
    case PULSE_HAND_BACK:
        event.kind = EVENT_REQUEUED;
        event.requeued.cause = EVENT_HANDED_BACK;
        break;
    }
    return event;
}

static bool pulse(struct decision *d, const struct pulse_command *command)
{
    const struct event noted = {
        .kind = EVENT_NOTED,
        .actor = command->agent,
        .task = command->task,
        .noted = {.note = command->note,
                  .evidence = command->evidence,
                  .percent = command->percent},
    };
    const struct event_link link = {
        .task = command->task, .on = command->blocker, .kind = EVENT_LINK_AFTER};
    const bool says =
        command->note.size != 0 || command->evidence.count != 0 || command->percent != 0;
    const struct event change = state_event(command);

    if (!deciding_knows(d, command->task) || !deciding_is_valid(d, noted) ||
        !deciding_is_valid(d, change)) {
        return false;
    }
    if (!deciding_holds(d->session, command->agent, &d->session->tasks[command->task],
                        command->fence)) {
        return refusal_stale(d, command->agent, command->task, command->fence, command->note,
                             command->evidence);
    }
    if (command->state == PULSE_BLOCKED && command->blocker != 0) {
        struct event_link *kept = fb_arena_alloc(d->arena, sizeof(*kept));

        if (!check_blocker(d, command)) {
            return false;
        }
        if (kept == NULL) {
            return refusal_set(d, REFUSAL_BUDGET, command->task, 0, "no memory; try again");
        }
        *kept = link;
        if (!graph_has_edge(d->session->graph, session_edge_of(&link)) &&
            !deciding_emit(d, (struct event){.kind = EVENT_LINKED,
                                             .actor = command->agent,
                                             .linked = {.links = kept, .link_count = 1}})) {
            return false;
        }
    }
    if (says && !deciding_emit(d, noted)) {
        return false;
    }
    return (says && command->state == PULSE_ACTIVE) || deciding_emit(d, change);
}

bool decide_pulse(struct decision *d, const struct pulse_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_PULSE)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, command->task, pulse(d, command));
}

/* --- done --- */

static bool finish(struct decision *d, const struct done_command *command)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[command->task];
    struct event event = {
        .kind = EVENT_FINISHED,
        .actor = command->agent,
        .task = command->task,
        .finished = {.outcome = command->failed ? EVENT_FAILED : EVENT_COMPLETED,
                     .summary = command->summary,
                     .evidence = command->evidence},
    };

    if (!deciding_is_valid(d, event)) {
        return false;
    }
    if (command->fence != 0 || task->state == TASK_ACTIVE || task_has_ended(task->state)) {
        if (!deciding_holds(s, command->agent, task, command->fence)) {
            return refusal_stale(d, command->agent, command->task, command->fence, command->summary,
                                 command->evidence);
        }
    }
    if (!command->failed && task_demands_evidence(task) && command->evidence.count == 0 &&
        task->evidence_count == 0) {
        return refusal_set(d, REFUSAL_NOT_READY, command->task, 0,
                           "task %u is accepted only with evidence; name the files, commits or "
                           "commands that show it in `evidence`, or say that it failed",
                           command->task);
    }
    if (!command->failed && task->accept != NULL && command->summary.size == 0 &&
        command->evidence.count == 0) {
        return refusal_set(
            d, REFUSAL_INVALID, command->task, 0,
            "summary, evidence: task %u says what has to be true at the end; name what "
            "shows it",
            command->task);
    }
    if (task->state != TASK_ACTIVE && (!deciding_may_claim(d, command->task) ||
                                       !deciding_claim_implied(d, command->agent, command->task))) {
        return false;
    }
    event.finished.fence = s->tasks[command->task].lease.fence;
    return deciding_emit(d, event);
}

static bool done(struct decision *d, const struct done_command *command)
{
    uint32_t agent;
    uint32_t task = 0;

    if (!deciding_knows(d, command->task) || !finish(d, command)) {
        return false;
    }
    if (!command->next) {
        return true;
    }
    agent = session_agent_of(d->session, command->agent);
    if (!deciding_end_chains(d) || !deciding_expire(d)) {
        return false;
    }
    if (deciding_has_room(d, agent, NULL)) {
        task = deciding_choose(d, agent);
    }
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    return task == 0 || deciding_claim(d, command->agent, task);
}

bool decide_done(struct decision *d, const struct done_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_DONE)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, command->task, done(d, command));
}
