#include "services/worker/flow/decide.h"

#include <string.h>

#include "services/worker/flow/deciding.h"

enum { RENEWED_MS = 60 * 1000 /* a refused call within it of another says nothing new */ };

/* --- events: folded as they are decided --- */

bool deciding_emit(struct decision *d, struct event event)
{
    struct fb_status status;

    event.unix_ms = d->now_ms;
    if (d->event_count == d->event_room) {
        const size_t room = d->event_room == 0 ? 4 : 2 * d->event_room;
        struct event *events = fb_arena_zalloc(d->arena, room, sizeof(*events));

        if (events == NULL) {
            return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory; try a smaller command");
        }
        if (d->event_count != 0) {
            memcpy(events, d->events, d->event_count * sizeof(*events));
        }
        d->events = events;
        d->event_room = room;
    }
    status = session_fold(d->session, &event);
    if (fb_is_ok(status)) {
        d->events[d->event_count++] = event;
        return true;
    }
    if (status.code == FB_FAILED_PRECONDITION && d->session->cycle_count != 0) {
        return refusal_cycle(d);
    }
    return refusal_set(d,
                       status.code == FB_RESOURCE_EXHAUSTED ? REFUSAL_BUDGET
                       : status.code == FB_INVALID_ARGUMENT ? REFUSAL_INVALID
                                                            : REFUSAL_CONFLICT,
                       event.task, 0, "%s", status.why);
}

bool deciding_is_valid(struct decision *d, struct event event)
{
    struct fb_status status;

    event.unix_ms = d->now_ms;
    status = event_check(&event);
    return fb_is_ok(status) || refusal_set(d, REFUSAL_INVALID, event.task, 0, "%s", status.why);
}

bool deciding_begin(struct decision *d, struct fb_text agent)
{
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    d->task = 0;
    d->fence = 0;
    if (d->now_ms < d->session->last_ms) {
        d->now_ms = d->session->last_ms;
    }
    if (agent.size == 0) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0, "agent: say who you are");
    }
    return true;
}

bool deciding_begin_about(struct decision *d, struct fb_text agent, uint32_t task)
{
    if (!deciding_begin(d, agent)) {
        return false;
    }
    return session_task(d->session, task) != NULL || refusal_no_such(d, task);
}

/* --- leases --- */

int64_t deciding_heard_ms(const struct session *s, const struct task *task)
{
    return s->agents[task->lease.agent].heard_ms;
}

bool deciding_give_back(struct decision *d, uint32_t task)
{
    return deciding_emit(
        d,
        (struct event){.kind = EVENT_REQUEUED, .task = task, .requeued = {.cause = EVENT_EXPIRED}});
}

bool deciding_expire(struct decision *d)
{
    const struct session *s = d->session;
    const uint32_t most = s->in_state[TASK_ACTIVE];
    uint32_t *active = fb_arena_alloc(d->arena, (most + 1) * sizeof(*active));

    if (active == NULL) {
        return refusal_set(d, REFUSAL_BUDGET, 0, 0, "no memory to look at the leases");
    }
    schedule_active(s->schedule, GRAPH_NONE, active, most);
    for (uint32_t i = 0; i < most; i++) {
        const struct task *task = &s->tasks[active[i]];

        if (lease_phase(&task->lease, deciding_heard_ms(s, task), d->now_ms) == LEASE_EXPIRED &&
            !deciding_give_back(d, active[i])) {
            return false;
        }
    }
    return true;
}

bool decide_expire(struct decision *d)
{
    return deciding_begin(d, FB_TEXT("engine")) && deciding_expire(d);
}

bool deciding_heard(struct decision *d, struct fb_text name, bool done)
{
    const struct session *s = d->session;
    const uint32_t agent = session_agent_of(s, name);
    const struct refusal refusal = d->refusal;

    if (done || agent == NAMES_NONE || s->agents[agent].held == 0 ||
        d->now_ms - s->agents[agent].heard_ms < RENEWED_MS) {
        return done;
    }
    (void)deciding_emit(d, (struct event){.kind = EVENT_SEEN, .actor = name});
    d->refusal = refusal;
    return false;
}

bool deciding_holds(const struct session *s, struct fb_text agent, const struct task *task,
                    uint64_t fence)
{
    return task->lease.fence != 0 && task->lease.agent == session_agent_of(s, agent) &&
           (fence == 0 || fence == task->lease.fence);
}

/* --- open --- */

bool decide_open(struct decision *d, const struct open_command *command)
{
    const struct event opened = {
        .kind = EVENT_OPENED, .actor = command->agent, .opened = {.name = command->name}};
    const struct event seen = {
        .kind = EVENT_SEEN,
        .actor = command->agent,
        .seen = {.caps = command->caps, .held_most = command->held_most, .declares = true},
    };

    if (!deciding_begin(d, command->agent) || !deciding_is_valid(d, opened) ||
        !deciding_is_valid(d, seen)) {
        return false;
    }
    if (d->session->name == NULL && !deciding_emit(d, opened)) {
        return false;
    }
    return deciding_emit(d, seen);
}
