#include "runtime/rpc/h2/made.h"

#include <string.h>

#include "runtime/rpc/h2/fields.h"
#include "runtime/rpc/status_wire.h"

enum {
    HEADER_BYTES_MOST = 64 * 1024, /* of one answer, as HTTP/2 counts */
    FIELDS_MOST = 11,              /* of a request beside metadata */
};

static struct fb_h2_made_call *of_stream(struct fb_h2_stream *stream)
{
    return (struct fb_h2_made_call *)((char *)stream - offsetof(struct fb_h2_made_call, stream));
}

static struct fb_h2_made_call *of_call(struct fb_client_call *call)
{
    return (struct fb_h2_made_call *)call;
}

/* --- the list --- */

void fb_h2_made_list_init(struct fb_h2_made_list *list)
{
    *list = (struct fb_h2_made_list){.end = &list->first};
}

static void enlist(struct fb_h2_made_call *made, struct fb_h2_made_list *list)
{
    made->list = list;
    made->next = NULL;
    made->link = list->end;
    *list->end = made;
    list->end = &made->next;
    list->count++;
}

static void delist(struct fb_h2_made_call *made)
{
    *made->link = made->next;
    if (made->next != NULL) {
        made->next->link = made->link;
    } else {
        made->list->end = made->link;
    }
    made->list->count--;
}

/* --- ends --- */

static void release(struct fb_h2_shared *shared, struct fb_h2_made_call *made)
{
    delist(made);
    fb_h2_stream_release(shared, &made->stream);
}

/*
 * The owner knows. On a connection, the stream's close is waited for: the session still points to
 * us.
 */
static void let_go(struct fb_h2_shared *shared, struct fb_h2_made_call *made, uint32_t error)
{
    made->over = true;
    if (made->stream.dead) {
        return; /* whoever was told has destroyed the channel, and the call with it */
    }
    if (made->stream.id == 0) {
        release(shared, made);
        return;
    }
    fb_h2_stream_reset(&made->stream, error);
}

void fb_h2_made_end(struct fb_h2_shared *shared, struct fb_h2_made_call *made,
                    struct fb_status status, bool not_run)
{
    fb_h2_enter(shared);
    fb_h2_stream_deafen(&made->stream);
    made->over = true;
    fb_client_call_end(&made->call, status, not_run);
    let_go(shared, made, NGHTTP2_CANCEL);
    fb_h2_leave(shared);
}

/* --- what the stream tells --- */

static struct fb_arena *arena(struct fb_h2_stream *stream)
{
    return &of_stream(stream)->call.arena;
}

static void message(struct fb_h2_stream *stream, const uint8_t *data, size_t size, bool whole)
{
    (void)whole;
    fb_client_call_message(&of_stream(stream)->call, data, size);
}

static struct fb_status verdict(const struct fb_h2_made_call *made)
{
    if (!fb_is_ok(made->fault)) {
        return made->fault;
    }
    if (made->has_status) {
        return made->code == FB_OK ? fb_ok : fb_fail(made->code, made->why);
    }
    if (made->http_status != 200) {
        return fb_fail(fb_code_of_http(made->http_status),
                       "the server answered with an HTTP error and without a gRPC status");
    }
    return fb_fail(FB_UNKNOWN, "the answer ended without a gRPC status");
}

static void ended(struct fb_h2_stream *stream)
{
    struct fb_h2_made_call *made = of_stream(stream);

    made->over = true;
    fb_client_call_end(&made->call, verdict(made), false);
    if (stream->dead) {
        return; /* as in let_go */
    }
    if (stream->id == 0) {
        release(made->shared, made);
    } else if (!stream->out_ended || fb_h2_stream_has_output(stream)) {
        /* The server did not wait for all we have to say. */
        fb_h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    }
}

static void broken(struct fb_h2_stream *stream, struct fb_status status)
{
    fb_h2_made_end(of_stream(stream)->shared, of_stream(stream), status, false);
}

