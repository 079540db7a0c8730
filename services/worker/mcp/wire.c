#include "services/worker/mcp/wire.h"

#include <string.h>

#include "runtime/json/scan.h"

enum { INTERNAL_ERROR = -32603 };

struct fb_status wire_check(struct fb_text line)
{
    const struct fb_text trimmed = fb_json_trim(line);

    if (trimmed.size == 0 || (trimmed.data[0] != '{' && trimmed.data[0] != '[')) {
        return fb_fail(FB_INVALID_ARGUMENT, "not a JSON object");
    }
    return fb_json_check(line, WIRE_DEPTH, NULL);
}

static struct fb_text absent_if_null(struct fb_text value)
{
    return fb_json_kind_of(value) == FB_JSON_NULL ? (struct fb_text){.data = NULL} : value;
}

static bool is_object(struct fb_text value)
{
    return fb_json_kind_of(value) == FB_JSON_OBJECT;
}

struct fb_status wire_read(struct fb_text object, struct wire_message *message)
{
    struct fb_json_walk walk = fb_json_walk(object);
    struct wire_message m = {.kind = WIRE_NOTIFICATION};

    if (!is_object(object)) {
        return fb_fail(FB_INVALID_ARGUMENT, "not a JSON object");
    }
    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "id")) {
            m.id = absent_if_null(walk.value);
        } else if (fb_json_string_is(walk.key, "method")) {
            m.method = walk.value;
        } else if (fb_json_string_is(walk.key, "params")) {
            m.params = absent_if_null(walk.value);
        } else if (fb_json_string_is(walk.key, "result")) {
            m.result = walk.value;
        } else if (fb_json_string_is(walk.key, "error")) {
            m.error = absent_if_null(walk.value);
        }
    }
    if (m.method.size != 0) {
        if (fb_json_kind_of(m.method) != FB_JSON_STRING) {
            return fb_fail(FB_INVALID_ARGUMENT, "method is not a string");
        }
        if (m.params.size != 0 && !is_object(m.params)) {
            return fb_fail(FB_INVALID_ARGUMENT, "params is not an object");
        }
        m.kind = m.id.size != 0 ? WIRE_REQUEST : WIRE_NOTIFICATION;
    } else if (m.error.size != 0) {
        if (!is_object(m.error)) {
            return fb_fail(FB_INVALID_ARGUMENT, "error is not an object");
        }
        m.kind = WIRE_ERROR;
    } else if (m.id.size != 0 && m.result.size != 0) {
        if (!is_object(m.result)) {
            return fb_fail(FB_INVALID_ARGUMENT, "result is not an object");
        }
        m.kind = WIRE_RESULT;
    } else {
        return fb_fail(FB_INVALID_ARGUMENT, "neither request nor response");
    }
    *message = m;
    return fb_ok;
}

struct wire_error wire_error_of(struct fb_text error, struct fb_arena *arena)
{
    struct fb_json_walk walk = fb_json_walk(error);
    struct wire_error e = {.code = INTERNAL_ERROR};

    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, "code")) {
            if (!fb_json_to_i64(walk.value, &e.code)) {
                e.code = INTERNAL_ERROR;
            }
        } else if (fb_json_string_is(walk.key, "message")) {
            if (!fb_is_ok(fb_json_unescape(walk.value, arena, &e.message, NULL))) {
                e.message = (struct fb_text){.data = NULL};
            }
        } else if (fb_json_string_is(walk.key, "data")) {
            e.data = walk.value;
        }
    }
    return e;
}

/* --- a line that was too long --- */

static struct fb_text skip_space(struct fb_text text)
{
    while (text.size > 0 && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.size--;
    }
    return text;
}

static bool skip(struct fb_text *text, const char *token)
{
    const struct fb_text rest = skip_space(*text);

    if (!fb_text_begins(rest, token)) {
        return false;
    }
    text->data = rest.data + strlen(token);
    text->size = rest.size - strlen(token);
    return true;
}

/* A whole number that is followed by `end`. */
static bool take_number(struct fb_text *text, char end, int64_t *number)
{
    const struct fb_text rest = skip_space(*text);
    size_t size = 0;

    while (size < rest.size && rest.data[size] >= '0' && rest.data[size] <= '9') {
        size++;
    }
    if (!fb_json_to_i64((struct fb_text){.data = rest.data, .size = size}, number)) {
        return false;
    }
    *text = skip_space((struct fb_text){.data = rest.data + size, .size = rest.size - size});
    return text->size > 0 && *text->data == end;
}

