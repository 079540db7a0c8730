#include "runtime/config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One pass over a text that is made plain JSON in place: each byte keeps its offset. */
struct stripper {
    char *text;
    size_t size;
    size_t depth;
    size_t value_end;  /* offset of the last byte that is neither space nor comment, plus 1 */
    size_t before_end; /* the same of the byte before that one */
    const char *wrong; /* what and where it is, when it cannot be JSON */
    size_t wrong_at;
};

static void blank(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n' && text[i] != '\r') {
            text[i] = ' ';
        }
    }
}

static size_t line_comment_size(const char *text, size_t size)
{
    const char *end = memchr(text, '\n', size);

    return end == NULL ? size : (size_t)(end - text);
}

/* 0 when it does not end. */
static size_t block_comment_size(const char *text, size_t size)
{
    for (size_t i = 2; i + 1 < size; i++) {
        if (text[i] == '*' && text[i + 1] == '/') {
            return i + 2;
        }
    }
    return 0;
}

/* With its quotes; up to the end of the text when it does not end, which jansson then reports. */
static size_t string_size(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            return i + 1;
        }
    }
    return size;
}

static void fail_at(struct stripper *stripper, size_t at, const char *what)
{
    stripper->wrong = what;
    stripper->wrong_at = at;
}

static void see(struct stripper *stripper, size_t end)
{
    stripper->before_end = stripper->value_end;
    stripper->value_end = end;
}

/* A comma is trailing when a value stands before it, so `[,]` stays as wrong as it is. */
static void close_bracket(struct stripper *stripper, size_t at)
{
    const size_t comma = stripper->value_end;
    const size_t before = stripper->before_end;

    if (comma > 0 && stripper->text[comma - 1] == ',' && before > 0 &&
        strchr(",[{:", stripper->text[before - 1]) == NULL) {
        stripper->text[comma - 1] = ' ';
    }
    if (stripper->depth > 0) {
        stripper->depth--;
    }
    see(stripper, at + 1);
}

static void strip(struct stripper *stripper)
{
    char *text = stripper->text;
    const size_t size = stripper->size;
    size_t i = 0;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        blank(text, 3);
    }
    while (i < size && stripper->wrong == NULL) {
        size_t length = 1;

        if (text[i] == '"') {
            length = string_size(text + i, size - i);
            see(stripper, i + length);
        } else if (text[i] == '/' && i + 1 < size && text[i + 1] == '/') {
            length = line_comment_size(text + i, size - i);
            blank(text + i, length);
        } else if (text[i] == '/' && i + 1 < size && text[i + 1] == '*') {
            length = block_comment_size(text + i, size - i);
            if (length == 0) {
                fail_at(stripper, i, "this comment does not end");
            }
            blank(text + i, length);
        } else if (text[i] == '{' || text[i] == '[') {
            if (++stripper->depth > FB_DOCUMENT_DEPTH) {
                fail_at(stripper, i, "nested deeper than 64 levels");
            }
            see(stripper, i + 1);
        } else if (text[i] == '}' || text[i] == ']') {
            close_bracket(stripper, i);
        } else if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0') {
            see(stripper, i + 1);
        }
        i += length;
    }
}

/* jansson quotes what it stumbled over, which may be a secret. */
static void cut_quotation(char *words)
{
    char *near = strstr(words, " near '");

    if (near != NULL) {
        *near = '\0';
    }
}

static struct fb_status parse_json(struct fb_document *document, struct fb_arena *arena)
{
    json_error_t error;
    size_t at;

    document->root = json_loadb(document->text.data, document->text.size, 0, &error);
    if (document->root != NULL) {
        if (json_is_object(document->root)) {
            return fb_ok;
        }
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: wanted an object in braces",
                             document->path);
    }
    at = error.position > 0 ? (size_t)error.position : 0;
    cut_quotation(error.text);
    return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: no JSON: %s",
                         fb_document_place(document, arena, at), error.text);
}

struct fb_status fb_document_parse(const char *path, struct fb_text text, struct fb_arena *arena,
                                   struct fb_document *document)
{
    struct stripper stripper = {.size = text.size};
    size_t bad;

    *document = (struct fb_document){.path = path};
    if (text.size > FB_DOCUMENT_BYTES) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: larger than 4 MiB", path);
    }
    stripper.text = fb_arena_copy(arena, text.data, text.size);
    if (stripper.text == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
    }
    document->text = (struct fb_text){.data = stripper.text, .size = stripper.size};
    bad = fb_utf8_check(text.data, text.size);
    if (bad != text.size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: a byte that is not UTF-8",
                             fb_document_place(document, arena, bad));
    }
    /* jansson takes a NUL behind a number for the end of the number, and goes on. */
    bad = strnlen(stripper.text, stripper.size);
    if (bad != text.size) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: a NUL byte",
                             fb_document_place(document, arena, bad));
    }
    strip(&stripper);
    if (stripper.wrong != NULL) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: %s",
                             fb_document_place(document, arena, stripper.wrong_at), stripper.wrong);
    }
    return parse_json(document, arena);
}

static struct fb_status open_failed(const char *path, struct fb_arena *arena)
{
    if (errno == ENOENT || errno == ENOTDIR) {
        return fb_arena_fail(arena, FB_NOT_FOUND, "%s: there is no such file", path);
    }
    if (errno == EACCES || errno == EPERM) {
        return fb_arena_fail(arena, FB_PERMISSION_DENIED, "%s: not readable for this user", path);
    }
    return fb_arena_fail(arena, FB_UNAVAILABLE, "%s: cannot be read (error %d)", path, errno);
}

