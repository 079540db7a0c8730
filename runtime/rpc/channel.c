#include "runtime/rpc/channel.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/message.h"
#include "runtime/rpc/transport.h"

static uint32_t u32_or(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static int64_t i64_or(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value;
}

struct fb_channel_config fb_channel_limits(const struct fb_channel_config *config)
{
    struct fb_channel_config limits = *config;

    limits.message_limit_bytes = u32_or(config->message_limit_bytes, FB_MESSAGE_LIMIT_BYTES);
    limits.send_limit_bytes = u32_or(config->send_limit_bytes, 32u << 20);
    limits.send_high_bytes = u32_or(config->send_high_bytes, 256u << 10);
    limits.connect_timeout_ms = i64_or(config->connect_timeout_ms, 5000);
    limits.backoff_first_ms = i64_or(config->backoff_first_ms, 100);
    limits.backoff_most_ms = i64_or(config->backoff_most_ms, 10000);
    limits.keepalive_ms = i64_or(config->keepalive_ms, 30000);
    limits.keepalive_timeout_ms = i64_or(config->keepalive_timeout_ms, 10000);
    return limits;
}

struct fb_status fb_channel_create(struct fb_loop *loop, const struct fb_transport *transport,
                                   const struct fb_channel_config *config,
                                   struct fb_channel **channel)
{
    struct fb_channel_config limits = fb_channel_limits(config);
    struct fb_status status = fb_address_check(config->target);

    if (!fb_is_ok(status)) {
        return status;
    }
    return transport->channel_create(loop, &limits, channel);
}

void fb_channel_destroy(struct fb_channel *channel)
{
    if (channel != NULL) {
        channel->ops->destroy(channel);
    }
}

enum fb_channel_state fb_channel_state(const struct fb_channel *channel)
{
    return channel->state;
}

void fb_channel_connect(struct fb_channel *channel)
{
    channel->ops->connect(channel);
}

void fb_channel_watch(struct fb_channel *channel, fb_channel_state_fn *fn, void *arg)
{
    channel->watcher = fn;
    channel->watcher_arg = arg;
}

void fb_channel_became(struct fb_channel *channel, enum fb_channel_state state)
{
    if (channel->state == state) {
        return;
    }
    channel->state = state;
    if (channel->watcher != NULL) {
        channel->watcher(channel, state, channel->watcher_arg);
    }
}

/* --- a call --- */

struct fb_client_call *fb_channel_call(struct fb_channel *channel, const struct fb_call_plan *plan,
                                       const struct fb_client_call_events *events, void *arg)
{
    return channel->ops->call(channel, plan, events, arg);
}

/* Ends the call from our side: the transport has not spoken and only has to let go. */
static void end_here(struct fb_client_call *call, struct fb_status status)
{
    fb_client_call_end(call, status, false);
    call->ops->cancel(call);
}

static void deadline_passed(struct fb_timer *timer)
{
    struct fb_client_call *call =
        (struct fb_client_call *)((char *)timer - offsetof(struct fb_client_call, deadline));

    end_here(call, fb_fail(FB_DEADLINE_EXCEEDED, "the deadline of the call has passed"));
}

static void end_late(struct fb_defer *defer)
{
    struct fb_client_call *call =
        (struct fb_client_call *)((char *)defer - offsetof(struct fb_client_call, late_end));

    end_here(call, call->verdict);
}

void fb_client_call_init(struct fb_client_call *call, struct fb_channel *channel,
                         const struct fb_client_call_ops *ops, const struct fb_call_plan *plan,
                         const struct fb_client_call_events *events, void *arg)
{
    const int64_t deadline_ms = plan->deadline_ms == 0 ? INT64_MAX : plan->deadline_ms;
    struct fb_arena arena = call->arena; /* a pooled call brings a warm one */

    *call = (struct fb_client_call){
        .ops = ops,
        .channel = channel,
        .arena = arena,
        .events = events,
        .events_arg = arg,
        .deadline_ms = deadline_ms,
        .verdict = fb_ok,
    };
    if (arena.limit_bytes == 0) {
        fb_arena_init(&call->arena, 0);
    }
    if (deadline_ms != INT64_MAX) {
        fb_timer_set(channel->loop, &call->deadline, deadline_ms, deadline_passed);
    }
}

static uint8_t *begin_message(struct fb_client_call *call, size_t size)
{
    uint8_t *room;

    assert(!call->ended && !call->closed);
    if (!fb_is_ok(call->verdict)) {
        return NULL;
    }
    room = size > UINT32_MAX ? NULL : call->ops->message_begin(call, size);
    if (room == NULL) {
        call->verdict = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the message");
        fb_loop_defer(call->channel->loop, &call->late_end, end_late);
    }
    return room;
}

static bool queue_message(struct fb_client_call *call)
{
    const size_t waiting = call->ops->message_end(call);

    if (waiting > call->channel->config.send_limit_bytes) {
        call->verdict = fb_fail(FB_RESOURCE_EXHAUSTED,
                                "the server reads too slowly: what waits exceeds the send limit");
        fb_loop_defer(call->channel->loop, &call->late_end, end_late);
        return true;
    }
    call->behind = waiting > call->channel->config.send_high_bytes;
    return !call->behind;
}

bool fb_client_call_send(struct fb_client_call *call, const ProtobufCMessage *message)
{
    uint8_t *room = begin_message(call, protobuf_c_message_get_packed_size(message));

    if (room == NULL) {
        return true;
    }
    protobuf_c_message_pack(message, room);
    return queue_message(call);
}

bool fb_client_call_send_bytes(struct fb_client_call *call, const uint8_t *data, size_t size)
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

void fb_client_call_half_close(struct fb_client_call *call)
{
    if (!call->closed) {
        call->closed = true;
        call->ops->half_close(call);
    }
}

void fb_client_call_pause(struct fb_client_call *call)
{
    call->ops->read(call, false);
}

void fb_client_call_resume(struct fb_client_call *call)
{
    call->ops->read(call, true);
}

void fb_client_call_cancel(struct fb_client_call *call)
{
    assert(!call->ended);
    call->ended = true;
    if (call->gone != NULL) {
        *call->gone = true;
    }
    fb_timer_clear(&call->deadline);
    fb_defer_cancel(&call->late_end);
    call->ops->cancel(call);
}

/* --- what transports tell --- */

bool fb_client_call_headers(struct fb_client_call *call)
{
    bool gone = false;

    if (call->events->on_headers != NULL) {
        call->gone = &gone;
        call->events->on_headers(call, call->events_arg, &call->headers);
        if (!gone) {
            call->gone = NULL;
        }
    }
    return !gone;
}

bool fb_client_call_message(struct fb_client_call *call, const uint8_t *data, size_t size)
{
    bool gone = false;

    if (call->events->on_message != NULL) {
        call->gone = &gone;
        call->events->on_message(call, call->events_arg, data, size);
        if (!gone) {
            call->gone = NULL;
        }
    }
    return !gone;
}

bool fb_client_call_drained(struct fb_client_call *call)
{
    bool gone = false;

    if (!call->behind) {
        return true;
    }
    call->behind = false;
    if (call->events->on_drain != NULL) {
        call->gone = &gone;
        call->events->on_drain(call, call->events_arg);
        if (!gone) {
            call->gone = NULL;
        }
    }
    return !gone;
}

void fb_client_call_end(struct fb_client_call *call, struct fb_status status, bool not_run)
{
    const struct fb_call_end end = {
        .status = status,
        .trailers = &call->trailers,
        .not_run = not_run,
    };

    assert(!call->ended);
    call->ended = true;
    fb_timer_clear(&call->deadline);
    fb_defer_cancel(&call->late_end);
    call->events->on_end(call, call->events_arg, &end);
}

/* --- one message there, one back --- */

struct unary {
    const ProtobufCMessageDescriptor *reply_type;
    fb_reply_fn *fn;
    void *arg;
    ProtobufCMessage *reply;
    struct fb_status verdict; /* what is wrong with the messages that came */
    bool seen;
};

static void unary_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct unary *unary = arg;

    if (unary->seen) {
        unary->verdict = fb_fail(FB_INTERNAL, "two messages answered a call that takes one");
        return;
    }
    unary->seen = true;
    unary->verdict =
        fb_message_unpack(unary->reply_type, data, size, 0, &call->arena, &unary->reply);
}

