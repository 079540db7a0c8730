#ifndef FB_RUNTIME_SERVICE_HEALTH_H
#define FB_RUNTIME_SERVICE_HEALTH_H

/*
 * health: grpc.health.v1 for a program whose services all share one state.
 *
 * On the loop's thread.
 */

#include <stdbool.h>

#include "runtime/rpc/server.h"

#define FB_HEALTH_SERVICE "grpc.health.v1.Health"

struct fb_health;

/* Not serving at first. NULL when memory is exhausted. */
struct fb_health *fb_health_create(void);

/* After the server is destroyed. NULL is fine. */
void fb_health_destroy(struct fb_health *health);

/* Adds the service to a server. */
void fb_health_serve(struct fb_health *health, struct fb_server *server);

/* A service that may be asked about by its full name, borrowed; at most 32, itself not counted. */
void fb_health_know(struct fb_health *health, const char *name);

/* Tells all that watch if this is news. */
void fb_health_set(struct fb_health *health, bool serving);

/* Not serving for good: watchers are told so and their calls ended, that a drain need not wait. */
void fb_health_end(struct fb_health *health);

#endif
