#include "tests/services/worker/exchange/arriving.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"

struct import *arriving_import(const char *text, size_t size, size_t step, struct session *into,
                               struct fb_status *status)
{
    struct import *import = import_create(&(struct import_options){
        .into = into, .session_id = FB_TEXT("s-1"), .actor = FB_TEXT("ann"), .unix_ms = 1000000});

    assert_non_null(import);
    *status = fb_ok;
    for (size_t at = 0; at < size && fb_is_ok(*status); at += step) {
        /* A copy that ends with the chunk: nothing may lean on it afterwards. */
        const size_t length = size - at < step ? size - at : step;
        char *chunk = malloc(length);

        assert_non_null(chunk);
        memcpy(chunk, text + at, length);
        *status = import_feed(import, (struct fb_text){.data = chunk, .size = length});
        free(chunk);
    }
    if (fb_is_ok(*status)) {
        *status = import_finish(import);
    }
    return import;
}

struct import *arriving_must(const char *text)
{
    struct fb_status status;
    struct import *import = arriving_import(text, strlen(text), 1000, NULL, &status);

    if (!fb_is_ok(status)) {
        fail_msg("%s: %s", fb_code_name(status.code), status.why);
    }
    return import;
}

void arriving_fold(struct session *session, const struct import *import, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        struct fb_arena arena;
        struct event event;
        struct fb_status status;

        fb_arena_init(&arena, 0);
        status = event_unpack(import_event(import, i), &arena, &event);
        if (fb_is_ok(status)) {
            status = session_fold(session, &event);
        }
        if (!fb_is_ok(status)) {
            fail_msg("event %zu: %s", i, status.why);
        }
        assert_null(session_fault(session));
        fb_arena_finish(&arena);
    }
}

struct session *arriving_session(const struct import *import)
{
    struct session *session = session_create();

    assert_non_null(session);
    arriving_fold(session, import, 0, import_event_count(import));
    return session;
}

void arriving_refused(const char *text, enum fb_code code, const char *says)
{
    struct fb_status status;
    struct import *import = arriving_import(text, strlen(text), 7, NULL, &status);

    assert_string_equal(fb_code_name(status.code), fb_code_name(code));
    if (strstr(status.why, says) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", status.why, says);
    }
    import_destroy(import);
}

bool arriving_same(struct session *a, struct session *b)
{
    struct fb_buffer x = {.data = NULL};
    struct fb_buffer y = {.data = NULL};
    bool same;

    assert_true(snapshot_write(a, &x) && snapshot_write(b, &y));
    same = fb_text_equal((struct fb_text){.data = x.data, .size = x.size},
                         (struct fb_text){.data = y.data, .size = y.size});
    fb_buffer_finish(&x);
    fb_buffer_finish(&y);
    return same;
}

bool arriving_warned(const struct import *import, const char *says)
{
    uint64_t all;
    size_t count;
    const char *const *warnings = import_warnings(import, &count, &all);

    for (size_t i = 0; i < count; i++) {
        if (strstr(warnings[i], says) != NULL) {
            return true;
        }
    }
    return false;
}

struct fb_buffer arriving_document(const struct import *import)
{
    struct fb_buffer document = {.data = NULL};

    for (size_t i = 0; i < import_event_count(import); i++) {
        struct fb_arena arena;
        struct event event;

        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(event_unpack(import_event(import, i), &arena, &event)));
        if (event.kind == EVENT_DOCUMENT) {
            fb_buffer_text(&document, event.document.data);
        }
        fb_arena_finish(&arena);
    }
    return document;
}
