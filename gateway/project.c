#include "gateway/project.h"

#include <stddef.h>

#include "runtime/json/scan.h"

/* --- an object, member by member --- */

/* Begins with "{" or ",", whichever is due; `*first` is true before the first member. */
static void begin_member(struct fb_buffer *out, bool *first)
{
    fb_buffer_string(out, *first ? "{" : ",");
    *first = false;
}

static void put_member(struct fb_buffer *out, bool *first, struct fb_text key, struct fb_text value)
{
    begin_member(out, first);
    fb_buffer_text(out, key);
    fb_buffer_string(out, ":");
    fb_buffer_text(out, value);
}

static void end_object(struct fb_buffer *out, bool first)
{
    fb_buffer_string(out, first ? "{}" : "}");
}

static bool is_object(struct fb_text value)
{
    return fb_json_kind_of(value) == FB_JSON_OBJECT;
}

static bool member_is(struct fb_text object, const char *key, const char *text)
{
    struct fb_text value;

    return fb_json_find(object, key, &value) && fb_json_string_is(value, text);
}

/* A member that came with a revision and, at most, ended with one. */
struct span {
    const char *key;
    enum revision first;
    enum revision last;
};

/* Whether revision `to` may be shown the member. */
static bool spans(const struct span *table, struct fb_text key, enum revision to)
{
    for (; table->key != NULL; table++) {
        if (fb_json_string_is(key, table->key)) {
            return to >= table->first && to <= table->last;
        }
    }
    return true;
}

/* --- tools --- */

static const struct span tool_members[] = {
    {"_meta", REVISION_2025_06_18, REVISION_MODERN},
    {"annotations", REVISION_2025_03_26, REVISION_MODERN},
    {"execution", REVISION_2025_11_25, REVISION_2025_11_25},
    {"icons", REVISION_2025_11_25, REVISION_MODERN},
    {"outputSchema", REVISION_2025_06_18, REVISION_MODERN},
    {"title", REVISION_2025_06_18, REVISION_MODERN},
    {.key = NULL},
};

/* Clients refuse the whole list for an input schema that is not of an object. */
static void put_input_schema(struct fb_buffer *out, struct fb_text schema)
{
    struct fb_json_walk walk = fb_json_walk(schema);
    bool first = false;

    if (is_object(schema) && member_is(schema, "type", "object")) {
        fb_buffer_text(out, schema);
        return;
    }
    fb_buffer_string(out, "{\"type\":\"object\"");
    while (is_object(schema) && fb_json_next(&walk)) {
        if (!fb_json_string_is(walk.key, "type")) {
            put_member(out, &first, walk.key, walk.value);
        }
    }
    fb_buffer_string(out, "}");
}

void project_tool(struct fb_buffer *out, struct fb_text tool, enum revision to)
{
    struct fb_json_walk walk = fb_json_walk(tool);
    bool has_schema = false;
    bool first = true;

    while (fb_json_next(&walk)) {
        if (!spans(tool_members, walk.key, to) || fb_json_kind_of(walk.value) == FB_JSON_NULL) {
            continue;
        }
        if (to < REVISION_MODERN && fb_json_string_is(walk.key, "outputSchema") &&
            !member_is(walk.value, "type", "object")) {
            continue;
        }
        if (fb_json_string_is(walk.key, "inputSchema")) {
            if (has_schema) {
                continue;
            }
            has_schema = true;
            begin_member(out, &first);
            fb_buffer_string(out, "\"inputSchema\":");
            put_input_schema(out, walk.value);
            continue;
        }
        put_member(out, &first, walk.key, walk.value);
    }
    if (!has_schema) {
        begin_member(out, &first);
        fb_buffer_string(out, "\"inputSchema\":{\"type\":\"object\"}");
    }
    end_object(out, first);
}

/* --- results of calls --- */

/* A JSON text as the string of a text block. */
static void put_text_block(struct fb_buffer *out, struct fb_text text)
{
    fb_buffer_string(out, "{\"type\":\"text\",\"text\":");
    fb_buffer_json_string(out, text);
    fb_buffer_string(out, "}");
}

