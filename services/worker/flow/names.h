#ifndef FB_SERVICES_WORKER_FLOW_NAMES_H
#define FB_SERVICES_WORKER_FLOW_NAMES_H

/*
 * names: strings numbered from 0 in the order in which they came.
 *
 * Found by hash in O(1), however many. One thread at a time.
 */

#include <stdint.h>

#include "runtime/base/text.h"

#define NAMES_NONE UINT32_MAX

/* All zero is empty. Anyone may read; only the functions write. */
struct names {
    struct fb_text *texts; /* by number; NUL-terminated */
    uint32_t count;
    uint32_t room;
    uint32_t *slots; /* number + 1; 0 is free */
    uint32_t slot_count;
};

void names_finish(struct names *names);

/* NAMES_NONE if it is not there. */
uint32_t names_find(const struct names *names, struct fb_text name);

/* The number of a name that may be new; NAMES_NONE when memory is exhausted. */
uint32_t names_add(struct names *names, struct fb_text name);

/* Forgets all names from number `count` on. */
void names_truncate(struct names *names, uint32_t count);

#endif
