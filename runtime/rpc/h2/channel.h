#ifndef FB_RUNTIME_RPC_H2_CHANNEL_H
#define FB_RUNTIME_RPC_H2_CHANNEL_H

/*
 * channel: which connection a call takes, and dialling one when there is none.
 */

#include "runtime/rpc/transport.h"

/* As fb_transport.channel_create. What a failure says lasts until the next create. */
struct fb_status fb_h2_channel_create(struct fb_loop *loop, const struct fb_channel_config *config,
                                      struct fb_channel **channel);

#endif
