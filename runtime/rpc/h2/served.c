#include "runtime/rpc/h2/served.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/rpc/h2/fields.h"
#include "runtime/rpc/h2/stream.h"
#include "runtime/rpc/h2/tls.h"
#include "runtime/rpc/status_wire.h"

enum {
    HEADER_BYTES_MOST =
        64 * 1024,            /* of one call, as HTTP/2 counts; beyond it is not even answered */
    FIELDS_FIXED = 4,         /* fields of an answer beside metadata */
    LARGE_BYTES = 16 * 1024,  /* more than a frame */
    CALLS_TO_THEIR_LIMIT = 8, /* may wait on one connection, or more with less each */
};

struct fb_h2_served_call {
    struct fb_call call; /* first */
    struct fb_h2_stream stream;
    struct fb_h2_served_connection *home;

    /* of the header fields that came */
    struct fb_status refusal; /* the first thing that is wrong */
    size_t header_bytes;
    uint16_t http_refusal; /* HTTP status for what is not gRPC; 0 */
    bool has_content_type;
    bool refuses_encoding;
    bool begun; /* the common half knows it */

    /* of the answer */
    bool answered;            /* the response was submitted */
    bool takes_turns;         /* its frames alternate with those of other large answers */
    bool early;               /* counted in home->early */
    const nghttp2_nv *ending; /* trailers */
    size_t ending_count;
};

static const nghttp2_nv answer_fields[] = {
    FB_H2_FIELD(":status", "200"),
    FB_H2_FIELD("content-type", "application/grpc"),
};
static const nghttp2_nv status_ok[] = {FB_H2_FIELD("grpc-status", "0")};
static const nghttp2_nv accepted_encodings = FB_H2_FIELD("grpc-accept-encoding", "identity,gzip");

static const char *const code_texts[FB_CODE_COUNT] = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
};

static struct fb_h2_served_call *of_stream(struct fb_h2_stream *stream)
{
    return (struct fb_h2_served_call *)((char *)stream -
                                        offsetof(struct fb_h2_served_call, stream));
}

static struct fb_h2_served_call *of_call(struct fb_call *call)
{
    return (struct fb_h2_served_call *)call;
}

static nghttp2_session *session_of(const struct fb_h2_served_call *served)
{
    return served->home->connection.session;
}

static struct fb_h2_shared *shared_of(const struct fb_h2_served_call *served)
{
    return served->home->connection.shared;
}

/* --- what the stream tells --- */

static struct fb_arena *arena(struct fb_h2_stream *stream)
{
    return &of_stream(stream)->call.arena;
}

static bool keeps_request(const struct fb_call *call)
{
    return call->route != NULL && call->route->method->raw && call->messages_in == 0 &&
           (call->route->method->kind == FB_UNARY || call->route->method->kind == FB_SERVER_STREAM);
}

static void message(struct fb_h2_stream *stream, const uint8_t *data, size_t size, bool whole)
{
    struct fb_call *call = &of_stream(stream)->call;

    if (keeps_request(call)) {
        if (!whole) {
            fb_h2_stream_keep(stream);
        } else {
            data = (const uint8_t *)fb_arena_copy(&call->arena, data, size);
        }
        if (data == NULL && size > 0) {
            fb_call_abort(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the message"));
            return;
        }
    }
    fb_call_message(call, data, size);
}

static void ended(struct fb_h2_stream *stream)
{
    fb_call_half_close(&of_stream(stream)->call);
}

static void broken(struct fb_h2_stream *stream, struct fb_status status)
{
    struct fb_h2_served_call *served = of_stream(stream);

    if (served->begun && !served->call.finished) {
        fb_call_abort(&served->call, status);
    }
}

static void drained(struct fb_h2_stream *stream)
{
    fb_call_drained(&of_stream(stream)->call);
}

static void last(struct fb_h2_stream *stream, uint32_t *data_flags)
{
    struct fb_h2_served_call *served = of_stream(stream);

    *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session_of(served), stream->id, served->ending, served->ending_count);
}

static const struct fb_h2_stream_ops stream_ops = {
    .pool = FB_H2_SERVED,
    .offset = offsetof(struct fb_h2_served_call, stream),
    .arena = arena,
    .message = message,
    .ended = ended,
    .broken = broken,
    .drained = drained,
    .last = last,
};

/* --- what the common half asks for --- */

static void done(struct fb_h2_served_call *served)
{
    struct fb_h2_shared *shared = shared_of(served);

    if (served->begun) {
        served->home->calls--;
        fb_call_done(&served->call);
    }
    fb_h2_stream_release(shared, &served->stream);
}

