#ifndef FB_RUNTIME_RPC_CORE_GREETING_H
#define FB_RUNTIME_RPC_CORE_GREETING_H

/*
 * greeting: connections that have not said anything yet.
 *
 * The library would keep a silent one until its keepalive gives up; here it costs little and has a time limit.
 */

#include <stdint.h>

#include "runtime/loop/loop.h"

struct fb_core_greeting;

/* `fd` spoke and is the callee's now; or one that never did is closed: -1. */
typedef void fb_core_greeted_fn(void *arg, int fd);

/* NULL when memory is exhausted. */
struct fb_core_greeting *fb_core_greeting_create(struct fb_loop *loop, int64_t timeout_ms,
                                                 fb_core_greeted_fn *fn, void *arg);

/* Closes those that wait, and tells so. NULL is fine. */
void fb_core_greeting_destroy(struct fb_core_greeting *greeting);

/* Takes `fd`; it is told of later, or at once with -1 when memory or the loop's room is exhausted. */
void fb_core_greeting_add(struct fb_core_greeting *greeting, int fd);

#endif
