/*
 * Whatever a server writes, the session with it stays in one piece: what it puts out is whole lines
 * of JSON, each request is told its end at most once, and nothing is told before the handshake.
 * The first byte of the input says how the rest is cut into reads.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/mcp/lines.h"
#include "services/worker/mcp/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS = 4, LINE_BYTES = 4096, ROUND_MS = 100 };

struct world {
    struct mcp_session *session;
    struct mcp_session_request requests[REQUESTS];
    int ends[REQUESTS];
    bool ready;
    bool failed;
};

static struct world world;

static size_t index_of(const struct mcp_session_request *request)
{
    const size_t index = (size_t)(request - world.requests);

    assert(index < REQUESTS);
    return index;
}

static void expect_object(struct fb_text text)
{
    assert(fb_is_ok(fb_json_check(text, WIRE_DEPTH, NULL)));
    assert(fb_json_kind_of(text) == FB_JSON_OBJECT);
}

static void on_params(struct mcp_session_request *request, struct fb_text params)
{
    assert(world.ends[index_of(request)] == 0);
    expect_object(params);
}

static void on_answer(struct mcp_session_request *request, const struct mcp_session_answer *answer)
{
    world.ends[index_of(request)]++;
    assert(world.ends[index_of(request)] == 1);
    if (answer->end != MCP_SESSION_GARBLED && answer->body.size != 0) {
        expect_object(answer->body);
    }
}

static const struct mcp_session_request_events request_events = {
    .on_progress = on_params,
    .on_log = on_params,
    .on_answer = on_answer,
};

static void on_ready(void *self)
{
    const struct mcp_session_plan plan = {
        .method = "tools/call",
        .name = FB_TEXT("\"x\""),
        .progress = true,
        .log_level = 0,
    };

    (void)self;
    assert(!world.ready && !world.failed);
    world.ready = true;
    for (size_t i = 0; i < REQUESTS; i++) {
        (void)mcp_session_request(world.session, &world.requests[i], &request_events, &plan);
    }
    for (int list = 0; list < MCP_SESSION_LISTS; list++) {
        mcp_session_list(world.session, (enum mcp_session_list)list, 0);
    }
    mcp_session_cancel(world.session, &world.requests[0], "not wanted");
}

static void on_failed(void *self, enum mcp_session_failure failure, const char *why)
{
    (void)self;
    (void)failure;
    assert(!world.failed && why[0] != '\0');
    assert(fb_utf8_check(why, strlen(why)) == strlen(why));
    world.failed = true;
}

static void on_changed(void *self, enum mcp_session_list list)
{
    (void)self;
    assert(world.ready);
    mcp_session_list(world.session, list, 0);
}

static void on_listed(void *self, enum mcp_session_list list, struct fb_status status,
                      const struct mcp_session_items *items)
{
    (void)self;
    (void)list;
    assert(world.ready);
    assert(fb_is_ok(status) == (items != NULL));
    for (size_t i = 0; items != NULL && i < items->count; i++) {
        expect_object(items->items[i]);
    }
}

static void on_log(void *self, struct fb_text params)
{
    (void)self;
    expect_object(params);
}

static const struct mcp_session_events mcp_session_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
    .on_changed = on_changed,
    .on_listed = on_listed,
    .on_log = on_log,
};

/* All that is put out is lines of JSON. */
static void take_output(void)
{
    const struct fb_text out = mcp_session_output(world.session);
    size_t from = 0;

    while (from < out.size) {
        const char *end = memchr(out.data + from, '\n', out.size - from);
        struct fb_text line;

        assert(end != NULL);
        line = (struct fb_text){.data = out.data + from, .size = (size_t)(end - out.data) - from};
        expect_object(line);
        from += line.size + 1;
    }
    mcp_session_written(world.session, out.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mcp_session_config config = {
        .era = ERA_UNKNOWN,
        .version = "1",
        .pages_most = 8,
        .items_most = 16,
        .items_bytes_most = 1024,
    };
    struct mcp_lines lines;
    struct mcp_lines_line line;
    size_t step;
    int64_t now_ms = 0;

    if (size == 0) {
        return 0;
    }
    step = (size_t)data[0] + 1;
    world = (struct world){.ready = false};
    world.session = mcp_session_create(&config, &mcp_session_events, NULL);
    mcp_lines_init(&lines, LINE_BYTES);
    mcp_session_start(world.session, 0);
    for (size_t at = 1; at < size; at += step) {
        const size_t part = size - at < step ? size - at : step;
        char *room = mcp_lines_room(&lines);

        assert(room != NULL);
        memcpy(room, data + at, part);
        mcp_lines_added(&lines, part);
        while (mcp_lines_next(&lines, &line)) {
            if (line.too_long) {
                mcp_session_long_line(world.session, line.text, line.tail);
            } else {
                mcp_session_line(world.session, line.text, now_ms);
            }
        }
        now_ms += ROUND_MS;
        mcp_session_tick(world.session, now_ms);
        take_output();
    }
    mcp_session_lost(world.session);
    for (size_t i = 1; i < REQUESTS && world.ready; i++) {
        assert(world.ends[i] == 1);
    }
    assert(world.ends[0] == 0);
    mcp_session_destroy(world.session);
    mcp_lines_finish(&lines);
    return 0;
}
