/*
 * admin: the picture of the whole, and the few orders that may be given.
 */
#include <stddef.h>
#include <string.h>

#include "flowbalancer/v1/admin.pb-c.h"
#include "runtime/base/process.h"
#include "runtime/base/version.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/server.h"
#include "services/router/router.h"

enum { CALLS_DEFAULT = 100, CALLS_PER_MESSAGE = 250, REASON_BYTES = 256 };

/* --- GetOverview --- */

static const Flowbalancer__V1__WorkerState worker_states[WORKER_STATES] = {
    [WORKER_JOINING] = FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_JOINING,
    [WORKER_READY] = FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY,
    [WORKER_DRAINING] = FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_DRAINING,
    [WORKER_EJECTED] = FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_EJECTED,
    [WORKER_GONE] = FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_GONE,
};

static void *zalloc(struct fb_call *call, size_t count, size_t size)
{
    return fb_arena_zalloc(fb_call_arena(call), count, size);
}

static bool show_instances(struct fb_call *call, const struct worker *worker,
                           Flowbalancer__V1__WorkerOverview *shown)
{
    Flowbalancer__V1__InstanceReport *reports =
        zalloc(call, worker->instance_count, sizeof(*reports));

    shown->instances =
        zalloc(call, worker->instance_count, sizeof(Flowbalancer__V1__InstanceReport *));
    if (reports == NULL || shown->instances == NULL) {
        return false;
    }
    for (size_t i = 0; i < worker->instance_count; i++) {
        struct worker_instance *instance = &worker->instances[i];

        flowbalancer__v1__instance_report__init(&reports[i]);
        reports[i].instance_id = instance->id;
        reports[i].server = instance->server;
        reports[i].state = instance->state;
        reports[i].in_flight = instance->in_flight;
        reports[i].warm = instance->warm;
        reports[i].pid = instance->pid;
        reports[i].resident_bytes = instance->resident_bytes;
        reports[i].starts = instance->starts;
        shown->instances[i] = &reports[i];
    }
    shown->n_instances = worker->instance_count;
    return true;
}

static bool show_servers(struct fb_call *call, const struct worker *worker,
                         Flowbalancer__V1__WorkerOverview *shown)
{
    shown->servers = zalloc(call, worker->offer_count, sizeof(char *));
    if (shown->servers == NULL) {
        return false;
    }
    for (size_t i = 0; i < worker->offer_count; i++) {
        shown->servers[i] = worker->offers[i].server;
    }
    shown->n_servers = worker->offer_count;
    return true;
}

static Flowbalancer__V1__WorkerOverview *show_worker(struct fb_call *call, struct worker *worker,
                                                     int64_t now_ms)
{
    Flowbalancer__V1__WorkerOverview *shown = zalloc(call, 1, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__worker_overview__init(shown);
    shown->worker_id = worker->id;
    shown->address = worker->addresses[worker->address];
    shown->tier = worker->tier;
    shown->state = worker_states[worker->state];
    shown->version = worker->version;
    shown->start_unix_ms = worker->start_unix_ms;
    shown->in_flight = worker_load(worker);
    shown->capacity = worker->capacity;
    shown->in_flight_here = worker->in_flight_here;
    shown->calls = worker->calls;
    shown->failures = worker->failures;
    shown->silent_ms = now_ms - worker->heard_ms;
    shown->sessions = worker->sessions;
    shown->cpu_ms = worker->cpu_ms;
    shown->resident_bytes = worker->resident_bytes;
    return show_instances(call, worker, shown) && show_servers(call, worker, shown) ? shown : NULL;
}

static void show_router(struct router *router, Flowbalancer__V1__RouterOverview *shown)
{
    shown->router_id = router->id;
    shown->version = (char *)FB_VERSION;
    shown->start_unix_ms = router->start_unix_ms;
    shown->in_flight = router->in_flight;
    shown->calls = router->calls;
    shown->failures = router->failures;
    shown->retries = router->retries;
    shown->connections = fb_server_stats(router->server)->connections_open;
    shown->cpu_ms = fb_process_cpu_ms();
    shown->resident_bytes = fb_process_resident_bytes();
}

static void sort_by_id(Flowbalancer__V1__WorkerOverview **workers, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        Flowbalancer__V1__WorkerOverview *worker = workers[i];
        size_t at = i;

        while (at > 0 && strcmp(workers[at - 1]->worker_id, worker->worker_id) > 0) {
            workers[at] = workers[at - 1];
            at--;
        }
        workers[at] = worker;
    }
}

