#ifndef FB_RUNTIME_RPC_CORE_CORE_H
#define FB_RUNTIME_RPC_CORE_CORE_H

/*
 * core: gRPC by the C core library (libgrpc), server and client.
 *
 * The transport where features count more than microseconds. Each listener and each channel has one thread
 * that waits for the library's completions and hands them to the loop; all else is on the loop's thread.
 *
 * What it cannot do: connections with TLS are accepted by the library, so they are neither counted nor
 * bounded by fb_server_config.connections; a Unix socket takes no TLS (its mode and the kernel's word on
 * the peer guard it).
 */

struct fb_transport;

extern const struct fb_transport fb_core;

#endif
