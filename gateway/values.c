#include "gateway/values.h"

#include <string.h>

#include "runtime/json/scan.h"

ProtobufCBinaryData value_bytes(struct fb_text text)
{
    return (ProtobufCBinaryData){.len = text.size, .data = (uint8_t *)(uintptr_t)text.data};
}

struct fb_text value_text(ProtobufCBinaryData bytes)
{
    return (struct fb_text){.data = (const char *)bytes.data, .size = bytes.len};
}

char *value_unconst(const char *string)
{
    return (char *)(uintptr_t)string;
}

const char *value_string(struct fb_text value, struct fb_arena *arena)
{
    struct fb_text text;
    bool exact;

    if (!fb_is_ok(fb_json_unescape(value, arena, &text, &exact)) || !exact ||
        (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)) {
        return NULL;
    }
    return fb_arena_copy(arena, text.data, text.size);
}

struct fb_text value_one_line(struct fb_text json, struct fb_buffer *room)
{
    if (json.size == 0 || memchr(json.data, '\n', json.size) == NULL) {
        return json;
    }
    fb_json_append_compact(room, json);
    return (struct fb_text){.data = room->data, .size = room->size};
}
