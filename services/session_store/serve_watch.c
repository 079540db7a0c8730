#include "services/session_store/serving.h"

/* WatchSession on its way. */
struct watch {
    struct stream stream;
    const char *scope;
    const char *session_id;
    int64_t sent_sequence;
    bool caught_up; /* was said */
    bool changed;   /* there may be more than was read */
};

static void watch_step(struct stream *stream)
{
    struct watch *watch = (struct watch *)stream;

    if (stream->asked.store->closing) {
        stream_finish(stream, fb_fail(FB_UNAVAILABLE, "the store goes down"));
        return;
    }
    if (!watch->changed) {
        return;
    }
    watch->changed = false;
    stream->asked.read_events.scope = watch->scope;
    stream->asked.read_events.session_id = watch->session_id;
    stream->asked.read_events.after_sequence = watch->sent_sequence;
    stream->asked.read_events.upto_sequence = INT64_MAX;
    stream->asked.read_events.most_bytes = LIMIT_CHUNK_BYTES;
    stream_ask(stream, ENGINE_READ_EVENTS);
}

static void watch_wake(struct hub_seat *seat)
{
    struct stream *stream = (struct stream *)((char *)seat - offsetof(struct stream, seat));

    ((struct watch *)stream)->changed = true;
    stream_go(stream);
}

static void send_caught_up(struct watch *watch)
{
    Flowbalancer__V1__WatchSessionResponse response =
        FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__INIT;
    Flowbalancer__V1__CaughtUp caught_up = FLOWBALANCER__V1__CAUGHT_UP__INIT;

    caught_up.last = watch->sent_sequence;
    response.part_case = FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_CAUGHT_UP;
    response.caught_up = &caught_up;
    watch->caught_up = true;
    stream_send(&watch->stream, &response.base);
}

static void watch_took(struct stream *stream)
{
    struct watch *watch = (struct watch *)stream;
    const struct engine_read_events *read = &stream->asked.read_events;
    Flowbalancer__V1__WatchSessionResponse response =
        FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__INIT;
    Flowbalancer__V1__EventBatch batch;

    if (read->event_count > 0) {
        if (!event_batch_of(&stream->asked, &batch)) {
            stream_finish(stream, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
            return;
        }
        response.part_case = FLOWBALANCER__V1__WATCH_SESSION_RESPONSE__PART_EVENTS;
        response.events = &batch;
        watch->sent_sequence = read->events[read->event_count - 1].sequence;
        stream_send(stream, &response.base);
    }
    if (watch->sent_sequence < read->last_sequence) {
        watch->changed = true;
    } else if (!watch->caught_up) {
        send_caught_up(watch);
    }
    stream_go(stream);
}

void serve_watch_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__WatchSessionRequest *request =
        (const Flowbalancer__V1__WatchSessionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct watch *watch;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_id(arena, "session_id", request->session_id),
            limits_number(arena, "after_sequence", request->after_sequence, 0, INT64_MAX))) {
        return;
    }
    watch = stream_create(call, sizeof(*watch), watch_took, watch_step);
    if (watch == NULL) {
        return;
    }
    watch->scope = request->scope;
    watch->session_id = request->session_id;
    watch->sent_sequence = request->after_sequence;
    watch->changed = true;
    watch->stream.hub = &watch->stream.asked.store->watchers;
    /* Before the first look, so that what is appended during it is not missed. */
    hub_join(watch->stream.hub, &watch->stream.seat, watch->session_id, watch_wake);
    stream_go(&watch->stream);
}
