#include "runtime/log/line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *const fb_level_names[FB_LEVEL_COUNT + 1] = {
    [FB_DEBUG] = "debug",
    [FB_INFO] = "info",
    [FB_WARN] = "warn",
    [FB_ERROR] = "error",
};

const char *const fb_line_format_names[FB_LINE_FORMAT_COUNT + 1] = {
    [FB_LINE_LOGFMT] = "logfmt",
    [FB_LINE_JSON] = "json",
};

static const char cut_logfmt[] = " cut=true";
static const char cut_json[] = ",\"cut\":true";

/* A line being written. What goes beyond `room` is not, and `full` says so. */
struct pen {
    char *out;
    size_t size;
    size_t room;
    bool full;
    bool json;
};

static void put(struct pen *pen, const char *data, size_t size)
{
    if (pen->full || size > pen->room - pen->size) {
        pen->full = true;
        return;
    }
    memcpy(pen->out + pen->size, data, size);
    pen->size += size;
}

static void put_string(struct pen *pen, const char *string)
{
    put(pen, string, strlen(string));
}

/*
 * Length of the UTF-8 sequence at `data`; 0 when it is none. C1 controls count as none: a terminal
 * obeys them.
 */
static size_t sequence(const char *data, size_t size)
{
    const unsigned char lead = (unsigned char)data[0];
    size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (length > size || fb_utf8_check(data, length) != length) {
        return 0;
    }
    if (lead == 0xc2 && (unsigned char)data[1] < 0xa0) {
        return 0;
    }
    return length;
}

/* As in JSON: logfmt readers know the same escapes. */
static void put_escaped(struct pen *pen, struct fb_text text)
{
    size_t i = 0;

    while (i < text.size && !pen->full) {
        const unsigned char byte = (unsigned char)text.data[i];
        char escape[8];
        size_t length = 1;

        if (byte == '"' || byte == '\\') {
            escape[0] = '\\';
            escape[1] = (char)byte;
            put(pen, escape, 2);
        } else if (byte == '\n' || byte == '\t' || byte == '\r') {
            escape[0] = '\\';
            escape[1] = byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r';
            put(pen, escape, 2);
        } else if (byte < 0x20 || byte == 0x7f) {
            put(pen, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", byte));
        } else if (byte < 0x80) {
            put(pen, text.data + i, 1);
        } else if ((length = sequence(text.data + i, text.size - i)) != 0) {
            put(pen, text.data + i, length);
        } else {
            put_string(pen, "\xef\xbf\xbd");
            length = 1;
        }
        i += length;
    }
}

static bool needs_quotes(struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char byte = (unsigned char)text.data[i];

        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return text.size == 0;
}

static void put_text(struct pen *pen, struct fb_text text)
{
    if (!pen->json && !needs_quotes(text)) {
        put(pen, text.data, text.size);
        return;
    }
    put(pen, "\"", 1);
    put_escaped(pen, text);
    put(pen, "\"", 1);
}

static void put_key(struct pen *pen, const char *key, const char *suffix)
{
    if (pen->json) {
        put_string(pen, pen->size == 0 ? "{\"" : ",\"");
    } else if (pen->size != 0) {
        put(pen, " ", 1);
    }
    put_string(pen, key);
    put_string(pen, suffix);
    put_string(pen, pen->json ? "\":" : "=");
}

static void put_number(struct pen *pen, const struct fb_kv *kv)
{
    char digits[24];
    int length;

    if (kv->kind == FB_KV_INT) {
        length = snprintf(digits, sizeof(digits), "%lld", (long long)kv->as.integer);
    } else {
        length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)kv->as.natural);
    }
    put(pen, digits, (size_t)length);
}

static void put_field(struct pen *pen, const struct fb_kv *kv)
{
    put_key(pen, kv->key, kv->suffix);
    switch (kv->kind) {
    case FB_KV_TEXT:
        put_text(pen, kv->as.text);
        break;
    case FB_KV_INT:
    case FB_KV_UINT:
        put_number(pen, kv);
        break;
    case FB_KV_BOOL:
        put_string(pen, kv->as.truth ? "true" : "false");
        break;
    case FB_KV_STATUS:
        put_text(pen, fb_text_of(fb_code_name(kv->as.status.code)));
        if (kv->as.status.why != NULL && kv->as.status.why[0] != '\0') {
            put_key(pen, "why", "");
            put_text(pen, fb_text_of(kv->as.status.why));
        }
        break;
    case FB_KV_END:
        break;
    }
}

/*
 * A text that does not fit is worth its first part: what is left of the line is filled with it, so
 * that the quote that closes it still fits. The pen is full afterwards, as no more may follow.
 */
static void put_what_fits(struct pen *pen, const struct fb_kv *kv)
{
    const size_t begin = pen->size;
    struct fb_kv part = *kv;

    put_field(pen, kv);
    if (!pen->full) {
        return;
    }
    while (pen->full && kv->kind == FB_KV_TEXT && part.as.text.size > 0) {
        part.as.text.size /= 2;
        pen->size = begin;
        pen->full = false;
        put_field(pen, &part);
    }
    if (pen->full) {
        pen->size = begin;
    }
    pen->full = true;
}

static void put_head(struct pen *pen, const struct fb_line *line)
{
    const time_t seconds = (time_t)(line->at_unix_ms / 1000);
    const struct fb_kv pid = fb_kv_int("pid", line->pid);
    const struct fb_kv level = fb_kv_str("level", fb_level_names[line->level]);
    const struct fb_kv program = fb_kv_str("program", line->program);
    const struct fb_kv sentence = fb_kv_str("msg", line->sentence);
    struct tm utc = {.tm_mday = 1};
    char text[64];
    struct fb_text stamp = {.data = text};

    gmtime_r(&seconds, &utc);
    stamp.size = (size_t)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                  utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                                  utc.tm_min, utc.tm_sec, (int)(line->at_unix_ms % 1000));
    put_key(pen, "ts", "");
    put_text(pen, stamp);
    put_field(pen, &level);
    if (line->program != NULL) {
        put_field(pen, &program);
    }
    put_field(pen, &pid);
    put_what_fits(pen, &sentence);
}

size_t fb_line_write(char out[FB_LINE_BYTES], enum fb_line_format format,
                     const struct fb_line *line, const struct fb_kv *fields)
{
    const bool json = format == FB_LINE_JSON;
    const char *cut = json ? cut_json : cut_logfmt;
    const char *end = json ? "}\n" : "\n";
    const size_t tail = strlen(cut) + strlen(end);
    struct pen pen = {.out = out, .room = FB_LINE_BYTES - tail, .json = json};

    put_head(&pen, line);
    for (const struct fb_kv *kv = fields; !pen.full && kv->key != NULL; kv++) {
        put_what_fits(&pen, kv);
    }
    pen.room = FB_LINE_BYTES;
    if (pen.full) {
        pen.full = false;
        put_string(&pen, cut);
    }
    put_string(&pen, end);
    return pen.size;
}
