#ifndef FB_RUNTIME_RPC_CORE_CONVERT_H
#define FB_RUNTIME_RPC_CORE_CONVERT_H

/*
 * convert: between the library's values and ours.
 */

#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/rpc/metadata.h"
#include "runtime/rpc/security.h"

/* Borrows the slice's bytes: of a short slice they lie in the slice itself. */
struct fb_text fb_core_text(const grpc_slice *slice);
grpc_slice fb_core_slice(struct fb_text text);

/* A copy in the arena, NUL-terminated, of a status text. */
const char *fb_core_why(struct fb_arena *arena, const grpc_slice *slice);

/* INT64_MAX and inf_future are each other. */
int64_t fb_core_deadline_ms(gpr_timespec deadline);
gpr_timespec fb_core_timespec(int64_t deadline_ms);

/* What is custom of `in` is added to `out`. As fb_metadata_add. */
struct fb_status fb_core_metadata_take(const grpc_metadata_array *in, struct fb_arena *arena,
                                       struct fb_metadata *out);

/* An array in the arena whose slices are copies, to be released after use. NULL when it is exhausted. */
struct fb_core_fields {
    grpc_metadata *items;
    size_t count;
    size_t room;
};
bool fb_core_fields_begin(struct fb_core_fields *fields, struct fb_arena *arena, size_t room);
void fb_core_fields_add(struct fb_core_fields *fields, struct fb_text key, struct fb_text value);
void fb_core_fields_add_all(struct fb_core_fields *fields, const struct fb_metadata *metadata);
void fb_core_fields_finish(struct fb_core_fields *fields);

/* "ipv4:127.0.0.1:80", "ipv6:%5B::1%5D:80" as security.h spells a peer's address. */
void fb_core_peer_address(const char *uri, char *out, size_t room);

/* The name in a verified certificate, by security.h's rule; "" without one. */
void fb_core_peer_subject(grpc_call *call, char *out, size_t room);

#endif
