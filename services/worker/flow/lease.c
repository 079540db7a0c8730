#include "services/worker/flow/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int64_t last_sign(const struct lease *lease, int64_t heard_ms)
{
    return heard_ms > lease->since_ms ? heard_ms : lease->since_ms;
}

int64_t lease_suspect_ms(const struct lease *lease, int64_t heard_ms)
{
    return last_sign(lease, heard_ms) + lease->lasts_ms;
}

int64_t lease_expires_ms(const struct lease *lease, int64_t heard_ms)
{
    return lease_suspect_ms(lease, heard_ms) + lease->lasts_ms / 2;
}

enum lease_phase lease_phase(const struct lease *lease, int64_t heard_ms, int64_t now_ms)
{
    assert(lease->fence != 0);
    if (now_ms >= lease_expires_ms(lease, heard_ms)) {
        return LEASE_EXPIRED;
    }
    return now_ms >= lease_suspect_ms(lease, heard_ms) ? LEASE_SUSPECT : LEASE_LIVE;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The upper quartile by nearest rank. */
static int64_t upper_quartile(const int64_t *values, size_t count)
{
    int64_t sorted[LEASE_HOLDS];

    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), by_size);
    return sorted[(3 * count + 3) / 4 - 1];
}

void lease_learn(struct lease_holds *holds, int64_t hold_ms)
{
    const int64_t hold = hold_ms < 0 ? 0 : hold_ms > LEASE_MOST_MS ? LEASE_MOST_MS : hold_ms;
    int64_t lasts;

    holds->holds_ms[holds->seen % LEASE_HOLDS] = hold;
    holds->seen++;
    if (holds->seen < LEASE_HOLDS_AT_LEAST) {
        return;
    }
    lasts = 3 * upper_quartile(holds->holds_ms,
                               holds->seen < LEASE_HOLDS ? (size_t)holds->seen : LEASE_HOLDS);
    if (lasts < LEASE_LEAST_MS) {
        lasts = LEASE_LEAST_MS;
    }
    holds->lasts_ms = lasts > LEASE_MOST_MS ? LEASE_MOST_MS : lasts;
}

int64_t lease_lasts_ms(const struct lease_holds *holds)
{
    return holds->lasts_ms == 0 ? LEASE_FIRST_MS : holds->lasts_ms;
}
