#ifndef FB_SERVICES_WORKER_SESSIONS_ASIDE_H
#define FB_SERVICES_WORKER_SESSIONS_ASIDE_H

/*
 * aside: long computations on a thread beside the loop, and their end back on it.
 *
 * What takes longer than other calls should wait (folding a large session, writing its snapshot) is done
 * there. A work is on the heap and its own master: it may outlive whoever began it.
 */

#include <stdbool.h>

#include "runtime/lane/lane.h"
#include "runtime/loop/loop.h"

struct aside;

struct aside_work {
    struct fb_work work;
    void (*run)(struct aside_work *work);  /* on the thread; touches nothing but the work */
    void (*done)(struct aside_work *work); /* on the loop; from then on it is the owner's again */
    void *owner;                           /* NULL: nobody waits; `done` frees the work */
    struct fb_loop *loop;
};

/* NULL when out of memory or threads. */
struct aside *aside_create(struct fb_loop *loop);

/* Waits for what runs. `done` of it comes with the next round of the loop. NULL is fine. */
void aside_destroy(struct aside *aside);

/* Begins it; false, and nothing begun, when there is too much to do already. */
bool aside_begin(struct aside *aside, struct aside_work *work);

#endif
