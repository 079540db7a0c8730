#include "runtime/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM_BYTES = 256, NEAREST_WORD_BYTES = 64 };

struct fb_text fb_text_of(const char *string)
{
    return (struct fb_text){.data = string, .size = string == NULL ? 0 : strlen(string)};
}

bool fb_text_equal(struct fb_text a, struct fb_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool fb_text_is(struct fb_text text, const char *string)
{
    return fb_text_equal(text, fb_text_of(string));
}

bool fb_text_begins(struct fb_text text, const char *prefix)
{
    const size_t size = strlen(prefix);

    return text.size >= size && (size == 0 || memcmp(text.data, prefix, size) == 0);
}

/* Length of the well-formed sequence at `at`, or 0. The table of RFC 3629 section 4. */
static size_t utf8_sequence(const unsigned char *at, size_t size)
{
    const unsigned char lead = at[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t length;

    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    if (lead < 0xe0) {
        length = 2;
    } else if (lead < 0xf0) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else {
        length = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    }
    if (size < length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

size_t fb_utf8_check(const char *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i = 0;

    while (i < size) {
        uint64_t word;
        size_t length;

        /* Most of what we see is ASCII: eight bytes at once. */
        if (size - i >= sizeof(word)) {
            memcpy(&word, bytes + i, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        length = utf8_sequence(bytes + i, size - i);
        if (length == 0) {
            return i;
        }
        i += length;
    }
    return size;
}

bool fb_text_to_u64(struct fb_text text, uint64_t *value)
{
    uint64_t sum = 0;

    if (text.size == 0) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance, where two neighbours that changed places count as one edit. */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][NEAREST_WORD_BYTES + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];

    for (size_t j = 0; j <= b_size; j++) {
        above[j] = j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t differs = a[i - 1] != b[j - 1];

            row[j] = least_of(above[j] + 1, row[j - 1] + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j]) {
                row[j] = before[j - 2] + 1;
            }
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[b_size];
}

const char *fb_text_nearest(const char *word, const char *const *names, size_t count)
{
    const size_t size = strlen(word);
    const char *nearest = NULL;
    size_t least = size / 3 + 1;

    if (size > NEAREST_WORD_BYTES) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t name_size = strlen(names[i]);
        size_t distance;

        if (name_size > NEAREST_WORD_BYTES) {
            continue;
        }
        distance = edit_distance(word, size, names[i], name_size);
        if (distance < least) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* The last step of MurmurHash3: FNV alone leaves the high bits of short keys poor. */
static uint64_t mix(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return hash;
}

uint64_t fb_hash(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return mix(hash);
}

uint64_t fb_hash_mix(uint64_t a, uint64_t b)
{
    return mix(a ^ (mix(b) + UINT64_C(0x9e3779b97f4a7c15)));
}

void fb_buffer_finish(struct fb_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct fb_buffer){.limit_bytes = buffer->limit_bytes};
}

void fb_buffer_clear(struct fb_buffer *buffer, size_t keep_bytes)
{
    if (buffer->room > keep_bytes) {
        fb_buffer_finish(buffer);
        return;
    }
    buffer->size = 0;
    buffer->failed = false;
}

char *fb_buffer_reserve(struct fb_buffer *buffer, size_t size)
{
    const size_t limit = buffer->limit_bytes == 0 ? SIZE_MAX : buffer->limit_bytes;
    size_t room = buffer->room == 0 ? FIRST_ROOM_BYTES : buffer->room;
    char *data;

    if (buffer->failed || buffer->size > limit || size > limit - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    if (buffer->data != NULL && size <= buffer->room - buffer->size) {
        return buffer->data + buffer->size;
    }
    while (room - buffer->size < size) {
        room = room > SIZE_MAX / 2 ? buffer->size + size : room * 2;
    }
    data = realloc(buffer->data, room);
    if (data == NULL) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->room = room;
    return data + buffer->size;
}

void fb_buffer_append(struct fb_buffer *buffer, const void *data, size_t size)
{
    char *room;

    if (size == 0) {
        return;
    }
    room = fb_buffer_reserve(buffer, size);
    if (room != NULL) {
        memcpy(room, data, size);
        buffer->size += size;
    }
}

void fb_buffer_text(struct fb_buffer *buffer, struct fb_text text)
{
    fb_buffer_append(buffer, text.data, text.size);
}

void fb_buffer_string(struct fb_buffer *buffer, const char *string)
{
    fb_buffer_append(buffer, string, strlen(string));
}

void fb_buffer_printf(struct fb_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_list again;
    char *room;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buffer->failed = true;
    } else if (fb_buffer_reserve(buffer, (size_t)length) != NULL) {
        /* vsnprintf wants room for its NUL, which the limit does not count. */
        const bool exact = buffer->room - buffer->size == (size_t)length;

        room = exact ? realloc(buffer->data, buffer->room + 1) : buffer->data;
        if (room == NULL) {
            buffer->failed = true;
        } else {
            buffer->data = room;
            buffer->room += exact ? 1 : 0;
            vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
            buffer->size += (size_t)length;
        }
    }
    va_end(again);
}

static void json_escape(struct fb_buffer *buffer, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char text[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

    switch (byte) {
    case '"':
    case '\\':
        text[1] = (char)byte;
        break;
    case '\b':
        text[1] = 'b';
        break;
    case '\f':
        text[1] = 'f';
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    default:
        fb_buffer_append(buffer, text, sizeof(text));
        return;
    }
    fb_buffer_append(buffer, text, 2);
}

void fb_buffer_json_string(struct fb_buffer *buffer, struct fb_text text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t plain = 0; /* begin of what can be copied as it is */
    size_t i = 0;

    fb_buffer_append(buffer, "\"", 1);
    while (i < text.size) {
        const unsigned char byte = bytes[i];
        size_t length = 1;

        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
            i++;
            continue;
        }
        if (byte >= 0x80) {
            length = utf8_sequence(bytes + i, text.size - i);
        }
        if (byte >= 0x80 && length != 0) {
            i += length;
            continue;
        }
        fb_buffer_append(buffer, bytes + plain, i - plain);
        if (byte >= 0x80) {
            fb_buffer_append(buffer, "\xef\xbf\xbd", 3);
        } else {
            json_escape(buffer, byte);
        }
        i++;
        plain = i;
    }
    if (text.size > plain) {
        fb_buffer_append(buffer, bytes + plain, text.size - plain);
    }
    fb_buffer_append(buffer, "\"", 1);
}

void fb_buffer_consume(struct fb_buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}
