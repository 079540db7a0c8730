#include "clients/c/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/core/core.h"
#include "runtime/rpc/message.h"

enum { TIMEOUT_MS = 30 * 1000 };

struct fb_client {
    struct fb_channel *channel;
    struct fb_loop *loop;
    bool owns_loop;
    int64_t timeout_ms; /* below 0: none */
};

static const struct fb_client_options no_options;

struct fb_status fb_client_open(const struct fb_client_config *config, struct fb_client **client)
{
    const struct fb_channel_config channel_config = {
        .target = config->target,
        .tls = config->tls,
        .token = config->token,
        .connect_timeout_ms = config->connect_timeout_ms,
    };
    const struct fb_transport *transport = config->transport == NULL ? &fb_core : config->transport;
    struct fb_client *opened = calloc(1, sizeof(*opened));
    struct fb_status status;

    *client = NULL;
    if (opened == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a client");
    }
    opened->owns_loop = config->loop == NULL;
    opened->loop = opened->owns_loop ? fb_loop_create() : config->loop;
    opened->timeout_ms = config->timeout_ms == 0 ? TIMEOUT_MS : config->timeout_ms;
    if (opened->loop == NULL) {
        fb_client_close(opened);
        return fb_fail(FB_UNAVAILABLE, "out of descriptors or memory");
    }
    status = fb_channel_create(opened->loop, transport, &channel_config, &opened->channel);
    if (!fb_is_ok(status)) {
        opened->channel = NULL;
        fb_client_close(opened);
        return status;
    }
    *client = opened;
    return fb_ok;
}

void fb_client_close(struct fb_client *client)
{
    if (client == NULL) {
        return;
    }
    fb_channel_destroy(client->channel);
    if (client->owns_loop) {
        fb_loop_destroy(client->loop);
    }
    free(client);
}

struct fb_channel *fb_client_channel(struct fb_client *client)
{
    return client->channel;
}

struct fb_loop *fb_client_loop(struct fb_client *client)
{
    return client->loop;
}

/* --- a call and its events --- */

struct fb_pending {
    struct fb_client_call *call;
    const struct fb_client_method *method;
    const struct fb_client_events *events;
    void *arg;
    uint32_t replies;
    struct fb_status verdict; /* what was wrong with a reply */
};

static void got_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct fb_pending *pending = arg;
    struct fb_arena arena;
    ProtobufCMessage *reply = NULL;

    (void)call;
    if (!fb_is_ok(pending->verdict)) {
        return;
    }
    pending->replies++;
    if (pending->replies > 1 && !pending->method->streams) {
        pending->verdict = fb_fail(FB_INTERNAL, "two messages answered a call that takes one");
        return;
    }
    fb_arena_init(&arena, 0);
    if (!fb_is_ok(fb_message_unpack(pending->method->reply, data, size, 0, &arena, &reply))) {
        pending->verdict = fb_fail(FB_INTERNAL, "the answer is no message of its type");
    } else if (pending->events->on_reply != NULL) {
        pending->events->on_reply(pending->arg, reply, &arena); /* may cancel: it is gone then */
    }
    fb_arena_finish(&arena);
}

static void got_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    const struct fb_pending pending = *(struct fb_pending *)arg;
    struct fb_call_end verdict = *end;

    (void)call;
    free(arg);
    if (fb_is_ok(end->status) && !fb_is_ok(pending.verdict)) {
        verdict.status = pending.verdict;
    } else if (fb_is_ok(end->status) && pending.replies == 0 && !pending.method->streams) {
        verdict.status = fb_fail(FB_INTERNAL, "the answer had no message");
    }
    pending.events->on_end(pending.arg, &verdict);
}

static void got_room(struct fb_client_call *call, void *arg)
{
    struct fb_pending *pending = arg;

    (void)call;
    if (pending->events->on_drain != NULL) {
        pending->events->on_drain(pending->arg);
    }
}

