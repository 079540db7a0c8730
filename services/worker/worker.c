#define _GNU_SOURCE /* readlink beside C17, gethostname */

#include "services/worker/worker.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/base/version.h"
#include "runtime/log/log.h"
#include "runtime/loop/descendants.h"
#include "runtime/rpc/h2/h2.h"
#include "services/worker/configured.h"
#include "services/worker/flow_service/flow_service.h"
#include "services/worker/mcp_service.h"
#include "services/worker/sessions/keeper.h"

enum {
    ADDRESSES_MOST = 8,
    ID_BYTES = 64,
    STORE_MESSAGE_BYTES = 20 << 20,
    SESSIONS_DRAIN_MS = 5000
};

const char *const worker_tiers[] = {"hot", "warm", "cold", NULL};

static const int tier_numbers[] = {
    FLOWBALANCER__V1__TIER__TIER_HOT,
    FLOWBALANCER__V1__TIER__TIER_WARM,
    FLOWBALANCER__V1__TIER__TIER_COLD,
};

const struct fb_metric worker_metrics[] = {
    [WORKER_CALLS] = {"flowbalancer_worker_calls_total", FB_COUNTER, .help = "Tool calls answered.",
                      .labels = {"code"}},
    [WORKER_CALL_SECONDS] = {"flowbalancer_worker_call_seconds", FB_HISTOGRAM,
                             .help = "From the call's arrival to its status.",
                             .unit = FB_UNIT_SECONDS},
    [WORKER_IN_FLIGHT] = {"flowbalancer_worker_in_flight", FB_GAUGE,
                          .help = "Tool calls that came and are not yet answered."},
    [WORKER_INSTANCES] = {"flowbalancer_worker_instances", FB_GAUGE,
                          .help = "Servers that run and take calls."},
    [WORKER_TOOLS] = {"flowbalancer_worker_tools", FB_GAUGE, .help = "Tools in the catalogue."},
    [WORKER_SESSIONS] = KEEPER_METRIC_ROWS,
    {.name = NULL},
};

struct worker {
    const struct worker_config *config;
    struct fb_host *host;
    struct fb_arena arena; /* what was configured */
    struct configured configured;
    char id[ID_BYTES + 1];
    char guard[PATH_MAX];
    const char *addresses[ADDRESSES_MOST + 1];
    struct fb_strings advertised;
    int64_t start_unix_ms;
    struct catalogue *catalogue;
    struct pool *pool;
    struct kept *kept;
    struct joins *joins;
    struct mcp_service service;
    struct keeper *keeper; /* NULL: there is no store */
    struct flow_service flow;
    bool keeper_drains;
    bool keeper_drained;
    bool pool_stopped;
    struct fb_timer drain_limit;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- what one part tells another --- */

static void put_tools(struct worker *w, size_t server, const struct fb_text *items, size_t count)
{
    size_t doubled;

    switch (catalogue_put(w->catalogue, server, items, count, &doubled)) {
    case CATALOGUE_SAME:
        list_waits_look(&w->service);
        return;
    case CATALOGUE_FULL:
        fb_log(FB_ERROR, "out of memory for the tools of a server",
               fb_kv_str("server", w->configured.names[server]));
        return;
    case CATALOGUE_CHANGED:
        break;
    }
    if (doubled != 0) {
        fb_log(FB_WARN, "a server lists tools of the same name; the first of each is exposed",
               fb_kv_str("server", w->configured.names[server]), fb_kv_uint("left_out", doubled));
    }
    mcp_service_catalogue_changed(&w->service);
}

static void on_pool_tools(void *self, size_t server, const struct mcp_session_items *items,
                          const struct mcp_session_server *said)
{
    struct worker *w = self;

    kept_put(w->kept, server, items, said, fb_clock_unix_ms());
    put_tools(w, server, items->items, items->count);
}

static void on_pool_state(void *self, size_t server)
{
    struct worker *w = self;
    int64_t ready = 0;

    for (size_t i = 0; i < w->configured.count; i++) {
        ready += pool_report(w->pool, i).state == POOL_READY;
    }
    fb_metrics_set(fb_host_metrics(w->host), WORKER_INSTANCES, ready);
    mcp_service_server_changed(&w->service, server);
    joins_touch(w->joins);
}

static const struct pool_events pool_events = {
    .on_tools = on_pool_tools,
    .on_state = on_pool_state,
};

static void on_kept_tools(void *self, size_t server, const struct fb_text *items, size_t count,
                          enum era era)
{
    struct worker *w = self;

