#ifndef FB_TESTS_SERVICES_WORKER_MCP_WORLD_H
#define FB_TESTS_SERVICES_WORKER_MCP_WORLD_H

/*
 * world: a session whose server is the test, line by line, and what it told its owner.
 *
 * Nothing is between them: what the session puts out is compared as it is.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/mcp/session.h"

/* What a session told its owner, in short words one after the other. */
struct world {
    struct mcp_session *session;
    struct fb_buffer told;
    bool relist; /* ask for the list again from within on_listed */
};

/* The session has started: its first message is in the output. */
struct world *world_with(struct mcp_session_config config);

/* Ready, with tools whose changes are announced and with logs. */
struct world *legacy_world(void);

/* Ready, with tools. */
struct world *modern_world(void);

void end(struct world *w);

/* That just this was told, or put out, since the last time. */
void expect_told(struct world *w, const char *wanted);
void expect_output(struct world *w, const char *wanted);

void drop_output(struct world *w);

/* A line of the server, at 0 or at a time. */
void line(struct world *w, const char *text);
void line_at(struct world *w, int64_t now_ms, const char *text);

/* --- what is on the wire --- */

#define PROBE                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{"   \
    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                            \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"1\"}," \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}\n"
#define SHAKE(id)                                                               \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"initialize\",\"params\":{" \
    "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"                   \
    "\"clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"1\"}}}\n"
#define INITIALIZED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
#define NO_METHOD(id) \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32601,\"message\":\"no\"}}"
#define SHAKEN(id, revision, capabilities)                                                 \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"protocolVersion\":\"" revision "\"," \
    "\"capabilities\":" capabilities ",\"serverInfo\":{\"name\":\"s\",\"version\":\"2\"}," \
    "\"instructions\":\"be \\\"kind\\\"\"}}"
#define DISCOVERED(capabilities)                                                             \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\","                 \
    "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":" capabilities ",\"ttlMs\":0,"  \
    "\"cacheScope\":\"public\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":" \
    "\"m\",\"version\":\"3\"}}}}"

/* --- requests --- */

/* A request, and what its owner was told: a word, its JSON and a semicolon each time. */
struct asked {
    struct mcp_session_request request;
    struct fb_buffer told;
};

/* A call of the tool; `name` is a JSON string. */
struct mcp_session_plan plan_of(const char *name);

void ask(struct world *w, struct asked *a, const struct mcp_session_plan *plan);

/* That just this was told; the last that is asked of it. */
void expect_asked(struct asked *a, const char *wanted);

#endif