/* The size that fstat says is a hint only: a file may grow while it is read. */
static struct fb_status read_all(int fd, const char *path, size_t most, struct fb_arena *arena,
                                 struct fb_text *text)
{
    struct stat about;
    size_t size = 0;
    size_t room;
    char *data;

    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: not a file", path);
    }
    if (about.st_size > (off_t)most) {
        return fb_arena_fail(arena, FB_INVALID_ARGUMENT, "%s: larger than %zu KiB", path,
                             most / 1024);
    }
    room = (size_t)about.st_size;
    data = fb_arena_alloc(arena, room + 1);
    if (data == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configuration");
    }
    while (size < room) {
        const ssize_t got = read(fd, data + size, room - size);

        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return open_failed(path, arena);
        }
        size += got < 0 ? 0 : (size_t)got;
    }
    *text = (struct fb_text){.data = data, .size = size};
    return fb_ok;
}

struct fb_status fb_document_load(const char *path, size_t most, struct fb_arena *arena,
                                  struct fb_text *text)
{
    /* Without O_NONBLOCK a FIFO would keep us until somebody writes into it. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct fb_status status;

    if (fd < 0) {
        return open_failed(path, arena);
    }
    status = read_all(fd, path, most, arena, text);
    close(fd);
    return status;
}

struct fb_status fb_document_read(const char *path, struct fb_arena *arena,
                                  struct fb_document *document)
{
    struct fb_text text = {.size = 0};
    struct fb_status status = fb_document_load(path, FB_DOCUMENT_BYTES, arena, &text);

    *document = (struct fb_document){.path = path};
    return fb_is_ok(status) ? fb_document_parse(path, text, arena, document) : status;
}

void fb_document_finish(struct fb_document *document)
{
    json_decref(document->root);
    *document = (struct fb_document){.path = document->path};
}

static size_t skip_space(struct fb_text text, size_t at)
{
    while (at < text.size && strchr(" \t\r\n", text.data[at]) != NULL) {
        at++;
    }
    return at;
}

/* Behind the value at `at`; the text is known to be JSON. */
static size_t skip_value(struct fb_text text, size_t at)
{
    size_t depth = 0;

    while (at < text.size) {
        const char c = text.data[at];

        if (c == '"') {
            at += string_size(text.data + at, text.size - at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0 ? 1 : 0;
            at++;
        } else {
            at += strcspn(text.data + at, depth > 0 ? "\"{}[]" : ",}] \t\r\n");
        }
        if (depth == 0) {
            break;
        }
    }
    return at;
}

size_t fb_document_root(const struct fb_document *document)
{
    return skip_space(document->text, 0);
}

/* The member at `*cursor`, and its key as it is quoted. */
static bool next_slice(struct fb_text text, size_t *cursor, struct fb_document_member *member,
                       struct fb_text *quoted)
{
    size_t at = skip_space(text, *cursor);

    if (at >= text.size || (text.data[at] != '{' && text.data[at] != ',')) {
        return false;
    }
    at = skip_space(text, at + 1);
    if (at >= text.size || text.data[at] != '"') {
        return false;
    }
    *quoted = (struct fb_text){.data = text.data + at,
                               .size = string_size(text.data + at, text.size - at)};
    member->key_at = at;
    at = skip_space(text, at + quoted->size);
    member->value_at = skip_space(text, at + 1);
    *cursor = skip_value(text, member->value_at);
    return quoted->size >= 2;
}

static bool has_escapes(struct fb_text quoted)
{
    return memchr(quoted.data, '\\', quoted.size) != NULL;
}

bool fb_document_next(const struct fb_document *document, struct fb_arena *arena, size_t *cursor,
                      struct fb_document_member *member)
{
    struct fb_text quoted;
    json_t *string;

    member->key = NULL;
    if (*cursor == FB_DOCUMENT_EXHAUSTED || !next_slice(document->text, cursor, member, &quoted)) {
        return false;
    }
    if (has_escapes(quoted)) {
        string = json_loadb(quoted.data, quoted.size, JSON_DECODE_ANY, NULL);
        if (string != NULL) {
            member->key =
                fb_arena_copy(arena, json_string_value(string), json_string_length(string));
        }
        json_decref(string);
    } else {
        member->key = fb_arena_copy(arena, quoted.data + 1, quoted.size - 2);
    }
    if (member->key == NULL) {
        *cursor = FB_DOCUMENT_EXHAUSTED;
    }
    return member->key != NULL;
}

static bool is_key(struct fb_text quoted, const char *key)
{
    json_t *string;
    bool same;

    if (!has_escapes(quoted)) {
        return fb_text_is((struct fb_text){.data = quoted.data + 1, .size = quoted.size - 2}, key);
    }
    string = json_loadb(quoted.data, quoted.size, JSON_DECODE_ANY, NULL);
    same = string != NULL && strcmp(json_string_value(string), key) == 0;
    json_decref(string);
    return same;
}

bool fb_document_find(const struct fb_document *document, size_t at, const char *key,
                      struct fb_document_member *member)
{
    struct fb_document_member each;
    struct fb_text quoted;
    size_t cursor = at;
    bool found = false;

    while (next_slice(document->text, &cursor, &each, &quoted)) {
        if (is_key(quoted, key)) {
            *member = each;
            member->key = key;
            found = true;
        }
    }
    return found;
}

const char *fb_document_place(const struct fb_document *document, struct fb_arena *arena, size_t at)
{
    size_t line = 1;
    size_t column = 1;
    const char *place;

    for (size_t i = 0; i < at && i < document->text.size; i++) {
        const unsigned char byte = (unsigned char)document->text.data[i];

        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            column++;
        }
    }
    place = fb_arena_printf(arena, "%s:%zu:%zu", document->path, line, column);
    return place == NULL ? document->path : place;
}
