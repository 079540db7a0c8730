#include "gateway/dial.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "runtime/rpc/metadata.h"

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum {
    ATTEMPTS = 4,
    PAUSE_MS = 20,        /* before the second; each further one waits twice as long */
    PAUSE_MOST_MS = 1000, /* a router that asks for more is not asked again on the agent's behalf */
    REPEATS = 16,         /* attempts of what may be repeated: some ten seconds */
    REPEAT_PAUSE_MOST_MS = 5000,
};

struct uplink_call {
    struct dial *dial;

    /* what is asked; bytes and state are kept until it has surely been taken */
    const char *path;
    uint8_t *request;
    size_t request_bytes;
    int64_t deadline_ms;
    struct fb_trace_context trace;
    bool traced;
    bool only_if_there;
    bool repeatable;
    const struct uplink_events *events;
    void *arg;

    /* how far it is */
    struct fb_client_call *call; /* NULL between two attempts */
    bool taken;                  /* the request has arrived, and may have been done */
    unsigned attempts;
    struct fb_defer again;
    struct fb_timer later;

    /* all calls of the dial */
    struct uplink_call *next;
    struct uplink_call *previous;
};

struct dial {
    struct fb_loop *loop;
    struct dial_config config;
    struct fb_channel *channel; /* NULL before the first call */
    char fault[512];            /* why there can be no channel; "" when there can */
    struct uplink_call *calls;
    bool held;

    /* while the router cannot be reached */
    struct fb_timer patience; /* ends the waiting for a router elsewhere */
    bool starting;            /* the local suite */
};

/* --- a call --- */

static void unlink_call(struct uplink_call *call)
{
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        call->dial->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
}

static void free_call(struct uplink_call *call)
{
    fb_defer_cancel(&call->again);
    fb_timer_clear(&call->later);
    unlink_call(call);
    free(call->request);
    free(call);
}

static void end_call(struct uplink_call *call, const struct failure *end)
{
    const struct uplink_events *events = call->events;
    void *arg = call->arg;

    free_call(call);
    events->on_end(arg, end);
}

/* The request will not be needed again, unless it may be repeated. */
static void taken(struct uplink_call *call)
{
    call->taken = true;
    if (!call->repeatable) {
        free(call->request);
        call->request = NULL;
    }
}

static void on_headers(struct fb_client_call *client_call, void *arg,
                       const struct fb_metadata *headers)
{
    (void)client_call;
    (void)headers;
    taken(arg);
}

static void on_message(struct fb_client_call *client_call, void *arg, const uint8_t *data,
                       size_t size)
{
    struct uplink_call *call = arg;

    (void)client_call;
    taken(call);
    call->events->on_message(call->arg, data, size);
}

static void attempt(struct uplink_call *call);

static void attempt_again(struct fb_timer *timer)
{
    attempt(OF(struct uplink_call, later, timer));
}

static struct failure failure_of(const struct fb_call_end *end)
{
    struct failure failure = {.status = end->status, .retry_ms = -1};
    struct fb_text value;
    uint64_t ms;

    (void)fb_metadata_find(end->trailers, "flowbalancer-reason", &failure.reason);
    (void)fb_metadata_find(end->trailers, "flowbalancer-refusal-bin", &failure.refusal);
    if (fb_metadata_find(end->trailers, "flowbalancer-retry-ms", &value) &&
        fb_text_to_u64(value, &ms) && ms < INT32_MAX) {
        failure.retry_ms = (int64_t)ms;
    }
    if (end->not_run && failure.reason.size == 0) {
        failure.reason = FB_TEXT("not-run");
    }
    return failure;
}

/* Nobody has begun with it, or that does not matter, and nobody asks for more patience. */
static bool may_try_again(const struct uplink_call *call, const struct failure *failure)
{
    if (failure->status.code != FB_UNAVAILABLE || call->request == NULL ||
        (call->only_if_there && !call->repeatable)) {
        return false;
    }
    if (call->repeatable) {
        return failure->retry_ms < REPEAT_PAUSE_MOST_MS && call->attempts < REPEATS;
    }
    return fb_text_is(failure->reason, "not-run") && failure->retry_ms < PAUSE_MOST_MS &&
           call->attempts < ATTEMPTS;
}

