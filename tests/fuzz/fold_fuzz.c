/*
 * Whatever a log holds, folding it leaves a session in which all invariants hold, a refused event
 * changes nothing, and the state comes back from its snapshot as it was. The input is events, each
 * behind two bytes of its size, lowest first.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/session.h"
#include "services/worker/flow/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fb_buffer snapshot_of(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};

    if (!snapshot_write(session, &bytes)) {
        abort();
    }
    return bytes;
}

static void expect_same(const struct fb_buffer *a, const struct fb_buffer *b)
{
    assert(a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

static void take(struct session *session, struct fb_text bytes)
{
    struct fb_buffer before = snapshot_of(session);
    struct fb_arena arena;
    struct event event;

    fb_arena_init(&arena, 0);
    if (fb_is_ok(event_unpack(bytes, &arena, &event)) && !fb_is_ok(session_fold(session, &event)) &&
        !session->broken) {
        struct fb_buffer after = snapshot_of(session);

        expect_same(&before, &after);
        fb_buffer_finish(&after);
    }
    assert(session->broken || session_fault(session) == NULL);
    fb_arena_finish(&arena);
    fb_buffer_finish(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session *session = session_create();
    struct session *again;
    struct fb_buffer bytes;
    struct fb_buffer back;
    size_t at = 0;

    if (session == NULL) {
        return 0;
    }
    while (size - at >= 2) {
        size_t length = data[at] | (size_t)data[at + 1] << 8;

        at += 2;
        length = length > size - at ? size - at : length;
        take(session, (struct fb_text){.data = (const char *)data + at, .size = length});
        at += length;
    }
    bytes = snapshot_of(session);
    if (session->name != NULL && !session->broken) {
        if (!fb_is_ok(
                snapshot_read((struct fb_text){.data = bytes.data, .size = bytes.size}, &again))) {
            abort();
        }
        back = snapshot_of(again);
        expect_same(&bytes, &back);
        fb_buffer_finish(&back);
        session_destroy(again);
    }
    (void)snapshot_read((struct fb_text){.data = (const char *)data, .size = size}, &again);
    session_destroy(again);
    fb_buffer_finish(&bytes);
    session_destroy(session);
    return 0;
}
