#include "runtime/json/scan.h"

#include <string.h>

/* --- what each byte is --- */

enum {
    SPACE = 1, /* white space between tokens */
    DIGIT = 2,
    PLAIN = 4, /* stands for itself in a string and is ASCII */
    OPENS = 8, /* a bracket of either kind */
    CLOSES = 16,
};

#define ROW_PLAIN PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN

/* clang-format off */
static const unsigned char class_of[256] = {
    0, 0, 0, 0, 0, 0, 0, 0,
    0, SPACE, SPACE, 0, 0, SPACE, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    SPACE | PLAIN, PLAIN, 0 /* " */, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
    ROW_PLAIN,
    DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN,
    DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN, DIGIT | PLAIN,
    DIGIT | PLAIN, DIGIT | PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
    ROW_PLAIN, ROW_PLAIN, ROW_PLAIN,
    PLAIN, PLAIN, PLAIN, OPENS | PLAIN, 0 /* \ */, CLOSES | PLAIN, PLAIN, PLAIN,
    ROW_PLAIN, ROW_PLAIN, ROW_PLAIN,
    PLAIN, PLAIN, PLAIN, OPENS | PLAIN, PLAIN, CLOSES | PLAIN, PLAIN, PLAIN,
    /* the upper half begins UTF-8 sequences, or is not UTF-8 */
};
/* clang-format on */

static bool is(char c, unsigned classes)
{
    return (class_of[(unsigned char)c] & classes) != 0;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is(*at, SPACE)) {
        at++;
    }
    return at;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is(*at, DIGIT)) {
        at++;
    }
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

/* --- eight bytes at a time --- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (unsigned char)(byte))
#define HIGH_BITS  EACH(0x80)

static uint64_t load8(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/*
 * The high bit of each byte below `least`, of each equal to `byte`. A borrow may mark a byte above the
 * first one that is marked rightly, so only the lowest mark means anything.
 */
static uint64_t marks_below(uint64_t word, unsigned char least)
{
    return (word - EACH(least)) & ~word & HIGH_BITS;
}

static uint64_t marks_of(uint64_t word, char byte)
{
    return marks_below(word ^ EACH(byte), 1);
}

static const char *skip_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word = load8(at);
        uint64_t marks = marks_below(word, 0x20) | marks_of(word, '"') | marks_of(word, '\\') |
                         (word & HIGH_BITS);

        if (marks != 0) {
            return at + __builtin_ctzll(marks) / 8;
        }
        at += 8;
    }
    while (at < end && is(*at, PLAIN)) {
        at++;
    }
    return at;
}

/* Behind the closing quote of a string that was checked; `at` is behind the opening one. */
static const char *skip_string(const char *at, const char *end)
{
    while (at < end) {
        while (end - at >= 8) {
            uint64_t word = load8(at);
            uint64_t marks = marks_of(word, '"') | marks_of(word, '\\');

            if (marks != 0) {
                at += __builtin_ctzll(marks) / 8;
                break;
            }
            at += 8;
        }
        if (at < end && *at == '"') {
            return at + 1;
        }
        at += at < end && *at == '\\' && end - at > 1 ? 2 : 1;
    }
    return end;
}

/* --- checking --- */

struct check {
    const char *at;
    const char *end;
    const char *why; /* NULL while all is well */
    unsigned depth;
    unsigned most;
    uint64_t objects[FB_JSON_DEPTH_MOST / 64]; /* one bit per depth: an object, else an array */
};

static bool fail(struct check *check, const char *at, const char *why)
{
    check->at = at;
    check->why = at >= check->end ? "the text ends within a value" : why;
    return false;
}

