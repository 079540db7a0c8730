#ifndef FB_SERVICES_SESSION_STORE_SERVING_H
#define FB_SERVICES_SESSION_STORE_SERVING_H

/*
 * serving: what the handlers share. On the loop's thread.
 *
 * A handler checks its request, fills in an operation and submits it; the operation comes back and
 * its answer function says what came of it. Both live in the call's arena, so that the request may be
 * borrowed until then.
 */

#include <stdbool.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/log/ration.h"
#include "runtime/rpc/call.h"
#include "services/session_store/engine.h"
#include "services/session_store/hub.h"
#include "services/session_store/limits.h"
#include "services/session_store/session_store.h"

/* An operation on its way. The union is first, so that an operation leads back to it. */
struct asked {
    union {
        struct engine_op op;
        struct engine_acquire acquire;
        struct engine_renew renew;
        struct engine_release release;
        struct engine_append append;
        struct engine_put_projection put_projection;
        struct engine_put_snapshot put_snapshot;
        struct engine_delete_session delete_session;
        struct engine_put_blob put_blob;
        struct engine_put_catalogue put_catalogue;
        struct engine_put_result put_result;
        struct engine_read_session read_session;
        struct engine_read_snapshot read_snapshot;
        struct engine_read_events read_events;
        struct engine_list_sessions list_sessions;
        struct engine_search_tasks search_tasks;
        struct engine_read_blob read_blob;
        struct engine_read_catalogue read_catalogue;
        struct engine_read_result read_result;
        struct engine_backup backup;
        struct engine_check check;
    };
    struct session_store *store;
    struct fb_call *call;
    void (*answer)(struct asked *asked);
};

/*
 * `size` bytes that begin with a struct asked, cleared, for this call. NULL when memory is exhausted:
 * then the call is finished.
 */
void *asked_create(struct fb_call *call, size_t size, void (*answer)(struct asked *asked));

/* Sends it to the engine; `bytes` is what it makes the store hold on to. `answer` is called once. */
void asked_submit(struct asked *asked, enum engine_op_kind kind, size_t bytes);

/* Finishes the call with what came of the operation, its reason as a trailer. */
void asked_fail(struct asked *asked);

/* Finishes the call with this message. */
void asked_reply(struct asked *asked, const ProtobufCMessage *message);

/*
 * Nobody waits for an operation under way: it comes back all the same. Only when the program ends, and
 * the loop may not run again, is it waited for here.
 */
void asked_cancelled(struct asked *asked);

/* Forgets what the operation answered, so that it can be submitted again. */
void asked_clear(struct asked *asked);

/* A trailer that is a number. */
void add_number_trailer(struct fb_call *call, const char *key, int64_t number);

/* Finishes the call if one of the checks failed; false then. */
#define request_is_good(call, ...)                                 \
    checks_passed((call), (const struct fb_status[]){__VA_ARGS__}, \
                  sizeof((const struct fb_status[]){__VA_ARGS__}) / sizeof(struct fb_status))
bool checks_passed(struct fb_call *call, const struct fb_status *checks, size_t count);

/* How a session is said; what has to be made for it is in the arena. */
void session_info_of(const struct engine_session *session, struct fb_arena *arena,
                     Flowbalancer__V1__SessionInfo *info);

/*
 * A projection as the engine takes it, in the arena, and in `*bytes` what it holds on to. Not FB_OK when
 * a field is not as it may be, or without memory. `most` is the last event that it may show.
 */
struct fb_status projection_of(struct fb_arena *arena, const Flowbalancer__V1__Projection *message,
                               int64_t most, struct engine_projection *projection, size_t *bytes);

/* Bytes of a message as the engine takes them, and back. */
struct engine_bytes bytes_in(ProtobufCBinaryData data);
ProtobufCBinaryData bytes_out(struct engine_bytes bytes);

/* The events that a read brought, as a batch in its arena. False without memory. */
bool event_batch_of(struct asked *asked, Flowbalancer__V1__EventBatch *batch);

/* --- streams --- */

/*
 * A call that answers with many messages: it alternates between an operation under way, a reader that
 * is behind, and its next step. Begins with a struct asked.
 */
struct stream {
    struct asked asked;
    bool busy;       /* an operation is under way */
    bool behind;     /* the reader is */
    struct hub *hub; /* where it is seated, if at all */
    struct hub_seat seat;

    /* An operation came back with FB_OK; takes over what it brought. */
    void (*took)(struct stream *stream);
    /* Neither busy nor behind: sends, asks or finishes. Also after a wake from the hub. */
    void (*step)(struct stream *stream);
};

/* `size` bytes that begin with a struct stream. NULL when memory is exhausted: the call is finished. */
void *stream_create(struct fb_call *call, size_t size, void (*took)(struct stream *stream),
                    void (*step)(struct stream *stream));

/* Takes a step if it may. */
void stream_go(struct stream *stream);

/* Submits the operation anew; what it answered before is forgotten. */
void stream_ask(struct stream *stream, enum engine_op_kind kind);

/* False when the reader is behind now. */
bool stream_send(struct stream *stream, const ProtobufCMessage *message);

void stream_finish(struct stream *stream, struct fb_status status);

/* --- the handlers, by file --- */

/* serve_sessions.c */
fb_handler_fn serve_acquire_session;
fb_handler_fn serve_renew_sessions;
fb_handler_fn serve_release_session;
fb_handler_fn serve_list_sessions;
fb_handler_fn serve_delete_session;

/* serve_events.c */
fb_handler_fn serve_append_events;
fb_handler_fn serve_put_snapshot;

/* serve_projection.c */
fb_handler_fn serve_put_projection;

/* serve_search.c */
fb_handler_fn serve_search_tasks;

/* serve_load.c */
fb_handler_fn serve_load_session;

/* serve_watch.c */
fb_handler_fn serve_watch_session;

/* serve_blobs.c */
fb_handler_fn serve_put_blob;
fb_handler_fn serve_get_blob;

/* serve_catalogue.c */
fb_handler_fn serve_put_catalogue_entry;
fb_handler_fn serve_get_catalogue;
fb_handler_fn serve_watch_catalogue;

/* serve_results.c */
fb_handler_fn serve_put_result;
fb_handler_fn serve_get_result;

/* serve_care.c */
fb_handler_fn serve_backup;
fb_handler_fn serve_check;

/* --- the store as the handlers see it --- */

struct session_store {
    struct session_store_config config;
    struct fb_loop *loop;
    struct engine *engine;
    struct returns *returns;
    struct hub watchers;           /* of sessions, by id */
    struct hub catalogue_watchers; /* all under one key */
    struct fb_ration failures;     /* that are logged */
    bool closing;                  /* streams without an end are ended */
};

#endif