static void get_overview(struct fb_call *call, const ProtobufCMessage *message)
{
    struct router *router = fb_call_self(call);
    Flowbalancer__V1__GetOverviewResponse response = FLOWBALANCER__V1__GET_OVERVIEW_RESPONSE__INIT;
    Flowbalancer__V1__RouterOverview overview = FLOWBALANCER__V1__ROUTER_OVERVIEW__INIT;
    Flowbalancer__V1__QueueOverview queue = FLOWBALANCER__V1__QUEUE_OVERVIEW__INIT;
    Flowbalancer__V1__QueueOverview *queues = &queue;
    size_t count;
    struct worker *const *workers = registry_workers(router->registry, &count);

    (void)message;
    show_router(router, &overview);
    queue.waiting = router->waiting_count;
    queue.limit = (uint32_t)router->config->waiting;
    overview.queues = &queues;
    overview.n_queues = 1;
    response.router = &overview;
    response.workers = zalloc(call, count, sizeof(*response.workers));
    for (size_t i = 0; response.workers != NULL && i < count; i++) {
        response.workers[i] = show_worker(call, workers[i], fb_loop_now_ms(router->loop));
        if (response.workers[i] == NULL) {
            fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the overview"));
            return;
        }
        response.n_workers++;
    }
    sort_by_id(response.workers, response.n_workers);
    fb_call_reply(call, &response.base);
}

/* --- DrainWorker --- */

static void drain_worker(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__DrainWorkerRequest *request =
        (const Flowbalancer__V1__DrainWorkerRequest *)message;
    Flowbalancer__V1__DrainWorkerResponse response = FLOWBALANCER__V1__DRAIN_WORKER_RESPONSE__INIT;
    struct router *router = fb_call_self(call);
    size_t count;
    struct worker *const *workers = registry_workers(router->registry, &count);

    if (strlen(request->reason) > REASON_BYTES || request->deadline_ms < 0) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT, strlen(request->reason) > REASON_BYTES
                                                              ? "reason has more than 256 bytes"
                                                              : "deadline_ms is negative"));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (workers[i]->join != NULL && strcmp(workers[i]->id, request->worker_id) == 0) {
            join_drain(workers[i]->join, request->reason, request->deadline_ms);
            fb_call_reply(call, &response.base);
            return;
        }
    }
    fb_call_finish(call, fb_arena_fail(fb_call_arena(call), FB_NOT_FOUND,
                                       "no worker \"%.64s\" is joined here", request->worker_id));
}

/* --- RecentCalls --- */

struct follower {
    struct router *router;
    struct fb_call *call;
    struct follower *next;
    struct follower **link;
    const char *agent;
    const char *server;
    uint64_t shown;  /* number of the last call looked at */
    uint64_t missed; /* since the message before */
    bool behind;
};

static bool is_wanted(const struct follower *follower, const struct recent_call *call)
{
    return (follower->agent[0] == '\0' || strcmp(follower->agent, call->agent) == 0) &&
           (follower->server[0] == '\0' || strcmp(follower->server, call->server) == 0);
}

static Flowbalancer__V1__RecentCall message_of(const struct recent_call *call)
{
    Flowbalancer__V1__RecentCall message = FLOWBALANCER__V1__RECENT_CALL__INIT;

    message.unix_ms = call->unix_ms;
    message.agent = (char *)call->agent;
    message.server = (char *)call->server;
    message.name = (char *)call->name;
    message.method = (char *)call->method;
    message.worker_id = (char *)call->worker;
    message.duration_us = call->duration_us;
    message.code = (int32_t)call->code;
    message.attempts = call->attempts;
    message.session = (char *)call->session;
    return message;
}

