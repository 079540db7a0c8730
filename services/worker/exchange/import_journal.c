#include "services/worker/exchange/import_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/exchange/event_json.h"
#include "services/worker/flow/merge.h"
#include "services/worker/flow/snapshot.h"

static bool same_state(struct session *a, struct session *b)
{
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};
    const bool same = snapshot_write(a, &x) && snapshot_write(b, &y) && x.size == y.size &&
                      memcmp(x.data, y.data, x.size) == 0;

    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
    return same;
}

struct fb_status import_take_event(struct import *import, struct fb_text object, const char *where)
{
    struct session *into = import->options.into;
    struct fb_text bytes;
    struct fb_status status;

    if (import->staging.scratch == NULL) {
        import->staging.scratch = session_create();
        if (import->staging.scratch == NULL) {
            return import_exhausted();
        }
    }
    status = event_json_read(object, where, &import->scratch, &bytes);
    if (!fb_is_ok(status)) {
        return status;
    }
    status = staging_add_bytes(&import->staging, bytes, &import->scratch);
    if (!fb_is_ok(status)) {
        return fb_arena_fail(&import->scratch, status.code, "%s: event %zu: %s", where,
                             import->staging.count + 1, status.why);
    }
    if (into != NULL && into->events == import->staging.scratch->events) {
        import->same_so_far = same_state(into, import->staging.scratch);
        import->first = import->staging.count;
    }
    return fb_ok;
}

/*
 * A journal of another session is a copy that goes its own way from now on: its events say whose they are, so
 * that the two can be merged without having everything twice. The state is the same.
 */
static struct fb_status name_origins(struct import *import)
{
    struct staging *staging = &import->staging;
    struct fb_text *events = calloc(2 * staging->count + 1, sizeof(*events));
    struct fb_status status;

    if (events == NULL) {
        return import_exhausted();
    }
    for (size_t i = 0; i < staging->count; i++) {
        events[i] = staging_event(staging, i);
    }
    status = merge_name_origins(&(struct merge_log){.origin = import->header.session,
                                                    .events = events,
                                                    .count = staging->count},
                                &import->scratch, events + staging->count);
    if (fb_is_ok(status)) {
        status = staging_replace(staging, events + staging->count);
    } else if (status.code == FB_UNIMPLEMENTED) {
        outline_warn(
            &import->outline,
            "the journal has events of a later version: if the session is ever merged with "
            "the one it is of, everything is there twice");
        status = fb_ok;
    } else {
        status = import_lasting(import, status);
    }
    free(events);
    fb_arena_reset(&import->scratch);
    return status;
}

struct fb_status import_end_journal(struct import *import)
{
    const struct fb_text session = import->options.session_id;
    const uint64_t events = import->staging.count;

    if (import->format == IMPORT_JSONL && events != import->header.events) {
        return fb_arena_fail(
            &import->arena, FB_DATA_LOSS,
            "the journal ends after %llu of %llu events, at byte %llu; nothing was "
            "imported: take a whole copy of it",
            (unsigned long long)events, (unsigned long long)import->header.events,
            (unsigned long long)import->bytes);
    }
    if (events == 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "the journal has no events");
    }
    if (!import->same_so_far) {
        return fb_fail(FB_FAILED_PRECONDITION,
                       "the session has gone another way than the journal; import it as a session "
                       "of its own and merge the two");
    }
    import->tasks = import->staging.scratch->task_count;
    if (import->options.into != NULL) {
        import->tasks -= import->options.into->task_count;
    }
    if (session.size != 0 && import->header.session.size != 0 &&
        import->header.session.size <= EVENT_ORIGIN_BYTES &&
        !fb_text_equal(session, import->header.session)) {
        return name_origins(import);
    }
    return fb_ok;
}

struct fb_status import_read_header(struct import *import, struct fb_text line)
{
    const struct fb_status status = journal_read_header(line, &import->arena, &import->header);

    if (!fb_is_ok(status)) {
        return fb_arena_fail(&import->arena, status.code, "line 1: %s", status.why);
    }
    /* The line is gone when the last event has come. */
    if (!import_copy(import, &import->header.session) ||
        !import_copy(import, &import->header.name)) {
        return import_exhausted();
    }
    import->has_header = true;
    /* The line goes. */
    return import_copy(import, &import->header.session) && import_copy(import, &import->header.name)
               ? fb_ok
               : import_exhausted();
}

struct fb_status import_read_document(struct import *import, struct fb_text text)
{
    struct fb_text events = {.size = 0};
    struct fb_json_walk walk;
    struct fb_status status = journal_read_document(text, &import->arena, &import->header, &events);

    walk = fb_json_walk(events);
    for (size_t i = 0; fb_is_ok(status) && fb_json_next(&walk); i++) {
        char where[40];

        snprintf(where, sizeof(where), "$.events[%zu]", i);
        status = import_take_event(import, walk.value, where);
        if (!fb_is_ok(status)) {
            status = import_lasting(import, status);
        }
        fb_arena_reset(&import->scratch);
    }
    return fb_is_ok(status) ? import_end_journal(import) : status;
}
