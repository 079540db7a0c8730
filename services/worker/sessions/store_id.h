#ifndef FB_SERVICES_WORKER_SESSIONS_STORE_ID_H
#define FB_SERVICES_WORKER_SESSIONS_STORE_ID_H

/*
 * store_id: what a session of a scope is called in the store.
 *
 * Sessions of different scopes may have the same id, while the store's ids are unique over all: in the
 * scope "" both are the same, in another the store's is a digest of the scope, a colon, which no id
 * has, and the id. Pure, any thread.
 */

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum {
    STORE_ID_BYTES = 128,
    STORE_ID_SCOPE_BYTES = 17, /* of them, for a scope other than "" */
};

/*
 * The id of a session in the store, in the arena. INVALID_ARGUMENT: `session` is no id (1 to 128 of
 * [A-Za-z0-9._-], in a scope 1 to 111), or `scope` is none. RESOURCE_EXHAUSTED: no memory.
 */
struct fb_status store_id_of(struct fb_arena *arena, struct fb_text scope, struct fb_text session,
                             const char **store_id);

/* Back: the session's own id, within the store's. */
const char *store_id_session(const char *store_id);

#endif
