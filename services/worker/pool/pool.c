#include "services/worker/pool/pool.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json/scan.h"
#include "runtime/log/log.h"
#include "runtime/loop/descendants.h"
#include "runtime/trace/trace.h"
#include "services/worker/pool/admission.h"
#include "services/worker/pool/instance.h"
#include "services/worker/pool/restart.h"

enum {
    WHY_BYTES = 384,
    STOP_MS = 2000,
    WAITING_MOST = 4096,
    ATTEMPTS_UNSENT = 3, /* for a call that never reached the server */
    ATTEMPTS_SENT = 2,   /* for one that may run twice */
    DOUBT_MS = 10000,    /* tools as new as this are not doubted because of an error */
    SWEEP_MS = 20,       /* between two rounds against strays */
    SWEEPS_MOST = 500,
    REVIVALS_MOST = 5, /* crashes in a row after which it is started again only when needed */
};

enum { INVALID_PARAMS = -32602 };
enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; /* flow-guard's exit codes */

struct server {
    struct pool *pool;
    const struct pool_server *is;
    enum pool_state state;
    enum era known_era;
    bool refresh; /* its tools are to be read once it is ready */
    bool broke;   /* the last start failed */
    bool probed;  /* the probe was tried since it was last ready or given up */
    bool not_found;
    char why[WHY_BYTES];  /* of the last failure, until it is ready */
    char said[WHY_BYTES]; /* why this start's handshake failed */
    int64_t wanted_ms;    /* since when it is to be started */
    uint32_t starts;
    uint32_t open;    /* calls that it runs */
    int64_t used_ms;  /* when a call began or ended */
    int64_t read_ms;  /* when its tools were asked for last */
    int64_t stale_ms; /* when they are too old, as it said with them */

    struct instance *instance; /* the one that all callers share */
    struct instance_plan plan;
    struct admission_ticket ticket;
    struct restart restart;
    struct fb_timer timer; /* RESTING: its end; READY: idleness */

    struct pool_call *first; /* that wait */
    struct pool_call *last;
    uint32_t waiting;
};

