#include "clients/flowctl/result.h"

#include <fnmatch.h>
#include <string.h>

#include "clients/flowctl/table.h"
#include "clients/flowctl/units.h"
#include "runtime/json/scan.h"

enum { NAME_BYTES = 512 };

struct fb_text result_member(struct fb_text object, const char *key, struct fb_arena *arena)
{
    struct fb_text value;
    struct fb_text text = {.data = NULL};

    if (!fb_json_find(object, key, &value) || fb_json_kind_of(value) != FB_JSON_STRING ||
        !fb_is_ok(fb_json_unescape(value, arena, &text, NULL))) {
        return (struct fb_text){.data = NULL};
    }
    return text;
}

static void end_line(struct fb_buffer *out)
{
    if (out->size > 0 && out->data[out->size - 1] != '\n') {
        fb_buffer_string(out, "\n");
    }
}

/* "[image image/png, 12 KiB]", "[resource_link docs https://…]". */
static void render_other(struct fb_text block, struct fb_text type, struct fb_arena *arena,
                         struct fb_buffer *out)
{
    static const char *const told[] = {"mimeType", "name", "uri"};
    const struct fb_text data = result_member(block, "data", arena);
    struct fb_text inner = block;
    char room[UNITS_ROOM];

    if (fb_text_is(type, "resource") && fb_json_find(block, "resource", &inner)) {
        const struct fb_text text = result_member(inner, "text", arena);

        if (text.size > 0) {
            fb_buffer_text(out, text);
            end_line(out);
            return;
        }
    }
    fb_buffer_string(out, "[");
    fb_buffer_text(out, type.size == 0 ? FB_TEXT("block without a type") : type);
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        const struct fb_text value = result_member(inner, told[i], arena);

        if (value.size > 0) {
            fb_buffer_string(out, " ");
            fb_buffer_text(out, value);
        }
    }
    if (data.size > 0) {
        fb_buffer_printf(out, ", %s", units_bytes((int64_t)(data.size / 4 * 3), room));
    }
    fb_buffer_string(out, "]\n");
}

bool result_render(struct fb_text result_json, struct fb_arena *arena, struct fb_buffer *out)
{
    struct fb_text content;
    struct fb_text structured;
    struct fb_text is_error;
    struct fb_json_walk walk;
    size_t blocks = 0;

    if (!fb_json_find(result_json, "content", &content) ||
        fb_json_kind_of(content) != FB_JSON_ARRAY) {
        fb_buffer_text(out, result_json);
        end_line(out);
        return false;
    }
    walk = fb_json_walk(content);
    while (fb_json_next(&walk)) {
        const struct fb_text type = result_member(walk.value, "type", arena);

        blocks++;
        if (fb_text_is(type, "text")) {
            fb_buffer_text(out, result_member(walk.value, "text", arena));
            end_line(out);
        } else {
            render_other(walk.value, type, arena, out);
        }
    }
    if (blocks == 0 && fb_json_find(result_json, "structuredContent", &structured)) {
        fb_buffer_text(out, structured);
        end_line(out);
    }
    return fb_json_find(result_json, "isError", &is_error) &&
           fb_json_kind_of(is_error) == FB_JSON_TRUE;
}

void result_render_progress(struct fb_text params_json, struct fb_arena *arena,
                            struct fb_buffer *out)
{
    const struct fb_text message = result_member(params_json, "message", arena);
    struct fb_text number;

    if (fb_json_find(params_json, "progress", &number)) {
        fb_buffer_text(out, number);
        if (fb_json_find(params_json, "total", &number)) {
            fb_buffer_string(out, " of ");
            fb_buffer_text(out, number);
        }
    }
    if (message.size > 0) {
        fb_buffer_string(out, out->size > 0 ? ": " : "");
        fb_buffer_text(out, message);
    }
}

bool result_name_matches(const char *pattern, struct fb_text name)
{
    char word[NAME_BYTES];

    if (pattern == NULL) {
        return true;
    }
    if (name.size >= sizeof(word) || memchr(name.data, '\0', name.size) != NULL) {
        return false;
    }
    memcpy(word, name.data, name.size);
    word[name.size] = '\0';
    if (strpbrk(pattern, "*?[") == NULL) {
        return strstr(word, pattern) != NULL;
    }
    return fnmatch(pattern, word, 0) == 0;
}

void result_first_line(struct fb_text description, size_t columns, struct fb_buffer *out)
{
    size_t begin = 0;
    size_t end;
    size_t cut;

    while (begin < description.size && strchr(" \t\r\n", description.data[begin]) != NULL) {
        begin++;
    }
    end = begin;
    while (end < description.size && description.data[end] != '\n' &&
           description.data[end] != '\r') {
        end++;
    }
    description = (struct fb_text){.data = description.data + begin, .size = end - begin};
    if (table_width(description) <= columns) {
        fb_buffer_text(out, description);
        return;
    }
    cut = 0;
    for (size_t width = 0; cut < description.size; cut++) {
        width += ((unsigned char)description.data[cut] & 0xC0) != 0x80;
        if (width == columns) {
            break; /* before this character: its place is the ellipsis's */
        }
    }
    fb_buffer_append(out, description.data, cut);
    fb_buffer_string(out, "…");
}
