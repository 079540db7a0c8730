#ifndef FB_RUNTIME_RPC_CORE_LISTENER_H
#define FB_RUNTIME_RPC_CORE_LISTENER_H

/*
 * listener: a server of the library, and the sockets it is reached by.
 */

#include "runtime/rpc/transport.h"

/* fb_core's listen. */
struct fb_status fb_core_listen(struct fb_server *server, const struct fb_listen_config *config,
                                struct fb_listener **listener);

#endif
