#include "services/worker/sessions/store_id.h"

#include <string.h>

#include "services/worker/digest/digest.h"

static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

enum { SCOPE_BYTES = 128 };

struct fb_status store_id_of(struct fb_arena *arena, struct fb_text scope, struct fb_text session,
                             const char **store_id)
{
    const size_t most = STORE_ID_BYTES - (scope.size == 0 ? 0 : STORE_ID_SCOPE_BYTES);
    char hex[DIGEST_HEX_BYTES + 1];
    struct digest digest;

    if (session.size == 0 || session.size > most) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "context.session: 1 to %zu bytes, not %zu; choose another id", most,
                             session.size);
    }
    for (size_t i = 0; i < session.size; i++) {
        if (session.data[i] == '\0' || strchr(legal, session.data[i]) == NULL) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                                 "context.session: byte %zu is none of A-Z a-z 0-9 . _ -; choose "
                                 "another id",
                                 i + 1);
        }
    }
    for (size_t i = 0; i < scope.size; i++) {
        if (scope.size > SCOPE_BYTES || scope.data[i] <= ' ' || scope.data[i] > '~') {
            return fb_fail(FB_INVALID_ARGUMENT,
                           "context.scope: up to 128 of printable ASCII without spaces");
        }
    }
    if (scope.size == 0) {
        *store_id = fb_arena_copy(arena, session.data, session.size);
    } else {
        digest_begin(&digest);
        digest_add(&digest, scope);
        digest_end(&digest, hex, STORE_ID_SCOPE_BYTES - 1);
        *store_id = fb_arena_printf(arena, "%s:%.*s", hex, (int)session.size, session.data);
    }
    return *store_id == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the session's id")
                             : fb_ok;
}

const char *store_id_session(const char *store_id)
{
    const char *colon = strchr(store_id, ':');

    return colon == NULL ? store_id : colon + 1;
}
