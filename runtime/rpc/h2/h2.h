#ifndef FB_RUNTIME_RPC_H2_H2_H
#define FB_RUNTIME_RPC_H2_H2_H

/*
 * h2: gRPC over HTTP/2 by libnghttp2 on our loop, server and client.
 *
 * The transport of the paths where each microsecond counts: one thread, one buffered write per
 * connection and round of the loop, calls and their arenas reused.
 */

struct fb_transport;

extern const struct fb_transport fb_h2;

#endif
