#include "services/session_store/serving.h"

static void stream_leave(struct stream *stream)
{
    if (stream->hub != NULL) {
        hub_leave(stream->hub, &stream->seat);
    }
}

void stream_finish(struct stream *stream, struct fb_status status)
{
    stream_leave(stream);
    stream->asked.op.status = status;
    asked_fail(&stream->asked);
}

void stream_go(struct stream *stream)
{
    if (!stream->busy && !stream->behind) {
        stream->step(stream);
    }
}

/* Nobody waits any more. With an operation under way its coming back is waited for. */
static void stream_cancelled(struct fb_call *call, void *arg)
{
    struct stream *stream = arg;

    (void)call;
    if (stream->busy) {
        asked_cancelled(&stream->asked);
    } else {
        stream_finish(stream, fb_fail(FB_CANCELLED, "the caller went away"));
    }
}

static void stream_drained(struct fb_call *call, void *arg)
{
    struct stream *stream = arg;

    (void)call;
    stream->behind = false;
    stream_go(stream);
}

static void stream_answer(struct asked *asked)
{
    struct stream *stream = (struct stream *)asked;

    stream->busy = false;
    if (fb_call_cancelled(asked->call)) {
        stream_finish(stream, fb_fail(FB_CANCELLED, "the caller went away"));
        return;
    }
    if (!fb_is_ok(asked->op.status)) {
        stream_leave(stream);
        asked_fail(asked);
        return;
    }
    stream->took(stream);
}

static const struct fb_call_events stream_events = {
    .on_cancel = stream_cancelled,
    .on_drain = stream_drained,
};

void *stream_create(struct fb_call *call, size_t size, void (*took)(struct stream *stream),
                    void (*step)(struct stream *stream))
{
    struct stream *stream = asked_create(call, size, stream_answer);

    if (stream == NULL) {
        return NULL;
    }
    stream->took = took;
    stream->step = step;
    stream->asked.op.reason = "";
    fb_call_watch(call, &stream_events, stream);
    return stream;
}

void stream_ask(struct stream *stream, enum engine_op_kind kind)
{
    asked_clear(&stream->asked);
    stream->busy = true;
    asked_submit(&stream->asked, kind, 256);
}

bool stream_send(struct stream *stream, const ProtobufCMessage *message)
{
    stream->behind = !fb_call_send(stream->asked.call, message);
    return !stream->behind;
}
