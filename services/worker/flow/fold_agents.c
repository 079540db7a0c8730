#include "services/worker/flow/fold.h"

#include <stdlib.h>

bool fold_caps_of(struct session *session, struct event_texts words, uint64_t *caps)
{
    *caps = 0;
    for (size_t i = 0; i < words.count; i++) {
        const uint32_t number = names_add(&session->caps, words.items[i]);

        if (number >= EVENT_CAPS) {
            return false;
        }
        *caps |= UINT64_C(1) << number;
    }
    return true;
}

bool fold_caps_fit(const struct session *session, const struct event_texts *lists, size_t count,
                   size_t stride)
{
    struct fb_text fresh[EVENT_CAPS];
    uint32_t used = session->caps.count;
    uint32_t fresh_count = 0;

    for (size_t i = 0; i < count; i++) {
        const struct event_texts *words =
            (const struct event_texts *)(const void *)((const char *)lists + i * stride);

        for (size_t j = 0; j < words->count; j++) {
            uint32_t k = 0;

            if (names_find(&session->caps, words->items[j]) != NAMES_NONE) {
                continue;
            }
            while (k < fresh_count && !fb_text_equal(fresh[k], words->items[j])) {
                k++;
            }
            if (k == fresh_count) {
                if (used + fresh_count == EVENT_CAPS) {
                    return false;
                }
                fresh[fresh_count++] = words->items[j];
            }
        }
    }
    return true;
}

/* --- who --- */

bool session_agents_room(struct session *session)
{
    struct session_agent *agents =
        realloc(session->agents, (session->agent_names.room + 1) * sizeof(*agents));

    if (agents == NULL) {
        return false;
    }
    session->agents = agents;
    return true;
}

uint32_t fold_meet(struct session *session, struct fb_text name)
{
    const uint32_t known = session->agent_names.count;
    const uint32_t room = session->agent_names.room;
    const uint32_t number = names_add(&session->agent_names, name);

    if (number == NAMES_NONE ||
        (session->agent_names.room != room && !session_agents_room(session))) {
        session->broken = true;
        return NAMES_NONE;
    }
    if (number == known) {
        session->agents[number] = (struct session_agent){.held_most = 1};
    }
    return number;
}

/* --- kinds --- */

struct fb_status fold_opened(struct session *session, const struct event *event)
{
    fold_keep(session, &session->name, event->opened.name);
    session->opened_ms = session->opened_ms == 0 ? event->unix_ms : session->opened_ms;
    session->active_most =
        event->opened.active_most == 0 ? SESSION_ACTIVE_MOST : event->opened.active_most;
    session->automatic = event->opened.automatic;
    session->lease_ms = event->opened.lease_ms;
    session->share = event->opened.share == 0 ? 1 : event->opened.share;
    session->load_most = event->opened.load_most == 0 ? SESSION_LOAD_MOST : event->opened.load_most;
    schedule_set_limits(session->schedule, (struct schedule_limits){
                                               .active_per_agent = UINT32_MAX,
                                               .active = session->active_most,
                                               .load = session->load_most,
                                           });
    return fb_ok;
}

struct fb_status fold_seen(struct session *session, const struct event *event)
{
    uint32_t agent;

    if (event->actor.size == 0) {
        return fold_refuse("nobody was seen");
    }
    if (!event->seen.declares) {
        return fb_ok;
    }
    if (!fold_caps_fit(session, &event->seen.caps, 1, 0)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "caps: a session knows at most 64 words");
    }
    agent = session_agent_of(session, event->actor);
    session->agents[agent].declared = true;
    session->agents[agent].held_most = event->seen.held_most == 0 ? 1 : event->seen.held_most;
    if (!fold_caps_of(session, event->seen.caps, &session->agents[agent].caps)) {
        session->broken = true;
    }
    return fb_ok;
}