    pool_know_era(w->pool, server, era);
    /* What runs here is known at first hand. */
    if (pool_report(w->pool, server).state != POOL_READY) {
        put_tools(w, server, items, count);
    }
}

static void on_kept_settled(void *self)
{
    mcp_service_settle(&((struct worker *)self)->service);
}

static const struct kept_events kept_events = {
    .on_tools = on_kept_tools,
    .on_settled = on_kept_settled,
};

static void on_drain_limit(struct fb_timer *timer)
{
    struct worker *w = OWNER_OF(struct worker, drain_limit, timer);

    fb_log(FB_WARN, "what still runs is cancelled, as its router asked",
           fb_kv_uint("calls", w->service.in_flight));
    mcp_service_cancel(&w->service);
}

static void on_held(void *self, const char *session, bool held)
{
    joins_session(((const struct worker *)self)->joins, session, held);
}

static const struct keeper_events session_events = {.on_held = on_held};

static void each_session(void *self, void (*fn)(void *arg, const char *session), void *arg)
{
    const struct worker *w = self;

    if (w->keeper != NULL) {
        keeper_each_held(w->keeper, fn, arg);
    }
}

static void look_stopped(struct worker *w)
{
    if (w->pool_stopped && (w->keeper == NULL || w->keeper_drained)) {
        fb_host_stopped(w->host);
    }
}

static void on_keeper_drained(void *arg)
{
    struct worker *w = arg;

    w->keeper_drained = true;
    look_stopped(w);
}

/* Sessions go to other workers; whoever waits in them is told to ask there. */
static void drain_sessions(struct worker *w)
{
    if (w->keeper == NULL || w->keeper_drains) {
        return;
    }
    w->keeper_drains = true;
    flow_service_drain(&w->flow);
    keeper_drain(w->keeper, fb_loop_now_ms(fb_host_loop(w->host)) + SESSIONS_DRAIN_MS,
                 on_keeper_drained, w);
}

static void on_join_drain(void *self, const char *reason, int64_t deadline_ms)
{
    struct worker *w = self;
    struct fb_loop *loop = fb_host_loop(w->host);

    fb_log(FB_INFO, "a router asks to drain", fb_kv_str("reason", reason),
           fb_kv_ms("deadline", deadline_ms));
    if (deadline_ms > 0) {
        fb_timer_set(loop, &w->drain_limit, fb_loop_now_ms(loop) + deadline_ms, on_drain_limit);
    }
    joins_drain(w->joins);
    drain_sessions(w);
}

/* --- begin --- */

static void choose_id(struct worker *w)
{
    if (w->config->id[0] != '\0') {
        snprintf(w->id, sizeof(w->id), "%s", w->config->id);
        return;
    }
    char host[ID_BYTES - 16] = "worker";

    gethostname(host, sizeof(host) - 1);
    snprintf(w->id, sizeof(w->id), "%s-%ld", host, (long)getpid());
}

static struct fb_status check_id(const char *id)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    if (strspn(id, legal) != strlen(id)) {
        return fb_fail(FB_INVALID_ARGUMENT, "id has other characters than A-Z a-z 0-9 . _ -");
    }
    return fb_ok;
}

