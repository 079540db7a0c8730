#include "services/worker/flow/fold.h"

#include <string.h>

#include "services/worker/flow/session_learn.h"
#include "services/worker/flow/session_life.h"

struct fb_status fold_claimed(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t agent = session_agent_of(session, event->actor);

    if (!task_may_become(task->state, TASK_ACTIVE)) {
        return fold_refuse("only a queued or resting task can be claimed");
    }
    if (task->state == TASK_QUEUED && task->unmet != 0) {
        return fold_refuse("a task is claimed that something holds up");
    }
    if (event->claimed.fence != session->fence + 1) {
        return fold_refuse("a fence is not the next");
    }
    if (agent == NAMES_NONE) {
        return fold_refuse("a task is claimed by nobody");
    }
    learn_choice(session, event->task, agent, event->unix_ms);
    if (task->state == TASK_RESTING) {
        momentum_freeze(&task->momentum, false, session->awake_ms);
    }
    session->fence = event->claimed.fence;
    life_move(session, event->task, TASK_ACTIVE);
    task->lease = (struct lease){
        .fence = event->claimed.fence,
        .agent = agent,
        .since_ms = event->unix_ms,
        .lasts_ms = event->claimed.lasts_ms,
    };
    task->implicit = event->claimed.implicit;
    task->held_by = agent + 1;
    session->agents[agent].last_task = event->task;
    session->agents[agent].last_fence = event->claimed.fence;
    session->agents[agent].held++;
    if (!schedule_start(session->schedule, event->task, agent, (uint8_t)task->weight)) {
        session->broken = true;
    }
    life_earn(session, task, MOMENTUM_START, 1);
    return fb_ok;
}

/* Keeps what is said to show it; true if any of it is new. */
static bool learn_evidence(struct session *session, struct task *task, const struct event *event,
                           struct event_evidence_list evidence)
{
    const uint32_t agent = session_agent_of(session, event->actor);
    bool fresh = false;

    for (size_t i = 0; i < evidence.count; i++) {
        const enum task_evidence_news news = task_keep_evidence(task, &evidence.items[i]);

        session->broken |= news == TASK_EVIDENCE_NO_MEMORY;
        fresh |= news == TASK_EVIDENCE_NEW;
        if (evidence.items[i].kind == EVENT_EVIDENCE_FILE && agent != NAMES_NONE) {
            session_agent_touches(&session->agents[agent], evidence.items[i].ref);
        }
    }
    return fresh;
}

static void note_percent(struct session *session, struct task *task, uint32_t percent)
{
    if (percent <= task->percent) {
        return;
    }
    life_earn(session, task, MOMENTUM_FULL_RISE, (percent - task->percent) / 100.0);
    life_count_leaf(session, task, false);
    task->percent = percent;
    life_count_leaf(session, task, true);
}

struct fb_status fold_noted(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const struct fb_text last = fb_text_of(task->note);

    if (task->state != TASK_ACTIVE) {
        return fold_refuse("only an active task takes notes");
    }
    if (learn_evidence(session, task, event, event->noted.evidence)) {
        life_earn(session, task, MOMENTUM_NEW_EVIDENCE, 1);
    } else if (event->noted.note.size != 0) {
        life_earn(session, task,
                  fb_text_equal(last, event->noted.note) ? MOMENTUM_REPEATED_NOTE : MOMENTUM_NOTE,
                  1);
    }
    if (event->noted.note.size != 0) {
        fold_keep(session, &task->note, event->noted.note);
    }
    note_percent(session, task, event->noted.percent);
    life_changed(session, task);
    return fb_ok;
}

struct fb_status fold_rested(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];

    if (task->state != TASK_ACTIVE) {
        return fold_refuse("only an active task can rest");
    }
    life_release(session, task, event->task, event->unix_ms, false);
    life_move(session, event->task, TASK_RESTING);
    momentum_freeze(&task->momentum, true, session->awake_ms);
    return fb_ok;
}

struct fb_status fold_blocked(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t blocker = event->blocked.blocker;
    const struct graph_edge edge = {.before = blocker, .after = event->task, .kind = GRAPH_AFTER};

    if (task->state != TASK_ACTIVE) {
        return fold_refuse("only an active task gets blocked");
    }
    if (blocker != 0 && (blocker > session->task_count || !graph_has_edge(session->graph, edge) ||
                         life_is_met(session, edge))) {
        return fold_refuse("a blocker is no open task that this one comes after");
    }
    life_release(session, task, event->task, event->unix_ms, false);
    life_move(session, event->task, TASK_BLOCKED);
    task->blocker = blocker;
    task->blocked_by = 0;
    if (blocker == 0) {
        const uint32_t agent = session_agent_of(session, event->actor);

        task->blocked_by = agent == NAMES_NONE ? 0 : agent + 1;
        fold_keep(session, &task->gate, event->blocked.gate);
    }
    life_earn(session, task, MOMENTUM_SETBACK, 1);
    return fb_ok;
}

struct fb_status fold_requeued(struct session *session, const struct event *event)
{
    static const enum task_state from[EVENT_CAUSES] = {
        [EVENT_HANDED_BACK] = TASK_ACTIVE, [EVENT_EXPIRED] = TASK_ACTIVE,
        [EVENT_UNBLOCKED] = TASK_BLOCKED,  [EVENT_RETRIED] = TASK_FAILED,
        [EVENT_REOPENED] = TASK_COMPLETED, [EVENT_RESTORED] = TASK_CANCELLED,
    };
    struct task *task = &session->tasks[event->task];
    const enum event_cause cause = event->requeued.cause;
    const bool restored =
        cause == EVENT_RESTORED && (task->state == TASK_FAILED || task->state == TASK_BLOCKED);

