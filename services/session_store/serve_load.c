#include "services/session_store/serving.h"

/* LoadSession on its way: the session, its snapshot in chunks, its events in batches. */
struct load {
    struct stream stream;
    const char *scope;
    const char *session_id;

    /* the moment that is shown */
    int64_t last_sequence;
    int64_t snapshot_sequence;

    /* where it is */
    int64_t sent_sequence;    /* events up to here are sent or in the snapshot */
    struct engine_bytes part; /* of the snapshot, in the operation's arena */
    size_t part_sent;
    bool in_snapshot;      /* some of it is still to be sent */
    int64_t snapshot_sent; /* up to here */
    int64_t snapshot_bytes;
};

/* Sends what is left of the part at hand, chunk by chunk. False when the reader fell behind. */
static bool load_send_part(struct load *load)
{
    bool more = true;

    /* An empty snapshot is one empty chunk. */
    while (more && load->in_snapshot &&
           (load->part_sent < load->part.size || load->snapshot_bytes == 0)) {
        Flowbalancer__V1__LoadSessionResponse response =
            FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__INIT;
        Flowbalancer__V1__SnapshotChunk chunk = FLOWBALANCER__V1__SNAPSHOT_CHUNK__INIT;
        size_t size = load->part.size - load->part_sent;

        size = size < LIMIT_CHUNK_BYTES ? size : LIMIT_CHUNK_BYTES;
        chunk.sequence = load->snapshot_sequence;
        chunk.total_bytes = load->snapshot_bytes;
        chunk.offset = load->snapshot_sent;
        chunk.data = bytes_out((struct engine_bytes){load->part.data + load->part_sent, size});
        response.part_case = FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_SNAPSHOT;
        response.snapshot = &chunk;
        load->part_sent += size;
        load->snapshot_sent += (int64_t)size;
        load->in_snapshot = load->snapshot_sent < load->snapshot_bytes;
        more = stream_send(&load->stream, &response.base);
    }
    return more;
}

static void load_step(struct stream *stream)
{
    struct load *load = (struct load *)stream;

    if (!load_send_part(load)) {
        return;
    }
    if (load->in_snapshot) {
        stream->asked.read_snapshot.scope = load->scope;
        stream->asked.read_snapshot.session_id = load->session_id;
        stream->asked.read_snapshot.sequence = load->snapshot_sequence;
        stream->asked.read_snapshot.offset = load->snapshot_sent;
        stream_ask(stream, ENGINE_READ_SNAPSHOT);
        return;
    }
    if (load->sent_sequence >= load->last_sequence) {
        stream_finish(stream, fb_ok);
        return;
    }
    stream->asked.read_events.scope = load->scope;
    stream->asked.read_events.session_id = load->session_id;
    stream->asked.read_events.after_sequence = load->sent_sequence;
    stream->asked.read_events.upto_sequence = load->last_sequence;
    stream->asked.read_events.most_bytes = LIMIT_CHUNK_BYTES;
    stream_ask(stream, ENGINE_READ_EVENTS);
}

static void load_took_events(struct load *load)
{
    const struct engine_read_events *read = &load->stream.asked.read_events;
    Flowbalancer__V1__LoadSessionResponse response = FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__INIT;
    Flowbalancer__V1__EventBatch batch;

    if (read->event_count == 0) {
        stream_finish(&load->stream, fb_fail(FB_NOT_FOUND, "session_id: was deleted meanwhile"));
        return;
    }
    if (!event_batch_of(&load->stream.asked, &batch)) {
        stream_finish(&load->stream, fb_fail(FB_RESOURCE_EXHAUSTED, "the store is out of memory"));
        return;
    }
    response.part_case = FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_EVENTS;
    response.events = &batch;
    load->sent_sequence = read->events[read->event_count - 1].sequence;
    stream_send(&load->stream, &response.base);
    stream_go(&load->stream);
}

static void load_took_session(struct load *load)
{
    const struct engine_read_session *read = &load->stream.asked.read_session;
    Flowbalancer__V1__LoadSessionResponse response = FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__INIT;
    Flowbalancer__V1__SessionInfo info;

    if (load->sent_sequence > read->session.last_sequence) {
        stream_finish(&load->stream,
                      fb_fail(FB_OUT_OF_RANGE, "after_sequence: is beyond the last event"));
        return;
    }
    load->last_sequence = read->session.last_sequence;
    load->in_snapshot = read->has_snapshot;
    if (read->has_snapshot) {
        load->part = read->snapshot;
        load->snapshot_bytes = read->session.snapshot_bytes;
        load->snapshot_sequence = read->session.snapshot_sequence;
        load->sent_sequence = load->snapshot_sequence;
    }
    session_info_of(&read->session, &load->stream.asked.op.arena, &info);
    response.part_case = FLOWBALANCER__V1__LOAD_SESSION_RESPONSE__PART_SESSION;
    response.session = &info;
    stream_send(&load->stream, &response.base);
    stream_go(&load->stream);
}

static void load_took(struct stream *stream)
{
    struct load *load = (struct load *)stream;

    switch (stream->asked.op.kind) {
    case ENGINE_READ_SESSION:
        load_took_session(load);
        break;
    case ENGINE_READ_SNAPSHOT:
        load->part = stream->asked.read_snapshot.data;
        load->part_sent = 0;
        stream_go(stream);
        break;
    default:
        load_took_events(load);
        break;
    }
}

void serve_load_session(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__LoadSessionRequest *request =
        (const Flowbalancer__V1__LoadSessionRequest *)message;
    struct fb_arena *arena = fb_call_arena(call);
    struct load *load;

    if (!request_is_good(
            call, limits_scope(arena, "scope", request->scope),
            limits_id(arena, "session_id", request->session_id),
            limits_number(arena, "after_sequence", request->after_sequence, 0, INT64_MAX))) {
        return;
    }
    load = stream_create(call, sizeof(*load), load_took, load_step);
    if (load == NULL) {
        return;
    }
    load->scope = request->scope;
    load->session_id = request->session_id;
    load->sent_sequence = request->after_sequence;
    load->stream.asked.read_session.scope = request->scope;
    load->stream.asked.read_session.session_id = request->session_id;
    load->stream.asked.read_session.snapshot_after = request->after_sequence;
    stream_ask(&load->stream, ENGINE_READ_SESSION);
}