/* Status and trailers as fields that live as long as the call; NULL without memory. */
static const nghttp2_nv *write_ending(struct fb_h2_served_call *served, struct fb_status status,
                                      const nghttp2_nv *before, size_t before_count, size_t *count)
{
    struct fb_call *call = &served->call;
    nghttp2_nv *fields = fb_arena_zalloc(
        &call->arena, before_count + call->trailers.count + FIELDS_FIXED, sizeof(*fields));

    if (fields == NULL) {
        return NULL;
    }
    if (before_count > 0) {
        memcpy(fields, before, before_count * sizeof(*fields));
    }
    *count = before_count;
    fields[(*count)++] = fb_h2_field("grpc-status", fb_text_of(code_texts[status.code]), false);
    if (status.why[0] != '\0') {
        struct fb_buffer *scratch = &shared_of(served)->scratch;
        const char *text;

        fb_buffer_clear(scratch, SIZE_MAX);
        fb_status_message_encode(scratch, status.why);
        text = fb_arena_copy(&call->arena, scratch->data, scratch->size);
        if (text == NULL) {
            return NULL;
        }
        fields[(*count)++] = fb_h2_field(
            "grpc-message", (struct fb_text){.data = text, .size = scratch->size}, true);
    }
    if (served->refuses_encoding) {
        fields[(*count)++] = accepted_encodings;
    }
    if (!fb_h2_metadata_write(&call->trailers, &call->arena, fields + *count)) {
        return NULL;
    }
    *count += call->trailers.count;
    return fields;
}

static bool set_ending(struct fb_h2_served_call *served, struct fb_status status)
{
    if (fb_is_ok(status) && served->call.trailers.count == 0) {
        served->ending = status_ok;
        served->ending_count = 1;
        return true;
    }
    served->ending = write_ending(served, status, NULL, 0, &served->ending_count);
    return served->ending != NULL;
}

/* Fields before the first message, or before the status of an answer that has none. */
static const nghttp2_nv *write_heading(struct fb_h2_served_call *served, size_t *count)
{
    struct fb_call *call = &served->call;
    const size_t fixed = sizeof(answer_fields) / sizeof(answer_fields[0]);
    nghttp2_nv *fields;

    *count = fixed + call->headers.count;
    if (call->headers.count == 0) {
        return answer_fields;
    }
    fields = fb_arena_zalloc(&call->arena, *count, sizeof(*fields));
    if (fields == NULL) {
        return NULL;
    }
    memcpy(fields, answer_fields, sizeof(answer_fields));
    return fb_h2_metadata_write(&call->headers, &call->arena, fields + fixed) ? fields : NULL;
}

static void submit_answer(struct fb_h2_served_call *served)
{
    const nghttp2_data_provider provider = fb_h2_stream_provider(&served->stream);
    size_t count;
    const nghttp2_nv *fields = write_heading(served, &count);

    served->answered = true;
    if (fields == NULL || nghttp2_submit_response(session_of(served), served->stream.id, fields,
                                                  count, &provider) != 0) {
        fb_h2_stream_reset(&served->stream, NGHTTP2_INTERNAL_ERROR);
    }
}

