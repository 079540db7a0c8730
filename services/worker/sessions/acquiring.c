#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "services/worker/sessions/held.h"

/* --- what the store says --- */

struct fb_text trailer_text(const struct fb_call_end *end, const char *key)
{
    struct fb_text value = {.data = "", .size = 0};

    (void)fb_metadata_find(end->trailers, key, &value);
    return value;
}

int64_t trailer_number(const struct fb_call_end *end, const char *key)
{
    uint64_t number = 0;

    return fb_text_to_u64(trailer_text(end, key), &number) && number < INT64_MAX ? (int64_t)number
                                                                                 : 0;
}

bool store_is_away(const struct fb_call_end *end)
{
    switch (end->status.code) {
    case FB_UNAVAILABLE:
    case FB_DEADLINE_EXCEEDED:
    case FB_CANCELLED:
    case FB_UNKNOWN:
        return true;
    case FB_RESOURCE_EXHAUSTED:
        return fb_text_is(trailer_text(end, "flowbalancer-reason"), "busy");
    default:
        return false;
    }
}

static void on_retry(struct fb_timer *timer)
{
    acquire(OWNER_OF(struct keeper_held, retry, timer));
}

static void retry_later(struct keeper_held *held)
{
    fb_timer_set(held->keeper->loop, &held->retry,
                 fb_loop_now_ms(held->keeper->loop) + held->wait_ms, on_retry);
    held->wait_ms = held->wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : held->wait_ms * 2;
}

/* --- to ready --- */

static void ready(struct keeper_held *held, struct session *session)
{
    held->session = session;
    held->durable = (int64_t)session->events;
    held->lost = false;
    held->state = HELD_READY;
    held->wait_ms = RETRY_FIRST_MS;
    if (held->keeper->config.metrics != NULL) {
        fb_metrics_observe(held->keeper->config.metrics,
                           held->keeper->config.first_metric + KEEPER_METRIC_LOAD_SECONDS,
                           fb_clock_us() - held->began_us);
    }
    held->began_us = 0;
    keeper_count(held->keeper, KEEPER_METRIC_LOADS, 1);
    held_tell(held, true);
    upkeep_begin(held);
    held_look_soon(held);
}

/* Nothing that waits for it can be helped. */
static void give_up(struct keeper_held *held, struct fb_status status, const char *reason)
{
    held->state = HELD_ABSENT;
    calls_fail_all(&held->arriving, status, reason, "", 0);
    held_look_soon(held);
}

static void on_loaded(void *arg, struct fb_status status, const struct loaded *loaded)
{
    struct keeper_held *held = arg;

    held->loader = NULL;
    if (!fb_is_ok(status)) {
        held->state = HELD_ABSENT;
        if (status.code == FB_UNAVAILABLE || status.code == FB_CANCELLED ||
            status.code == FB_ABORTED) {
            retry_later(held);
            return;
        }
        if (status.code == FB_NOT_FOUND) {
            give_up(held, fb_fail(FB_NOT_FOUND, "context.session: was deleted"), "no_such");
            return;
        }
        fb_log(FB_ERROR, "a session cannot be loaded", fb_kv_str("session", held->store_id),
               fb_kv_status(status));
        give_up(held, status, "not-run");
        return;
    }
    held->text_bytes = loaded->bytes;
    held->snapshot_sequence = loaded->snapshot_sequence;
    held->snapshot_bytes = 0;
    unsaid_begin(&held->unsaid, loaded->session, loaded->projection_sequence);
    ready(held, loaded->session);
}

