#include "services/worker/flow/task.h"

#include <assert.h>

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned may_become; /* one bit per state */
} states[TASK_STATES] = {
    [TASK_QUEUED] = {"queued", BIT(TASK_ACTIVE) | BIT(TASK_BLOCKED) | BIT(TASK_CANCELLED)},
    [TASK_ACTIVE] = {"active", BIT(TASK_QUEUED) | BIT(TASK_BLOCKED) | BIT(TASK_RESTING) |
                                   BIT(TASK_COMPLETED) | BIT(TASK_FAILED) | BIT(TASK_CANCELLED)},
    [TASK_BLOCKED] = {"blocked", BIT(TASK_QUEUED) | BIT(TASK_CANCELLED)},
    [TASK_RESTING] = {"resting", BIT(TASK_ACTIVE) | BIT(TASK_CANCELLED)},
    [TASK_COMPLETED] = {"completed", BIT(TASK_QUEUED)},
    [TASK_FAILED] = {"failed", BIT(TASK_QUEUED)},
    [TASK_CANCELLED] = {"cancelled", 0},
};

bool task_may_become(enum task_state from, enum task_state to)
{
    assert(from < TASK_STATES && to < TASK_STATES);
    return (states[from].may_become & BIT(to)) != 0;
}

bool task_has_ended(enum task_state state)
{
    return state == TASK_COMPLETED || state == TASK_FAILED || state == TASK_CANCELLED;
}

const char *task_state_name(enum task_state state)
{
    assert(state < TASK_STATES);
    return states[state].name;
}
