#ifndef FB_SERVICES_WORKER_MCP_EXPOSURE_H
#define FB_SERVICES_WORKER_MCP_EXPOSURE_H

/*
 * exposure: the names under which agents see servers and what they offer.
 *
 * An exposed name is `<server>__<name>`, at most 64 of [A-Za-z0-9_-], as the strictest models and
 * clients demand. What fits goes through as it is; what does not gets eight hex digits of its
 * SHA-256 at its end, so that the same name is exposed alike by every worker and after every
 * restart. An exposed server name holds no "__" and does not end with '_', so the first "__" of an
 * exposed name is always where the server ends. Pure: any thread may use it.
 */

#include <stddef.h>

#include "runtime/base/text.h"

enum {
    EXPOSURE_SERVER_BYTES = 24, /* of an exposed server name at most */
    EXPOSURE_NAME_BYTES = 64,   /* of an exposed name at most */
};

struct exposure_server {
    char name[EXPOSURE_SERVER_BYTES + 1]; /* ^[a-z][a-z0-9_-]*$, without "__" */
};

struct exposure_name {
    char name[EXPOSURE_NAME_BYTES + 1]; /* "" for a duplicate: it is not exposed */
};

/*
 * Names the `count` configured servers, none like another: the one whose configured name is legal
 * keeps it, those that would be spelled the same get the hash. The order of `configured` does not
 * matter; names that are equal themselves get different exposed ones in their order.
 */
void exposure_servers(const char *const *configured, size_t count, struct exposure_server *out);

/*
 * Names the `count` things one server offers, none like another; of two with the very same name
 * only the first is exposed. Returns how many duplicates were left out, or (size_t)-1 when memory is
 * exhausted. The order of `names` matters to duplicates alone.
 */
size_t exposure_names(const char *server, const struct fb_text *names, size_t count,
                      struct exposure_name *out);

/* The server's part of an exposed name: all before the first "__"; empty when there is none. */
struct fb_text exposure_server_of(struct fb_text exposed);

#endif
