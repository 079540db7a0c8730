#ifndef FB_RUNTIME_BASE_TEXT_H
#define FB_RUNTIME_BASE_TEXT_H

/*
 * text: counted bytes, and a buffer that grows.
 *
 * JSON strings may hold NUL, so nothing from outside is measured by strlen. A text borrows its
 * bytes. Any thread may use the functions; a buffer belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes, not NUL-terminated unless somebody says so. */
struct fb_text {
    const char *data; /* may be NULL when size is 0 */
    size_t size;
};

/* A text of a string constant, or of a NUL-terminated string (NULL reads as empty). */
#define FB_TEXT(literal) ((struct fb_text){.data = (literal), .size = sizeof(literal) - 1})
struct fb_text fb_text_of(const char *string);

bool fb_text_equal(struct fb_text a, struct fb_text b);
bool fb_text_is(struct fb_text text, const char *string);
bool fb_text_begins(struct fb_text text, const char *prefix);

/*
 * Whether the bytes are UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above
 * U+10FFFF. Returns the offset of the first byte that is not, or `size` when all is well.
 */
size_t fb_utf8_check(const char *data, size_t size);

/* A whole decimal number, nothing before or behind it; false if it is not one or does not fit. */
bool fb_text_to_u64(struct fb_text text, uint64_t *value);

/*
 * The entry of `names` (`count` of them) that `word` was most likely meant to be, by edit distance;
 * NULL when none is within a third of its length.
 */
const char *fb_text_nearest(const char *word, const char *const *names, size_t count);

/* FNV-1a with a final mix: spreads well, is not safe against an adversary. */
uint64_t fb_hash(const void *data, size_t size);
uint64_t fb_hash_mix(uint64_t a, uint64_t b);

/* Open so that it can be embedded. All zero is an empty buffer without a limit. */
struct fb_buffer {
    char *data;
    size_t size;        /* bytes in use */
    size_t room;        /* bytes allocated */
    size_t limit_bytes; /* most bytes in use; 0 means no limit */
    bool failed;        /* an append did not fit; what was appended since is missing */
};

void fb_buffer_finish(struct fb_buffer *buffer);

/* Empties it and forgets a failure; keeps the memory unless it is above `keep_bytes`. */
void fb_buffer_clear(struct fb_buffer *buffer, size_t keep_bytes);

/* Room for `size` more bytes at data + size; NULL (and `failed`) when limit or memory is exhausted. */
char *fb_buffer_reserve(struct fb_buffer *buffer, size_t size);

/* Appending after a failure does nothing, so that a writer may check `failed` once at the end. */
void fb_buffer_append(struct fb_buffer *buffer, const void *data, size_t size);
void fb_buffer_text(struct fb_buffer *buffer, struct fb_text text);
void fb_buffer_string(struct fb_buffer *buffer, const char *string);
void fb_buffer_printf(struct fb_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The text as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void fb_buffer_json_string(struct fb_buffer *buffer, struct fb_text text);

/* Drops the first `size` bytes. */
void fb_buffer_consume(struct fb_buffer *buffer, size_t size);

#endif
