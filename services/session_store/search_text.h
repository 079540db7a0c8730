#ifndef FB_SERVICES_SESSION_STORE_SEARCH_TEXT_H
#define FB_SERVICES_SESSION_STORE_SEARCH_TEXT_H

/*
 * search_text: what a person typed to find, as an expression of the full-text index.
 *
 * Words, "words in quotes", and either with * behind it. Whatever else stands there is quoted, so that
 * no text is an error of syntax or means more than it says. Pure.
 */

#include <stddef.h>

#include "runtime/base/arena.h"

/*
 * The expression for SQLite's FTS5: a string for each word or quotation, of which all have to match.
 * Without any it matches nothing. `text` is UTF-8 without NUL. NULL without memory. `*words` tells how
 * many there are.
 */
const char *search_match(struct fb_arena *arena, const char *text, size_t *words);

#endif