static void load(struct keeper_held *held)
{
    const struct loader_plan plan = {
        .loop = held->keeper->loop,
        .channel = held->keeper->channel,
        .aside = held->keeper->aside,
        .scope = held->scope,
        .store_id = held->store_id,
    };

    held->state = HELD_LOADING;
    held->loader = loader_create(&plan, on_loaded, held);
    if (held->loader == NULL) {
        give_up(held, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to load the session"), "not-run");
    }
}

/* A session without events needs no loading. */
static void begin_empty(struct keeper_held *held)
{
    struct session *session = session_create();

    if (session == NULL) {
        give_up(held, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session"), "not-run");
        return;
    }
    held->text_bytes = 0;
    held->snapshot_sequence = 0;
    held->snapshot_bytes = 0;
    unsaid_begin(&held->unsaid, session, 0);
    ready(held, session);
}

/* --- AcquireSession --- */

/* The owner's worker: what stands before the colon. */
static size_t worker_size(struct fb_text owner)
{
    size_t size = owner.size;

    while (size > 0 && owner.data[size - 1] != ':') {
        size--;
    }
    return size == 0 ? owner.size : size - 1;
}

/* Fails those that would not have it made. */
static void fail_no_such(struct keeper_held *held)
{
    struct keeper_queue failing = {.first = NULL};

    for (uint32_t left = held->arriving.count; left > 0; left--) {
        struct keeper_call *call = held->arriving.first;

        queue_remove(call);
        queue_push(call->create ? &held->arriving : &failing, call);
    }
    for (uint32_t left = failing.count; left > 0 && failing.first != NULL; left--) {
        call_end_no_such(failing.first);
    }
}

static bool wants(const struct keeper_queue *queue, bool take_over)
{
    for (const struct keeper_call *call = queue->first; call != NULL; call = call->next) {
        if (take_over ? call->take_over : call->create) {
            return true;
        }
    }
    return false;
}

static void is_held(struct keeper_held *held, const struct fb_call_end *end, bool took_over)
{
    struct keeper *k = held->keeper;
    const struct fb_text owner = trailer_text(end, "flowbalancer-holder");
    const size_t size = worker_size(owner);
    char holder[OWNER_BYTES];

    snprintf(holder, sizeof(holder), "%.*s", (int)size, size == 0 ? "" : owner.data);
    /* Our own former life needs no permission; nobody else answers to its name. */
    if (!took_over &&
        (strcmp(holder, k->worker_id) == 0 || (!held->took_over && wants(&held->arriving, true)))) {
        held->takes_over = true;
        acquire(held);
        return;
    }
    held->took_over = false;
    calls_fail_all(&held->arriving,
                   fb_fail(FB_ABORTED, "context.session: another worker has the session"), "held",
                   holder, trailer_number(end, "flowbalancer-retry-ms"));
    held_look_soon(held);
}

static void refused(struct keeper_held *held, const struct fb_call_end *end)
{
    const struct fb_text reason = trailer_text(end, "flowbalancer-reason");
    const bool took_over = held->takes_over;

    held->takes_over = false;

    switch (end->status.code) {
    case FB_NOT_FOUND:
        fail_no_such(held);
        held_look_soon(held);
        return;
    case FB_FAILED_PRECONDITION:
        is_held(held, end, took_over);
        return;
    case FB_ALREADY_EXISTS:
        /* The name, as ids are found: it is only for people, so the session goes without. */
        if (!held->unnamed) {
            held->unnamed = true;
            acquire(held);
            return;
        }
        break;
    default:
        break;
    }
    give_up(held, end->status, fb_text_is(reason, "disk-full") ? "disk-full" : "not-run");
}

static void on_acquired(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct keeper_held *held = arg;
    const Flowbalancer__V1__AcquireSessionResponse *response =
        (const Flowbalancer__V1__AcquireSessionResponse *)reply;

    held->asking = NULL;
    if (store_is_away(end)) {
        retry_later(held);
        return;
    }
    if (response == NULL) {
        refused(held, end);
        return;
    }
    if (held->takes_over) {
        fb_log(FB_INFO, "took a session over", fb_kv_str("session", held->store_id),
               fb_kv_int("epoch", response->epoch));
        keeper_count(held->keeper, KEEPER_METRIC_TAKEOVERS, 1);
        held->took_over = true;
    }
    held->takes_over = false;
    held->epoch = response->epoch;
    for (struct keeper_call *call = held->arriving.first; response->created && call != NULL;
         call = call->next) {
        if (call->create) {
            call->created = true;
            break;
        }
    }
    if (response->last_sequence == 0) {
        begin_empty(held);
    } else {
        load(held);
    }
}

void acquire(struct keeper_held *held)
{
    struct keeper *k = held->keeper;
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("AcquireSession"),
        .deadline_ms = fb_loop_now_ms(k->loop) + STORE_CALL_MS,
        .wait_for_ready = true,
    };
    Flowbalancer__V1__AcquireSessionRequest request =
        FLOWBALANCER__V1__ACQUIRE_SESSION_REQUEST__INIT;

    fb_timer_clear(&held->retry);
    if (held->arriving.first == NULL) {
        held_look_soon(held);
        return;
    }
    if (held->began_us == 0) {
        held->began_us = fb_clock_us();
    }
    request.scope = held->scope;
    request.session_id = held->store_id;
    request.name = held->unnamed ? (char *)"" : held->name;
    request.create = wants(&held->arriving, false);
    request.owner = k->owner;
    request.lease_ms = k->config.lease_ms;
    request.take_over = held->takes_over;
    held->asking = fb_channel_unary(k->channel, &plan, &request.base,
                                    &flowbalancer__v1__acquire_session_response__descriptor,
                                    on_acquired, held);
    if (held->asking == NULL) {
        retry_later(held);
    }
}

/* --- ReleaseSession --- */

static void released(struct keeper_held *held)
{
    held->state = HELD_ABSENT;
    held->epoch = 0;
    held->began_us = 0;
    if (held->leaving) {
        held->leaving = false;
        held->keeper->leaving_count--;
    }
    held_look_soon(held);
}

/* If the store was not told, the lease ends by itself. */
static void on_released(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct keeper_held *held = arg;

    (void)end;
    (void)reply;
    held->asking = NULL;
    released(held);
}

void release(struct keeper_held *held)
{
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("ReleaseSession"),
        .deadline_ms = fb_loop_now_ms(held->keeper->loop) + STORE_CALL_MS,
    };
    Flowbalancer__V1__ReleaseSessionRequest request =
        FLOWBALANCER__V1__RELEASE_SESSION_REQUEST__INIT;

    held->state = HELD_RELEASING;
    request.session_id = held->store_id;
    request.epoch = held->epoch;
    held->asking = fb_channel_unary(held->keeper->channel, &plan, &request.base,
                                    &flowbalancer__v1__release_session_response__descriptor,
                                    on_released, held);
    if (held->asking == NULL) {
        released(held);
    }
}

/* --- losing --- */

void held_reload(struct keeper_held *held)
{
    held_forget(held);
    calls_rewind(held);
    held->state = HELD_ABSENT;
    held->began_us = 0;
    held_look_soon(held);
}

void held_lose(struct keeper_held *held)
{
    fb_log(FB_INFO, "another worker has taken a session", fb_kv_str("session", held->store_id),
           fb_kv_int("epoch", held->epoch));
    keeper_count(held->keeper, KEEPER_METRIC_LOST, 1);
    held->epoch = 0;
    held_tell(held, false);
    held_reload(held);
}
