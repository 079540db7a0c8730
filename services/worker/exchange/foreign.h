#ifndef FB_SERVICES_WORKER_EXCHANGE_FOREIGN_H
#define FB_SERVICES_WORKER_EXCHANGE_FOREIGN_H

/*
 * foreign: what the readers of other systems' documents have in common.
 *
 * Values are slices of a checked JSON text (runtime/json/scan.h). Pure; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "services/worker/exchange/outline.h"

/* A member that is looked for, and where in a struct its value goes. */
struct foreign_member {
    const char *key;
    size_t offset; /* of a struct fb_text */
};

/* Puts the values of the members into `slices`, in one walk; those that are not there stay as they are. */
void foreign_pick(struct fb_text object, const struct foreign_member *members, size_t count,
                  void *slices);

/*
 * What a value says as a text without NUL: a string without its escapes, anything else but null as
 * it is written, nothing for null and for what is not there.
 */
struct fb_status foreign_text(struct outline *outline, struct fb_text value, struct fb_text *text);

/* An id, as foreign_text; INVALID_ARGUMENT, naming the place, unless it has 1 to `most` bytes. */
struct fb_status foreign_id(struct outline *outline, const char *where, struct fb_text value,
                            size_t most, struct fb_text *id);

/* 1 to 10, the nearest; OUTLINE_WEIGHT with a warning for what is no number. */
uint32_t foreign_weight(struct outline *outline, const char *where, const char *field,
                        struct fb_text value);

/* 0 to 4 for a number or a word such as "high"; OUTLINE_PRIORITY with a warning for anything else. */
uint32_t foreign_priority(struct outline *outline, const char *where, struct fb_text value);

/* What a word for a state means here. */
struct foreign_state {
    const char *word; /* lower case, with - between words; '_' and ' ' are read as '-' */
    enum task_state state;
    const char *gate; /* of TASK_BLOCKED: what it waits for */
    const char *note; /* what the state no longer says; may be NULL */
};

/* The row of a word; NULL for a word that is not in the table. Rows end with a NULL word. */
const struct foreign_state *foreign_state_of(const struct foreign_state *states,
                                             struct fb_text word);

/* Sets state, and gate and note unless they have been set, by the word; queued, with a warning, for
 * one that is not known. */
struct fb_status foreign_state(struct outline *outline, const struct foreign_state *states,
                               struct fb_text value, struct outline_task *task);

/* The parts one under the other, with an empty line between; empty ones are left out. */
struct fb_status foreign_join(struct outline *outline, const struct fb_text *parts, size_t count,
                              struct fb_text *text);

#endif
