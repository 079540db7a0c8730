#ifndef FB_SERVICES_WORKER_FLOW_DISPROOFS_H
#define FB_SERVICES_WORKER_FLOW_DISPROOFS_H

/*
 * disproofs: tasks that are said to be done, and whose evidence is not there or not what it was.
 *
 * The last DISPROOFS of them. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"

struct event_look; /* event.h */

enum { DISPROOFS = 32, DISPROOF_REF_BYTES = 120, DISPROOF_HOST_BYTES = 64 };

struct disproof {
    uint32_t task;
    uint32_t missing; /* pieces of evidence */
    uint32_t changed;
    int64_t unix_ms;                    /* of the first look that found it */
    char ref[DISPROOF_REF_BYTES + 1];   /* the first of them; cut where it is longer */
    char host[DISPROOF_HOST_BYTES + 1]; /* where it was looked for */
};

/* The oldest first. All zero has none. */
struct disproofs {
    struct disproof items[DISPROOFS];
    uint32_t count;
};

/* What a look at the evidence of a task has found. */
struct disproof_look {
    uint32_t missing;
    uint32_t changed;
    struct fb_text ref; /* the first that is missing or changed */
    struct fb_text host;
};

/* What the looks at the pieces of one task come to; its texts are theirs. */
struct disproof_look disproofs_look(const struct event_look *looks, size_t count);

/* Whether this is what is known of the task anyway. */
bool disproofs_know(const struct disproofs *disproofs, uint32_t task,
                    const struct disproof_look *look);

/* Replaces what was known of the task; nothing missing or changed clears it. */
void disproofs_looked(struct disproofs *disproofs, uint32_t task, const struct disproof_look *look,
                      int64_t unix_ms);

/* The task is open again, or ended anew. */
void disproofs_clear(struct disproofs *disproofs, uint32_t task);

#endif
