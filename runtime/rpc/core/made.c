#include "runtime/rpc/core/made.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "runtime/rpc/core/convert.h"
#include "runtime/rpc/core/inbox.h"
#include "runtime/rpc/core/outbox.h"

struct fb_core_made {
    struct fb_client_call call; /* first */
    struct fb_core_channel *channel;
    grpc_call *core;
    unsigned holds; /* one until ended, one for each operation under way or function on the stack */
    bool wait_for_ready;

    /* what goes */
    struct fb_core_event sent;
    struct fb_defer flush;
    struct fb_core_outbox out;
    struct fb_core_fields fields;
    bool sending;
    bool begun; /* headers are with the library */
    bool close_sent;

    /* what comes */
    struct fb_core_event headed;
    struct fb_core_event received;
    struct fb_defer resumed;
    grpc_metadata_array headers;
    grpc_byte_buffer *incoming;
    grpc_slice held; /* came while reading was off */
    bool has_held;
    bool has_headers; /* they came */
    bool headers_told;
    bool reading;   /* wanted */
    bool receiving; /* an operation is under way */
    bool in_ended;
    struct fb_status verdict; /* not OK: what came is refused, whatever status the server sends */

    /* the end, as the library tells it */
    struct fb_core_event closed;
    grpc_metadata_array trailers;
    grpc_status_code code;
    grpc_slice why;
    bool over;

    bool ended; /* told, or cancelled by the owner: nothing more is said */
    struct fb_core_made *next;
    struct fb_core_made **link;
};

static struct fb_core_made *made_of(struct fb_client_call *call)
{
    return (struct fb_core_made *)call;
}

#define MADE_OF(event_, member_) \
    ((struct fb_core_made *)(void *)((char *)(event_)-offsetof(struct fb_core_made, member_)))

static void start(struct fb_core_made *made, const grpc_op *ops, size_t count,
                  struct fb_core_event *event)
{
    grpc_call_error error = grpc_call_start_batch(made->core, ops, count, fb_core_tag(event), NULL);

    /* All it can refuse is what we must not ask for: two of a kind at once, keys that are not valid. */
    assert(error == GRPC_CALL_OK);
    (void)error;
    made->holds++;
}

static bool is_closing(const struct fb_core_made *made)
{
    return fb_core_queue_is_closing(made->channel->queue);
}

static void let_go(struct fb_core_made *made)
{
    if (--made->holds > 0) {
        return;
    }
    fb_defer_cancel(&made->flush);
    fb_defer_cancel(&made->resumed);
    fb_core_outbox_finish(&made->out);
    fb_core_fields_finish(&made->fields);
    grpc_metadata_array_destroy(&made->headers);
    grpc_metadata_array_destroy(&made->trailers);
    grpc_slice_unref(made->why);
    if (made->has_held) {
        grpc_slice_unref(made->held);
    }
    if (made->incoming != NULL) {
        grpc_byte_buffer_destroy(made->incoming);
    }
    grpc_call_unref(made->core);
    fb_arena_finish(&made->call.arena);
    fb_core_channel_let_go(made->channel);
    free(made);
}

/* --- the end --- */

/*
 * Whether the server surely never saw the call: the library names the channel's target as the peer of a call
 * until it has given it to a connection. Whatever was given to one may have been run.
 */
static bool never_left(const struct fb_core_made *made)
{
    char *peer = grpc_call_get_peer(made->core);
    char *target = grpc_channel_get_target(made->channel->core);
    const bool same = strcmp(peer, target) == 0;

    gpr_free(peer);
    gpr_free(target);
    return same;
}

/* The channel's list is of calls that have not ended. */
static void leave_list(struct fb_core_made *made)
{
    made->ended = true;
    fb_core_outbox_drop(&made->out);
    *made->link = made->next;
    if (made->next != NULL) {
        made->next->link = made->link;
    }
}

/* The caller holds it. */
static void end(struct fb_core_made *made, struct fb_status status, bool not_run)
{
    leave_list(made);
    fb_client_call_end(&made->call, status, not_run);
    assert(made->holds > 1);
    made->holds--; /* that of a call that has not ended */
}

/* All that came is told before the end is. */
static void end_if_over(struct fb_core_made *made)
{
    struct fb_status status = fb_ok;

    if (made->ended || !made->over || made->receiving || made->has_held) {
        return;
    }
    status.code = (unsigned)made->code < FB_CODE_COUNT ? (enum fb_code)made->code : FB_UNKNOWN;
    if (!fb_is_ok(made->verdict)) {
        status = made->verdict;
    } else if (status.code != FB_OK) {
        status.why = fb_core_why(&made->call.arena, &made->why);
    }
    fb_core_metadata_take(&made->trailers, &made->call.arena, &made->call.trailers);
    end(made, status, status.code == FB_UNAVAILABLE && never_left(made));
}

static void on_closed(struct fb_core_event *event, bool ok)
{
    struct fb_core_made *made = MADE_OF(event, closed);

    (void)ok;
    made->over = true;
    end_if_over(made);
    let_go(made);
}

/* --- what goes --- */