/* Sends what has not been shown yet, as far as the reader keeps up. */
static void show_calls(struct follower *follower)
{
    struct recent *recent = follower->router->recent;
    Flowbalancer__V1__RecentCall calls[CALLS_PER_MESSAGE];
    Flowbalancer__V1__RecentCall *list[CALLS_PER_MESSAGE];

    while (!follower->behind && follower->shown < recent_latest(recent)) {
        Flowbalancer__V1__RecentCallsResponse response =
            FLOWBALANCER__V1__RECENT_CALLS_RESPONSE__INIT;

        response.calls = list;
        while (response.n_calls < CALLS_PER_MESSAGE && follower->shown < recent_latest(recent)) {
            const struct recent_call *call = recent_find(recent, ++follower->shown);

            if (call == NULL) {
                follower->missed++;
            } else if (is_wanted(follower, call)) {
                calls[response.n_calls] = message_of(call);
                list[response.n_calls] = &calls[response.n_calls];
                response.n_calls++;
            }
        }
        if (response.n_calls > 0) {
            response.missed = follower->missed;
            follower->missed = 0;
            follower->behind = !fb_call_send(follower->call, &response.base);
        }
    }
}

static void unfollow(struct follower *follower, struct fb_status status)
{
    *follower->link = follower->next;
    if (follower->next != NULL) {
        follower->next->link = follower->link;
    }
    fb_call_finish(follower->call, status);
}

static void follower_drained(struct fb_call *call, void *arg)
{
    struct follower *follower = arg;

    (void)call;
    follower->behind = false;
    show_calls(follower);
}

static void follower_left(struct fb_call *call, void *arg)
{
    (void)call;
    unfollow(arg, fb_fail(FB_CANCELLED, "the caller went away"));
}

static const struct fb_call_events follower_events = {
    .on_cancel = follower_left,
    .on_drain = follower_drained,
};

static void recent_calls(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__RecentCallsRequest *request =
        (const Flowbalancer__V1__RecentCallsRequest *)message;
    struct router *router = fb_call_self(call);
    const uint64_t limit = request->limit == 0 ? CALLS_DEFAULT : request->limit;
    const uint64_t latest = recent_latest(router->recent);
    struct follower *follower = zalloc(call, 1, sizeof(*follower));

    if (limit > 10000) {
        fb_call_finish(call, fb_fail(FB_INVALID_ARGUMENT, "limit is above 10,000"));
        return;
    }
    if (follower == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another reader"));
        return;
    }
    follower->router = router;
    follower->call = call;
    follower->agent = request->agent;
    follower->server = request->server;
    /* Calls that are not kept any more were not missed by this reader. */
    follower->shown = latest > RECENT_CALLS ? latest - RECENT_CALLS : 0;
    if (latest - follower->shown > limit) {
        follower->shown = latest - limit;
    }
    show_calls(follower);
    if (!request->follow || router->stopping) {
        fb_call_finish(call, fb_ok);
        return;
    }
    follower->next = router->followers;
    follower->link = &router->followers;
    if (follower->next != NULL) {
        follower->next->link = &follower->next;
    }
    router->followers = follower;
    fb_call_watch(call, &follower_events, follower);
}

void admin_call_ended(struct router *router)
{
    for (struct follower *follower = router->followers; follower != NULL;
         follower = follower->next) {
        show_calls(follower);
    }
}

void admin_stop(struct router *router)
{
    while (router->followers != NULL) {
        unfollow(router->followers, fb_fail(FB_UNAVAILABLE, "the router is going down"));
    }
}

static const struct fb_method admin_methods[] = {
    {"DrainWorker", FB_UNARY, drain_worker, .raw = false},
    {"GetOverview", FB_UNARY, get_overview, .raw = false},
    {"RecentCalls", FB_SERVER_STREAM, recent_calls, .raw = false},
};

const struct fb_rpc_service admin_service = {
    .descriptor = &flowbalancer__v1__admin_service__descriptor,
    .methods = admin_methods,
    .method_count = sizeof(admin_methods) / sizeof(admin_methods[0]),
};
