/*
 * forward: sends each call to a worker and gives back what comes, bytes untouched.
 *
 * A call is a row of steps: admit, pick, send, then the worker's answer; or it waits in the router's
 * list until a worker has room. All its memory is the call's arena.
 */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>

#include "flowbalancer/v1/mcp.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "services/router/context.h"
#include "services/router/placement.h"
#include "services/router/router.h"

enum {
    ATTEMPTS_MOST = PLACEMENT_TRIED_MOST,
    RETRY_TOKENS_MOST = 100,
};

static const double RETRY_TOKENS_PER_CALL = 0.2;

/* Between worker and us, and to our callers: mcp.proto says what the values mean. */
static const char REASON_KEY[] = "flowbalancer-reason";
static const char REASON_NOT_RUN[] = "not-run";
static const char RETRY_KEY[] = "flowbalancer-retry-ms";

/* What repeating a method may do. */
enum forward_kind {
    FORWARD_EFFECT,   /* repeated only if it surely did not run */
    FORWARD_READ,     /* repeated whenever the worker is lost before its first answer */
    FORWARD_STANDING, /* a subscription: open for long, no load; never repeated here */
};

struct forward {
    struct router *router;
    struct fb_call *call;
    enum forward_kind kind;
    struct context context;
    struct placement placement;
    uint32_t attempts;
    int64_t began_us;
    bool answered; /* something of the answer has gone out: no other worker can take over */

    /* where it is: on a worker, or waiting, or neither */
    struct worker *worker;
    struct fb_client_call *sent;
    struct forward *next;  /* in the list of those that wait, or of those that stand */
    struct forward **link; /* not NULL while in one of them */
    int64_t waits_until_ms;
};

enum forward_step { STEP_PICK, STEP_SEND, STEP_WAIT, STEP_DONE };

static void run(struct forward *forward, enum forward_step step);

static fb_handler_fn forward_effect;
static fb_handler_fn forward_read;
static fb_handler_fn forward_standing;

static const struct fb_method mcp_methods[] = {
    {"CallTool", FB_SERVER_STREAM, forward_effect, .raw = true},
    {"Complete", FB_UNARY, forward_read, .raw = true},
    {"GetPrompt", FB_SERVER_STREAM, forward_read, .raw = true},
    {"ListPrompts", FB_UNARY, forward_read, .raw = true},
    {"ListResourceTemplates", FB_UNARY, forward_read, .raw = true},
    {"ListResources", FB_UNARY, forward_read, .raw = true},
    {"ListTools", FB_UNARY, forward_read, .raw = true},
    {"Listen", FB_SERVER_STREAM, forward_standing, .raw = true},
    {"ReadResource", FB_SERVER_STREAM, forward_read, .raw = true},
};
_Static_assert(sizeof(mcp_methods) / sizeof(mcp_methods[0]) == ROUTER_METHODS, "");

/* --- the end --- */

static void count(const struct forward *forward, enum fb_code code, int64_t took_us)
{
    struct router *router = forward->router;
    const struct fb_method *method = fb_call_method(forward->call);
    struct fb_series **calls = &router->call_series[method - mcp_methods][code];
    struct fb_series **seconds = &router->second_series[method - mcp_methods];

    if (*calls == NULL) {
        *calls = fb_metrics_series(router->metrics, ROUTER_CALLS,
                                   FB_LABELS(method->name, fb_code_name(code)));
        *seconds = fb_metrics_series(router->metrics, ROUTER_CALL_SECONDS, FB_LABELS(method->name));
    }
    fb_series_add(*calls, 1);
    fb_series_observe(*seconds, took_us);
}

