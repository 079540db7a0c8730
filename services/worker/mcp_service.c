#include "services/worker/mcp_service.h"

#include <string.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/rpc/call.h"

enum { ANNOUNCE_MS = 100 }; /* changes that follow so closely are told as one */

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void mcp_service_fill(struct mcp_service *service)
{
    if (!service->settled || !service->asked) {
        return;
    }
    for (size_t i = 0; i < service->count; i++) {
        if (!catalogue_has(service->catalogue, i)) {
            pool_refresh(service->pool, i);
        }
    }
}

bool mcp_service_is_coming(const struct mcp_service *service, size_t server)
{
    const struct pool_report report = pool_report(service->pool, server);

    if (catalogue_has(service->catalogue, server) || report.state == POOL_UNABLE) {
        return false;
    }
    if (!service->settled) {
        return true;
    }
    switch (report.state) {
    case POOL_QUEUED:
    case POOL_STARTING:
    case POOL_STOPPING:
        return true;
    case POOL_READY:
        return report.why[0] == '\0';
    case POOL_IDLE:
    case POOL_RESTING:
    case POOL_UNABLE:
        break;
    }
    return false;
}

void mcp_service_settle(struct mcp_service *service)
{
    if (service->settled) {
        return;
    }
    service->settled = true;
    mcp_service_fill(service);
    finding_refresh(service);
    list_waits_look(service);
    finding_look(service);
}

static void on_announce(struct fb_timer *timer)
{
    listeners_tell(OWNER_OF(struct mcp_service, announce, timer));
}

void mcp_service_catalogue_changed(struct mcp_service *service)
{
    size_t count;

    catalogue_tools(service->catalogue, &count);
    fb_metrics_set(service->metrics, WORKER_TOOLS, (int64_t)count);
    if (service->announce.place == 0) {
        fb_timer_set(service->loop, &service->announce, fb_loop_now_ms(service->loop) + ANNOUNCE_MS,
                     on_announce);
    }
    list_waits_look(service);
    finding_look(service);
}

void mcp_service_server_changed(struct mcp_service *service, size_t server)
{
    (void)server;
    list_waits_look(service);
    finding_look(service);
}

void mcp_service_drain(struct mcp_service *service)
{
    fb_timer_clear(&service->announce);
    list_waits_drain(service);
    finding_drain(service);
    listeners_drain(service);
}

void mcp_service_reason(struct fb_call *call, const char *reason)
{
    if (reason[0] != '\0') {
        /* A constant word under a legal key; it fits or the call has worse problems. */
        (void)fb_call_add_trailer(call, "flowbalancer-reason", fb_text_of(reason));
    }
}

struct fb_status mcp_service_check_context(const Flowbalancer__V1__CallContext *context)
{
    if (context == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "context is missing");
    }
    if (strlen(context->session) > 128) {
        return fb_fail(FB_INVALID_ARGUMENT, "context.session is longer than 128 bytes");
    }
    if (strlen(context->agent) > 128) {
        return fb_fail(FB_INVALID_ARGUMENT, "context.agent is longer than 128 bytes");
    }
    if (strlen(context->server) > 64) {
        return fb_fail(FB_INVALID_ARGUMENT, "context.server is longer than 64 bytes");
    }
    if (strlen(context->name) > 2048) {
        return fb_fail(FB_INVALID_ARGUMENT, "context.name is longer than 2,048 bytes");
    }
    if (strlen(context->scope) > 128) {
        return fb_fail(FB_INVALID_ARGUMENT, "context.scope is longer than 128 bytes");
    }
    return fb_ok;
}

/* A method that is not here is answered UNIMPLEMENTED; resources, prompts and completion will be. */
static const struct fb_method mcp_methods[] = {
    {"CallTool", FB_SERVER_STREAM, serve_call_tool, .raw = false},
    {"ListTools", FB_UNARY, serve_list_tools, .raw = false},
    {"Listen", FB_SERVER_STREAM, serve_listen, .raw = false},
};

const struct fb_rpc_service mcp_service_rpc = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = mcp_methods,
    .method_count = sizeof(mcp_methods) / sizeof(mcp_methods[0]),
};
