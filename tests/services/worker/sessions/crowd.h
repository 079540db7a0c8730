#ifndef FB_TESTS_SERVICES_WORKER_SESSIONS_CROWD_H
#define FB_TESTS_SERVICES_WORKER_SESSIONS_CROWD_H

/*
 * crowd: agents that do the tasks of one session, each one after the other, until none is left.
 *
 * An agent that is told that another worker has the session goes there, and repeats what it asked for,
 * under the same request id, wherever that was not surely done. From time to time it may take the session
 * over to the other worker for no reason.
 */

#include "tests/services/worker/sessions/world.h"

enum { CROWD_TASKS_MOST = 2000, CROWD_AGENTS_MOST = 64 };

struct crowd_agent {
    struct crowd *crowd;
    struct ask ask;
    char name[16];
    char request[32];
    unsigned at; /* which keeper it goes to */
    unsigned steps;
    bool busy;
};

struct crowd {
    struct world *world;
    unsigned keepers;         /* w0 and so on */
    unsigned take_over_every; /* steps; 0: never */
    unsigned count;
    struct crowd_agent agents[CROWD_AGENTS_MOST];
    unsigned finished[CROWD_TASKS_MOST + 1]; /* how often each was, as agents were told */
    unsigned tasks;
    unsigned done; /* of the tasks */
    unsigned takeovers;
};

/* Opens the session "s" with so many tasks and sends the agents; `crowd` has its first group. */
void crowd_begin(struct crowd *crowd, unsigned tasks);

/* One round of the loop; false when nothing is left. */
bool crowd_turn(struct crowd *crowd);

/* That each task was finished once, and that the session and its log agree. */
void crowd_check(struct crowd *crowd);

#endif