struct pool {
    struct pool_config config;
    const struct pool_events *events;
    void *self;
    struct server *servers;
    struct admission admission;
    struct fb_timer timer; /* a place becomes free by time */
    struct fb_timer sweeper;
    uint32_t sweeps; /* rounds against strays so far */
    bool stopping;
    void (*done)(void *arg);
    void *done_arg;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void want(struct server *s, enum admission_need need);
static void pump_calls(struct server *s);
static void read_tools(struct server *s);
static void admit(struct pool *pool);

static int64_t now_of(const struct server *s)
{
    return fb_loop_now_ms(s->pool->config.loop);
}

static size_t index_of(const struct server *s)
{
    return (size_t)(s - s->pool->servers);
}

static void become(struct server *s, enum pool_state state)
{
    if (s->state != state) {
        s->state = state;
        s->pool->events->on_state(s->pool->self, index_of(s));
    }
}

/* --- calls that wait --- */

static void append(struct server *s, struct pool_call *call)
{
    call->waiting = true;
    call->next = NULL;
    if (s->last == NULL) {
        s->first = call;
    } else {
        s->last->next = call;
    }
    s->last = call;
    s->waiting++;
}

static void take_out(struct server *s, struct pool_call *call)
{
    struct pool_call *before = NULL;

    for (struct pool_call *c = s->first; c != call; c = c->next) {
        before = c;
    }
    if (before == NULL) {
        s->first = call->next;
    } else {
        before->next = call->next;
    }
    if (s->last == call) {
        s->last = before;
    }
    call->next = NULL;
    call->waiting = false;
    s->waiting--;
}

static void end_call(struct pool_call *call, const struct pool_outcome *outcome)
{
    fb_timer_clear(&call->timer);
    call->events->on_end(call, outcome);
}

static void fail_call(struct pool_call *call, struct fb_status status, const char *reason)
{
    const struct pool_outcome outcome = {
        .end = POOL_FAILED,
        .revision = "",
        .status = status,
        .reason = reason,
    };

    end_call(call, &outcome);
}

static void fail_to_start(struct server *s, struct pool_call *call)
{
    fail_call(call,
              fb_arena_fail(call->plan->arena, FB_FAILED_PRECONDITION,
                            "server '%s' cannot be started: %s", s->is->name, s->why),
              POOL_NOT_RUN);
}

static void fail_waiting(struct server *s)
{
    while (s->first != NULL) {
        struct pool_call *call = s->first;

        take_out(s, call);
        if (s->pool->stopping) {
            fail_call(call, fb_fail(FB_UNAVAILABLE, "the worker is going down"), POOL_NOT_RUN);
        } else {
            fail_to_start(s, call);
        }
    }
}

/* --- calls that run --- */

static void call_progress(struct mcp_session_request *request, struct fb_text params)
{
    struct pool_call *call = OWNER_OF(struct pool_call, request, request);

    call->events->on_progress(call, params);
}

static void call_log(struct mcp_session_request *request, struct fb_text params)
{
    struct pool_call *call = OWNER_OF(struct pool_call, request, request);

    call->events->on_log(call, params);
}

/* The server was lost under it: once more if that can do no harm, else an honest end. */
static void call_lost(struct server *s, struct pool_call *call, bool unsent)
{
    const bool again = unsent ? call->attempts < ATTEMPTS_UNSENT
                              : call->plan->repeatable && call->attempts < ATTEMPTS_SENT;

    if (again && !s->pool->stopping) {
        append(s, call);
        return;
    }
    if (unsent) {
        fail_call(call,
                  fb_arena_fail(call->plan->arena, FB_UNAVAILABLE,
                                "server '%s' ended before the call reached it", s->is->name),
                  POOL_NOT_RUN);
        return;
    }
    fail_call(
        call,
        fb_arena_fail(call->plan->arena, FB_UNKNOWN,
                      "server '%s' was lost while it ran the call, which may have had effects",
                      s->is->name),
        POOL_MAY_HAVE_RUN);
}

/* An error that may mean that the tool is not there any more: the list is read again. */
static void doubt_tools(struct server *s, struct fb_text error)
{
    struct fb_text code;
    int64_t number;

    if (fb_json_find(error, "code", &code) && fb_json_to_i64(code, &number) &&
        number == INVALID_PARAMS && now_of(s) >= s->read_ms + DOUBT_MS &&
        instance_is_ready(s->instance)) {
        read_tools(s);
    }
}

static void call_answered(struct mcp_session_request *request, const struct mcp_session_answer *how)
{
    struct pool_call *call = OWNER_OF(struct pool_call, request, request);
    struct server *s = &call->pool->servers[call->plan->server];
    struct pool_outcome outcome = {
        .end = POOL_RESULT,
        .body = how->body,
        .revision = mcp_session_server(instance_session(s->instance))->revision,
        .status = fb_ok,
        .reason = "",
    };

    s->open--;
    s->used_ms = now_of(s);
    switch (how->end) {
    case MCP_SESSION_RESULT:
        end_call(call, &outcome);
        return;
    case MCP_SESSION_ERROR:
        doubt_tools(s, how->body);
        outcome.end = POOL_ERROR;
        end_call(call, &outcome);
        return;
    case MCP_SESSION_INPUT:
        fail_call(
            call,
            fb_fail(FB_UNIMPLEMENTED, "the server asks for input, which cannot be handed on yet"),
            "");
        return;
    case MCP_SESSION_GARBLED:
        fail_call(call, how->status, "");
        return;
    case MCP_SESSION_UNSENT:
        call_lost(s, call, true);
        return;
    case MCP_SESSION_LOST:
        call_lost(s, call, false);
        return;
    }
}

static const struct mcp_session_request_events call_events = {
    .on_progress = call_progress,
    .on_log = call_log,
    .on_answer = call_answered,
};

static void pump_calls(struct server *s)
{
    while (s->first != NULL && s->instance != NULL && instance_has_room(s->instance)) {
        struct pool_call *call = s->first;
        struct fb_status status;

        take_out(s, call);
        call->attempts++;
        s->open++;
        s->used_ms = now_of(s);
        status = instance_request(s->instance, &call->request, &call_events, &call->plan->say);
        if (!fb_is_ok(status)) {
            s->open--;
            fail_call(call, status, POOL_NOT_RUN);
        }
    }
}

static void on_call_timer(struct fb_timer *timer)
{
    struct pool_call *call = OWNER_OF(struct pool_call, timer, timer);
    const char *reason = call->waiting ? POOL_NOT_RUN : "";

    pool_call_cancel(call, "the call took too long");
    fail_call(call,
              fb_arena_fail(call->plan->arena, FB_DEADLINE_EXCEEDED,
                            "server '%s' took longer over the call than its settings allow",
                            call->pool->servers[call->plan->server].is->name),
              reason);
}

void pool_call_start(struct pool *pool, struct pool_call *call, const struct pool_call_plan *plan,
                     const struct pool_call_events *events)
{
    struct server *s = &pool->servers[plan->server];

    assert(plan->server < pool->config.count);
    *call = (struct pool_call){.pool = pool, .plan = plan, .events = events};
    if (pool->stopping) {
        fail_call(call, fb_fail(FB_UNAVAILABLE, "the worker is going down"), POOL_NOT_RUN);
        return;
    }
    if (s->state == POOL_UNABLE || (s->broke && s->restart.due_ms > now_of(s))) {
        fail_to_start(s, call);
        return;
    }
    if (s->waiting >= pool->config.waiting_most) {
        fail_call(call,
                  fb_arena_fail(plan->arena, FB_RESOURCE_EXHAUSTED,
                                "too many calls wait for server '%s'", s->is->name),
                  POOL_NOT_RUN);
        return;
    }
    if (!plan->has_deadline && s->is->call_ms > 0) {
        fb_timer_set(pool->config.loop, &call->timer, now_of(s) + s->is->call_ms, on_call_timer);
    }
    append(s, call);
    if (s->state == POOL_READY) {
        pump_calls(s);
    } else {
        want(s, ADMISSION_CALL);
    }
}

void pool_call_cancel(struct pool_call *call, const char *reason)
{
    struct server *s;

    if (call->pool == NULL) {
        return;
    }
    s = &call->pool->servers[call->plan->server];
    fb_timer_clear(&call->timer);
    if (call->waiting) {
        take_out(s, call);
    } else if (call->request.id != 0) {
        instance_cancel(s->instance, &call->request, reason);
        s->open--;
        s->used_ms = now_of(s);
        pump_calls(s);
    }
}

/* --- the life of a server --- */

static void on_idle(struct fb_timer *timer)
{
    struct server *s = OWNER_OF(struct server, timer, timer);
    const int64_t due_ms = s->used_ms + s->is->idle_ms;

    if (s->state != POOL_READY) {
        return;
    }
    if (s->open == 0 && s->waiting == 0 && due_ms <= now_of(s)) {
        become(s, POOL_STOPPING);
        instance_stop(s->instance);
        return;
    }
    fb_timer_set(s->pool->config.loop, &s->timer,
                 due_ms <= now_of(s) ? now_of(s) + s->is->idle_ms : due_ms, on_idle);
}

static void read_tools(struct server *s)
{
    const struct mcp_session *session = instance_session(s->instance);
    const struct mcp_session_items none = {.count = 0};

    s->refresh = false;
    s->read_ms = now_of(s);
    s->stale_ms = INT64_MAX;
    if (mcp_session_has_list(session, MCP_SESSION_TOOLS)) {
        instance_list(s->instance, MCP_SESSION_TOOLS);
    } else {
        s->pool->events->on_tools(s->pool->self, index_of(s), &none, mcp_session_server(session));
    }
}

static void on_ready(void *self, struct instance *instance)
{
    struct server *s = self;
    const struct mcp_session_server *said = mcp_session_server(instance_session(instance));

    admission_leave(&s->pool->admission, &s->ticket);
    s->known_era = said->era;
    s->broke = false;
    s->probed = false;
    s->not_found = false;
    s->why[0] = '\0';
    s->used_ms = now_of(s);
    fb_log(FB_INFO, "server is ready", fb_kv_str("server", s->is->name),
           fb_kv_str("revision", said->revision), fb_kv_int("pid", instance_pid(instance)));
    become(s, POOL_READY);
    fb_timer_set(s->pool->config.loop, &s->timer, s->used_ms + s->is->idle_ms, on_idle);
    /* What it offers may have changed since it ran last. */
    read_tools(s);
    pump_calls(s);
    admit(s->pool);
}

static void on_failed(void *self, struct instance *instance, const char *why)
{
    struct server *s = self;

    (void)instance;
    snprintf(s->said, sizeof(s->said), "%s", why);
}

static void on_changed(void *self, struct instance *instance, enum mcp_session_list list)
{
    /* The other lists are not kept yet. */
    if (list == MCP_SESSION_TOOLS && instance_is_ready(instance)) {
        read_tools(self);
    }
}

static void on_listed(void *self, struct instance *instance, enum mcp_session_list list,
                      struct fb_status status, const struct mcp_session_items *items)
{
    struct server *s = self;

