#ifndef FB_SERVICES_SUPERVISOR_PLACE_H
#define FB_SERVICES_SUPERVISOR_PLACE_H

/*
 * place: the state folder of a suite, and that there is only one suite in it.
 *
 *     run/store.sock, run/router.sock, run/worker-<tier>-<n>.sock    where the programs listen
 *     run/suite.lock                                                 held as long as it runs
 *     run/suite.json                                                 what runs
 *     log/suite.log, log/suite.log.1                                 what they said
 *     flow.db                                                        what is durable
 */

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

struct place {
    const char *state; /* absolute */
    const char *run;
    const char *log;
    const char *database;
    const char *suite_file;
    const char *suite_fresh; /* what becomes the suite file when it is complete */
    int lock;                /* -1 when not held; closed on exec, so that it ends with us */
};

/*
 * Makes the folders (mode 0700) and takes the lock; strings are in the arena. ALREADY_EXISTS when a
 * suite runs there; PERMISSION_DENIED when a folder is not ours or others may write to it;
 * INVALID_ARGUMENT when the path leaves no room for the names of sockets; UNAVAILABLE for what else
 * the system says.
 */
struct fb_status place_open(struct place *place, const char *state, struct fb_arena *arena);

/* Removes the suite file and gives up the lock. */
void place_close(struct place *place);

/* "unix:<run>/<name>.sock". INVALID_ARGUMENT when it is too long for a socket. */
struct fb_status place_address(const struct place *place, const char *name, struct fb_arena *arena,
                               const char **address);

/* Replaces the suite file at once, so that a reader never sees half of it. */
struct fb_status place_write_suite(const struct place *place, const char *text, size_t size,
                                   struct fb_arena *arena);

#endif
