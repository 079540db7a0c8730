#include "services/worker/flow/fold.h"

#include <string.h>

static uint32_t actor_of(const struct session *session, const struct event *event)
{
    return event->actor.size == 0 ? NAMES_NONE : session_agent_of(session, event->actor);
}

struct fold_before fold_before(const struct session *session, const struct event *event)
{
    const uint32_t agent = actor_of(session, event);
    struct fold_before before = {
        .last_ms = session->last_ms,
        .ready = schedule_ready_count(session->schedule),
        .held = agent == NAMES_NONE ? 0 : session->agents[agent].held,
    };

    if (before.held != 0) {
        const struct lease *lease = &session->tasks[session->agents[agent].last_task].lease;

        before.held_since_busy_ms = lease->fence != 0 && lease->agent == agent
                                        ? lease->since_busy_ms
                                        : session->watch.rhythm.busy_ms;
    }
    if (session_task(session, event->task) != NULL) {
        before.task = session->tasks[event->task];
    }
    return before;
}

/* --- doubles --- */

static struct fb_text title_of(const void *arg, uint32_t task)
{
    const struct session *session = arg;

    return fb_text_of(session->tasks[task].title);
}

static bool may_be_double(const void *arg, uint64_t owner, uint32_t task)
{
    const struct session *session = arg;

    (void)owner;
    return !task_has_ended(session->tasks[task].state) && session->tasks[task].phase == 0;
}

static struct doubles_tasks tasks_of(const struct session *session)
{
    return (struct doubles_tasks){.arg = session, .title = title_of, .may = may_be_double};
}

static void look_for_doubles(struct session *session, uint32_t first, uint32_t count)
{
    const struct doubles_tasks tasks = tasks_of(session);

    if (!doubles_planned(&session->watch.doubles, &tasks, first, count, session->last_ms)) {
        session->broken = true;
    }
}

static void planned(struct session *session, const struct event *event)
{
    const uint32_t count = (uint32_t)event->planned.task_count;
    uint32_t parts = 0;

    for (uint32_t i = 0; i < count; i++) {
        parts += event->planned.tasks[i].phase != 0;
    }
    flood_planned(&session->watch.flood, parts, count - parts, session->awake_ms);
    look_for_doubles(session, event->planned.first_task, count);
}

static void shown(struct session *session, const struct event *event, uint32_t agent)
{
    const struct doubles_tasks tasks = tasks_of(session);

    for (size_t i = 0; i < event->noted.evidence.count; i++) {
        const struct event_evidence *item = &event->noted.evidence.items[i];

        if (item->kind == EVENT_EVIDENCE_FILE) {
            doubles_shown(&session->watch.doubles, &tasks, item->ref, event->task, agent,
                          event->unix_ms);
        }
    }
}

/* --- the kinds --- */

static void requeued(struct session *session, const struct event *event, uint32_t agent)
{
    struct rhythm *rhythm = &session->watch.rhythm;

    switch (event->requeued.cause) {
    case EVENT_HANDED_BACK:
        rhythm_left(rhythm, event->task, agent, session->awake_ms);
        break;
    case EVENT_RETRIED:
        rhythm_tried_again(rhythm, event->task, agent, session->awake_ms);
        break;
    case EVENT_REOPENED:
        disproofs_clear(&session->watch.disproofs, event->task);
        break;
    case EVENT_EXPIRED:
    case EVENT_UNBLOCKED:
    case EVENT_RESTORED:
    case EVENT_CAUSES:
        break;
    }
}

static void finished(struct session *session, const struct event *event,
                     const struct fold_before *before, uint32_t agent)
{
    struct rhythm *rhythm = &session->watch.rhythm;
    const struct lease *lease = &before->task.lease;

    disproofs_clear(&session->watch.disproofs, event->task);
    if (event->finished.outcome == EVENT_CANCELLED) {
        return;
    }
    if (lease->fence != 0 && !before->task.implicit) {
        rhythm_held(rhythm, rhythm->busy_ms - lease->since_busy_ms);
    }
    if (event->finished.outcome == EVENT_COMPLETED) {
        rhythm_completed(rhythm);
    } else if (before->task.attempt >= TASK_ATTEMPTS_MOST) {
        rhythm_spent(rhythm, event->task, agent, session->awake_ms);
    }
}