static const struct fb_client_call_events call_events = {
    .on_message = got_message,
    .on_drain = got_room,
    .on_end = got_end,
};

static int64_t deadline_of(const struct fb_client *client, const struct fb_client_options *options)
{
    if (options->deadline_ms != 0) {
        return options->deadline_ms;
    }
    return client->timeout_ms < 0 ? INT64_MAX : fb_clock_ms() + client->timeout_ms;
}

struct fb_pending *fb_client_start(struct fb_client *client, const struct fb_client_method *method,
                                   const ProtobufCMessage *request,
                                   const struct fb_client_options *options,
                                   const struct fb_client_events *events, void *arg)
{
    const struct fb_client_options *how = options == NULL ? &no_options : options;
    const struct fb_call_plan plan = {
        .path = method->path,
        .deadline_ms = deadline_of(client, how),
        .metadata = how->metadata,
        .trace = how->trace,
        .wait_for_ready = how->wait_for_ready,
    };
    struct fb_pending *pending = malloc(sizeof(*pending));

    assert(request == NULL ? method->uploads : request->descriptor == method->request);
    if (pending == NULL) {
        return NULL;
    }
    *pending = (struct fb_pending){
        .method = method,
        .events = events,
        .arg = arg,
        .verdict = fb_ok,
    };
    pending->call = fb_channel_call(client->channel, &plan, &call_events, pending);
    if (pending->call == NULL) {
        free(pending);
        return NULL;
    }
    if (request != NULL) {
        fb_client_call_send(pending->call, request);
    }
    if (!method->uploads) {
        fb_client_call_half_close(pending->call);
    }
    return pending;
}

bool fb_pending_send(struct fb_pending *pending, const ProtobufCMessage *request)
{
    assert(pending->method->uploads && request->descriptor == pending->method->request);
    return fb_client_call_send(pending->call, request);
}

void fb_pending_half_close(struct fb_pending *pending)
{
    assert(pending->method->uploads);
    fb_client_call_half_close(pending->call);
}

void fb_pending_cancel(struct fb_pending *pending)
{
    fb_client_call_cancel(pending->call);
    free(pending);
}

void fb_pending_pause(struct fb_pending *pending)
{
    fb_client_call_pause(pending->call);
}

void fb_pending_resume(struct fb_pending *pending)
{
    fb_client_call_resume(pending->call);
}

/* --- answers --- */

void fb_answer_finish(struct fb_answer *answer)
{
    fb_arena_finish(&answer->arena);
    *answer = (struct fb_answer){.arena = answer->arena, .status = fb_ok};
}

/* Copies what is borrowed; a trailer that finds no room is left out. */
static void keep_end(struct fb_answer *answer, const struct fb_call_end *end)
{
    const char *why = fb_arena_copy(&answer->arena, end->status.why, strlen(end->status.why));

    answer->status.code = end->status.code;
    answer->status.why = why == NULL ? "" : why;
    answer->not_run = end->not_run;
    for (size_t i = 0; i < end->trailers->count; i++) {
        const struct fb_metadata_item *item = &end->trailers->items[i];

        (void)fb_metadata_add(&answer->trailers, &answer->arena, item->key, item->value);
    }
}

const char *fb_answer_reason(struct fb_answer *answer)
{
    struct fb_text value;
    const char *reason = NULL;

    if (fb_metadata_find(&answer->trailers, "flowbalancer-reason", &value)) {
        reason = fb_arena_copy(&answer->arena, value.data, value.size);
    }
    return reason == NULL ? "" : reason;
}

int64_t fb_answer_retry_ms(const struct fb_answer *answer)
{
    struct fb_text value;
    uint64_t number;

    if (fb_metadata_find(&answer->trailers, "flowbalancer-retry-ms", &value) &&
        fb_text_to_u64(value, &number) && number <= INT64_MAX) {
        return (int64_t)number;
    }
    return -1;
}

