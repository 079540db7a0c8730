#ifndef FB_CLIENTS_FLOWCTL_SPLICE_H
#define FB_CLIENTS_FLOWCTL_SPLICE_H

/*
 * splice: puts members into an object of a JSON file that people write, and leaves all else as it is:
 * order, comments, spacing. Pure.
 */

#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct splice_member {
    const char *name;
    struct fb_text value; /* JSON */
};

/*
 * Appends the file `text` to `out` with the members put into the object `key` of its root, which is made
 * where it is missing; a member that is there already gets the new value. An empty text is an empty
 * file. INVALID_ARGUMENT with path, line and column for what is no JSON object, or when `key` is no
 * object in it; `path` is for these words alone.
 */
struct fb_status splice_put(const char *path, struct fb_text text, const char *key,
                            const struct splice_member *members, size_t count,
                            struct fb_arena *arena, struct fb_buffer *out);

#endif
