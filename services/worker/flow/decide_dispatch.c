#include "services/worker/flow/deciding.h"

#include <stdlib.h>

/* The task for the agent, or 0. */
static uint32_t pick(struct decision *d, uint32_t agent)
{
    const struct session *s = d->session;
    const struct schedule_choice choice = deciding_pick(d, agent);

    return choice.task == GRAPH_NONE || s->agents[agent].held >= s->agents[agent].held_most
               ? 0
               : choice.task;
}

static uint32_t pick_named(struct decision *d, uint32_t agent, uint32_t task)
{
    const struct session *s = d->session;
    const struct schedule_agent asks = {.agent = agent, .caps = s->agents[agent].caps};

    return schedule_may(s->schedule, asks, task) == SCHEDULE_INDEX ? task : 0;
}

static bool has_place(const struct session *s, uint32_t agent)
{
    return s->agents[agent].held < s->agents[agent].held_most;
}

static bool is_anything_ready(struct decision *d)
{
    session_settle(d->session, d->now_ms);
    return schedule_ready_count(d->session->schedule) != 0;
}

static bool give_waiters(struct decision *d)
{
    const struct session *s = d->session;

    for (uint32_t i = 0; i < d->waiter_count && is_anything_ready(d); i++) {
        const struct waiter *waiter = &d->waiters[i];
        const uint32_t agent = session_agent_of(s, waiter->agent);
        uint32_t task;

        if (agent == NAMES_NONE || !has_place(s, agent)) {
            continue;
        }
        task = waiter->task == 0 ? pick(d, agent) : pick_named(d, agent, waiter->task);
        if (task != 0 && !deciding_claim_for(
                             d, waiter->request_id,
                             (struct grant){.agent = waiter->agent, .task = task, .waiter = i})) {
            return false;
        }
    }
    return true;
}

/* --- sessions that are automatic --- */

struct candidate {
    uint32_t agent;
    uint32_t held;
    uint64_t fence; /* of what it was given last */
};

/* Who holds least first; among them who was given something longest ago. */
static int by_turn(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->held != y->held) {
        return x->held < y->held ? -1 : 1;
    }
    if (x->fence != y->fence) {
        return x->fence < y->fence ? -1 : 1;
    }
    return (x->agent > y->agent) - (x->agent < y->agent);
}

/* Who may be given something unasked: not who has just put its task away. */
static size_t candidates_of(const struct decision *d, struct candidate *candidates)
{
    const struct session *s = d->session;
    const struct event *last = d->event_count == 0 ? NULL : &d->events[d->event_count - 1];
    uint32_t away = NAMES_NONE;
    size_t count = 0;

    if (d->command == EVENT_COMMAND_PULSE && last != NULL) {
        away = session_agent_of(s, last->actor);
    }
    for (uint32_t i = 0; i < s->agent_names.count; i++) {
        if (s->agents[i].declared && i != away && has_place(s, i) &&
            deciding_is_alive(s, i, d->now_ms)) {
            candidates[count++] = (struct candidate){
                .agent = i, .held = s->agents[i].held, .fence = s->agents[i].last_fence};
        }
    }
    return count;
}

/* One task for each who can take one. */
static bool give_round(struct decision *d, struct candidate *candidates, bool *given)
{
    const size_t count = candidates_of(d, candidates);

    *given = false;
    qsort(candidates, count, sizeof(*candidates), by_turn);
    for (size_t i = 0; i < count && is_anything_ready(d); i++) {
        const uint32_t task = pick(d, candidates[i].agent);

        if (task == 0) {
            continue;
        }
        if (!deciding_claim_for(
                d, (struct fb_text){.size = 0},
                (struct grant){.agent = d->session->agent_names.texts[candidates[i].agent],
                               .task = task,
                               .waiter = GRANT_AUTO})) {
            return false;
        }
        *given = true;
    }
    return true;
}

static bool give_all(struct decision *d)
{
    struct candidate *candidates =
        fb_arena_zalloc(d->arena, d->session->agent_names.count + 1, sizeof(*candidates));
    bool given = candidates != NULL;

    while (given && is_anything_ready(d)) {
        if (!give_round(d, candidates, &given)) {
            return false;
        }
    }
    return candidates != NULL;
}

bool deciding_dispatch(struct decision *d)
{
    if (d->session->name == NULL || !is_anything_ready(d)) {
        return true;
    }
    return give_waiters(d) && (!d->session->automatic || give_all(d));
}
