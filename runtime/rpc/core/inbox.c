#include "runtime/rpc/core/inbox.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <zlib.h>

enum { ANY_HEADER = 15 + 32, FIRST_BYTES = 16 * 1024 }; /* zlib: gzip or deflate, by what comes */

struct inflated {
    uint8_t *data;
    size_t size;
    size_t room;
};

/* Room for more, doubled each time up to the limit and one byte that shows it was passed. */
static bool grow(struct inflated *out, size_t limit_bytes)
{
    size_t room = out->room == 0 ? FIRST_BYTES : out->room * 2;
    uint8_t *data;

    if (room > limit_bytes + 1) {
        room = limit_bytes + 1;
    }
    if (room == out->room) {
        return false;
    }
    data = realloc(out->data, room);
    if (data == NULL) {
        return false;
    }
    out->data = data;
    out->room = room;
    return true;
}

static struct fb_status inflate_all(z_stream *stream, size_t limit_bytes, struct inflated *out)
{
    const struct fb_status broken = fb_fail(FB_INTERNAL, "a compressed message is broken");
    int result = Z_OK;

    while (result != Z_STREAM_END) {
        if (out->size == out->room && !grow(out, limit_bytes)) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "a message inflates beyond the limit");
        }
        stream->next_out = out->data + out->size;
        stream->avail_out = (uInt)(out->room - out->size);
        result = inflate(stream, Z_NO_FLUSH);
        out->size = out->room - stream->avail_out;
        if (result != Z_OK && result != Z_STREAM_END) {
            return broken;
        }
    }
    if (out->size > limit_bytes) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "a message inflates beyond the limit");
    }
    return stream->avail_in == 0 ? fb_ok : broken;
}

static struct fb_status inflate_slice(grpc_slice in, size_t limit_bytes, grpc_slice *message)
{
    z_stream stream = {
        .next_in = GRPC_SLICE_START_PTR(in),
        .avail_in = (uInt)GRPC_SLICE_LENGTH(in),
    };
    struct inflated out = {.data = NULL};
    struct fb_status status;

    if (inflateInit2(&stream, ANY_HEADER) != Z_OK) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to inflate a message");
    }
    status = inflate_all(&stream, limit_bytes, &out);
    inflateEnd(&stream);
    if (fb_is_ok(status)) {
        *message = grpc_slice_from_copied_buffer((const char *)out.data, out.size);
    }
    free(out.data);
    return status;
}

struct fb_status fb_core_inbox_open(grpc_byte_buffer *buffer, size_t limit_bytes,
                                    grpc_slice *message)
{
    const bool compressed =
        buffer->type == GRPC_BB_RAW && buffer->data.raw.compression != GRPC_COMPRESS_NONE;
    struct fb_status status = fb_ok;
    grpc_byte_buffer_reader reader;
    grpc_slice bytes;

    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        grpc_byte_buffer_destroy(buffer);
        return fb_fail(FB_INTERNAL, "a message cannot be read");
    }
    bytes = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(buffer);
    if (!compressed) {
        *message = bytes;
        return fb_ok;
    }
    status = inflate_slice(bytes, limit_bytes, message);
    grpc_slice_unref(bytes);
    return status;
}