static int64_t pause_before_next(unsigned attempts)
{
    int64_t pause_ms = PAUSE_MS;

    while (--attempts > 0 && pause_ms < PAUSE_MOST_MS) {
        pause_ms *= 2;
    }
    return pause_ms < PAUSE_MOST_MS ? pause_ms : PAUSE_MOST_MS;
}

static void on_end(struct fb_client_call *client_call, void *arg, const struct fb_call_end *end)
{
    struct uplink_call *call = arg;
    const struct failure failure = failure_of(end);

    (void)client_call;
    call->call = NULL;
    if (may_try_again(call, &failure)) {
        const int64_t pause_ms = pause_before_next(call->attempts);

        if (call->events->on_again != NULL) {
            call->events->on_again(call->arg);
        }
        fb_timer_set(call->dial->loop, &call->later,
                     fb_loop_now_ms(call->dial->loop) +
                         (failure.retry_ms > pause_ms ? failure.retry_ms : pause_ms),
                     attempt_again);
        return;
    }
    end_call(call, &failure);
}

static const struct fb_client_call_events client_events = {
    .on_headers = on_headers,
    .on_message = on_message,
    .on_end = on_end,
};

static void on_state(struct fb_channel *channel, enum fb_channel_state state, void *arg);

/* False: there can be none; `fault` says why. */
static bool have_channel(struct dial *dial)
{
    struct fb_status status;

    if (dial->channel != NULL) {
        return true;
    }
    status = fb_channel_create(dial->loop, dial->config.transport, &dial->config.channel,
                               &dial->channel);
    if (!fb_is_ok(status)) {
        /* With a suite of this machine nothing but its folder makes the target. */
        snprintf(dial->fault, sizeof(dial->fault), "router %.300s: %s%s",
                 dial->config.channel.target, status.why,
                 dial->config.suite != NULL ? "; name a shorter --state-dir" : "");
        return false;
    }
    fb_channel_watch(dial->channel, on_state, dial);
    return true;
}

static void end_at_fault(struct fb_defer *defer)
{
    struct uplink_call *call = OF(struct uplink_call, again, defer);

    end_call(call, &(struct failure){
                       .status = fb_fail(FB_FAILED_PRECONDITION, call->dial->fault),
                       .retry_ms = -1,
                   });
}

static void look_after_router(struct dial *dial);

static void attempt(struct uplink_call *call)
{
    struct dial *dial = call->dial;
    struct fb_call_plan plan = {
        .path = call->path,
        .deadline_ms = call->deadline_ms,
        .trace = call->traced ? &call->trace : NULL,
        .wait_for_ready = !call->only_if_there,
    };

    call->attempts++;
    if (have_channel(dial)) {
        call->call = fb_channel_call(dial->channel, &plan, &client_events, call);
        snprintf(dial->fault, sizeof(dial->fault), "out of memory");
    }
    if (call->call == NULL) {
        fb_loop_defer(dial->loop, &call->again, end_at_fault);
        return;
    }
    fb_client_call_send_bytes(call->call, call->request, call->request_bytes);
    fb_client_call_half_close(call->call);
    if (dial->held) {
        fb_client_call_pause(call->call);
    }
    look_after_router(dial);
}

static struct uplink_call *uplink_call(void *self, const struct uplink_plan *plan)
{
    struct dial *dial = self;
    struct uplink_call *call = calloc(1, sizeof(*call));
    size_t size = protobuf_c_message_get_packed_size(plan->request);

    if (call == NULL) {
        return NULL;
    }
    call->request = malloc(size > 0 ? size : 1);
    if (call->request == NULL) {
        free(call);
        return NULL;
    }
    call->request_bytes = protobuf_c_message_pack(plan->request, call->request);
    call->dial = dial;
    call->path = plan->path;
    call->deadline_ms = plan->deadline_ms;
    call->only_if_there = plan->only_if_there;
    call->repeatable = plan->repeatable;
    call->events = plan->events;
    call->arg = plan->arg;
    if (plan->trace != NULL) {
        /* State and baggage are the plan's; they are sent with the first attempt alone. */
        call->trace = *plan->trace;
        call->traced = true;
    }
    call->next = dial->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    dial->calls = call;
    attempt(call);
    call->trace.state = (struct fb_text){0};
    call->trace.baggage = (struct fb_text){0};
    return call;
}

