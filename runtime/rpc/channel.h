#ifndef FB_RUNTIME_RPC_CHANNEL_H
#define FB_RUNTIME_RPC_CHANNEL_H

/*
 * channel: calls that this program makes, whichever transport carries them.
 *
 * All on the loop's thread. A channel dials when the first call needs it, keeps one connection, and
 * dials again with exponential backoff and jitter; a name with several addresses is tried in turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/metadata.h"
#include "runtime/rpc/security.h"
#include "runtime/trace/trace.h"

struct fb_channel;
struct fb_client_call;
struct fb_transport;

/* 0 and NULL take the default in brackets; strings and tls are copied or borrowed until destroy. */
struct fb_channel_config {
    const char *target; /* address.h */
    struct fb_tls_config tls;
    const char *token;            /* sent as "authorization: Bearer …" */
    uint32_t message_limit_bytes; /* largest message received [16 MiB] */
    uint32_t send_limit_bytes;    /* most bytes waiting to be sent in one call [32 MiB] */
    uint32_t send_high_bytes;     /* above this, sends return false [256 KiB] */
    int64_t connect_timeout_ms;   /* [5 s] */
    int64_t backoff_first_ms;     /* [100 ms] */
    int64_t backoff_most_ms;      /* [10 s] */
    int64_t keepalive_ms;         /* silence with calls open after which it pings [30 s] */
    int64_t keepalive_timeout_ms; /* [10 s] */
    int64_t idle_ms;              /* without a call the connection is closed; 0: never */
};

enum fb_channel_state {
    FB_CHANNEL_IDLE, /* nothing dialled */
    FB_CHANNEL_CONNECTING,
    FB_CHANNEL_READY,
    FB_CHANNEL_FAILING, /* waiting to dial again */
};

/* INVALID_ARGUMENT for a bad target or unreadable TLS files. Nothing is dialled. `*channel` is given. */
struct fb_status fb_channel_create(struct fb_loop *loop, const struct fb_transport *transport,
                                   const struct fb_channel_config *config,
                                   struct fb_channel **channel);

/* Its calls end with CANCELLED before it returns. NULL is fine. */
void fb_channel_destroy(struct fb_channel *channel);

enum fb_channel_state fb_channel_state(const struct fb_channel *channel);

/* Dials now if idle or failing, without waiting out a backoff. */
void fb_channel_connect(struct fb_channel *channel);

/* Told of every change of state, from then on; NULL ends it. */
typedef void fb_channel_state_fn(struct fb_channel *channel, enum fb_channel_state state,
                                 void *arg);
void fb_channel_watch(struct fb_channel *channel, fb_channel_state_fn *fn, void *arg);

/* --- a call --- */

struct fb_call_plan {
    const char *path;                     /* "/package.Service/Method"; lives as long as the call */
    int64_t deadline_ms;                  /* monotonic; 0 or INT64_MAX: none */
    const struct fb_metadata *metadata;   /* borrowed until fb_channel_call returns; NULL: none */
    const struct fb_trace_context *trace; /* likewise; NULL: none is sent */
    bool wait_for_ready;                  /* while the channel fails: wait, not UNAVAILABLE */
};

struct fb_call_end {
    struct fb_status status;            /* `why` borrowed until on_end returns */
    const struct fb_metadata *trailers; /* likewise; never NULL */
    bool not_run;                       /* the server surely never saw it: safe to send elsewhere */
};

struct fb_client_call_events {
    /* Headers of the answer; comes before the first message, and not at all when there are none. */
    void (*on_headers)(struct fb_client_call *call, void *arg, const struct fb_metadata *headers);
    /* Bytes borrowed until it returns. */
    void (*on_message)(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size);
    /* After a send that returned false: there is room again. */
    void (*on_drain)(struct fb_client_call *call, void *arg);
    /* Exactly once and last, unless cancelled by us; the call is gone when it returns. */
    void (*on_end)(struct fb_client_call *call, void *arg, const struct fb_call_end *end);
};

/*
 * Starts a call. No event comes before it returns: failures, too, are told by on_end. NULL only when
 * memory is exhausted. `events` is borrowed and usually static; only on_end is required.
 */
struct fb_client_call *fb_channel_call(struct fb_channel *channel, const struct fb_call_plan *plan,
                                       const struct fb_client_call_events *events, void *arg);

/* One message; packed or copied at once. False: stop until on_drain (as fb_call_send). */
bool fb_client_call_send(struct fb_client_call *call, const ProtobufCMessage *message);
bool fb_client_call_send_bytes(struct fb_client_call *call, const uint8_t *data, size_t size);

/* We will send no more. Required for unary calls too, after their one message. */
void fb_client_call_half_close(struct fb_client_call *call);

/* Stops reading until resumed: the server is held back by flow control. */
void fb_client_call_pause(struct fb_client_call *call);
void fb_client_call_resume(struct fb_client_call *call);

/* Ends it for both sides. No event comes any more, on_end neither; the call is gone. Also from events. */
void fb_client_call_cancel(struct fb_client_call *call);

/* --- the common case --- */

/*
 * `reply` is NULL unless status is OK; both borrowed until it returns. OK without a message, or with two,
 * has become INTERNAL.
 */
typedef void fb_reply_fn(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply);

/*
 * One message there, one back. `fn` is called exactly once, later, unless the call is cancelled. NULL
 * only when memory is exhausted.
 */
struct fb_client_call *fb_channel_unary(struct fb_channel *channel, const struct fb_call_plan *plan,
                                        const ProtobufCMessage *request,
                                        const ProtobufCMessageDescriptor *reply_type,
                                        fb_reply_fn *fn, void *arg);

#endif
