#include "services/router/link.h"

#include "runtime/log/log.h"

/* What a channel's watcher is told: the worker alone does not lead to its router. */
static void state_changed(struct fb_channel *channel, enum fb_channel_state state, void *arg)
{
    struct router *router = arg;
    struct worker *const *workers;
    size_t count;

    workers = registry_workers(router->registry, &count);
    for (size_t i = 0; i < count; i++) {
        if (workers[i]->channel == channel) {
            registry_reached(router->registry, workers[i], state == FB_CHANNEL_READY,
                             fb_loop_now_ms(router->loop));
            return;
        }
    }
}

static struct fb_status dial(struct router *router, struct worker *worker)
{
    const struct fb_channel_config config = {
        .target = worker->addresses[worker->address],
        .tls = router->tls == NULL ? (struct fb_tls_config){0} : *router->tls,
        .token = router->token,
        .connect_timeout_ms = 2000,
        .backoff_first_ms = 50,
        .backoff_most_ms = 2000,
    };
    struct fb_status status =
        fb_channel_create(router->loop, router->transport, &config, &worker->channel);

    if (fb_is_ok(status)) {
        fb_channel_watch(worker->channel, state_changed, router);
        fb_channel_connect(worker->channel);
    }
    return status;
}

struct fb_status link_open(struct router *router, struct worker *worker)
{
    struct fb_status status = fb_ok;

    for (worker->address = 0; worker->address < worker->address_count; worker->address++) {
        status = dial(router, worker);
        if (fb_is_ok(status)) {
            return status;
        }
    }
    worker->address = 0;
    return fb_is_ok(status) ? fb_fail(FB_INVALID_ARGUMENT, "hello.addresses is empty") : status;
}

void link_tend(struct router *router, struct worker *worker)
{
    struct fb_channel *channel = worker->channel;

    if (worker->state == WORKER_GONE ||
        (channel != NULL && (fb_channel_state(channel) == FB_CHANNEL_READY ||
                             fb_channel_state(channel) == FB_CHANNEL_CONNECTING))) {
        return;
    }
    /* There is no channel where the address before could not be dialled. */
    if (channel == NULL || (worker->address_count > 1 && worker->in_flight_here == 0)) {
        link_close(worker);
        worker->address = (worker->address + 1) % worker->address_count;
        if (!fb_is_ok(dial(router, worker))) {
            fb_log(FB_WARN, "worker has an address that cannot be dialled",
                   fb_kv_str("worker", worker->id),
                   fb_kv_str("address", worker->addresses[worker->address]));
        }
        return;
    }
    fb_channel_connect(channel);
}

void link_close(struct worker *worker)
{
    struct fb_channel *channel = worker->channel;

    if (channel != NULL) {
        fb_channel_watch(channel, NULL, NULL);
        worker->channel = NULL;
        fb_channel_destroy(channel);
    }
}
