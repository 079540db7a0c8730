#ifndef FB_SERVICES_SUPERVISOR_FLEET_H
#define FB_SERVICES_SUPERVISOR_FLEET_H

/*
 * fleet: how many workers of which tier a suite has. Pure.
 */

#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

enum fleet_tier { FLEET_HOT, FLEET_WARM, FLEET_COLD, FLEET_TIERS };

enum { FLEET_WORKERS_MOST = 64 };

extern const char *const fleet_tier_names[FLEET_TIERS];

struct fleet {
    unsigned workers[FLEET_TIERS];
};

/*
 * Reads "warm", "hot=2" and the like; a tier may come once. INVALID_ARGUMENT names the item, and when
 * there are more than FLEET_WORKERS_MOST in all, or none.
 */
struct fb_status fleet_read(const char *const *items, size_t count, struct fb_arena *arena,
                            struct fleet *fleet);

#endif
