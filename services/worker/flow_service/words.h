#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_WORDS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_WORDS_H

/*
 * words: what is sought in the texts of tasks.
 *
 * A word is letters and digits side by side; whatever is not ASCII counts as a letter, and A to Z are as
 * a to z. All that is sought has to be there: each word, "words in quotes" one after the other, and of a
 * word with * behind it the beginning. Pure, any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"

enum { WORDS_BYTES = 1024, WORDS_TERMS_MOST = 32, WORDS_SNIPPET_BYTES = 256 };

/* Words that stand side by side. */
struct words_term {
    struct fb_text text;
    bool begins; /* the last one only begins so */
};

struct words {
    struct words_term terms[WORDS_TERMS_MOST];
    size_t count;
};

/* Reads what is sought; what is found borrows from `text`. False: there is no word, or too many. */
bool words_read(struct fb_text text, struct words *words);

/* How often a term occurs in the text, up to `most`; `*first` is where, unless it does not. */
size_t words_count(const struct words_term *term, struct fb_text text, size_t most, size_t *first);

/*
 * The text around a place, cut to at most WORDS_SNIPPET_BYTES between its letters and without line breaks,
 * in the arena; NULL: exhausted.
 */
char *words_snippet(struct fb_text text, size_t at, struct fb_arena *arena);

#endif
