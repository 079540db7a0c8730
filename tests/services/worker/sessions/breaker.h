#ifndef FB_TESTS_SERVICES_WORKER_SESSIONS_BREAKER_H
#define FB_TESTS_SERVICES_WORKER_SESSIONS_BREAKER_H

/*
 * breaker: stands between a caller and a server on Unix sockets, and breaks connections.
 *
 * Passes bytes both ways. Of what the server says, every so-manieth piece is thrown away and its
 * connection closed: the server has done what was asked, and the caller does not know.
 */

#include <stdint.h>

#include "runtime/loop/loop.h"

struct breaker;

/* Listens at `at` and dials `to`, both as "unix:/path". Breaks none while `every` is 0. */
struct breaker *breaker_create(struct fb_loop *loop, const char *at, const char *to);
void breaker_destroy(struct breaker *breaker);

void breaker_set(struct breaker *breaker, unsigned every);

/* Connections broken so far. */
unsigned breaker_broken(const struct breaker *breaker);

#endif
