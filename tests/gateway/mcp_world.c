#include "tests/gateway/mcp_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void written(void *arg)
{
    ((struct world *)arg)->lines++;
}

/* Looks when the test says so. */
static bool look(void *self, struct look_job *job)
{
    struct world *world = self;

    assert_null(world->look);
    world->look = job;
    return true;
}

static void begin(struct world *world, size_t in_flight, size_t line_bytes)
{
    struct uplink uplink = fake_uplink(&world->suite);

    world->out = (struct fb_buffer){0};
    world->read = 0;
    world->lines = 0;
    world->mcp = mcp_create(
        &(struct mcp_config){
            .version = "1.2.3",
            .agent = "agent-1",
            .scope = "",
            .call_timeout_ms = 60000,
            .list_wait_ms = 250,
            .in_flight = in_flight,
            .in_flight_bytes = 1 << 20,
            .line_bytes = line_bytes,
            .flow_tools = world->flow_tools,
            .original_tools = world->original_tools,
        },
        &(struct mcp_output){.lines = &world->out, .written = written, .arg = world}, &uplink,
        &(struct looker){.self = world, .look = look});
    assert_non_null(world->mcp);
}

int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    begin(world, 16, 100000);
    *state = world;
    return 0;
}

int teardown(void **state)
{
    struct world *world = *state;

    mcp_destroy(world->mcp);
    fake_uplink_finish(&world->suite);
    fb_buffer_finish(&world->out);
    free(world);
    return 0;
}

void begin_again(struct world *world, size_t in_flight, size_t line_bytes)
{
    mcp_destroy(world->mcp);
    fake_uplink_finish(&world->suite);
    fb_buffer_finish(&world->out);
    begin(world, in_flight, line_bytes);
}

/* On the heap without a byte behind it, for the sanitizers. */
void say(struct world *world, const char *line)
{
    size_t size = strlen(line);
    char *copy = malloc(size + 1);

    assert_non_null(copy);
    memcpy(copy, line, size);
    copy = realloc(copy, size);
    mcp_line(world->mcp, (struct fb_text){copy, size}, 1000);
    free(copy);
}

const char *heard(struct world *world)
{
    char *line = world->out.data + world->read;
    char *end;

    if (world->read == world->out.size) {
        return "";
    }
    end = memchr(line, '\n', world->out.size - world->read);
    assert_non_null(end);
    *end = '\0';
    world->read = (size_t)(end - world->out.data) + 1;
    return line;
}

void legacy(struct world *world, const char *revision)
{
    char line[256];

    snprintf(line, sizeof(line),
             "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
             "\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":{}}}",
             revision);
    say(world, line);
    assert_non_null(strstr(heard(world), "\"id\":0,\"result\":{"));
}

void call_tool(struct world *world, const char *id, const char *meta)
{
    char line[512];

    snprintf(
        line, sizeof(line),
        "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\",\"params\":{\"name\":\"s__t\""
        "%s}}",
        id, meta);
    say(world, line);
}

struct uplink_call *last_call(struct world *world)
{
    assert_true(world->suite.count > 0);
    return &world->suite.calls[world->suite.count - 1];
}

const Flowbalancer__V1__CallToolRequest *asked_call(const struct uplink_call *call)
{
    assert_string_equal(call->path, "/flowbalancer.v1.McpService/CallTool");
    return (const Flowbalancer__V1__CallToolRequest *)call->request;
}

void assert_bytes(ProtobufCBinaryData bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

void check(struct world *world, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t asked = world->suite.count;
        const char *out;

        say(world, lines[i].in);
        out = heard(world);
        if (lines[i].out == NULL) {
            if (world->suite.count != asked + 1 || *out != '\0') {
                fail_msg("%s was not asked of the suite: %s", lines[i].in, out);
            }
        } else if (*lines[i].out == '\0' ? *out != '\0' : strstr(out, lines[i].out) == NULL) {
            fail_msg("%s: %s", lines[i].in, out);
        }
        if (*heard(world) != '\0') {
            fail_msg("more than one answer to %s", lines[i].in);
        }
    }
}
