#include "runtime/rpc/h2/fields.h"

#include <string.h>

struct known {
    const char *name;
    enum fb_h2_field field;
};

/* By size, as there are few of each: most fields of a call are told by one comparison. */
enum { SIZE_MOST = 17, OF_ONE_SIZE = 3 };
static const struct known known[SIZE_MOST + 1][OF_ONE_SIZE] = {
    [2] = {{"te", FB_H2_IGNORED}},
    [4] = {{"host", FB_H2_IGNORED}},
    [5] = {{":path", FB_H2_PATH}},
    [6] = {{"accept", FB_H2_IGNORED}},
    [7] = {{":method", FB_H2_METHOD}, {":status", FB_H2_HTTP_STATUS}, {"upgrade", FB_H2_IGNORED}},
    [10] = {{"user-agent", FB_H2_IGNORED},
            {"connection", FB_H2_IGNORED},
            {"keep-alive", FB_H2_IGNORED}},
    [11] = {{"grpc-status", FB_H2_GRPC_STATUS}},
    [12] = {{"content-type", FB_H2_CONTENT_TYPE},
            {"grpc-timeout", FB_H2_TIMEOUT},
            {"grpc-message", FB_H2_GRPC_MESSAGE}},
    [13] = {{"grpc-encoding", FB_H2_ENCODING}},
    [14] = {{"content-length", FB_H2_IGNORED}},
    [15] = {{"accept-encoding", FB_H2_IGNORED}},
    [16] = {{"proxy-connection", FB_H2_IGNORED}},
    [17] = {{"transfer-encoding", FB_H2_IGNORED}},
};

enum fb_h2_field fb_h2_field_of(struct fb_text name)
{
    if (name.size <= SIZE_MOST) {
        const struct known *same_size = known[name.size];

        for (size_t i = 0; i < OF_ONE_SIZE && same_size[i].name != NULL; i++) {
            if (memcmp(same_size[i].name, name.data, name.size) == 0) {
                return same_size[i].field;
            }
        }
    }
    if ((name.size > 0 && name.data[0] == ':') ||
        (name.size >= 5 && memcmp(name.data, "grpc-", 5) == 0)) {
        return FB_H2_IGNORED;
    }
    return FB_H2_CUSTOM;
}

static struct fb_text after(struct fb_text text, size_t count)
{
    return (struct fb_text){.data = text.data + count, .size = text.size - count};
}

enum fb_h2_content fb_h2_content_of(struct fb_text type)
{
    if (!fb_text_begins(type, "application/grpc")) {
        return FB_H2_CONTENT_ALIEN;
    }
    type = after(type, sizeof("application/grpc") - 1);
    if (type.size == 0 || type.data[0] == ';') {
        return FB_H2_CONTENT_PROTO;
    }
    if (type.data[0] != '+') {
        return FB_H2_CONTENT_ALIEN; /* application/grpc-web is another protocol */
    }
    if (!fb_text_begins(type, "+proto")) {
        return FB_H2_CONTENT_OTHER;
    }
    type = after(type, sizeof("+proto") - 1);
    return type.size == 0 || type.data[0] == ';' ? FB_H2_CONTENT_PROTO : FB_H2_CONTENT_OTHER;
}

enum fb_h2_encoding fb_h2_encoding_of(struct fb_text name)
{
    if (fb_text_is(name, "identity")) {
        return FB_H2_IDENTITY;
    }
    return fb_text_is(name, "gzip") ? FB_H2_GZIP : FB_H2_UNKNOWN_ENCODING;
}

static bool is_binary(struct fb_text key)
{
    return key.size > 4 && memcmp(key.data + key.size - 4, "-bin", 4) == 0;
}

static struct fb_status take_binary(struct fb_metadata *metadata, struct fb_arena *arena,
                                    struct fb_text name, struct fb_text encoded)
{
    char *decoded = fb_arena_alloc(arena, encoded.size + 1);
    long size;

    if (decoded == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for metadata");
    }
    size = fb_base64_decode(encoded, decoded);
    if (size < 0) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "metadata %.*s is not base64",
                             (int)name.size, name.data);
    }
    return fb_metadata_add(metadata, arena, name,
                           (struct fb_text){.data = decoded, .size = (size_t)size});
}

struct fb_status fb_h2_metadata_take(struct fb_metadata *metadata, struct fb_arena *arena,
                                     struct fb_text name, struct fb_text value)
{
    struct fb_status status = fb_ok;

    if (!is_binary(name)) {
        return fb_metadata_add(metadata, arena, name, value);
    }
    for (;;) {
        const char *comma = value.size == 0 ? NULL : memchr(value.data, ',', value.size);
        const size_t size = comma == NULL ? value.size : (size_t)(comma - value.data);

        status =
            take_binary(metadata, arena, name, (struct fb_text){.data = value.data, .size = size});
        if (!fb_is_ok(status) || comma == NULL) {
            return status;
        }
        value = after(value, size + 1);
        while (value.size > 0 && value.data[0] == ' ') {
            value = after(value, 1);
        }
    }
}

static nghttp2_nv borrowed(struct fb_text name, struct fb_text value, uint8_t flags)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .value = (uint8_t *)(uintptr_t)value.data,
        .namelen = name.size,
        .valuelen = value.size,
        .flags = (uint8_t)(flags | NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE),
    };
}

nghttp2_nv fb_h2_field(const char *name, struct fb_text value, bool changes)
{
    return borrowed(fb_text_of(name), value,
                    changes ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
}

bool fb_h2_metadata_write(const struct fb_metadata *metadata, struct fb_arena *arena,
                          nghttp2_nv *out)
{
    for (size_t i = 0; i < metadata->count; i++) {
        struct fb_text key = metadata->items[i].key;
        struct fb_text value = metadata->items[i].value;

        if (is_binary(key)) {
            char *encoded = fb_arena_alloc(arena, (value.size + 2) / 3 * 4 + 1);

            if (encoded == NULL) {
                return false;
            }
            value = (struct fb_text){.data = encoded, .size = fb_base64_encode(value, encoded)};
        }
        out[i] = borrowed(key, value, NGHTTP2_NV_FLAG_NO_INDEX);
    }
    return true;
}
