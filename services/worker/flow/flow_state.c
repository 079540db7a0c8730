#include "services/worker/flow/flow_state.h"

#include <assert.h>

static const struct {
    const char *name;
    double up;   /* at or above it goes one up */
    double down; /* below it goes one down */
} states[FLOW_STATES] = {
    [FLOW_RESTING] = {.name = "resting", .up = .10, .down = 0},
    [FLOW_WARMING] = {.name = "warming", .up = .35, .down = .05},
    [FLOW_FLOWING] = {.name = "flowing", .up = .70, .down = .25},
    [FLOW_SURGING] = {.name = "surging", .up = 2, .down = .55},
};

enum flow_state flow_state_next(enum flow_state state, double momentum, int64_t silent_ms)
{
    assert(state < FLOW_STATES);
    if (silent_ms >= FLOW_STATE_SILENCE_MS) {
        return FLOW_RESTING;
    }
    while (momentum >= states[state].up) {
        state++;
    }
    while (momentum < states[state].down) {
        state--;
    }
    return state;
}

const char *flow_state_name(enum flow_state state)
{
    assert(state < FLOW_STATES);
    return states[state].name;
}