static grpc_op close_op(void)
{
    return (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
}

/* Hands the library what is next: one message at a time, headers before the first, the close with the last. */
static void send_next(struct fb_core_made *made)
{
    const bool last = made->call.closed && fb_core_outbox_at_end(&made->out);
    grpc_byte_buffer *message;
    grpc_op ops[3];
    size_t count = 0;

    if (made->sending || made->over || made->ended || made->close_sent || is_closing(made) ||
        (made->begun && made->out.first == NULL && !last)) {
        return;
    }
    if (!made->begun) {
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
        if (made->wait_for_ready) {
            ops[count].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                               GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
        }
        ops[count].data.send_initial_metadata.count = made->fields.count;
        ops[count++].data.send_initial_metadata.metadata = made->fields.items;
    }
    message = fb_core_outbox_send(&made->out);
    if (message != NULL) {
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[count++].data.send_message.send_message = message;
    }
    if (last) {
        ops[count++] = close_op();
    }
    made->sending = true;
    made->begun = true;
    made->close_sent = last;
    start(made, ops, count, &made->sent);
}

static void on_sent(struct fb_core_event *event, bool ok)
{
    struct fb_core_made *made = MADE_OF(event, sent);

    made->sending = false;
    fb_core_outbox_sent(&made->out);
    if (!ok) {
        fb_core_outbox_drop(&made->out);
        made->close_sent = true; /* or never will be */
    }
    send_next(made);
    if (!made->ended && made->out.bytes <= made->call.channel->config.send_high_bytes / 2) {
        fb_client_call_drained(&made->call);
    }
    let_go(made);
}

static uint8_t *made_message_begin(struct fb_client_call *call, size_t size)
{
    return fb_core_outbox_begin(&made_of(call)->out, size);
}

static size_t made_message_end(struct fb_client_call *call)
{
    struct fb_core_made *made = made_of(call);

    fb_core_outbox_end(&made->out);
    if (made->over) {
        fb_core_outbox_drop(&made->out);
        return 0;
    }
    if (made->begun) {
        send_next(made);
    }
    return made->out.bytes;
}

static void made_half_close(struct fb_client_call *call)
{
    struct fb_core_made *made = made_of(call);

    if (made->begun) {
        send_next(made);
    }
}

/* --- what comes --- */

static void receive_next(struct fb_core_made *made)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    if (!made->reading || made->receiving || made->in_ended || made->ended || made->has_held ||
        is_closing(made)) {
        return;
    }
    op.data.recv_message.recv_message = &made->incoming;
    made->receiving = true;
    start(made, &op, 1, &made->received);
}

/* Headers come before the first message, or as soon as they say anything. */
static bool tell_headers(struct fb_core_made *made)
{
    if (made->headers_told) {
        return true;
    }
    made->headers_told = true;
    return fb_client_call_headers(&made->call);
}

static void tell_message(struct fb_core_made *made, grpc_slice message)
{
    const struct fb_text bytes = fb_core_text(&message);

    if (tell_headers(made)) {
        fb_client_call_message(&made->call, (const uint8_t *)bytes.data, bytes.size);
    }
    grpc_slice_unref(message);
}

static void take_message(struct fb_core_made *made)
{
    struct fb_status status;
    grpc_slice message;

    status = fb_core_inbox_open(made->incoming, made->call.channel->config.message_limit_bytes,
                                &message);
    made->incoming = NULL;
    if (!fb_is_ok(status)) {
        made->in_ended = true;
        made->verdict = status;
        grpc_call_cancel_with_status(made->core, (grpc_status_code)status.code, status.why, NULL);
        return;
    }
    if (made->reading && made->has_headers) {
        tell_message(made, message);
    } else {
        made->held = message;
        made->has_held = true;
    }
}

static void tell_held(struct fb_core_made *made)
{
    if (made->has_held && made->reading && made->has_headers && !made->ended) {
        made->has_held = false;
        tell_message(made, made->held);
    }
}

static void on_received(struct fb_core_event *event, bool ok)
{
    struct fb_core_made *made = MADE_OF(event, received);

    (void)ok;
    made->receiving = false;
    if (made->incoming == NULL) {
        made->in_ended = true;
    } else if (!made->ended) {
        take_message(made);
    }
    receive_next(made);
    end_if_over(made);
    let_go(made);
}

static void on_headed(struct fb_core_event *event, bool ok)
{
    struct fb_core_made *made = MADE_OF(event, headed);

    made->has_headers = true;
    if (!made->ended && ok) {
        fb_core_metadata_take(&made->headers, &made->call.arena, &made->call.headers);
        if (made->call.headers.count != 0) {
            tell_headers(made);
        }
    }
    tell_held(made);
    receive_next(made);
    end_if_over(made);
    let_go(made);
}

static void on_resumed(struct fb_defer *defer)
{
    struct fb_core_made *made = MADE_OF(defer, resumed);

    made->holds++;
    tell_held(made);
    receive_next(made);
    end_if_over(made);
    let_go(made);
}

static void made_read(struct fb_client_call *call, bool on)
{
    struct fb_core_made *made = made_of(call);

    made->reading = on;
    if (on) {
        fb_loop_defer(call->channel->loop, &made->resumed, on_resumed);
    }
}

