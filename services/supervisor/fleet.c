#include "services/supervisor/fleet.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/text.h"

const char *const fleet_tier_names[FLEET_TIERS] = {
    [FLEET_HOT] = "hot",
    [FLEET_WARM] = "warm",
    [FLEET_COLD] = "cold",
};

static bool read_item(const char *item, enum fleet_tier *tier, uint64_t *workers)
{
    const size_t length = strcspn(item, "=");
    const struct fb_text name = {.data = item, .size = length};

    for (*tier = FLEET_HOT; *tier < FLEET_TIERS; (*tier)++) {
        if (fb_text_is(name, fleet_tier_names[*tier])) {
            break;
        }
    }
    *workers = 1;
    return *tier < FLEET_TIERS &&
           (item[length] == '\0' || fb_text_to_u64(fb_text_of(item + length + 1), workers));
}

struct fb_status fleet_read(const char *const *items, size_t count, struct fb_arena *arena,
                            struct fleet *fleet)
{
    bool seen[FLEET_TIERS] = {false};
    uint64_t total = 0;

    *fleet = (struct fleet){.workers = {0}};
    for (size_t i = 0; i < count; i++) {
        enum fleet_tier tier;
        uint64_t workers;

        if (!read_item(items[i], &tier, &workers) || workers > FLEET_WORKERS_MOST) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                                 "workers: '%s' is not hot, warm or cold, alone or with '=' and a "
                                 "number up to %d",
                                 items[i], FLEET_WORKERS_MOST);
        }
        if (seen[tier]) {
            return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "workers: '%s' is there twice",
                                 fleet_tier_names[tier]);
        }
        seen[tier] = true;
        fleet->workers[tier] = (unsigned)workers;
        total += workers;
    }
    if (total == 0 || total > FLEET_WORKERS_MOST) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "workers: there must be 1 to %d in all",
                             FLEET_WORKERS_MOST);
    }
    return fb_ok;
}
