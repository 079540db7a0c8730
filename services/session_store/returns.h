#ifndef FB_SERVICES_SESSION_STORE_RETURNS_H
#define FB_SERVICES_SESSION_STORE_RETURNS_H

/*
 * returns: brings finished work from the engine's threads back to the loop.
 *
 * What finishes before the loop looks comes over by one post, so a commit that answers hundreds wakes
 * the loop once.
 */

#include "runtime/lane/lane.h"
#include "runtime/loop/loop.h"

struct returns;

/* Called on the loop's thread, in the order of returns_push of any one thread. */
typedef void returns_fn(struct fb_work *work);

/* NULL when memory is exhausted. */
struct returns *returns_create(struct fb_loop *loop, returns_fn *fn);

/*
 * On the loop's thread, when nothing will be pushed any more; what was pushed is handed over first. The
 * loop has to run its posts once more, or be destroyed, as either gives the last memory back.
 */
void returns_destroy(struct returns *returns);

/* Any thread. `work` is in nobody else's list. */
void returns_push(struct returns *returns, struct fb_work *work);

/*
 * On the loop's thread: waits until `work`, which is under way, was pushed and takes it out, so that it
 * is not handed over. It blocks the loop: only for an end that cannot wait for the loop.
 */
void returns_wait(struct returns *returns, struct fb_work *work);

#endif
