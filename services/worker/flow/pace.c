#include "services/worker/flow/pace.h"

#include <math.h>

#define SPREAD .8 /* before anything is known */
#define ALIKE  .1 /* share of the variance that further blocks share */

/* The last of some tasks are those that stall, wait, or that nobody wants: of ln time, mean and variance. */
#define LAST          .55
#define LAST_VARIANCE .25

#define LN_MOST 7.0

enum { PRIOR_BLOCKS = 2 /* that this weighs */, FORGETS = 24 /* blocks */ };

bool pace_completed(struct pace *pace, double minutes, int64_t created_ms)
{
    if (created_ms <= pace->began_ms) {
        pace->minutes += minutes;
        pace->completed++;
    } else {
        pace->newer++;
    }
    return pace->completed >= PACE_BLOCK || pace->completed + pace->newer >= PACE_BLOCK_MOST;
}

void pace_block(struct pace *pace, uint32_t workers, int64_t awake_ms)
{
    const double expected = pace->minutes / (workers == 0 ? 1 : workers);
    const double took = fmax((double)(awake_ms - pace->began_ms) / 60000.0, 1e-3);

    if (expected > 0) {
        const double ratio = fmin(fmax(log(took / expected), -LN_MOST), LN_MOST);
        const double off = ratio - pace->mean;
        double share = 1.0 / FORGETS;

        if (pace->blocks == 0) {
            pace->variance = SPREAD * SPREAD;
        }
        if (pace->blocks + PRIOR_BLOCKS < FORGETS) {
            share = 1 / (double)(pace->blocks + 1 + PRIOR_BLOCKS);
        }
        pace->mean += share * off;
        pace->variance = (1 - share) * (pace->variance + share * off * off);
        pace->blocks++;
    }
    pace->completed = 0;
    pace->newer = 0;
    pace->minutes = 0;
    pace->began_ms = awake_ms;
}

void pace_of(const struct pace *pace, uint32_t tasks, double *mean, double *spread)
{
    const double seen = (double)(pace->blocks < FORGETS ? pace->blocks : FORGETS) + 1;
    const double ahead = fmax((double)tasks / PACE_BLOCK, 1);
    const double variance = pace->blocks == 0 ? SPREAD * SPREAD : pace->variance;

    *mean = pace->mean + LAST;
    *spread = sqrt(variance * fmin(1, 1 / seen + 1 / ahead + ALIKE) + LAST_VARIANCE);
}
