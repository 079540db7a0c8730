#include "services/router/registry.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log/log.h"
#include "services/router/holders.h"

struct registry {
    struct worker *workers[REGISTRY_WORKERS_MOST];
    size_t count;
    uint64_t joins;
    struct holders *holders;
    int64_t grace_ms;
    registry_change_fn *on_change;
    void *arg;
};

static const char *const state_names[WORKER_STATES] = {
    [WORKER_JOINING] = "joining", [WORKER_READY] = "ready", [WORKER_DRAINING] = "draining",
    [WORKER_EJECTED] = "ejected", [WORKER_GONE] = "gone",
};

struct registry *registry_create(int64_t grace_ms, registry_change_fn *on_change, void *arg)
{
    struct registry *registry = calloc(1, sizeof(*registry));

    if (registry == NULL) {
        return NULL;
    }
    registry->grace_ms = grace_ms;
    registry->on_change = on_change;
    registry->arg = arg;
    registry->holders = holders_create(REGISTRY_SESSIONS_MOST);
    if (registry->holders == NULL) {
        registry_destroy(registry);
        return NULL;
    }
    return registry;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        worker_destroy(registry->workers[i]);
    }
    holders_destroy(registry->holders);
    free(registry);
}

static void review(struct registry *registry, struct worker *worker, int64_t now_ms)
{
    if (!worker_review(worker, registry->grace_ms, now_ms)) {
        return;
    }
    fb_log(worker->state == WORKER_EJECTED ? FB_WARN : FB_INFO, "worker changed state",
           fb_kv_str("worker", worker->id), fb_kv_str("state", state_names[worker->state]),
           fb_kv_ms("silent", now_ms - worker->heard_ms));
    if (worker->state == WORKER_READY) {
        registry->on_change(registry->arg);
    }
}

static struct worker *find(const struct registry *registry, const char *id)
{
    for (size_t i = 0; i < registry->count; i++) {
        if (registry->workers[i]->state != WORKER_GONE &&
            strcmp(registry->workers[i]->id, id) == 0) {
            return registry->workers[i];
        }
    }
    return NULL;
}

static void take_sessions(struct registry *registry, struct worker *worker,
                          const Flowbalancer__V1__WorkerHeartbeat *heartbeat)
{
    for (size_t i = 0; i < heartbeat->n_sessions_removed; i++) {
        struct fb_text session = fb_text_of(heartbeat->sessions_removed[i]);

        if (holders_find(registry->holders, session) == worker) {
            holders_drop(registry->holders, session, worker);
            worker->sessions--;
        }
    }
    for (size_t i = 0; i < heartbeat->n_sessions_added; i++) {
        struct fb_text session = fb_text_of(heartbeat->sessions_added[i]);
        struct worker *before = holders_find(registry->holders, session);

        if (before != worker && holders_put(registry->holders, session, worker)) {
            worker->sessions++;
            if (before != NULL) {
                before->sessions--;
            }
        }
    }
}

struct fb_status registry_join(struct registry *registry,
                               const Flowbalancer__V1__WorkerHello *hello, int64_t now_ms,
                               struct worker **worker)
{
    struct worker *before = find(registry, hello->worker_id);
    struct worker *joined;
    struct fb_status status;

    if (before != NULL && before->start_unix_ms >= hello->start_unix_ms &&
        now_ms - before->heard_ms <= registry->grace_ms) {
        return fb_fail(FB_ALREADY_EXISTS,
                       "a worker of this id has joined and is heard of: give each "
                       "worker an id of its own, or wait out the grace");
    }
    if (before == NULL && registry->count == REGISTRY_WORKERS_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "this router has its most workers (256)");
    }
    status = worker_create(hello, now_ms, &joined);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (before != NULL) {
        registry_left(registry, before);
    }
    if (registry->count == REGISTRY_WORKERS_MOST) {
        worker_destroy(joined); /* the one that just left still has calls */
        return fb_fail(FB_RESOURCE_EXHAUSTED, "this router has its most workers (256)");
    }
    joined->serial = ++registry->joins;
    registry->workers[registry->count++] = joined;
    if (hello->state != NULL) {
        take_sessions(registry, joined, hello->state);
    }
    fb_log(FB_INFO, "worker joined", fb_kv_str("worker", joined->id),
           fb_kv_str("address", joined->addresses[0]), fb_kv_uint("capacity", joined->capacity));
    *worker = joined;
    return fb_ok;
}

void registry_heard(struct registry *registry, struct worker *worker,
                    const Flowbalancer__V1__WorkerHeartbeat *heartbeat, int64_t now_ms)
{
    const uint32_t load = worker_load(worker);

    if (worker->state == WORKER_GONE) {
        return; /* its stream outlives it while calls run; what it holds now is another's to say */
    }
    worker_heard(worker, heartbeat, now_ms);
    take_sessions(registry, worker, heartbeat);
    review(registry, worker, now_ms);
    if (worker->state == WORKER_READY && worker_load(worker) < load) {
        registry->on_change(registry->arg);
    }
}

void registry_reached(struct registry *registry, struct worker *worker, bool reached,
                      int64_t now_ms)
{
    worker->reached = reached;
    review(registry, worker, now_ms);
}

void registry_left(struct registry *registry, struct worker *worker)
{
    if (worker->state == WORKER_GONE) {
        return;
    }
    worker_left(worker);
    holders_drop_all(registry->holders, worker);
    worker->sessions = 0;
    fb_log(FB_INFO, "worker left", fb_kv_str("worker", worker->id),
           fb_kv_uint("in_flight", worker->in_flight_here));
}

void registry_call_ended(struct registry *registry, struct worker *worker, bool lost,
                         int64_t now_ms)
{
    const bool was_full = worker_load(worker) >= worker->capacity;

    worker_call_ended(worker, lost, now_ms);
    review(registry, worker, now_ms);
    if (was_full && worker->state == WORKER_READY) {
        registry->on_change(registry->arg);
    }
}

void registry_sweep(struct registry *registry, int64_t now_ms)
{
    for (size_t i = 0; i < registry->count; i++) {
        review(registry, registry->workers[i], now_ms);
    }
}

struct worker *registry_reap(struct registry *registry)
{
    for (size_t i = 0; i < registry->count; i++) {
        struct worker *worker = registry->workers[i];

        if (worker->state == WORKER_GONE && worker->in_flight_here == 0) {
            registry->count--;
            memmove(&registry->workers[i], &registry->workers[i + 1],
                    (registry->count - i) * sizeof(registry->workers[0]));
            return worker;
        }
    }
    return NULL;
}

struct worker *const *registry_workers(const struct registry *registry, size_t *count)
{
    *count = registry->count;
    return registry->workers;
}

struct worker *registry_holder(const struct registry *registry, struct fb_text session)
{
    return holders_find(registry->holders, session);
}

size_t registry_sessions(const struct registry *registry)
{
    return holders_count(registry->holders);
}
