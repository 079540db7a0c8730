#include "services/worker/sessions/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "services/worker/sessions/held.h"
#include "services/worker/sessions/store_id.h"

enum {
    SESSIONS_MOST = 10000, /* as many leases as one request renews */
    SESSIONS_USUAL = 1000,
    BYTES_USUAL = 512 << 20,
    LEASE_USUAL_MS = 30000,
    CALL_USUAL_MS = 30000,
    IDLE_USUAL_MS = 5000,
    SNAPSHOT_USUAL_EVENTS = 2000,
    SNAPSHOT_USUAL_BYTES = 4 << 20,
    REFUSED_RETRY_MS = 1000,
    MOVING_RETRY_MS = 100,
    NAME_BYTES = 256,
};

int64_t keeper_unix_ms(const struct keeper *k)
{
    return k->config.unix_ms();
}

void keeper_count(struct keeper *k, enum keeper_metric metric, int64_t add)
{
    if (k->config.metrics != NULL && add != 0) {
        fb_metrics_add(k->config.metrics, k->config.first_metric + metric, add);
    }
}

struct fb_channel *keeper_channel(const struct keeper *k)
{
    return k->channel;
}

const struct session *keeper_peek(const struct keeper *k, const char *store_id)
{
    const struct keeper_held *held = held_find(k, store_id);

    return held != NULL && held->state == HELD_READY ? held->session : NULL;
}

void keeper_each_held(const struct keeper *k, void (*fn)(void *arg, const char *session), void *arg)
{
    char name[HELD_NAME_BYTES];

    for (const struct keeper_held *held = k->newest; held != NULL; held = held->older) {
        if (held->told) {
            fn(arg, held_told_as(held, name));
        }
    }
}

void keeper_each_seen(const struct keeper *k, struct fb_text scope,
                      void (*fn)(void *arg, const struct keeper_seen *seen), void *arg)
{
    for (const struct keeper_held *held = k->newest; held != NULL; held = held->older) {
        if (held->state == HELD_READY && !held->lost && !held->spoiled &&
            held->session->events != 0 && fb_text_is(scope, held->scope)) {
            fn(arg, &(struct keeper_seen){
                        .id = store_id_session(held->store_id),
                        .key = fb_hash(held->store_id, strlen(held->store_id)),
                        .place = held->place,
                        .session = held->session,
                    });
        }
    }
}

/* --- calls --- */

static void on_fail_soon(struct fb_defer *defer)
{
    struct keeper *k = OWNER_OF(struct keeper, fail_soon, defer);

    while (k->failing.first != NULL) {
        struct keeper_call *call = k->failing.first;

        queue_remove(call);
        keeper_count(k, KEEPER_METRIC_CALLS, 1);
        call->events->on_end(call, &call->failed);
    }
}

static void fail_soon(struct keeper *k, struct keeper_call *call, struct fb_status status,
                      const char *reason, int64_t retry_ms)
{
    call->failed =
        (struct keeper_end){.status = status, .reason = reason, .holder = "", .retry_ms = retry_ms};
    queue_push(&k->failing, call);
    fb_loop_defer(k->loop, &k->fail_soon, on_fail_soon);
}

/* How much there will be once those that leave are gone. */
static uint64_t bytes_staying(const struct keeper *k)
{
    int64_t bytes = k->bytes;

    for (const struct keeper_held *held = k->oldest; held != NULL; held = held->newer) {
        bytes -= held->leaving ? held->counted_bytes : 0;
    }
    return bytes < 0 ? 0 : (uint64_t)bytes;
}

/* Has the sessions that were used longest ago leave, as far as there are too many, or too large ones. */
static bool make_room(struct keeper *k)
{
    uint64_t bytes = (uint64_t)k->bytes > k->config.bytes_most ? bytes_staying(k) : 0;

    for (struct keeper_held *held = k->oldest;
         held != NULL &&
         (k->count - k->leaving_count >= k->config.sessions_most || bytes > k->config.bytes_most);
         held = held->newer) {
        if (held->state == HELD_READY && !held->leaving && held_is_idle(held)) {
            held_leave(held);
            bytes -= (uint64_t)held->counted_bytes < bytes ? (uint64_t)held->counted_bytes : bytes;
        }
    }
    return k->count - k->leaving_count < k->config.sessions_most;
}

