#include "runtime/rpc/call.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "runtime/rpc/message.h"
#include "runtime/rpc/served.h"
#include "runtime/rpc/transport.h"

struct fb_arena *fb_call_arena(struct fb_call *call)
{
    return &call->arena;
}

struct fb_loop *fb_call_loop(const struct fb_call *call)
{
    return fb_server_loop(call->listener->server);
}

void *fb_call_self(const struct fb_call *call)
{
    return call->route->self;
}

const char *fb_call_path(const struct fb_call *call)
{
    return call->route == NULL ? call->path : call->route->path;
}

const struct fb_method *fb_call_method(const struct fb_call *call)
{
    return call->route->method;
}

struct fb_text fb_call_request_bytes(const struct fb_call *call)
{
    return call->request;
}

const struct fb_metadata *fb_call_metadata(const struct fb_call *call)
{
    return &call->metadata;
}

int64_t fb_call_deadline_ms(const struct fb_call *call)
{
    return call->deadline_ms;
}

const struct fb_trace_context *fb_call_trace(const struct fb_call *call)
{
    return &call->trace;
}

const struct fb_peer *fb_call_peer(const struct fb_call *call)
{
    return call->peer;
}

const char *fb_call_tenant(const struct fb_call *call)
{
    return call->tenant;
}

bool fb_call_cancelled(const struct fb_call *call)
{
    return call->cancelled;
}

/* --- cancelling --- */

static void tell_cancel(struct fb_call *call)
{
    if (call->told || call->finished || call->events == NULL) {
        return;
    }
    call->told = true;
    if (call->events->on_cancel != NULL) {
        call->events->on_cancel(call, call->events_arg);
    }
}

static void tell_cancel_late(struct fb_defer *defer)
{
    struct fb_call *call =
        (struct fb_call *)((char *)defer - offsetof(struct fb_call, late_cancel));

    tell_cancel(call);
}

/* For cancels found while the handler is on the stack: it must not be called from inside its own send. */
static void cancel_late(struct fb_call *call, struct fb_status verdict)
{
    call->cancelled = true;
    call->verdict = verdict;
    fb_loop_defer(fb_call_loop(call), &call->late_cancel, tell_cancel_late);
}

static void cancel_now(struct fb_call *call)
{
    call->cancelled = true;
    fb_timer_clear(&call->deadline);
    if (call->finished) {
        return;
    }
    if (!call->handed_over) {
        fb_call_finish(call, fb_fail(FB_CANCELLED, "the caller went away"));
        return;
    }
    tell_cancel(call);
}

static void deadline_passed(struct fb_timer *timer)
{
    struct fb_call *call = (struct fb_call *)((char *)timer - offsetof(struct fb_call, deadline));

    call->verdict = fb_fail(FB_DEADLINE_EXCEEDED, "the deadline of the call has passed");
    cancel_now(call);
}

void fb_call_abort(struct fb_call *call, struct fb_status verdict)
{
    call->verdict = verdict;
    cancel_now(call);
}

void fb_call_watch(struct fb_call *call, const struct fb_call_events *events, void *arg)
{
    call->events = events;
    call->events_arg = arg;
    if (call->cancelled && !call->told) {
        fb_loop_defer(fb_call_loop(call), &call->late_cancel, tell_cancel_late);
    }
}

void fb_call_pause(struct fb_call *call)
{
    call->ops->read(call, false);
}

void fb_call_resume(struct fb_call *call)
{
    call->ops->read(call, true);
}

/* --- answering --- */

struct fb_status fb_call_add_header(struct fb_call *call, const char *key, struct fb_text value)
{
    return fb_metadata_add(&call->headers, &call->arena, fb_text_of(key), value);
}

struct fb_status fb_call_add_trailer(struct fb_call *call, const char *key, struct fb_text value)
{
    return fb_metadata_add(&call->trailers, &call->arena, fb_text_of(key), value);
}

static bool queue_message(struct fb_call *call)
{
    const struct fb_server_config *limits = fb_server_limits(call->listener->server);
    const size_t waiting = call->ops->message_end(call);

    if (waiting > limits->send_limit_bytes) {
        cancel_late(call,
                    fb_fail(FB_RESOURCE_EXHAUSTED,
                            "the caller reads too slowly: its answers exceed the send limit"));
        return true;
    }
    call->behind = waiting > limits->send_high_bytes;
    return !call->behind;
}