    (void)list;
    if (items == NULL) {
        fb_log(FB_WARN, "tools of a server could not be read", fb_kv_str("server", s->is->name),
               fb_kv_status(status));
        snprintf(s->why, sizeof(s->why), "%s", status.why);
        s->pool->events->on_state(s->pool->self, index_of(s));
        return;
    }
    if (items->cut || items->skipped != 0) {
        fb_log(FB_WARN, "tools of a server were left out", fb_kv_str("server", s->is->name),
               fb_kv_uint("nameless", items->skipped), fb_kv_bool("too_many", items->cut));
    }
    if (items->ttl_ms > 0 && items->ttl_ms < INT64_MAX - now_of(s)) {
        s->stale_ms = now_of(s) + items->ttl_ms;
    }
    s->pool->events->on_tools(s->pool->self, index_of(s), items,
                              mcp_session_server(instance_session(instance)));
}

static void on_room(void *self, struct instance *instance)
{
    (void)instance;
    pump_calls(self);
}

/* Says how it ended before it was ready, unless the handshake has said why. */
static void explain(struct server *s, const struct instance_end *end)
{
    const int code = end->how.exit_code;

    s->not_found = code == NOT_FOUND || code == NOT_EXECUTABLE;
    if (s->not_found) {
        snprintf(s->why, sizeof(s->why), "command '%.200s' %s", s->is->argv[0],
                 code == NOT_FOUND ? "is not found" : "cannot be executed");
    } else if (s->said[0] != '\0') {
        snprintf(s->why, sizeof(s->why), "%s", s->said);
    } else if (end->how.signal != 0) {
        snprintf(s->why, sizeof(s->why), "it was ended by signal %d before it was ready",
                 end->how.signal);
    } else {
        snprintf(s->why, sizeof(s->why), "it ended with exit code %d before it was ready", code);
    }
}

static void start_failed(struct server *s, int64_t ran_ms)
{
    uint32_t chance;

    fb_trace_random(&chance, sizeof(chance));
    restart_after_end(&s->restart, ran_ms, chance, now_of(s));
    s->broke = true;
    s->probed = false;
    if (s->is->era == ERA_UNKNOWN) {
        s->known_era = ERA_UNKNOWN; /* it may have been updated */
    }
    fb_log(FB_WARN, "server cannot be started", fb_kv_str("server", s->is->name),
           fb_kv_str("why", s->why), fb_kv_ms("retry", s->restart.due_ms - now_of(s)));
    become(s, POOL_IDLE);
    /* State is told before the calls fail, so that what they show is what is. */
    s->pool->events->on_state(s->pool->self, index_of(s));
    fail_waiting(s);
}

static void crashed(struct server *s, const struct instance_end *end)
{
    uint32_t chance;

    fb_trace_random(&chance, sizeof(chance));
    restart_after_end(&s->restart, end->ran_ms, chance, now_of(s));
    fb_log(FB_WARN, "server ended by itself", fb_kv_str("server", s->is->name),
           fb_kv_int("exit_code", end->how.exit_code), fb_kv_int("signal", end->how.signal),
           fb_kv_ms("ran", end->ran_ms), fb_kv_uint("in_a_row", s->restart.failures));
    become(s, POOL_IDLE);
    if (s->first != NULL || s->restart.failures <= REVIVALS_MOST) {
        want(s, s->first != NULL ? ADMISSION_CALL : ADMISSION_REFRESH);
    }
}

static void tell_done(struct pool *pool)
{
    for (size_t i = 0; i < pool->config.count; i++) {
        if (pool->servers[i].instance != NULL) {
            return;
        }
    }
    if (pool->done != NULL) {
        void (*done)(void *arg) = pool->done;

        pool->done = NULL;
        done(pool->done_arg);
    }
}

/*
 * A guard that was killed could not end what it guarded: it has become ours, and is ended here, as
 * is what is born meanwhile. The guards that live are spared, with all that they guard.
 */
static void on_sweep(struct fb_timer *timer)
{
    struct pool *pool = OWNER_OF(struct pool, sweeper, timer);
    struct fb_loop *loop = pool->config.loop;
    pid_t *spared = calloc(pool->config.count + 1, sizeof(*spared));
    size_t count = 0;
    size_t left;

    if (spared == NULL) {
        fb_timer_set(loop, &pool->sweeper, fb_loop_now_ms(loop) + SWEEP_MS, on_sweep);
        return;
    }
    for (size_t i = 0; i < pool->config.count; i++) {
        if (pool->servers[i].instance != NULL) {
            spared[count++] = instance_pid(pool->servers[i].instance);
        }
    }
    left = fb_descendants_signal(SIGKILL, spared, count);
    fb_descendants_reap(spared, count);
    free(spared);
    pool->sweeps++;
    if (left > 0 && pool->sweeps < SWEEPS_MOST) {
        fb_timer_set(loop, &pool->sweeper, fb_loop_now_ms(loop) + SWEEP_MS, on_sweep);
    } else if (left > 0) {
        fb_log(FB_ERROR, "what a killed guard left behind cannot be ended",
               fb_kv_uint("processes", left));
    }
}

static void sweep(struct pool *pool)
{
    pool->sweeps = 0;
    on_sweep(&pool->sweeper);
}

/*
 * Whether it may only have failed over its era, so that another start is worth it at once: it ended
 * over the probe, or what was known of its era is not true any more.
 */
static bool is_over_era(const struct server *s, const struct instance_end *end)
{
    const bool executed = end->how.exit_code != NOT_FOUND && end->how.exit_code != NOT_EXECUTABLE;

    if (s->is->era != ERA_UNKNOWN || !executed) {
        return false;
    }
    if (!s->probed) {
        fb_log(FB_INFO, "server does not answer the handshake it did before; it is probed",
               fb_kv_str("server", s->is->name));
        return true;
    }
    if (end->was_probing && s->said[0] == '\0' && s->known_era != ERA_LEGACY) {
        fb_log(FB_INFO, "server ended over the probe; it is started without",
               fb_kv_str("server", s->is->name));
        return true;
    }
    return false;
}

static void say_oddities(const struct server *s, const struct mcp_session_oddities *odd)
{
    if (odd->noise + odd->strays + odd->refused + odd->dropped != 0) {
        fb_log(FB_INFO, "server wrote what was of no use", fb_kv_str("server", s->is->name),
               fb_kv_uint("not_json_rpc", odd->noise),
               fb_kv_uint("answers_to_nothing", odd->strays),
               fb_kv_uint("requests_refused", odd->refused), fb_kv_uint("dropped", odd->dropped));
    }
}

static void on_end(void *self, struct instance *instance, const struct instance_end *end)
{
    struct server *s = self;
    struct pool *pool = s->pool;

    assert(instance == s->instance);
    say_oddities(s, mcp_session_oddities(instance_session(instance)));
    s->instance = NULL;
    instance_destroy(instance);
    admission_leave(&pool->admission, &s->ticket);
    fb_timer_clear(&s->timer);
    if (end->how.signal != 0) {
        sweep(pool);
    }
    if (pool->stopping) {
        become(s, POOL_IDLE);
        fail_waiting(s);
        tell_done(pool);
        return;
    }
    if (end->was_ready && end->asked && s->state == POOL_STOPPING) {
        become(s, POOL_IDLE);
        if (s->first != NULL) {
            want(s, ADMISSION_CALL);
        } else if (s->refresh) {
            want(s, ADMISSION_REFRESH);
        }
    } else if (end->was_ready) {
        crashed(s, end);
    } else if (is_over_era(s, end)) {
        s->known_era = s->probed ? ERA_LEGACY : ERA_UNKNOWN;
        s->state = POOL_IDLE;
        want(s, s->first != NULL ? ADMISSION_CALL : ADMISSION_REFRESH);
    } else {
        explain(s, end);
        start_failed(s, end->ran_ms);
    }
    admit(pool);
}

static const struct instance_events server_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
    .on_changed = on_changed,
    .on_listed = on_listed,
    .on_room = on_room,
    .on_end = on_end,
};