static void remember(const struct forward *forward, enum fb_code code, int64_t took_us)
{
    struct recent_call *call = recent_next(forward->router->recent);

    call->unix_ms = fb_clock_unix_ms() - took_us / 1000;
    call->duration_us = took_us;
    call->method = fb_call_path(forward->call);
    call->code = code;
    call->attempts = forward->attempts;
    recent_copy(call->agent, sizeof(call->agent), forward->context.agent);
    recent_copy(call->session, sizeof(call->session), forward->context.session);
    recent_copy(call->server, sizeof(call->server), forward->context.server);
    recent_copy(call->name, sizeof(call->name), forward->context.name);
    if (forward->worker != NULL) {
        recent_copy(call->worker, sizeof(call->worker), fb_text_of(forward->worker->id));
    }
}

static void finish(struct forward *forward, struct fb_status status)
{
    struct router *router = forward->router;
    const int64_t took_us = fb_clock_us() - forward->began_us;

    router->in_flight--;
    router->calls++;
    if (!fb_is_ok(status)) {
        router->failures++;
    }
    count(forward, status.code, took_us);
    remember(forward, status.code, took_us);
    fb_call_finish(forward->call, status); /* and with the call's arena `forward` is gone */
    admin_call_ended(router);
}

/* For failures of our own making: the call was never sent, so anybody may send it again. */
static void refuse(struct forward *forward, enum fb_code code, const char *why, int64_t retry_ms)
{
    char number[24];

    snprintf(number, sizeof(number), "%lld", (long long)retry_ms);
    fb_call_add_trailer(forward->call, REASON_KEY, fb_text_of(REASON_NOT_RUN));
    fb_call_add_trailer(forward->call, RETRY_KEY, fb_text_of(number));
    finish(forward, fb_fail(code, why));
}

/* --- waiting --- */

static void stop_waiting(struct forward *forward)
{
    struct router *router = forward->router;

    assert(forward->link != NULL);
    *forward->link = forward->next;
    if (forward->next != NULL) {
        forward->next->link = forward->link;
    } else {
        router->waiting_end = forward->link;
    }
    forward->link = NULL;
    router->waiting_count--;
}

static void waited_too_long(struct fb_timer *timer)
{
    struct router *router =
        (struct router *)((char *)timer - offsetof(struct router, waiting_timer));
    const int64_t now_ms = fb_loop_now_ms(router->loop);

    while (router->waiting != NULL && router->waiting->waits_until_ms <= now_ms) {
        struct forward *forward = router->waiting;

        stop_waiting(forward);
        refuse(
            forward, FB_UNAVAILABLE,
            "no worker took the call in time: see `flowctl status` for which are joined and busy",
            1000);
    }
    if (router->waiting != NULL) {
        fb_timer_set(router->loop, &router->waiting_timer, router->waiting->waits_until_ms,
                     waited_too_long);
    }
}

static void start_waiting(struct forward *forward)
{
    struct router *router = forward->router;

    if (router->stopping || (int64_t)router->waiting_count >= router->config->waiting) {
        refuse(forward, router->stopping ? FB_UNAVAILABLE : FB_RESOURCE_EXHAUSTED,
               router->stopping ? "the router is going down"
                                : "all workers are full and too many calls wait already",
               1000);
        return;
    }
    forward->placement.tried_count = 0; /* after a wait each worker deserves another chance */
    forward->next = NULL;
    forward->link = router->waiting_end;
    *router->waiting_end = forward;
    router->waiting_end = &forward->next;
    router->waiting_count++;
    /* All wait equally long, so the list is in order of its ends. */
    forward->waits_until_ms = fb_loop_now_ms(router->loop) + router->config->wait_for_worker_ms;
    if (router->waiting == forward) {
        fb_timer_set(router->loop, &router->waiting_timer, forward->waits_until_ms,
                     waited_too_long);
    }
}

/* The tier that the configuration demands for the server, as any of its workers offers it. */
static Flowbalancer__V1__Tier wanted_tier(const struct forward *forward, uint64_t server_hash)
{
    size_t count;
    struct worker *const *workers = registry_workers(forward->router->registry, &count);

    for (size_t i = 0; server_hash != 0 && i < count; i++) {
        const struct worker_offer *offer = worker_offer(workers[i], server_hash);

        if (offer != NULL) {
            return offer->tier;
        }
    }
    return FLOWBALANCER__V1__TIER__TIER_UNSPECIFIED;
}