/* --- streams --- */

/* A reply that came, in memory of its own. */
struct parked {
    struct parked *next;
    struct fb_arena memory;
    const ProtobufCMessage *reply;
};

struct fb_stream {
    struct fb_client *client;
    struct fb_pending *pending; /* NULL: ended */
    struct parked *present;     /* the reply that is being read */
    struct parked *first;       /* those that come after it */
    struct parked **last;
    struct fb_answer answer; /* filled when the call ends */
    struct fb_answer unread; /* OK: what fb_stream_answer shows before */
    bool over;               /* fb_stream_next has returned NULL */
    bool paused;
    bool lost; /* a reply found no memory */
};

static void parked_free(struct parked *parked)
{
    if (parked != NULL) {
        fb_arena_finish(&parked->memory);
        free(parked);
    }
}

static void stream_reply(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct fb_stream *stream = arg;
    struct parked *parked = malloc(sizeof(*parked));

    if (parked == NULL) {
        stream->lost = true;
        return;
    }
    *parked = (struct parked){.memory = *memory, .reply = reply};
    fb_arena_init(memory, 0);
    *stream->last = parked;
    stream->last = &parked->next;
    if (!stream->paused) {
        stream->paused = true;
        fb_pending_pause(stream->pending);
    }
}

static void stream_end(void *arg, const struct fb_call_end *end)
{
    struct fb_stream *stream = arg;

    stream->pending = NULL;
    keep_end(&stream->answer, end);
    if (stream->lost && fb_is_ok(stream->answer.status)) {
        stream->answer.status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a reply");
    }
}

static const struct fb_client_events stream_events = {
    .on_reply = stream_reply,
    .on_end = stream_end,
};

struct fb_stream *fb_stream_open(struct fb_client *client, const struct fb_client_method *method,
                                 const ProtobufCMessage *request,
                                 const struct fb_client_options *options)
{
    struct fb_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL) {
        return NULL;
    }
    stream->client = client;
    stream->last = &stream->first;
    fb_answer_finish(&stream->answer);
    fb_answer_finish(&stream->unread);
    if (!client->owns_loop) {
        stream->answer.status = fb_fail(FB_FAILED_PRECONDITION,
                                        "the client is on a loop of its caller and cannot block");
        return stream;
    }
    stream->pending = fb_client_start(client, method, request, options, &stream_events, stream);
    if (stream->pending == NULL) {
        stream->answer.status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the call");
    }
    return stream;
}

const ProtobufCMessage *fb_stream_next(struct fb_stream *stream)
{
    parked_free(stream->present);
    stream->present = NULL;
    while (stream->first == NULL && stream->pending != NULL) {
        if (stream->paused) {
            stream->paused = false;
            fb_pending_resume(stream->pending);
        }
        fb_loop_turn(stream->client->loop, -1);
    }
    stream->present = stream->first;
    if (stream->present == NULL) {
        stream->over = true;
        return NULL;
    }
    stream->first = stream->present->next;
    if (stream->first == NULL) {
        stream->last = &stream->first;
    }
    return stream->present->reply;
}

struct fb_answer *fb_stream_answer(struct fb_stream *stream)
{
    return stream->over ? &stream->answer : &stream->unread;
}

void fb_stream_close(struct fb_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->pending != NULL) {
        fb_pending_cancel(stream->pending);
    }
    parked_free(stream->present);
    while (stream->first != NULL) {
        struct parked *next = stream->first->next;

        parked_free(stream->first);
        stream->first = next;
    }
    fb_answer_finish(&stream->answer);
    fb_answer_finish(&stream->unread);
    free(stream);
}

/* --- one message there, one back --- */

struct asking {
    struct fb_answer *answer;
    const ProtobufCMessage *reply;
    bool ended;
};

static void ask_reply(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct asking *asking = arg;

    asking->reply = reply;
    asking->answer->arena = *memory;
    fb_arena_init(memory, 0);
}

