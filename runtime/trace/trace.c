#include "runtime/trace/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    TRACE_ID_AT = 3,
    SPAN_ID_AT = 36,
    FLAGS_AT = 53,
    KNOWN_FLAGS = FB_TRACE_SAMPLED | FB_TRACE_RANDOM,
    STATE_KEY_BYTES = 256,
    STATE_VALUE_BYTES = 256,
    STATE_TENANT_BYTES = 241,
    STATE_SYSTEM_BYTES = 14
};

/* A system call for each span would cost more than the span. */
static _Thread_local unsigned char pool[512];
static _Thread_local size_t pool_left;

void fb_trace_random(void *out, size_t size)
{
    unsigned char *to = out;

    while (size > 0) {
        size_t part = size < pool_left ? size : pool_left;

        if (pool_left == 0) {
            const ssize_t got = getrandom(pool, sizeof(pool), 0);

            if (got < 0 && errno != EINTR) {
                abort(); /* Linux has had getrandom since 3.17; ids that repeat would mix up traces */
            }
            pool_left = got < 0 ? 0 : (size_t)got;
            continue;
        }
        memcpy(to, pool + pool_left - part, part);
        pool_left -= part;
        to += part;
        size -= part;
    }
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t all = 0;

    for (size_t i = 0; i < size; i++) {
        all |= bytes[i];
    }
    return all == 0;
}

/* Zero is no id. */
static void draw_id(uint8_t *id, size_t size)
{
    do {
        fb_trace_random(id, size);
    } while (is_zero(id, size));
}

struct fb_trace_context fb_trace_begin(bool sampled)
{
    struct fb_trace_context context = {
        .flags = (uint8_t)(FB_TRACE_RANDOM | (sampled ? FB_TRACE_SAMPLED : 0))};

    draw_id(context.trace_id, sizeof(context.trace_id));
    draw_id(context.span_id, sizeof(context.span_id));
    return context;
}

struct fb_trace_context fb_trace_child(const struct fb_trace_context *context)
{
    struct fb_trace_context child = *context;

    draw_id(child.span_id, sizeof(child.span_id));
    return child;
}

bool fb_trace_is_set(const struct fb_trace_context *context)
{
    return !is_zero(context->trace_id, sizeof(context->trace_id));
}

/* Lower case only, as the standard wants. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *from, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int high = hex_digit(from[2 * i]);
        const int low = hex_digit(from[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void write_hex(char *to, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool fb_trace_parse(struct fb_text traceparent, struct fb_trace_context *context)
{
    const char *text = traceparent.data;
    struct fb_trace_context read = *context;
    uint8_t version;

    if (traceparent.size < FB_TRACE_PARENT_BYTES || !read_hex(text, &version, 1) ||
        version == 0xff) {
        return false;
    }
    /* Version 00 ends here; a later one may go on behind a dash. */
    if (traceparent.size > FB_TRACE_PARENT_BYTES &&
        (version == 0 || text[FB_TRACE_PARENT_BYTES] != '-')) {
        return false;
    }
    if (text[TRACE_ID_AT - 1] != '-' || text[SPAN_ID_AT - 1] != '-' || text[FLAGS_AT - 1] != '-') {
        return false;
    }
    if (!read_hex(text + TRACE_ID_AT, read.trace_id, sizeof(read.trace_id)) ||
        !read_hex(text + SPAN_ID_AT, read.span_id, sizeof(read.span_id)) ||
        !read_hex(text + FLAGS_AT, &read.flags, 1)) {
        return false;
    }
    if (is_zero(read.trace_id, sizeof(read.trace_id)) ||
        is_zero(read.span_id, sizeof(read.span_id))) {
        return false;
    }
    read.flags &= KNOWN_FLAGS;
    *context = read;
    return true;
}

void fb_trace_format(const struct fb_trace_context *context, char out[FB_TRACE_PARENT_BYTES + 1])
{
    memcpy(out, "00-", 3);
    write_hex(out + TRACE_ID_AT, context->trace_id, sizeof(context->trace_id));
    out[SPAN_ID_AT - 1] = '-';
    write_hex(out + SPAN_ID_AT, context->span_id, sizeof(context->span_id));
    out[FLAGS_AT - 1] = '-';
    write_hex(out + FLAGS_AT, &context->flags, 1);
    out[FB_TRACE_PARENT_BYTES] = '\0';
}

