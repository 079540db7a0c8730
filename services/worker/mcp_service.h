#ifndef FB_SERVICES_WORKER_MCP_SERVICE_H
#define FB_SERVICES_WORKER_MCP_SERVICE_H

/*
 * mcp_service: McpService as a worker serves it: tools listed from the catalogue, called in the
 * pool, and their changes told.
 *
 * Resources, prompts and completion have their places in the table of mcp_service.c. On the loop's
 * thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowbalancer/v1/context.pb-c.h"
#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/rpc/method.h"
#include "services/worker/catalogue/catalogue.h"
#include "services/worker/pool/pool.h"

struct list_wait; /* serve_list.c */
struct tool_call; /* serve_call.c */
struct listener;  /* serve_listen.c */

/* Places in worker_metrics (worker.c). */
enum {
    WORKER_CALLS,
    WORKER_CALL_SECONDS,
    WORKER_IN_FLIGHT,
    WORKER_INSTANCES,
    WORKER_TOOLS,
    WORKER_SESSIONS, /* and those of the keeper behind it */
};

/* Open, as the files of the service share it. All zero but the first group. */
struct mcp_service {
    /* given by the worker, which outlives it */
    struct fb_loop *loop;
    struct pool *pool;
    struct catalogue *catalogue;
    const struct exposure_server *names;
    const char *const *configured; /* the names of the same servers in the configuration */
    size_t count;
    struct fb_metrics *metrics;

    bool settled; /* the store has told what it keeps, or cannot */
    bool asked;   /* somebody wants lists */
    uint32_t in_flight;
    struct list_wait *waits;   /* for servers that have no list yet */
    struct tool_call *finding; /* calls of tools of such servers */
    struct tool_call *running; /* calls that the pool has */
    struct listener *listeners;
    struct fb_timer announce;
};

extern const struct fb_rpc_service mcp_service_rpc;

/* What the store keeps is in the catalogue by now, or the store is away. */
void mcp_service_settle(struct mcp_service *service);

/* The catalogue has changed, or the state of a server has. */
void mcp_service_catalogue_changed(struct mcp_service *service);
void mcp_service_server_changed(struct mcp_service *service, size_t server);

/* No more waiting: listeners and whoever waits for a list are told that the worker goes down. */
void mcp_service_drain(struct mcp_service *service);

/* Ends the calls that run; they may have had effects. */
void mcp_service_cancel(struct mcp_service *service);

/* --- between the files of the service --- */

void serve_list_tools(struct fb_call *call, const ProtobufCMessage *message);
void serve_call_tool(struct fb_call *call, const ProtobufCMessage *message);
void serve_listen(struct fb_call *call, const ProtobufCMessage *message);

/* Looks again at those that wait. */
void list_waits_look(struct mcp_service *service);
void list_waits_drain(struct mcp_service *service);
void finding_refresh(struct mcp_service *service);
void finding_look(struct mcp_service *service);
void finding_drain(struct mcp_service *service);
void listeners_tell(struct mcp_service *service);
void listeners_drain(struct mcp_service *service);

/* Whether the tools of a server that has none in the catalogue may still come without a rest. */
bool mcp_service_is_coming(const struct mcp_service *service, size_t server);

/* Has the servers without a list read, if it is known by now which these are. */
void mcp_service_fill(struct mcp_service *service);

/* The `flowbalancer-reason` of a failure; nothing for "". */
void mcp_service_reason(struct fb_call *call, const char *reason);

/* OK, or INVALID_ARGUMENT that names the field; `context` may be NULL. */
struct fb_status mcp_service_check_context(const Flowbalancer__V1__CallContext *context);

#endif