static void heard(struct session *session, uint32_t agent, const struct fold_before *before)
{
    struct session_agent *known = &session->agents[agent];
    struct rhythm *rhythm = &session->watch.rhythm;
    const int64_t silent_ms = rhythm->busy_ms - known->heard_busy_ms;

    if (before->held != 0 && silent_ms >= RHYTHM_LULL_LEAST_MS) {
        rhythm_heard(rhythm, silent_ms, rhythm->busy_ms - before->held_since_busy_ms,
                     session->awake_ms);
    }
    known->heard_busy_ms = rhythm->busy_ms;
}

struct fb_status fold_verified(struct session *session, const struct event *event)
{
    const struct disproof_look found =
        disproofs_look(event->verified.looks, event->verified.look_count);

    disproofs_looked(&session->watch.disproofs, event->task, &found, event->unix_ms);
    return fb_ok;
}

struct fb_status fold_muted(struct session *session, const struct event *event)
{
    if (event->task != 0 && session_task(session, event->task) == NULL) {
        return fold_refuse("an alarm is muted for a task that there is not");
    }
    mutes_set(&session->watch.mutes,
              (struct mute){.kind = event->muted.kind,
                            .task = event->task,
                            .until_unix_ms = event->muted.until_unix_ms},
              event->unix_ms);
    return fb_ok;
}

void fold_watch(struct session *session, const struct event *event,
                const struct fold_before *before)
{
    struct rhythm *rhythm = &session->watch.rhythm;
    const uint32_t agent = actor_of(session, event);
    const int64_t lull_ms = session->events == 0 ? 0 : event->unix_ms - before->last_ms;

    rhythm_advance(rhythm, lull_ms, before->ready);
    runaway_event(&session->watch.runaway, agent);
    if (agent != NAMES_NONE && event->kind != EVENT_UNKNOWN) {
        heard(session, agent, before);
    }
    switch (event->kind) {
    case EVENT_PLANNED:
        planned(session, event);
        break;
    case EVENT_IMPORTED:
        look_for_doubles(session, event->imported.first_task, (uint32_t)event->imported.task_count);
        break;
    case EVENT_CLAIMED:
        session->tasks[event->task].lease.since_busy_ms = rhythm->busy_ms;
        if (!event->claimed.implicit) {
            rhythm_claimed(rhythm, event->task, agent, session->awake_ms);
        }
        break;
    case EVENT_NOTED:
        shown(session, event, agent);
        break;
    case EVENT_BLOCKED:
        rhythm_left(rhythm, event->task, agent, session->awake_ms);
        break;
    case EVENT_REQUEUED:
        requeued(session, event, agent);
        break;
    case EVENT_FINISHED:
        finished(session, event, before, agent);
        break;
    case EVENT_EDITED:
        if ((event->edited.fields & EVENT_FIELD_TITLE) != 0) {
            doubles_retitled(&session->watch.doubles);
        }
        break;
    case EVENT_OPENED:
    case EVENT_SEEN:
    case EVENT_LINKED:
    case EVENT_RESTED:
    case EVENT_UNATTACHED:
    case EVENT_VERIFIED:
    case EVENT_MUTED:
    case EVENT_DOCUMENT:
    case EVENT_COMPACTED:
    case EVENT_EXPANDED:
    case EVENT_MERGED:
    case EVENT_CONFLICT:
    case EVENT_UNKNOWN:
        break;
    }
    rhythm_settle(rhythm, schedule_ready_count(session->schedule));
}

void fold_watch_refused(struct session *session, const struct event *event)
{
    struct watch_cycle *cycle = &session->watch.cycle;

    if (session->cycle_count == 0) {
        return;
    }
    for (uint32_t i = 0; i < session->cycle_count; i++) {
        if (session->cycle[i] > session->task_count) {
            return; /* of a plan: its number will be that of another task */
        }
    }
    cycle->count =
        session->cycle_count < WATCH_CYCLE_NAMED ? session->cycle_count : WATCH_CYCLE_NAMED;
    memcpy(cycle->tasks, session->cycle, cycle->count * sizeof(*cycle->tasks));
    cycle->unix_ms = event->unix_ms;
}