/* Where the call belongs as things are now: while it waited, workers may have come and been freed. */
static void look_around(struct forward *forward)
{
    const struct context *context = &forward->context;
    struct placement *placement = &forward->placement;
    struct fb_text key = context->agent;

    placement->holder = NULL;
    if (context->server.size > 0) {
        placement->server_hash = fb_hash(context->server.data, context->server.size);
        placement->tier = wanted_tier(forward, placement->server_hash);
        key = context->server;
    }
    if (context->session.size > 0) {
        placement->holder = registry_holder(forward->router->registry, context->session);
        key = context->session;
    }
    placement->key = fb_hash(key.data, key.size);
}

static struct worker *pick(struct forward *forward)
{
    size_t count;
    struct worker *const *workers = registry_workers(forward->router->registry, &count);

    look_around(forward);
    return placement_pick(workers, count, &forward->placement);
}

static void retry_waiting(struct fb_defer *defer)
{
    struct router *router =
        (struct router *)((char *)defer - offsetof(struct router, waiting_retry));
    struct forward *forward = router->waiting;

    while (forward != NULL) {
        struct forward *next = forward->next;

        if (pick(forward) != NULL) {
            stop_waiting(forward);
            run(forward, STEP_PICK);
        }
        forward = next;
    }
}

void forward_waiting_soon(struct router *router)
{
    if (router->waiting != NULL) {
        fb_loop_defer(router->loop, &router->waiting_retry, retry_waiting);
    }
}

/* --- the worker's answer --- */

static void start_standing(struct forward *forward)
{
    struct router *router = forward->router;

    forward->next = router->standing;
    forward->link = &router->standing;
    if (forward->next != NULL) {
        forward->next->link = &forward->next;
    }
    router->standing = forward;
}

static void stop_standing(struct forward *forward)
{
    assert(forward->link != NULL);
    *forward->link = forward->next;
    if (forward->next != NULL) {
        forward->next->link = forward->link;
    }
    forward->link = NULL;
}

static void leave_worker(struct forward *forward, bool lost)
{
    struct router *router = forward->router;
    struct worker *worker = forward->worker;

    forward->sent = NULL;
    if (forward->kind == FORWARD_STANDING) {
        stop_standing(forward);
        return;
    }
    registry_call_ended(router->registry, worker, lost, fb_loop_now_ms(router->loop));
    if (worker->state == WORKER_GONE) {
        router_reap_soon(router);
    }
}

static void on_headers(struct fb_client_call *sent, void *arg, const struct fb_metadata *headers)
{
    struct forward *forward = arg;

    (void)sent;
    for (size_t i = 0; i < headers->count; i++) {
        const struct fb_metadata_item *item = &headers->items[i];
        const char *key =
            fb_arena_copy(fb_call_arena(forward->call), item->key.data, item->key.size);

        if (key != NULL) {
            fb_call_add_header(forward->call, key, item->value);
        }
    }
}

static void on_message(struct fb_client_call *sent, void *arg, const uint8_t *data, size_t size)
{
    struct forward *forward = arg;

    forward->answered = true;
    if (!fb_call_send_bytes(forward->call, data, size)) {
        fb_client_call_pause(sent); /* until the caller has read what waits for it */
    }
}

static bool is_lost(const struct fb_call_end *end)
{
    struct fb_text reason;

    return end->not_run || (end->status.code == FB_UNAVAILABLE &&
                            !fb_metadata_find(end->trailers, REASON_KEY, &reason));
}

static bool surely_did_not_run(const struct fb_call_end *end)
{
    struct fb_text reason;

    return end->not_run || (fb_metadata_find(end->trailers, REASON_KEY, &reason) &&
                            fb_text_is(reason, REASON_NOT_RUN));
}

