#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_TWINS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_TWINS_H

/*
 * twins: open tasks of other sessions that seem to be the same piece of work as one just planned.
 *
 * Knows the titles of the sessions that this worker holds and that were opened or planned in since it
 * holds them: the last SIMILAR_MOST of them, whatever the scope, of up to TWINS_SESSIONS sessions. Only
 * sessions of one scope are held against each other. Sessions go by their ids in the store
 * (store_id.h). On the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/session.h"

enum { TWINS_SESSIONS = 1024 };

struct twins;

/* The session that the worker holds, or NULL; `self` is the caller's. */
typedef const struct session *twins_held_fn(void *self, const char *store_id);

struct twin {
    const char *store_id; /* of the other session; lasts until twins_meet */
    uint32_t task;
    const char *title; /* of that task; lasts as long as the other session does not change */
    uint32_t percent;
};

/* NULL when memory is exhausted. */
struct twins *twins_create(twins_held_fn *held, void *self);
void twins_destroy(struct twins *twins); /* NULL is fine */

/* Takes in the titles of tasks that are new since it was last met; without memory they are left out. */
void twins_meet(struct twins *twins, const char *store_id, const struct session *session);

/* The open task of another session of the scope that is most like this one; false for none. */
bool twins_find(const struct twins *twins, const char *store_id, struct fb_text title,
                struct twin *twin);

#endif
