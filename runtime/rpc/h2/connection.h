#ifndef FB_RUNTIME_RPC_H2_CONNECTION_H
#define FB_RUNTIME_RPC_H2_CONNECTION_H

/*
 * connection: a socket (perhaps with TLS) and the HTTP/2 session on it.
 *
 * Reads when there is something, writes once at the end of a round, watches over silence. Who it is
 * for is the owner's: a listener or a channel embeds it and is told by the ops.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/h2/shared.h"
#include "runtime/rpc/h2/turns.h"

struct fb_h2_connection;
struct fb_h2_stream;
typedef struct ssl_st SSL;

struct fb_h2_connection_ops {
    bool server;
    /* Adds what is its own to the session's callbacks. */
    void (*set_callbacks)(nghttp2_session_callbacks *callbacks);
    /* TCP or Unix and TLS stand; the session begins when it returns. False closes it. */
    bool (*secured)(struct fb_h2_connection *connection);
    /* The peer's settings are here: it speaks HTTP/2. */
    void (*opened)(struct fb_h2_connection *connection);
    /* Gone, once; open streams are in connection->streams, to be ended by the callee. */
    void (*closed)(struct fb_h2_connection *connection, struct fb_status why);
    /* No call refers to it any more and nobody is inside: free it. */
    void (*unused)(struct fb_h2_connection *connection);
    void (*count)(struct fb_h2_connection *connection, size_t received, size_t sent);
};

enum fb_h2_phase {
    FB_H2_CONNECTING, /* client: TCP or Unix */
    FB_H2_SECURING,   /* TLS */
    FB_H2_GREETING,   /* until the peer's settings */
    FB_H2_OPEN,
    FB_H2_CLOSED,
};

/* Bounds and times; fixed. */
struct fb_h2_terms {
    int64_t handshake_timeout_ms;
    int64_t keepalive_ms;
    int64_t keepalive_timeout_ms;
    bool ping_when_idle; /* without a call, too */
    uint32_t message_limit_bytes;
    uint32_t streams; /* most that the peer may open at once */
};

struct fb_h2_connection {
    const struct fb_h2_connection_ops *ops;
    struct fb_h2_shared *shared;
    struct fb_h2_terms terms;
    enum fb_h2_phase phase;
    nghttp2_session *session;

    /* socket */
    struct fb_watch watch;
    int fd;
    SSL *tls;      /* NULL: plain */
    char why[256]; /* of a failed handshake */
    struct fb_defer flush;
    struct fb_buffer unsent; /* what the socket did not take */
    size_t round_bytes;      /* written in this round */
    bool blocked;            /* the socket is full, or it is another connection's turn */
    bool stuffed;            /* the shared buffer was full when the session had more */

    /* silence */
    struct fb_timer timer;
    int64_t heard_ms;
    int64_t pinged_ms;  /* 0: no ping under way */
    int64_t blocked_ms; /* since when the socket took nothing */

    /* peers that work us for nothing */
    int64_t idle_second; /* the second that is counted */
    uint32_t idle_frames;

    /* streams */
    struct fb_h2_stream *streams;
    struct fb_h2_stream *recent; /* the one that was found last */
    uint32_t stream_count;       /* in that list */
    uint32_t unconsumed;         /* bytes not yet given back to the peer's connection window */
    struct fb_h2_turns turns;    /* of large messages that come */
    size_t queued_bytes;         /* that wait to be sent, of all streams */

    /* life */
    uint32_t users;   /* its own existence, calls that refer to it, and who is inside */
    uint32_t inside;  /* how deep we are in its functions */
    int64_t drain_ms; /* when a drain takes its second step at the latest; 0: none is under way */
    bool expelled;    /* it flooded us */
    bool going;       /* we have told the peer that it ends */
};

/*
 * Takes `fd` and `tls` and begins: in CONNECTING when a connect is under way, else with TLS or the
 * session. Failures are told by `closed`, which may come before it returns.
 */
void fb_h2_connection_start(struct fb_h2_connection *connection,
                            const struct fb_h2_connection_ops *ops, struct fb_h2_shared *shared,
                            const struct fb_h2_terms *terms, int fd, SSL *tls, bool connecting);

/* Sends what the session has, at the end of the round. */
void fb_h2_connection_wake(struct fb_h2_connection *connection);

/* Closes now, without a word to the peer. Harmless twice. */
void fb_h2_connection_close(struct fb_h2_connection *connection, struct fb_status why);

/* Tells the peer (GOAWAY) and closes when the last stream has ended. */
void fb_h2_connection_go_away(struct fb_h2_connection *connection);

/* A call begins: watches over silence again, should it have stopped when there were none. */
void fb_h2_connection_mind(struct fb_h2_connection *connection);

/* Each frame that came is shown here first. False: the peer floods us, and the connection ends. */
bool fb_h2_connection_frame(struct fb_h2_connection *connection, const nghttp2_frame *frame);

/* A GOAWAY of ours was written. */
void fb_h2_connection_sent_goaway(struct fb_h2_connection *connection);

/* Counts the calls that refer to it; `unused` follows the last. */
void fb_h2_connection_hold(struct fb_h2_connection *connection);
void fb_h2_connection_let_go(struct fb_h2_connection *connection);

/* Bytes that came and are done with. */
void fb_h2_connection_consume(struct fb_h2_connection *connection, size_t size);

/* Why a connect failed, in words, by errno. */
const char *fb_h2_connect_why(int error);

#endif
