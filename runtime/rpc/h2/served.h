#ifndef FB_RUNTIME_RPC_H2_SERVED_H
#define FB_RUNTIME_RPC_H2_SERVED_H

/*
 * served: the server's side of a connection, and the calls that came by it.
 */

#include "runtime/rpc/h2/connection.h"
#include "runtime/rpc/transport.h"

struct fb_h2_served_connection;

/*
 * One of a listener's; it leaves the list when it is closed and frees itself after its last call.
 */
struct fb_h2_served_connection {
    struct fb_h2_connection connection; /* first */
    struct fb_listener *listener;
    struct fb_peer peer;

    struct fb_h2_served_call *heading; /* the call whose header fields are coming */
    uint32_t calls;                    /* begun and not done, cancelled ones too */
    uint32_t early;                    /* answered before the client has said all */

    struct fb_h2_served_connection *next; /* of the listener */
    struct fb_h2_served_connection **link;
};

/* Takes `fd` and `tls`, enters `list`. Its failures are its end: nobody is told. */
void fb_h2_served_start(struct fb_listener *listener, struct fb_h2_shared *shared,
                        const struct fb_peer *peer, int fd, SSL *tls,
                        struct fb_h2_served_connection **list);

#endif
