#include "runtime/rpc/h2/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rpc/h2/connection.h"

enum {
    FIRST_OUT_BYTES = 512,
    KEEP_BYTES = 16 * 1024, /* of a buffer in a call that waits to be used again */
    SMALL_ARENA_BYTES = 2 * 1024,
    CALL_BYTES = 4 * 1024,          /* of such a call itself with its arena, about */
    CONSUME_STEP_BYTES = 32 * 1024, /* the peer's window is topped up in steps of this */
    TURN_BYTES = 128 * 1024,        /* smaller messages always fit into what is left of a window */
};

static void *call_of(struct fb_h2_stream *stream)
{
    return (char *)stream - stream->ops->offset;
}

/* --- life --- */

void *fb_h2_stream_take(struct fb_h2_shared *shared, const struct fb_h2_stream_ops *ops,
                        size_t call_bytes)
{
    struct fb_h2_stream *stream = shared->pools[ops->pool];
    char *call;

    if (stream != NULL) {
        shared->pools[ops->pool] = stream->next;
        shared->pooled_bytes[ops->pool] -= stream->pooled_bytes;
        stream->next = NULL;
        return call_of(stream);
    }
    call = calloc(1, call_bytes);
    if (call == NULL) {
        return NULL;
    }
    stream = (struct fb_h2_stream *)(call + ops->offset);
    stream->ops = ops;
    fb_arena_init(ops->arena(stream), 0);
    return call;
}

struct fb_h2_stream *fb_h2_stream_find(struct fb_h2_connection *connection, int32_t id)
{
    if (connection->recent != NULL && connection->recent->id == id) {
        return connection->recent;
    }
    connection->recent = nghttp2_session_get_stream_user_data(connection->session, id);
    return connection->recent;
}

void fb_h2_stream_open(struct fb_h2_stream *stream, struct fb_h2_connection *connection)
{
    stream->connection = connection;
    stream->next = connection->streams;
    stream->link = &connection->streams;
    if (stream->next != NULL) {
        stream->next->link = &stream->next;
    }
    connection->streams = stream;
    connection->stream_count++;
    stream->turn.paused = stream->in_paused;
    fb_h2_connection_hold(connection);
}

/* While its large message waits for its turn, no more of it is asked for. */
static void top_up(struct fb_h2_stream *stream)
{
    struct fb_h2_connection *connection = stream->connection;

    if (stream->in_unconsumed >= CONSUME_STEP_BYTES && stream->turn.state != FB_H2_TURN_WAITS &&
        stream->id != 0 && connection->phase != FB_H2_CLOSED) {
        nghttp2_session_consume_stream(connection->session, stream->id, stream->in_unconsumed);
        stream->in_unconsumed = 0;
        fb_h2_connection_wake(connection);
    }
}

static void pass_turns(struct fb_h2_connection *connection)
{
    struct fb_h2_turn *turn;

    while ((turn = fb_h2_turns_next(&connection->turns)) != NULL) {
        top_up((struct fb_h2_stream *)((char *)turn - offsetof(struct fb_h2_stream, turn)));
    }
}

static void end_turn(struct fb_h2_stream *stream)
{
    if (stream->turn.state != FB_H2_TURN_NONE) {
        fb_h2_turns_give_back(&stream->connection->turns, &stream->turn);
        pass_turns(stream->connection);
    }
}

/* What waits in the stream, counted in its connection, too. */
static void count_queued(struct fb_h2_stream *stream, size_t waiting)
{
    if (stream->connection != NULL) {
        stream->connection->queued_bytes += waiting - stream->out_counted;
        stream->out_counted = waiting;
    }
}

void fb_h2_stream_close(struct fb_h2_stream *stream)
{
    if (stream->link == NULL) {
        return;
    }
    *stream->link = stream->next;
    if (stream->next != NULL) {
        stream->next->link = stream->link;
    }
    stream->next = NULL;
    stream->link = NULL;
    stream->id = 0;
    end_turn(stream);
    stream->out_deferred = false;
    stream->connection->stream_count--;
    if (stream->connection->recent == stream) {
        stream->connection->recent = NULL;
    }
}

void fb_h2_stream_release(struct fb_h2_shared *shared, struct fb_h2_stream *stream)
{
    assert(!stream->dead && shared->inside > 0);
    fb_h2_stream_close(stream);
    fb_defer_cancel(&stream->resumed);
    if (stream->connection != NULL) {
        struct fb_h2_connection *connection = stream->connection;

        end_turn(stream);
        count_queued(stream, 0);
        stream->connection = NULL;
        fb_h2_connection_let_go(connection);
    }
    stream->dead = true;
    stream->next = shared->dead;
    shared->dead = stream;
}

