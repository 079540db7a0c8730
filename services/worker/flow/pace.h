#ifndef FB_SERVICES_WORKER_FLOW_PACE_H
#define FB_SERVICES_WORKER_FLOW_PACE_H

/*
 * pace: how much longer a session's work takes than its efforts say.
 *
 * Agents pause, crash, and do what came in between; some weights are wrong all alike. So whenever
 * PACE_BLOCK tasks have been completed that were there when the last such block ended, the awake time
 * since then is held against the time that their expected holds would have taken, shared evenly among
 * the agents at work; ln of the ratio is averaged, the last dozens of blocks counting most (Roberts
 * 1959). Tasks that were created since then take time and do not count, for they are added as others
 * will be; PACE_BLOCK_MOST completions of either kind end a block, too. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

enum { PACE_BLOCK = 8, PACE_BLOCK_MOST = 32 };

/* All zero: nothing was completed. */
struct pace {
    /* the block under way */
    uint32_t completed; /* that were there when it began */
    uint32_t newer;     /* completed that were not */
    double minutes;     /* expected holds of the former */
    int64_t began_ms;   /* awake time */

    /* ln ratio of those before */
    uint64_t blocks;
    double mean;
    double variance;
};

/*
 * A task was completed that was created then, awake time, and whose hold was expected to be `minutes`.
 * True: that ends a block, and pace_block is to be called.
 */
bool pace_completed(struct pace *pace, double minutes, int64_t created_ms);

/* The block has ended; so many agents are at work, 0 counts as 1. */
void pace_block(struct pace *pace, uint32_t workers, int64_t awake_ms);

/*
 * For the time until the last of `tasks` tasks is done: the mean of ln (real time / expected time), and
 * the sigma of what is not known of it.
 */
void pace_of(const struct pace *pace, uint32_t tasks, double *mean, double *spread);

#endif