/* The session of the call; NULL: the call fails. */
static struct keeper_held *find_or_make(struct keeper *k, struct keeper_call *call)
{
    const char *store_id;
    struct keeper_held *held;
    struct fb_status status = store_id_of(call->arena, call->scope, call->session, &store_id);

    if (!fb_is_ok(status)) {
        fail_soon(k, call, status, "", 0);
        return NULL;
    }
    if (call->name.size > NAME_BYTES) {
        fail_soon(k, call, fb_fail(FB_INVALID_ARGUMENT, "name: up to 256 bytes"), "", 0);
        return NULL;
    }
    held = held_find(k, store_id);
    if (held == NULL && k->draining) {
        fail_soon(k, call, fb_fail(FB_UNAVAILABLE, "the worker takes no more sessions"), "not-run",
                  MOVING_RETRY_MS);
        return NULL;
    }
    if (held == NULL && !make_room(k)) {
        fail_soon(k, call,
                  fb_fail(FB_RESOURCE_EXHAUSTED, "the worker has as many sessions as it may hold"),
                  "not-run", REFUSED_RETRY_MS);
        return NULL;
    }
    if (held == NULL) {
        held = held_create(k, store_id, call);
        if (held == NULL) {
            fail_soon(k, call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session"),
                      "not-run", REFUSED_RETRY_MS);
        }
    }
    return held;
}

void keeper_begin(struct keeper *k, struct keeper_call *call)
{
    struct keeper_held *held = find_or_make(k, call);

    if (held == NULL) {
        return;
    }
    if (held->arriving.count + held->deciding.count + held->for_work.count +
            held->for_change.count >=
        KEEPER_CALLS_MOST) {
        fail_soon(k, call,
                  fb_fail(FB_RESOURCE_EXHAUSTED, "too many calls wait in this session; try later"),
                  "not-run", REFUSED_RETRY_MS);
        return;
    }
    if (call->deadline_ms == 0 || call->deadline_ms == INT64_MAX) {
        call->deadline_ms = fb_loop_now_ms(k->loop) + k->config.call_ms + call->wait_ms;
    }
    if (held->state == HELD_ABSENT && held->name[0] == '\0' && call->create &&
        call->name.size != 0) {
        held_rename(held, call->name);
    }
    call->held = held;
    call->cause = KEEPER_FIRST;
    queue_push(&held->arriving, call);
    call_arm(call);
    held_use(held);
    held_look_soon(held);
}

void keeper_cancel(struct keeper *k, struct keeper_call *call)
{
    (void)k;
    if (call->queue == NULL) {
        return;
    }
    call_drop(call);
}

void keeper_say(struct fb_call *call, const struct keeper_end *end)
{
    char number[24];

    if (end->reason[0] != '\0') {
        (void)fb_call_add_trailer(call, "flowbalancer-reason", fb_text_of(end->reason));
    }
    if (end->holder[0] != '\0') {
        (void)fb_call_add_trailer(call, "flowbalancer-holder", fb_text_of(end->holder));
    }
    if (end->retry_ms > 0) {
        snprintf(number, sizeof(number), "%lld", (long long)end->retry_ms);
        (void)fb_call_add_trailer(call, "flowbalancer-retry-ms", fb_text_of(number));
    }
}

/* --- begin and end --- */

static int64_t or_usual(int64_t value, int64_t usual)
{
    return value == 0 ? usual : value;
}

static struct keeper_config limits_of(const struct keeper_config *config)
{
    struct keeper_config limits = *config;

    limits.unix_ms = config->unix_ms == NULL ? fb_clock_unix_ms : config->unix_ms;
    limits.sessions_most = (uint32_t)or_usual(config->sessions_most, SESSIONS_USUAL);
    if (limits.sessions_most > SESSIONS_MOST) {
        limits.sessions_most = SESSIONS_MOST;
    }
    limits.bytes_most = (uint64_t)or_usual((int64_t)config->bytes_most, BYTES_USUAL);
    limits.lease_ms = or_usual(config->lease_ms, LEASE_USUAL_MS);
    limits.call_ms = or_usual(config->call_ms, CALL_USUAL_MS);
    limits.idle_ms = or_usual(config->idle_ms, IDLE_USUAL_MS);
    limits.snapshot_events = (uint32_t)or_usual(config->snapshot_events, SNAPSHOT_USUAL_EVENTS);
    limits.snapshot_bytes =
        (uint64_t)or_usual((int64_t)config->snapshot_bytes, SNAPSHOT_USUAL_BYTES);
    return limits;
}