static uint8_t *begin_message(struct fb_call *call, size_t size)
{
    uint8_t *room;

    assert(!call->finished);
    if (call->cancelled) {
        return NULL;
    }
    room = size > UINT32_MAX ? NULL : call->ops->message_begin(call, size);
    if (room == NULL) {
        cancel_late(call, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the answer"));
    }
    return room;
}

bool fb_call_send(struct fb_call *call, const ProtobufCMessage *message)
{
    uint8_t *room = begin_message(call, protobuf_c_message_get_packed_size(message));

    if (room == NULL) {
        return true;
    }
    protobuf_c_message_pack(message, room);
    return queue_message(call);
}

bool fb_call_send_bytes(struct fb_call *call, const uint8_t *data, size_t size)
{
    uint8_t *room = begin_message(call, size);

    if (room == NULL) {
        return true;
    }
    if (size != 0) {
        memcpy(room, data, size);
    }
    return queue_message(call);
}

void fb_call_finish(struct fb_call *call, struct fb_status status)
{
    assert(!call->finished);
    call->finished = true;
    fb_timer_clear(&call->deadline);
    fb_defer_cancel(&call->late_cancel);
    if (!fb_is_ok(call->verdict)) {
        status = call->verdict;
    }
    fb_server_count_end(call->listener->server, status.code);
    call->ops->finish(call, status);
}

void fb_call_reply(struct fb_call *call, const ProtobufCMessage *message)
{
    fb_call_send(call, message);
    fb_call_finish(call, fb_ok);
}

/* --- what transports tell --- */

static struct fb_status admit(struct fb_call *call)
{
    const struct fb_tokens *tokens = call->listener->tokens;
    struct fb_text authorization;

    if (tokens != NULL) {
        if (!fb_metadata_find(&call->metadata, "authorization", &authorization)) {
            return fb_fail(FB_UNAUTHENTICATED,
                           "no token: send the metadata \"authorization: Bearer <token>\"");
        }
        call->tenant = fb_tokens_tenant(tokens, authorization);
        if (call->tenant == NULL) {
            call->tenant = "";
            return fb_fail(FB_UNAUTHENTICATED, "the token is not known here");
        }
    }
    if (call->route == NULL) {
        return fb_arena_fail(&call->arena, FB_UNIMPLEMENTED, "no method %s here", call->path);
    }
    if (fb_server_is_draining(call->listener->server)) {
        /* The word of the suite's contracts for "send it elsewhere"; to others it means nothing. */
        fb_call_add_trailer(call, "flowbalancer-reason", FB_TEXT("not-run"));
        return fb_fail(FB_UNAVAILABLE, "the server is shutting down");
    }
    return fb_ok;
}

static bool has_one_request(const struct fb_call *call)
{
    return call->route->method->kind == FB_UNARY || call->route->method->kind == FB_SERVER_STREAM;
}

static void hand_over(struct fb_call *call, const ProtobufCMessage *request)
{
    call->handed_over = true;
    call->route->method->handle(call, request);
}

void fb_call_begin(struct fb_call *call, struct fb_status refusal)
{
    struct fb_text parent = {0};
    struct fb_text state = {0};
    struct fb_text baggage = {0};
    struct fb_status status = refusal;

    call->tenant = "";
    call->verdict = fb_ok;
    fb_metadata_find(&call->metadata, "traceparent", &parent);
    fb_metadata_find(&call->metadata, "tracestate", &state);
    fb_metadata_find(&call->metadata, "baggage", &baggage);
    call->trace = fb_trace_join(parent, state, baggage, false);
    fb_server_count_begin(call->listener->server, call);
    if (fb_is_ok(status)) {
        status = admit(call);
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    if (call->deadline_ms != INT64_MAX) {
        fb_timer_set(fb_call_loop(call), &call->deadline, call->deadline_ms, deadline_passed);
    }
    if (!has_one_request(call)) {
        hand_over(call, NULL);
    }
}

static void first_request(struct fb_call *call, const uint8_t *data, size_t size)
{
    ProtobufCMessage *request = NULL;
    struct fb_status status = fb_ok;

    call->request = (struct fb_text){.data = (const char *)data, .size = size};
    if (!call->route->method->raw) {
        status = fb_message_unpack(call->route->input, data, size, 0, &call->arena, &request);
    }
    if (!fb_is_ok(status)) {
        fb_call_finish(call, status);
        return;
    }
    hand_over(call, request);
}

void fb_call_message(struct fb_call *call, const uint8_t *data, size_t size)
{
    if (call->finished || call->cancelled) {
        return;
    }
    call->messages_in++;
    if (!has_one_request(call)) {
        if (call->events != NULL && call->events->on_message != NULL) {
            call->events->on_message(call, call->events_arg, data, size);
        }
        return;
    }
    if (call->messages_in == 1) {
        first_request(call, data, size);
        return;
    }
    fb_call_abort(call, fb_fail(FB_UNIMPLEMENTED, "the method takes one message, more came"));
}

void fb_call_half_close(struct fb_call *call)
{
    if (call->finished || call->cancelled) {
        return;
    }
    if (has_one_request(call)) {
        if (call->messages_in == 0) {
            fb_call_finish(call,
                           fb_fail(FB_UNIMPLEMENTED, "the method takes one message, none came"));
        }
        return;
    }
    if (call->events != NULL && call->events->on_half_close != NULL) {
        call->events->on_half_close(call, call->events_arg);
    }
}

void fb_call_cancel(struct fb_call *call)
{
    cancel_now(call);
}

void fb_call_drained(struct fb_call *call)
{
    if (!call->behind || call->finished || call->cancelled) {
        return;
    }
    call->behind = false;
    if (call->events != NULL && call->events->on_drain != NULL) {
        call->events->on_drain(call, call->events_arg);
    }
}

void fb_call_done(struct fb_call *call)
{
    assert(call->finished);
    fb_server_forget_call(call->listener->server, call);
}