static void drained(struct fb_h2_stream *stream)
{
    struct fb_h2_made_call *made = of_stream(stream);

    if (!made->over) {
        fb_client_call_drained(&made->call);
    }
}

static void last(struct fb_h2_stream *stream, uint32_t *data_flags)
{
    (void)stream;
    (void)data_flags; /* the end of the stream goes with the last frame */
}

static const struct fb_h2_stream_ops stream_ops = {
    .pool = FB_H2_MADE,
    .offset = offsetof(struct fb_h2_made_call, stream),
    .arena = arena,
    .message = message,
    .ended = ended,
    .broken = broken,
    .drained = drained,
    .last = last,
};

/* --- what the common half asks for --- */

static uint8_t *message_begin(struct fb_client_call *call, size_t size)
{
    return fb_h2_stream_begin(&of_call(call)->stream, size);
}

static size_t message_end(struct fb_client_call *call)
{
    return fb_h2_stream_commit(&of_call(call)->stream);
}

static void half_close(struct fb_client_call *call)
{
    fb_h2_stream_finish(&of_call(call)->stream);
}

static void read_on(struct fb_client_call *call, bool on)
{
    fb_h2_stream_read(&of_call(call)->stream, on);
}

static void cancel(struct fb_client_call *call)
{
    struct fb_h2_made_call *made = of_call(call);
    struct fb_h2_shared *shared = made->shared;

    fb_h2_enter(shared);
    let_go(shared, made, NGHTTP2_CANCEL);
    fb_h2_leave(shared);
}

static const struct fb_client_call_ops call_ops = {
    .message_begin = message_begin,
    .message_end = message_end,
    .half_close = half_close,
    .read = read_on,
    .cancel = cancel,
};

/* --- asking --- */

static bool add_trace(struct fb_h2_made_call *made, const struct fb_trace_context *trace)
{
    struct fb_arena *memory = &made->call.arena;
    char *parent = fb_arena_alloc(memory, FB_TRACE_PARENT_BYTES + 1);
    const char *state = fb_arena_copy(memory, trace->state.data, trace->state.size);
    const char *baggage = fb_arena_copy(memory, trace->baggage.data, trace->baggage.size);

    if (parent == NULL || state == NULL || baggage == NULL) {
        return false;
    }
    fb_trace_format(trace, parent);
    made->fields[made->field_count++] = fb_h2_field(
        "traceparent", (struct fb_text){.data = parent, .size = FB_TRACE_PARENT_BYTES}, true);
    if (trace->state.size > 0) {
        made->fields[made->field_count++] = fb_h2_field(
            "tracestate", (struct fb_text){.data = state, .size = trace->state.size}, true);
    }
    if (trace->baggage.size > 0) {
        made->fields[made->field_count++] = fb_h2_field(
            "baggage", (struct fb_text){.data = baggage, .size = trace->baggage.size}, true);
    }
    return true;
}

/* The caller's metadata is only borrowed until the call has been made. */
static bool add_metadata(struct fb_h2_made_call *made, const struct fb_metadata *metadata)
{
    nghttp2_nv *fields = made->fields + made->field_count;

    if (!fb_h2_metadata_write(metadata, &made->call.arena, fields)) {
        return false;
    }
    for (size_t i = 0; i < metadata->count; i++) {
        fields[i].name =
            (uint8_t *)fb_arena_copy(&made->call.arena, fields[i].name, fields[i].namelen);
        fields[i].value =
            (uint8_t *)fb_arena_copy(&made->call.arena, fields[i].value, fields[i].valuelen);
        if (fields[i].name == NULL || fields[i].value == NULL) {
            return false;
        }
    }
    made->field_count += metadata->count;
    return true;
}