/* Keeps its first block, but not the larger ones of a rare large call. */
static void recycle_arena(struct fb_arena *arena)
{
    if (arena->used_bytes > SMALL_ARENA_BYTES) {
        fb_arena_finish(arena);
    } else {
        fb_arena_reset(arena);
    }
}

void fb_h2_stream_recycle(struct fb_h2_stream *stream)
{
    struct fb_h2_stream clean = {.ops = stream->ops};

    recycle_arena(stream->ops->arena(stream));
    if (stream->out_room <= KEEP_BYTES) {
        clean.out = stream->out;
        clean.out_room = stream->out_room;
    } else {
        free(stream->out);
    }
    fb_h2_framing_reset(&stream->framing);
    fb_buffer_clear(&stream->held, 0);
    fb_buffer_clear(&stream->inflated, 0);
    fb_buffer_clear(&stream->kept, 0);
    clean.framing = stream->framing;
    clean.held = stream->held;
    clean.inflated = stream->inflated;
    clean.kept = stream->kept;
    clean.pooled_bytes = CALL_BYTES + clean.out_room + clean.framing.partial.room;
    *stream = clean;
}

void fb_h2_stream_free(struct fb_h2_stream *stream)
{
    fb_arena_finish(stream->ops->arena(stream));
    fb_h2_framing_finish(&stream->framing);
    fb_buffer_finish(&stream->held);
    fb_buffer_finish(&stream->inflated);
    fb_buffer_finish(&stream->kept);
    free(stream->out);
    free(call_of(stream));
}

/* --- sending --- */

static bool make_room(struct fb_h2_stream *stream, size_t size)
{
    const size_t waiting = stream->out_end - stream->out_begin;
    size_t room = stream->out_room == 0 ? FIRST_OUT_BYTES : stream->out_room;
    uint8_t *out;

    if (stream->out_room - stream->out_end >= size) {
        return true;
    }
    if (stream->out_room - waiting >= size && stream->out_begin >= waiting) {
        memcpy(stream->out, stream->out + stream->out_begin, waiting);
        stream->out_begin = 0;
        stream->out_end = waiting;
        return true;
    }
    while (room - waiting < size) {
        if (room > SIZE_MAX / 2) {
            return false;
        }
        room *= 2;
    }
    out = malloc(room);
    if (out == NULL) {
        return false;
    }
    if (waiting > 0) {
        memcpy(out, stream->out + stream->out_begin, waiting);
    }
    free(stream->out);
    stream->out = out;
    stream->out_room = room;
    stream->out_begin = 0;
    stream->out_end = waiting;
    return true;
}

uint8_t *fb_h2_stream_begin(struct fb_h2_stream *stream, size_t size)
{
    uint8_t *at;

    if (!make_room(stream, size + FB_H2_PREFIX_BYTES)) {
        return NULL;
    }
    at = stream->out + stream->out_end;
    fb_h2_prefix_write(at, (uint32_t)size);
    stream->out_message = size + FB_H2_PREFIX_BYTES;
    return at + FB_H2_PREFIX_BYTES;
}

static void wake(struct fb_h2_stream *stream)
{
    if (stream->id == 0 || stream->connection->phase == FB_H2_CLOSED) {
        return;
    }
    if (stream->out_deferred) {
        stream->out_deferred = false;
        nghttp2_session_resume_data(stream->connection->session, stream->id);
    }
    fb_h2_connection_wake(stream->connection);
}

size_t fb_h2_stream_commit(struct fb_h2_stream *stream)
{
    size_t waiting;

    stream->out_end += stream->out_message;
    stream->out_message = 0;
    waiting = stream->out_end - stream->out_begin;
    count_queued(stream, waiting);
    if (waiting > stream->out_high) {
        stream->out_was_high = true;
    }
    wake(stream);
    return waiting;
}

void fb_h2_stream_finish(struct fb_h2_stream *stream)
{
    stream->out_ended = true;
    wake(stream);
}

bool fb_h2_stream_drop(struct fb_h2_stream *stream)
{
    if (stream->out_promised > 0) {
        return false;
    }
    stream->out_begin = 0;
    stream->out_end = 0;
    count_queued(stream, 0);
    return stream->out_left == 0;
}

