/*
 * forward: sends each call to a worker and gives back what comes, bytes untouched.
 */
#include "services/router/forward.h"

#include <stdio.h>

#include "runtime/base/clock.h"

static const char RETRY_KEY[] = "flowbalancer-retry-ms";

/* --- the end --- */

static void count(const struct forward *forward, enum fb_code code, int64_t took_us)
{
    struct router *router = forward->router;
    const char *method = fb_call_method(forward->call)->name;
    const size_t place = forward_method_place(forward->call);
    struct fb_series **calls = &router->call_series[place][code];
    struct fb_series **seconds = &router->second_series[place];

    if (*calls == NULL) {
        *calls =
            fb_metrics_series(router->metrics, ROUTER_CALLS, FB_LABELS(method, fb_code_name(code)));
        *seconds = fb_metrics_series(router->metrics, ROUTER_CALL_SECONDS, FB_LABELS(method));
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

void forward_finish(struct forward *forward, struct fb_status status)
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

void forward_refuse(struct forward *forward, enum fb_code code, const char *why, int64_t retry_ms)
{
    char number[24];

    snprintf(number, sizeof(number), "%lld", (long long)retry_ms);
    fb_call_add_trailer(forward->call, FORWARD_REASON_KEY, fb_text_of(FORWARD_NOT_RUN));
    fb_call_add_trailer(forward->call, RETRY_KEY, fb_text_of(number));
    forward_finish(forward, fb_fail(code, why));
}

/* --- the place --- */

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
    if (forward->rule.hot) {
        placement->tier = FLOWBALANCER__V1__TIER__TIER_HOT;
    }
    if (context->server.size > 0) {
        placement->server_hash = fb_hash(context->server.data, context->server.size);
        placement->tier = wanted_tier(forward, placement->server_hash);
        key = context->server;
    }
    if (context->session.size > 0) {
        placement->holder = registry_holder(forward->router->registry, forward->session_key);
        key = forward->session_key;
    }
    placement->key = fb_hash(key.data, key.size);
}

struct worker *forward_pick(struct forward *forward)
{
    size_t count;
    struct worker *const *workers = registry_workers(forward->router->registry, &count);

    look_around(forward);
    return placement_pick(workers, count, &forward->placement);
}

/* --- the worker's answer --- */

void forward_leave_worker(struct forward *forward, bool lost)
{
    struct router *router = forward->router;
    struct worker *worker = forward->worker;

    forward->sent = NULL;
    if (forward->rule.stands) {
        forward_stop_standing(forward);
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

static void on_drain(struct fb_client_call *sent, void *arg)
{
    (void)sent;
    fb_call_resume(((struct forward *)arg)->call);
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
    if (end->not_run && !fb_metadata_find(end->trailers, FORWARD_REASON_KEY, &reason)) {
        fb_call_add_trailer(forward->call, FORWARD_REASON_KEY, fb_text_of(FORWARD_NOT_RUN));
    }
}

static void on_end(struct fb_client_call *sent, void *arg, const struct fb_call_end *came)
{
    struct forward *forward = arg;
    struct fb_call_end end = *came;

    (void)sent;
    if (end.status.code == FB_CANCELLED && forward->worker->state == WORKER_GONE) {
        /* Nobody cancelled: its channel was closed with what stood on it. */
        end.status = fb_fail(FB_UNAVAILABLE, "the worker has left: ask again");
    }
    forward_leave_worker(forward, forward_is_lost(&end));
    if (forward_repeat(forward, &end)) {
        return;
    }
    if (forward_is_held(&end)) {
        forward_refuse(forward, FB_UNAVAILABLE,
                       "the session is on its way from one worker to another: ask again", 500);
        return;
    }
    pass_trailers(forward, &end);
    forward_finish(forward, end.status);
}

static const struct fb_client_call_events sent_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_drain = on_drain,
    .on_end = on_end,
};

/* --- the caller --- */

static void call_back(struct forward *forward)
{
    if (forward->sent != NULL) {
        fb_client_call_cancel(forward->sent);
        forward_leave_worker(forward, false);
    } else if (forward->link != NULL) {
        forward_stop_waiting(forward);
    }
}

static void on_caller_cancel(struct fb_call *call, void *arg)
{
    struct forward *forward = arg;
    const bool late = fb_call_deadline_ms(call) <= fb_loop_now_ms(forward->router->loop);

    call_back(forward);
    forward_finish(forward, late ? fb_fail(FB_DEADLINE_EXCEEDED, "the deadline has passed")
                                 : fb_fail(FB_CANCELLED, "the caller cancelled"));
}

static void on_caller_drain(struct fb_call *call, void *arg)
{
    struct forward *forward = arg;

    (void)call;
    if (forward->sent != NULL) {
        fb_client_call_resume(forward->sent);
    }
}

static void on_caller_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct forward *forward = arg;
    const struct fb_status status = forward_say(forward, data, size);

    if (!fb_is_ok(status)) {
        call_back(forward);
        forward_finish(forward, status);
        return;
    }
    if (forward->sent == NULL) {
        fb_call_pause(call); /* until it is sent to a worker: only the first message comes before */
        forward_run(forward, FORWARD_PICK);
    } else if (!fb_client_call_send_bytes(forward->sent, data, size)) {
        fb_call_pause(call); /* until the worker has read what waits for it */
    }
}

static void on_caller_half_close(struct fb_call *call, void *arg)
{
    struct forward *forward = arg;

    (void)call;
    forward->said_all = true;
    if (forward->said == NULL) {
        forward_finish(forward, fb_fail(FB_INVALID_ARGUMENT,
                                        "no message came: the first one has the context"));
    } else if (forward->sent != NULL) {
        fb_client_call_half_close(forward->sent);
    }
}

const struct fb_call_events forward_call_events = {
    .on_message = on_caller_message,
    .on_half_close = on_caller_half_close,
    .on_cancel = on_caller_cancel,
    .on_drain = on_caller_drain,
};

/* --- the steps --- */

/* The legs have their own: who may call us says nothing to a worker, and a span has a parent. */
static bool is_of_one_leg(struct fb_text key)
{
    return fb_text_is(key, "authorization") || fb_text_is(key, "traceparent") ||
           fb_text_is(key, "tracestate") || fb_text_is(key, "baggage") ||
           fb_text_is(key, FORWARD_TAKE_OVER_KEY);
}

static const struct fb_metadata *handed_on(struct forward *forward, struct fb_metadata *handed)
{
    const struct fb_metadata *came = fb_call_metadata(forward->call);
    struct fb_arena *arena = fb_call_arena(forward->call);

    *handed = (struct fb_metadata){0};
    for (size_t i = 0; i < came->count; i++) {
        if (!is_of_one_leg(came->items[i].key)) {
            fb_metadata_add(handed, arena, came->items[i].key, came->items[i].value);
        }
    }
    if (forward->take_over) {
        fb_metadata_add(handed, arena, fb_text_of(FORWARD_TAKE_OVER_KEY), FB_TEXT("1"));
    }
    return handed->count == 0 ? NULL : handed;
}

static enum forward_step step_pick(struct forward *forward)
{
    forward->worker = forward_pick(forward);
    return forward->worker == NULL ? FORWARD_WAIT : FORWARD_SEND;
}

/* All that the caller has said so far. */
static void say_again(struct forward *forward)
{
    bool room = true;

    for (const struct forward_message *said = forward->said; said != NULL; said = said->next) {
        room = fb_client_call_send_bytes(forward->sent, (const uint8_t *)said->bytes.data,
                                         said->bytes.size);
    }
    if (forward->said_all) {
        fb_client_call_half_close(forward->sent);
    } else if (room) {
        fb_call_resume(forward->call);
    }
}

static enum forward_step step_send(struct forward *forward)
{
    struct fb_metadata metadata;
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
        forward_refuse(forward, FB_RESOURCE_EXHAUSTED, "no memory for another call", 1000);
        return FORWARD_DONE;
    }
    if (forward->rule.stands) {
        forward_start_standing(forward);
    } else {
        worker_call_began(forward->worker);
    }
    say_again(forward);
    return FORWARD_DONE;
}

void forward_run(struct forward *forward, enum forward_step step)
{
    while (step != FORWARD_DONE) {
        switch (step) {
        case FORWARD_PICK:
            step = step_pick(forward);
            break;
        case FORWARD_SEND:
            step = step_send(forward);
            break;
        default:
            forward_start_waiting(forward);
            return;
        }
    }
}
