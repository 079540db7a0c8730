/*
 * Whatever bytes an agent writes, each line that comes back is JSON, there are no more answers than
 * lines that went in, and nothing is read outside of what was written.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/lines.h"
#include "gateway/mcp.h"
#include "runtime/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A suite that takes every call; what it answers to one is the call's own request as a result. */
struct uplink_call {
    struct uplink_call *next;
    const struct uplink_events *events;
    void *arg;
    uint8_t *bytes;
    size_t size;
};

struct world {
    struct mcp *mcp;
    struct uplink_call *calls;
    struct fb_buffer out;
};

static struct uplink_call *make_call(void *self, const struct uplink_plan *plan)
{
    struct world *world = self;
    struct uplink_call *call = calloc(1, sizeof(*call));

    assert(call != NULL);
    call->size = protobuf_c_message_get_packed_size(plan->request);
    call->bytes = malloc(call->size + 1);
    assert(call->bytes != NULL);
    protobuf_c_message_pack(plan->request, call->bytes);
    call->events = plan->events;
    call->arg = plan->arg;
    call->next = world->calls;
    world->calls = call;
    return call;
}

static void take(struct world *world, struct uplink_call *call)
{
    struct uplink_call **link = &world->calls;

    while (*link != call) {
        link = &(*link)->next;
    }
    *link = call->next;
}

static void cancel(void *self, struct uplink_call *call)
{
    take(self, call);
    free(call->bytes);
    free(call);
}

/* Names of files are made up here: none is looked at. */
static bool look(void *self, struct look_job *job)
{
    (void)self;
    (void)job;
    return false;
}

static void hold(void *self, bool on)
{
    (void)self;
    (void)on;
}

/* The newest call gets its own request as a message, whatever that means there, and ends. */
static void answer_one(struct world *world)
{
    struct uplink_call *call = world->calls;
    struct failure end = {.status = fb_ok, .retry_ms = -1};

    if (call == NULL) {
        return;
    }
    call->events->on_message(call->arg, call->bytes, call->size);
    if (world->calls != call) {
        return; /* it was cancelled, and is gone */
    }
    take(world, call);
    call->events->on_end(call->arg, &end);
    free(call->bytes);
    free(call);
}

static void on_line(void *arg, struct fb_text line)
{
    struct world *world = arg;
    char *copy = malloc(line.size);

    assert(copy != NULL);
    memcpy(copy, line.data, line.size);
    mcp_line(world->mcp, (struct fb_text){copy, line.size}, 0);
    free(copy);
    if (line.size % 3 == 0) {
        answer_one(world);
    }
}

static void on_too_long(void *arg)
{
    mcp_line_too_long(((struct world *)arg)->mcp);
}

static void written(void *arg)
{
    (void)arg;
}

static void check_out(const struct fb_buffer *out)
{
    const char *at = out->data;
    const char *end = out->size > 0 ? at + out->size : at;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct fb_text line;

        assert(stop != NULL);
        line = (struct fb_text){at, (size_t)(stop - at)};
        assert(fb_is_ok(fb_json_check(line, FB_JSON_DEPTH_MOST, NULL)));
        at = stop + 1;
    }
}

/* The scanner on its own: what it found valid it also walks, and compacts to the same. */
static void check_scan(const uint8_t *data, size_t size)
{
    struct fb_text text = {(const char *)data, size};
    struct fb_buffer compact = {0};
    struct fb_json_walk walk = fb_json_walk(text);
    bool good = fb_is_ok(fb_json_check(text, 32, NULL));

    while (fb_json_next(&walk)) {
        assert(walk.value.data >= text.data &&
               walk.value.data + walk.value.size <= text.data + text.size);
        if (good) {
            assert(fb_is_ok(fb_json_check(walk.value, 32, NULL)));
        }
    }
    fb_json_append_compact(&compact, text);
    if (good) {
        assert(fb_is_ok(fb_json_check((struct fb_text){compact.data, compact.size}, 32, NULL)));
    }
    fb_buffer_finish(&compact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct lines_events events = {.on_line = on_line, .on_too_long = on_too_long};
    struct world world = {.calls = NULL};
    const struct uplink uplink = {
        .self = &world, .call = make_call, .cancel = cancel, .hold = hold};
    const struct mcp_config config = {
        .version = "1",
        .agent = "a",
        .scope = "",
        .call_timeout_ms = 1000,
        .in_flight = 8,
        .in_flight_bytes = 1 << 20,
        .line_bytes = 4096,
        .flow_tools = true,
        .original_tools = true,
    };
    const struct looker looker = {.self = &world, .look = look};
    struct lines lines = lines_begin(16384, &events, &world);

    check_scan(data, size);
    world.mcp = mcp_create(
        &config, &(struct mcp_output){.lines = &world.out, .written = written, .arg = &world},
        &uplink, &looker);
    assert(world.mcp != NULL);
    for (size_t at = 0; at < size; at += 97) {
        lines_feed(&lines, (const char *)data + at, size - at < 97 ? size - at : 97);
    }
    answer_one(&world);
    mcp_destroy(world.mcp);
    assert(world.calls == NULL);
    check_out(&world.out);
    lines_finish(&lines);
    fb_buffer_finish(&world.out);
    return 0;
}
