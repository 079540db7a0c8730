#include "services/worker/exchange/staging.h"

#include <stdlib.h>

#include "services/worker/flow/snapshot.h"

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

void staging_finish(struct staging *staging)
{
    session_destroy(staging->scratch);
    fb_buffer_finish(&staging->bytes);
    free(staging->ends);
    *staging = (struct staging){.scratch = NULL};
}

struct session *staging_copy(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};
    struct session *copy = NULL;

    if (snapshot_write(session, &bytes)) {
        (void)snapshot_read((struct fb_text){.data = bytes.data, .size = bytes.size}, &copy);
    }
    fb_buffer_finish(&bytes);
    return copy;
}

static bool make_room(struct staging *staging, size_t size)
{
    if (staging->count == staging->room) {
        const size_t room = staging->room == 0 ? 256 : 2 * staging->room;
        size_t *ends = realloc(staging->ends, room * sizeof(*ends));

        if (ends == NULL) {
            return false;
        }
        staging->ends = ends;
        staging->room = room;
    }
    return fb_buffer_reserve(&staging->bytes, size + 1) != NULL;
}

static struct fb_status keep(struct staging *staging, const struct event *event,
                             struct fb_text bytes)
{
    struct fb_status status;

    if (staging->bytes.size + bytes.size > STAGING_BYTES_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED,
                       "the events of an import take at most 256 MiB; import it in parts");
    }
    if (!make_room(staging, bytes.size)) {
        return exhausted();
    }
    status = session_fold(staging->scratch, event);
    if (fb_is_ok(status)) {
        fb_buffer_text(&staging->bytes, bytes);
        staging->ends[staging->count++] = staging->bytes.size;
    }
    return status;
}

struct fb_status staging_add(struct staging *staging, const struct event *event,
                             struct fb_arena *arena)
{
    struct fb_text bytes;
    const struct fb_status status = event_check(event);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (!fb_is_ok(event_pack(event, arena, &bytes))) {
        return exhausted();
    }
    return keep(staging, event, bytes);
}

struct fb_status staging_add_bytes(struct staging *staging, struct fb_text bytes,
                                   struct fb_arena *arena)
{
    struct event event;
    const struct fb_status status = event_unpack(bytes, arena, &event);

    return fb_is_ok(status) ? keep(staging, &event, bytes) : status;
}

struct fb_status staging_replace(struct staging *staging, const struct fb_text *events)
{
    struct fb_buffer bytes = {.limit_bytes = STAGING_BYTES_MOST};

    for (size_t i = 0; i < staging->count; i++) {
        fb_buffer_text(&bytes, events[i]);
    }
    if (bytes.failed) {
        fb_buffer_finish(&bytes);
        return exhausted();
    }
    fb_buffer_finish(&staging->bytes);
    staging->bytes = bytes;
    for (size_t i = 0, end = 0; i < staging->count; i++) {
        end += events[i].size;
        staging->ends[i] = end;
    }
    return fb_ok;
}

struct fb_text staging_event(const struct staging *staging, size_t i)
{
    const size_t from = i == 0 ? 0 : staging->ends[i - 1];

    return (struct fb_text){.data = staging->bytes.data + from, .size = staging->ends[i] - from};
}

size_t staging_chunk_end(const struct staging *staging, size_t first)
{
    size_t end = first;
    size_t bytes = 0;

    while (end < staging->count && end - first < STAGING_CHUNK_EVENTS) {
        bytes += staging_event(staging, end).size;
        if (end > first && bytes > STAGING_CHUNK_BYTES) {
            break;
        }
        end++;
    }
    return end;
}
