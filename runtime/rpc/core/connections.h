#ifndef FB_RUNTIME_RPC_CORE_CONNECTIONS_H
#define FB_RUNTIME_RPC_CORE_CONNECTIONS_H

/*
 * connections: the plain sockets that a listener has given to the library.
 *
 * The library tells of a call only the number of the descriptor it came by. So each connection gets a number
 * that is not used again soon, and who is at its other end is kept by it. A second descriptor of the same
 * socket stays with us and tells when the connection is over.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/loop/loop.h"
#include "runtime/rpc/security.h"

struct fb_core_connections;

/* Told once for each connection that is over; not at destroy. */
typedef void fb_core_connection_fn(void *arg);

/* NULL when memory or descriptors are exhausted. */
struct fb_core_connections *fb_core_connections_create(struct fb_loop *loop,
                                                       fb_core_connection_fn *closed, void *arg);

/* Forgets them; peers that are held live on. */
void fb_core_connections_destroy(struct fb_core_connections *connections);

/* Takes the socket `fd`. Returns the descriptor for the library, -1 when it could not be had. */
int fb_core_connections_add(struct fb_core_connections *connections, int fd);

/* A share of the peer that a call's "fd:7" is of, to be released; NULL when it is nobody known. */
const struct fb_peer *fb_core_peer_acquire(struct fb_core_connections *connections,
                                           const char *spelled);
void fb_core_peer_release(const struct fb_peer *peer);

#endif