static bool may_repeat(const struct forward *forward, const struct fb_call_end *end)
{
    if (forward->answered || forward->kind == FORWARD_STANDING ||
        forward->attempts >= ATTEMPTS_MOST || forward->router->retry_tokens < 1 ||
        forward->router->stopping) {
        return false;
    }
    if (end->status.code != FB_UNAVAILABLE && end->status.code != FB_RESOURCE_EXHAUSTED) {
        return false;
    }
    return surely_did_not_run(end) ||
           (forward->kind == FORWARD_READ && end->status.code == FB_UNAVAILABLE);
}

static void repeat(struct forward *forward)
{
    struct router *router = forward->router;
    struct placement *placement = &forward->placement;

    router->retry_tokens -= 1;
    router->retries++;
    fb_metrics_add(router->metrics, ROUTER_RETRIES, 1);
    if (placement->tried_count < PLACEMENT_TRIED_MOST) {
        placement->tried[placement->tried_count++] = forward->worker->serial;
    }
    forward->worker = NULL;
    run(forward, STEP_PICK);
}

static void pass_trailers(struct forward *forward, const struct fb_call_end *end)
{
    struct fb_arena *arena = fb_call_arena(forward->call);
    struct fb_text reason;

    for (size_t i = 0; i < end->trailers->count; i++) {
        const struct fb_metadata_item *item = &end->trailers->items[i];
        const char *key = fb_arena_copy(arena, item->key.data, item->key.size);

        if (key != NULL) {
            fb_call_add_trailer(forward->call, key, item->value);
        }
    }
    if (end->not_run && !fb_metadata_find(end->trailers, REASON_KEY, &reason)) {
        fb_call_add_trailer(forward->call, REASON_KEY, fb_text_of(REASON_NOT_RUN));
    }
}

static void on_end(struct fb_client_call *sent, void *arg, const struct fb_call_end *end)
{
    struct forward *forward = arg;

    (void)sent;
    leave_worker(forward, is_lost(end));
    if (may_repeat(forward, end)) {
        repeat(forward);
        return;
    }
    pass_trailers(forward, end);
    finish(forward, end->status);
}

static const struct fb_client_call_events sent_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_end = on_end,
};

/* --- the caller --- */

