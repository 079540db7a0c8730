#ifndef FB_GATEWAY_FLOW_TOKENS_H
#define FB_GATEWAY_FLOW_TOKENS_H

/*
 * tokens: about how much of a model's context a text takes.
 *
 * An estimate that errs upwards, by the shapes of words: no table of a vocabulary. Pure.
 */

#include <stddef.h>

#include "runtime/base/text.h"

size_t tokens_of(struct fb_text text);

/* The longest beginning of the text, of whole characters, that takes at most `most` tokens. */
struct fb_text tokens_cut(struct fb_text text, size_t most);

#endif
