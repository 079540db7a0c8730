#include "services/session_store/returns.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct returns {
    struct fb_loop *loop;
    returns_fn *fn;
    _Atomic(struct fb_work *) newest; /* what was pushed and not yet taken, newest first */

    atomic_uint posts; /* that are under way to the loop and point here */

    /* the loop's thread's */
    bool ended;            /* nothing is pushed any more: the last post frees */
    struct fb_work *taken; /* and not yet handed over, oldest first */
};

struct returns *returns_create(struct fb_loop *loop, returns_fn *fn)
{
    struct returns *returns = calloc(1, sizeof(*returns));

    if (returns == NULL) {
        return NULL;
    }
    returns->loop = loop;
    returns->fn = fn;
    atomic_init(&returns->newest, NULL);
    return returns;
}

/* Takes what was pushed, behind what was taken before. */
static void take(struct returns *returns)
{
    struct fb_work *newest = atomic_exchange(&returns->newest, NULL);
    struct fb_work *oldest = NULL;
    struct fb_work **end = &returns->taken;

    while (newest != NULL) {
        struct fb_work *older = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = oldest;
}

static void hand_over(struct returns *returns)
{
    take(returns);
    while (returns->taken != NULL) {
        struct fb_work *work = returns->taken;

        returns->taken = work->next;
        returns->fn(work);
    }
}

static void post_came(void *arg)
{
    struct returns *returns = arg;
    bool last = atomic_fetch_sub(&returns->posts, 1) == 1;

    if (!returns->ended) {
        hand_over(returns);
    } else if (last) {
        free(returns);
    }
}

void returns_destroy(struct returns *returns)
{
    if (returns == NULL) {
        return;
    }
    hand_over(returns);
    returns->ended = true;
    if (atomic_load(&returns->posts) == 0) {
        free(returns);
    }
}

void returns_push(struct returns *returns, struct fb_work *work)
{
    struct fb_work *newest = atomic_load(&returns->newest);

    do {
        work->next = newest;
    } while (!atomic_compare_exchange_weak(&returns->newest, &newest, work));
    /* Who found the list empty wakes the loop; the others are taken along. */
    if (newest == NULL) {
        atomic_fetch_add(&returns->posts, 1);
        while (!fb_loop_post(returns->loop, post_came, returns)) {
            sched_yield(); /* no memory for a moment: an answer is owed and cannot be dropped */
        }
    }
}

/* Takes `work` out of what was taken; false when it is not there. */
static bool take_out(struct returns *returns, const struct fb_work *work)
{
    for (struct fb_work **link = &returns->taken; *link != NULL; link = &(*link)->next) {
        if (*link == work) {
            *link = work->next;
            return true;
        }
    }
    return false;
}

void returns_wait(struct returns *returns, struct fb_work *work)
{
    const struct timespec moment = {.tv_nsec = 200000};

    take(returns);
    while (!take_out(returns, work)) {
        nanosleep(&moment, NULL);
        take(returns);
    }
}