static void on_cancel(struct fb_call *call, void *arg)
{
    struct forward *forward = arg;
    const bool late = fb_call_deadline_ms(call) <= fb_loop_now_ms(forward->router->loop);

    if (forward->sent != NULL) {
        fb_client_call_cancel(forward->sent);
        leave_worker(forward, false);
    } else if (forward->link != NULL) {
        stop_waiting(forward);
    }
    finish(forward, late ? fb_fail(FB_DEADLINE_EXCEEDED, "the deadline has passed")
                         : fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_drain(struct fb_call *call, void *arg)
{
    struct forward *forward = arg;

    (void)call;
    if (forward->sent != NULL) {
        fb_client_call_resume(forward->sent);
    }
}

static const struct fb_call_events call_events = {.on_cancel = on_cancel, .on_drain = on_drain};

/* --- the steps --- */

/* The legs have their own: who may call us says nothing to a worker, and a span has a parent. */
static bool is_of_one_leg(struct fb_text key)
{
    return fb_text_is(key, "authorization") || fb_text_is(key, "traceparent") ||
           fb_text_is(key, "tracestate") || fb_text_is(key, "baggage");
}

static const struct fb_metadata *handed_on(struct forward *forward, struct fb_metadata *handed)
{
    const struct fb_metadata *came = fb_call_metadata(forward->call);

    *handed = (struct fb_metadata){0};
    for (size_t i = 0; i < came->count; i++) {
        if (!is_of_one_leg(came->items[i].key)) {
            fb_metadata_add(handed, fb_call_arena(forward->call), came->items[i].key,
                            came->items[i].value);
        }
    }
    return handed->count == 0 ? NULL : handed;
}

static enum forward_step step_pick(struct forward *forward)
{
    forward->worker = pick(forward);
    return forward->worker == NULL ? STEP_WAIT : STEP_SEND;
}

static enum forward_step step_send(struct forward *forward)
{
    struct fb_metadata metadata;
    const struct fb_text request = fb_call_request_bytes(forward->call);
    const struct fb_trace_context trace = fb_trace_child(fb_call_trace(forward->call));
    const struct fb_call_plan plan = {
        .path = fb_call_path(forward->call),
        .deadline_ms = fb_call_deadline_ms(forward->call),
        .metadata = handed_on(forward, &metadata),
        .trace = &trace,
    };

    forward->attempts++;
    forward->sent = fb_channel_call(forward->worker->channel, &plan, &sent_events, forward);
    if (forward->sent == NULL) {
        refuse(forward, FB_RESOURCE_EXHAUSTED, "no memory for another call", 1000);
        return STEP_DONE;
    }
    if (forward->kind == FORWARD_STANDING) {
        start_standing(forward);
    } else {
        worker_call_began(forward->worker);
    }
    fb_client_call_send_bytes(forward->sent, (const uint8_t *)request.data, request.size);
    fb_client_call_half_close(forward->sent);
    return STEP_DONE;
}

static void run(struct forward *forward, enum forward_step step)
{
    while (step != STEP_DONE) {
        switch (step) {
        case STEP_PICK:
            step = step_pick(forward);
            break;
        case STEP_SEND:
            step = step_send(forward);
            break;
        default:
            start_waiting(forward);
            return;
        }
    }
}

static void begin(struct fb_call *call, enum forward_kind kind)
{
    struct router *router = fb_call_self(call);
    struct fb_arena *arena = fb_call_arena(call);
    const struct fb_text request = fb_call_request_bytes(call);
    struct forward *forward = fb_arena_zalloc(arena, 1, sizeof(*forward));
    struct fb_status status;

    if (forward == NULL) {
        fb_call_finish(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for another call"));
        return;
    }
    forward->router = router;
    forward->call = call;
    forward->kind = kind;
    forward->began_us = fb_clock_us();
    router->in_flight++;
    if (router->retry_tokens < RETRY_TOKENS_MOST) {
        router->retry_tokens += RETRY_TOKENS_PER_CALL;
    }
    fb_call_watch(call, &call_events, forward);
    status = context_peek((const uint8_t *)request.data, request.size, arena, &forward->context);
    if (!fb_is_ok(status)) {
        finish(forward, status);
        return;
    }
    run(forward, STEP_PICK);
}

static void forward_effect(struct fb_call *call, const ProtobufCMessage *request)
{
    (void)request;
    begin(call, FORWARD_EFFECT);
}

static void forward_read(struct fb_call *call, const ProtobufCMessage *request)
{
    (void)request;
    begin(call, FORWARD_READ);
}

static void forward_standing(struct fb_call *call, const ProtobufCMessage *request)
{
    (void)request;
    begin(call, FORWARD_STANDING);
}

void forward_stop(struct router *router)
{
    while (router->waiting != NULL) {
        struct forward *forward = router->waiting;

        stop_waiting(forward);
        refuse(forward, FB_UNAVAILABLE, "the router is going down", 100);
    }
    while (router->standing != NULL) {
        struct forward *forward = router->standing;

        fb_client_call_cancel(forward->sent);
        leave_worker(forward, false);
        finish(forward, fb_fail(FB_UNAVAILABLE, "the router is going down: listen again"));
    }
}

const struct fb_rpc_service forward_mcp_service = {
    .descriptor = &flowbalancer__v1__mcp_service__descriptor,
    .methods = mcp_methods,
    .method_count = sizeof(mcp_methods) / sizeof(mcp_methods[0]),
};
