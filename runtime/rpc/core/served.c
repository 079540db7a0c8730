#include "runtime/rpc/core/served.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "runtime/rpc/core/convert.h"
#include "runtime/rpc/core/inbox.h"
#include "runtime/rpc/core/outbox.h"

struct served {
    struct fb_call call; /* first */
    grpc_call *core;
    const struct fb_core_queue *queue;
    unsigned
        holds; /* one until finished, one for each operation under way or function on the stack */

    /* who */
    const struct fb_peer *shared_peer; /* the connection's, to be released */
    struct fb_peer own_peer;           /* where the library accepts connections */

    /* what comes */
    struct fb_core_event received;
    struct fb_defer resumed;
    grpc_byte_buffer *incoming;
    grpc_slice request; /* the first message, kept for the call's life */
    grpc_slice held;    /* came while reading was off */
    bool has_request;
    bool has_held;
    bool reading;   /* wanted */
    bool receiving; /* an operation is under way */
    bool in_ended;  /* the client has sent all */
    bool in_told;

    /* what goes */
    struct fb_core_event sent;
    struct fb_defer flush;
    struct fb_core_outbox out;
    struct fb_core_fields headers;
    struct fb_core_fields trailers;
    struct fb_status status; /* the last word, when `ending` */
    bool sending;            /* an operation is under way */
    bool headers_sent;
    bool ending;
    bool end_sent;

    /* the end, as the library sees it */
    struct fb_core_event closed;
    int was_cancelled;
    bool over;
};

static struct served *served_of(struct fb_call *call)
{
    return (struct served *)call;
}

#define SERVED_OF(event_, member_) \
    ((struct served *)(void *)((char *)(event_)-offsetof(struct served, member_)))

static void start(struct served *served, const grpc_op *ops, size_t count,
                  struct fb_core_event *event)
{
    grpc_call_error error =
        grpc_call_start_batch(served->core, ops, count, fb_core_tag(event), NULL);

    /* All it can refuse is what we must not ask for: two of a kind at once, keys that are not valid. */
    assert(error == GRPC_CALL_OK);
    (void)error;
    served->holds++;
}

static void let_go(struct served *served)
{
    if (--served->holds > 0) {
        return;
    }
    fb_defer_cancel(&served->resumed);
    fb_call_done(&served->call);
    fb_core_outbox_finish(&served->out);
    fb_core_fields_finish(&served->headers);
    fb_core_fields_finish(&served->trailers);
    if (served->has_request) {
        grpc_slice_unref(served->request);
    }
    if (served->has_held) {
        grpc_slice_unref(served->held);
    }
    fb_core_peer_release(served->shared_peer);
    grpc_call_unref(served->core);
    fb_arena_finish(&served->call.arena);
    free(served);
}

/* --- what goes --- */

static bool add_headers(struct served *served, grpc_op *op)
{
    if (!fb_core_fields_begin(&served->headers, &served->call.arena,
                              served->call.headers.count + 1)) {
        return false;
    }
    fb_core_fields_add_all(&served->headers, &served->call.headers);
    *op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    op->data.send_initial_metadata.count = served->headers.count;
    op->data.send_initial_metadata.metadata = served->headers.items;
    return true;
}

static bool add_status(struct served *served, grpc_slice *why, grpc_op *op)
{
    if (!fb_core_fields_begin(&served->trailers, &served->call.arena,
                              served->call.trailers.count + 1)) {
        return false;
    }
    fb_core_fields_add_all(&served->trailers, &served->call.trailers);
    *why = grpc_slice_from_copied_string(served->status.why);
    *op = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op->data.send_status_from_server.trailing_metadata_count = served->trailers.count;
    op->data.send_status_from_server.trailing_metadata = served->trailers.items;
    op->data.send_status_from_server.status = (grpc_status_code)served->status.code;
    op->data.send_status_from_server.status_details = why;
    return true;
}

