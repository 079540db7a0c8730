#include "gateway/jsonrpc.h"

#include <string.h>

#include "runtime/json/scan.h"

bool jsonrpc_is_id(struct fb_text value)
{
    if (value.size == 0 || value.size > JSONRPC_ID_BYTES) {
        return false;
    }
    return fb_json_kind_of(value) == FB_JSON_STRING || fb_json_is_integer(value);
}

static bool wrong(struct jsonrpc_error *error, int code, const char *message)
{
    *error = (struct jsonrpc_error){.code = code, .message = message};
    return false;
}

/* The plain characters of a method's name; "?" for any other name, NULL when memory is exhausted. */
static const char *method_name(struct fb_text value, struct fb_arena *arena)
{
    struct fb_text name;

    if (value.size > JSONRPC_METHOD_BYTES) {
        return "?";
    }
    if (!fb_is_ok(fb_json_unescape(value, arena, &name, NULL))) {
        return NULL;
    }
    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL) {
        return "?";
    }
    return fb_arena_copy(arena, name.data, name.size);
}

bool jsonrpc_read(struct fb_text text, struct fb_arena *arena, struct message *message,
                  struct jsonrpc_error *error)
{
    struct fb_json_walk walk = fb_json_walk(text);
    struct fb_text version = {0};
    struct fb_text method = {0};
    struct fb_text id = {0};

    *message = (struct message){.kind = MESSAGE_RESPONSE, .method = ""};
    *error = (struct jsonrpc_error){0};
    if (fb_json_kind_of(text) != FB_JSON_OBJECT) {
        return wrong(error, JSONRPC_INVALID_REQUEST, "a message must be a JSON object");
    }
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "jsonrpc")) {
            version = walk.value;
        } else if (fb_json_string_is(walk.key, "id")) {
            id = walk.value;
        } else if (fb_json_string_is(walk.key, "method")) {
            method = walk.value;
        } else if (fb_json_string_is(walk.key, "params")) {
            message->params = walk.value;
        }
    }
    if (jsonrpc_is_id(id)) {
        message->id = id;
    }
    if (!fb_json_string_is(version, "2.0")) {
        return wrong(error, JSONRPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"");
    }
    if (method.size == 0) {
        return true;
    }
    if (fb_json_kind_of(method) != FB_JSON_STRING) {
        return wrong(error, JSONRPC_INVALID_REQUEST, "method must be a string");
    }
    if (id.size != 0 && message->id.size == 0) {
        return wrong(error, JSONRPC_INVALID_REQUEST,
                     "id must be a string or an integer, of at most 1024 bytes");
    }
    message->kind = id.size != 0 ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION;
    message->method = method_name(method, arena);
    if (message->method == NULL) {
        return wrong(error, JSONRPC_INTERNAL_ERROR, "out of memory");
    }
    if (message->params.size != 0 && fb_json_kind_of(message->params) != FB_JSON_OBJECT) {
        return wrong(error, JSONRPC_INVALID_PARAMS, "params must be an object");
    }
    return true;
}

void jsonrpc_begin_result(struct fb_buffer *out, struct fb_text id)
{
    fb_buffer_string(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    fb_buffer_text(out, id);
    fb_buffer_string(out, ",\"result\":");
}

void jsonrpc_put_error(struct fb_buffer *out, struct fb_text id, const struct jsonrpc_error *error)
{
    fb_buffer_string(out, "{\"jsonrpc\":\"2.0\",");
    if (id.size > 0) {
        fb_buffer_string(out, "\"id\":");
        fb_buffer_text(out, id);
        fb_buffer_string(out, ",");
    }
    fb_buffer_printf(out, "\"error\":{\"code\":%d,\"message\":", error->code);
    fb_buffer_json_string(out, fb_text_of(error->message));
    if (error->data.size > 0) {
        fb_buffer_string(out, ",\"data\":");
        fb_buffer_text(out, error->data);
    }
    fb_buffer_string(out, "}}");
}

void jsonrpc_begin_notification(struct fb_buffer *out, const char *method)
{
    fb_buffer_string(out, "{\"jsonrpc\":\"2.0\",\"method\":");
    fb_buffer_json_string(out, fb_text_of(method));
    fb_buffer_string(out, ",\"params\":");
}
