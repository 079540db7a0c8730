#include "services/worker/flow/deciding.h"

#include "services/worker/flow/ties.h"

enum { WORKER_SILENT_MS = 30 * 60 * 1000 /* an agent heard since counts as at work */ };

static int64_t lasts_ms(const struct session *session)
{
    return session->lease_ms != 0 ? session->lease_ms : lease_lasts_ms(&session->holds);
}

static struct event claimed(const struct decision *d, struct fb_text agent, uint32_t task)
{
    return (struct event){
        .kind = EVENT_CLAIMED,
        .actor = agent,
        .task = task,
        .claimed = {.fence = d->session->fence + 1, .lasts_ms = lasts_ms(d->session)}};
}

bool deciding_claim_for(struct decision *d, struct fb_text request_id, struct grant grant)
{
    struct event event = claimed(d, grant.agent, grant.task);

    grant.fence = event.claimed.fence;
    if (grant.waiter < d->waiter_count) {
        event.command = EVENT_COMMAND_NEXT;
    }
    return deciding_emit_for(d, request_id, event) && deciding_grant(d, grant);
}

bool deciding_claim(struct decision *d, struct fb_text agent, uint32_t task)
{
    if (!deciding_claim_for(d, d->request_id,
                            (struct grant){.agent = agent, .task = task, .waiter = GRANT_OWN})) {
        return false;
    }
    if (d->task == 0) {
        d->task = task;
        d->fence = d->session->fence;
    }
    return true;
}

bool deciding_claim_implied(struct decision *d, struct fb_text agent, uint32_t task)
{
    struct event event = claimed(d, agent, task);

    event.claimed.implicit = true;
    return deciding_emit(d, event);
}

bool deciding_may_claim(struct decision *d, uint32_t number)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[number];

    if (task_has_ended(task->state)) {
        return refusal_set(
            d, REFUSAL_NOT_READY, number, 0,
            "task %u is %s; flow_edit reopens what has completed and retries what has "
            "failed",
            number, task_state_name(task->state));
    }
    if (task->state == TASK_BLOCKED && task->blocker == 0) {
        return refusal_set(d, REFUSAL_NOT_READY, number, 0,
                           "task %u waits for an answer: %.200s; flow_edit unblocks it", number,
                           task->gate);
    }
    if (task->state == TASK_BLOCKED) {
        return refusal_set(
            d, REFUSAL_NOT_READY, number, task->blocker,
            "task %u is blocked by task %u, which is %s; do that one first, or drop the "
            "link with flow_edit",
            number, task->blocker, task_state_name(s->tasks[task->blocker].state));
    }
    if (task->state == TASK_QUEUED && task->unmet != 0) {
        const uint32_t other = session_holds_up(s, number);

        return refusal_set(d, REFUSAL_NOT_READY, number, other,
                           "task %u waits for task %u, which is %s (%u in all); do that one first",
                           number, other, task_state_name(s->tasks[other].state), task->unmet);
    }
    if (task->state == TASK_QUEUED && task->defer_until_ms > d->now_ms) {
        return refusal_set(d, REFUSAL_NOT_READY, number, 0,
                           "task %u is deferred for another %lld s; take another with flow_next",
                           number, (long long)((task->defer_until_ms - d->now_ms + 999) / 1000));
    }
    return true;
}

bool deciding_has_room(struct decision *d, uint32_t agent, const struct task *task)
{
    const struct session *s = d->session;

    if (s->agents[agent].held >= s->agents[agent].held_most) {
        return refusal_wip(d, agent);
    }
    if (task != NULL && (s->in_state[TASK_ACTIVE] >= s->active_most ||
                         (s->in_state[TASK_ACTIVE] != 0 &&
                          schedule_load(s->schedule) + task->weight > s->load_most))) {
        return refusal_wip(d, GRAPH_NONE);
    }
    return true;
}

bool deciding_is_alive(const struct session *s, uint32_t agent, int64_t now_ms)
{
    return s->agents[agent].held != 0 || now_ms - s->agents[agent].heard_ms < WORKER_SILENT_MS;
}

static uint32_t workers_alive(const struct session *s, int64_t now_ms)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < s->agent_names.count; i++) {
        alive += deciding_is_alive(s, i, now_ms);
    }
    return alive;
}

struct schedule_choice deciding_pick(struct decision *d, uint32_t agent)
{
    const struct session *s = d->session;
    const struct ties ties = {.session = s, .agent = agent};

    session_settle(d->session, d->now_ms);
    if (d->workers == 0) {
        d->workers = workers_alive(s, d->now_ms);
    }
    return schedule_pick(s->schedule, ties_agent(&ties), d->workers,
                         session_awake_ms(s, d->now_ms));
}