/* Hands the library what is next: one message at a time, with the headers before and the status behind. */
static void send_next(struct served *served)
{
    const bool last = served->ending && fb_core_outbox_at_end(&served->out);
    grpc_slice why = grpc_empty_slice();
    grpc_byte_buffer *message;
    grpc_op ops[3];
    size_t count = 0;

    if (served->sending || served->over || served->end_sent ||
        fb_core_queue_is_closing(served->queue) || (served->out.first == NULL && !last)) {
        return;
    }
    if (!served->headers_sent && !add_headers(served, &ops[count++])) {
        grpc_call_cancel(served->core, NULL);
        return;
    }
    message = fb_core_outbox_send(&served->out);
    if (message != NULL) {
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[count++].data.send_message.send_message = message;
    }
    if (last && !add_status(served, &why, &ops[count++])) {
        fb_core_outbox_sent(&served->out);
        grpc_call_cancel(served->core, NULL);
        return;
    }
    served->sending = true;
    served->headers_sent = true;
    served->end_sent = last;
    start(served, ops, count, &served->sent);
    grpc_slice_unref(why);
}

static void on_sent(struct fb_core_event *event, bool ok)
{
    struct served *served = SERVED_OF(event, sent);
    struct fb_server *server = served->call.listener->server;
    size_t bytes = fb_core_outbox_sent(&served->out);

    served->sending = false;
    if (ok) {
        fb_server_count_bytes(server, 0, bytes);
    } else {
        fb_core_outbox_drop(&served->out);
        served->end_sent = true; /* or never will be */
    }
    send_next(served);
    if (served->out.bytes <= fb_server_limits(server)->send_high_bytes / 2) {
        fb_call_drained(&served->call);
    }
    let_go(served);
}

static uint8_t *served_message_begin(struct fb_call *call, size_t size)
{
    return fb_core_outbox_begin(&served_of(call)->out, size);
}

/* At the end of the round, so that an answer of one message takes its status along. */
static void on_flush(struct fb_defer *defer)
{
    send_next(SERVED_OF(defer, flush));
}

static size_t served_message_end(struct fb_call *call)
{
    struct served *served = served_of(call);

    fb_core_outbox_end(&served->out);
    if (served->over) {
        fb_core_outbox_drop(&served->out);
        return 0;
    }
    fb_loop_defer(fb_call_loop(call), &served->flush, on_flush);
    return served->out.bytes;
}

static void served_finish(struct fb_call *call, struct fb_status status)
{
    struct served *served = served_of(call);
    const char *why = fb_arena_copy(&call->arena, status.why, strlen(status.why));

    fb_defer_cancel(&served->flush);
    served->ending = true;
    served->status = fb_fail(status.code, why == NULL ? "" : why);
    if (call->cancelled) {
        fb_core_outbox_drop(&served->out);
    }
    if (call->cancelled && served->sending && !served->over) {
        /* A message is half sent: the status cannot follow it, a reset can. */
        served->end_sent = true;
        grpc_call_cancel_with_status(served->core, (grpc_status_code)status.code,
                                     served->status.why, NULL);
    } else {
        send_next(served);
    }
    let_go(served);
}

/* --- what comes --- */

static void receive_next(struct served *served)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    if (!served->reading || served->receiving || served->in_ended || served->over ||
        served->call.finished || served->call.cancelled ||
        fb_core_queue_is_closing(served->queue)) {
        return;
    }
    op.data.recv_message.recv_message = &served->incoming;
    served->receiving = true;
    start(served, &op, 1, &served->received);
}

static void tell_message(struct served *served, grpc_slice message)
{
    struct fb_text bytes;

    if (!served->has_request) {
        served->has_request = true;
        served->request = message;
        bytes = fb_core_text(&served->request);
        fb_call_message(&served->call, (const uint8_t *)bytes.data, bytes.size);
        return;
    }
    bytes = fb_core_text(&message);
    fb_call_message(&served->call, (const uint8_t *)bytes.data, bytes.size);
    grpc_slice_unref(message);
}

static void tell_end(struct served *served)
{
    if (served->in_ended && !served->in_told && served->reading && !served->has_held) {
        served->in_told = true;
        fb_call_half_close(&served->call);
    }
}

static void take_message(struct served *served)
{
    struct fb_server *server = served->call.listener->server;
    struct fb_status status;
    grpc_slice message;

    status = fb_core_inbox_open(served->incoming, fb_server_limits(server)->message_limit_bytes,
                                &message);
    served->incoming = NULL;
    if (!fb_is_ok(status)) {
        grpc_call_cancel_with_status(served->core, (grpc_status_code)status.code, status.why, NULL);
        return;
    }
    fb_server_count_bytes(server, GRPC_SLICE_LENGTH(message) + 5, 0);
    if (served->reading) {
        tell_message(served, message);
    } else {
        served->held = message;
        served->has_held = true;
    }
}

