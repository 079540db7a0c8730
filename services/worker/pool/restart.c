#include "services/worker/pool/restart.h"

void restart_after_end(struct restart *restart, int64_t ran_ms, uint32_t chance, int64_t now_ms)
{
    int64_t wait_ms = RESTART_FIRST_MS;

    if (ran_ms >= RESTART_GOOD_MS) {
        restart->failures = 0;
    }
    for (uint32_t i = 0; i < restart->failures && wait_ms < RESTART_MOST_MS; i++) {
        wait_ms *= 2;
    }
    if (wait_ms > RESTART_MOST_MS) {
        wait_ms = RESTART_MOST_MS;
    }
    restart->failures++;
    /* Between half of it and all of it. */
    restart->due_ms = now_ms + wait_ms / 2 + (int64_t)(chance % (uint32_t)(wait_ms / 2 + 1));
}
