#include "services/router/router.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "services/router/link.h"

enum { SWEEP_EVERY_MS = 500, RETRY_TOKENS_FIRST = 20 };

const struct fb_metric router_metrics[] = {
    [ROUTER_CALLS] = {"flowbalancer_router_calls_total", FB_COUNTER, .help = "Calls answered.",
                      .labels = {"method", "code"}, .most_series = 512},
    [ROUTER_CALL_SECONDS] = {"flowbalancer_router_call_seconds", FB_HISTOGRAM,
                             .help = "From the call's first byte to its status.", FB_UNIT_SECONDS,
                             .labels = {"method"}},
    [ROUTER_IN_FLIGHT] = {"flowbalancer_router_in_flight", FB_GAUGE,
                          .help = "Calls that came and are not yet answered."},
    [ROUTER_WAITING] = {"flowbalancer_router_waiting", FB_GAUGE,
                        .help = "Calls that wait for a worker."},
    [ROUTER_RETRIES] = {"flowbalancer_router_retries_total", FB_COUNTER,
                        .help = "Calls sent once more, where that does no harm."},
    [ROUTER_WORKERS] = {"flowbalancer_router_workers", FB_GAUGE, .help = "Workers by state.",
                        .labels = {"state"}},
    [ROUTER_SESSIONS] = {"flowbalancer_router_sessions", FB_GAUGE,
                         .help = "Sessions held by workers."},
    {.name = NULL},
};

static void registry_changed(void *arg)
{
    forward_waiting_soon(arg);
}

static void show_workers(struct router *router)
{
    static const char *const names[WORKER_STATES] = {"joining", "ready", "draining", "ejected",
                                                     "gone"};
    int64_t counts[WORKER_STATES] = {0};
    size_t count;
    struct worker *const *workers = registry_workers(router->registry, &count);

    for (size_t i = 0; i < count; i++) {
        counts[workers[i]->state]++;
    }
    for (int state = 0; state < WORKER_STATES; state++) {
        fb_series_set(fb_metrics_series(router->metrics, ROUTER_WORKERS, FB_LABELS(names[state])),
                      counts[state]);
    }
    fb_metrics_set(router->metrics, ROUTER_SESSIONS, (int64_t)registry_sessions(router->registry));
    fb_metrics_set(router->metrics, ROUTER_IN_FLIGHT, router->in_flight);
    fb_metrics_set(router->metrics, ROUTER_WAITING, router->waiting_count);
}

static void sweep(struct fb_timer *timer)
{
    struct router *router = (struct router *)((char *)timer - offsetof(struct router, sweep));
    const int64_t now_ms = fb_loop_now_ms(router->loop);
    size_t count;
    struct worker *const *workers;

    registry_sweep(router->registry, now_ms);
    workers = registry_workers(router->registry, &count);
    for (size_t i = 0; i < count; i++) {
        link_tend(router, workers[i]);
    }
    show_workers(router);
    fb_timer_set(router->loop, &router->sweep, now_ms + SWEEP_EVERY_MS, sweep);
}

struct fb_status router_init(struct router *router)
{
    router->start_unix_ms = fb_clock_unix_ms();
    router->waiting_end = &router->waiting;
    router->retry_tokens = RETRY_TOKENS_FIRST;
    if (router->config->id[0] != '\0') {
        snprintf(router->id, sizeof(router->id), "%s", router->config->id);
    } else {
        char host[48] = "router";

        gethostname(host, sizeof(host) - 1);
        snprintf(router->id, sizeof(router->id), "%s-%ld", host, (long)getpid());
    }
    router->registry =
        registry_create(router->config->heartbeat_grace_ms, registry_changed, router);
    router->recent = recent_create();
    if (router->registry == NULL || router->recent == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to start the router");
    }
    fb_timer_set(router->loop, &router->sweep, fb_loop_now_ms(router->loop) + SWEEP_EVERY_MS,
                 sweep);
    return fb_ok;
}

void router_drain(struct router *router)
{
    router->stopping = true;
    admin_stop(router);
    forward_stop(router);
    join_stop(router);
}

void router_finish(struct router *router)
{
    fb_timer_clear(&router->sweep);
    fb_timer_clear(&router->waiting_timer);
    fb_defer_cancel(&router->waiting_retry);
    fb_defer_cancel(&router->reap);
    if (router->registry != NULL) {
        size_t count;
        struct worker *const *workers = registry_workers(router->registry, &count);

        for (size_t i = 0; i < count; i++) {
            link_close(workers[i]);
        }
    }
    registry_destroy(router->registry);
    recent_destroy(router->recent);
    router->registry = NULL;
    router->recent = NULL;
}

static void reap(struct fb_defer *defer)
{
    struct router *router = (struct router *)((char *)defer - offsetof(struct router, reap));
    struct worker *worker;

    while ((worker = registry_reap(router->registry)) != NULL) {
        if (worker->join != NULL) {
            join_end(worker->join, fb_fail(FB_ABORTED, "another worker took this id"));
        }
        link_close(worker);
        worker_destroy(worker);
    }
}

void router_reap_soon(struct router *router)
{
    fb_loop_defer(router->loop, &router->reap, reap);
}