/* Beside this program, or where the build puts it. */
static struct fb_status find_guard(struct worker *w)
{
    static const char *const places[] = {"flow-guard", "guard/flow-guard"};
    char self[PATH_MAX - 32];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (w->config->guard != NULL) {
        snprintf(w->guard, sizeof(w->guard), "%s", w->config->guard);
        return access(w->guard, X_OK) == 0
                   ? fb_ok
                   : fb_fail(FB_FAILED_PRECONDITION, "guard: cannot be executed");
    }
    self[size < 0 ? 0 : size] = '\0';
    slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(w->guard, sizeof(w->guard), "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(w->guard, X_OK) == 0) {
            return fb_ok;
        }
    }
    return fb_fail(FB_FAILED_PRECONDITION,
                   "flow-guard is not beside this program; name it with --guard");
}

/* A channel of its own: large appends stand before nothing else. */
static struct fb_status open_sessions(struct worker *w, const struct fb_channel_config *store)
{
    const struct keeper_config config = {
        .loop = fb_host_loop(w->host),
        .worker_id = w->id,
        .start_unix_ms = w->start_unix_ms,
        .sessions_most = (uint32_t)w->config->sessions,
        .bytes_most = (uint64_t)w->config->session_bytes,
        .idle_ms = w->config->session_idle_ms,
        .lease_ms = w->config->session_lease_ms,
        .metrics = fb_host_metrics(w->host),
        .first_metric = WORKER_SESSIONS,
        .events = &session_events,
        .self = w,
    };
    struct fb_channel *channel = NULL;
    struct fb_status status = fb_channel_create(fb_host_loop(w->host), &fb_h2, store, &channel);

    if (!fb_is_ok(status)) {
        return status;
    }
    w->keeper = keeper_create(&config, channel);
    return w->keeper == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for sessions") : fb_ok;
}

static struct fb_status open_store(struct worker *w)
{
    const struct fb_tls_config *tls = fb_host_client_tls(w->host);
    const struct fb_channel_config config = {
        .target = w->config->store,
        .tls = tls == NULL ? (struct fb_tls_config){.ca_file = NULL} : *tls,
        .token = fb_host_client_token(w->host),
        .message_limit_bytes = STORE_MESSAGE_BYTES,
        .backoff_most_ms = 5000,
    };
    struct fb_channel *channel = NULL;
    struct fb_status status = fb_ok;

    if (w->config->store != NULL) {
        status = fb_channel_create(fb_host_loop(w->host), &fb_h2, &config, &channel);
    } else {
        fb_log(FB_WARN,
               "there is no store: the catalogue is in memory only, and no session is held");
    }
    if (fb_is_ok(status) && w->config->store != NULL) {
        status = open_sessions(w, &config);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    w->kept = kept_create(fb_host_loop(w->host), channel, w->configured.kept, w->configured.count,
                          &kept_events, w);
    return w->kept == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the catalogue") : fb_ok;
}

static struct fb_status open_pool(struct worker *w)
{
    const struct pool_config config = {
        .loop = fb_host_loop(w->host),
        .servers = w->configured.pool,
        .count = w->configured.count,
        .guard_path = w->guard,
        .version = FB_VERSION,
        .stop_ms = w->config->stop_ms,
        .starts_at_once = (uint32_t)w->config->starts,
    };

    w->catalogue = catalogue_create(w->configured.exposed, w->configured.count);
    w->pool = pool_create(&config, &pool_events, w);
    if (w->catalogue == NULL || w->pool == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the servers");
    }
    w->service = (struct mcp_service){
        .loop = fb_host_loop(w->host),
        .pool = w->pool,
        .catalogue = w->catalogue,
        .names = w->configured.exposed,
        .configured = w->configured.names,
        .count = w->configured.count,
        .metrics = fb_host_metrics(w->host),
    };
    return fb_ok;
}

struct fb_status worker_create(const struct worker_config *config, struct fb_host *host,
                               struct worker **worker)
{
    struct worker *w = calloc(1, sizeof(*w));
    struct fb_status status;

