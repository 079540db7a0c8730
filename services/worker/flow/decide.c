#include "services/worker/flow/decide.h"

#include <string.h>

#include "services/worker/flow/deciding.h"

enum {
    RENEWED_MS = 60 * 1000, /* a call that says nothing else is an event so often */
    RENEWALS = 4,           /* or so often in the time of a lease, where that is shorter */
    EVENTS_MOST = 4000,     /* of one command; the store takes 4,096 at once */
};

/* --- events: folded as they are decided --- */

bool deciding_emit(struct decision *d, struct event event)
{
    return deciding_emit_for(d, event.actor.size != 0 ? d->request_id : (struct fb_text){.size = 0},
                             event);
}

bool deciding_emit_for(struct decision *d, struct fb_text request_id, struct event event)
{
    struct fb_status status;

    event.unix_ms = d->now_ms;
    event.request_id = request_id;
    event.command = event.command == EVENT_COMMAND_NONE ? d->command : event.command;
    event.continues = d->event_count > d->command_from;
    if (d->event_count - d->command_from == EVENTS_MOST) {
        return refusal_set(d, REFUSAL_BUDGET, event.task, 0,
                           "a command makes at most %d events; do it in smaller parts",
                           EVENTS_MOST);
    }
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

bool deciding_grant(struct decision *d, struct grant grant)
{
    if (d->grant_count == d->grant_room) {
        const size_t room = d->grant_room == 0 ? 4 : 2 * d->grant_room;
        struct grant *grants = fb_arena_zalloc(d->arena, room, sizeof(*grants));

        if (grants == NULL) {
            return refusal_set(d, REFUSAL_BUDGET, grant.task, 0, "no memory to say who has what");
        }
        if (d->grant_count != 0) {
            memcpy(grants, d->grants, d->grant_count * sizeof(*grants));
        }
        d->grants = grants;
        d->grant_room = room;
    }
    d->grants[d->grant_count++] = grant;
    return true;
}

/* --- beginning and ending --- */

static bool is_request_id(struct fb_text id)
{
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return false;
        }
    }
    return id.size <= EVENT_REQUEST_BYTES;
}

/* What the agent still holds of what the mutation gave it. */
static bool repeat_grants(struct decision *d, struct fb_text agent,
                          const struct recent_outcome *outcome)
{
    const struct session *s = d->session;
    uint32_t held[NEXT_MOST];
    size_t count = schedule_active(s->schedule, session_agent_of(s, agent), held, NEXT_MOST);

    for (size_t i = 0; i < count && i < NEXT_MOST; i++) {
        const uint64_t fence = s->tasks[held[i]].lease.fence;

        if (outcome->fence != 0 && fence >= outcome->fence &&
            fence - outcome->fence < outcome->count &&
            !deciding_grant(
                d, (struct grant){
                       .agent = agent, .task = held[i], .fence = fence, .waiter = GRANT_OWN})) {
            return false;
        }
    }
    return true;
}

/* Whether the mutation was done before; the answer is the same then. */
static bool repeats(struct decision *d, struct fb_text agent, enum event_command command)
{
    const struct recent_outcome *outcome = session_recent(d->session, agent, d->request_id);

    if (outcome == NULL || command == EVENT_COMMAND_NONE) {
        return false;
    }
    if (outcome->command != command) {
        (void)refusal_set(d, REFUSAL_INVALID, 0, 0,
                          "request_id: \"%.*s\" was that of another kind of mutation; each has its "
                          "own",
                          (int)d->request_id.size, d->request_id.data);
        return true;
    }
    d->repeated = true;
    d->task = outcome->task;
    d->fence = outcome->fence;
    d->rev = outcome->rev;
    d->task_count = command == EVENT_COMMAND_PLAN ? outcome->count : 0;
    if (command != EVENT_COMMAND_PLAN) {
        (void)repeat_grants(d, agent, outcome);
    }
    return true;
}

bool deciding_begin(struct decision *d, struct fb_text agent, enum event_command command)
{
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    d->repeated = false;
    d->task = 0;
    d->task_count = 0;
    d->fence = 0;
    d->rev = 0;
    d->grants = NULL;
    d->grant_count = 0;
    d->grant_room = 0;
    d->command = command;
    d->command_from = d->event_count;
    d->workers = 0;
    if (d->now_ms < d->session->last_ms) {
        d->now_ms = d->session->last_ms;
    }
    if (agent.size == 0 && command != EVENT_COMMAND_NONE) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0, "agent: say who you are");
    }
    if (!is_request_id(d->request_id)) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0,
                           "request_id: up to 128 of printable ASCII without spaces");
    }
    return !repeats(d, agent, command);
}

bool deciding_knows(struct decision *d, uint32_t task)
{
    return session_task(d->session, task) != NULL || refusal_no_such(d, task);
}

/* Any call renews the leases of its agent, be it refused, or without events of its own. */
static void renew(struct decision *d, struct fb_text name)
{
    const struct session *s = d->session;
    const uint32_t agent = session_agent_of(s, name);
    const bool brisk = s->lease_ms != 0 && s->lease_ms / RENEWALS < RENEWED_MS;

    if (agent != NAMES_NONE && s->agents[agent].held != 0 &&
        d->now_ms - s->agents[agent].heard_ms >= (brisk ? s->lease_ms / RENEWALS : RENEWED_MS)) {
        (void)deciding_emit_for(d, (struct fb_text){.size = 0},
                                (struct event){.kind = EVENT_SEEN, .actor = name});
    }
}

bool deciding_end(struct decision *d, struct fb_text agent, uint32_t task, bool done)
{
    const struct refusal refusal = d->refusal;
    const struct task *about = session_task(d->session, task);

    renew(d, agent);
    if (done && about != NULL) {
        d->rev = about->rev;
    }
    (void)(deciding_end_chains(d) && deciding_dispatch(d));
    d->refusal = refusal;
    return done;
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
    const struct fb_text nobody = {.size = 0};

    return deciding_begin(d, nobody, EVENT_COMMAND_NONE) &&
           deciding_end(d, nobody, 0, deciding_expire(d));
}

void decide_hear(struct decision *d, struct fb_text agent)
{
    if (deciding_begin(d, (struct fb_text){.size = 0}, EVENT_COMMAND_NONE)) {
        renew(d, agent);
    }
}

bool deciding_holds(const struct session *s, struct fb_text agent, const struct task *task,
                    uint64_t fence)
{
    return task->lease.fence != 0 && task->lease.agent == session_agent_of(s, agent) &&
           (fence == 0 || fence == task->lease.fence);
}

/* --- open --- */

static bool open(struct decision *d, const struct open_command *command)
{
    const struct event opened = {
        .kind = EVENT_OPENED,
        .actor = command->agent,
        .opened = {.name = command->name,
                   .active_most = command->active_most,
                   .load_most = command->load_most,
                   .automatic = command->automatic,
                   .lease_ms = command->lease_ms,
                   .share = command->share},
    };
    const struct event seen = {
        .kind = EVENT_SEEN,
        .actor = command->agent,
        .seen = {.caps = command->caps,
                 .held_most = command->held_most,
                 .declares = command->declares},
    };

    if (!deciding_is_valid(d, opened) || !deciding_is_valid(d, seen)) {
        return false;
    }
    if (d->session->name == NULL && !deciding_emit(d, opened)) {
        return false;
    }
    return deciding_emit(d, seen);
}

bool decide_open(struct decision *d, const struct open_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_OPEN)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, 0, open(d, command));
}
