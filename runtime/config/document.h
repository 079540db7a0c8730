#ifndef FB_RUNTIME_CONFIG_DOCUMENT_H
#define FB_RUNTIME_CONFIG_DOCUMENT_H

/*
 * document: a JSON file that people write, with the places of what stands in it.
 *
 * Comments and trailing commas are accepted as VS Code accepts them in its files. Belongs to one
 * thread at a time.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { FB_DOCUMENT_BYTES = 4 * 1024 * 1024, FB_DOCUMENT_DEPTH = 64 };

/* What a cursor is when a key of the object had no room in the arena. */
#define FB_DOCUMENT_EXHAUSTED SIZE_MAX

struct fb_document {
    const char *path;    /* for the words of errors */
    struct fb_text text; /* comments blanked; offsets and lines are those of the file */
    json_t *root;        /* an object */
};

/* A member of an object, where it stands in the text. */
struct fb_document_member {
    const char *key; /* in the arena */
    size_t key_at;   /* offset of its quote */
    size_t value_at; /* offset of its value */
};

/*
 * Reads the file. NOT_FOUND: there is none; PERMISSION_DENIED: not for us; INVALID_ARGUMENT: no
 * JSON object, too large or too deep, with path, line and column; RESOURCE_EXHAUSTED: the arena.
 */
struct fb_status fb_document_read(const char *path, struct fb_arena *arena,
                                  struct fb_document *document);

/* The same of a text in memory, which is copied. */
struct fb_status fb_document_parse(const char *path, struct fb_text text, struct fb_arena *arena,
                                   struct fb_document *document);

/* All zero is fine. The arena keeps its own. */
void fb_document_finish(struct fb_document *document);

/* Offset of the root object. */
size_t fb_document_root(const struct fb_document *document);

/*
 * Walks the object whose offset `*cursor` is at first: each call gives the next member, in the
 * order of the file and also those that a later one of the same key overrides. False at the end,
 * and for a value that is no object; also when the arena is exhausted, which `*cursor` then tells.
 */
bool fb_document_next(const struct fb_document *document, struct fb_arena *arena, size_t *cursor,
                      struct fb_document_member *member);

/* The member that counts (the last of its key) of the object at `at`; false when there is none. */
bool fb_document_find(const struct fb_document *document, size_t at, const char *key,
                      struct fb_document_member *member);

/* "path:line:column", columns in characters, both from 1; the path alone without memory. */
const char *fb_document_place(const struct fb_document *document, struct fb_arena *arena,
                              size_t at);

/* Reads a whole file of at most `most` bytes, statuses as above. */
struct fb_status fb_document_load(const char *path, size_t most, struct fb_arena *arena,
                                  struct fb_text *text);

#endif
