#ifndef FB_GATEWAY_FLOW_FLOW_H
#define FB_GATEWAY_FLOW_FLOW_H

/*
 * flow: our own tools and resources: sessions of tasks.
 *
 * They are listed beside the servers' tools, and each call is a thin map onto FlowService.
 */

#include <stdbool.h>

#include "gateway/exchange.h"

struct flow;
struct notices;

/* NULL when memory is exhausted. */
struct flow *flow_create(struct mcp *mcp);
void flow_destroy(struct flow *flow);

/* --- tools --- */

/* Whether the name is of a tool that this gateway offers. */
bool flow_has_tool(const struct mcp *mcp, const char *name);

/* A tools/call of such a tool. `arguments` is an object, or empty. */
void flow_call(struct mcp *mcp, const struct ask *ask, const char *name, struct fb_text arguments);

/*
 * Appends the tools, projected, with commas between them; nothing if there are none. No server's tool
 * has a name of theirs, as those are <server>__<tool>.
 */
void flow_list(const struct mcp *mcp, struct fb_buffer *out, enum revision revision);

/* Whether sessions are offered as resources. */
bool flow_has_resources(const struct mcp *mcp);

/* notices.h */
struct notices *flow_notices(struct flow *flow);

/* --- for the files of this folder --- */

/* Names a mutation as nobody else does, and this gateway no other. NULL when the arena is exhausted. */
const char *flow_request_id(struct flow *flow, struct fb_arena *arena);

#endif
