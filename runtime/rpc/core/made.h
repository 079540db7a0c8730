#ifndef FB_RUNTIME_RPC_CORE_MADE_H
#define FB_RUNTIME_RPC_CORE_MADE_H

/*
 * made: a call that a channel has given to the library, until it is over.
 */

#include "runtime/rpc/core/channel.h"

/* A channel's `call`. */
struct fb_client_call *fb_core_make(struct fb_channel *channel, const struct fb_call_plan *plan,
                                    const struct fb_client_call_events *events, void *arg);

/* Ends all calls of a channel that is about to go. */
void fb_core_end_calls(struct fb_core_channel *channel, struct fb_status status);

#endif
