#ifndef FB_SERVICES_WORKER_MCP_SESSION_H
#define FB_SERVICES_WORKER_MCP_SESSION_H

/*
 * session: the protocol with one server over one pipe.
 *
 * It finds out the era, shakes hands, brings each answer to whom it belongs, answers what the server
 * asks and tells what it tells. What can be asked of it is in requests.h, what its lists are in
 * listing.h. It does no I/O and reads no clock: lines come in with the time, bytes to be written
 * gather in an output, and what has happened is told by the functions the owner gave. These may
 * start and cancel requests, but not destroy the session. On one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/mcp/era.h"
#include "services/worker/mcp/listing.h"
#include "services/worker/mcp/requests.h"

struct mcp_session;

/* What a server says of itself. Texts are raw JSON but for `instructions`; empty where not said. */
struct mcp_session_server {
    enum era era;
    const char *revision;
    struct fb_text info;
    struct fb_text capabilities;
    struct fb_text instructions;
};

/* Why a session cannot go on. */
enum mcp_session_failure {
    MCP_SESSION_REFUSED, /* the handshake was answered with an error, or with what we cannot speak */
    MCP_SESSION_SILENT,  /* it was not answered in time */
    MCP_SESSION_OUT_OF_MEMORY,
};

struct mcp_session_events {
    /* The handshake is done; requests may be made. */
    void (*on_ready)(void *self);
    /* It cannot go on: end the server. `why` lives as long as the session. */
    void (*on_failed)(void *self, enum mcp_session_failure failure, const char *why);
    /* The server says that a list has changed; changes close to each other are told as one. */
    void (*on_changed)(void *self, enum mcp_session_list list);
    /* A list asked for: read to its end, or failed and `items` is NULL. */
    void (*on_listed)(void *self, enum mcp_session_list list, struct fb_status status,
                      const struct mcp_session_items *items);
    /* A log message that belongs to nobody in particular. */
    void (*on_log)(void *self, struct fb_text params);
};

/* Bounds; 0 takes the default in brackets. */
struct mcp_session_config {
    enum era era;            /* what is known of it; ERA_UNKNOWN probes */
    bool era_forced;         /* the user's word: another era is an error */
    const char *version;     /* of this program */
    int64_t probe_ms;        /* silence after which a probe counts as not understood [3 s] */
    int64_t start_ms;        /* from the start to the answered handshake [60 s] */
    int64_t list_ms;         /* for all pages of a list [30 s] */
    int64_t debounce_ms;     /* from a change notice to telling of it [250 ms] */
    uint32_t pages_most;     /* of a list [1,000] */
    uint32_t items_most;     /* of a list [10,000] */
    size_t items_bytes_most; /* of a list [8 MiB] */
};

/* NULL when memory is exhausted. `events` is borrowed and usually static. */
struct mcp_session *mcp_session_create(const struct mcp_session_config *config,
                                       const struct mcp_session_events *events, void *self);

/* Forgets what is open without telling anyone (mcp_session_lost tells). NULL is fine. */
void mcp_session_destroy(struct mcp_session *session);

/* Puts out the first message. */
void mcp_session_start(struct mcp_session *session, int64_t now_ms);

bool mcp_session_is_ready(const struct mcp_session *session);

/* Whether the server may still end over the probe: then start it again with ERA_LEGACY. */
bool mcp_session_is_probing(const struct mcp_session *session);

/* Meaningful once it is ready. */
const struct mcp_session_server *mcp_session_server(const struct mcp_session *session);

/* A line of the server. */
void mcp_session_line(struct mcp_session *session, struct fb_text line, int64_t now_ms);

/* A line that was too long to keep: of an answer, the request ends GARBLED. */
void mcp_session_long_line(struct mcp_session *session, struct fb_text head, struct fb_text tail);

/* When mcp_session_tick has something to do; INT64_MAX for never. */
int64_t mcp_session_due_ms(const struct mcp_session *session);
void mcp_session_tick(struct mcp_session *session, int64_t now_ms);

/* --- what is to be written --- */

/* Bytes for the server, borrowed until the session is used again; empty when there are none. */
struct fb_text mcp_session_output(const struct mcp_session *session);
void mcp_session_written(struct mcp_session *session, size_t size);

/* --- work --- */

/*
 * Puts a request out; only when ready. `request` is borrowed until it was answered or cancelled.
 * RESOURCE_EXHAUSTED when memory is; then nothing was put out.
 */
struct fb_status mcp_session_request(struct mcp_session *session,
                                     struct mcp_session_request *request,
                                     const struct mcp_session_request_events *events,
                                     const struct mcp_session_plan *plan);

/* Nobody waits for it any more: tells the server, and ignores what may still come. Harmless twice. */
void mcp_session_cancel(struct mcp_session *session, struct mcp_session_request *request,
                        const char *reason);

/* Requests of owners that are open. */
size_t mcp_session_open_requests(const struct mcp_session *session);

/*
 * Reads a list; on_listed comes later (at once only when memory is exhausted). Only when ready. Asked
 * for again meanwhile, it is read once more.
 */
void mcp_session_list(struct mcp_session *session, enum mcp_session_list list, int64_t now_ms);

/* Whether the server says that it has such a list at all. */
bool mcp_session_has_list(const struct mcp_session *session, enum mcp_session_list list);

/*
 * The server is gone: ends all open requests with UNSENT or LOST and lists with UNAVAILABLE. Nothing but
 * destroy may follow.
 */
void mcp_session_lost(struct mcp_session *session);

/* What was odd, since the start. */
struct mcp_session_oddities {
    uint64_t noise;   /* lines that were no JSON-RPC */
    uint64_t strays;  /* answers to nothing that is open: late, doubled or made up */
    uint64_t refused; /* requests of the server that were answered with an error */
    uint64_t dropped; /* requests of the server that could not be answered, progress out of order */
};
const struct mcp_session_oddities *mcp_session_oddities(const struct mcp_session *session);

#endif
