#ifndef FB_CLIENTS_C_CLIENT_H
#define FB_CLIENTS_C_CLIENT_H

/*
 * client: a connection to one program of the suite, for programs in C.
 *
 *     const struct fb_client_config config = {.target = "unix:/run/flow/router.sock"};
 *     struct fb_client *client = NULL;
 *     struct fb_answer answer = {.status = fb_ok};
 *
 *     if (fb_is_ok(fb_client_open(&config, &client))) {
 *         const Flowbalancer__V1__GetOverviewResponse *overview =
 *             fb_admin_get_overview(client, &request, NULL, &answer);
 *         …
 *     }
 *     fb_answer_finish(&answer);
 *     fb_client_close(client);
 *
 * Two ways of use. Without a loop in the configuration the client has one of its own, and the typed
 * calls of mcp.h, flow.h, admin.h, session_store.h and health.h block until they are answered. With a loop of
 * the caller nothing blocks: fb_client_start tells of a call's events on that loop.
 *
 * All on one thread: the one that opened it, or the loop's. Several clients may be used on several
 * threads.
 *
 * The connection is dialled by the first call, kept, and dialled again with backoff when it broke.
 */

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/metadata.h"
#include "runtime/rpc/security.h"
#include "runtime/trace/trace.h"

struct fb_client;

/* Zeros and NULLs take the default in brackets. Strings are borrowed until fb_client_close. */
struct fb_client_config {
    /* whom to reach */
    const char *target;       /* "unix:/path", "host:port", "dns:host:port" */
    struct fb_tls_config tls; /* all NULL: no TLS */
    const char *token;        /* sent as a bearer token [none] */

    /* how long */
    int64_t timeout_ms;         /* of a call without a deadline of its own [30 s]; below 0: none */
    int64_t connect_timeout_ms; /* [5 s] */

    /* on what */
    struct fb_loop *loop; /* the caller's, for use without blocking [one of its own] */
    const struct fb_transport *transport; /* [gRPC C core] */
};

/*
 * Nothing is dialled yet. INVALID_ARGUMENT for a bad target or unreadable TLS files, UNAVAILABLE when
 * the process is out of descriptors. `*client` is given on success and NULL otherwise; `why` may lie
 * in memory of this module and lasts until this thread opens the next client.
 */
struct fb_status fb_client_open(const struct fb_client_config *config, struct fb_client **client);

/* Ends its calls as cancelled; streams of it must have been closed. NULL is fine. */
void fb_client_close(struct fb_client *client);

/* For what is not wrapped here: states, raw calls. Both live as long as the client. */
struct fb_channel *fb_client_channel(struct fb_client *client);
struct fb_loop *fb_client_loop(struct fb_client *client);

/* --- a call --- */

/* A method of a contract: path, what is asked and what is answered. */
struct fb_client_method {
    const char *path; /* "/package.Service/Method" */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *reply;
    bool streams; /* any number of replies */
    bool uploads; /* any number of requests */
};

/* How to make a call; NULL in place of it is all zero. */
struct fb_client_options {
    int64_t deadline_ms;                  /* monotonic; 0: the client's timeout; INT64_MAX: none */
    const struct fb_metadata *metadata;   /* borrowed until the call has started */
    const struct fb_trace_context *trace; /* likewise */
    bool wait_for_ready;                  /* nobody listens: wait for it, not UNAVAILABLE */
};

/* --- blocking --- */

/*
 * How a call ended, with the memory of what it answered. All zero is ready for use; using it again
 * frees what it held.
 */
struct fb_answer {
    struct fb_arena arena;
    struct fb_status status;     /* `why` lives in the arena */
    struct fb_metadata trailers; /* likewise */
    bool not_run;                /* the server surely never saw it: safe to ask again */
};

void fb_answer_finish(struct fb_answer *answer);

/* The trailer `flowbalancer-reason`: one word, "" when there is none. In the answer's memory. */
const char *fb_answer_reason(struct fb_answer *answer);