static struct fb_text trim(struct fb_text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

/* Cuts `*rest` at the first `by`; what was before it is returned, all of it when there is none. */
static struct fb_text cut_at(struct fb_text *rest, char by, bool *found)
{
    const char *at = rest->size == 0 ? NULL : memchr(rest->data, by, rest->size);
    struct fb_text before = *rest;

    *found = at != NULL;
    if (at == NULL) {
        *rest = (struct fb_text){.data = rest->data, .size = 0};
        return before;
    }
    before.size = (size_t)(at - rest->data);
    rest->data += before.size + 1;
    rest->size -= before.size + 1;
    return before;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool are_key_characters(struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (!is_lower(c) && !is_digit(c) && c != '_' && c != '-' && c != '*' && c != '/') {
            return false;
        }
    }
    return true;
}

/* simple-key or tenant "@" system, as in the first level of the standard: the stricter of the two. */
static bool is_state_key(struct fb_text key)
{
    struct fb_text system = key;
    bool multi;
    const struct fb_text tenant = cut_at(&system, '@', &multi);

    if (key.size == 0 || !are_key_characters(tenant)) {
        return false;
    }
    if (!multi) {
        return key.size <= STATE_KEY_BYTES && is_lower(key.data[0]);
    }
    return tenant.size >= 1 && tenant.size <= STATE_TENANT_BYTES &&
           (is_lower(tenant.data[0]) || is_digit(tenant.data[0])) && system.size >= 1 &&
           system.size <= STATE_SYSTEM_BYTES && is_lower(system.data[0]) &&
           are_key_characters(system);
}

static bool is_state_value(struct fb_text value)
{
    if (value.size == 0 || value.size > STATE_VALUE_BYTES || value.data[value.size - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        const char c = value.data[i];

        if (c < 0x20 || c > 0x7e || c == ',' || c == '=') {
            return false;
        }
    }
    return true;
}

bool fb_trace_state_is_valid(struct fb_text tracestate)
{
    struct fb_text keys[FB_TRACE_STATE_ENTRIES];
    struct fb_text rest = tracestate;
    size_t count = 0;
    bool more = tracestate.size > 0;

    if (tracestate.size > FB_TRACE_STATE_BYTES) {
        return false;
    }
    while (more) {
        struct fb_text value = trim(cut_at(&rest, ',', &more));
        struct fb_text key;
        bool has_value;

        if (value.size == 0) {
            continue; /* empty members are allowed, because lists of headers are joined */
        }
        key = cut_at(&value, '=', &has_value);
        if (count == FB_TRACE_STATE_ENTRIES || !has_value || !is_state_key(key) ||
            !is_state_value(value)) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (fb_text_equal(keys[i], key)) {
                return false;
            }
        }
        keys[count++] = key;
    }
    return true;
}

/* RFC 7230's token. */
static bool is_token(struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        const char lower = (char)(c | 0x20);

        if (c <= 0x20 || c > 0x7e ||
            (!is_lower(lower) && !is_digit(c) && strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.size > 0;
}

/* baggage-octet: printable ASCII but space, quote, comma, semicolon and backslash. */
static bool are_baggage_octets(struct fb_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (c <= 0x20 || c > 0x7e || c == '"' || c == ',' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* key "=" value, where a property may be a key alone. */
static bool is_pair(struct fb_text pair, bool value_needed)
{
    struct fb_text value = pair;
    bool has_value;
    const struct fb_text key = trim(cut_at(&value, '=', &has_value));

    return is_token(key) && (has_value || !value_needed) && are_baggage_octets(trim(value));
}

bool fb_trace_baggage_is_valid(struct fb_text baggage)
{
    struct fb_text rest = baggage;
    size_t count = 0;
    bool more = baggage.size > 0;

    if (baggage.size > FB_TRACE_BAGGAGE_BYTES) {
        return false;
    }
    while (more) {
        struct fb_text properties = cut_at(&rest, ',', &more);
        bool another;

        if (++count > FB_TRACE_BAGGAGE_ENTRIES ||
            !is_pair(trim(cut_at(&properties, ';', &another)), true)) {
            return false;
        }
        while (another) {
            if (!is_pair(trim(cut_at(&properties, ';', &another)), false)) {
                return false;
            }
        }
    }
    return true;
}

struct fb_trace_context fb_trace_join(struct fb_text traceparent, struct fb_text tracestate,
                                      struct fb_text baggage, bool sampled_if_new)
{
    struct fb_trace_context context = {.flags = 0};

    if (!fb_trace_parse(traceparent, &context)) {
        context = fb_trace_begin(sampled_if_new);
    } else if (fb_trace_state_is_valid(tracestate)) {
        context.state = tracestate;
    }
    if (fb_trace_baggage_is_valid(baggage)) {
        context.baggage = baggage;
    }
    return context;
}
