#ifndef FB_SERVICES_WORKER_MCP_LISTING_H
#define FB_SERVICES_WORKER_MCP_LISTING_H

/*
 * listing: a list of one server while it is read, page by page.
 *
 * It follows the cursors, keeps each item's raw JSON within its bounds, and tells of the list once,
 * when it is whole, cut at a bound, or failed. Asked for again meanwhile, it is read once more: what
 * has changed may be on a page that was read already. Part of a session: no I/O, no clock, one
 * thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/mcp/requests.h"

enum mcp_session_list {
    MCP_SESSION_TOOLS,
    MCP_SESSION_RESOURCES,
    MCP_SESSION_TEMPLATES,
    MCP_SESSION_PROMPTS,
    MCP_SESSION_LISTS
};

/* A list that was read to its end. Borrowed until the function returns. */
struct mcp_session_items {
    const struct fb_text *items; /* raw JSON objects */
    size_t count;
    int64_t ttl_ms; /* as the server says; 0 where it does not */
    size_t skipped; /* items that were no objects with a name */
    bool cut;       /* a bound was met: there would be more */
};

struct listing_bounds {
    int64_t list_ms; /* for all pages */
    uint32_t pages_most;
    uint32_t items_most;
    size_t items_bytes_most;
};

struct listing_events {
    /* Read to its end, or failed and `items` is NULL. It may ask for the list again. */
    void (*on_listed)(void *self, enum mcp_session_list list, struct fb_status status,
                      const struct mcp_session_items *items);
};

/* Embedded in its owner; its fields are the listing's, but for `due_ms`, which may be read. */
struct listing {
    /* fixed */
    struct requests *requests;
    const struct listing_events *events;
    void *self;
    enum mcp_session_list kind;
    struct listing_bounds bounds;

    /* the reading of it */
    struct mcp_session_request request;
    bool running;
    bool again;
    int64_t due_ms; /* when listing_tick has something to do; INT64_MAX for never */

    /* what was read */
    struct fb_buffer text; /* items one after the other */
    size_t *ends;          /* of each item in `text` */
    size_t count;
    size_t room;
    uint64_t *cursors; /* hashes of those followed */
    uint32_t pages;
    size_t skipped;
    int64_t ttl_ms;
    bool cut;
};

/* `requests` and `events` are borrowed. */
void listing_init(struct listing *listing, enum mcp_session_list kind, struct requests *requests,
                  const struct listing_bounds *bounds, const struct listing_events *events,
                  void *self);

/* Tells nobody. */
void listing_finish(struct listing *listing);

/* Reads the list, or remembers to once it is read. on_listed at once only when memory is exhausted. */
void listing_start(struct listing *listing, int64_t now_ms);

/* Gives up what took too long. */
void listing_tick(struct listing *listing, int64_t now_ms);

#endif
