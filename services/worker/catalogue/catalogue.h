#ifndef FB_SERVICES_WORKER_CATALOGUE_CATALOGUE_H
#define FB_SERVICES_WORKER_CATALOGUE_CATALOGUE_H

/*
 * catalogue: the tools of all servers as agents see them, whether or not a server runs.
 *
 * Each server's tools are put in as it lists them; what comes out is one list under exposed names,
 * sorted by them, with a version that is equal wherever the list is equal. Pure; on one thread at a
 * time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/text.h"
#include "services/worker/mcp/exposure.h"

struct catalogue;

enum { CATALOGUE_VERSION_BYTES = 32 };

struct catalogue_tool {
    char name[EXPOSURE_NAME_BYTES + 1]; /* as exposed */
    size_t server;
    struct fb_text own_name; /* the server's: a raw JSON string */
    struct fb_text item;     /* the tool object with the exposed name, all else as it came */
    bool repeatable;         /* it says that it only reads, or that twice is as good as once */
};

/* `servers` is borrowed for its life. NULL when memory is exhausted. */
struct catalogue *catalogue_create(const struct exposure_server *servers, size_t count);
void catalogue_destroy(struct catalogue *catalogue); /* NULL is fine */

enum catalogue_change {
    CATALOGUE_SAME, /* it had exactly these */
    CATALOGUE_CHANGED,
    CATALOGUE_FULL, /* memory is exhausted; it has what it had */
};

/*
 * What `server` offers now, in place of what it offered: raw JSON objects, each with a string `name`.
 * `*doubled` is the number of those left out because of an earlier one with the same name.
 */
enum catalogue_change catalogue_put(struct catalogue *catalogue, size_t server,
                                    const struct fb_text *items, size_t count, size_t *doubled);

/* Whether the tools of `server` are known; it may have none. */
bool catalogue_has(const struct catalogue *catalogue, size_t server);

/* All tools by name. Everything that is handed out lives until the next put. */
const struct catalogue_tool *const *catalogue_tools(const struct catalogue *catalogue,
                                                    size_t *count);

/* NULL when there is none of that name. */
const struct catalogue_tool *catalogue_find(const struct catalogue *catalogue, struct fb_text name);

/* The name that was most likely meant; NULL when none is near. */
const char *catalogue_nearest(const struct catalogue *catalogue, const char *name);

/* 32 hex digits. */
const char *catalogue_version(const struct catalogue *catalogue);

#endif