static bool write_fields(struct fb_h2_made_call *made, const struct fb_h2_request_head *head,
                         const struct fb_call_plan *plan)
{
    static const nghttp2_nv post = FB_H2_FIELD(":method", "POST");
    static const nghttp2_nv te = FB_H2_FIELD("te", "trailers");
    static const nghttp2_nv content_type = FB_H2_FIELD("content-type", "application/grpc");
    const size_t metadata_count = plan->metadata == NULL ? 0 : plan->metadata->count;
    nghttp2_nv *fields =
        fb_arena_alloc(&made->call.arena, (FIELDS_MOST + metadata_count) * sizeof(*fields));
    size_t count = 0;

    if (fields == NULL) {
        return false;
    }
    fields[count++] = post;
    fields[count++] = fb_h2_field(":scheme", fb_text_of(head->scheme), false);
    fields[count++] = fb_h2_field(":path", fb_text_of(plan->path), false);
    fields[count++] = fb_h2_field(":authority", fb_text_of(head->authority), false);
    fields[count++] = te;
    fields[count++] = content_type;
    if (made->call.deadline_ms != INT64_MAX) {
        made->timeout_field = count++; /* filled in when the call begins */
    }
    if (head->authorization != NULL) {
        fields[count++] = fb_h2_field("authorization", fb_text_of(head->authorization), false);
    }
    made->fields = fields;
    made->field_count = count;
    return (plan->trace == NULL || add_trace(made, plan->trace)) &&
           (metadata_count == 0 || add_metadata(made, plan->metadata));
}

struct fb_h2_made_call *fb_h2_made_create(struct fb_channel *channel, struct fb_h2_shared *shared,
                                          struct fb_h2_made_list *list,
                                          const struct fb_h2_request_head *head,
                                          const struct fb_call_plan *plan,
                                          const struct fb_client_call_events *events, void *arg)
{
    struct fb_h2_made_call *made = fb_h2_stream_take(shared, &stream_ops, sizeof(*made));

    if (made == NULL) {
        return NULL;
    }
    fb_client_call_init(&made->call, channel, &call_ops, plan, events, arg);
    made->place = FB_H2_PARKED;
    made->shared = shared;
    made->over = false;
    made->wait_for_ready = plan->wait_for_ready;
    made->timeout_field = 0;
    made->is_last_block = false;
    made->has_status = false;
    made->is_grpc = false;
    made->http_status = 0;
    made->header_bytes = 0;
    made->code = FB_UNKNOWN;
    made->why = "";
    made->fault = fb_ok;
    made->stream.out_high = channel->config.send_high_bytes;
    made->stream.in_limit_bytes = channel->config.message_limit_bytes;
    enlist(made, list);
    if (!write_fields(made, head, plan)) {
        fb_client_call_cancel(&made->call);
        return NULL;
    }
    return made;
}

static void set_timeout(struct fb_h2_made_call *made)
{
    if (made->timeout_field != 0) {
        const int64_t now_ms = fb_loop_now_ms(made->shared->loop);

        fb_timeout_encode_us((made->call.deadline_ms - now_ms) * 1000, made->timeout);
        made->fields[made->timeout_field] =
            fb_h2_field("grpc-timeout", fb_text_of(made->timeout), true);
    }
}

bool fb_h2_made_begin(struct fb_h2_made_call *made, struct fb_h2_dialled *dialled)
{
    const nghttp2_data_provider provider = fb_h2_stream_provider(&made->stream);
    int32_t id;

    set_timeout(made);
    id = nghttp2_submit_request(dialled->connection.session, NULL, made->fields, made->field_count,
                                &provider, &made->stream);
    if (id < 0) {
        return false;
    }
    made->place = FB_H2_BEGUN;
    made->stream.id = id;
    fb_h2_stream_open(&made->stream, &dialled->connection);
    fb_h2_connection_mind(&dialled->connection);
    fb_h2_connection_wake(&dialled->connection);
    return true;
}

/* --- header fields --- */

