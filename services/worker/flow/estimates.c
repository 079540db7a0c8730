#include "services/worker/flow/estimates.h"

#include <math.h>

#include "services/worker/flow/graph.h"

#define OFF_MOST 0.1 /* of what is in use */

struct estimates estimates_prior(void)
{
    struct estimates estimates = {.revised = 0};

    for (uint32_t w = 0; w < ESTIMATES_WEIGHTS; w++) {
        for (uint32_t a = 0; a < ESTIMATES_ATTEMPTS; a++) {
            for (uint32_t p = 0; p < EFFORT_PHASES; p++) {
                estimates.ms[w][a][p] = graph_effort_of(effort_prior(w + 1));
            }
        }
    }
    return estimates;
}

static uint32_t nearest(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

uint32_t estimates_ms(const struct estimates *estimates, uint32_t weight, uint32_t attempt,
                      uint32_t phase)
{
    return estimates
        ->ms[nearest(weight, 1, ESTIMATES_WEIGHTS) - 1][nearest(attempt, 1, ESTIMATES_ATTEMPTS) - 1]
            [nearest(phase, 0, EFFORT_PHASES - 1)];
}

bool estimates_revise(struct estimates *estimates, const struct effort *effort, uint64_t events,
                      uint32_t tasks)
{
    const uint64_t rest = tasks / 8 > ESTIMATES_LEAST ? tasks / 8 : ESTIMATES_LEAST;
    bool changed = false;

    if (events - estimates->revised < rest) {
        return false;
    }
    estimates->revised = events;
    for (uint32_t w = 0; w < ESTIMATES_WEIGHTS; w++) {
        for (uint32_t a = 0; a < ESTIMATES_ATTEMPTS; a++) {
            for (uint32_t p = 0; p < EFFORT_PHASES; p++) {
                const struct effort_input input = {.weight = w + 1, .attempt = a + 1, .phase = p};
                const uint32_t is_ms = graph_effort_of(effort_minutes(effort, &input));
                uint32_t *in_use = &estimates->ms[w][a][p];

                if (fabs((double)is_ms - *in_use) > OFF_MOST * *in_use) {
                    *in_use = is_ms;
                    changed = true;
                }
            }
        }
    }
    return changed;
}

void estimates_code(struct coder *coder, struct estimates *estimates)
{
    for (uint32_t w = 0; w < ESTIMATES_WEIGHTS; w++) {
        for (uint32_t a = 0; a < ESTIMATES_ATTEMPTS; a++) {
            for (uint32_t p = 0; p < EFFORT_PHASES; p++) {
                coder_u32(coder, &estimates->ms[w][a][p], UINT32_MAX);
            }
        }
    }
    coder_u64(coder, &estimates->revised);
}