uint32_t deciding_choose(struct decision *d, uint32_t agent)
{
    const struct session *s = d->session;
    const struct schedule_choice choice = deciding_pick(d, agent);

    switch (choice.answer) {
    case SCHEDULE_CRITICAL:
    case SCHEDULE_INDEX:
    case SCHEDULE_STARVED:
        return choice.task;
    case SCHEDULE_NOTHING_READY:
        (void)refusal_set(
            d, REFUSAL_NOT_READY, 0, 0,
            "nothing is ready: %u active, %u blocked, %u queued; wait with wait_s, or "
            "plan",
            s->in_state[TASK_ACTIVE], s->in_state[TASK_BLOCKED], s->in_state[TASK_QUEUED]);
        return 0;
    case SCHEDULE_NEEDS_CAPS:
        (void)refusal_set(
            d, REFUSAL_NEEDS_CAPS, 0, 0,
            "what is ready needs what you did not declare; open the session with more "
            "caps, or wait");
        return 0;
    case SCHEDULE_AGENT_FULL:
        (void)refusal_wip(d, agent);
        return 0;
    case SCHEDULE_SESSION_FULL:
        (void)refusal_wip(d, GRAPH_NONE);
        return 0;
    }
    return 0;
}

/* The number of the agent, who may be new. */
static bool introduce(struct decision *d, struct fb_text name, uint32_t *agent)
{
    *agent = session_agent_of(d->session, name);
    if (*agent == NAMES_NONE) {
        if (!deciding_emit_for(d, (struct fb_text){.size = 0},
                               (struct event){.kind = EVENT_SEEN, .actor = name})) {
            return false;
        }
        *agent = session_agent_of(d->session, name);
    }
    return true;
}

/* It has it already. */
static bool claim_own(struct decision *d, struct fb_text agent, uint32_t task)
{
    d->task = task;
    d->fence = d->session->tasks[task].lease.fence;
    return deciding_emit_for(d, (struct fb_text){.size = 0},
                             (struct event){.kind = EVENT_SEEN, .actor = agent}) &&
           deciding_grant(
               d, (struct grant){
                      .agent = agent, .task = task, .fence = d->fence, .waiter = GRANT_OWN});
}

static bool claim_named(struct decision *d, const struct next_command *command, uint32_t agent)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[command->task];
    uint64_t missing;

    if (deciding_holds(s, command->agent, task, 0)) {
        return claim_own(d, command->agent, command->task);
    }
    if (task->state == TASK_ACTIVE &&
        lease_phase(&task->lease, deciding_heard_ms(s, task), d->now_ms) == LEASE_LIVE) {
        return refusal_held(d, command->task);
    }
    missing = task->needs & ~s->agents[agent].caps;
    if (missing != 0) {
        return refusal_caps(d, command->task, missing);
    }
    if (!deciding_has_room(d, agent, NULL)) {
        return false;
    }
    if (task->state == TASK_ACTIVE && !deciding_give_back(d, command->task)) {
        return false;
    }
    return deciding_may_claim(d, command->task) &&
           deciding_has_room(d, agent, &s->tasks[command->task]) &&
           deciding_claim(d, command->agent, command->task);
}

/* Until the agent holds so many; done when it holds any. */
static bool claim_up_to(struct decision *d, struct fb_text name, uint32_t agent, uint32_t n)
{
    const struct session *s = d->session;
    const uint32_t most = n < s->agents[agent].held_most ? n : s->agents[agent].held_most;

    while (s->agents[agent].held < most) {
        const uint32_t task = deciding_choose(d, agent);

        if (task == 0) {
            break;
        }
        if (!deciding_claim(d, name, task)) {
            return false;
        }
    }
    if (s->agents[agent].held == 0) {
        return false;
    }
    d->refusal = (struct refusal){.kind = REFUSAL_NONE, .why = ""};
    return true;
}

static bool next(struct decision *d, const struct next_command *command)
{
    uint32_t agent;
    uint32_t task;

    if (command->n > NEXT_MOST) {
        return refusal_set(d, REFUSAL_INVALID, 0, 0, "n: up to %d", NEXT_MOST);
    }
    if (command->task != 0 && !deciding_knows(d, command->task)) {
        return false;
    }
    if (!introduce(d, command->agent, &agent)) {
        return false;
    }
    if (command->task != 0) {
        return claim_named(d, command, agent);
    }
    if (!deciding_expire(d)) {
        return false;
    }
    if (command->n != 0) {
        return claim_up_to(d, command->agent, agent, command->n);
    }
    if (!deciding_has_room(d, agent, NULL)) {
        return false;
    }
    task = deciding_choose(d, agent);
    return task != 0 && deciding_claim(d, command->agent, task);
}

bool decide_next(struct decision *d, const struct next_command *command)
{
    bool done;

    if (!deciding_begin(d, command->agent, EVENT_COMMAND_NEXT)) {
        return d->repeated;
    }
    done = next(d, command);
    return deciding_end(d, command->agent, d->task, done);
}