static void blame(struct fb_h2_made_call *made, struct fb_status status)
{
    if (fb_is_ok(made->fault)) {
        made->fault = status;
    }
}

static uint16_t http_status_of(struct fb_text value)
{
    uint64_t number;

    return fb_text_to_u64(value, &number) && number < 1000 ? (uint16_t)number : 0;
}

static void take_field(struct fb_h2_made_call *made, struct fb_text name, struct fb_text value)
{
    struct fb_client_call *call = &made->call;
    struct fb_status status;

    switch (fb_h2_field_of(name)) {
    case FB_H2_HTTP_STATUS:
        made->http_status = http_status_of(value);
        break;
    case FB_H2_CONTENT_TYPE:
        made->is_grpc = fb_h2_content_of(value) == FB_H2_CONTENT_PROTO;
        break;
    case FB_H2_ENCODING:
        made->stream.encoding = fb_h2_encoding_of(value);
        if (made->stream.encoding == FB_H2_UNKNOWN_ENCODING) {
            blame(made, fb_fail(FB_INTERNAL, "the answer's grpc-encoding is not known here"));
        }
        break;
    case FB_H2_GRPC_STATUS:
        made->has_status = true;
        made->code = fb_code_of_wire(value);
        break;
    case FB_H2_GRPC_MESSAGE:
        made->why = fb_status_message_decode(&call->arena, value);
        break;
    case FB_H2_CUSTOM:
        status = fb_h2_metadata_take(made->is_last_block ? &call->trailers : &call->headers,
                                     &call->arena, name, value);
        if (!fb_is_ok(status)) {
            blame(made, fb_fail(FB_INTERNAL, status.why));
        }
        break;
    default:
        break;
    }
}

static void end_block(struct fb_h2_made_call *made)
{
    struct fb_h2_shared *shared = made->shared;

    if (made->over || made->is_last_block) {
        return;
    }
    if (made->http_status >= 100 && made->http_status < 200) {
        made->http_status = 0; /* the answer proper is still to come */
        made->is_grpc = false;
        return;
    }
    if (!fb_is_ok(made->fault)) {
        fb_h2_made_end(shared, made, made->fault, false);
    } else if (made->http_status != 200) {
        fb_h2_made_end(shared, made, verdict(made), false);
    } else if (!made->is_grpc) {
        fb_h2_made_end(shared, made, fb_fail(FB_UNKNOWN, "the answer is not gRPC"), false);
    } else {
        fb_client_call_headers(&made->call);
    }
}

/* --- the session's callbacks --- */

static struct fb_h2_dialled *dialled_of(struct fb_h2_connection *connection)
{
    return (struct fb_h2_dialled *)connection;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct fb_h2_dialled *dialled = user;
    struct fb_h2_stream *stream;