/* The trailer `flowbalancer-retry-ms`; -1 when there is none. */
int64_t fb_answer_retry_ms(const struct fb_answer *answer);

/*
 * One message there, one back; what the typed calls are made of. NULL unless the answer's status is
 * OK; the reply lives in the answer. FAILED_PRECONDITION on a loop of the caller.
 */
const ProtobufCMessage *fb_client_ask(struct fb_client *client,
                                      const struct fb_client_method *method,
                                      const ProtobufCMessage *request,
                                      const struct fb_client_options *options,
                                      struct fb_answer *answer);

/*
 * A stream of requests and one reply. A server that is slower than its writer holds it back.
 */
struct fb_upload;

/* NULL only when memory is exhausted; every other failure is told at the end. */
struct fb_upload *fb_upload_open(struct fb_client *client, const struct fb_client_method *method,
                                 const struct fb_client_options *options);

/* Sends one more, waiting for room. False: the call has ended already, and nothing will be read. */
bool fb_upload_send(struct fb_upload *upload, const ProtobufCMessage *request);

/* Waits for the reply, as fb_client_ask does; the upload is gone when it returns. */
const ProtobufCMessage *fb_upload_finish(struct fb_upload *upload, struct fb_answer *answer);

/* Cancels the call. NULL is fine. */
void fb_upload_close(struct fb_upload *upload);

/*
 * A stream of replies, read one by one. A server that is faster than its reader is held back.
 */
struct fb_stream;

/* NULL only when memory is exhausted; every other failure is told at the end of the stream. */
struct fb_stream *fb_stream_open(struct fb_client *client, const struct fb_client_method *method,
                                 const ProtobufCMessage *request,
                                 const struct fb_client_options *options);

/* Waits for the next reply, which lives until the next one is asked for. NULL: the stream ended. */
const ProtobufCMessage *fb_stream_next(struct fb_stream *stream);

/* How it ended, once fb_stream_next has returned NULL; OK before. Lives as long as the stream. */
struct fb_answer *fb_stream_answer(struct fb_stream *stream);

/* Cancels the call if it runs still. NULL is fine. */
void fb_stream_close(struct fb_stream *stream);

/* --- not blocking --- */

/* A call that was started and has not ended. */
struct fb_pending;

struct fb_client_events {
    /*
     * One reply; it and its memory are borrowed until it returns. To keep both, move the memory:
     * `mine = *memory; fb_arena_init(memory, 0);`. NULL: nobody asks.
     */
    void (*on_reply)(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory);
    /* After an fb_pending_send that returned false: there is room again. NULL: nobody asks. */
    void (*on_drain)(void *arg);
    /*
     * Exactly once and last, unless the call was cancelled; the call is gone when it is called. A
     * reply that could not be read, and a unary call answered by none or by several, end with
     * INTERNAL.
     */
    void (*on_end)(void *arg, const struct fb_call_end *end);
};

/*
 * Starts a call on the client's loop; no event comes before it returns. `events` is borrowed and
 * usually static. NULL only when memory is exhausted. `request` is the one message, or of an upload the
 * first of them, or NULL.
 */
struct fb_pending *fb_client_start(struct fb_client *client, const struct fb_client_method *method,
                                   const ProtobufCMessage *request,
                                   const struct fb_client_options *options,
                                   const struct fb_client_events *events, void *arg);

/* One more request of an upload, and that there will be none. False: stop until on_drain. */
bool fb_pending_send(struct fb_pending *pending, const ProtobufCMessage *request);
void fb_pending_half_close(struct fb_pending *pending);

/* Ends it for both sides; no event comes any more. Also from inside of on_reply. */
void fb_pending_cancel(struct fb_pending *pending);

/* Holds the server back, and lets it go on. A few replies that are on their way may still come. */
void fb_pending_pause(struct fb_pending *pending);
void fb_pending_resume(struct fb_pending *pending);

#endif
