#ifndef FB_RUNTIME_RPC_METADATA_H
#define FB_RUNTIME_RPC_METADATA_H

/*
 * metadata: the custom keys and values that travel beside a call.
 *
 * Keys are lower-case: digits, letters, '_', '-', '.'. A key that ends in "-bin" has any bytes as
 * value (base64 only exists on the wire: transports decode and encode it); any other value is
 * printable ASCII. Reserved keys ("grpc-…", ":…", content-type, te, user-agent and those that HTTP
 * keeps for itself, such as host and connection) never appear here.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

struct fb_metadata_item {
    struct fb_text key;
    struct fb_text value;
};

/* A list in order of arrival; keys may repeat. All zero is empty. Its memory is an arena's. */
struct fb_metadata {
    struct fb_metadata_item *items;
    size_t count;
    size_t room;
    size_t bytes; /* keys, values and 32 for each, as HTTP/2 counts header lists */
};

enum { FB_METADATA_LIMIT_BYTES = 16 * 1024 };

/*
 * Copies key and value into the arena. INVALID_ARGUMENT for a key or value outside the rules above,
 * RESOURCE_EXHAUSTED beyond FB_METADATA_LIMIT_BYTES.
 */
struct fb_status fb_metadata_add(struct fb_metadata *metadata, struct fb_arena *arena,
                                 struct fb_text key, struct fb_text value);

/* The first value of `key`; false when there is none. */
bool fb_metadata_find(const struct fb_metadata *metadata, const char *key, struct fb_text *value);

/* Whether handlers and callers may set this key: false for reserved and malformed ones. */
bool fb_metadata_key_is_custom(struct fb_text key);

/*
 * base64 of "-bin" values: written without padding, read with or without. The decoded size is
 * returned, or -1 for what is not base64; `out` has room for size * 3 / 4 (decode) or
 * (size + 2) / 3 * 4 (encode) bytes.
 */
long fb_base64_decode(struct fb_text in, char *out);
size_t fb_base64_encode(struct fb_text in, char *out);

#endif
