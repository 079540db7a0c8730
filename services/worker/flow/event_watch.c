#include "services/worker/flow/event_parts.h"

#define UNTIL_MOST (INT64_C(1) << 53)

static struct fb_status refuse(const char *why)
{
    return fb_fail(FB_INVALID_ARGUMENT, why);
}

struct fb_status event_check_watch(const struct event *event)
{
    if (event->kind == EVENT_MUTED) {
        if (event->muted.kind == 0 || event->muted.kind >= EVENT_ALARM_KINDS) {
            return refuse("kind: there is no such alarm");
        }
        return event->muted.until_unix_ms >= 0 && event->muted.until_unix_ms <= UNTIL_MOST
                   ? fb_ok
                   : refuse("until_unix_ms: a unix time in milliseconds");
    }
    if (event->verified.look_count == 0 || event->verified.look_count > EVENT_EVIDENCE) {
        return refuse("looks: 1 to 64");
    }
    for (size_t i = 0; i < event->verified.look_count; i++) {
        const struct event_look *look = &event->verified.looks[i];

        if (!event_is_text(look->ref, 1, EVENT_EVIDENCE_BYTES) ||
            !event_is_text(look->host, 0, EVENT_HOST_BYTES) ||
            (unsigned)look->state >= EVENT_LOOK_STATES) {
            return refuse("looks: each has a ref of 1 to 1,024 bytes, a state that there is, and a "
                          "host of at most 128 bytes");
        }
    }
    return fb_ok;
}

static void fill_verified(struct event_room *room, const struct event *event,
                          Flowbalancer__V1__FlowEvidenceVerified *message)
{
    const size_t count = event->verified.look_count;
    Flowbalancer__V1__FlowEvidenceLook **list = event_take(room, count, sizeof(void *));
    Flowbalancer__V1__FlowEvidenceLook *made = event_take(room, count, sizeof(*made));

    for (size_t i = 0; i < count && !room->failed; i++) {
        made[i] = (Flowbalancer__V1__FlowEvidenceLook)FLOWBALANCER__V1__FLOW_EVIDENCE_LOOK__INIT;
        made[i].ref = event_string(room, event->verified.looks[i].ref);
        made[i].state = (Flowbalancer__V1__FlowEvidenceState)event->verified.looks[i].state;
        made[i].host = event_string(room, event->verified.looks[i].host);
        list[i] = &made[i];
    }
    message->task = event->task;
    message->n_looks = count;
    message->looks = list;
}

void event_fill_watch(struct event_room *room, const struct event *event,
                      Flowbalancer__V1__FlowEvent *message)
{
    Flowbalancer__V1__FlowEvidenceVerified *verified;
    Flowbalancer__V1__FlowAlarmMuted *muted;

    if (event->kind == EVENT_VERIFIED) {
        verified = event_take(room, 1, sizeof(*verified));
        if (verified != NULL) {
            *verified = (Flowbalancer__V1__FlowEvidenceVerified)
                FLOWBALANCER__V1__FLOW_EVIDENCE_VERIFIED__INIT;
            fill_verified(room, event, verified);
        }
        message->verified = verified;
        return;
    }
    muted = event_take(room, 1, sizeof(*muted));
    if (muted != NULL) {
        *muted = (Flowbalancer__V1__FlowAlarmMuted)FLOWBALANCER__V1__FLOW_ALARM_MUTED__INIT;
        muted->kind = (Flowbalancer__V1__FlowAlarmKind)event->muted.kind;
        muted->task = event->task;
        muted->until_unix_ms = event->muted.until_unix_ms;
    }
    message->muted = muted;
}

void event_read_watch(struct event_room *room, const Flowbalancer__V1__FlowEvent *message,
                      struct event *event)
{
    struct event_look *looks;

    if (event->kind == EVENT_MUTED) {
        event->task = message->muted->task;
        event->muted.kind = (uint32_t)message->muted->kind;
        event->muted.until_unix_ms = message->muted->until_unix_ms;
        return;
    }
    looks = event_take(room, message->verified->n_looks, sizeof(*looks));
    for (size_t i = 0; i < message->verified->n_looks && looks != NULL; i++) {
        const Flowbalancer__V1__FlowEvidenceLook *look = message->verified->looks[i];

        looks[i] = (struct event_look){.ref = fb_text_of(look->ref),
                                       .state = (enum event_look_state)look->state,
                                       .host = fb_text_of(look->host)};
    }
    event->task = message->verified->task;
    event->verified.looks = looks;
    event->verified.look_count = message->verified->n_looks;
}