static void start(struct server *s)
{
    struct fb_status status;

    s->plan.session.era = s->is->era != ERA_UNKNOWN ? s->is->era : s->known_era;
    s->plan.session.era_forced = s->is->era != ERA_UNKNOWN;
    s->probed = s->probed || s->plan.session.era != ERA_LEGACY;
    s->said[0] = '\0';
    s->starts++;
    status = instance_create(s->pool->config.loop, &s->plan, &server_events, s, &s->instance);
    if (!fb_is_ok(status)) {
        admission_leave(&s->pool->admission, &s->ticket);
        snprintf(s->why, sizeof(s->why), "%s", status.why);
        start_failed(s, 0);
        return;
    }
    become(s, POOL_STARTING);
}

static void on_place(struct fb_timer *timer)
{
    admit(OWNER_OF(struct pool, timer, timer));
}

/* Starts as many as may start. */
static void admit(struct pool *pool)
{
    const int64_t now_ms = fb_loop_now_ms(pool->config.loop);
    struct admission_ticket *ticket;
    int64_t due_ms;

    while ((ticket = admission_next(&pool->admission, now_ms)) != NULL) {
        start(OWNER_OF(struct server, ticket, ticket));
    }
    due_ms = admission_due_ms(&pool->admission);
    if (due_ms == INT64_MAX) {
        fb_timer_clear(&pool->timer);
    } else {
        fb_timer_set(pool->config.loop, &pool->timer, due_ms, on_place);
    }
}

