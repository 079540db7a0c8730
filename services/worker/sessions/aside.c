#include "services/worker/sessions/aside.h"

#include <stdlib.h>

enum { ASIDE_MOST = 4096 };

struct aside {
    struct fb_lane *lane;
    struct fb_loop *loop;
};

static void on_done(void *arg)
{
    struct aside_work *work = arg;

    work->done(work);
}

static void run(void *arg, unsigned thread, struct fb_work *first)
{
    (void)arg;
    (void)thread;
    while (first != NULL) {
        struct aside_work *work = (struct aside_work *)(void *)first;

        first = first->next;
        work->run(work);
        /* A work whose end is lost would hold its session up for good. */
        while (!fb_loop_post(work->loop, on_done, work)) {
        }
    }
}

struct aside *aside_create(struct fb_loop *loop)
{
    struct aside *aside = calloc(1, sizeof(*aside));
    const struct fb_lane_config config = {
        .name = "sessions",
        .threads = 1,
        .batch_most = 1,
        .batch_bytes = SIZE_MAX,
        .waiting_most = ASIDE_MOST,
        .waiting_bytes = SIZE_MAX,
        .run = run,
        .arg = aside,
    };

    if (aside == NULL) {
        return NULL;
    }
    aside->loop = loop;
    aside->lane = fb_lane_create(&config);
    if (aside->lane == NULL) {
        aside_destroy(aside);
        return NULL;
    }
    return aside;
}

void aside_destroy(struct aside *aside)
{
    if (aside != NULL) {
        fb_lane_destroy(aside->lane);
        free(aside);
    }
}

bool aside_begin(struct aside *aside, struct aside_work *work)
{
    work->loop = aside->loop;
    return fb_lane_push(aside->lane, &work->work);
}