    if (task->state != from[cause] && !restored) {
        return fold_refuse(
            "a task goes back to the queue for a cause that its state does not allow");
    }
    if ((cause == EVENT_UNBLOCKED || cause == EVENT_RESTORED) && task->blocker != 0) {
        return fold_refuse("a task that waits for a task has no gate to open");
    }
    if (cause == EVENT_UNBLOCKED && task->blocked_by != 0 &&
        task->blocked_by == session_agent_of(session, event->actor) + 1) {
        return fold_refuse("a gate is opened by another than who closed it");
    }
    if (cause == EVENT_RETRIED && task->attempt >= TASK_ATTEMPTS_MOST) {
        return fold_refuse("a task is tried at most three times");
    }
    life_release(session, task, event->task, event->unix_ms, cause == EVENT_HANDED_BACK);
    task->attempt += cause == EVENT_RETRIED;
    (void)graph_set_effort(session->graph, event->task, session_effort_ms(session, task));
    task->defer_until_ms = event->requeued.defer_until_unix_ms;
    task->ended_ms = 0;
    life_move(session, event->task, TASK_QUEUED);
    life_settle_blocked(session, event->task);
    if (cause == EVENT_REOPENED) {
        life_earn(session, task, MOMENTUM_SETBACK, 1);
    }
    return fb_ok;
}

struct fb_status fold_finished(struct session *session, const struct event *event)
{
    static const enum task_state ends[EVENT_OUTCOMES] = {
        [EVENT_COMPLETED] = TASK_COMPLETED,
        [EVENT_FAILED] = TASK_FAILED,
        [EVENT_CANCELLED] = TASK_CANCELLED,
    };
    struct task *task = &session->tasks[event->task];
    const enum event_outcome outcome = event->finished.outcome;

    if (!task_may_become(task->state, ends[outcome])) {
        return fold_refuse("a task ends that is not active, or is cancelled when it has ended");
    }
    if (task->state == TASK_QUEUED && outcome == EVENT_COMPLETED &&
        (event->actor.size != 0 || event->finished.fence != 0 ||
         !session_chain_is_done(session, event->task))) {
        return fold_refuse("a task completes of itself whose chain is not done");
    }
    if (outcome != EVENT_CANCELLED && task->state != TASK_QUEUED &&
        (event->finished.fence != task->lease.fence ||
         session_agent_of(session, event->actor) != task->lease.agent)) {
        return fold_refuse("a task is finished by another than who holds it");
    }
    if (task->lease.fence != 0 && !task->implicit && outcome == EVENT_COMPLETED) {
        effort_learn(&session->effort,
                     &(struct effort_input){
                         .weight = task->weight, .attempt = task->attempt, .phase = task->phase},
                     event->unix_ms - task->lease.since_ms);
    }
    (void)learn_evidence(session, task, event, event->finished.evidence);
    life_release(session, task, event->task, event->unix_ms, outcome != EVENT_CANCELLED);
    if (event->finished.summary.size != 0) {
        fold_keep(session, &task->summary, event->finished.summary);
    }
    if (task->state == TASK_RESTING) {
        momentum_freeze(&task->momentum, false, session->awake_ms);
    }
    task->ended_ms = event->unix_ms;
    life_move(session, event->task, ends[outcome]);
    if (outcome == EVENT_COMPLETED && event->actor.size != 0) {
        life_earn(session, NULL, MOMENTUM_COMPLETION, 1);
    } else if (outcome == EVENT_FAILED) {
        life_earn(session, task, MOMENTUM_SETBACK, 1);
    }
    return fb_ok;
}

struct fb_status fold_edited(struct session *session, const struct event *event)
{
    struct task *task = &session->tasks[event->task];
    const uint32_t fields = event->edited.fields;

    if ((fields & EVENT_FIELD_TITLE) != 0) {
        fold_keep(session, &task->title, event->edited.title);
    }
    if ((fields & EVENT_FIELD_BODY) != 0) {
        fold_keep(session, &task->body, event->edited.body);
    }
    if ((fields & EVENT_FIELD_ACCEPT) != 0) {
        fold_keep(session, &task->accept, event->edited.accept);
    }
    if ((fields & EVENT_FIELD_PRIORITY) != 0) {
        task->priority = event->edited.priority;
    }
    if ((fields & EVENT_FIELD_DEFER) != 0) {
        task->defer_until_ms = event->edited.defer_until_unix_ms;
    }
    if ((fields & EVENT_FIELD_WEIGHT) != 0) {
        life_count_leaf(session, task, false);
        task->weight = event->edited.weight;
        life_count_leaf(session, task, true);
        (void)graph_set_effort(session->graph, event->task, session_effort_ms(session, task));
        if (task->state == TASK_ACTIVE) {
            schedule_stop(session->schedule, event->task);
            session->broken |= !schedule_start(session->schedule, event->task, task->lease.agent,
                                               (uint8_t)task->weight);
        }
    }
    kept_conflicts_settle(&session->kept, event->task);
    life_changed(session, task);
    life_place(session, event->task);
    return fb_ok;
}

struct fb_status fold_unattached(struct session *session, const struct event *event)
{
    session->tasks[event->task].unattached++;
    return fb_ok;
}
