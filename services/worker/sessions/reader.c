#include "services/worker/sessions/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/rpc/message.h"
#include "services/worker/sessions/store_id.h"

enum {
    PATIENCE_MS = 30000,
    RETRY_FIRST_MS = 25,
    RETRY_MOST_MS = 1000,
    MESSAGE_BYTES = 64 << 20, /* that one may take when unpacked */
};

struct reader {
    struct fb_loop *loop;
    struct fb_channel *channel;
    struct fb_arena arena; /* names */
    const char *scope;
    const char *store_id;
    struct reading reading;
    const struct reader_events *events;
    void *self;
    struct fb_client_call *call;
    int64_t heard_ms; /* since when the store is away; 0: it is not */
    int64_t wait_ms;
    bool caught_up;
    bool paused;
    bool telling; /* an event is being told: the reader may be cancelled meanwhile */
    bool gone;
    struct fb_status failed;
    struct fb_timer timer;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void free_reader(struct reader *reader)
{
    fb_timer_clear(&reader->timer);
    if (reader->call != NULL) {
        fb_client_call_cancel(reader->call);
        reader->call = NULL;
    }
    if (reader->telling) {
        reader->gone = true;
        return;
    }
    fb_arena_finish(&reader->arena);
    free(reader);
}

static void end(struct reader *reader, struct fb_status status)
{
    const struct reader_events *const events = reader->events;
    void *const self = reader->self;
    char why[256];

    /* What it says may be the reader's own, or its call's. */
    snprintf(why, sizeof(why), "%s", status.why);
    free_reader(reader);
    events->on_end(self, (struct fb_status){.code = status.code, .why = why});
}

static void begin(struct reader *reader);

static void on_timer(struct fb_timer *timer)
{
    struct reader *reader = OWNER_OF(struct reader, timer, timer);

    if (!fb_is_ok(reader->failed)) {
        end(reader, reader->failed);
    } else {
        begin(reader);
    }
}

static void tell_events(struct reader *reader, const Flowbalancer__V1__EventBatch *batch)
{
    for (size_t i = 0; i < batch->n_events && !reader->gone; i++) {
        const Flowbalancer__V1__StoredEvent *event = batch->events[i];

        if (event->sequence == reader->reading.after + 1) {
            reader->reading.after = event->sequence;
            reader->events->on_event(
                reader->self, event->sequence,
                (struct fb_text){(const char *)event->payload.data, event->payload.len});
        }
    }
}

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct reader *reader = arg;
    const Flowbalancer__V1__WatchSessionResponse *response;
    ProtobufCMessage *message;
    struct fb_arena arena;
    bool ended = false;

    (void)call;
    fb_arena_init(&arena, 0);
    reader->heard_ms = 0;
    reader->wait_ms = RETRY_FIRST_MS;
    if (!fb_is_ok(fb_message_unpack(&flowbalancer__v1__watch_session_response__descriptor, data,
                                    size, MESSAGE_BYTES, &arena, &message))) {
        fb_arena_finish(&arena);
        end(reader, fb_fail(FB_DATA_LOSS, "the store sent what cannot be read"));
        return;
    }
    response = (const Flowbalancer__V1__WatchSessionResponse *)message;
    reader->telling = true;
    if (response->part_case == FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_EVENTS) {
        tell_events(reader, response->events);
    } else if (response->part_case == FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_CAUGHT_UP) {
        ended = !reader->reading.follow;
        if (!reader->caught_up) {
            reader->caught_up = true;
            if (reader->events->on_caught_up != NULL) {
                reader->events->on_caught_up(reader->self, reader->reading.after);
            }
        }
    }
    fb_arena_finish(&arena);
    reader->telling = false;
    if (reader->gone) {
        free_reader(reader);
    } else if (ended) {
        end(reader, fb_ok);
    }
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *ended)
{
    struct reader *reader = arg;
    const int64_t now_ms = fb_loop_now_ms(reader->loop);
    const bool forever = reader->reading.follow && reader->reading.patience_ms == 0;
    const int64_t patience_ms =
        reader->reading.patience_ms == 0 ? PATIENCE_MS : reader->reading.patience_ms;

    (void)call;
    reader->call = NULL;
    switch (ended->status.code) {
    case FB_NOT_FOUND:
    case FB_OUT_OF_RANGE:
    case FB_INVALID_ARGUMENT:
    case FB_DATA_LOSS:
    case FB_UNIMPLEMENTED:
    case FB_PERMISSION_DENIED:
    case FB_UNAUTHENTICATED:
        end(reader, ended->status);
        return;
    default:
        break;
    }
    if (reader->heard_ms == 0) {
        reader->heard_ms = now_ms;
    }
    if (!forever && now_ms - reader->heard_ms >= patience_ms) {
        end(reader, fb_fail(FB_UNAVAILABLE, "the store is away"));
        return;
    }
    fb_timer_set(reader->loop, &reader->timer, now_ms + reader->wait_ms, on_timer);
    reader->wait_ms = reader->wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : reader->wait_ms * 2;
}

static const struct fb_client_call_events watch_events = {
    .on_message = on_message,
    .on_end = on_end,
};

static void begin(struct reader *reader)
{
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/WatchSession",
        .wait_for_ready = true,
    };
    Flowbalancer__V1__WatchSessionRequest request = FLOWBALANCER__V1__WATCH_SESSION_REQUEST__INIT;

    reader->call = fb_channel_call(reader->channel, &plan, &watch_events, reader);
    if (reader->call == NULL) {
        end(reader, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read the session"));
        return;
    }
    request.scope = (char *)(uintptr_t)reader->scope;
    request.session_id = (char *)(uintptr_t)reader->store_id;
    request.after_sequence = reader->reading.after;
    (void)fb_client_call_send(reader->call, &request.base);
    fb_client_call_half_close(reader->call);
    if (reader->paused) {
        fb_client_call_pause(reader->call);
    }
}

struct reader *reader_create(struct fb_loop *loop, struct fb_channel *channel,
                             const struct reading *reading, const struct reader_events *events,
                             void *self)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL) {
        return NULL;
    }
    reader->loop = loop;
    reader->channel = channel;
    reader->reading = *reading;
    reader->events = events;
    reader->self = self;
    reader->wait_ms = RETRY_FIRST_MS;
    fb_arena_init(&reader->arena, 0);
    reader->scope = fb_arena_copy(&reader->arena, reading->scope.data, reading->scope.size);
    reader->failed =
        store_id_of(&reader->arena, reading->scope, reading->session, &reader->store_id);
    if (reader->scope == NULL) {
        reader->failed = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read the session");
    }
    fb_timer_set(loop, &reader->timer, fb_loop_now_ms(loop), on_timer);
    return reader;
}

void reader_pause(struct reader *reader)
{
    reader->paused = true;
    if (reader->call != NULL) {
        fb_client_call_pause(reader->call);
    }
}

void reader_resume(struct reader *reader)
{
    reader->paused = false;
    if (reader->call != NULL) {
        fb_client_call_resume(reader->call);
    }
}

void reader_cancel(struct reader *reader)
{
    if (reader != NULL) {
        free_reader(reader);
    }
}
