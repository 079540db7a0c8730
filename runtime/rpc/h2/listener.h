#ifndef FB_RUNTIME_RPC_H2_LISTENER_H
#define FB_RUNTIME_RPC_H2_LISTENER_H

/*
 * listener: a socket that accepts connections to be served.
 */

#include "runtime/rpc/transport.h"

/* As fb_transport.listen. What a failure says lasts until the next listen. */
struct fb_status fb_h2_listen(struct fb_server *server, const struct fb_listen_config *config,
                              struct fb_listener **listener);

#endif
