#ifndef FB_SERVICES_WORKER_FLOW_ESTIMATES_H
#define FB_SERVICES_WORKER_FLOW_ESTIMATES_H

/*
 * estimates: the efforts that a session is scheduled by, one for each class of tasks.
 *
 * What is learned of efforts moves a little with every hold; what the schedule goes by moves only
 * once a class is off by more than a tenth, and then for all its tasks at once. As that costs a pass
 * over the session, it happens at most once in so many events as an eighth of the tasks: a bounded
 * share of every event. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "services/worker/flow/coder.h"
#include "services/worker/flow/effort.h"

enum {
    ESTIMATES_WEIGHTS = 10,
    ESTIMATES_ATTEMPTS = 3,
    ESTIMATES_LEAST = 16, /* events between two revisions of a small session */
};

struct estimates {
    uint32_t ms[ESTIMATES_WEIGHTS][ESTIMATES_ATTEMPTS][EFFORT_PHASES];
    uint64_t revised; /* the event after which they were */
};

/* By the prior. */
struct estimates estimates_prior(void);

/* Weights, attempts and phases out of bounds count as the nearest. */
uint32_t estimates_ms(const struct estimates *estimates, uint32_t weight, uint32_t attempt,
                      uint32_t phase);

/* Takes over what was learned; true if any class has changed. `events` so far, of `tasks` tasks. */
bool estimates_revise(struct estimates *estimates, const struct effort *effort, uint64_t events,
                      uint32_t tasks);

void estimates_code(struct coder *coder, struct estimates *estimates);

#endif
