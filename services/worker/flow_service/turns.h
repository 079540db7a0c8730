#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_TURNS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_TURNS_H

/*
 * turns: which of the sessions that a worker has in memory gives an agent its next task, where the agent
 * names none.
 *
 * The accounts are this process's alone: they say who had more than its share of late, and a worker that
 * begins anew owes nobody anything. On the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "services/worker/flow/fairness.h"
#include "services/worker/sessions/keeper.h"

struct turns_place;

/* All zero is ready for use. */
struct turns {
    struct fairness *fairness;
    struct turns_place *places; /* as the keeper counts them */
    uint32_t room;
};

/* Who asks. */
struct turns_asking {
    struct fb_text scope;
    struct fb_text agent;
    struct fb_text request_id;
    int64_t now_ms; /* unix time */
};

struct turn {
    const char *session; /* in the arena */
    uint32_t place;
    uint64_t key;
};

void turns_finish(struct turns *turns);

/*
 * The session whose turn it is; false when none has something for the agent. In order: one that knows the
 * request id, one where the agent holds something, one that has something for it.
 */
bool turns_pick(struct turns *turns, const struct keeper *keeper, const struct turns_asking *asking,
                struct fb_arena *arena, struct turn *turn);

/* What the session was given of the agent's time, in estimated effort. */
void turns_charge(struct turns *turns, const struct turn *turn, uint64_t effort_ms);

#endif
