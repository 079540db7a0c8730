#ifndef FB_RUNTIME_RPC_TRANSPORT_H
#define FB_RUNTIME_RPC_TRANSPORT_H

/*
 * transport: what a wire must do so that call.h, server.h and channel.h hold on it.
 *
 * Included by call.c, server.c, channel.c and the transports, by nobody else. The common half keeps the
 * rules (finish once, deadline, cancel once, limits, counting, unpacking); the transport moves bytes.
 * A transport embeds struct fb_call and struct fb_client_call as first members of its own.
 */

#include "runtime/loop/loop.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/server.h"

struct fb_listener;

struct fb_transport {
    const char *name; /* "h2", "core" */
    struct fb_status (*listen)(struct fb_server *server, const struct fb_listen_config *config,
                               struct fb_listener **listener);
    struct fb_status (*channel_create)(struct fb_loop *loop, const struct fb_channel_config *config,
                                       struct fb_channel **channel);
};

/* --- listening --- */

struct fb_listener_ops {
    /* No new connections; GOAWAY on those there are, each closed when its last call has ended. */
    void (*drain)(struct fb_listener *listener);
    /* Closes and frees everything now; open calls were cancelled and finished before. */
    void (*destroy)(struct fb_listener *listener);
};

struct fb_listener {
    const struct fb_listener_ops *ops;
    struct fb_server *server;
    const struct fb_tokens *tokens;
    char address[128];    /* where it really listens */
    uint32_t connections; /* open now; fb_server_connection_opened/closed keep it */
    struct fb_listener *next;
};

/* A bound service method, found by path. */
struct fb_route {
    const char *path;
    const struct fb_method *method;
    const ProtobufCMessageDescriptor *input;
    const ProtobufCMessageDescriptor *output;
    void *self;
};

/* NULL when there is none: the call is still begun, and answered UNIMPLEMENTED by the common half. */
const struct fb_route *fb_server_route(const struct fb_server *server, struct fb_text path);
size_t fb_server_routes(const struct fb_server *server, const struct fb_route **routes);
const struct fb_server_config *fb_server_limits(
    const struct fb_server *server); /* defaults filled in */
struct fb_loop *fb_server_loop(const struct fb_server *server);

/* False: the server has all the connections it may have; close it. */
bool fb_server_connection_opened(struct fb_listener *listener);
void fb_server_connection_closed(struct fb_listener *listener);
void fb_server_count_bytes(struct fb_server *server, uint64_t received, uint64_t sent);

/* --- serving a call --- */

struct fb_call_ops {
    /* Room for one message of `size` bytes, to be filled before message_end; NULL if memory is exhausted. */
    uint8_t *(*message_begin)(struct fb_call *call, size_t size);
    /* Queues it, headers first if it is the first. Returns the bytes now waiting in this call. */
    size_t (*message_end)(struct fb_call *call);
    /*
     * Delivers what is queued, then status and trailers (trailers-only if nothing was sent), then calls
     * fb_call_done and frees the call. `status.why` is copied before it returns. When call->cancelled is set
     * what is queued is dropped; a peer that is still there (a deadline ran out, a limit was hit) gets the
     * status if no message of ours is half sent, else a reset.
     */
    void (*finish)(struct fb_call *call, struct fb_status status);
    /* Reading on and off (flow control). */
    void (*read)(struct fb_call *call, bool on);
};

struct fb_call {
    const struct fb_call_ops *ops;
    struct fb_listener *listener;
    const struct fb_route *route; /* NULL: unknown method */
    const struct fb_peer *peer;   /* the connection's; outlives the call */
    struct fb_arena arena;
    struct fb_metadata metadata; /* what came */
    struct fb_metadata headers;  /* what goes before the first message */
    struct fb_metadata trailers;
    struct fb_trace_context trace;
    struct fb_text request; /* first message; the transport keeps the bytes until fb_call_done */
    const char *path;       /* in the arena or a constant */
    const char *tenant;
    int64_t deadline_ms;
    struct fb_timer deadline;
    struct fb_defer late_cancel;
    const struct fb_call_events *events;
    void *events_arg;
    uint32_t messages_in;
    bool handed_over; /* the handler has it */
    bool cancelled;
    bool told;                /* on_cancel was called */
    struct fb_status verdict; /* not OK: said to the peer whatever the handler finishes with */
    bool finished;
    bool behind;          /* a send returned false, on_drain is owed */
    struct fb_call *next; /* all open calls of the server */
    struct fb_call **link;
};

