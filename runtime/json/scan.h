#ifndef FB_RUNTIME_JSON_SCAN_H
#define FB_RUNTIME_JSON_SCAN_H

/*
 * scan: JSON text read where it lies.
 *
 * fb_json_check says once whether bytes are JSON (RFC 8259); all other functions walk a text that
 * passed it and hand out slices of it, so that number precision, key order, escapes and unknown
 * keys survive as they came. No tree, and no memory but for strings that have escapes. Pure: any
 * thread may use it.
 *
 * A text that was not checked gives wrong slices, but never one outside of the text.
 *
 * Of members with the same key the last one counts, as for JSON.parse and jansson; walking shows
 * them all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum {
    FB_JSON_DEPTH = 128,       /* arrays and objects in each other: what to allow where in doubt */
    FB_JSON_DEPTH_MOST = 1024, /* fb_json_check knows no more */
};

/*
 * Whether the whole text is one JSON value, white space around it allowed, in valid UTF-8, nested
 * at most `depth` (1 to FB_JSON_DEPTH_MOST; 1 allows `[]`, not `[[]]`). Escapes of lone surrogates
 * and of U+0000 are JSON and pass; a byte order mark does not.
 * INVALID_ARGUMENT with a constant `why`; `*offset` (may be NULL) is then the byte where it ceased
 * to be JSON, which is the text's size when it ended too soon.
 */
struct fb_status fb_json_check(struct fb_text text, unsigned depth, size_t *offset);

/* --- what a value is --- */

enum fb_json_kind {
    FB_JSON_NONE, /* no value: an empty text, or only white space */
    FB_JSON_NULL,
    FB_JSON_FALSE,
    FB_JSON_TRUE,
    FB_JSON_NUMBER,
    FB_JSON_STRING,
    FB_JSON_ARRAY,
    FB_JSON_OBJECT,
};

/* By its first byte, after white space. */
enum fb_json_kind fb_json_kind_of(struct fb_text value);

/* The text without white space around it. Slices of find and next have none anyway. */
struct fb_text fb_json_trim(struct fb_text text);

/*
 * A number spelled as a whole one: digits with or without a sign, of any length. `1.0` and `1e3`
 * are not. Ids are kept as these bytes, since they may not fit any integer type.
 */
bool fb_json_is_integer(struct fb_text value);

/* A whole number that fits; false otherwise. */
bool fb_json_to_i64(struct fb_text value, int64_t *number);

/* --- members and elements --- */

/* Open so that it may live on the stack; `next` and `end` are its own. */
struct fb_json_walk {
    struct fb_text key;   /* of the present member, with its quotes; empty in an array */
    struct fb_text value; /* the present member's or element's, without white space around it */
    const char *next;
    const char *end;
};

/* To stand before the first member or element. Nothing is walked in what is no object or array. */
struct fb_json_walk fb_json_walk(struct fb_text container);

/* Steps on; false when there is no more. Each step costs the length of the value stepped over. */
bool fb_json_next(struct fb_json_walk *walk);

/*
 * The value of the member `key` (as text, not as JSON); false when there is none or `object` is no
 * object. To look for several keys, walk once.
 */
bool fb_json_find(struct fb_text object, const char *key, struct fb_text *value);

/* --- strings --- */

/* Whether a string value or key, escapes undone, is `text`. False for what is no string. */
bool fb_json_string_is(struct fb_text value, const char *text);

/*
 * The string's characters in UTF-8: a slice of `value` when it has no escape, else in the arena. May
 * hold NUL. A lone surrogate cannot be said in UTF-8 and becomes U+FFFD; `*exact` (may be NULL) is
 * then false. INVALID_ARGUMENT for what is no string, RESOURCE_EXHAUSTED when the arena is.
 */
struct fb_status fb_json_unescape(struct fb_text value, struct fb_arena *arena,
                                  struct fb_text *text, bool *exact);

/* --- writing on --- */

/*
 * Appends the value without the white space between its tokens, so that it fits one line; what is
 * within strings and numbers stays byte for byte.
 */
void fb_json_append_compact(struct fb_buffer *out, struct fb_text value);

#endif
