#ifndef FB_SERVICES_WORKER_SESSIONS_UNSAID_H
#define FB_SERVICES_WORKER_SESSIONS_UNSAID_H

/*
 * unsaid: what queries do not know yet of a session, and how it is said to the store.
 *
 * Notes after each decision which tasks look different in a search: those that the events are about, and
 * those that became ready, or no longer are, because of them. What is fresh goes along with the append of
 * its events where that is small; the rest follows by and by, as indexing texts is dearer for the store
 * than keeping events. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/arena.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/session.h"

/* A task's state as queries know it: that of enum task_state, or for a queued one that is ready: */
enum { UNSAID_READY = 16 };

enum {
    UNSAID_BYTES_MOST = 256 << 10, /* of one message, roughly */
    UNSAID_BODY_BYTES = 16 << 10,
    UNSAID_ALARMS_MOST = 32,
    UNSAID_ALARMS_MS = 1000, /* between two looks at the alarms of a busy session */
};

/* All zero knows nothing. Its fields are its own. */
struct unsaid {
    uint32_t *tasks; /* to be said, oldest first */
    uint32_t first;
    uint32_t count;
    uint32_t fresh; /* of them, the last: since something was taken */
    uint32_t room;
    uint8_t *said; /* by task: its state as queries know it or will */
    uint8_t *due;  /* by task: what is to be said of it */
    uint32_t known;
    int64_t sequence; /* up to which queries know everything, once all that was taken is there */
    Flowbalancer__V1__SessionAlarm alarms[UNSAID_ALARMS_MOST]; /* as of `alarms_ms` */
    size_t alarm_count;
    int64_t alarms_ms;
    bool failed; /* no memory: queries stay behind until the session is loaded again */
};

/* Of a session that was loaded, of which queries know what happened up to `sequence`. */
void unsaid_begin(struct unsaid *unsaid, const struct session *session, int64_t sequence);
void unsaid_finish(struct unsaid *unsaid);

/* These events were folded. */
void unsaid_note(struct unsaid *unsaid, const struct session *session, const struct event *events,
                 size_t count);

/* Whether queries are behind what has happened up to `sequence`. */
bool unsaid_are_due(const struct unsaid *unsaid, int64_t sequence);

/*
 * Up to `most` tasks that are to be said, in the arena, and taken for said: the fresh ones, or else the
 * oldest. The session must be as it is after `sequence`. NULL when memory is exhausted: nothing was taken.
 */
Flowbalancer__V1__Projection *unsaid_take(struct unsaid *unsaid, const struct session *session,
                                          int64_t sequence, bool fresh, uint32_t most,
                                          struct fb_arena *arena);

#endif
