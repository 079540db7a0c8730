#include "services/supervisor/restart.h"

int64_t restart_wait_ms(struct restart *restart, int64_t ran_ms, uint32_t chance)
{
    int64_t wait_ms = RESTART_FIRST_MS;

    if (ran_ms >= RESTART_STABLE_MS) {
        restart->ends_in_a_row = 0;
    }
    for (uint32_t i = 0; i < restart->ends_in_a_row && wait_ms < RESTART_MOST_MS; i++) {
        wait_ms *= 2;
    }
    if (wait_ms > RESTART_MOST_MS) {
        wait_ms = RESTART_MOST_MS;
    }
    if (restart->ends_in_a_row < UINT32_MAX) {
        restart->ends_in_a_row++;
    }
    return wait_ms - wait_ms / 4 * (int64_t)(chance % 1024) / 1023;
}