static void on_received(struct fb_core_event *event, bool ok)
{
    struct served *served = SERVED_OF(event, received);

    served->receiving = false;
    if (served->incoming != NULL) {
        take_message(served);
    } else if (ok && !grpc_call_failed_before_recv_message(served->core)) {
        served->in_ended = true;
        tell_end(served);
    }
    receive_next(served);
    let_go(served);
}

/* Resuming tells what was held, but not from inside the handler that resumes. */
static void on_resumed(struct fb_defer *defer)
{
    struct served *served = SERVED_OF(defer, resumed);

    served->holds++;
    if (served->reading && served->has_held) {
        served->has_held = false;
        tell_message(served, served->held);
    }
    if (!served->call.finished) {
        tell_end(served);
    }
    receive_next(served);
    let_go(served);
}

static void served_read(struct fb_call *call, bool on)
{
    struct served *served = served_of(call);

    served->reading = on;
    if (on) {
        fb_loop_defer(fb_call_loop(call), &served->resumed, on_resumed);
    }
}

static void on_closed(struct fb_core_event *event, bool ok)
{
    struct served *served = SERVED_OF(event, closed);

    (void)ok;
    served->over = true;
    if (!served->call.finished && served->was_cancelled) {
        fb_call_cancel(&served->call);
    }
    let_go(served);
}

/* --- the beginning --- */

static const struct fb_call_ops served_ops = {
    .message_begin = served_message_begin,
    .message_end = served_message_end,
    .finish = served_finish,
    .read = served_read,
};

static void find_peer(struct served *served, struct fb_core_connections *connections)
{
    char *uri = grpc_call_get_peer(served->core);

    if (connections != NULL) {
        served->shared_peer = fb_core_peer_acquire(connections, uri);
    }
    if (served->shared_peer != NULL) {
        served->call.peer = served->shared_peer;
    } else {
        fb_core_peer_address(uri, served->own_peer.address, sizeof(served->own_peer.address));
        fb_core_peer_subject(served->core, served->own_peer.subject,
                             sizeof(served->own_peer.subject));
        served->call.peer = &served->own_peer;
    }
    gpr_free(uri);
}

static void watch_close(struct served *served)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    op.data.recv_close_on_server.cancelled = &served->was_cancelled;
    start(served, &op, 1, &served->closed);
}

void fb_core_serve(struct fb_listener *listener, const struct fb_core_queue *queue,
                   struct fb_core_connections *connections, grpc_call *core,
                   const grpc_call_details *details, const grpc_metadata_array *metadata)
{
    struct served *served = calloc(1, sizeof(*served));
    struct fb_text path = fb_core_text(&details->method);
    struct fb_status refusal;

    if (served == NULL) {
        grpc_call_cancel_with_status(core, GRPC_STATUS_RESOURCE_EXHAUSTED,
                                     "the server has no memory for the call", NULL);
        grpc_call_unref(core);
        return;
    }
    fb_arena_init(&served->call.arena, 0);
    served->core = core;
    served->queue = queue;
    served->holds = 2; /* until it is finished; and while we are in here */
    served->reading = true;
    served->received.fn = on_received;
    served->sent.fn = on_sent;
    served->closed.fn = on_closed;
    served->call.ops = &served_ops;
    served->call.listener = listener;
    served->call.route = fb_server_route(listener->server, path);
    served->call.path = fb_arena_copy(&served->call.arena, path.data, path.size);
    served->call.deadline_ms = fb_core_deadline_ms(details->deadline);
    find_peer(served, connections);
    refusal = fb_core_metadata_take(metadata, &served->call.arena, &served->call.metadata);
    if (served->call.path == NULL) {
        served->call.path = "";
        refusal = fb_fail(FB_RESOURCE_EXHAUSTED, "the server has no memory for the call");
    }
    watch_close(served);
    fb_call_begin(&served->call, refusal);
    receive_next(served);
    let_go(served);
}