static void on_rested(struct fb_timer *timer)
{
    struct server *s = OWNER_OF(struct server, timer, timer);

    s->state = POOL_IDLE;
    want(s, s->first != NULL ? ADMISSION_CALL : ADMISSION_REFRESH);
}

static void want(struct server *s, enum admission_need need)
{
    struct pool *pool = s->pool;

    if (pool->stopping) {
        return;
    }
    if (s->state == POOL_IDLE && s->restart.due_ms > now_of(s)) {
        become(s, POOL_RESTING);
        fb_timer_set(pool->config.loop, &s->timer, s->restart.due_ms, on_rested);
        return;
    }
    if (s->state != POOL_IDLE && s->state != POOL_QUEUED) {
        return;
    }
    if (s->state == POOL_IDLE) {
        s->wanted_ms = now_of(s);
    }
    become(s, POOL_QUEUED);
    admission_wait(&pool->admission, &s->ticket, need, now_of(s));
    admit(pool);
}

/* --- from outside --- */

struct pool *pool_create(const struct pool_config *config, const struct pool_events *events,
                         void *self)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (pool == NULL) {
        return NULL;
    }
    pool->config = *config;
    pool->config.stop_ms = config->stop_ms == 0 ? STOP_MS : config->stop_ms;
    pool->config.waiting_most = config->waiting_most == 0 ? WAITING_MOST : config->waiting_most;
    pool->events = events;
    pool->self = self;
    admission_init(&pool->admission,
                   config->starts_at_once == 0 ? ADMISSION_PLACES : config->starts_at_once);
    pool->servers = calloc(config->count == 0 ? 1 : config->count, sizeof(*pool->servers));
    if (pool->servers == NULL) {
        pool_destroy(pool);
        return NULL;
    }
    for (size_t i = 0; i < config->count; i++) {
        struct server *s = &pool->servers[i];
        const struct pool_server *is = &config->servers[i];

        s->pool = pool;
        s->is = is;
        s->state = is->cannot == NULL ? POOL_IDLE : POOL_UNABLE;
        snprintf(s->why, sizeof(s->why), "%s", is->cannot == NULL ? "" : is->cannot);
        s->plan = (struct instance_plan){
            .name = is->name,
            .guard_path = config->guard_path,
            .argv = is->argv,
            .env = is->env,
            .cwd = is->cwd,
            .stop_ms = pool->config.stop_ms,
            .line_most_bytes = is->line_most_bytes,
            .session = {.version = config->version, .start_ms = is->start_ms},
        };
    }
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    fb_timer_clear(&pool->timer);
    fb_timer_clear(&pool->sweeper);
    for (size_t i = 0; pool->servers != NULL && i < pool->config.count; i++) {
        fb_timer_clear(&pool->servers[i].timer);
        instance_destroy(pool->servers[i].instance);
    }
    free(pool->servers);
    free(pool);
}

