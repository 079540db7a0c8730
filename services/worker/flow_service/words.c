#include "services/worker/flow_service/words.h"

enum { SNIPPET_BEFORE = 60 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The next word at or after `*at`; empty at the end. */
static struct fb_text next_word(struct fb_text text, size_t *at)
{
    size_t begin;

    while (*at < text.size && !is_letter(text.data[*at])) {
        (*at)++;
    }
    begin = *at;
    while (*at < text.size && is_letter(text.data[*at])) {
        (*at)++;
    }
    return (struct fb_text){.data = text.data == NULL ? NULL : text.data + begin,
                            .size = *at - begin};
}

static bool is_same(struct fb_text sought, struct fb_text word, bool begins)
{
    if (begins ? word.size < sought.size : word.size != sought.size) {
        return false;
    }
    for (size_t i = 0; i < sought.size; i++) {
        if (folded(sought.data[i]) != folded(word.data[i])) {
            return false;
        }
    }
    return true;
}

/* --- what is sought --- */

static bool has_word(struct fb_text text)
{
    size_t at = 0;

    return next_word(text, &at).size > 0;
}

static bool add(struct words *words, struct fb_text text, bool begins)
{
    if (!has_word(text)) {
        return true;
    }
    if (words->count == WORDS_TERMS_MOST) {
        return false;
    }
    words->terms[words->count++] = (struct words_term){.text = text, .begins = begins};
    return true;
}

bool words_read(struct fb_text text, struct words *words)
{
    size_t at = 0;

    *words = (struct words){.count = 0};
    while (at < text.size) {
        const bool quoted = text.data[at] == '"';
        struct fb_text term;
        bool begins;

        at += quoted ? 1 : 0;
        term = (struct fb_text){.data = text.data + at};
        while (at < text.size && (quoted ? text.data[at] != '"' : text.data[at] != ' ')) {
            at++;
            term.size++;
        }
        at += at < text.size ? 1 : 0; /* the quote, or the space */
        begins = !quoted && term.size > 0 && term.data[term.size - 1] == '*';
        if (quoted && at < text.size && text.data[at] == '*') {
            begins = true;
            at++;
        }
        if (!add(words, term, begins)) {
            return false;
        }
    }
    return words->count > 0;
}

/* --- where it is --- */

/* Whether all words of the term follow each other from `at` on, where a word begins. */
static bool follows(const struct words_term *term, struct fb_text text, size_t at)
{
    size_t in_term = 0;

    for (;;) {
        const struct fb_text sought = next_word(term->text, &in_term);
        size_t ahead = in_term;

        if (sought.size == 0) {
            return true;
        }
        if (!is_same(sought, next_word(text, &at),
                     term->begins && next_word(term->text, &ahead).size == 0)) {
            return false;
        }
    }
}

size_t words_count(const struct words_term *term, struct fb_text text, size_t most, size_t *first)
{
    size_t count = 0;
    size_t at = 0;

    while (count < most) {
        const struct fb_text word = next_word(text, &at);
        const size_t begin = at - word.size;

        if (word.size == 0) {
            break;
        }
        if (follows(term, text, begin)) {
            *first = count == 0 ? begin : *first;
            count++;
        }
    }
    return count;
}

/* --- how it is shown --- */

static bool is_inside(struct fb_text text, size_t at)
{
    return at < text.size && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

char *words_snippet(struct fb_text text, size_t at, struct fb_arena *arena)
{
    static const char cut[] = "\xe2\x80\xa6";
    const size_t room = WORDS_SNIPPET_BYTES - 2 * (sizeof(cut) - 1);
    size_t begin = at > SNIPPET_BEFORE && text.size > room ? at - SNIPPET_BEFORE : 0;
    size_t end;
    char *snippet;

    while (is_inside(text, begin)) {
        begin++;
    }
    end = text.size - begin > room ? begin + room : text.size;
    while (is_inside(text, end)) {
        end--;
    }
    snippet = fb_arena_printf(arena, "%s%.*s%s", begin > 0 ? cut : "", (int)(end - begin),
                              text.data + begin, end < text.size ? cut : "");
    for (char *c = snippet; c != NULL && *c != '\0'; c++) {
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    }
    return snippet;
}
