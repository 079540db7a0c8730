#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "services/worker/sessions/held.h"

enum {
    REQUEST_ID_BYTES = OWNER_BYTES + 1 + 20,
    LIGHT_EVENTS = 8,  /* an append of no more says to queries what it changes */
    FRESH_TASKS = 256, /* so many of them */
    BUSY_TASKS = 8,    /* said at a time of what is left, in a session that is busy */
    BUSY_PAUSE_MS = 5, /* and then */
    IDLE_TASKS = 512,  /* in one that was not busy for IDLE_MS */
    IDLE_MS = 200,
    PROJECT_AGAIN_MS = 5000, /* after a failure */
};

/* --- filling --- */

static void free_append(struct append *append)
{
    if (append != NULL) {
        free(append->events);
        fb_buffer_finish(&append->payloads);
        fb_buffer_finish(&append->packed);
        free(append);
    }
}

void appends_drop(struct keeper_held *held)
{
    if (held->appending != NULL) {
        fb_client_call_cancel(held->appending);
        held->appending = NULL;
    }
    if (held->projecting != NULL) {
        fb_client_call_cancel(held->projecting);
        held->projecting = NULL;
    }
    fb_timer_clear(&held->project);
    held->projection_failed = false;
    fb_timer_clear(&held->retry);
    while (held->appends != NULL) {
        struct append *append = held->appends;

        held->appends = append->next;
        free_append(append);
    }
    held->last_append = NULL;
}

/* The one that takes what is decided now; NULL: a new one is to be made. */
static struct append *open_append(const struct keeper_held *held)
{
    return held->last_append != NULL && held->last_append->sent_us == 0 ? held->last_append : NULL;
}

bool appends_have_room(const struct keeper_held *held)
{
    const struct append *open = open_append(held);

    return open == NULL ||
           (open->count < APPEND_EVENTS_MOST / 2 && open->payloads.size < APPEND_BYTES_MOST / 2);
}

static bool add_event(struct append *append, const struct event *event, struct fb_text bytes)
{
    if (append->count == append->room) {
        const uint32_t room = append->room == 0 ? 8 : 2 * append->room;
        struct append_event *events = realloc(append->events, room * sizeof(*events));

        if (events == NULL) {
            return false;
        }
        append->events = events;
        append->room = room;
    }
    fb_buffer_text(&append->payloads, bytes);
    append->events[append->count++] =
        (struct append_event){.kind = (uint32_t)event->kind, .size = (uint32_t)bytes.size};
    return !append->payloads.failed;
}

static struct append *new_append(int64_t after)
{
    struct append *append = calloc(1, sizeof(*append));

    if (append != NULL) {
        append->after = after;
        append->payloads.limit_bytes = APPEND_BYTES_MOST;
    }
    return append;
}

/* All events of the decision, or none. */
static bool add_events(struct append *append, const struct decision *decision)
{
    const uint32_t count = append->count;
    const size_t size = append->payloads.size;

    for (size_t i = 0; i < decision->event_count; i++) {
        struct fb_text bytes;

        if (append->count == APPEND_EVENTS_MOST ||
            !fb_is_ok(event_pack(&decision->events[i], decision->arena, &bytes)) ||
            !add_event(append, &decision->events[i], bytes)) {
            append->count = count;
            append->payloads.size = size;
            append->payloads.failed = false;
            return false;
        }
    }
    return true;
}

bool appends_take(struct keeper_held *held, const struct decision *decision)
{
    struct append *open = open_append(held);
    size_t before = open == NULL ? 0 : open->payloads.size;

    if (decision->event_count == 0) {
        return true;
    }
    if (open == NULL || !add_events(open, decision)) {
        open = new_append((int64_t)(held->session->events - decision->event_count));
        before = 0;
        if (open == NULL || !add_events(open, decision)) {
            free_append(open);
            return false;
        }
        *(held->last_append == NULL ? &held->appends : &held->last_append->next) = open;
        held->last_append = open;
    }
    held->text_bytes += open->payloads.size - before;
    held->snapshot_bytes += open->payloads.size - before;
    return true;
}

/* --- sending --- */

static void send(struct keeper_held *held);

static void on_retry(struct fb_timer *timer)
{
    send(OWNER_OF(struct keeper_held, retry, timer));
}

/* Its fate is not known, or the store is away: the same again. */
static void send_again(struct keeper_held *held)
{
    fb_timer_set(held->keeper->loop, &held->retry,
                 fb_loop_now_ms(held->keeper->loop) + held->wait_ms, on_retry);
    held->wait_ms = held->wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : held->wait_ms * 2;
}