/* --- the beginning --- */

/* Headers, first message and close go in one piece, as they are given in one round. */
static void on_flush(struct fb_defer *defer)
{
    struct fb_core_made *made = MADE_OF(defer, flush);
    grpc_op op = {.op = GRPC_OP_RECV_INITIAL_METADATA};

    made->holds++;
    send_next(made);
    op.data.recv_initial_metadata.recv_initial_metadata = &made->headers;
    start(made, &op, 1, &made->headed);
    op = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &made->trailers;
    op.data.recv_status_on_client.status = &made->code;
    op.data.recv_status_on_client.status_details = &made->why;
    start(made, &op, 1, &made->closed);
    receive_next(made);
    let_go(made);
}

static void made_cancel(struct fb_client_call *call)
{
    struct fb_core_made *made = made_of(call);

    fb_defer_cancel(&made->flush);
    fb_defer_cancel(&made->resumed);
    grpc_call_cancel(made->core, NULL);
    if (!made->ended) {
        leave_list(made);
        let_go(made);
    }
}

static const struct fb_client_call_ops made_ops = {
    .message_begin = made_message_begin,
    .message_end = made_message_end,
    .half_close = made_half_close,
    .read = made_read,
    .cancel = made_cancel,
};

static void add_trace(struct fb_core_fields *fields, const struct fb_trace_context *trace)
{
    char parent[FB_TRACE_PARENT_BYTES + 1];

    fb_trace_format(trace, parent);
    fb_core_fields_add(fields, FB_TEXT("traceparent"), fb_text_of(parent));
    if (trace->state.size != 0) {
        fb_core_fields_add(fields, FB_TEXT("tracestate"), trace->state);
    }
    if (trace->baggage.size != 0) {
        fb_core_fields_add(fields, FB_TEXT("baggage"), trace->baggage);
    }
}

static bool fill_fields(struct fb_core_made *made, const struct fb_call_plan *plan)
{
    enum { OURS = 4 }; /* three for the trace, one for the token */
    const char *token = made->call.channel->config.token;
    const size_t count = plan->metadata == NULL ? 0 : plan->metadata->count;

    if (!fb_core_fields_begin(&made->fields, &made->call.arena, count + OURS)) {
        return false;
    }
    if (plan->metadata != NULL) {
        fb_core_fields_add_all(&made->fields, plan->metadata);
    }
    if (plan->trace != NULL) {
        add_trace(&made->fields, plan->trace);
    }
    if (token != NULL) {
        const char *bearer = fb_arena_printf(&made->call.arena, "Bearer %s", token);

        if (bearer == NULL) {
            return false;
        }
        fb_core_fields_add(&made->fields, FB_TEXT("authorization"), fb_text_of(bearer));
    }
    return true;
}

static void enter(struct fb_core_channel *channel, struct fb_core_made *made)
{
    fb_core_channel_hold(channel);
    made->channel = channel;
    made->next = channel->calls;
    made->link = &channel->calls;
    if (made->next != NULL) {
        made->next->link = &made->next;
    }
    channel->calls = made;
}

struct fb_client_call *fb_core_make(struct fb_channel *channel, const struct fb_call_plan *plan,
                                    const struct fb_client_call_events *events, void *arg)
{
    struct fb_core_channel *own = (struct fb_core_channel *)channel;
    struct fb_core_made *made = calloc(1, sizeof(*made));
    grpc_slice path;

    if (made == NULL) {
        return NULL;
    }
    fb_client_call_init(&made->call, channel, &made_ops, plan, events, arg);
    path = grpc_slice_from_copied_string(plan->path);
    made->core = grpc_channel_create_call(own->core, NULL, GRPC_PROPAGATE_DEFAULTS,
                                          fb_core_queue_cq(own->queue), path, NULL,
                                          fb_core_timespec(made->call.deadline_ms), NULL);
    grpc_slice_unref(path);
    made->wait_for_ready = plan->wait_for_ready;
    made->verdict = fb_ok;
    made->reading = true;
    made->holds = 1;
    made->sent.fn = on_sent;
    made->headed.fn = on_headed;
    made->received.fn = on_received;
    made->closed.fn = on_closed;
    made->why = grpc_empty_slice();
    grpc_metadata_array_init(&made->headers);
    grpc_metadata_array_init(&made->trailers);
    enter(own, made);
    if (!fill_fields(made, plan)) {
        fb_client_call_cancel(&made->call);
        return NULL;
    }
    fb_loop_defer(channel->loop, &made->flush, on_flush);
    return &made->call;
}

void fb_core_end_calls(struct fb_core_channel *channel, struct fb_status status)
{
    struct fb_core_made *made = channel->calls;

    while (made != NULL) {
        struct fb_core_made *next;

        made->holds++;
        fb_defer_cancel(&made->flush);
        fb_defer_cancel(&made->resumed);
        grpc_call_cancel(made->core, NULL);
        end(made, status, false);
        next = channel->calls; /* whoever was told may have ended others */
        assert(next != made);
        let_go(made);
        made = next;
    }
}
