#ifndef FB_SERVICES_WORKER_TOLD_SESSIONS_H
#define FB_SERVICES_WORKER_TOLD_SESSIONS_H

/*
 * told_sessions: what a router is still to be told of sessions that were acquired and given up.
 *
 * Of one session only the last counts. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

enum { TOLD_SESSIONS_MOST = 256, TOLD_SESSION_BYTES = 264 };

/* All zero has nothing to tell. */
struct told_sessions {
    struct told_session {
        char name[TOLD_SESSION_BYTES];
        bool held;
    } * items; /* TOLD_SESSIONS_MOST of them; NULL: none yet */
    size_t count;
};

/* False when there is no room: what there is has to be told first. */
bool told_sessions_add(struct told_sessions *told, const char *name, bool held);

/* Nothing is left to tell. */
void told_sessions_clear(struct told_sessions *told);
void told_sessions_finish(struct told_sessions *told);

#endif