    if (w == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to start the worker");
    }
    *worker = w;
    w->config = config;
    w->host = host;
    w->start_unix_ms = fb_clock_unix_ms();
    fb_arena_init(&w->arena, 0);
    choose_id(w);
    status = check_id(w->id);
    if (fb_is_ok(status)) {
        status = find_guard(w);
    }
    if (fb_is_ok(status)) {
        status = configured_read(fb_host_config_path(host), &w->arena, &w->configured);
    }
    if (fb_is_ok(status) && !fb_descendants_adopt()) {
        status = fb_fail(FB_UNAVAILABLE, "the system lets no process adopt orphans");
    }
    if (fb_is_ok(status)) {
        status = open_pool(w);
    }
    if (fb_is_ok(status)) {
        status = open_store(w);
    }
    if (fb_is_ok(status)) {
        w->flow = (struct flow_service){
            .loop = fb_host_loop(host),
            .keeper = w->keeper,
            .twins = w->keeper == NULL ? NULL : twins_create(flow_service_held, w->keeper),
        };
        fb_host_serve(host, &mcp_service_rpc, &w->service);
        fb_host_serve(host, &flow_service_rpc, &w->flow);
    }
    return status;
}

/* A worker that listens everywhere is reached by its host's name. */
static const char *reachable(struct worker *w, const char *address)
{
    static const char *const everywhere[] = {"0.0.0.0:", "[::]:"};
    char host[256] = "";
    const char *named = NULL;

    for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++) {
        const size_t size = strlen(everywhere[i]);

        if (strncmp(address, everywhere[i], size) == 0 &&
            gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0') {
            named = fb_arena_printf(&w->arena, "%s:%s", host, address + size);
        }
    }
    return named == NULL ? address : named;
}

void worker_listening(struct worker *w)
{
    struct fb_server *server = fb_host_server(w->host);
    struct joins_config config = {
        .loop = fb_host_loop(w->host),
        .transport = &fb_h2,
        .tls = fb_host_client_tls(w->host),
        .token = fb_host_client_token(w->host),
        .routers = w->config->routers,
        .worker_id = w->id,
        .tier = tier_numbers[w->config->tier],
        .capacity = (uint32_t)w->config->capacity,
        .start_unix_ms = w->start_unix_ms,
        .servers = w->configured.joins,
        .service = &w->service,
        .each_session = each_session,
        .on_drain = on_join_drain,
        .self = w,
    };

    w->advertised = w->config->advertise;
    if (w->advertised.count == 0) {
        size_t count = 0;

        while (count < ADDRESSES_MOST && fb_server_address(server, count) != NULL) {
            w->addresses[count] = reachable(w, fb_server_address(server, count));
            count++;
        }
        w->advertised = (struct fb_strings){.items = w->addresses, .count = count};
    } else if (w->advertised.count > ADDRESSES_MOST) {
        w->advertised.count = ADDRESSES_MOST;
    }
    config.addresses = w->advertised;
    if (config.routers.count == 0) {
        fb_log(FB_WARN, "no router is named, so none will send calls");
        return;
    }
    w->joins = joins_create(&config);
    if (w->joins == NULL) {
        fb_host_fail(w->host, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to join routers"));
    }
}

/* --- end --- */

void worker_drain(struct worker *w)
{
    joins_drain(w->joins);
    mcp_service_drain(&w->service);
    drain_sessions(w);
}

static void on_pool_stopped(void *arg)
{
    struct worker *w = arg;

    w->pool_stopped = true;
    look_stopped(w);
}

void worker_stop(struct worker *w)
{
    joins_destroy(w->joins);
    w->joins = NULL;
    drain_sessions(w);
    pool_stop(w->pool, on_pool_stopped, w);
}

void worker_destroy(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    fb_timer_clear(&w->drain_limit);
    fb_timer_clear(&w->service.announce);
    joins_destroy(w->joins);
    w->joins = NULL;
    flow_service_drain(&w->flow);
    twins_destroy(w->flow.twins);
    keeper_destroy(w->keeper);
    flow_service_finish(&w->flow);
    kept_destroy(w->kept);
    pool_destroy(w->pool);
    catalogue_destroy(w->catalogue);
    fb_arena_finish(&w->arena);
    free(w);
}
