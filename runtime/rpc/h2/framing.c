#include "runtime/rpc/h2/framing.h"

#include <string.h>

#include <zlib.h>

enum {
    KEEP_BYTES = 16 * 1024, /* of a buffer between messages */
    INFLATE_STEP_BYTES = 16 * 1024,
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void fb_h2_prefix_write(uint8_t out[FB_H2_PREFIX_BYTES], uint32_t size)
{
    out[0] = 0;
    out[1] = (uint8_t)(size >> 24);
    out[2] = (uint8_t)(size >> 16);
    out[3] = (uint8_t)(size >> 8);
    out[4] = (uint8_t)size;
}

static uint32_t prefix_size(const uint8_t *prefix)
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

static struct fb_status check_prefix(const uint8_t *prefix, uint32_t limit_bytes)
{
    if (prefix[0] > 1) {
        return fb_fail(FB_INTERNAL, "the first byte of a message's prefix is neither 0 nor 1");
    }
    if (prefix_size(prefix) > limit_bytes) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "the message is larger than the limit");
    }
    return fb_ok;
}

static void take(const uint8_t **data, size_t *size, size_t count)
{
    *data += count;
    *size -= count;
}

/* True when the prefix is whole and its message is to come. */
static bool take_prefix(struct fb_h2_framing *framing, const uint8_t **data, size_t *size)
{
    const size_t count = least(*size, FB_H2_PREFIX_BYTES - (size_t)framing->prefix_size);

    memcpy(framing->prefix + framing->prefix_size, *data, count);
    framing->prefix_size = (uint8_t)(framing->prefix_size + count);
    take(data, size, count);
    return framing->prefix_size == FB_H2_PREFIX_BYTES;
}

void fb_h2_framing_told(struct fb_h2_framing *framing)
{
    if (framing->told) {
        framing->told = false;
        fb_buffer_clear(&framing->partial, KEEP_BYTES);
    }
}

enum fb_h2_framed fb_h2_framing_next(struct fb_h2_framing *framing, uint32_t limit_bytes,
                                     const uint8_t **data, size_t *size,
                                     struct fb_h2_message *message, struct fb_status *status)
{
    size_t count;

    fb_h2_framing_told(framing);
    if (*size == 0) {
        return FB_H2_MORE;
    }
    if (framing->prefix_size < FB_H2_PREFIX_BYTES) {
        if (!take_prefix(framing, data, size)) {
            return FB_H2_MORE;
        }
        *status = check_prefix(framing->prefix, limit_bytes);
        if (!fb_is_ok(*status)) {
            return FB_H2_BROKEN;
        }
        framing->message_size = prefix_size(framing->prefix);
    }
    message->compressed = framing->prefix[0] == 1;
    message->size = framing->message_size;
    if (framing->partial.size == 0 && *size >= framing->message_size) {
        message->data = *data;
        message->whole = true;
        take(data, size, framing->message_size);
        framing->prefix_size = 0;
        return FB_H2_MESSAGE;
    }
    count = least(*size, framing->message_size - framing->partial.size);
    fb_buffer_append(&framing->partial, *data, count);
    take(data, size, count);
    if (framing->partial.failed) {
        *status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the message");
        return FB_H2_BROKEN;
    }
    if (framing->partial.size < framing->message_size) {
        return FB_H2_MORE;
    }
    message->data = (const uint8_t *)framing->partial.data;
    message->whole = false;
    framing->prefix_size = 0;
    framing->told = true;
    return FB_H2_MESSAGE;
}

bool fb_h2_framing_at_end(const struct fb_h2_framing *framing)
{
    return framing->prefix_size == 0;
}

uint32_t fb_h2_framing_coming(const struct fb_h2_framing *framing)
{
    return framing->prefix_size == FB_H2_PREFIX_BYTES ? framing->message_size : 0;
}

void fb_h2_framing_reset(struct fb_h2_framing *framing)
{
    struct fb_buffer partial = framing->partial;

    fb_buffer_clear(&partial, KEEP_BYTES);
    *framing = (struct fb_h2_framing){.partial = partial};
}

void fb_h2_framing_finish(struct fb_h2_framing *framing)
{
    fb_buffer_finish(&framing->partial);
}

/* --- gzip --- */

static struct fb_status inflate_all(z_stream *z, uint32_t limit_bytes, struct fb_buffer *out)
{
    const size_t begin = out->size;
    int result = Z_OK;

    while (result == Z_OK) {
        const size_t room =
            least((size_t)limit_bytes - (out->size - begin) + 1, INFLATE_STEP_BYTES);
        char *at = fb_buffer_reserve(out, room);

        if (at == NULL) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the inflated message");
        }
        z->next_out = (Bytef *)at;
        z->avail_out = (uInt)room;
        result = inflate(z, Z_NO_FLUSH);
        out->size += room - z->avail_out;
        if (out->size - begin > limit_bytes) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "the inflated message is larger than the limit");
        }
    }
    if (result != Z_STREAM_END || z->avail_in != 0) {
        return fb_fail(FB_INTERNAL, "the message is marked as compressed but is not gzip");
    }
    return fb_ok;
}

struct fb_status fb_h2_gunzip(const uint8_t *data, size_t size, uint32_t limit_bytes,
                              struct fb_buffer *out)
{
    z_stream z = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)size};
    struct fb_status status;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to inflate the message");
    }
    status = inflate_all(&z, limit_bytes, out);
    inflateEnd(&z);
    return status;
}
