#include "gateway/look_lane.h"

#include <stddef.h>
#include <stdlib.h>

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum { WAITING_MOST = 256 };

struct look_lane {
    struct fb_loop *loop;
    struct fb_lane *lane; /* NULL before the first job */
};

static void end_job(void *arg)
{
    look_job_end(arg);
}

static void run(void *arg, unsigned thread, struct fb_work *first)
{
    struct look_lane *lane = arg;

    (void)thread;
    while (first != NULL) {
        struct look_job *job = OF(struct look_job, work, first);

        first = first->next;
        look_job_do(job);
        if (!fb_loop_post(lane->loop, end_job, job)) {
            abort(); /* an answer that never comes would be worse */
        }
    }
}

static bool look(void *self, struct look_job *job)
{
    struct look_lane *lane = self;

    if (lane->lane == NULL) {
        lane->lane = fb_lane_create(&(struct fb_lane_config){
            .name = "look",
            .threads = 1,
            .batch_most = 1,
            .batch_bytes = 1,
            .waiting_most = WAITING_MOST,
            .waiting_bytes = SIZE_MAX,
            .run = run,
            .arg = lane,
        });
    }
    return lane->lane != NULL && fb_lane_push(lane->lane, &job->work);
}

struct look_lane *look_lane_create(struct fb_loop *loop)
{
    struct look_lane *lane = calloc(1, sizeof(*lane));

    if (lane != NULL) {
        lane->loop = loop;
    }
    return lane;
}

void look_lane_destroy(struct look_lane *lane)
{
    if (lane != NULL) {
        fb_lane_destroy(lane->lane);
        free(lane);
    }
}

struct looker look_lane_looker(struct look_lane *lane)
{
    return (struct looker){.self = lane, .look = look};
}
