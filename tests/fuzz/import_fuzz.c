/*
 * Whatever a document holds, in whatever pieces it comes: it comes in whole or not at all. What comes in folds,
 * keeps every invariant and is not taken twice; a session file goes out as it came, a journal comes
 * back as it was written, and the log merges with another. The first byte chooses the format, the second the
 * size of the pieces.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "services/worker/exchange/import.h"
#include "services/worker/exchange/journal.h"
#include "services/worker/exchange/session_file.h"
#include "services/worker/flow/compact.h"
#include "services/worker/flow/merge.h"
#include "services/worker/flow/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct import *feed(struct import_options options, struct fb_text text, size_t step,
                           struct fb_status *status)
{
    struct import *import = import_create(&options);

    if (import == NULL) {
        abort();
    }
    *status = fb_ok;
    for (size_t at = 0; at < text.size && fb_is_ok(*status); at += step) {
        const size_t length = text.size - at < step ? text.size - at : step;
        char *piece = malloc(length);

        if (piece == NULL) {
            abort();
        }
        memcpy(piece, text.data + at, length);
        *status = import_feed(import, (struct fb_text){.data = piece, .size = length});
        free(piece);
    }
    if (fb_is_ok(*status)) {
        *status = import_finish(import);
    }
    assert(fb_is_ok(*status) || status->why[0] != '\0');
    return import;
}

static struct session *fold(const struct fb_text *events, size_t count)
{
    struct session *session = session_create();

    if (session == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        struct fb_arena arena;
        struct event event;

        fb_arena_init(&arena, 0);
        if (!fb_is_ok(event_unpack(events[i], &arena, &event)) ||
            !fb_is_ok(session_fold(session, &event))) {
            abort();
        }
        fb_arena_finish(&arena);
    }
    assert(session_fault(session) == NULL);
    return session;
}

static struct fb_text *events_of(const struct import *import)
{
    struct fb_text *events = calloc(import_event_count(import) + 1, sizeof(*events));

    if (events == NULL) {
        abort();
    }
    for (size_t i = 0; i < import_event_count(import); i++) {
        events[i] = import_event(import, i);
    }
    return events;
}

static void expect_same(struct session *a, struct session *b)
{
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};

    if (!snapshot_write(a, &x) || !snapshot_write(b, &y)) {
        abort();
    }
    assert(x.size == y.size && memcmp(x.data, y.data, x.size) == 0);
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
}

static void expect_goes_out_as_it_came(const struct session *session, struct fb_text text)
{
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    if (!fb_is_ok(session_file_write(session, text, &arena, &out))) {
        abort();
    }
    assert(out.size == text.size && memcmp(out.data, text.data, text.size) == 0);
    fb_arena_finish(&arena);
    fb_buffer_finish(&out);
}

static void expect_journal_comes_back(struct session *session, const struct fb_text *events,
                                      size_t count)
{
    const struct journal_header header = {.session = FB_TEXT("s"), .events = count};
    struct fb_buffer out = {.data = NULL};
    struct fb_status status;
    struct import *import;
    struct session *again;
    struct fb_text *back;

    journal_write_header(&header, &out);
    for (size_t i = 0; i < count; i++) {
        struct fb_arena arena;

        fb_arena_init(&arena, 0);
        journal_write_event(events[i], &arena, &out);
        fb_arena_finish(&arena);
    }
    import = feed((struct import_options){.session_id = FB_TEXT("s")},
                  (struct fb_text){.data = out.data, .size = out.size}, 1 << 16, &status);
    if (!fb_is_ok(status)) {
        abort();
    }
    back = events_of(import);
    assert(import_event_count(import) == count);
    for (size_t i = 0; i < count; i++) {
        assert(fb_text_equal(back[i], events[i]));
    }
    again = fold(back, count);
    expect_same(session, again);
    session_destroy(again);
    free(back);
    import_destroy(import);
    fb_buffer_finish(&out);
}

/* With another session, and with itself under another name. */
static void expect_merges(const struct fb_text *events, size_t count)
{
    static const char other[] =
        "{\"sessionId\":\"o\",\"tasks\":[{\"id\":\"a\",\"state\":\"completed\"},"
        "{\"id\":\"task-1\",\"dependencies\":[\"a\"]}]}";
    struct fb_status status;
    struct import *import =
        feed((struct import_options){.actor = FB_TEXT("o")}, FB_TEXT(other), 1000, &status);
    struct fb_text *others = events_of(import);
    const struct merge_log first = {.origin = FB_TEXT("f"), .events = events, .count = count};
    const struct merge_log second = {
        .origin = FB_TEXT("o"), .events = others, .count = import_event_count(import)};
    struct merge_result result;
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    if (fb_is_ok(merge_logs(&first, &second, &arena, &result))) {
        struct merge_result back;
        struct session *a = fold(result.events, result.count);

        if (!fb_is_ok(merge_logs(&second, &first, &arena, &back))) {
            abort();
        }
        struct session *b = fold(back.events, back.count);

        expect_same(a, b);
        session_destroy(a);
        session_destroy(b);
    }
    fb_arena_finish(&arena);
    free(others);
    import_destroy(import);
}

static void expect_sound(const struct import *import, struct import_options options,
                         struct fb_text text)
{
    struct fb_text *events = events_of(import);
    const size_t count = import_event_count(import);
    struct session *session = fold(events, count);
    const enum import_format format = import_format(import);
    struct fb_status status;
    struct import *again;

    if (format == IMPORT_SESSION_FILE) {
        expect_goes_out_as_it_came(session, text);
    }
    expect_journal_comes_back(session, events, count);
    expect_merges(events, count);
    options.into = session;
    again = feed(options, text, 1 << 16, &status);
    if (!fb_is_ok(status)) {
        abort();
    }
    assert(import_tasks(again) == 0 && import_first(again) == import_event_count(again));
    import_destroy(again);
    session_destroy(session);
    free(events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fb_text text = {.data = (const char *)data + 2, .size = size < 2 ? 0 : size - 2};
    struct event_expanded_task texts;
    struct import_options options;
    struct fb_status status;
    struct fb_arena arena;
    struct import *import;

    if (size < 2) {
        return 0;
    }
    options = (struct import_options){
        .format = (enum import_format)(data[0] % IMPORT_FORMATS),
        .actor = FB_TEXT("fuzz"),
        .unix_ms = 1000,
        .drop_unknown_links = data[0] >= 128,
    };
    import = feed(options, text, 1 + (size_t)data[1] * data[1], &status);
    if (fb_is_ok(status)) {
        expect_sound(import, options, text);
    }
    import_destroy(import);
    fb_arena_init(&arena, 0);
    (void)compact_find(text, data[1], &arena, &texts);
    fb_arena_finish(&arena);
    return 0;
}