void pool_stop(struct pool *pool, void (*done)(void *arg), void *arg)
{
    pool->stopping = true;
    pool->done = done;
    pool->done_arg = arg;
    fb_timer_clear(&pool->timer);
    for (size_t i = 0; i < pool->config.count; i++) {
        struct server *s = &pool->servers[i];

        admission_leave(&pool->admission, &s->ticket);
        fb_timer_clear(&s->timer);
        fail_waiting(s);
        if (s->instance != NULL) {
            become(s, POOL_STOPPING);
            instance_stop(s->instance);
        } else if (s->state != POOL_UNABLE) {
            become(s, POOL_IDLE);
        }
    }
    tell_done(pool);
}

void pool_know_era(struct pool *pool, size_t server, enum era era)
{
    struct server *s = &pool->servers[server];

    if (s->known_era == ERA_UNKNOWN) {
        s->known_era = era;
    }
}

void pool_refresh(struct pool *pool, size_t server)
{
    struct server *s = &pool->servers[server];

    if (s->state == POOL_READY) {
        read_tools(s);
    } else if (s->state != POOL_UNABLE) {
        s->refresh = true;
        want(s, ADMISSION_REFRESH);
    }
}

void pool_refresh_stale(struct pool *pool)
{
    for (size_t i = 0; i < pool->config.count; i++) {
        struct server *s = &pool->servers[i];

        if (s->state == POOL_READY && s->stale_ms <= now_of(s)) {
            read_tools(s);
        }
    }
}

struct pool_report pool_report(const struct pool *pool, size_t server)
{
    const struct server *s = &pool->servers[server];
    const int64_t rest_ms = s->restart.due_ms - now_of(s);

    return (struct pool_report){
        .state = s->state,
        .pid = s->instance == NULL ? 0 : instance_pid(s->instance),
        .in_flight = s->open + s->waiting,
        .starts = s->starts,
        .has_room = s->instance != NULL && instance_has_room(s->instance),
        .why = s->why,
        .broke = s->broke,
        .wanted_ms = now_of(s) - s->wanted_ms,
        .retry_ms = s->instance == NULL && rest_ms > 0 ? rest_ms : 0,
        .not_found = s->not_found,
    };
}
