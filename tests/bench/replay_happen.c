#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/decide.h"
#include "tests/bench/replay_play.h"

enum { ARENA_BYTES = 4 << 20 };

/* Leases whose agents were not heard for too long end first, as they do before every command. */
static void expire(struct play *play)
{
    struct fb_arena arena;
    struct decision decision = {.session = play->session, .arena = &arena, .now_ms = play->now_ms};

    if (play->session->in_state[TASK_ACTIVE] == 0) {
        return;
    }
    fb_arena_init(&arena, ARENA_BYTES);
    if (!decide_expire(&decision)) {
        play_stop(play->name, "leases cannot be ended");
    }
    fb_arena_finish(&arena);
}

bool play_fold(struct play *play, struct event event, struct fb_text actor)
{
    event.unix_ms = play->now_ms;
    event.actor = actor;
    return fb_is_ok(session_fold(play->session, &event));
}

static struct fb_text holder_of(const struct play *play, const struct task *task)
{
    return play->session->agent_names.texts[task->lease.agent];
}

/* Takes away what holds up a task. */
static void free_task(struct play *play, uint32_t number, struct fb_text actor)
{
    const struct session *session = play->session;
    uint32_t on;

    if (session->tasks[number].state == TASK_BLOCKED && session->tasks[number].blocker == 0) {
        (void)play_fold(play,
                        (struct event){.kind = EVENT_REQUEUED,
                                       .task = number,
                                       .requeued = {.cause = EVENT_UNBLOCKED}},
                        fb_text_of("gatekeeper"));
    }
    while ((on = session_holds_up(session, number)) != 0) {
        static const enum event_link_kind kinds[] = {EVENT_LINK_AFTER, EVENT_LINK_PARENT};
        bool dropped = false;

        for (int i = 0; i < 2 && !dropped; i++) {
            const bool parent = kinds[i] == EVENT_LINK_PARENT;
            const struct event_link link = {.task = parent ? on : number,
                                            .on = parent ? number : on,
                                            .kind = kinds[i],
                                            .dropped = true};

            dropped = play_fold(
                play,
                (struct event){.kind = EVENT_LINKED, .linked = {.links = &link, .link_count = 1}},
                actor);
        }
        if (!dropped) {
            return;
        }
    }
}

static bool claim(struct play *play, uint32_t number, struct fb_text actor, bool implicit)
{
    const uint64_t ranked = play->session->ranker.ranked;
    const int64_t touched_ms = play->session->ranker.tasks[number].touched_ms;
    const bool claimed =
        play_fold(play,
                  (struct event){.kind = EVENT_CLAIMED,
                                 .task = number,
                                 .claimed = {.fence = play->session->fence + 1,
                                             .lasts_ms = lease_lasts_ms(&play->session->holds),
                                             .implicit = implicit}},
                  actor);

    if (claimed) {
        play_notice_choice(play, ranked,
                           touched_ms != 0 && play->now_ms - touched_ms <= RANKER_TOUCHED_MS);
    }
    return claimed;
}

static bool end(struct play *play, uint32_t number, struct fb_text actor,
                enum event_outcome outcome)
{
    const struct task *task = &play->session->tasks[number];
    const struct effort before = play->session->effort;

    if (task_has_ended(task->state)) {
        return false;
    }
    if (task->state == TASK_ACTIVE) {
        actor = holder_of(play, task);
    } else if (outcome != EVENT_CANCELLED) {
        free_task(play, number, actor);
        if (!claim(play, number, actor, true)) {
            return false;
        }
    }
    if (!play_fold(play,
                   (struct event){.kind = EVENT_FINISHED,
                                  .task = number,
                                  .finished = {.outcome = outcome, .fence = task->lease.fence}},
                   actor)) {
        return false;
    }
    if (outcome != EVENT_FAILED) {
        replay_remaining_ended(&play->remaining, play->session, play->name, number, stdout);
    }
    if (outcome == EVENT_COMPLETED) {
        for (uint32_t i = 0; i < play->state_count; i++) {
            play->states[i].completed = true;
        }
        play_notice_hold(play, &before);
    }
    return true;
}

static bool touch(struct play *play, uint32_t number, struct fb_text actor)
{
    const struct task *task = &play->session->tasks[number];
    char text[32];

    if (task->state == TASK_ACTIVE) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, play->events);
        return play_fold(play,
                         (struct event){.kind = EVENT_NOTED,
                                        .task = number,
                                        .noted = {.note = fb_text_of(text)}},
                         holder_of(play, task));
    }
    return play_fold(
        play,
        (struct event){.kind = EVENT_EDITED,
                       .task = number,
                       .edited = {.fields = EVENT_FIELD_PRIORITY, .priority = task->priority}},
        actor);
}