bool wire_guess_id(struct fb_text head, struct fb_text tail, int64_t *id)
{
    struct fb_text text = head;

    if (skip(&text, "{")) {
        struct fb_text second = text;

        if (skip(&text, "\"id\"") && skip(&text, ":") && take_number(&text, ',', id)) {
            return true;
        }
        if (skip(&second, "\"jsonrpc\"") && skip(&second, ":") && skip(&second, "\"2.0\"") &&
            skip(&second, ",") && skip(&second, "\"id\"") && skip(&second, ":") &&
            take_number(&second, ',', id)) {
            return true;
        }
    }
    /*
     * The last brace closes the whole object, so a number right before it is a member of the whole
     * object: in valid JSON a line cannot end like this within a string or an inner object.
     */
    for (size_t at = tail.size; at-- > 0;) {
        text = (struct fb_text){.data = tail.data + at, .size = tail.size - at};
        if (skip(&text, ",") && skip(&text, "\"id\"") && skip(&text, ":") &&
            take_number(&text, '}', id)) {
            text.data++;
            text.size--;
            return skip_space(text).size == 0;
        }
    }
    return false;
}

/* --- writing --- */

void wire_put_value(struct fb_buffer *out, struct fb_text value)
{
    const bool has_breaks = value.size != 0 && (memchr(value.data, '\n', value.size) != NULL ||
                                                memchr(value.data, '\r', value.size) != NULL);

    if (has_breaks) {
        fb_json_append_compact(out, value);
    } else {
        fb_buffer_text(out, value);
    }
}

/* Appends `,` unless the object is still empty. */
static void put_comma(struct fb_buffer *out, bool *any)
{
    if (*any) {
        fb_buffer_append(out, ",", 1);
    }
    *any = true;
}

static void put_member(struct fb_buffer *out, bool *any, struct fb_text key, struct fb_text value)
{
    put_comma(out, any);
    fb_buffer_text(out, key);
    fb_buffer_append(out, ":", 1);
    wire_put_value(out, value);
}

/* Keys that say something about one leg of the way only. */
static bool is_envelope(struct fb_text key, struct fb_arena *arena)
{
    struct fb_text name;

    if (!fb_is_ok(fb_json_unescape(key, arena, &name, NULL))) {
        return true;
    }
    return fb_text_is(name, "progressToken") || fb_text_begins(name, "io.modelcontextprotocol/");
}

bool wire_put_meta(struct fb_buffer *out, const struct wire_meta *meta)
{
    struct fb_json_walk walk = fb_json_walk(meta->extra);
    const size_t start = out->size;
    struct fb_arena arena;
    bool any = false;

    fb_buffer_string(out, "\"_meta\":{");
    if (meta->revision != NULL) {
        put_comma(out, &any);
        fb_buffer_printf(out,
                         "\"io.modelcontextprotocol/protocolVersion\":\"%s\","
                         "\"io.modelcontextprotocol/clientInfo\":"
                         "{\"name\":\"flow-balancer\",\"version\":\"%s\"},"
                         "\"io.modelcontextprotocol/clientCapabilities\":",
                         meta->revision, meta->client_version);
        wire_put_value(out, meta->capabilities.size == 0 ? FB_TEXT("{}") : meta->capabilities);
        if (meta->log_level != NULL) {
            fb_buffer_printf(out, ",\"io.modelcontextprotocol/logLevel\":\"%s\"", meta->log_level);
        }
    }
    if (meta->token != 0) {
        put_comma(out, &any);
        fb_buffer_printf(out, "\"progressToken\":%lld", (long long)meta->token);
    }
    fb_arena_init(&arena, 0);
    while (fb_json_next(&walk)) {
        if (!is_envelope(walk.key, &arena)) {
            put_member(out, &any, walk.key, walk.value);
        }
    }
    fb_arena_finish(&arena);
    if (!any) {
        out->size = start;
        return false;
    }
    fb_buffer_append(out, "}", 1);
    return true;
}

void wire_put_without(struct fb_buffer *out, struct fb_text object, const char *key)
{
    struct fb_json_walk walk = fb_json_walk(object);
    bool any = false;

    fb_buffer_append(out, "{", 1);
    while (fb_json_next(&walk)) {
        if (!fb_json_string_is(walk.key, key)) {
            put_member(out, &any, walk.key, walk.value);
        }
    }
    fb_buffer_append(out, "}", 1);
}