static void ask_end(void *arg, const struct fb_call_end *end)
{
    struct asking *asking = arg;

    keep_end(asking->answer, end);
    asking->ended = true;
}

static const struct fb_client_events ask_events = {
    .on_reply = ask_reply,
    .on_end = ask_end,
};

const ProtobufCMessage *fb_client_ask(struct fb_client *client,
                                      const struct fb_client_method *method,
                                      const ProtobufCMessage *request,
                                      const struct fb_client_options *options,
                                      struct fb_answer *answer)
{
    struct asking asking = {.answer = answer};

    assert(!method->streams && !method->uploads);
    fb_answer_finish(answer);
    if (!client->owns_loop) {
        answer->status = fb_fail(FB_FAILED_PRECONDITION,
                                 "the client is on a loop of its caller and cannot block");
        return NULL;
    }
    if (fb_client_start(client, method, request, options, &ask_events, &asking) == NULL) {
        answer->status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the call");
        return NULL;
    }
    while (!asking.ended) {
        fb_loop_turn(client->loop, -1);
    }
    return fb_is_ok(answer->status) ? asking.reply : NULL;
}

/* --- many messages there, one back --- */

struct fb_upload {
    struct fb_client *client;
    struct fb_pending *pending; /* NULL: ended */
    struct fb_answer answer;
    const ProtobufCMessage *reply;
    bool full;
};

static void upload_reply(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct fb_upload *upload = arg;

    upload->reply = reply;
    upload->answer.arena = *memory;
    fb_arena_init(memory, 0);
}

static void upload_drain(void *arg)
{
    ((struct fb_upload *)arg)->full = false;
}

static void upload_end(void *arg, const struct fb_call_end *end)
{
    struct fb_upload *upload = arg;

    upload->pending = NULL;
    keep_end(&upload->answer, end);
}

static const struct fb_client_events upload_events = {
    .on_reply = upload_reply,
    .on_drain = upload_drain,
    .on_end = upload_end,
};

struct fb_upload *fb_upload_open(struct fb_client *client, const struct fb_client_method *method,
                                 const struct fb_client_options *options)
{
    struct fb_upload *upload = calloc(1, sizeof(*upload));

    if (upload == NULL) {
        return NULL;
    }
    upload->client = client;
    fb_answer_finish(&upload->answer);
    if (!client->owns_loop) {
        upload->answer.status = fb_fail(FB_FAILED_PRECONDITION,
                                        "the client is on a loop of its caller and cannot block");
        return upload;
    }
    upload->pending = fb_client_start(client, method, NULL, options, &upload_events, upload);
    if (upload->pending == NULL) {
        upload->answer.status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the call");
    }
    return upload;
}

bool fb_upload_send(struct fb_upload *upload, const ProtobufCMessage *request)
{
    while (upload->full && upload->pending != NULL) {
        fb_loop_turn(upload->client->loop, -1);
    }
    if (upload->pending == NULL) {
        return false;
    }
    upload->full = !fb_pending_send(upload->pending, request);
    return true;
}

const ProtobufCMessage *fb_upload_finish(struct fb_upload *upload, struct fb_answer *answer)
{
    const ProtobufCMessage *reply;

    if (upload->pending != NULL) {
        fb_pending_half_close(upload->pending);
    }
    while (upload->pending != NULL) {
        fb_loop_turn(upload->client->loop, -1);
    }
    fb_answer_finish(answer);
    *answer = upload->answer;
    reply = fb_is_ok(answer->status) ? upload->reply : NULL;
    free(upload);
    return reply;
}

void fb_upload_close(struct fb_upload *upload)
{
    if (upload == NULL) {
        return;
    }
    if (upload->pending != NULL) {
        fb_pending_cancel(upload->pending);
    }
    fb_answer_finish(&upload->answer);
    free(upload);
}
