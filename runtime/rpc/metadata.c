#include "runtime/rpc/metadata.h"

#include <string.h>

enum { ITEM_OVERHEAD_BYTES = 32, FIRST_ROOM = 8 };

/* What gRPC or HTTP/2 itself speaks by; a peer would misread these, or refuse the call. */
static const char *const reserved[] = {
    "connection", "content-length",   "content-type", "host",
    "keep-alive", "proxy-connection", "te",           "transfer-encoding",
    "upgrade",    "user-agent",
};

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* The offset of the first byte that no key may have, or its size. */
static size_t key_check(struct fb_text key)
{
    size_t i = 0;

    while (i < key.size && is_key_byte(key.data[i])) {
        i++;
    }
    return i;
}

static bool is_reserved(struct fb_text key)
{
    if (fb_text_begins(key, "grpc-")) {
        return true;
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (fb_text_is(key, reserved[i])) {
            return true;
        }
    }
    return false;
}

bool fb_metadata_key_is_custom(struct fb_text key)
{
    return key.size != 0 && key_check(key) == key.size && !is_reserved(key);
}

static bool is_binary_key(struct fb_text key)
{
    return key.size >= 4 && memcmp(key.data + key.size - 4, "-bin", 4) == 0;
}

static size_t value_check(struct fb_text value)
{
    size_t i = 0;

    while (i < value.size && value.data[i] >= 0x20 && value.data[i] <= 0x7e) {
        i++;
    }
    return i;
}

static struct fb_status check(struct fb_arena *arena, struct fb_text key, struct fb_text value)
{
    size_t at = key_check(key);

    if (key.size == 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "a metadata key is empty");
    }
    if (at < key.size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "metadata key: byte 0x%02x at %zu is none of [a-z0-9_.-]",
                             (unsigned)(unsigned char)key.data[at], at);
    }
    if (is_reserved(key)) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "metadata key \"%.*s\" is reserved",
                             key.size > 64 ? 64 : (int)key.size, key.data);
    }
    if (is_binary_key(key)) {
        return fb_ok;
    }
    at = value_check(value);
    if (at < value.size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "metadata value of \"%.*s\": byte 0x%02x at %zu is not printable "
                             "ASCII; a key in -bin takes any bytes",
                             key.size > 64 ? 64 : (int)key.size, key.data,
                             (unsigned)(unsigned char)value.data[at], at);
    }
    return fb_ok;
}

static bool grow(struct fb_metadata *metadata, struct fb_arena *arena)
{
    size_t room = metadata->room == 0 ? FIRST_ROOM : metadata->room * 2;
    struct fb_metadata_item *items = fb_arena_zalloc(arena, room, sizeof(*items));

    if (items == NULL) {
        return false;
    }
    if (metadata->count != 0) {
        memcpy(items, metadata->items, metadata->count * sizeof(*items));
    }
    metadata->items = items;
    metadata->room = room;
    return true;
}

struct fb_status fb_metadata_add(struct fb_metadata *metadata, struct fb_arena *arena,
                                 struct fb_text key, struct fb_text value)
{
    const size_t left = FB_METADATA_LIMIT_BYTES - metadata->bytes;
    struct fb_status status = check(arena, key, value);
    const char *own_key;
    const char *own_value;

    if (!fb_is_ok(status)) {
        return status;
    }
    if (key.size > left || value.size > left ||
        key.size + value.size + ITEM_OVERHEAD_BYTES > left) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "metadata is larger than 16 KiB");
    }
    own_key = fb_arena_copy(arena, key.data, key.size);
    own_value = fb_arena_copy(arena, value.data, value.size);
    if (own_key == NULL || own_value == NULL ||
        (metadata->count == metadata->room && !grow(metadata, arena))) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left for metadata");
    }
    metadata->items[metadata->count++] = (struct fb_metadata_item){
        .key = {.data = own_key, .size = key.size},
        .value = {.data = own_value, .size = value.size},
    };
    metadata->bytes += key.size + value.size + ITEM_OVERHEAD_BYTES;
    return fb_ok;
}

bool fb_metadata_find(const struct fb_metadata *metadata, const char *key, struct fb_text *value)
{
    for (size_t i = 0; i < metadata->count; i++) {
        if (fb_text_is(metadata->items[i].key, key)) {
            *value = metadata->items[i].value;
            return true;
        }
    }
    return false;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

/* Padding may be left out, but what is there completes the last group of four. */
static bool strip_padding(struct fb_text *in)
{
    size_t padding = 0;

    while (padding < 2 && padding < in->size && in->data[in->size - 1 - padding] == '=') {
        padding++;
    }
    if (padding != 0 && in->size % 4 != 0) {
        return false;
    }
    in->size -= padding;
    return in->size % 4 != 1;
}

long fb_base64_decode(struct fb_text in, char *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t size = 0;

    if (!strip_padding(&in)) {
        return -1;
    }
    for (size_t i = 0; i < in.size; i++) {
        int value = sextet(in.data[i]);

        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[size++] = (char)(bits >> held & 0xff);
        }
    }
    /* Left-over bits that are set would make two spellings of one value. */
    return (bits & ((1u << held) - 1)) == 0 ? (long)size : -1;
}

size_t fb_base64_encode(struct fb_text in, char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned held = 0;
    size_t size = 0;

    for (size_t i = 0; i < in.size; i++) {
        bits = bits << 8 | (unsigned char)in.data[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            out[size++] = letters[bits >> held & 0x3f];
        }
    }
    if (held != 0) {
        out[size++] = letters[bits << (6 - held) & 0x3f];
    }
    return size;
}
