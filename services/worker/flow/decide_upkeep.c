#include "services/worker/flow/deciding.h"

static bool emit(struct decision *d, struct fb_text agent, struct event event)
{
    event.actor = agent;
    return deciding_is_valid(d, event) && deciding_emit(d, event);
}

static bool begin(struct decision *d, struct fb_text agent)
{
    if (!deciding_begin(d, agent, EVENT_COMMAND_NONE)) {
        return false;
    }
    return agent.size != 0 || refusal_set(d, REFUSAL_INVALID, 0, 0, "agent: say who you are");
}

bool decide_mute(struct decision *d, struct fb_text agent, uint32_t alarm_kind, uint32_t task,
                 int64_t until_ms)
{
    const struct event muted = {
        .kind = EVENT_MUTED,
        .task = task,
        .muted = {.kind = alarm_kind, .until_unix_ms = until_ms},
    };

    return begin(d, agent) && (task == 0 || deciding_knows(d, task)) && emit(d, agent, muted);
}

bool decide_verify(struct decision *d, struct fb_text agent, uint32_t task,
                   const struct event_look *looks, size_t count)
{
    const struct event verified = {
        .kind = EVENT_VERIFIED,
        .task = task,
        .verified = {.looks = looks, .look_count = count},
    };

    const struct disproof_look found = disproofs_look(looks, count);

    if (!begin(d, agent) || !deciding_knows(d, task)) {
        return false;
    }
    /* To look again at what is as it was changes nothing. */
    return disproofs_know(&d->session->watch.disproofs, task, &found) || emit(d, agent, verified);
}

bool decide_move(struct decision *d, struct fb_text agent, const struct event *event)
{
    return begin(d, agent) && emit(d, agent, *event);
}