    (void)session;
    dialled->heading = NULL;
    if (dialled->connection.phase == FB_H2_CLOSED) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    stream = frame->hd.type == NGHTTP2_HEADERS
                 ? fb_h2_stream_find(&dialled->connection, frame->hd.stream_id)
                 : NULL;
    if (stream != NULL && !of_stream(stream)->over) {
        dialled->heading = of_stream(stream);
        dialled->heading->is_last_block = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct fb_h2_dialled *dialled = user;
    struct fb_h2_made_call *made = dialled->heading;

    (void)session;
    (void)frame;
    (void)flags;
    if (made == NULL) {
        return 0;
    }
    made->header_bytes += name_size + value_size + 32;
    if (made->header_bytes > HEADER_BYTES_MOST) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    take_field(made, (struct fb_text){.data = (const char *)name, .size = name_size},
               (struct fb_text){.data = (const char *)value, .size = value_size});
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct fb_h2_dialled *dialled = user;
    struct fb_h2_stream *stream;

    (void)session;
    if (!fb_h2_connection_frame(&dialled->connection, frame)) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        dialled->ops->leaving(dialled, frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && dialled->heading != NULL) {
        struct fb_h2_made_call *made = dialled->heading;

        dialled->heading = NULL;
        end_block(made);
    }
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        stream = fb_h2_stream_find(&dialled->connection, frame->hd.stream_id);
        if (stream != NULL) {
            fb_h2_stream_came_end(stream);
        }
    }
    return dialled->connection.phase == FB_H2_CLOSED ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *user)
{
    struct fb_h2_dialled *dialled = user;
    struct fb_h2_stream *stream = fb_h2_stream_find(&dialled->connection, stream_id);

    (void)session;
    (void)flags;
    if (stream == NULL) {
        fb_h2_connection_consume(&dialled->connection, size);
        return 0;
    }
    fb_h2_stream_came(stream, data, size);
    return dialled->connection.phase == FB_H2_CLOSED ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Its stream is no more. */
static void gone(struct fb_h2_dialled *dialled, struct fb_h2_made_call *made,
                 struct fb_status status, bool not_run)
{
    struct fb_h2_shared *shared = made->shared;

    if (dialled->heading == made) {
        dialled->heading = NULL;
    }
    fb_h2_stream_close(&made->stream);
    if (made->over) {
        release(shared, made);
    } else if (made->stream.in_ended && !made->stream.in_deaf) {
        made->place = FB_H2_LOOSE;
    } else {
        fb_h2_made_end(shared, made, status, not_run);
    }
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error, void *user)
{
    struct fb_h2_dialled *dialled = user;
    struct fb_h2_stream *stream = fb_h2_stream_find(&dialled->connection, stream_id);

    (void)session;
    if (stream == NULL) {
        return 0;
    }
    gone(dialled, of_stream(stream),
         fb_fail(fb_code_of_h2_error(error), error == NGHTTP2_REFUSED_STREAM
                                                 ? "the server refused the call"
                                                 : "the call's stream was reset"),
         error == NGHTTP2_REFUSED_STREAM);
    dialled->ops->lighter(dialled);
    return 0;
}

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

/* --- the connection --- */

static bool secured(struct fb_h2_connection *connection)
{
    (void)connection;
    return true;
}

static void opened(struct fb_h2_connection *connection)
{
    struct fb_h2_dialled *dialled = dialled_of(connection);

    dialled->ready = true;
    dialled->ops->ready(dialled);
}

static void closed(struct fb_h2_connection *connection, struct fb_status why)
{
    struct fb_h2_dialled *dialled = dialled_of(connection);

    while (connection->streams != NULL) {
        struct fb_h2_made_call *made = of_stream(connection->streams);
        /* The session opens a stream when it writes the request; before that nothing was sent. */
        const bool not_run =
            nghttp2_session_get_stream_remote_close(connection->session, made->stream.id) == -1;

        gone(dialled, made,
             fb_arena_fail(&made->call.arena, why.code, "%s: %s", made->call.channel->config.target,
                           why.why),
             not_run);
    }
    dialled->ops->closed(dialled, why);
}

static void unused(struct fb_h2_connection *connection)
{
    struct fb_h2_dialled *dialled = dialled_of(connection);

    dialled->ops->unused(dialled);
}

static void count(struct fb_h2_connection *connection, size_t received, size_t sent)
{
    (void)connection;
    (void)received;
    (void)sent;
}

static const struct fb_h2_connection_ops connection_ops = {
    .server = false,
    .set_callbacks = set_callbacks,
    .secured = secured,
    .opened = opened,
    .closed = closed,
    .unused = unused,
    .count = count,
};

void fb_h2_dialled_start(struct fb_h2_dialled *dialled, struct fb_h2_shared *shared,
                         const struct fb_h2_terms *terms, int fd, SSL *tls, bool connecting)
{
    dialled->heading = NULL;
    dialled->ready = false;
    fb_h2_connection_start(&dialled->connection, &connection_ops, shared, terms, fd, tls,
                           connecting);
}
