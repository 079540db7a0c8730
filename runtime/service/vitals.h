#ifndef FB_RUNTIME_SERVICE_VITALS_H
#define FB_RUNTIME_SERVICE_VITALS_H

/*
 * vitals: what every serving program shows of itself: its calls, its connections, its process.
 *
 * Read once a second, as the server counts without locks. On the loop's thread.
 */

#include "runtime/loop/loop.h"
#include "runtime/metrics/metrics.h"
#include "runtime/rpc/server.h"

struct fb_vitals;

/* Begins to read. NULL when memory is exhausted. */
struct fb_vitals *fb_vitals_create(struct fb_loop *loop, const struct fb_server *server);

/* Before the server and the loop are destroyed. NULL is fine. */
void fb_vitals_destroy(struct fb_vitals *vitals);

struct fb_metrics *fb_vitals_metrics(struct fb_vitals *vitals);

#endif
