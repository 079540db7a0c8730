#ifndef FB_SERVICES_WORKER_CATALOGUE_KEPT_H
#define FB_SERVICES_WORKER_CATALOGUE_KEPT_H

/*
 * kept: the store's copy of what servers offer.
 *
 * What was read of a server is put there, and what other workers put there for the same server is
 * told. A store that is away is no failure: it is dialled again, and what it missed is put then. On
 * the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "services/worker/mcp/session.h"

struct kept;

enum { KEPT_SERVER_DIGEST_BYTES = 32 };

struct kept_server {
    const char *name;                         /* as exposed */
    uint8_t digest[KEPT_SERVER_DIGEST_BYTES]; /* of all that makes its instances differ */
};

struct kept_events {
    /* The tools of a server as the store has them; its era, if known. */
    void (*on_tools)(void *self, size_t server, const struct fb_text *items, size_t count,
                     enum era era);
    /* All that the store has was told, or it cannot be reached. Once. */
    void (*on_settled)(void *self);
};

/*
 * Dials `channel`, which it takes; NULL: there is no store, and on_settled comes with the next round.
 * `servers` and `events` are borrowed. NULL when memory is exhausted; the channel is then destroyed.
 */
struct kept *kept_create(struct fb_loop *loop, struct fb_channel *channel,
                         const struct kept_server *servers, size_t count,
                         const struct kept_events *events, void *self);
void kept_destroy(struct kept *kept); /* NULL is fine */

/* Keeps what a server listed, in place of what is kept; at once or as soon as the store is there. */
void kept_put(struct kept *kept, size_t server, const struct mcp_session_items *items,
              const struct mcp_session_server *said, int64_t now_unix_ms);

#endif