/* Length of the UTF-8 sequence at `at`, whose first byte is no ASCII; 0 when it is none. */
static unsigned utf8_sequence(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    ptrdiff_t left = end - text;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    unsigned length;

    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }
    length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    /* The second byte keeps out overlong forms, surrogates and what is above U+10FFFF. */
    switch (at[0]) {
    case 0xe0:
        low = 0xa0;
        break;
    case 0xed:
        high = 0x9f;
        break;
    case 0xf0:
        low = 0x90;
        break;
    case 0xf4:
        high = 0x8f;
        break;
    default:
        break;
    }
    if (left < (ptrdiff_t)length || at[1] < low || at[1] > high) {
        return 0;
    }
    for (unsigned i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static bool check_escape(struct check *check)
{
    const char *at = check->at + 1;

    if (at >= check->end) {
        return fail(check, at, "");
    }
    if (*at != 'u') {
        if (memchr("\"\\/bfnrt", *at, 8) == NULL) {
            return fail(check, at, "no such escape in a string");
        }
        check->at = at + 1;
        return true;
    }
    for (int i = 1; i <= 4; i++) {
        if (at + i >= check->end || hex_digit(at[i]) < 0) {
            return fail(check, at + i, "\\u wants four hexadecimal digits");
        }
    }
    check->at = at + 5;
    return true;
}

static bool check_string(struct check *check)
{
    check->at++;
    for (;;) {
        const char *at = check->at = skip_plain(check->at, check->end);

        if (at == check->end) {
            return fail(check, at, "");
        }
        if (*at == '"') {
            check->at++;
            return true;
        }
        if (*at == '\\') {
            if (!check_escape(check)) {
                return false;
            }
            continue;
        }
        if ((unsigned char)*at < 0x20) {
            return fail(check, at, "a control character in a string must be escaped");
        }
        while (at < check->end && ((unsigned char)*at & 0x80) != 0) {
            unsigned length = utf8_sequence(at, check->end);

            if (length == 0) {
                fail(check, at, "");
                check->why = "not UTF-8";
                return false;
            }
            at += length;
        }
        check->at = at;
    }
}

static bool check_digits(struct check *check)
{
    const char *at = skip_digits(check->at, check->end);

    if (at == check->at) {
        return fail(check, at, "a digit is missing in a number");
    }
    check->at = at;
    return true;
}

static bool check_number(struct check *check)
{
    if (*check->at == '-') {
        check->at++;
    }
    if (check->at < check->end && *check->at == '0') {
        check->at++;
        if (check->at < check->end && is(*check->at, DIGIT)) {
            return fail(check, check->at, "a number must not begin with 0");
        }
    } else if (!check_digits(check)) {
        return false;
    }
    if (check->at < check->end && *check->at == '.') {
        check->at++;
        if (!check_digits(check)) {
            return false;
        }
    }
    if (check->at < check->end && (*check->at == 'e' || *check->at == 'E')) {
        check->at++;
        if (check->at < check->end && (*check->at == '+' || *check->at == '-')) {
            check->at++;
        }
        return check_digits(check);
    }
    return true;
}

static bool check_word(struct check *check, const char *word)
{
    for (; *word != '\0'; word++, check->at++) {
        if (check->at >= check->end || *check->at != *word) {
            return fail(check, check->at, "not a value");
        }
    }
    return true;
}

static bool enter(struct check *check, bool object)
{
    uint64_t bit = UINT64_C(1) << check->depth % 64;

    if (check->depth == check->most) {
        check->why = "nested too deep";
        return false;
    }
    if (object) {
        check->objects[check->depth / 64] |= bit;
    } else {
        check->objects[check->depth / 64] &= ~bit;
    }
    check->depth++;
    check->at = skip_space(check->at + 1, check->end);
    return true;
}

static bool in_object(const struct check *check)
{
    return (check->objects[(check->depth - 1) / 64] >> (check->depth - 1) % 64 & 1) != 0;
}

static bool check_key(struct check *check)
{
    check->at = skip_space(check->at, check->end);
    if (check->at == check->end || *check->at != '"') {
        return fail(check, check->at, "a key in quotes is missing");
    }
    if (!check_string(check)) {
        return false;
    }
    check->at = skip_space(check->at, check->end);
    if (check->at == check->end || *check->at != ':') {
        return fail(check, check->at, "a colon is missing behind a key");
    }
    check->at++;
    return true;
}

/* Closes what a value has ended, and stands before the next value; false: done, or `why` is set. */
static bool check_after(struct check *check)
{
    for (;;) {
        bool object;

        check->at = skip_space(check->at, check->end);
        if (check->depth == 0) {
            if (check->at != check->end) {
                return fail(check, check->at, "more text behind the value");
            }
            return false;
        }
        object = in_object(check);
        if (check->at == check->end) {
            return fail(check, check->at, "");
        }
        if (*check->at == ',') {
            check->at++;
            return !object || check_key(check);
        }
        if (*check->at != (object ? '}' : ']')) {
            return fail(check, check->at,
                        object ? "a comma or } is missing in an object"
                               : "a comma or ] is missing in an array");
        }
        check->at++;
        check->depth--;
    }
}

/* One value, of an array or object only the beginning; false when `why` is set. */
static bool check_value(struct check *check, bool *whole)
{
    *whole = true;
    check->at = skip_space(check->at, check->end);
    if (check->at == check->end) {
        return fail(check, check->at, "");
    }
    switch (*check->at) {
    case '{':
        if (!enter(check, true)) {
            return false;
        }
        if (check->at < check->end && *check->at == '}') {
            return true;
        }
        *whole = false;
        return check_key(check);
    case '[':
        if (!enter(check, false)) {
            return false;
        }
        *whole = check->at < check->end && *check->at == ']';
        return true;
    case '"':
        return check_string(check);
    case 't':
        return check_word(check, "true");
    case 'f':
        return check_word(check, "false");
    case 'n':
        return check_word(check, "null");
    default:
        if (*check->at != '-' && !is(*check->at, DIGIT)) {
            return fail(check, check->at, "not a value");
        }
        return check_number(check);
    }
}

struct fb_status fb_json_check(struct fb_text text, unsigned depth, size_t *offset)
{
    struct check check = {.most = depth > FB_JSON_DEPTH_MOST ? FB_JSON_DEPTH_MOST : depth};
    bool whole;

    if (text.size > 0) {
        check.at = text.data;
        check.end = text.data + text.size;
        do {
            if (!check_value(&check, &whole)) {
                break;
            }
        } while (!whole || check_after(&check));
    } else {
        check.why = "the text is empty";
    }
    if (check.why == NULL) {
        return fb_ok;
    }
    if (offset != NULL) {
        *offset = text.size > 0 ? (size_t)(check.at - text.data) : 0;
    }
    return fb_fail(FB_INVALID_ARGUMENT, check.why);
}

/* --- what a value is --- */

struct fb_text fb_json_trim(struct fb_text text)
{
    const char *end;
    const char *at;

    if (text.size == 0) {
        return text;
    }
    end = text.data + text.size;
    at = skip_space(text.data, end);
    while (end > at && is(end[-1], SPACE)) {
        end--;
    }
    return (struct fb_text){.data = at, .size = (size_t)(end - at)};
}

enum fb_json_kind fb_json_kind_of(struct fb_text value)
{
    struct fb_text text = fb_json_trim(value);

    if (text.size == 0) {
        return FB_JSON_NONE;
    }
    switch (text.data[0]) {
    case 'n':
        return FB_JSON_NULL;
    case 'f':
        return FB_JSON_FALSE;
    case 't':
        return FB_JSON_TRUE;
    case '"':
        return FB_JSON_STRING;
    case '[':
        return FB_JSON_ARRAY;
    case '{':
        return FB_JSON_OBJECT;
    default:
        return FB_JSON_NUMBER;
    }
}

bool fb_json_is_integer(struct fb_text value)
{
    const char *end;
    const char *at;

    if (value.size == 0) {
        return false;
    }
    end = value.data + value.size;
    at = value.data + (*value.data == '-' ? 1 : 0);
    return at < end && skip_digits(at, end) == end;
}

bool fb_json_to_i64(struct fb_text value, int64_t *number)
{
    bool negative;
    int64_t sum = 0;

    if (!fb_json_is_integer(value)) {
        return false;
    }
    negative = value.data[0] == '-';
    /* Summed below zero, where INT64_MIN has room. */
    for (size_t i = negative ? 1 : 0; i < value.size; i++) {
        int digit = value.data[i] - '0';

        if (sum < (INT64_MIN + digit) / 10) {
            return false;
        }
        sum = sum * 10 - digit;
    }
    if (!negative && sum == INT64_MIN) {
        return false;
    }
    *number = negative ? sum : -sum;
    return true;
}

/* --- members and elements --- */

/* Behind the value at `at`. */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;

    if (at < end && *at == '"') {
        return skip_string(at + 1, end);
    }
    if (at < end && !is(*at, OPENS)) {
        while (at < end && !is(*at, SPACE | CLOSES) && *at != ',') {
            at++;
        }
        return at;
    }
    while (at < end) {
        char c = *at++;

        if (c == '"') {
            at = skip_string(at, end);
        } else if (is(c, OPENS)) {
            depth++;
        } else if (is(c, CLOSES) && --depth == 0) {
            return at;
        }
    }
    return end;
}

