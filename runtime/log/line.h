#ifndef FB_RUNTIME_LOG_LINE_H
#define FB_RUNTIME_LOG_LINE_H

/*
 * line: how one event reads, as a constant sentence and typed fields.
 *
 * Pure, so any thread may use it. Whatever the fields hold, a line is one line of valid UTF-8 and
 * at most FB_LINE_BYTES long: control characters are escaped, bytes that are not UTF-8 become
 * U+FFFD, and what does not fit is cut with `cut=true` as the last field.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* The newline included; a pipe takes as much without tearing it apart (PIPE_BUF). */
enum { FB_LINE_BYTES = 4096 };

enum fb_level { FB_DEBUG, FB_INFO, FB_WARN, FB_ERROR, FB_LEVEL_COUNT };

enum fb_line_format { FB_LINE_LOGFMT, FB_LINE_JSON, FB_LINE_FORMAT_COUNT };

/* "debug", "info", "warn", "error"; "logfmt", "json". Each ends with NULL, for tables of options. */
extern const char *const fb_level_names[FB_LEVEL_COUNT + 1];
extern const char *const fb_line_format_names[FB_LINE_FORMAT_COUNT + 1];

enum fb_kv_kind {
    FB_KV_END,
    FB_KV_TEXT,
    FB_KV_INT,
    FB_KV_UINT,
    FB_KV_BOOL,
    FB_KV_STATUS /* two fields: `code` and `why` */
};

/* A field. Made by the functions below; borrows its key (a constant) and its text. */
struct fb_kv {
    const char *key;
    const char *suffix; /* the unit, printed behind the key: "_ms" */
    enum fb_kv_kind kind;
    union {
        struct fb_text text;
        int64_t integer;
        uint64_t natural;
        bool truth;
        struct fb_status status;
    } as;
};

static inline struct fb_kv fb_kv_text(const char *key, struct fb_text text)
{
    return (struct fb_kv){.key = key, .suffix = "", .kind = FB_KV_TEXT, .as.text = text};
}

/* NUL-terminated; NULL reads as empty. */
static inline struct fb_kv fb_kv_str(const char *key, const char *string)
{
    return fb_kv_text(key, fb_text_of(string));
}

static inline struct fb_kv fb_kv_int(const char *key, int64_t value)
{
    return (struct fb_kv){.key = key, .suffix = "", .kind = FB_KV_INT, .as.integer = value};
}

static inline struct fb_kv fb_kv_uint(const char *key, uint64_t value)
{
    return (struct fb_kv){.key = key, .suffix = "", .kind = FB_KV_UINT, .as.natural = value};
}

/* Printed as <key>_ms, <key>_us and <key>_bytes. */
static inline struct fb_kv fb_kv_ms(const char *key, int64_t ms)
{
    return (struct fb_kv){.key = key, .suffix = "_ms", .kind = FB_KV_INT, .as.integer = ms};
}

static inline struct fb_kv fb_kv_us(const char *key, int64_t us)
{
    return (struct fb_kv){.key = key, .suffix = "_us", .kind = FB_KV_INT, .as.integer = us};
}

static inline struct fb_kv fb_kv_bytes(const char *key, uint64_t bytes)
{
    return (struct fb_kv){.key = key, .suffix = "_bytes", .kind = FB_KV_UINT, .as.natural = bytes};
}

static inline struct fb_kv fb_kv_bool(const char *key, bool value)
{
    return (struct fb_kv){.key = key, .suffix = "", .kind = FB_KV_BOOL, .as.truth = value};
}

/* How something ended: `code=UNAVAILABLE why="…"`. */
static inline struct fb_kv fb_kv_status(struct fb_status status)
{
    return (struct fb_kv){.key = "code", .suffix = "", .kind = FB_KV_STATUS, .as.status = status};
}

/* Ends a row of fields. */
static inline struct fb_kv fb_kv_end(void)
{
    return (struct fb_kv){.key = NULL, .suffix = "", .kind = FB_KV_END};
}

/* Everything of an event but its fields. */
struct fb_line {
    int64_t at_unix_ms;
    enum fb_level level;
    const char *program;
    int64_t pid;
    const char *sentence;
};

/* Writes the line with its newline to `out` and returns its length. `fields` ends with fb_kv_end. */
size_t fb_line_write(char out[FB_LINE_BYTES], enum fb_line_format format,
                     const struct fb_line *line, const struct fb_kv *fields);

#endif
