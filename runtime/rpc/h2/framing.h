#ifndef FB_RUNTIME_RPC_H2_FRAMING_H
#define FB_RUNTIME_RPC_H2_FRAMING_H

/*
 * framing: gRPC messages in a stream of bytes.
 *
 * Each has a prefix of five bytes: whether it is compressed, and its size. It neither reads nor
 * sends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { FB_H2_PREFIX_BYTES = 5 };

/* All zero is the beginning of a stream. */
struct fb_h2_framing {
    uint8_t prefix[FB_H2_PREFIX_BYTES];
    uint8_t prefix_size;      /* bytes of it that have come */
    bool told;                /* `partial` holds a message that was told */
    uint32_t message_size;    /* of the message that is coming, when the prefix is whole */
    struct fb_buffer partial; /* a message that came in pieces, so far; grows as bytes come */
};

struct fb_h2_message {
    const uint8_t *data; /* in what was fed, or in the framing until it is fed again */
    size_t size;
    bool compressed;
    bool whole; /* lies in what was fed */
};

enum fb_h2_framed {
    FB_H2_MORE,    /* all is taken, no message is complete */
    FB_H2_MESSAGE, /* `*message` is one; there may be more in what is left */
    FB_H2_BROKEN,  /* `*status` says why; do not feed it again */
};

/*
 * Takes bytes from `*data` (moving it on and lessening `*size`) up to the end of one message.
 * RESOURCE_EXHAUSTED for a message larger than `limit_bytes` or than memory, INTERNAL for a prefix
 * that is none.
 */
enum fb_h2_framed fb_h2_framing_next(struct fb_h2_framing *framing, uint32_t limit_bytes,
                                     const uint8_t **data, size_t *size,
                                     struct fb_h2_message *message, struct fb_status *status);

/* The message that was told is not needed any more; feeding on says so, too. */
void fb_h2_framing_told(struct fb_h2_framing *framing);

/* Whether the bytes so far end with a whole message. */
bool fb_h2_framing_at_end(const struct fb_h2_framing *framing);

/* The size of the message that has begun and not ended; 0 while its prefix is not whole. */
uint32_t fb_h2_framing_coming(const struct fb_h2_framing *framing);

/* Back to the beginning; keeps little memory. */
void fb_h2_framing_reset(struct fb_h2_framing *framing);
void fb_h2_framing_finish(struct fb_h2_framing *framing);

/* Writes the prefix of an uncompressed message. */
void fb_h2_prefix_write(uint8_t out[FB_H2_PREFIX_BYTES], uint32_t size);

/*
 * Appends to `out` what a gzip member holds. RESOURCE_EXHAUSTED beyond `limit_bytes`, INTERNAL for
 * what is not exactly one gzip member.
 */
struct fb_status fb_h2_gunzip(const uint8_t *data, size_t size, uint32_t limit_bytes,
                              struct fb_buffer *out);

#endif
