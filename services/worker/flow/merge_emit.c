#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/merge_life.h"

struct fb_status merge_exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to merge");
}

static bool make_room(struct merging *m)
{
    if (m->count == m->room) {
        const size_t room = m->room == 0 ? 1024 : 2 * m->room;
        struct fb_text *events = realloc(m->events, room * sizeof(*events));

        if (events == NULL) {
            return false;
        }
        m->events = events;
        m->room = room;
    }
    return true;
}

struct fb_status merge_emit(struct merging *m, struct event *event)
{
    struct fb_text bytes;
    struct fb_status status;

    if (!make_room(m)) {
        return merge_exhausted();
    }
    if (event->unix_ms < m->scratch->last_ms) {
        event->unix_ms = m->scratch->last_ms;
    }
    event->continues = false;
    if (m->element != NULL) {
        event->origin = m->reading->origins.texts[m->element->origin];
        event->origin_sequence = m->element->sequence;
        event->lamport = m->element->lamport;
    }
    status = session_fold(m->scratch, event);
    if (!fb_is_ok(status)) {
        return status;
    }
    status = event_pack(event, m->arena, &bytes);
    if (fb_is_ok(status)) {
        m->events[m->count++] = bytes;
        m->follows++;
    }
    return status;
}

struct fb_status merge_try(struct merging *m, struct event *event, bool *done)
{
    const struct fb_status status = merge_emit(m, event);

    *done = fb_is_ok(status);
    return status.code == FB_FAILED_PRECONDITION ? fb_ok : status;
}

struct fb_status merge_conflict(struct merging *m, uint32_t task, struct fb_text field,
                                struct fb_text other, uint32_t other_origin)
{
    struct event event = {
        .kind = EVENT_CONFLICT,
        .task = task,
        .conflict = {.field = field,
                     .other = other,
                     .other_origin = m->reading->origins.texts[other_origin]},
    };

    if (other.size > EVENT_BODY_BYTES) {
        event.conflict.other.size = fb_utf8_check(other.data, EVENT_BODY_BYTES);
    }
    m->conflicts++;
    return merge_emit(m, &event);
}

bool merge_writes(struct merging *m, struct merge_writer *writer)
{
    const uint32_t origins = m->reading->origins.count;
    const uint32_t other = writer->origin == 0 ? m->element->origin : writer->origin - 1;
    const bool known = other == m->element->origin ||
                       m->known[(size_t)m->element->origin * origins + other] >= writer->sequence;

    *writer =
        (struct merge_writer){.origin = m->element->origin + 1, .sequence = m->element->sequence};
    return !known;
}

static struct fb_status left_out(struct merging *m, const struct event_link *link)
{
    static const char *const kinds[EVENT_LINK_KINDS] = {
        [EVENT_LINK_AFTER] = "after",     [EVENT_LINK_ENDS] = "ends",
        [EVENT_LINK_ON_FAIL] = "on_fail", [EVENT_LINK_PARENT] = "parent",
        [EVENT_LINK_FROM] = "from",       [EVENT_LINK_DUP] = "dup",
    };
    const char *words =
        fb_arena_printf(&m->scratch_arena, "%s %u", kinds[link->kind], (unsigned)link->on);

    return words == NULL ? merge_exhausted()
                         : merge_conflict(m, link->task, FB_TEXT("link"), fb_text_of(words),
                                          m->element->origin);
}

struct fb_status merge_link_each(struct merging *m, const struct event_link *links, size_t count)
{
    struct fb_status status = fb_ok;

    for (size_t i = 0; i < count && fb_is_ok(status); i++) {
        struct event one = {.kind = EVENT_LINKED, .linked = {.links = &links[i], .link_count = 1}};
        bool done;

        status = merge_try(m, &one, &done);
        if (fb_is_ok(status) && !done && !links[i].dropped) {
            status = left_out(m, &links[i]);
        }
    }
    return status;
}