static void uplink_cancel(void *self, struct uplink_call *call)
{
    (void)self;
    if (call->call != NULL) {
        fb_client_call_cancel(call->call);
    }
    free_call(call);
}

static void uplink_hold(void *self, bool on)
{
    struct dial *dial = self;

    dial->held = on;
    for (struct uplink_call *call = dial->calls; call != NULL; call = call->next) {
        if (call->call != NULL && on) {
            fb_client_call_pause(call->call);
        } else if (call->call != NULL) {
            fb_client_call_resume(call->call);
        }
    }
}

struct uplink dial_uplink(struct dial *dial)
{
    return (struct uplink){
        .self = dial,
        .call = uplink_call,
        .cancel = uplink_cancel,
        .hold = uplink_hold,
    };
}

/* --- the router --- */

/* Nobody answers: so say all that wait for it. */
static void fail_waiting(struct dial *dial, struct fb_status status)
{
    struct uplink_call *call = dial->calls;

    while (call != NULL) {
        struct uplink_call *next = call->next;

        /* What has no headers yet may still wait in the channel, which is not connected. */
        if (call->request != NULL) {
            if (call->call != NULL) {
                fb_client_call_cancel(call->call);
            }
            end_call(call, &(struct failure){
                               .status = status,
                               .reason = call->taken ? FB_TEXT("") : FB_TEXT("not-run"),
                               .retry_ms = -1,
                           });
        }
        call = next;
    }
}

static void on_suite(void *arg, struct fb_status status)
{
    struct dial *dial = arg;

    dial->starting = false;
    if (fb_is_ok(status)) {
        fb_channel_connect(dial->channel);
        return;
    }
    if (fb_channel_state(dial->channel) == FB_CHANNEL_READY) {
        return; /* another's start has succeeded meanwhile, and calls may be under way to it */
    }
    fb_log(FB_ERROR, "there is no suite", fb_kv_status(status));
    fail_waiting(dial, status);
}

static void out_of_patience(struct fb_timer *timer)
{
    struct dial *dial = OF(struct dial, patience, timer);
    char words[512];

    fb_log(FB_ERROR, "the router cannot be reached",
           fb_kv_str("router", dial->config.channel.target));
    snprintf(words, sizeof(words),
             "the router at %.300s cannot be reached: check --router, and --tls-… if it wants TLS",
             dial->config.channel.target);
    fail_waiting(dial, fb_fail(FB_UNAVAILABLE, words));
}

/* Whether a call waits that is worth bringing up a suite. */
static bool is_wanted(const struct dial *dial)
{
    for (const struct uplink_call *call = dial->calls; call != NULL; call = call->next) {
        if (!call->only_if_there) {
            return true;
        }
    }
    return false;
}

static void look_after_router(struct dial *dial)
{
    if (fb_channel_state(dial->channel) != FB_CHANNEL_FAILING || !is_wanted(dial)) {
        return;
    }
    if (dial->config.suite != NULL) {
        if (!dial->starting) {
            dial->starting = true;
            suite_start(dial->config.suite, on_suite, dial);
        }
    } else if (dial->patience.place == 0) {
        fb_timer_set(dial->loop, &dial->patience, fb_clock_ms() + dial->config.patience_ms,
                     out_of_patience);
        fb_channel_connect(dial->channel);
    }
}

static void on_state(struct fb_channel *channel, enum fb_channel_state state, void *arg)
{
    struct dial *dial = arg;

    (void)channel;
    if (state == FB_CHANNEL_READY) {
        fb_timer_clear(&dial->patience);
    } else {
        look_after_router(dial);
    }
}

struct dial *dial_create(struct fb_loop *loop, const struct dial_config *config)
{
    struct dial *dial = calloc(1, sizeof(*dial));

    if (dial != NULL) {
        dial->loop = loop;
        dial->config = *config;
    }
    return dial;
}

void dial_destroy(struct dial *dial)
{
    if (dial == NULL) {
        return;
    }
    fb_timer_clear(&dial->patience);
    if (dial->channel != NULL) {
        fb_channel_watch(dial->channel, NULL, NULL);
        fb_channel_destroy(dial->channel);
    }
    free(dial);
}
