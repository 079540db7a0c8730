#ifndef FB_GATEWAY_DIAL_H
#define FB_GATEWAY_DIAL_H

/*
 * dial: the real uplink: a channel to a router, and a suite of this machine behind it.
 *
 * Nothing is dialled before the first call. A call waits for the router as long as there is hope: while
 * the local suite is brought up, or, with a router elsewhere, for `patience_ms`. What surely did
 * not run when a connection broke is asked again. On the loop's thread.
 */

#include <stdint.h>

#include "gateway/suite.h"
#include "gateway/uplink.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"

struct dial;

/* All borrowed for life. */
struct dial_config {
    const struct fb_transport *transport;
    struct fb_channel_config channel; /* its target is the router */
    struct suite *suite;              /* NULL: the router is no business of ours to start */
    int64_t patience_ms;
};

/* NULL when memory is exhausted. The channel is made with the first call, which bears its faults. */
struct dial *dial_create(struct fb_loop *loop, const struct dial_config *config);

/* Its calls must have been cancelled or have ended. NULL is fine. */
void dial_destroy(struct dial *dial);

struct uplink dial_uplink(struct dial *dial);

#endif
