#ifndef FB_GATEWAY_LOOK_LANE_H
#define FB_GATEWAY_LOOK_LANE_H

/*
 * look_lane: the real looker: reads files on a thread, which starts with the first of them.
 */

#include "gateway/look.h"
#include "runtime/loop/loop.h"

struct look_lane;

/* NULL when memory is exhausted. */
struct look_lane *look_lane_create(struct fb_loop *loop);

/* Its jobs must have been abandoned or be done. Before the loop is destroyed. NULL is fine. */
void look_lane_destroy(struct look_lane *lane);

struct looker look_lane_looker(struct look_lane *lane);

#endif