/*
 * The transport's events, in this order: begin, then messages, half_close; cancel at any time; drained
 * whenever the queue fell below half of send_high_bytes. The transport has filled ops, listener, route,
 * peer, arena (initialised), metadata, path and deadline_ms (INT64_MAX: none) before begin. `refusal` not
 * OK answers the call with it at once (bad headers, say).
 */
/* The handler may finish the call inside any of them: fb_call_done then comes before the event returns. */
void fb_call_begin(struct fb_call *call, struct fb_status refusal);
void fb_call_message(struct fb_call *call, const uint8_t *data, size_t size);
void fb_call_half_close(struct fb_call *call);
/* What came breaks the rules: the peer gets `verdict` (constant text, or the call's arena's), the handler is cancelled. */
void fb_call_abort(struct fb_call *call, struct fb_status verdict);
/* RST_STREAM, a broken connection. Finish still comes from the handler; its bytes go nowhere. */
void fb_call_cancel(struct fb_call *call);
void fb_call_drained(struct fb_call *call);
/* The last the common half hears: it lets go of the call; the transport frees the memory (and arena) after. */
void fb_call_done(struct fb_call *call);

/* --- making a call --- */

/* The config with defaults in place of zeros. */
struct fb_channel_config fb_channel_limits(const struct fb_channel_config *config);

struct fb_channel_ops {
    void (*destroy)(struct fb_channel *channel);
    void (*connect)(struct fb_channel *channel);
    /* Allocates its struct, whose head is filled by fb_client_call_init, and starts or parks the call. */
    struct fb_client_call *(*call)(struct fb_channel *channel, const struct fb_call_plan *plan,
                                   const struct fb_client_call_events *events, void *arg);
};

struct fb_channel {
    const struct fb_channel_ops *ops;
    struct fb_loop *loop;
    enum fb_channel_state state;
    fb_channel_state_fn *watcher;
    void *watcher_arg;
    struct fb_channel_config config; /* defaults filled in, strings owned by the transport */
};

struct fb_client_call_ops {
    uint8_t *(*message_begin)(struct fb_client_call *call, size_t size);
    size_t (*message_end)(struct fb_client_call *call); /* bytes now waiting in this call */
    void (*half_close)(struct fb_client_call *call);
    void (*read)(struct fb_client_call *call, bool on);
    /* RST_STREAM(CANCEL) if it has begun; frees the call and its arena. May come inside an event. */
    void (*cancel)(struct fb_client_call *call);
};

struct fb_client_call {
    const struct fb_client_call_ops *ops;
    struct fb_channel *channel;
    struct fb_arena arena; /* trailers and texts; initialised by fb_client_call_init */
    struct fb_metadata headers;
    struct fb_metadata trailers;
    const struct fb_client_call_events *events;
    void *events_arg;
    int64_t deadline_ms;
    struct fb_timer deadline;
    struct fb_defer late_end;
    struct fb_status verdict; /* why it ends by late_end */
    bool *gone; /* set while an event is told: becomes true when the owner cancels inside */
    bool behind;
    bool closed; /* half closed by us */
    bool ended;
};

void fb_channel_became(struct fb_channel *channel, enum fb_channel_state state);
void fb_client_call_init(struct fb_client_call *call, struct fb_channel *channel,
                         const struct fb_client_call_ops *ops, const struct fb_call_plan *plan,
                         const struct fb_client_call_events *events, void *arg);
/* The three answer false when the owner cancelled from inside the event: the call is gone, touch nothing. */
bool fb_client_call_headers(struct fb_client_call *call);
bool fb_client_call_message(struct fb_client_call *call, const uint8_t *data, size_t size);
bool fb_client_call_drained(struct fb_client_call *call);
/*
 * Tells on_end, with call->trailers; the transport frees the call (and its arena) when it returns. A
 * deadline or a limit ends it from this side instead: on_end is told, then ops->cancel frees it.
 */
void fb_client_call_end(struct fb_client_call *call, struct fb_status status, bool not_run);

#endif
