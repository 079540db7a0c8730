#ifndef FB_RUNTIME_RPC_H2_STREAM_H
#define FB_RUNTIME_RPC_H2_STREAM_H

/*
 * stream: the bytes of one call, both ways, on one connection.
 *
 * What served and made calls have in common: the queue of what is to be sent, the reassembly of
 * what comes, and reading that can be paused. Embedded in the call; the ops find the way back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/rpc/h2/fields.h"
#include "runtime/rpc/h2/framing.h"
#include "runtime/rpc/h2/shared.h"
#include "runtime/rpc/h2/turns.h"

struct fb_h2_connection;
struct fb_h2_stream;

struct fb_h2_stream_ops {
    enum fb_h2_pool pool;
    size_t offset; /* of the stream in its call, which was allocated by calloc */
    struct fb_arena *(*arena)(struct fb_h2_stream *stream);

    /*
     * A message came; unless `whole` its bytes are in buffers of ours and may be kept by
     * fb_h2_stream_keep.
     */
    void (*message)(struct fb_h2_stream *stream, const uint8_t *data, size_t size, bool whole);
    /* All messages have been told and the peer will send no more. */
    void (*ended)(struct fb_h2_stream *stream);
    /* What came is not gRPC or beyond a limit; nothing more is told of it. */
    void (*broken)(struct fb_h2_stream *stream, struct fb_status status);
    /* The queue fell below half of its high mark. */
    void (*drained)(struct fb_h2_stream *stream);
    /* The last of the queue goes out now; whoever has something to say behind it says so. */
    void (*last)(struct fb_h2_stream *stream, uint32_t *data_flags);
};

struct fb_h2_stream {
    const struct fb_h2_stream_ops *ops;
    struct fb_h2_connection *connection;
    int32_t id; /* 0: not on the connection any more, or not yet */

    /* out: a queue of whole messages with their prefixes */
    uint8_t *out;
    size_t out_room;
    size_t out_begin; /* what is before it was sent */
    size_t out_end;
    size_t out_message;  /* bytes of the message that is being filled, 0: none */
    size_t out_left;     /* bytes of a message that is partly sent */
    size_t out_counted;  /* of what waits, in the connection's count */
    size_t out_promised; /* bytes of a frame that is begun and waits for room */
    size_t out_high;     /* high mark */
    bool out_was_high;
    bool out_ended;    /* no more will be queued */
    bool out_deferred; /* the session waits to be told of more */

    /* in */
    struct fb_h2_framing framing;
    struct fb_buffer held;     /* bytes that came while paused */
    struct fb_buffer inflated; /* the message being told, if it was compressed */
    struct fb_buffer kept;     /* a message somebody keeps until the call is gone */
    struct fb_defer resumed;
    uint32_t in_limit_bytes; /* largest message */
    uint32_t in_unconsumed;  /* bytes not yet given back to the peer's window */
    struct fb_h2_turn turn;  /* of a large message that comes */
    enum fb_h2_encoding encoding;
    bool in_paused;
    bool in_ended; /* the peer has said that it sends no more */
    bool in_told;  /* `ended` was told */
    bool in_deaf;  /* what comes is thrown away */

    /* lists */
    struct fb_h2_stream *next; /* of the connection's open streams; or pool; or the dead */
    struct fb_h2_stream **link;
    size_t pooled_bytes; /* what it holds while in the pool */
    bool dead;
};

/*
 * A call of the pool with all zero but arena, buffers and list fields; else a new one. NULL without
 * memory.
 */
void *fb_h2_stream_take(struct fb_h2_shared *shared, const struct fb_h2_stream_ops *ops,
                        size_t call_bytes);

/* The call of a frame: what the session keeps with its id. NULL when there is none. */
struct fb_h2_stream *fb_h2_stream_find(struct fb_h2_connection *connection, int32_t id);

/* Begins on a connection: enters its list and counts. */
void fb_h2_stream_open(struct fb_h2_stream *stream, struct fb_h2_connection *connection);

/* Leaves the connection's list; the id is forgotten. Harmless twice. */
void fb_h2_stream_close(struct fb_h2_stream *stream);

/* Gives the call back once nobody is inside. */
void fb_h2_stream_release(struct fb_h2_shared *shared, struct fb_h2_stream *stream);

/* For shared.c alone. */
void fb_h2_stream_recycle(struct fb_h2_stream *stream);
void fb_h2_stream_free(struct fb_h2_stream *stream);

/* --- sending --- */

/* Room for a message of `size` bytes; NULL when memory is exhausted. */
uint8_t *fb_h2_stream_begin(struct fb_h2_stream *stream, size_t size);

/* Queues it; returns what waits. */
size_t fb_h2_stream_commit(struct fb_h2_stream *stream);

/* No more will come: what is queued goes out, then `last` is asked for the end. */
void fb_h2_stream_finish(struct fb_h2_stream *stream);

/* Throws away what is queued; false when a message is half sent. */
bool fb_h2_stream_drop(struct fb_h2_stream *stream);

/* Whether anything is queued. */
bool fb_h2_stream_has_output(const struct fb_h2_stream *stream);

/* Resets it; nothing more is told of what comes. */
void fb_h2_stream_reset(struct fb_h2_stream *stream, uint32_t error);

/* What the session asks for. */
nghttp2_data_provider fb_h2_stream_provider(struct fb_h2_stream *stream);
int fb_h2_stream_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                           size_t length, nghttp2_data_source *source, void *user);

/* --- receiving --- */

void fb_h2_stream_came(struct fb_h2_stream *stream, const uint8_t *data, size_t size);
void fb_h2_stream_came_end(struct fb_h2_stream *stream);
void fb_h2_stream_read(struct fb_h2_stream *stream, bool on);

/* Throws away what came and will come. */
void fb_h2_stream_deafen(struct fb_h2_stream *stream);

/* Keeps the bytes of the message being told, which was not whole, until the call is gone. */
void fb_h2_stream_keep(struct fb_h2_stream *stream);

#endif
