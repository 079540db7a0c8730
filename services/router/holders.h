#ifndef FB_SERVICES_ROUTER_HOLDERS_H
#define FB_SERVICES_ROUTER_HOLDERS_H

/*
 * holders: which worker holds which session.
 *
 * A hash table; knows nothing of sessions but their names. On the loop's thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/text.h"

struct worker;
struct holders;

/* At most `most` sessions are kept. NULL when memory is exhausted. */
struct holders *holders_create(size_t most);
void holders_destroy(struct holders *holders);

/* The last to say so holds it. False when the table is full: only affinity is lost. */
bool holders_put(struct holders *holders, struct fb_text session, struct worker *worker);

/* Forgets it, unless another has claimed it since. */
void holders_drop(struct holders *holders, struct fb_text session, const struct worker *worker);

/* Forgets all that the worker holds. */
void holders_drop_all(struct holders *holders, const struct worker *worker);

/* NULL when nobody holds it. */
struct worker *holders_find(const struct holders *holders, struct fb_text session);

size_t holders_count(const struct holders *holders);

#endif
