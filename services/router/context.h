#ifndef FB_SERVICES_ROUTER_CONTEXT_H
#define FB_SERVICES_ROUTER_CONTEXT_H

/*
 * context: reads the CallContext at the front of a request and, of some, whether they wait and may be
 * repeated; nothing else.
 *
 * Pure; what it finds borrows from the request's bytes.
 */

#include <stdbool.h>
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

/*
 * The session as workers name it to routers (registry.proto): its id, or scope, '/' and id. Borrowed, or
 * in the arena; empty without a session, and when the arena is exhausted.
 */
struct fb_text context_session_key(const struct context *context, struct fb_arena *arena);

/* --- the little beside the context that says what may be done with a request --- */

/* The last value of a number in the request; 0 where it has none. */
uint64_t context_peek_number(const uint8_t *data, size_t size, uint32_t field_number);

/* Whether field 2 is a FlowMutation with a request id. */
bool context_has_request_id(const uint8_t *data, size_t size);

#endif
