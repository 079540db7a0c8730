#ifndef FB_SERVICES_SESSION_STORE_SQLITE_LABELS_H
#define FB_SERVICES_SESSION_STORE_SQLITE_LABELS_H

/*
 * labels: where a stored body belongs, as bytes that its digest vouches for too.
 *
 * So a body that strayed into another row is found as surely as one that changed. Pure.
 */

#include <stdint.h>

#include "services/session_store/engine.h"

struct label {
    char text[400];
    size_t size;
};

struct label label_batch(const char *session_id, int64_t first_sequence, int64_t unix_ms);
struct label label_snapshot(const char *session_id, int64_t sequence, int64_t offset);
struct label label_catalogue(const char *server, int64_t kind);
struct label label_result(const char *scope, struct engine_bytes key, int64_t stored_unix_ms);

struct label label_dictionary(void);

/* A blob's name is the digest of its content, so its label need not say where it belongs. */
struct label label_blob(void);

/* Its bytes, borrowed. */
struct engine_bytes label_bytes(const struct label *label);

#endif