static void kept(struct keeper_held *held, int64_t last_sequence)
{
    struct append *append = held->appends;
    struct keeper *k = held->keeper;

    keeper_count(k, KEEPER_METRIC_APPENDS, 1);
    keeper_count(k, KEEPER_METRIC_EVENTS, append->count);
    if (k->config.metrics != NULL) {
        fb_metrics_observe(k->config.metrics, k->config.first_metric + KEEPER_METRIC_APPEND_SECONDS,
                           fb_clock_us() - append->sent_us);
    }
    held->wait_ms = RETRY_FIRST_MS;
    held->durable = last_sequence;
    held->appends = append->next;
    if (held->appends == NULL) {
        held->last_append = NULL;
    }
    free_append(append);
    held_look(held);
}

/* What was decided from the first append on was not kept, and will not be; what was before it is. */
static void fail_decided(struct keeper_held *held, struct fb_status status, const char *reason)
{
    calls_settle(held);
    calls_fail_all(&held->deciding, status, reason, "", 0);
    held_reload(held);
}

static void refused(struct keeper_held *held, const struct fb_call_end *end)
{
    const struct fb_text reason = trailer_text(end, "flowbalancer-reason");

    switch (end->status.code) {
    case FB_ABORTED:
        if (fb_text_is(reason, "stale-epoch")) {
            held_lose(held);
            return;
        }
        /* Somebody wrote under our epoch, or memory is not what the log says. */
        fb_log(FB_ERROR, "a session is not where its owner left it",
               fb_kv_str("session", held->store_id), fb_kv_int("expected", held->appends->after),
               fb_kv_int("is", trailer_number(end, "flowbalancer-last-sequence")));
        held_reload(held);
        return;
    case FB_NOT_FOUND:
        held_tell(held, false);
        fail_decided(held, fb_fail(FB_NOT_FOUND, "context.session: was deleted"), "no_such");
        return;
    case FB_RESOURCE_EXHAUSTED:
        fail_decided(held, end->status, fb_text_is(reason, "disk-full") ? "disk-full" : "not-run");
        return;
    default:
        fb_log(FB_ERROR, "the store refuses what was decided", fb_kv_str("session", held->store_id),
               fb_kv_status(end->status));
        fail_decided(held, end->status, "");
        return;
    }
}

static void on_append_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end);

static void on_append_message(struct fb_client_call *call, void *arg, const uint8_t *data,
                              size_t size)
{
    (void)call;
    (void)arg;
    (void)data;
    (void)size;
}

static const struct fb_client_call_events append_events = {
    .on_message = on_append_message,
    .on_end = on_append_end,
};

static void on_append_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct keeper_held *held = arg;

    (void)call;
    held->appending = NULL;
    if (fb_is_ok(end->status)) {
        /* Numbers rise without gaps, so the answer says nothing that is not known. */
        kept(held, held->appends->after + held->appends->count);
    } else if (store_is_away(end)) {
        send_again(held);
    } else {
        refused(held, end);
    }
}

static void send(struct keeper_held *held)
{
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("AppendEvents"),
        .deadline_ms = fb_loop_now_ms(held->keeper->loop) + STORE_CALL_MS,
        .wait_for_ready = true,
    };
    const struct append *append = held->appends;

    held->appending = fb_channel_call(held->keeper->channel, &plan, &append_events, held);
    if (held->appending == NULL) {
        send_again(held);
        return;
    }
    (void)fb_client_call_send_bytes(held->appending, (const uint8_t *)append->packed.data,
                                    append->packed.size);
    fb_client_call_half_close(held->appending);
}

static bool pack_message(struct append *append, const ProtobufCMessage *message)
{
    const size_t size = protobuf_c_message_get_packed_size(message);
    char *room = fb_buffer_reserve(&append->packed, size);

    if (room == NULL) {
        return false;
    }
    append->packed.size = protobuf_c_message_pack(message, (uint8_t *)room);
    return true;
}

/*
 * What queries are told is of now, so it goes with the last events there are. Many at once are answered
 * first, and told little by little.
 */
static Flowbalancer__V1__Projection *projection_with(struct keeper_held *held,
                                                     const struct append *append,
                                                     struct fb_arena *arena)
{
    const int64_t sequence = append->after + append->count;
    const int64_t now_ms = fb_loop_now_ms(held->keeper->loop);

