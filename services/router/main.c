#include <stddef.h>
#include <stdlib.h>

#include "runtime/rpc/h2/h2.h"
#include "runtime/service/service.h"
#include "services/router/router.h"

static struct router_config config;

static const struct fb_option router_options[] = {
    {"id", FB_OPTION_STRING, offsetof(struct router_config, id), .fallback = "",
     .help = "name of this router, 1 to 64 of [A-Za-z0-9._-]; host name and process id if empty"},
    {"heartbeat_interval", FB_OPTION_DURATION,
     offsetof(struct router_config, heartbeat_interval_ms), .fallback = "1s", .least = "50ms",
     .most = "1m", .help = "how often workers report"},
    {"heartbeat_grace", FB_OPTION_DURATION, offsetof(struct router_config, heartbeat_grace_ms),
     .fallback = "4s", .least = "200ms", .most = "5m",
     .help = "silence after which a worker gets no calls"},
    {"wait_for_worker", FB_OPTION_DURATION, offsetof(struct router_config, wait_for_worker_ms),
     .fallback = "10s", .least = "0", .most = "5m",
     .help = "how long a call waits for a worker with room"},
    {"waiting", FB_OPTION_INTEGER, offsetof(struct router_config, waiting), .fallback = "4096",
     .least = "0", .most = "1000000", .help = "most calls that wait at once"},
    {.name = NULL},
};

static struct fb_status start(struct fb_host *host, void **self)
{
    struct router *router = calloc(1, sizeof(*router));

    if (router == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to start the router");
    }
    if (config.heartbeat_grace_ms <= config.heartbeat_interval_ms) {
        free(router);
        return fb_fail(FB_INVALID_ARGUMENT,
                       "heartbeat_grace has to be longer than heartbeat_interval");
    }
    *self = router;
    router->loop = fb_host_loop(host);
    router->config = &config;
    router->transport = &fb_h2;
    router->tls = fb_host_client_tls(host);
    router->token = fb_host_client_token(host);
    router->server = fb_host_server(host);
    router->metrics = fb_host_metrics(host);
    fb_host_serve(host, &admin_service, router);
    fb_host_serve(host, &forward_mcp_service, router);
    fb_host_serve(host, &forward_flow_service, router);
    fb_host_serve(host, &join_service, router);
    return router_init(router);
}

static void drain(void *self)
{
    router_drain(self);
}

static void destroy(void *self)
{
    router_finish(self);
    free(self);
}

static const struct fb_service router_service = {
    .name = "router",
    .purpose = "picks a worker for each call and forwards it",
    .transport = &fb_h2,
    .listen = "127.0.0.1:7070",
    .options = router_options,
    .config = &config,
    .config_size = sizeof(config),
    .metrics = router_metrics,
    .start = start,
    .drain = drain,
    .destroy = destroy,
};

int main(int argc, char **argv)
{
    return fb_service_main(argc, argv, &router_service);
}
