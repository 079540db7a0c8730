#ifndef FB_SERVICES_ROUTER_CONTEXT_H
#define FB_SERVICES_ROUTER_CONTEXT_H

/*
 * context: reads the CallContext at the front of a request and nothing behind it.
 *
 * Pure; what it finds borrows from the request's bytes.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* flowbalancer.v1.CallContext; an absent field is empty. */
struct context {
    struct fb_text session;
    struct fb_text agent;
    struct fb_text server;
    struct fb_text name;
    struct fb_text scope;
};

/*
 * Finds field 1 among the request's fields (it is the first of what our senders write) and reads it.
 * A request without it has an empty context. INVALID_ARGUMENT, in the arena, for bytes that are no
 * message and for a field that is longer than context.proto allows or holds control characters; the
 * field is named.
 */
struct fb_status context_peek(const uint8_t *data, size_t size, struct fb_arena *arena,
                              struct context *context);

#endif