bool fb_h2_stream_has_output(const struct fb_h2_stream *stream)
{
    return stream->out_end > stream->out_begin;
}

void fb_h2_stream_reset(struct fb_h2_stream *stream, uint32_t error)
{
    fb_h2_stream_deafen(stream);
    if (stream->id != 0 && stream->connection->phase != FB_H2_CLOSED) {
        nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                  error);
        fb_h2_connection_wake(stream->connection);
    }
}

/*
 * Says how much the next frame may take; the bytes are copied once, by send_data, to where they go
 * out.
 */
static ssize_t read_out(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length,
                        uint32_t *data_flags, nghttp2_data_source *source, void *connection)
{
    struct fb_h2_stream *stream = source->ptr;
    const size_t waiting = stream->out_end - stream->out_begin;

    (void)session;
    (void)stream_id;
    (void)buffer;
    (void)connection;
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting == 0 && !stream->out_ended) {
        stream->out_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (waiting <= length) {
        length = waiting;
        if (stream->out_ended) {
            *data_flags |= NGHTTP2_DATA_FLAG_EOF;
            stream->ops->last(stream, data_flags);
        }
    }
    stream->out_promised = length;
    return (ssize_t)length;
}

nghttp2_data_provider fb_h2_stream_provider(struct fb_h2_stream *stream)
{
    return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = read_out};
}

/*
 * Keeps count of how far into a message we are. The queue holds whole messages, so each prefix is
 * there.
 */