    held->busy_ms = now_ms;
    if (append->next != NULL || held->projecting != NULL) {
        return NULL;
    }
    if (append->count <= LIGHT_EVENTS) {
        return unsaid_take(&held->unsaid, held->session, sequence, true, FRESH_TASKS, arena);
    }
    if (now_ms < held->project_ms) {
        return NULL;
    }
    held->project_ms = now_ms + BUSY_PAUSE_MS;
    return unsaid_take(&held->unsaid, held->session, sequence, false, BUSY_TASKS, arena);
}

/* Once for all tries, as the store compares them. */
static bool pack(struct keeper_held *held, struct append *append)
{
    Flowbalancer__V1__AppendEventsRequest request = FLOWBALANCER__V1__APPEND_EVENTS_REQUEST__INIT;
    Flowbalancer__V1__NewEvent *events;
    char request_id[REQUEST_ID_BYTES];
    struct fb_arena arena;
    size_t at = 0;
    bool packed = false;

    fb_arena_init(&arena, 0);
    events = fb_arena_zalloc(&arena, append->count, sizeof(*events));
    request.events = fb_arena_zalloc(&arena, append->count, sizeof(*request.events));
    if (events != NULL && request.events != NULL) {
        snprintf(request_id, sizeof(request_id), "%s:%llu", held->keeper->owner,
                 (unsigned long long)++held->keeper->appends);
        request.session_id = held->store_id;
        request.epoch = held->epoch;
        request.expected_sequence = append->after;
        request.request_id = request_id;
        request.n_events = append->count;
        for (uint32_t i = 0; i < append->count; i++) {
            flowbalancer__v1__new_event__init(&events[i]);
            events[i].kind = append->events[i].kind;
            events[i].payload.data = (uint8_t *)append->payloads.data + at;
            events[i].payload.len = append->events[i].size;
            at += append->events[i].size;
            request.events[i] = &events[i];
        }
        request.projection = projection_with(held, append, &arena);
        packed = pack_message(append, &request.base);
    }
    fb_arena_finish(&arena);
    return packed;
}

void appends_send(struct keeper_held *held)
{
    struct append *append = held->appends;

    if (append == NULL || append->sent_us != 0) {
        return;
    }
    if (!pack(held, append)) {
        fail_decided(held, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to keep what was decided"),
                     "not-run");
        return;
    }
    append->sent_us = fb_clock_us();
    fb_buffer_finish(&append->payloads);
    send(held);
}

/* --- what no append had room for --- */

static void on_project(struct fb_timer *timer)
{
    held_look(OWNER_OF(struct keeper_held, project, timer));
}

static void on_projected(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct keeper_held *held = arg;

    (void)reply;
    held->projecting = NULL;
    if (fb_text_is(trailer_text(end, "flowbalancer-reason"), "stale-epoch")) {
        held->lost = true;
    } else if (!fb_is_ok(end->status)) {
        held->projection_failed = true; /* and nothing tells what is missing */
        held->project_ms = fb_loop_now_ms(held->keeper->loop) + PROJECT_AGAIN_MS;
    }
    held_look_soon(held);
}

void appends_project(struct keeper_held *held)
{
    struct fb_loop *loop = held->keeper->loop;
    const int64_t now_ms = fb_loop_now_ms(loop);
    const bool busy = now_ms - held->busy_ms < IDLE_MS;
    const struct fb_call_plan plan = {
        .path = STORE_METHOD("PutProjection"),
        .deadline_ms = now_ms + STORE_CALL_MS,
        .wait_for_ready = true,
    };
    Flowbalancer__V1__PutProjectionRequest request = FLOWBALANCER__V1__PUT_PROJECTION_REQUEST__INIT;
    struct fb_arena arena;

    if (held->projection_failed && held->projecting == NULL && now_ms >= held->project_ms) {
        held->projection_failed = false;
        unsaid_begin(&held->unsaid, held->session, 0);
    }
    if (held->projecting != NULL || !unsaid_are_due(&held->unsaid, held->durable)) {
        return;
    }
    if (now_ms < held->project_ms) {
        fb_timer_set(loop, &held->project, held->project_ms, on_project);
        return;
    }
    fb_arena_init(&arena, 0);
    request.session_id = held->store_id;
    request.epoch = held->epoch;
    request.projection = unsaid_take(&held->unsaid, held->session, held->durable, false,
                                     busy ? BUSY_TASKS : IDLE_TASKS, &arena);
    if (request.projection != NULL) {
        held->project_ms = busy ? now_ms + BUSY_PAUSE_MS : now_ms;
        held->projecting = fb_channel_unary(held->keeper->channel, &plan, &request.base,
                                            &flowbalancer__v1__put_projection_response__descriptor,
                                            on_projected, held);
    }
    fb_arena_finish(&arena);
}
