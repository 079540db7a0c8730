#include "services/session_store/search_text.h"

#include <stdbool.h>
#include <string.h>

/* A piece of the text: a word, or what stands between quotes. */
struct piece {
    const char *begin;
    size_t size;
    bool prefix; /* there is a * behind it */
};

/* The piece at `*text`, which it moves behind it; empty at the end, and for empty quotes. */
static struct piece piece_next(const char **text)
{
    const char *at = *text + strspn(*text, " ");
    struct piece piece;

    if (*at == '"') {
        piece.begin = at + 1;
        piece.size = strcspn(piece.begin, "\"");
        at = piece.begin + piece.size;
        at += *at == '"' ? 1 : 0;
        piece.prefix = *at == '*';
    } else {
        piece.begin = at;
        piece.size = strcspn(at, " \"");
        at += piece.size;
        piece.prefix = piece.size > 0 && at[-1] == '*';
    }
    *text = at + strspn(at, "*");
    return piece;
}

const char *search_match(struct fb_arena *arena, const char *text, size_t *words)
{
    /* Each piece has at least a byte, and gets two quotes, a star and two spaces. */
    char *match = fb_arena_alloc(arena, 6 * strlen(text) + 1);
    char *out = match;

    *words = 0;
    if (match == NULL) {
        return NULL;
    }
    while (*text != '\0') {
        struct piece piece = piece_next(&text);

        if (piece.size == 0) {
            continue;
        }
        *words += 1;
        *out++ = '"';
        memcpy(out, piece.begin, piece.size);
        out += piece.size;
        *out++ = '"';
        if (piece.prefix) {
            *out++ = ' ';
            *out++ = '*';
        }
        *out++ = ' ';
    }
    *out = '\0';
    return *words > 0 ? match : "\"\""; /* which no text matches */
}
