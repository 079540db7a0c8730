#include "tests/services/worker/mcp/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void note(struct world *w, const char *word)
{
    fb_buffer_string(&w->told, w->told.size == 0 ? "" : " ");
    fb_buffer_string(&w->told, word);
}

static void on_ready(void *self)
{
    note(self, "ready");
}

static void on_failed(void *self, enum mcp_session_failure failure, const char *why)
{
    static const char *const words[] = {
        [MCP_SESSION_REFUSED] = "refused",
        [MCP_SESSION_SILENT] = "silent",
        [MCP_SESSION_OUT_OF_MEMORY] = "memory",
    };

    assert_true(strlen(why) > 0);
    note(self, words[failure]);
}

static void on_changed(void *self, enum mcp_session_list list)
{
    static const char *const words[] = {"tools!", "resources!", "templates!", "prompts!"};

    note(self, words[list]);
}

static void on_listed(void *self, enum mcp_session_list list, struct fb_status status,
                      const struct mcp_session_items *items)
{
    struct world *w = self;

    (void)list;
    if (items == NULL) {
        note(w, fb_code_name(status.code));
        return;
    }
    assert_true(fb_is_ok(status));
    note(w, items->cut ? "cut:" : "listed:");
    for (size_t i = 0; i < items->count; i++) {
        fb_buffer_text(&w->told, items->items[i]);
    }
    if (w->relist) {
        w->relist = false;
        mcp_session_list(w->session, list, 0);
    }
}

static void on_log(void *self, struct fb_text params)
{
    struct world *w = self;

    note(w, "log:");
    fb_buffer_text(&w->told, params);
}

static const struct mcp_session_events world_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
    .on_changed = on_changed,
    .on_listed = on_listed,
    .on_log = on_log,
};

/* The session's owner pointer is fixed at creation, so worlds live on the heap. */
struct world *world_with(struct mcp_session_config config)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    config.version = "1";
    w->session = mcp_session_create(&config, &world_events, w);
    assert_non_null(w->session);
    mcp_session_start(w->session, 0);
    return w;
}

void end(struct world *w)
{
    mcp_session_destroy(w->session);
    fb_buffer_finish(&w->told);
    free(w);
}

void expect_told(struct world *w, const char *wanted)
{
    const struct fb_text told = {.data = w->told.data, .size = w->told.size};

    if (!fb_text_is(told, wanted)) {
        print_error("told:   %.*s\nwanted: %s\n", (int)told.size, told.data, wanted);
    }
    assert_true(fb_text_is(told, wanted));
    fb_buffer_clear(&w->told, 1024);
}

void expect_output(struct world *w, const char *wanted)
{
    const struct fb_text out = mcp_session_output(w->session);

    if (!fb_text_is(out, wanted)) {
        print_error("put:    %.*s\nwanted: %s\n", (int)out.size, out.data, wanted);
    }
    assert_true(fb_text_is(out, wanted));
    mcp_session_written(w->session, out.size);
}

void drop_output(struct world *w)
{
    mcp_session_written(w->session, mcp_session_output(w->session).size);
}

void line_at(struct world *w, int64_t now_ms, const char *text)
{
    mcp_session_line(w->session, fb_text_of(text), now_ms);
}

void line(struct world *w, const char *text)
{
    line_at(w, 0, text);
}

struct world *legacy_world(void)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_LEGACY});

    drop_output(w);
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{\"listChanged\":true},\"logging\":{}}"));
    expect_output(w, INITIALIZED);
    expect_told(w, "ready");
    return w;
}

struct world *modern_world(void)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_output(w, "");
    expect_told(w, "ready");
    return w;
}

/* --- requests --- */

static void asked_note(struct mcp_session_request *request, const char *word, struct fb_text text)
{
    struct asked *a = (struct asked *)(void *)request;

    fb_buffer_string(&a->told, word);
    fb_buffer_text(&a->told, text);
    fb_buffer_string(&a->told, ";");
}

static void asked_progress(struct mcp_session_request *request, struct fb_text params)
{
    asked_note(request, "progress", params);
}

static void asked_log(struct mcp_session_request *request, struct fb_text params)
{
    asked_note(request, "log", params);
}

static void asked_answer(struct mcp_session_request *request,
                         const struct mcp_session_answer *answer)
{
    static const char *const words[] = {
        [MCP_SESSION_RESULT] = "result", [MCP_SESSION_INPUT] = "input",
        [MCP_SESSION_ERROR] = "error",   [MCP_SESSION_GARBLED] = "garbled",
        [MCP_SESSION_UNSENT] = "unsent", [MCP_SESSION_LOST] = "lost",
    };

    asked_note(request, words[answer->end], answer->body);
}

static const struct mcp_session_request_events asked_events = {
    .on_progress = asked_progress,
    .on_log = asked_log,
    .on_answer = asked_answer,
};

void ask(struct world *w, struct asked *a, const struct mcp_session_plan *plan)
{
    *a = (struct asked){.told.limit_bytes = 0};
    assert_true(fb_is_ok(mcp_session_request(w->session, &a->request, &asked_events, plan)));
}

void expect_asked(struct asked *a, const char *wanted)
{
    const struct fb_text told = {.data = a->told.data, .size = a->told.size};

    if (!fb_text_is(told, wanted)) {
        print_error("told:   %.*s\nwanted: %s\n", (int)told.size, told.data, wanted);
    }
    assert_true(fb_text_is(told, wanted));
    fb_buffer_finish(&a->told);
}

struct mcp_session_plan plan_of(const char *name)
{
    return (struct mcp_session_plan){
        .method = "tools/call",
        .name = fb_text_of(name),
        .log_level = -1,
    };
}
