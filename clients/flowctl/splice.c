#include "clients/flowctl/splice.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/config/document.h"

static const char spaces[] = " \t\r\n";

/* A stretch of the file and what comes in its place. */
struct edit {
    size_t at;
    size_t size;
    struct fb_buffer text;
};

static size_t end_of_string(struct fb_text text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++) {
        at += text.data[at] == '\\';
    }
    return at + 1;
}

/* Where the value that begins at `at` ends; the text is known to be JSON, its comments blanked. */
static size_t end_of_value(struct fb_text text, size_t at)
{
    size_t depth = 0;

    do {
        const char c = text.data[at];

        if (c == '"') {
            at = end_of_string(text, at);
        } else {
            depth += c == '{' || c == '[';
            depth -= c == '}' || c == ']';
            at++;
            while (depth == 0 && c != '}' && c != ']' && at < text.size &&
                   strchr(",]}", text.data[at]) == NULL && strchr(spaces, text.data[at]) == NULL) {
                at++; /* the rest of a number or word */
            }
        }
    } while (depth > 0 && at < text.size);
    return at;
}

static struct fb_text apply(struct fb_text text, struct edit *edit, struct fb_arena *arena)
{
    const size_t size = text.size - edit->size + edit->text.size;
    char *data = edit->text.failed ? NULL : fb_arena_alloc(arena, size + 1);

    if (data != NULL) {
        const size_t after = edit->at + edit->size;

        memcpy(data, text.data, edit->at);
        memcpy(data + edit->at, edit->text.data, edit->text.size);
        memcpy(data + edit->at + edit->text.size, text.data + after, text.size - after);
        data[size] = '\0';
    }
    fb_buffer_finish(&edit->text);
    return (struct fb_text){.data = data, .size = data == NULL ? 0 : size};
}

static void write_member(struct fb_buffer *out, const struct splice_member *member)
{
    fb_buffer_string(out, "\n    ");
    fb_buffer_json_string(out, fb_text_of(member->name));
    fb_buffer_string(out, ": ");
    fb_buffer_text(out, member->value);
}

/* Behind the last member of the object at `at`, with the comma that it needs. */
static struct edit begin_insertion(const struct fb_document *document, size_t at, bool *is_empty)
{
    const size_t close = end_of_value(document->text, at) - 1;
    struct edit edit = {.at = close};
    char before;

    while (edit.at > at + 1 && strchr(spaces, document->text.data[edit.at - 1]) != NULL) {
        edit.at--;
    }
    before = document->text.data[edit.at - 1];
    *is_empty = edit.at == at + 1;
    if (!*is_empty && before != ',') {
        fb_buffer_string(&edit.text, ",");
    }
    return edit;
}

static struct edit insert_members(const struct fb_document *document, size_t at,
                                  const struct splice_member *members, size_t count)
{
    bool is_empty;
    struct edit edit = begin_insertion(document, at, &is_empty);

    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(&edit.text, i == 0 ? "" : ",");
        write_member(&edit.text, &members[i]);
    }
    if (is_empty && strchr("\r\n", document->text.data[edit.at]) == NULL) {
        fb_buffer_string(&edit.text, "\n  ");
    }
    return edit;
}

/* `"key": {members}` as a new member of the root. */
static struct edit insert_object(const struct fb_document *document, const char *key,
                                 const struct splice_member *members, size_t count)
{
    bool is_empty;
    struct edit edit = begin_insertion(document, fb_document_root(document), &is_empty);

    fb_buffer_string(&edit.text, "\n  ");
    fb_buffer_json_string(&edit.text, fb_text_of(key));
    fb_buffer_string(&edit.text, ": {");
    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(&edit.text, i == 0 ? "" : ",");
        write_member(&edit.text, &members[i]);
    }
    fb_buffer_string(&edit.text, count == 0 ? "}" : "\n  }");
    if (is_empty && strchr("\r\n", document->text.data[edit.at]) == NULL) {
        fb_buffer_string(&edit.text, "\n");
    }
    return edit;
}

/* One edit of the file; false when there is nothing left to do. */
static struct fb_status edit_once(const char *path, struct fb_text *text, const char *key,
                                  const struct splice_member **members, size_t *count,
                                  struct fb_arena *arena)
{
    struct fb_document document = {.path = path};
    struct fb_document_member object;
    struct fb_document_member present;
    struct edit edit;
    struct fb_status status = fb_document_parse(path, *text, arena, &document);

    if (!fb_is_ok(status)) {
        fb_document_finish(&document);
        return status;
    }
    if (!fb_document_find(&document, fb_document_root(&document), key, &object)) {
        edit = insert_object(&document, key, *members, *count);
        *count = 0;
    } else if (document.text.data[object.value_at] != '{') {
        status = fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s: wanted an object in braces",
                               fb_document_place(&document, arena, object.value_at), key);
        fb_document_finish(&document);
        return status;
    } else if (fb_document_find(&document, object.value_at, (*members)[0].name, &present)) {
        edit = (struct edit){
            .at = present.value_at,
            .size = end_of_value(document.text, present.value_at) - present.value_at,
        };
        fb_buffer_text(&edit.text, (*members)[0].value);
        ++*members;
        --*count;
    } else {
        size_t fresh = 1;

        while (fresh < *count &&
               !fb_document_find(&document, object.value_at, (*members)[fresh].name, &present)) {
            fresh++;
        }
        edit = insert_members(&document, object.value_at, *members, fresh);
        *members += fresh;
        *count -= fresh;
    }
    *text = apply(*text, &edit, arena);
    fb_document_finish(&document);
    return text->data == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the file") : fb_ok;
}

struct fb_status splice_put(const char *path, struct fb_text text, const char *key,
                            const struct splice_member *members, size_t count,
                            struct fb_arena *arena, struct fb_buffer *out)
{
    struct fb_status status = fb_ok;

    if (text.size == 0) {
        text = FB_TEXT("{}\n");
    }
    while (fb_is_ok(status) && count > 0) {
        status = edit_once(path, &text, key, &members, &count, arena);
    }
    if (fb_is_ok(status)) {
        fb_buffer_text(out, text);
    }
    return status;
}
