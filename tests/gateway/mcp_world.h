#ifndef FB_TESTS_GATEWAY_MCP_WORLD_H
#define FB_TESTS_GATEWAY_MCP_WORLD_H

/*
 * mcp_world: a conversation with an agent that is the test, over a suite that is the test too.
 *
 * The agent speaks whole lines and reads whole lines; the suite is a fake_uplink.
 */

#include <stdbool.h>
#include <stddef.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "gateway/mcp.h"
#include "runtime/base/text.h"
#include "tests/gateway/fake_uplink.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define META                                                                 \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define INFO                                                                         \
    "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"flow-balancer\"," \
    "\"version\":\"1.2.3\"}}"

/* What a modern request carries. */
#define WITH(meta, method) \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{\"_meta\":{" meta "}}}"
#define VERSION      "\"io.modelcontextprotocol/protocolVersion\":"
#define CAPABILITIES "\"io.modelcontextprotocol/clientCapabilities\":"
#define GOOD         VERSION "\"2026-07-28\"," CAPABILITIES "{}"

struct world {
    struct mcp *mcp;
    struct fake_uplink suite;
    struct fb_buffer out;
    size_t read;  /* of `out` */
    size_t lines; /* told to be written */
    bool flow_tools;
    bool original_tools;
    struct look_job *look; /* files that are to be looked at; NULL for none */
};

/* 16 requests in flight, lines of 100,000 bytes. */
int setup(void **state);
int teardown(void **state);

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* The same world with other limits. */
void begin_again(struct world *world, size_t in_flight, size_t line_bytes);

/* The agent writes a line. */
void say(struct world *world, const char *line);

/* The next line that the agent reads; "" when there is none. */
const char *heard(struct world *world);

/* The agent has shaken hands. */
void legacy(struct world *world, const char *revision);

/* The agent calls a tool. `meta` are more members of the params, with a comma before each, or "". */
void call_tool(struct world *world, const char *id, const char *meta);

/* What the suite was asked last. */
struct uplink_call *last_call(struct world *world);
const Flowbalancer__V1__CallToolRequest *asked_call(const struct uplink_call *call);

void assert_bytes(ProtobufCBinaryData bytes, const char *text);

struct line {
    const char *in;
    const char *out; /* a part of the answer; "" for none; NULL: the suite is asked */
};

void check(struct world *world, const struct line *lines, size_t count);

#endif
