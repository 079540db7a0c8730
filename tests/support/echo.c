#include "tests/support/echo.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/support/echo.pb-c.h"

enum { REPEAT_MOST = 1000000 };

/* A call under way, in its arena. */
struct turn {
    struct echo *echo;
    const Flowbalancer__Test__EchoRequest *request; /* NULL in streams of the client */
    Flowbalancer__Test__EchoResponse answer;
    uint32_t index;
    uint64_t bytes;
    bool hold;
};

static struct echo *echo_of(const struct fb_call *call)
{
    return fb_call_self(call);
}

static void finish(struct fb_call *call, struct turn *turn, enum fb_code code, const char *why)
{
    if (turn->echo->last == call) {
        turn->echo->last = NULL;
    }
    turn->echo->ended++;
    fb_call_finish(call, code == FB_OK ? fb_ok : fb_fail(code, why));
}

static void finish_as_asked(struct fb_call *call, struct turn *turn)
{
    const Flowbalancer__Test__EchoRequest *request = turn->request;

    if (request->code >= FB_CODE_COUNT) {
        finish(call, turn, FB_INVALID_ARGUMENT, "code: from 0 to 16");
        return;
    }
    finish(call, turn, (enum fb_code)request->code, request->message);
}

static void return_metadata(struct fb_call *call)
{
    const struct fb_metadata *came = fb_call_metadata(call);

    for (size_t i = 0; i < came->count; i++) {
        if (fb_text_begins(came->items[i].key, "echo-")) {
            fb_call_add_header(call, came->items[i].key.data, came->items[i].value);
            fb_call_add_trailer(call, came->items[i].key.data, came->items[i].value);
        }
    }
}

static struct turn *begin(struct fb_call *call, const ProtobufCMessage *request)
{
    struct turn *turn = fb_arena_zalloc(fb_call_arena(call), 1, sizeof(*turn));
    const struct fb_peer *peer = fb_call_peer(call);
    struct echo *echo = echo_of(call);

    assert(turn != NULL);
    turn->echo = echo;
    turn->request = (const Flowbalancer__Test__EchoRequest *)request;
    flowbalancer__test__echo_response__init(&turn->answer);
    turn->answer.tenant = (char *)(uintptr_t)fb_call_tenant(call);
    turn->answer.peer = (char *)(uintptr_t)peer->address;
    turn->answer.subject = (char *)(uintptr_t)peer->subject;
    if (fb_call_deadline_ms(call) != INT64_MAX) {
        turn->answer.deadline_left_ms = fb_call_deadline_ms(call) - fb_clock_ms();
    }
    echo->begun++;
    echo->last = call;
    echo->peer = *peer;
    memcpy(echo->trace_id, fb_call_trace(call)->trace_id, sizeof(echo->trace_id));
    return_metadata(call);
    return turn;
}

/* The payload asked for, in the call's arena. */
static ProtobufCBinaryData payload_of(struct fb_call *call,
                                      const Flowbalancer__Test__EchoRequest *request)
{
    uint8_t *bytes;

    if (request->answer_bytes == 0) {
        return request->payload;
    }
    bytes = fb_arena_alloc(fb_call_arena(call), request->answer_bytes);
    assert(bytes != NULL);
    memset(bytes, 'x', request->answer_bytes);
    return (ProtobufCBinaryData){.data = bytes, .len = request->answer_bytes};
}

static void on_cancel(struct fb_call *call, void *arg)
{
    struct turn *turn = arg;

    turn->echo->cancelled++;
    finish(call, turn, FB_CANCELLED, "");
}

/* --- Unary --- */

static const struct fb_call_events held_events = {.on_cancel = on_cancel};

static void unary(struct fb_call *call, const ProtobufCMessage *message)
{
    struct turn *turn = begin(call, message);

    if (turn->request->hold) {
        fb_call_watch(call, &held_events, turn);
        return;
    }
    if (turn->request->code != 0) {
        finish_as_asked(call, turn);
        return;
    }
    turn->answer.payload = payload_of(call, turn->request);
    fb_call_send(call, &turn->answer.base);
    finish(call, turn, FB_OK, "");
}

/* --- Expand --- */

