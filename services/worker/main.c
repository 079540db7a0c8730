#include <stddef.h>

#include "runtime/rpc/h2/h2.h"
#include "services/worker/worker.h"

static struct worker_config config;

static const struct fb_option worker_options[] = {
    {"id", FB_OPTION_STRING, offsetof(struct worker_config, id), .fallback = "",
     .help = "name of this worker, 1 to 64 of [A-Za-z0-9._-]; host name and process id if empty"},
    {"tier", FB_OPTION_CHOICE, offsetof(struct worker_config, tier), .fallback = "warm",
     .choices = worker_tiers, .help = "what this worker is kept for"},
    {"capacity", FB_OPTION_INTEGER, offsetof(struct worker_config, capacity), .fallback = "256",
     .least = "1", .most = "100000", .help = "most calls at once that routers may send"},
    {"router", FB_OPTION_ADDRESSES, offsetof(struct worker_config, routers),
     .help = "routers to join; each address that a name resolves to is one"},
    {"store", FB_OPTION_ADDRESS, offsetof(struct worker_config, store),
     .help = "where flow-store is; without it the catalogue is in memory only"},
    {"advertise", FB_OPTION_ADDRESSES, offsetof(struct worker_config, advertise),
     .help = "where routers reach this worker, if that is not where it listens; one that listens "
             "everywhere is reached by its host name"},
    {"guard", FB_OPTION_PATH, offsetof(struct worker_config, guard),
     .help = "the program flow-guard, if it is elsewhere"},
    {"sessions", FB_OPTION_INTEGER, offsetof(struct worker_config, sessions), .fallback = "1000",
     .least = "1", .most = "10000",
     .help = "most sessions of tasks held in memory; those used longest ago make room"},
    {"session_memory", FB_OPTION_SIZE, offsetof(struct worker_config, session_bytes),
     .fallback = "512MiB", .least = "1MiB", .most = "1024GiB",
     .help = "memory of these above which they make room, estimated"},
    {"session_idle", FB_OPTION_DURATION, offsetof(struct worker_config, session_idle_ms),
     .fallback = "5s", .least = "100ms", .most = "1h",
     .help = "time without a call after which a session's snapshot is put; after sixty times that "
             "it is given back"},
    {"session_lease", FB_OPTION_DURATION, offsetof(struct worker_config, session_lease_ms),
     .fallback = "30s", .least = "1s", .most = "10m",
     .help = "time for which a session stays this worker's, should it fall silent"},
    {"starts", FB_OPTION_INTEGER, offsetof(struct worker_config, starts), .fallback = "4",
     .least = "1", .most = "64", .help = "servers that may start at once"},
    {"stop", FB_OPTION_DURATION, offsetof(struct worker_config, stop_ms), .fallback = "2s",
     .least = "100ms", .most = "1m",
     .help = "patience with a server before SIGTERM, and again before SIGKILL"},
    {.name = NULL},
};

static struct fb_status start(struct fb_host *host, void **self)
{
    struct worker *worker = NULL;
    struct fb_status status = worker_create(&config, host, &worker);

    *self = worker;
    return status;
}

static void listening(void *self)
{
    worker_listening(self);
}

static void drain(void *self)
{
    worker_drain(self);
}

static void stop(void *self)
{
    worker_stop(self);
}

static void destroy(void *self)
{
    worker_destroy(self);
}

static const struct fb_service worker_service = {
    .name = "worker",
    .purpose = "runs MCP servers and the calls of their tools",
    .transport = &fb_h2,
    .listen = "127.0.0.1:7071",
    .options = worker_options,
    .config = &config,
    .config_size = sizeof(config),
    .metrics = worker_metrics,
    .start = start,
    .listening = listening,
    .drain = drain,
    .stop = stop,
    .destroy = destroy,
};

int main(int argc, char **argv)
{
    return fb_service_main(argc, argv, &worker_service);
}
