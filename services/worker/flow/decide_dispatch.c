#include "services/worker/flow/deciding.h"

#include <stdlib.h>

enum { IN_VAIN_MOST = 8 };

/*
 * Capabilities for which nothing was found: whoever has no others need not be looked for, as what is
 * ready only becomes less while it is given out.
 */
struct in_vain {
    uint64_t caps[IN_VAIN_MOST];
    uint32_t count;
};

static bool is_in_vain(const struct in_vain *in_vain, uint64_t caps)
{
    bool found = false;

    for (uint32_t i = 0; i < in_vain->count; i++) {
        found |= (caps & ~in_vain->caps[i]) == 0;
    }
    return found;
}

/* The task for the agent, who has a place, or 0. */
static uint32_t pick(struct decision *d, uint32_t agent, struct in_vain *in_vain)
{
    const uint64_t caps = d->session->agents[agent].caps;
    uint32_t task;

    if (is_in_vain(in_vain, caps)) {
        return 0;
    }
    task = deciding_pick(d, agent).task;
    if (task != GRAPH_NONE) {
        return task;
    }
    if (in_vain->count < IN_VAIN_MOST) {
        in_vain->caps[in_vain->count++] = caps;
    }
    return 0;
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

static bool give_waiters(struct decision *d, struct in_vain *in_vain)
{
    const struct session *s = d->session;

    for (uint32_t i = 0; i < d->waiter_count && is_anything_ready(d); i++) {
        const struct waiter *waiter = &d->waiters[i];
        const uint32_t agent = session_agent_of(s, waiter->agent);
        uint32_t task;

        if (agent == NAMES_NONE || !has_place(s, agent)) {
            continue;
        }
        task = waiter->task == 0 ? pick(d, agent, in_vain) : pick_named(d, agent, waiter->task);
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
static bool give_round(struct decision *d, struct candidate *candidates, struct in_vain *in_vain,
                       bool *given)
{
    const size_t count = candidates_of(d, candidates);

    *given = false;
    qsort(candidates, count, sizeof(*candidates), by_turn);
    for (size_t i = 0; i < count && is_anything_ready(d); i++) {
        const uint32_t task = pick(d, candidates[i].agent, in_vain);

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

static bool give_all(struct decision *d, struct in_vain *in_vain)
{
    struct candidate *candidates =
        fb_arena_zalloc(d->arena, d->session->agent_names.count + 1, sizeof(*candidates));
    bool given = candidates != NULL;

    while (given && is_anything_ready(d)) {
        if (!give_round(d, candidates, in_vain, &given)) {
            return false;
        }
    }
    return candidates != NULL;
}

bool deciding_dispatch(struct decision *d)
{
    struct in_vain in_vain = {.count = 0};

    if (d->session->name == NULL || !is_anything_ready(d)) {
        return true;
    }
    return give_waiters(d, &in_vain) && (!d->session->automatic || give_all(d, &in_vain));
}