static void send_more(struct fb_call *call, struct turn *turn)
{
    while (turn->index < turn->request->repeat) {
        turn->answer.index = turn->index++;
        turn->echo->sent++;
        if (!fb_call_send(call, &turn->answer.base) && !turn->request->flood) {
            turn->echo->waits++;
            return;
        }
        if (fb_call_cancelled(call)) {
            return;
        }
    }
    if (!turn->request->hold) {
        finish_as_asked(call, turn);
    }
}

static void expand_on_drain(struct fb_call *call, void *arg)
{
    struct turn *turn = arg;

    turn->echo->drains++;
    send_more(call, turn);
}

static const struct fb_call_events expand_events = {
    .on_cancel = on_cancel,
    .on_drain = expand_on_drain,
};

static void expand(struct fb_call *call, const ProtobufCMessage *message)
{
    struct turn *turn = begin(call, message);

    if (turn->request->repeat > REPEAT_MOST) {
        finish(call, turn, FB_INVALID_ARGUMENT, "repeat: at most 1,000,000");
        return;
    }
    turn->answer.payload = payload_of(call, turn->request);
    fb_call_watch(call, &expand_events, turn);
    send_more(call, turn);
}

/* --- Collect and Chat --- */

static Flowbalancer__Test__EchoRequest *take(struct fb_call *call, struct turn *turn,
                                             const uint8_t *data, size_t size)
{
    Flowbalancer__Test__EchoRequest *request =
        flowbalancer__test__echo_request__unpack(NULL, size, data);

    if (request == NULL) {
        finish(call, turn, FB_INVALID_ARGUMENT, "not an EchoRequest");
        return NULL;
    }
    turn->echo->received++;
    turn->bytes += request->payload.len;
    turn->hold = turn->hold || request->hold;
    return request;
}

static void collect_on_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct turn *turn = arg;
    Flowbalancer__Test__EchoRequest *request = take(call, turn, data, size);

    if (request == NULL) {
        return;
    }
    turn->index++;
    if (request->code != 0) {
        finish(call, turn, (enum fb_code)request->code, "as asked");
    }
    flowbalancer__test__echo_request__free_unpacked(request, NULL);
}

static void collect_on_half_close(struct fb_call *call, void *arg)
{
    struct turn *turn = arg;

    if (turn->hold) {
        return;
    }
    turn->answer.index = turn->index;
    turn->answer.bytes = turn->bytes;
    fb_call_send(call, &turn->answer.base);
    finish(call, turn, FB_OK, "");
}

static const struct fb_call_events collect_events = {
    .on_message = collect_on_message,
    .on_half_close = collect_on_half_close,
    .on_cancel = on_cancel,
};

static void collect(struct fb_call *call, const ProtobufCMessage *message)
{
    fb_call_watch(call, &collect_events, begin(call, message));
}

static void chat_on_message(struct fb_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct turn *turn = arg;
    Flowbalancer__Test__EchoRequest *request = take(call, turn, data, size);

    if (request == NULL) {
        return;
    }
    turn->answer.index = turn->index++;
    turn->answer.payload = request->payload;
    if (!fb_call_send(call, &turn->answer.base)) {
        fb_call_pause(call);
    }
    if (request->code != 0) {
        finish(call, turn, (enum fb_code)request->code, "as asked");
    }
    flowbalancer__test__echo_request__free_unpacked(request, NULL);
}

static void chat_on_half_close(struct fb_call *call, void *arg)
{
    struct turn *turn = arg;

    if (!turn->hold) {
        finish(call, turn, FB_OK, "");
    }
}

static void chat_on_drain(struct fb_call *call, void *arg)
{
    struct turn *turn = arg;

    turn->echo->drains++;
    fb_call_resume(call);
}

static const struct fb_call_events chat_events = {
    .on_message = chat_on_message,
    .on_half_close = chat_on_half_close,
    .on_cancel = on_cancel,
    .on_drain = chat_on_drain,
};

static void chat(struct fb_call *call, const ProtobufCMessage *message)
{
    fb_call_watch(call, &chat_events, begin(call, message));
}

static const struct fb_method methods[] = {
    {.name = "Chat", .kind = FB_BIDI_STREAM, .handle = chat},
    {.name = "Collect", .kind = FB_CLIENT_STREAM, .handle = collect},
    {.name = "Expand", .kind = FB_SERVER_STREAM, .handle = expand},
    {.name = "Unary", .kind = FB_UNARY, .handle = unary},
};

const struct fb_rpc_service echo_service = {
    .descriptor = &flowbalancer__test__echo_service__descriptor,
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
};