struct fb_json_walk fb_json_walk(struct fb_text container)
{
    struct fb_text text = fb_json_trim(container);

    if (text.size < 2 || !is(text.data[0], OPENS) || !is(text.data[text.size - 1], CLOSES)) {
        return (struct fb_json_walk){.next = NULL};
    }
    return (struct fb_json_walk){
        .next = text.data + 1,
        .end = text.data + text.size - 1, /* at the closing bracket, which says what it is */
    };
}

bool fb_json_next(struct fb_json_walk *walk)
{
    const char *at = walk->next;
    const char *end = walk->end;
    const char *begin;

    if (at == NULL) {
        return false;
    }
    at = skip_space(at, end);
    if (at < end && *at == ',') {
        at = skip_space(at + 1, end);
    }
    if (at == end) {
        walk->next = NULL;
        return false;
    }
    walk->key = (struct fb_text){.data = NULL};
    if (*end == '}') {
        begin = at;
        at = skip_value(at, end);
        walk->key = (struct fb_text){.data = begin, .size = (size_t)(at - begin)};
        at = skip_space(at, end);
        if (at < end && *at == ':') {
            at = skip_space(at + 1, end);
        }
    }
    begin = at;
    at = skip_value(at, end);
    /* Only in an unchecked text is nothing stepped over; it must end all the same. */
    walk->next = at > begin ? at : NULL;
    walk->value = (struct fb_text){.data = begin, .size = (size_t)(at - begin)};
    return at > begin;
}