static void advance(struct fb_h2_stream *stream, size_t length)
{
    while (length > 0) {
        size_t count;

        if (stream->out_left == 0) {
            const uint8_t *prefix = stream->out + stream->out_begin;

            stream->out_left =
                FB_H2_PREFIX_BYTES + ((size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 |
                                      (size_t)prefix[3] << 8 | (size_t)prefix[4]);
        }
        count = length < stream->out_left ? length : stream->out_left;
        stream->out_left -= count;
        stream->out_begin += count;
        length -= count;
    }
}

int fb_h2_stream_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                           size_t length, nghttp2_data_source *source, void *user)
{
    enum { HEAD_BYTES = 9 };
    struct fb_h2_stream *stream = source->ptr;
    struct fb_h2_connection *connection = user;
    struct fb_h2_shared *shared = connection->shared;
    uint8_t *at = shared->write + shared->write_size;
    size_t waiting;

    (void)session;
    assert(frame->data.padlen == 0); /* we never ask for any */
    (void)frame;
    if (FB_H2_WRITE_BYTES - shared->write_size < HEAD_BYTES + length) {
        connection->stuffed = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    memcpy(at, head, HEAD_BYTES);
    if (length > 0) {
        memcpy(at + HEAD_BYTES, stream->out + stream->out_begin, length);
    }
    shared->write_size += HEAD_BYTES + length;
    stream->out_promised = 0;
    advance(stream, length);
    waiting = stream->out_end - stream->out_begin;
    count_queued(stream, waiting);
    if (waiting == 0) {
        stream->out_begin = 0;
        stream->out_end = 0;
    }
    if (stream->out_was_high && waiting <= stream->out_high / 2) {
        stream->out_was_high = false;
        stream->ops->drained(stream);
    }
    return connection->phase == FB_H2_CLOSED ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* --- receiving --- */

static void consume(struct fb_h2_stream *stream, size_t size)
{
    stream->in_unconsumed += (uint32_t)size;
    top_up(stream);
}

static void break_off(struct fb_h2_stream *stream, struct fb_status status)
{
    fb_h2_stream_deafen(stream);
    stream->ops->broken(stream, status);
}

static void tell_message(struct fb_h2_stream *stream, const struct fb_h2_message *message)
{
    struct fb_status status;

    if (!message->compressed) {
        stream->ops->message(stream, message->data, message->size, message->whole);
        return;
    }
    if (stream->encoding != FB_H2_GZIP) {
        break_off(stream, fb_fail(FB_INTERNAL, "a message is marked as compressed, but the call's "
                                               "grpc-encoding is identity"));
        return;
    }
    fb_buffer_clear(&stream->inflated, KEEP_BYTES);
    status = fb_h2_gunzip(message->data, message->size, stream->in_limit_bytes, &stream->inflated);
    if (!fb_is_ok(status)) {
        break_off(stream, status);
        return;
    }
    stream->ops->message(stream, (const uint8_t *)stream->inflated.data, stream->inflated.size,
                         false);
}

/* The message has begun: if it is large it comes when there is room for all of it. */
static void begin_turn(struct fb_h2_stream *stream)
{
    const uint32_t bytes = fb_h2_framing_coming(&stream->framing);

    if (bytes > TURN_BYTES && stream->turn.state == FB_H2_TURN_NONE) {
        fb_h2_turns_ask(&stream->connection->turns, &stream->turn, bytes);
        pass_turns(stream->connection);
    }
}

/* Takes what it can, that is all unless the owner pauses; returns how much. */
static size_t deliver(struct fb_h2_stream *stream, const uint8_t *data, size_t size)
{
    struct fb_status status = fb_ok;
    struct fb_h2_message message;
    size_t left = size;

    while (!stream->in_paused && !stream->in_deaf && !stream->dead) {
        switch (fb_h2_framing_next(&stream->framing, stream->in_limit_bytes, &data, &left, &message,
                                   &status)) {
        case FB_H2_MESSAGE:
            end_turn(stream);
            tell_message(stream, &message);
            fb_h2_framing_told(&stream->framing); /* its reader may pause for long */
            break;
        case FB_H2_BROKEN:
            break_off(stream, status);
            break;
        case FB_H2_MORE:
            begin_turn(stream);
            return size;
        }
    }
    return stream->in_deaf || stream->dead ? size : size - left;
}

static void tell_end(struct fb_h2_stream *stream)
{
    if (!stream->in_ended || stream->in_told || stream->in_deaf || stream->dead ||
        stream->in_paused || stream->held.size > 0) {
        return;
    }
    stream->in_told = true;
    if (!fb_h2_framing_at_end(&stream->framing)) {
        break_off(stream, fb_fail(FB_INTERNAL, "the stream ended inside a message"));
        return;
    }
    stream->ops->ended(stream);
}

void fb_h2_stream_came(struct fb_h2_stream *stream, const uint8_t *data, size_t size)
{
    size_t taken = 0;

    if (!stream->dead) {
        fb_h2_connection_consume(stream->connection, size);
    }
    if (stream->in_deaf || stream->dead) {
        if (!stream->dead) {
            consume(stream, size);
        }
        return;
    }
    if (stream->held.size == 0) {
        taken = deliver(stream, data, size);
        if (stream->dead) {
            return;
        }
        consume(stream, taken);
    }
    if (taken < size) {
        fb_buffer_append(&stream->held, data + taken, size - taken);
        if (stream->held.failed) {
            break_off(stream, fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the message"));
        }
    }
}

void fb_h2_stream_came_end(struct fb_h2_stream *stream)
{
    stream->in_ended = true;
    tell_end(stream);
}

static void deliver_held(struct fb_defer *defer)
{
    struct fb_h2_stream *stream =
        (struct fb_h2_stream *)((char *)defer - offsetof(struct fb_h2_stream, resumed));
    struct fb_h2_shared *shared = stream->connection->shared;

    fb_h2_enter(shared);
    if (stream->held.size > 0) {
        const size_t taken = deliver(stream, (const uint8_t *)stream->held.data, stream->held.size);

        if (!stream->dead) {
            consume(stream, taken);
            fb_buffer_consume(&stream->held, taken);
        }
    }
    tell_end(stream);
    fb_h2_leave(shared);
}

void fb_h2_stream_read(struct fb_h2_stream *stream, bool on)
{
    if (stream->in_paused != on) {
        return;
    }
    stream->in_paused = !on;
    if (stream->connection != NULL) {
        fb_h2_turns_pause(&stream->connection->turns, &stream->turn, !on);
        pass_turns(stream->connection);
    }
    if (on && stream->connection != NULL && (stream->held.size > 0 || stream->in_ended)) {
        fb_loop_defer(stream->connection->shared->loop, &stream->resumed, deliver_held);
    }
}

void fb_h2_stream_deafen(struct fb_h2_stream *stream)
{
    stream->in_deaf = true;
    end_turn(stream);
    if (stream->connection != NULL && stream->held.size > 0) {
        consume(stream, stream->held.size);
    }
    fb_buffer_clear(&stream->held, 0);
}

void fb_h2_stream_keep(struct fb_h2_stream *stream)
{
    struct fb_buffer *told =
        stream->framing.prefix[0] == 1 ? &stream->inflated : &stream->framing.partial;
    const struct fb_buffer empty = stream->kept;

    stream->kept = *told;
    *told = empty;
}
