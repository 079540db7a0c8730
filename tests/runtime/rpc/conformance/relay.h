#ifndef FB_TESTS_RUNTIME_RPC_CONFORMANCE_RELAY_H
#define FB_TESTS_RUNTIME_RPC_CONFORMANCE_RELAY_H

/*
 * relay: stands between a client and a server, to be cut or to fall silent.
 *
 * TCP on loopback to a TCP or Unix address, on the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/loop.h"

struct relay;

struct relay *relay_create(struct fb_loop *loop, const char *target);
void relay_destroy(struct relay *relay);

/* "127.0.0.1:4711" */
const char *relay_address(const struct relay *relay);

/* Connections accepted so far; bytes that came from clients. */
uint32_t relay_accepted(const struct relay *relay);
uint64_t relay_upstream_bytes(const struct relay *relay);

/* Forwards nothing any more, but keeps the connections. */
void relay_silence(struct relay *relay, bool silent);

/* Closes all connections at once. */
void relay_cut(struct relay *relay);

#endif
