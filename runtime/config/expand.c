#include "runtime/config/expand.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/text.h"

/* What stands between the braces. */
struct reference {
    struct fb_text name;
    struct fb_text fallback;
    bool has_fallback;
};

static bool is_name(struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char lower = (char)(text.data[i] | 0x20);
        const bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';

        if ((lower < 'a' || lower > 'z') && text.data[i] != '_' && (!is_digit || i == 0)) {
            return false;
        }
    }
    return text.size > 0;
}

/* `NAME` or `NAME:-fallback`; false when it is neither. */
static bool read_reference(struct fb_text body, struct reference *reference)
{
    const char *colon = memchr(body.data, ':', body.size);

    *reference = (struct reference){.name = body};
    if (colon != NULL) {
        const size_t size = (size_t)(colon - body.data);

        if (body.size - size < 2 || colon[1] != '-') {
            return false;
        }
        reference->name.size = size;
        reference->fallback = (struct fb_text){.data = colon + 2, .size = body.size - size - 2};
        reference->has_fallback = true;
    }
    return is_name(reference->name);
}

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
}

static struct fb_status put_variable(const struct fb_expansion *expansion,
                                     const struct reference *reference, struct fb_arena *arena,
                                     struct fb_buffer *out)
{
    const char *name = fb_arena_copy(arena, reference->name.data, reference->name.size);
    const char *value;

    if (name == NULL) {
        return no_memory();
    }
    value = expansion->variable(expansion->variables, name);
    if (reference->has_fallback && (value == NULL || value[0] == '\0')) {
        fb_buffer_text(out, reference->fallback);
        return fb_ok;
    }
    if (value == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "the variable %.100s is not set; ${%.100s:-x} would stand for x then",
                             name, name);
    }
    fb_buffer_string(out, value);
    return fb_ok;
}

static struct fb_status put_input(const struct fb_expansion *expansion, struct fb_text id,
                                  struct fb_arena *arena, struct fb_buffer *out)
{
    const char *name = fb_arena_copy(arena, id.data, id.size);
    const char *value = NULL;

    if (name == NULL) {
        return no_memory();
    }
    if (expansion->input != NULL) {
        value = expansion->input(expansion->inputs, name);
    }
    if (value == NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT,
                             "the input \"%.100s\" has no value; give it one under flow.inputs",
                             name);
    }
    fb_buffer_string(out, value);
    return fb_ok;
}

static struct fb_status put_workspace(const struct fb_expansion *expansion, bool is_whole,
                                      struct fb_buffer *out)
{
    const char *slash;

    if (expansion->workspace == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "no workspace folder is known here");
    }
    slash = strrchr(expansion->workspace, '/');
    fb_buffer_string(out, is_whole || slash == NULL ? expansion->workspace : slash + 1);
    return fb_ok;
}

/* `*known` false: it stays as it is. */
static struct fb_status put(const struct fb_expansion *expansion, struct fb_text body,
                            struct fb_arena *arena, struct fb_buffer *out, bool *known)
{
    struct reference reference;
    struct fb_text rest = body;

    *known = true;
    if (fb_text_is(body, "workspaceFolder") || fb_text_is(body, "workspaceFolderBasename")) {
        return put_workspace(expansion, fb_text_is(body, "workspaceFolder"), out);
    }
    if (fb_text_is(body, "userHome")) {
        fb_buffer_string(out, expansion->home);
        return fb_ok;
    }
    if (fb_text_is(body, "pathSeparator") || fb_text_is(body, "/")) {
        fb_buffer_string(out, "/");
        return fb_ok;
    }
    if (fb_text_begins(body, "input:")) {
        rest.data += strlen("input:");
        rest.size -= strlen("input:");
        return put_input(expansion, rest, arena, out);
    }
    if (fb_text_begins(body, "command:") || fb_text_begins(body, "config:")) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "${%.*s} is known to VS Code alone",
                             (int)(body.size < 100 ? body.size : 100), body.data);
    }
    if (fb_text_begins(body, "env:")) {
        rest.data += strlen("env:");
        rest.size -= strlen("env:");
    }
    if (read_reference(rest, &reference)) {
        return put_variable(expansion, &reference, arena, out);
    }
    *known = false;
    return fb_ok;
}

static struct fb_status expand_into(const struct fb_expansion *expansion, const char *text,
                                    struct fb_arena *arena, struct fb_buffer *out)
{
    const char *begin;

    while ((begin = strstr(text, "${")) != NULL) {
        const char *end = memchr(begin, '}', strnlen(begin, FB_REFERENCE_BYTES));
        struct fb_status status = fb_ok;
        bool known = false;

        fb_buffer_append(out, text, (size_t)(begin - text));
        if (end != NULL) {
            const struct fb_text body = {.data = begin + 2, .size = (size_t)(end - begin) - 2};

            status = put(expansion, body, arena, out, &known);
        }
        if (!fb_is_ok(status)) {
            return status;
        }
        /* What is not known may still have one of ours inside: go on behind its "${". */
        text = known ? end + 1 : begin + 2;
        fb_buffer_string(out, known ? "" : "${");
    }
    fb_buffer_string(out, text);
    return fb_ok;
}

struct fb_status fb_expand(const struct fb_expansion *expansion, const char *text,
                           struct fb_arena *arena, const char **out)
{
    struct fb_buffer buffer = {.limit_bytes = FB_EXPANDED_BYTES};
    struct fb_status status;

    if (strstr(text, "${") == NULL) {
        *out = text;
        return fb_ok;
    }
    if (strlen(text) > FB_EXPANDED_BYTES) {
        return fb_fail(FB_INVALID_ARGUMENT, "longer than 128 KiB");
    }
    status = expand_into(expansion, text, arena, &buffer);
    if (fb_is_ok(status) && buffer.failed) {
        status = fb_fail(FB_INVALID_ARGUMENT, "longer than 128 KiB with its variables put in");
    }
    if (fb_is_ok(status)) {
        *out = fb_arena_copy(arena, buffer.data, buffer.size);
        status = *out == NULL ? no_memory() : fb_ok;
    }
    fb_buffer_finish(&buffer);
    return status;
}