/* `lastModified` came later than the annotations of content themselves. */
static void put_annotations(struct fb_buffer *out, struct fb_text annotations)
{
    struct fb_json_walk walk = fb_json_walk(annotations);
    bool first = true;

    while (fb_json_next(&walk)) {
        if (!fb_json_string_is(walk.key, "lastModified")) {
            put_member(out, &first, walk.key, walk.value);
        }
    }
    end_object(out, first);
}

static void put_block_members(struct fb_buffer *out, struct fb_text block)
{
    struct fb_json_walk walk = fb_json_walk(block);
    bool first = true;

    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "_meta")) {
            continue;
        }
        if (fb_json_string_is(walk.key, "annotations")) {
            begin_member(out, &first);
            fb_buffer_string(out, "\"annotations\":");
            put_annotations(out, walk.value);
            continue;
        }
        put_member(out, &first, walk.key, walk.value);
    }
    end_object(out, first);
}

/* Sound for a revision without sound: as a resource with the same bytes. */
static void put_audio_as_resource(struct fb_buffer *out, struct fb_text block)
{
    struct fb_text type = FB_TEXT("\"application/octet-stream\"");
    struct fb_text data = FB_TEXT("\"\"");

    fb_json_find(block, "mimeType", &type);
    fb_json_find(block, "data", &data);
    fb_buffer_string(out, "{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:mcp:audio\","
                          "\"mimeType\":");
    fb_buffer_text(out, type);
    fb_buffer_string(out, ",\"blob\":");
    fb_buffer_text(out, data);
    fb_buffer_string(out, "}}");
}

static void put_link_as_text(struct fb_buffer *out, struct fb_text block)
{
    struct fb_text uri;

    if (!fb_json_find(block, "uri", &uri) || fb_json_kind_of(uri) != FB_JSON_STRING) {
        put_text_block(out, block);
        return;
    }
    fb_buffer_string(out, "{\"type\":\"text\",\"text\":");
    fb_buffer_text(out, uri);
    fb_buffer_string(out, "}");
}

static void put_block(struct fb_buffer *out, struct fb_text block, enum revision to)
{
    struct fb_text type = {0};

    fb_json_find(block, "type", &type);
    if (fb_json_string_is(type, "audio") && to < REVISION_2025_03_26) {
        put_audio_as_resource(out, block);
    } else if (fb_json_string_is(type, "resource_link") && to < REVISION_2025_06_18) {
        put_link_as_text(out, block);
    } else if (!fb_json_string_is(type, "text") && !fb_json_string_is(type, "image") &&
               !fb_json_string_is(type, "resource") && !fb_json_string_is(type, "audio") &&
               !fb_json_string_is(type, "resource_link")) {
        /* Clients reject the whole result for a type that they do not know. */
        put_text_block(out, block);
    } else if (to < REVISION_2025_06_18) {
        put_block_members(out, block);
    } else {
        fb_buffer_text(out, block);
    }
}

/* The content for a legacy agent, with a text for the structured result that it cannot be shown. */
static void put_content(struct fb_buffer *out, struct fb_text content, struct fb_text lost,
                        enum revision to)
{
    struct fb_json_walk walk = fb_json_walk(content);
    const char *before = "";

    fb_buffer_string(out, "[");
    while (fb_json_next(&walk)) {
        fb_buffer_string(out, before);
        put_block(out, walk.value, to);
        before = ",";
    }
    if (*before == '\0' && lost.size > 0 && fb_json_kind_of(lost) != FB_JSON_NULL) {
        put_text_block(out, lost);
    }
    fb_buffer_string(out, "]");
}

static bool is_modern_meta(struct fb_text key)
{
    struct fb_text name = {.data = key.data + 1, .size = key.size - 1};

    return key.size > 1 && fb_text_begins(name, "io.modelcontextprotocol/") &&
           !fb_json_string_is(key, "io.modelcontextprotocol/related-task");
}

