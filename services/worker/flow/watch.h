#ifndef FB_SERVICES_WORKER_FLOW_WATCH_H
#define FB_SERVICES_WORKER_FLOW_WATCH_H

/*
 * watch: all that a session remembers for its alarms.
 *
 * Folded from the session's events, and part of its snapshot, but for what calls and refusals have
 * shown, which is gone when the session is loaded again. alarms.h says what it means. One thread at a
 * time.
 */

#include <stdint.h>

#include "services/worker/flow/coder.h"
#include "services/worker/flow/disproofs.h"
#include "services/worker/flow/doubles.h"
#include "services/worker/flow/flood.h"
#include "services/worker/flow/mutes.h"
#include "services/worker/flow/rhythm.h"
#include "services/worker/flow/runaway.h"

enum { WATCH_CYCLE_NAMED = 16 };

/* The last cycle that was refused. */
struct watch_cycle {
    uint32_t tasks[WATCH_CYCLE_NAMED];
    uint32_t count; /* as many of them as are remembered; 0: none was */
    int64_t unix_ms;
};

/* All zero has seen nothing. */
struct watch {
    /* folded */
    struct rhythm rhythm;
    struct flood flood;
    struct doubles doubles;
    struct disproofs disproofs;
    struct mutes mutes;

    /* of this process */
    struct runaway runaway;
    struct watch_cycle cycle;
};

void watch_finish(struct watch *watch);

/* What is folded, and from bytes also what is derived from that. */
void watch_code(struct coder *coder, struct watch *watch);

#endif
