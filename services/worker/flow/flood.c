#include "services/worker/flow/flood.h"

#include <string.h>

void flood_planned(struct flood *flood, uint32_t generated, uint32_t others, int64_t now_awake_ms)
{
    const int64_t bin = now_awake_ms / FLOOD_BIN_MS;

    flood->generated += generated;
    flood->planned += others;
    flood->last_ms = now_awake_ms;
    if (bin - flood->bin >= FLOOD_BINS) {
        memset(flood->bins, 0, sizeof(flood->bins));
        flood->bin = bin;
    }
    while (flood->bin < bin) {
        flood->bin++;
        flood->bins[flood->bin % FLOOD_BINS] = 0;
    }
    flood->bins[bin % FLOOD_BINS] += generated + (others > FLOOD_GROWTH ? 0 : others);
}

struct flood_level flood_level(const struct flood *flood, uint32_t more, uint32_t queued,
                               int64_t now_awake_ms)
{
    const int64_t bin = now_awake_ms / FLOOD_BIN_MS;
    struct flood_level level = {
        .generated = flood->generated + more,
        .planned = flood->planned,
        .came = more,
    };

    for (int64_t at = bin - FLOOD_BINS + 1; at <= flood->bin; at++) {
        level.came += at > flood->bin - FLOOD_BINS && at >= 0 ? flood->bins[at % FLOOD_BINS] : 0;
    }
    level.ratio =
        level.generated >= FLOOD_GENERATED_LEAST && level.generated > FLOOD_RATIO * level.planned;
    level.growth = level.came > FLOOD_GROWTH && queued + more > FLOOD_GROWTH;
    return level;
}