bool fb_json_find(struct fb_text object, const char *key, struct fb_text *value)
{
    struct fb_json_walk walk = fb_json_walk(object);
    bool found = false;

    while (fb_json_next(&walk)) {
        if (fb_json_string_is(walk.key, key)) {
            *value = walk.value;
            found = true;
        }
    }
    return found;
}

/* --- strings --- */

/* What is between the quotes; false for what is no string. */
static bool inner(struct fb_text value, struct fb_text *text)
{
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') {
        return false;
    }
    *text = (struct fb_text){.data = value.data + 1, .size = value.size - 2};
    return true;
}

/* The code unit of "\uXXXX" at `at`, or -1. */
static int32_t unit_at(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return -1;
    }
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);

        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static size_t utf8_put(int32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* The escape at `*at`, which is moved behind it; returns how many bytes it stands for. */
static size_t escape_put(const char **at, const char *end, char out[4], bool *exact)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    int32_t unit = unit_at(*at, end);
    int32_t low;
    const char *letter;

    if (unit < 0) {
        char c = end - *at > 1 ? (*at)[1] : '\\';

        *at += end - *at > 1 ? 2 : 1;
        letter = memchr(letters, c, sizeof(letters) - 1);
        out[0] = letter != NULL ? meant[letter - letters] : c;
        return 1;
    }
    *at += 6;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        low = unit < 0xdc00 ? unit_at(*at, end) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            *exact = false;
            return utf8_put(0xfffd, out);
        }
        *at += 6;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    return utf8_put(unit, out);
}

bool fb_json_string_is(struct fb_text value, const char *text)
{
    size_t left = strlen(text);
    struct fb_text raw;
    const char *at;
    const char *end;
    bool exact = true;

    if (!inner(value, &raw) || raw.size < left) {
        return false;
    }
    if (raw.size == left) {
        /* Escapes are longer than what they stand for. */
        return memcmp(raw.data, text, left) == 0 && memchr(raw.data, '\\', left) == NULL;
    }
    at = raw.data;
    end = at + raw.size;
    while (at < end) {
        char c[4];
        size_t size = 1;

        if (*at == '\\') {
            size = escape_put(&at, end, c, &exact);
        } else {
            c[0] = *at++;
        }
        if (!exact || size > left || memcmp(c, text, size) != 0) {
            return false;
        }
        text += size;
        left -= size;
    }
    return left == 0;
}

struct fb_status fb_json_unescape(struct fb_text value, struct fb_arena *arena,
                                  struct fb_text *text, bool *exact)
{
    bool all = true;
    struct fb_text raw;
    const char *at;
    const char *end;
    char *out;
    size_t size = 0;

    if (!inner(value, &raw)) {
        return fb_fail(FB_INVALID_ARGUMENT, "not a string");
    }
    *text = raw;
    if (raw.size > 0 && memchr(raw.data, '\\', raw.size) != NULL) {
        out = fb_arena_alloc(arena, raw.size);
        if (out == NULL) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a string");
        }
        at = raw.data;
        end = at + raw.size;
        while (at < end) {
            char c[4];
            size_t length = 1;

            if (*at == '\\') {
                length = escape_put(&at, end, c, &all);
                memcpy(out + size, c, length);
            } else {
                out[size] = *at++;
            }
            size += length;
        }
        *text = (struct fb_text){.data = out, .size = size};
    }
    if (exact != NULL) {
        *exact = all;
    }
    return fb_ok;
}

/* --- writing on --- */

void fb_json_append_compact(struct fb_buffer *out, struct fb_text value)
{
    const char *at = value.data;
    const char *end = at == NULL ? at : at + value.size;

    while (at < end) {
        const char *begin;

        at = skip_space(at, end);
        begin = at;
        while (at < end && !is(*at, SPACE)) {
            at = *at == '"' ? skip_string(at + 1, end) : at + 1;
        }
        fb_buffer_append(out, begin, (size_t)(at - begin));
    }
}