static bool requeue(struct play *play, uint32_t number, struct fb_text actor)
{
    static const enum event_cause causes[TASK_STATES] = {
        [TASK_ACTIVE] = EVENT_HANDED_BACK,
        [TASK_FAILED] = EVENT_RETRIED,
        [TASK_COMPLETED] = EVENT_REOPENED,
    };
    const struct task *task = &play->session->tasks[number];

    if (causes[task->state] == 0) {
        return false;
    }
    return play_fold(
        play,
        (struct event){.kind = EVENT_REQUEUED,
                       .task = number,
                       .requeued = {.cause = causes[task->state], .reason = fb_text_of("it was")}},
        task->state == TASK_ACTIVE ? holder_of(play, task) : actor);
}

static bool create(struct play *play, const struct flow_log_event *event, struct fb_text actor)
{
    const struct event_planned_task task = {.title = fb_text_of("a task"),
                                            .weight = event->weight,
                                            .priority = event->priority,
                                            .phase = event->phase};
    const uint32_t number = play->session->task_count + 1;

    if (play->numbers[event->task] != 0 ||
        !play_fold(
            play,
            (struct event){.kind = EVENT_PLANNED,
                           .planned = {.first_task = number, .tasks = &task, .task_count = 1}},
            actor)) {
        return false;
    }
    play->numbers[event->task] = number;
    return true;
}

static bool link(struct play *play, const struct flow_log_event *event, struct fb_text actor)
{
    static const enum event_link_kind kinds[FLOW_LOG_LINKS] = {
        [FLOW_LOG_AFTER] = EVENT_LINK_AFTER,
        [FLOW_LOG_PARENT] = EVENT_LINK_PARENT,
        [FLOW_LOG_FROM] = EVENT_LINK_FROM,
    };
    const struct event_link made = {.task = play->numbers[event->task],
                                    .on = play->numbers[event->on],
                                    .kind = kinds[event->link]};

    return made.task != 0 && made.on != 0 &&
           play_fold(
               play,
               (struct event){.kind = EVENT_LINKED, .linked = {.links = &made, .link_count = 1}},
               actor);
}

bool play_happen(struct play *play, const struct flow_log_event *event)
{
    const struct fb_text actor = fb_text_of(event->agent[0] == '\0' ? "someone" : event->agent);
    const uint32_t number = play->numbers[event->task];
    const struct task *task = &play->session->tasks[number];

    expire(play);
    if (event->kind == FLOW_LOG_CREATED) {
        return create(play, event, actor);
    }
    if (event->kind == FLOW_LOG_SEEN) {
        return play_fold(play, (struct event){.kind = EVENT_SEEN}, actor);
    }
    if (number == 0) {
        return false;
    }
    switch (event->kind) {
    case FLOW_LOG_STARTED:
        return (session_is_free(task) && claim(play, number, actor, false)) ||
               touch(play, number, actor);
    case FLOW_LOG_NOTED:
        return touch(play, number, actor);
    case FLOW_LOG_HANDED_BACK:
        return task->state == TASK_ACTIVE && requeue(play, number, actor);
    case FLOW_LOG_BLOCKED:
        return task->state == TASK_ACTIVE &&
               play_fold(play,
                         (struct event){.kind = EVENT_BLOCKED,
                                        .task = number,
                                        .blocked = {.gate = fb_text_of("something")}},
                         holder_of(play, task));
    case FLOW_LOG_UNBLOCKED:
        if (task->state == TASK_BLOCKED) {
            free_task(play, number, actor);
        }
        return true;
    case FLOW_LOG_COMPLETED:
        return end(play, number, actor, EVENT_COMPLETED);
    case FLOW_LOG_FAILED:
        return end(play, number, actor, EVENT_FAILED);
    case FLOW_LOG_CANCELLED:
        return end(play, number, actor, EVENT_CANCELLED);
    case FLOW_LOG_REOPENED:
        return task_has_ended(task->state) && requeue(play, number, actor);
    case FLOW_LOG_LINKED:
        return link(play, event, actor);
    case FLOW_LOG_CREATED:
    case FLOW_LOG_SEEN:
    case FLOW_LOG_KINDS:
        break;
    }
    return false;
}
