#ifndef FB_SERVICES_WORKER_FLOW_FLOW_STATE_H
#define FB_SERVICES_WORKER_FLOW_FLOW_STATE_H

/*
 * flow_state: what a session's momentum is called.
 *
 * A Schmitt trigger over the session's momentum: up at .10, .35 and .70, down at .05, .25 and .55,
 * so that a momentum that swings inside a dead band changes nothing. Two hours without an event are
 * rest. Pure, any thread.
 */

#include <stdint.h>

enum { FLOW_STATE_SILENCE_MS = 2 * 60 * 60 * 1000 };

enum flow_state { FLOW_RESTING, FLOW_WARMING, FLOW_FLOWING, FLOW_SURGING, FLOW_STATES };

/* The state that follows when momentum is `momentum` and the last event was `silent_ms` ago. */
enum flow_state flow_state_next(enum flow_state state, double momentum, int64_t silent_ms);

/* "resting", "warming", "flowing", "surging" */
const char *flow_state_name(enum flow_state state);

#endif