static void submit_trailers_only(struct fb_h2_served_call *served, struct fb_status status)
{
    size_t count = 0;
    const nghttp2_nv *fields = write_heading(served, &count);

    served->answered = true;
    if (fields != NULL) {
        fields = write_ending(served, status, fields, count, &count);
    }
    if (fields == NULL ||
        nghttp2_submit_response(session_of(served), served->stream.id, fields, count, NULL) != 0) {
        fb_h2_stream_reset(&served->stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    fb_h2_connection_wake(&served->home->connection);
}

static uint8_t *message_begin(struct fb_call *call, size_t size)
{
    return fb_h2_stream_begin(&of_call(call)->stream, size);
}

/* Large answers take turns frame by frame, so that small ones do not wait behind them. */
static void take_turns(struct fb_h2_served_call *served)
{
    const nghttp2_extpri priority = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    served->takes_turns = true;
    nghttp2_session_change_extpri_stream_priority(session_of(served), served->stream.id, &priority,
                                                  1);
}

/*
 * Clients that ask for much in many calls and read none of it get no more memory than a few would.
 */
static bool is_beyond_share(const struct fb_h2_served_call *served)
{
    const size_t limit = fb_server_limits(served->home->listener->server)->send_limit_bytes;

    return served->home->connection.queued_bytes > CALLS_TO_THEIR_LIMIT * limit;
}

static size_t message_end(struct fb_call *call)
{
    struct fb_h2_served_call *served = of_call(call);
    size_t waiting;

    if (!served->answered && served->stream.id != 0) {
        submit_answer(served);
    }
    waiting = fb_h2_stream_commit(&served->stream);
    if (waiting > LARGE_BYTES && !served->takes_turns && served->stream.id != 0) {
        take_turns(served);
    }
    return is_beyond_share(served) ? SIZE_MAX : waiting;
}

static void end_answer(struct fb_h2_served_call *served, struct fb_status status)
{
    struct fb_h2_stream *stream = &served->stream;

    if (!stream->in_ended) {
        served->early = true;
        served->home->early++;
    }
    if (served->call.cancelled && !fb_h2_stream_drop(stream)) {
        fb_h2_stream_reset(stream, NGHTTP2_CANCEL);
        return;
    }
    if (!served->answered && served->call.headers.count == 0) {
        submit_trailers_only(served, status);
        return;
    }
    if (!served->answered) {
        submit_answer(served); /* what the handler gave as headers is not told as trailers */
    }
    if (!set_ending(served, status)) {
        fb_h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    fb_h2_stream_finish(stream);
}

static void finish(struct fb_call *call, struct fb_status status)
{
    struct fb_h2_served_call *served = of_call(call);
    struct fb_h2_shared *shared = shared_of(served);

    fb_h2_enter(shared);
    if (served->stream.id == 0 || served->home->connection.phase == FB_H2_CLOSED) {
        done(served);
    } else {
        end_answer(served, status);
    }
    fb_h2_leave(shared);
}

static void read_on(struct fb_call *call, bool on)
{
    fb_h2_stream_read(&of_call(call)->stream, on);
}

static const struct fb_call_ops call_ops = {
    .message_begin = message_begin,
    .message_end = message_end,
    .finish = finish,
    .read = read_on,
};

/* --- header fields --- */

static void refuse(struct fb_h2_served_call *served, struct fb_status status)
{
    if (fb_is_ok(served->refusal)) {
        served->refusal = status;
    }
}

static void take_path(struct fb_h2_served_call *served, struct fb_text value)
{
    struct fb_call *call = &served->call;

    call->route = fb_server_route(served->home->listener->server, value);
    call->path = call->route != NULL ? call->route->path
                                     : fb_arena_copy(&call->arena, value.data, value.size);
    if (call->path == NULL) {
        call->path = "";
    }
}

static void take_content_type(struct fb_h2_served_call *served, struct fb_text value)
{
    served->has_content_type = true;
    switch (fb_h2_content_of(value)) {
    case FB_H2_CONTENT_PROTO:
        break;
    case FB_H2_CONTENT_OTHER:
        refuse(served, fb_fail(FB_UNIMPLEMENTED, "messages are protobuf here: content-type "
                                                 "application/grpc or application/grpc+proto"));
        break;
    case FB_H2_CONTENT_ALIEN:
        served->http_refusal = 415;
        break;
    }
}

static void take_timeout(struct fb_h2_served_call *served, struct fb_text value)
{
    const int64_t timeout_us = fb_timeout_decode_us(value);

    if (timeout_us < 0) {
        refuse(served,
               fb_fail(FB_INVALID_ARGUMENT, "grpc-timeout is not up to eight digits and one "
                                            "of H, M, S, m, u, n"));
        return;
    }
    served->call.deadline_ms =
        fb_loop_now_ms(served->home->connection.shared->loop) + (timeout_us + 999) / 1000;
}

static void take_encoding(struct fb_h2_served_call *served, struct fb_text value)
{
    served->stream.encoding = fb_h2_encoding_of(value);
    if (served->stream.encoding == FB_H2_UNKNOWN_ENCODING) {
        served->refuses_encoding = true;
        refuse(served, fb_arena_fail(&served->call.arena, FB_UNIMPLEMENTED,
                                     "grpc-encoding %.*s is not known here: identity or gzip",
                                     (int)value.size, value.data));
    }
}

static void take_field(struct fb_h2_served_call *served, struct fb_text name, struct fb_text value)
{
    struct fb_status status;

    switch (fb_h2_field_of(name)) {
    case FB_H2_METHOD:
        if (!fb_text_is(value, "POST")) {
            served->http_refusal = 405;
        }
        break;
    case FB_H2_PATH:
        take_path(served, value);
        break;
    case FB_H2_CONTENT_TYPE:
        take_content_type(served, value);
        break;
    case FB_H2_TIMEOUT:
        take_timeout(served, value);
        break;
    case FB_H2_ENCODING:
        take_encoding(served, value);
        break;
    case FB_H2_CUSTOM:
        status = fb_h2_metadata_take(&served->call.metadata, &served->call.arena, name, value);
        if (!fb_is_ok(status)) {
            refuse(served, status);
        }
        break;
    default:
        break;
    }
}

static void answer_http(struct fb_h2_served_call *served)
{
    static const nghttp2_nv no_post[] = {
        FB_H2_FIELD(":status", "405"),
        FB_H2_FIELD("allow", "POST"),
    };
    static const nghttp2_nv no_grpc[] = {FB_H2_FIELD(":status", "415")};
    const bool post = served->http_refusal != 405;

    served->answered = true;
    fb_h2_stream_deafen(&served->stream);
    if (!served->stream.in_ended) {
        served->early = true;
        served->home->early++;
    }
    if (nghttp2_submit_response(session_of(served), served->stream.id, post ? no_grpc : no_post,
                                post ? 1 : 2, NULL) != 0) {
        fb_h2_stream_reset(&served->stream, NGHTTP2_INTERNAL_ERROR);
    }
}

static void begin_call(struct fb_h2_served_call *served)
{
    if (!served->has_content_type && served->http_refusal == 0) {
        served->http_refusal = 415;
    }
    if (served->http_refusal != 0) {
        answer_http(served);
        return;
    }
    served->begun = true;
    served->home->calls++;
    fb_call_begin(&served->call, served->refusal);
}

/* --- the session's callbacks --- */

static struct fb_h2_served_call *new_call(struct fb_h2_served_connection *home, int32_t id)
{
    const struct fb_server_config *limits = fb_server_limits(home->listener->server);
    struct fb_h2_served_call *served =
        fb_h2_stream_take(home->connection.shared, &stream_ops, sizeof(*served));
    struct fb_arena warm;

    if (served == NULL) {
        return NULL;
    }
    warm = served->call.arena;
    served->call = (struct fb_call){
        .ops = &call_ops,
        .listener = home->listener,
        .peer = &home->peer,
        .arena = warm,
        .path = "",
        .deadline_ms = INT64_MAX,
    };
    served->home = home;
    served->refusal = fb_ok;
    served->header_bytes = 0;
    served->http_refusal = 0;
    served->has_content_type = false;
    served->refuses_encoding = false;
    served->begun = false;
    served->answered = false;
    served->takes_turns = false;
    served->early = false;
    served->ending = NULL;
    served->ending_count = 0;
    served->stream.id = id;
    served->stream.out_high = limits->send_high_bytes;
    served->stream.in_limit_bytes = limits->message_limit_bytes;
    fb_h2_stream_open(&served->stream, &home->connection);
    return served;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct fb_h2_served_connection *home = user;

    home->heading = NULL;
    if (home->connection.phase == FB_H2_CLOSED) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* trailers of a client say nothing to us */
    }
    /* A client that opens and resets streams may have more calls at work than streams open. */
    if (home->calls >= 2 * home->connection.terms.streams) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    home->heading = new_call(home, frame->hd.stream_id);
    if (home->heading == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, &home->heading->stream);
    home->connection.recent = &home->heading->stream;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct fb_h2_served_connection *home = user;
    struct fb_h2_served_call *served = home->heading;

    (void)session;
    (void)frame;
    (void)flags;
    if (served == NULL) {
        return 0;
    }
    served->header_bytes += name_size + value_size + 32;
    if (served->header_bytes > HEADER_BYTES_MOST) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    take_field(served, (struct fb_text){.data = (const char *)name, .size = name_size},
               (struct fb_text){.data = (const char *)value, .size = value_size});
    return 0;
}

static void came_end(struct fb_h2_stream *stream)
{
    struct fb_h2_served_call *served = of_stream(stream);

    if (served->early) {
        served->early = false;
        served->home->early--;
    }
    fb_h2_stream_came_end(stream);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct fb_h2_served_connection *home = user;
    struct fb_h2_stream *stream;

    (void)session;
    if (!fb_h2_connection_frame(&home->connection, frame)) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && home->heading != NULL) {
        struct fb_h2_served_call *served = home->heading;

        home->heading = NULL;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            served->stream.in_ended = true;
        }
        begin_call(served);
    }
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        stream = fb_h2_stream_find(&home->connection, frame->hd.stream_id);
        if (stream != NULL) {
            came_end(stream);
        }
    }
    return home->connection.phase == FB_H2_CLOSED ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user)
{
    struct fb_h2_served_connection *home = user;
    struct fb_h2_stream *stream = fb_h2_stream_find(&home->connection, stream_id);

    (void)session;
    (void)flags;
    if (stream == NULL) {
        fb_h2_connection_consume(&home->connection, size);
        return 0;
    }
    fb_h2_stream_came(stream, data, size);
    return home->connection.phase == FB_H2_CLOSED ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* An answer that is complete before the client has said all asks it to stop (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct fb_h2_served_connection *home = user;
    struct fb_h2_stream *stream;

    if (frame->hd.type == NGHTTP2_GOAWAY) {
        fb_h2_connection_sent_goaway(&home->connection);
    }
    if (home->early == 0 || frame->hd.type != NGHTTP2_HEADERS ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        return 0;
    }
    stream = fb_h2_stream_find(&home->connection, frame->hd.stream_id);
    if (stream != NULL && of_stream(stream)->early) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static void gone(struct fb_h2_served_call *served)
{
    if (served->early) {
        served->early = false;
        served->home->early--;
    }
    if (served->home->heading == served) {
        served->home->heading = NULL;
    }
    fb_h2_stream_close(&served->stream);
    fb_h2_stream_deafen(&served->stream);
    if (!served->begun || served->call.finished) {
        done(served);
        return;
    }
    fb_call_cancel(&served->call);
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
    struct fb_h2_served_connection *home = user;
    struct fb_h2_stream *stream = fb_h2_stream_find(&home->connection, stream_id);

    (void)session;
    (void)error;
    if (stream != NULL) {
        gone(of_stream(stream));
    }
    return 0;
}

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- the connection --- */

static struct fb_h2_served_connection *home_of(struct fb_h2_connection *connection)
{
    return (struct fb_h2_served_connection *)connection;
}

static bool secured(struct fb_h2_connection *connection)
{
    if (connection->tls != NULL) {
        struct fb_peer *peer = &home_of(connection)->peer;

        fb_h2_tls_subject(connection->tls, peer->subject, sizeof(peer->subject));
    }
    return true;
}

static void opened(struct fb_h2_connection *connection)
{
    (void)connection;
}

static void closed(struct fb_h2_connection *connection, struct fb_status why)
{
    struct fb_h2_served_connection *home = home_of(connection);

    (void)why;
    while (connection->streams != NULL) {
        gone(of_stream(connection->streams));
    }
    *home->link = home->next;
    if (home->next != NULL) {
        home->next->link = home->link;
    }
    home->link = NULL;
    fb_server_connection_closed(home->listener);
}

static void unused(struct fb_h2_connection *connection)
{
    free(home_of(connection));
}

static void count(struct fb_h2_connection *connection, size_t received, size_t sent)
{
    fb_server_count_bytes(home_of(connection)->listener->server, received, sent);
}

static const struct fb_h2_connection_ops connection_ops = {
    .server = true,
    .set_callbacks = set_callbacks,
    .secured = secured,
    .opened = opened,
    .closed = closed,
    .unused = unused,
    .count = count,
};

void fb_h2_served_start(struct fb_listener *listener, struct fb_h2_shared *shared,
                        const struct fb_peer *peer, int fd, SSL *tls,
                        struct fb_h2_served_connection **list)
{
    const struct fb_server_config *limits = fb_server_limits(listener->server);
    const struct fb_h2_terms terms = {
        .handshake_timeout_ms = limits->handshake_timeout_ms,
        .keepalive_ms = limits->keepalive_ms,
        .keepalive_timeout_ms = limits->keepalive_timeout_ms,
        .ping_when_idle = true,
        .message_limit_bytes = limits->message_limit_bytes,
        .streams = limits->streams_per_connection,
    };
    struct fb_h2_served_connection *home = calloc(1, sizeof(*home));

    if (home == NULL) {
        fb_h2_tls_end(tls);
        close(fd);
        fb_server_connection_closed(listener);
        return;
    }
    home->listener = listener;
    home->peer = *peer;
    home->next = *list;
    home->link = list;
    if (home->next != NULL) {
        home->next->link = &home->next;
    }
    *list = home;
    fb_h2_connection_start(&home->connection, &connection_ops, shared, &terms, fd, tls, false);
}
