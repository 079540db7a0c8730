#ifndef FB_TESTS_RUNTIME_RPC_CONFORMANCE_CONFORMANCE_H
#define FB_TESTS_RUNTIME_RPC_CONFORMANCE_CONFORMANCE_H

/*
 * conformance: what call.h, server.h and channel.h promise, proved for a pair of transports.
 *
 * The same sentences for every pair, so that a handler cannot tell which one serves it.
 */

struct fb_transport;

/* Runs them all; what a test's main returns. */
int conformance_run(const struct fb_transport *of_server, const struct fb_transport *of_client);

#endif