static void put_legacy_meta(struct fb_buffer *out, bool *first, struct fb_text meta)
{
    struct fb_json_walk walk = fb_json_walk(meta);
    bool empty = true;

    while (fb_json_next(&walk)) {
        if (is_modern_meta(walk.key)) {
            continue;
        }
        if (empty) {
            begin_member(out, first);
            fb_buffer_string(out, "\"_meta\":");
        }
        put_member(out, &empty, walk.key, walk.value);
    }
    if (!empty) {
        fb_buffer_string(out, "}");
    }
}

static void project_legacy_result(struct fb_buffer *out, struct fb_text result, enum revision to)
{
    struct fb_json_walk walk = fb_json_walk(result);
    struct fb_text structured = {0};
    struct fb_text content = {0};
    struct fb_text meta = {0};
    bool keep;
    bool first = true;

    fb_json_find(result, "structuredContent", &structured);
    keep = to >= REVISION_2025_06_18 && is_object(structured);
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "content")) {
            content = walk.value;
        } else if (fb_json_string_is(walk.key, "_meta")) {
            meta = walk.value;
        } else if (fb_json_string_is(walk.key, "resultType") ||
                   fb_json_string_is(walk.key, "ttlMs") ||
                   fb_json_string_is(walk.key, "cacheScope") ||
                   (!keep && fb_json_string_is(walk.key, "structuredContent")) ||
                   fb_json_kind_of(walk.value) == FB_JSON_NULL) {
            continue;
        } else {
            put_member(out, &first, walk.key, walk.value);
        }
    }
    begin_member(out, &first);
    fb_buffer_string(out, "\"content\":");
    put_content(out, content, keep ? (struct fb_text){0} : structured, to);
    put_legacy_meta(out, &first, meta);
    end_object(out, first);
}

/* The server's own `_meta`, in which we stand as the server. */
static void put_modern_meta(struct fb_buffer *out, struct fb_text meta, struct fb_text server_info)
{
    static const char key[] = "io.modelcontextprotocol/serverInfo";
    struct fb_json_walk walk = fb_json_walk(meta);
    bool first = true;

    while (fb_json_next(&walk)) {
        if (!fb_json_string_is(walk.key, key)) {
            put_member(out, &first, walk.key, walk.value);
        }
    }
    begin_member(out, &first);
    fb_buffer_printf(out, "\"%s\":", key);
    fb_buffer_text(out, server_info);
    end_object(out, first);
}

static void project_modern_result(struct fb_buffer *out, struct fb_text result,
                                  struct fb_text server_info)
{
    struct fb_json_walk walk = fb_json_walk(result);
    struct fb_text meta = {0};
    bool content = false;
    bool first = false;

    fb_buffer_string(out, "{\"resultType\":\"complete\"");
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "_meta")) {
            meta = walk.value;
        } else if (!fb_json_string_is(walk.key, "resultType")) {
            content = content || fb_json_string_is(walk.key, "content");
            put_member(out, &first, walk.key, walk.value);
        }
    }
    if (!content) {
        fb_buffer_string(out, ",\"content\":[]");
    }
    fb_buffer_string(out, ",\"_meta\":");
    put_modern_meta(out, meta, server_info);
    fb_buffer_string(out, "}");
}

void project_call_result(struct fb_buffer *out, struct fb_text result, enum revision to,
                         struct fb_text server_info)
{
    if (to == REVISION_MODERN) {
        project_modern_result(out, result, server_info);
    } else {
        project_legacy_result(out, result, to);
    }
}

/* --- progress --- */

void project_progress(struct fb_buffer *out, struct fb_text params, struct fb_text token,
                      enum revision to)
{
    struct fb_json_walk walk = fb_json_walk(params);
    bool first = false;

    fb_buffer_string(out, "{\"progressToken\":");
    fb_buffer_text(out, token);
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "progressToken") ||
            fb_json_kind_of(walk.value) == FB_JSON_NULL ||
            (to < REVISION_2025_03_26 && fb_json_string_is(walk.key, "message"))) {
            continue;
        }
        put_member(out, &first, walk.key, walk.value);
    }
    fb_buffer_string(out, "}");
}
