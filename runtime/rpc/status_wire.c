#include "runtime/rpc/status_wire.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_LIMIT_BYTES = 4096, TIMEOUT_DIGITS = 8, TIMEOUT_MOST = 99999999 };

/* --- grpc-message --- */

/* Spaces at the ends are no part of a field's value to HTTP. */
static bool needs_escape(char c, bool at_end)
{
    return c < 0x20 || c > 0x7e || c == '%' || (c == ' ' && at_end);
}

static bool is_utf8_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes from `text` to the end of its first character, so that a cut never falls inside of one. */
static size_t character_size(const char *text)
{
    size_t size = 1;

    while (size < 4 && is_utf8_tail(text[size])) {
        size++;
    }
    return size;
}

void fb_status_message_encode(struct fb_buffer *out, const char *why)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t written = 0;

    while (*why != '\0') {
        char spelled[12];
        size_t bytes = character_size(why);
        size_t size = 0;

        for (size_t i = 0; i < bytes; i++) {
            unsigned char c = (unsigned char)why[i];

            if (needs_escape(why[i], written == 0 || why[bytes] == '\0')) {
                spelled[size++] = '%';
                spelled[size++] = digits[c >> 4];
                spelled[size++] = digits[c & 0x0f];
            } else {
                spelled[size++] = why[i];
            }
        }
        if (written + size > MESSAGE_LIMIT_BYTES) {
            return;
        }
        fb_buffer_append(out, spelled, size);
        written += size;
        why += bytes;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The escaped byte at `at`, or -1. An escaped NUL is none: it would hide what follows. */
static int escaped_byte(struct fb_text in, size_t at)
{
    int high;
    int low;

    if (in.data[at] != '%' || in.size - at < 3) {
        return -1;
    }
    high = hex_digit(in.data[at + 1]);
    low = hex_digit(in.data[at + 2]);
    if (high < 0 || low < 0 || high + low == 0) {
        return -1;
    }
    return high << 4 | low;
}

static void mend_utf8(char *text, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        at += fb_utf8_check(text + at, size - at);
        if (at < size) {
            text[at] = '?';
        }
    }
}

char *fb_status_message_decode(struct fb_arena *arena, struct fb_text in)
{
    static char nothing[1];
    char *out = fb_arena_alloc(arena, in.size + 1);
    size_t size = 0;

    if (out == NULL) {
        return nothing;
    }
    for (size_t at = 0; at < in.size; at++) {
        int byte = escaped_byte(in, at);

        if (byte >= 0) {
            out[size++] = (char)byte;
            at += 2;
        } else {
            out[size++] = in.data[at] == '\0' ? '?' : in.data[at];
        }
    }
    out[size] = '\0';
    mend_utf8(out, size);
    return out;
}

/* --- codes --- */

enum fb_code fb_code_of_wire(struct fb_text in)
{
    unsigned code = 0;

    if (in.size == 0 || in.size > 2 || (in.size == 2 && in.data[0] == '0')) {
        return FB_UNKNOWN;
    }
    for (size_t i = 0; i < in.size; i++) {
        if (in.data[i] < '0' || in.data[i] > '9') {
            return FB_UNKNOWN;
        }
        code = code * 10 + (unsigned)(in.data[i] - '0');
    }
    return code < FB_CODE_COUNT ? (enum fb_code)code : FB_UNKNOWN;
}

enum fb_code fb_code_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return FB_INTERNAL;
    case 401:
        return FB_UNAUTHENTICATED;
    case 403:
        return FB_PERMISSION_DENIED;
    case 404:
        return FB_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return FB_UNAVAILABLE;
    default:
        return FB_UNKNOWN;
    }
}

enum fb_code fb_code_of_h2_error(uint32_t error)
{
    static const enum fb_code codes[] = {
        [0x0] = FB_INTERNAL,           /* NO_ERROR: the stream ended before the status */
        [0x1] = FB_INTERNAL,           /* PROTOCOL_ERROR */
        [0x2] = FB_INTERNAL,           /* INTERNAL_ERROR */
        [0x3] = FB_INTERNAL,           /* FLOW_CONTROL_ERROR */
        [0x4] = FB_INTERNAL,           /* SETTINGS_TIMEOUT */
        [0x5] = FB_UNKNOWN,            /* STREAM_CLOSED: the standard maps it to nothing */
        [0x6] = FB_INTERNAL,           /* FRAME_SIZE_ERROR */
        [0x7] = FB_UNAVAILABLE,        /* REFUSED_STREAM: surely not run */
        [0x8] = FB_CANCELLED,          /* CANCEL */
        [0x9] = FB_INTERNAL,           /* COMPRESSION_ERROR */
        [0xa] = FB_INTERNAL,           /* CONNECT_ERROR */
        [0xb] = FB_RESOURCE_EXHAUSTED, /* ENHANCE_YOUR_CALM */
        [0xc] = FB_PERMISSION_DENIED,  /* INADEQUATE_SECURITY */
    };

    return error < sizeof(codes) / sizeof(codes[0]) ? codes[error] : FB_UNKNOWN;
}

/* --- grpc-timeout --- */

static int64_t unit_ns(char unit)
{
    switch (unit) {
    case 'H':
        return INT64_C(3600000000000);
    case 'M':
        return INT64_C(60000000000);
    case 'S':
        return INT64_C(1000000000);
    case 'm':
        return INT64_C(1000000);
    case 'u':
        return INT64_C(1000);
    case 'n':
        return 1;
    default:
        return 0;
    }
}

int64_t fb_timeout_decode_us(struct fb_text in)
{
    int64_t value = 0;
    int64_t ns;

    if (in.size < 2 || in.size > TIMEOUT_DIGITS + 1) {
        return -1;
    }
    for (size_t i = 0; i < in.size - 1; i++) {
        if (in.data[i] < '0' || in.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (in.data[i] - '0');
    }
    ns = unit_ns(in.data[in.size - 1]);
    if (ns == 0) {
        return -1;
    }
    return ns == 1 ? (value + 999) / 1000 : value * (ns / 1000);
}

void fb_timeout_encode_us(int64_t timeout_us, char out[16])
{
    static const char units[] = {'u', 'm', 'S', 'M', 'H'};

    if (timeout_us <= 0) {
        snprintf(out, 16, "1n");
        return;
    }
    if (timeout_us <= TIMEOUT_MOST / 1000) {
        snprintf(out, 16, "%un", (unsigned)timeout_us * 1000);
        return;
    }
    for (size_t i = 0; i < sizeof(units); i++) {
        int64_t unit_us = unit_ns(units[i]) / 1000;
        int64_t value = timeout_us / unit_us + (timeout_us % unit_us != 0);

        if (value <= TIMEOUT_MOST) {
            snprintf(out, 16, "%u%c", (unsigned)value, units[i]);
            return;
        }
    }
    snprintf(out, 16, "%dH", TIMEOUT_MOST);
}
