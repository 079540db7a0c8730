#ifndef FB_SERVICES_SUPERVISOR_RESTART_H
#define FB_SERVICES_SUPERVISOR_RESTART_H

/*
 * restart: how long a program that ended stays down.
 *
 * Each end within 30 s of its start doubles the wait, up to 30 s; a program that held longer begins
 * anew. A quarter is left to chance, so that programs that fell together do not rise together. It
 * never gives up. Pure.
 */

#include <stdint.h>

enum {
    RESTART_FIRST_MS = 100,
    RESTART_MOST_MS = 30000,
    RESTART_STABLE_MS = 30000 /* running so long counts as healthy */
};

/* All zero is a program that never ended. */
struct restart {
    uint32_t ends_in_a_row; /* each too soon after its start */
};

/* It ended after `ran_ms`. The wait, 75 to 100 % of the full one by `chance` (any number). */
int64_t restart_wait_ms(struct restart *restart, int64_t ran_ms, uint32_t chance);

#endif