static void unary_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct unary *unary = arg;
    struct fb_call_end verdict = *end;

    (void)call;
    if (fb_is_ok(verdict.status) && !unary->seen) {
        verdict.status = fb_fail(FB_INTERNAL, "the answer had no message");
    }
    if (fb_is_ok(verdict.status) && !fb_is_ok(unary->verdict)) {
        verdict.status = fb_fail(FB_INTERNAL, unary->verdict.why);
    }
    unary->fn(unary->arg, &verdict, fb_is_ok(verdict.status) ? unary->reply : NULL);
}

static const struct fb_client_call_events unary_events = {
    .on_message = unary_message,
    .on_end = unary_end,
};

struct fb_client_call *fb_channel_unary(struct fb_channel *channel, const struct fb_call_plan *plan,
                                        const ProtobufCMessage *request,
                                        const ProtobufCMessageDescriptor *reply_type,
                                        fb_reply_fn *fn, void *arg)
{
    struct fb_client_call *call = fb_channel_call(channel, plan, &unary_events, NULL);
    struct unary *unary;

    if (call == NULL) {
        return NULL;
    }
    unary = fb_arena_zalloc(&call->arena, 1, sizeof(*unary));
    if (unary == NULL) {
        fb_client_call_cancel(call);
        return NULL;
    }
    *unary = (struct unary){
        .reply_type = reply_type,
        .fn = fn,
        .arg = arg,
        .verdict = fb_ok,
    };
    call->events_arg = unary; /* no event comes before fb_channel_call has returned */
    fb_client_call_send(call, request);
    fb_client_call_half_close(call);
    return call;
}
