#ifndef FB_SERVICES_WORKER_FLOW_KEPT_H
#define FB_SERVICES_WORKER_FLOW_KEPT_H

/*
 * kept: what a session keeps beside its tasks: documents that tasks came from, segments in cold
 * storage, and both sides of merged changes that nobody has settled yet.
 *
 * Only names and sizes are here; the bytes of a document are in the log, those of a segment in a
 * blob. Part of a session; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/coder.h"
#include "services/worker/flow/names.h"

enum {
    KEPT_DIGEST_BYTES = 32,
    KEPT_DOCUMENTS_MOST = 64,
    KEPT_SEGMENTS_MOST = 4096,
    KEPT_CONFLICTS_MOST = 64, /* of more, the oldest are forgotten; the log has them all */
    KEPT_CONFLICT_BYTES = 200,
    KEPT_FIELD_BYTES = 32,
};

struct kept_document {
    char sha256[KEPT_DIGEST_BYTES + 1];
    uint32_t format; /* as flow.proto numbers FlowFormat */
    uint64_t size;   /* bytes of the whole */
    uint64_t seen;   /* bytes of the parts that are in the log */
    uint32_t parts;
    uint32_t next_part; /* `parts` once it is whole */
    bool taken;         /* all of its tasks are there */
};

struct kept_conflict {
    uint32_t task; /* 0: the session */
    char field[KEPT_FIELD_BYTES + 1];
    char other[KEPT_CONFLICT_BYTES + 1]; /* the beginning of the value that does not count */
};

/* All zero is empty. */
struct kept {
    struct kept_document *documents;
    uint32_t document_count;
    struct names segments;           /* SHA-256 in hex; the number of a segment is task.cold - 1 */
    struct kept_conflict *conflicts; /* the oldest first */
    uint32_t conflict_count;
};

void kept_finish(struct kept *kept);

/* The document of a digest, or NULL. */
struct kept_document *kept_document(const struct kept *kept, struct fb_text sha256);

/* A new one; NULL when there are KEPT_DOCUMENTS_MOST, or no memory. */
struct kept_document *kept_document_add(struct kept *kept, struct fb_text sha256);

/* False: no memory. */
bool kept_conflict_add(struct kept *kept, uint32_t task, struct fb_text field,
                       struct fb_text other);

/* Those of a task are settled. */
void kept_conflicts_settle(struct kept *kept, uint32_t task);

void kept_code(struct coder *coder, struct kept *kept, uint32_t tasks_most);

#endif