struct keeper *keeper_create(const struct keeper_config *config, struct fb_channel *channel)
{
    struct keeper *k = calloc(1, sizeof(*k));

    if (k == NULL) {
        fb_channel_destroy(channel);
        return NULL;
    }
    k->config = limits_of(config);
    k->loop = config->loop;
    k->channel = channel;
    snprintf(k->worker_id, sizeof(k->worker_id), "%s", config->worker_id);
    snprintf(k->owner, sizeof(k->owner), "%s:%lld", k->worker_id, (long long)config->start_unix_ms);
    k->buckets = calloc(HELD_BUCKETS, sizeof(*k->buckets));
    k->aside = aside_create(config->loop);
    if (k->buckets == NULL || k->aside == NULL) {
        keeper_destroy(k);
        return NULL;
    }
    renewal_begin(k);
    return k;
}

static void on_drained(struct fb_timer *timer)
{
    struct keeper *k = OWNER_OF(struct keeper, drain_limit, timer);
    void (*const drained)(void *arg) = k->drained;

    if (k->count != 0) {
        fb_log(FB_WARN, "sessions are left to their leases, as there was no time to release them",
               fb_kv_uint("sessions", k->count));
    }
    for (struct keeper_held *held = k->newest; held != NULL; held = held->older) {
        calls_fail_all(&held->arriving, fb_fail(FB_UNAVAILABLE, "the worker has ended"), "not-run",
                       "", MOVING_RETRY_MS);
        calls_fail_all(&held->deciding,
                       fb_fail(FB_UNAVAILABLE,
                               "the worker has ended, and the store has not said whether this was "
                               "kept; repeat it with the same request id"),
                       "", "", MOVING_RETRY_MS);
    }
    k->drained = NULL;
    if (drained != NULL) {
        drained(k->drained_arg);
    }
}

void keeper_look_drained(struct keeper *k)
{
    if (k->draining && k->count == 0 && k->drained != NULL) {
        fb_timer_set(k->loop, &k->drain_limit, fb_loop_now_ms(k->loop), on_drained);
    }
}

void keeper_drain(struct keeper *k, int64_t deadline_ms, void (*done)(void *arg), void *arg)
{
    const struct fb_status status =
        fb_fail(FB_UNAVAILABLE, "the worker goes down; the session moves to another");

    k->draining = true;
    k->drained = done;
    k->drained_arg = arg;
    fb_timer_set(k->loop, &k->drain_limit, deadline_ms, on_drained);
    for (struct keeper_held *held = k->newest; held != NULL; held = held->older) {
        calls_fail_all(&held->for_work, status, "not-run", "", MOVING_RETRY_MS);
        calls_fail_all(&held->for_change, status, "not-run", "", MOVING_RETRY_MS);
        while (calls_decide(held)) {
        }
        held_leave(held);
        held_look_soon(held);
    }
    keeper_look_drained(k);
}

void keeper_destroy(struct keeper *k)
{
    const struct fb_status status = fb_fail(FB_CANCELLED, "the worker has ended");

    if (k == NULL) {
        return;
    }
    k->destroying = true;
    renewal_end(k);
    fb_timer_clear(&k->drain_limit);
    aside_destroy(k->aside);
    on_fail_soon(&k->fail_soon);
    while (k->newest != NULL) {
        struct keeper_held *held = k->newest;
        struct keeper_queue *const queues[] = {&held->arriving, &held->deciding, &held->for_work,
                                               &held->for_change};

        for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
            calls_fail_all(queues[i], status, "", "", 0);
        }
        held_free(held);
    }
    fb_defer_cancel(&k->fail_soon);
    fb_channel_destroy(k->channel);
    free(k->buckets);
    free(k->places);
    free(k);
}
