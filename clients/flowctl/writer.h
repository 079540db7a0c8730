#ifndef FB_CLIENTS_FLOWCTL_WRITER_H
#define FB_CLIENTS_FLOWCTL_WRITER_H

/*
 * writer: the JSON of `--json`, value after value, with commas where they belong.
 *
 *     writer_open(&writer, '{');
 *     writer_key(&writer, "tools");
 *     writer_open(&writer, '[');
 *     …
 *     writer_close(&writer, ']');
 *     writer_close(&writer, '}');
 *
 * One document on one line. At most WRITER_DEPTH arrays and objects in each other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum { WRITER_DEPTH = 16 };

/* All zero is ready for use. */
struct writer {
    struct fb_buffer text;
    bool filled[WRITER_DEPTH + 1]; /* by depth: something stands there, so a comma comes first */
    size_t depth;
    bool after_key;
};

void writer_open(struct writer *writer, char bracket);
void writer_close(struct writer *writer, char bracket);
void writer_key(struct writer *writer, const char *key);

void writer_string(struct writer *writer, const char *value); /* NULL is null */
void writer_text(struct writer *writer, struct fb_text value);
void writer_int(struct writer *writer, int64_t value);
void writer_uint(struct writer *writer, uint64_t value);
void writer_double(struct writer *writer, double value); /* what is no number is null */
void writer_bool(struct writer *writer, bool value);

/* JSON text as it is, checked by the caller; empty is null. */
void writer_raw(struct writer *writer, struct fb_text json);

/* A key with its value. */
void writer_key_string(struct writer *writer, const char *key, const char *value);
void writer_key_int(struct writer *writer, const char *key, int64_t value);
void writer_key_uint(struct writer *writer, const char *key, uint64_t value);
void writer_key_bool(struct writer *writer, const char *key, bool value);

/* Writes the document and a line feed to standard output, and frees it. False when that failed. */
bool writer_send(struct writer *writer);

#endif
