#ifndef FB_RUNTIME_RPC_CORE_CHANNEL_H
#define FB_RUNTIME_RPC_CORE_CHANNEL_H

/*
 * channel: a channel of the library, its state, and the calls made on it.
 */

#include <grpc/grpc.h>

#include "runtime/rpc/core/queue.h"
#include "runtime/rpc/transport.h"

struct fb_core_made;

struct fb_core_channel {
    struct fb_channel channel; /* first */
    struct fb_core_queue *queue;
    grpc_channel *core;
    char *strings[8]; /* what the config points to */
    struct fb_core_made *calls;
    unsigned holds; /* one until destroyed, one for each call in memory */

    /* watching the state */
    struct fb_core_event changed;
    grpc_connectivity_state seen;
};

/* fb_core's channel_create. */
struct fb_status fb_core_channel_create(struct fb_loop *loop,
                                        const struct fb_channel_config *config,
                                        struct fb_channel **channel);

void fb_core_channel_hold(struct fb_core_channel *channel);
void fb_core_channel_let_go(struct fb_core_channel *channel);

#endif
