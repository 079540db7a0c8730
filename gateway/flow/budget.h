#ifndef FB_GATEWAY_FLOW_BUDGET_H
#define FB_GATEWAY_FLOW_BUDGET_H

/*
 * budget: the lines of an answer, as many as the tokens that the agent allows for it.
 */

#include "gateway/flow/work.h"

struct budget {
    struct work *work;
    size_t left;  /* tokens */
    size_t count; /* lines so far */
};

struct budget budget_begin(struct work *work, size_t tokens);

/* False: there is no room for it; the first line always has. It is finished in any case. */
bool budget_add(struct budget *lines, struct fb_buffer *line);

/* Answers. `total` is of all that match; `cursor` leads on to more of them, "" if there are none. */
void budget_end(struct budget *lines, uint64_t total, const char *cursor);

#endif
