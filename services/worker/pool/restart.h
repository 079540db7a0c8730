#ifndef FB_SERVICES_WORKER_POOL_RESTART_H
#define FB_SERVICES_WORKER_POOL_RESTART_H

/*
 * restart: when a server that ended by itself may be started again.
 *
 * The wait doubles with each end that follows closely on the start, and is forgotten after a good
 * while of running. Chance is added so that servers that fell together do not rise together. Pure.
 */

#include <stdint.h>

enum {
    RESTART_FIRST_MS = 200,
    RESTART_MOST_MS = 30000,
    RESTART_GOOD_MS = 30000, /* running for so long is no failure */
};

/* All zero: never failed. */
struct restart {
    uint32_t failures; /* in a row */
    int64_t due_ms;    /* not before; 0: at once */
};

/* It ended at `now_ms` after `ran_ms`; `chance` is any number at random. */
void restart_after_end(struct restart *restart, int64_t ran_ms, uint32_t chance, int64_t now_ms);

#endif
