#ifndef FB_RUNTIME_RPC_ADDRESS_H
#define FB_RUNTIME_RPC_ADDRESS_H

/*
 * address: where to listen and whom to dial.
 *
 * Spelled "unix:/path", "host:port", "[ipv6]:port" or "dns:host:port"; port 0 lets the system choose.
 * To dial, also a comma-separated list of numeric addresses and Unix sockets, tried in that order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "runtime/base/status.h"
#include "runtime/loop/loop.h"

struct fb_address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Whether it is spelled right, and what kind it is. INVALID_ARGUMENT says what is wrong. */
struct fb_status fb_address_check(const char *target);
bool fb_address_is_unix(const char *target);
bool fb_address_is_loopback(const char *target); /* 127/8, ::1, "localhost", unix */

/* "unix:/path", "127.0.0.1:80", "[::1]:80". */
void fb_address_format(const struct fb_address *address, char *out, size_t room);

/*
 * Resolves without blocking the loop (numeric and Unix targets at once, names on a thread of its own).
 * `fn` is called later, on the loop, exactly once unless cancelled; the list is borrowed until it
 * returns, at most 64 addresses. Calls for the same name at once are not merged.
 */
typedef void fb_resolved_fn(void *arg, struct fb_status status, const struct fb_address *list,
                            size_t count);
struct fb_resolving;
struct fb_resolving *fb_address_resolve(struct fb_loop *loop, const char *target,
                                        fb_resolved_fn *fn, void *arg);
void fb_resolving_cancel(struct fb_resolving *resolving);

#endif
