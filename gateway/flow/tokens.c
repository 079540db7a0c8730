#include "gateway/flow/tokens.h"

#include <stdbool.h>

enum shape { SHAPE_LOWER, SHAPE_UPPER, SHAPE_DIGIT, SHAPE_SPACE, SHAPE_MARK, SHAPE_OTHER };

static enum shape shape_of(unsigned char c)
{
    if (c >= 'a' && c <= 'z') {
        return SHAPE_LOWER;
    }
    if (c >= 'A' && c <= 'Z') {
        return SHAPE_UPPER;
    }
    if (c >= '0' && c <= '9') {
        return SHAPE_DIGIT;
    }
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        return SHAPE_SPACE;
    }
    return c < 0x80 ? SHAPE_MARK : SHAPE_OTHER;
}

/* Characters of a run that make one token. */
static const size_t per_token[] = {
    [SHAPE_LOWER] = 5, [SHAPE_UPPER] = 2, [SHAPE_DIGIT] = 3,
    [SHAPE_SPACE] = 4, [SHAPE_MARK] = 1,  [SHAPE_OTHER] = 2, /* bytes */
};

/* Walks run by run; returns the offset at which more than `most` tokens would have been taken. */
static size_t walk(struct fb_text text, size_t most, size_t *tokens)
{
    bool begun = false; /* by a capital, which counts with its word */
    size_t at = 0;

    *tokens = 0;
    while (at < text.size) {
        const enum shape shape = shape_of((unsigned char)text.data[at]);
        size_t end = at + 1;
        size_t run;

        while (end < text.size && shape_of((unsigned char)text.data[end]) == shape) {
            end++;
        }
        run = end - at;
        /* One space belongs to the word behind it, a capital to its word. */
        if ((shape == SHAPE_SPACE && run == 1 && text.data[at] == ' ') ||
            (shape == SHAPE_UPPER && run == 1 && end < text.size &&
             shape_of((unsigned char)text.data[end]) == SHAPE_LOWER)) {
            begun = shape == SHAPE_UPPER;
            at = end;
            continue;
        }
        while (at < end) {
            if (*tokens == most) {
                return begun ? at - 1 : at;
            }
            ++*tokens;
            begun = false;
            at = end - at > per_token[shape] ? at + per_token[shape] : end;
        }
    }
    return at;
}

size_t tokens_of(struct fb_text text)
{
    size_t tokens;

    (void)walk(text, SIZE_MAX, &tokens);
    return tokens;
}

struct fb_text tokens_cut(struct fb_text text, size_t most)
{
    size_t tokens;
    size_t end = walk(text, most, &tokens);

    /* Not within a character. */
    while (end > 0 && end < text.size && ((unsigned char)text.data[end] & 0xc0) == 0x80) {
        end--;
    }
    return (struct fb_text){.data = text.data, .size = end};
}
