#ifndef FB_RUNTIME_RPC_H2_FIELDS_H
#define FB_RUNTIME_RPC_H2_FIELDS_H

/*
 * fields: which header field is what to gRPC, and how custom ones are written and read.
 *
 * It neither reads nor sends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/rpc/metadata.h"

enum fb_h2_field {
    FB_H2_CUSTOM, /* metadata of the application */
    FB_H2_METHOD,
    FB_H2_PATH,
    FB_H2_HTTP_STATUS,
    FB_H2_CONTENT_TYPE,
    FB_H2_TIMEOUT,
    FB_H2_ENCODING,
    FB_H2_GRPC_STATUS,
    FB_H2_GRPC_MESSAGE,
    FB_H2_IGNORED, /* what HTTP keeps for itself, the other pseudo fields, the rest of "grpc-…" */
};

enum fb_h2_field fb_h2_field_of(struct fb_text name);

/* What is said of a content type. */
enum fb_h2_content {
    FB_H2_CONTENT_PROTO, /* application/grpc, perhaps with +proto and parameters */
    FB_H2_CONTENT_OTHER, /* gRPC with messages that are not protobuf */
    FB_H2_CONTENT_ALIEN, /* not gRPC */
};
enum fb_h2_content fb_h2_content_of(struct fb_text type);

/* Of messages: grpc-encoding. */
enum fb_h2_encoding { FB_H2_IDENTITY, FB_H2_GZIP, FB_H2_UNKNOWN_ENCODING };
enum fb_h2_encoding fb_h2_encoding_of(struct fb_text name);

/*
 * Adds a custom field that came: "-bin" values are split at commas and decoded. INVALID_ARGUMENT
 * for what is not base64, otherwise as fb_metadata_add.
 */
struct fb_status fb_h2_metadata_take(struct fb_metadata *metadata, struct fb_arena *arena,
                                     struct fb_text name, struct fb_text value);

/* A field whose name and value outlive the frame that carries it. */
#define FB_H2_FIELD(name_, value_)                                                      \
    {                                                                                   \
        .name = (uint8_t *)(uintptr_t)(name_), .value = (uint8_t *)(uintptr_t)(value_), \
        .namelen = sizeof(name_) - 1, .valuelen = sizeof(value_) - 1,                   \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,          \
    }

/*
 * The same for a name that is a constant; what changes with every call should not fill the peer's
 * table.
 */
nghttp2_nv fb_h2_field(const char *name, struct fb_text value, bool changes);

/*
 * Writes metadata as fields, "-bin" values encoded into the arena; keys and values are borrowed.
 * `out` has room for metadata->count. False when the arena is exhausted.
 */
bool fb_h2_metadata_write(const struct fb_metadata *metadata, struct fb_arena *arena,
                          nghttp2_nv *out);

#endif
