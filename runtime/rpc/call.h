#ifndef FB_RUNTIME_RPC_CALL_H
#define FB_RUNTIME_RPC_CALL_H

/*
 * call: a call that this program serves, whichever transport brought it.
 *
 * All on the loop's thread. A handler owns its call from the moment it is handed over until
 * fb_call_finish; after that the pointer is dead. A call that the peer cancelled, that ran into its
 * deadline or whose connection broke still has to be finished: sends are then swallowed, and on_cancel
 * says so once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/rpc/metadata.h"
#include "runtime/rpc/method.h"
#include "runtime/rpc/security.h"
#include "runtime/trace/trace.h"

struct fb_loop;

/* --- what came --- */

/* Memory that lives as long as the call. */
struct fb_arena *fb_call_arena(struct fb_call *call);
struct fb_loop *fb_call_loop(const struct fb_call *call);

/* What was given to fb_server_add with the service. */
void *fb_call_self(const struct fb_call *call);

/* "/flowbalancer.v1.McpService/CallTool" and the method's table entry; both live as long as the server. */
const char *fb_call_path(const struct fb_call *call);
const struct fb_method *fb_call_method(const struct fb_call *call);

/* The first message as it came (identity encoding), for raw methods; lives as long as the call. */
struct fb_text fb_call_request_bytes(const struct fb_call *call);

const struct fb_metadata *fb_call_metadata(const struct fb_call *call);

/* Monotonic; INT64_MAX when the caller set none. What is handed on is what is left of it. */
int64_t fb_call_deadline_ms(const struct fb_call *call);

/* The caller's trace context, or a new one if it sent none. */
const struct fb_trace_context *fb_call_trace(const struct fb_call *call);

const struct fb_peer *fb_call_peer(const struct fb_call *call);

/* The tenant of the bearer token; "" without tokens. */
const char *fb_call_tenant(const struct fb_call *call);

/* --- what may still come --- */

struct fb_call_events {
    /* A further message of the client (FB_CLIENT_STREAM, FB_BIDI_STREAM); bytes borrowed until it returns. */
    void (*on_message)(struct fb_call *call, void *arg, const uint8_t *data, size_t size);
    /* The client will send no more. */
    void (*on_half_close)(struct fb_call *call, void *arg);
    /* Nobody waits for the answer any more; stop the work and finish. At most once, never after finish. */
    void (*on_cancel)(struct fb_call *call, void *arg);
    /* After a send that returned false: there is room again. */
    void (*on_drain)(struct fb_call *call, void *arg);
};

/*
 * Whom to tell; any member may be NULL. `events` is borrowed and usually static. Cancelled before this
 * was called: on_cancel comes at the end of the present round.
 */
void fb_call_watch(struct fb_call *call, const struct fb_call_events *events, void *arg);

/* Stops reading the client's stream until resumed; its sender is held back by flow control. */
void fb_call_pause(struct fb_call *call);
void fb_call_resume(struct fb_call *call);

bool fb_call_cancelled(const struct fb_call *call);

/* --- the answer --- */

/* Headers before the first message, keys to go with the status. INVALID_ARGUMENT as in metadata.h. */
struct fb_status fb_call_add_header(struct fb_call *call, const char *key, struct fb_text value);
struct fb_status fb_call_add_trailer(struct fb_call *call, const char *key, struct fb_text value);

/*
 * Sends one message (packed or copied at once, nothing is borrowed). False means that the reader is
 * behind: stop until on_drain; sending on is allowed and counts against the server's send limit, beyond
 * which the call ends with RESOURCE_EXHAUSTED and is cancelled.
 */
bool fb_call_send(struct fb_call *call, const ProtobufCMessage *message);
bool fb_call_send_bytes(struct fb_call *call, const uint8_t *data, size_t size);

/*
 * Ends the call: what was sent is delivered first, then the status. `status.why` is copied. The call
 * and its arena are gone for the caller when it returns.
 */
void fb_call_finish(struct fb_call *call, struct fb_status status);

/* Sends one message and finishes with OK. */
void fb_call_reply(struct fb_call *call, const ProtobufCMessage *message);

#endif
