#define _GNU_SOURCE /* pthread_setname_np */

#include "runtime/lane/lane.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LANE_THREADS_MOST = 64 };

struct lane_thread {
    struct fb_lane *lane;
    unsigned number;
    pthread_t handle;
};

struct fb_lane {
    struct fb_lane_config config;
    char name[16];

    pthread_mutex_t lock; /* guards all below, but not `threads` */
    pthread_cond_t more;  /* work was pushed, or the lane stops; waits on the monotonic clock */
    struct fb_work *first;
    struct fb_work **end;
    size_t waiting;
    size_t waiting_bytes;
    bool stopping;

    struct lane_thread threads[LANE_THREADS_MOST];
    unsigned started;
};

static struct timespec lane_from_now(int64_t ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec += 1;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* With the lock held. Cuts a batch off the front of the queue. */
static struct fb_work *lane_take(struct fb_lane *lane)
{
    struct fb_work *batch = lane->first;
    struct fb_work *last = batch;
    size_t count = 1;
    size_t bytes = batch->bytes;

    while (last->next != NULL && count < lane->config.batch_most &&
           bytes + last->next->bytes <= lane->config.batch_bytes) {
        last = last->next;
        count += 1;
        bytes += last->bytes;
    }
    lane->first = last->next;
    if (lane->first == NULL) {
        lane->end = &lane->first;
    }
    last->next = NULL;
    lane->waiting -= count;
    lane->waiting_bytes -= bytes;
    return batch;
}

/* With the lock held. False when the wait was for idle_ms in vain. */
static bool lane_wait(struct fb_lane *lane)
{
    struct timespec until;

    if (lane->config.idle_ms == 0) {
        pthread_cond_wait(&lane->more, &lane->lock);
        return true;
    }
    until = lane_from_now(lane->config.idle_ms);
    return pthread_cond_timedwait(&lane->more, &lane->lock, &until) != ETIMEDOUT;
}

static void *lane_thread_run(void *arg)
{
    const struct lane_thread *thread = arg;
    struct fb_lane *lane = thread->lane;

    pthread_mutex_lock(&lane->lock);
    for (;;) {
        struct fb_work *batch = NULL;

        if (lane->first != NULL) {
            batch = lane_take(lane);
        } else if (lane->stopping) {
            break;
        } else if (lane_wait(lane)) {
            continue;
        }
        pthread_mutex_unlock(&lane->lock);
        lane->config.run(lane->config.arg, thread->number, batch);
        pthread_mutex_lock(&lane->lock);
    }
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

/* Signals belong to the loop's thread, so ours start with all of them blocked. */
static bool lane_start_threads(struct fb_lane *lane)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (lane->started < lane->config.threads) {
        struct lane_thread *thread = &lane->threads[lane->started];

        *thread = (struct lane_thread){.lane = lane, .number = lane->started};
        if (pthread_create(&thread->handle, NULL, lane_thread_run, thread) != 0) {
            break;
        }
        pthread_setname_np(thread->handle, lane->name);
        lane->started += 1;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return lane->started == lane->config.threads;
}

struct fb_lane *fb_lane_create(const struct fb_lane_config *config)
{
    struct fb_lane *lane = calloc(1, sizeof(*lane));
    pthread_condattr_t attributes;

    assert(config->threads >= 1 && config->threads <= LANE_THREADS_MOST);
    assert(config->batch_most >= 1);
    if (lane == NULL) {
        return NULL;
    }
    lane->config = *config;
    snprintf(lane->name, sizeof(lane->name), "%s", config->name);
    lane->end = &lane->first;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lane->more, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!lane_start_threads(lane)) {
        fb_lane_destroy(lane);
        return NULL;
    }
    return lane;
}

bool fb_lane_push(struct fb_lane *lane, struct fb_work *work)
{
    bool room;

    pthread_mutex_lock(&lane->lock);
    room = !lane->stopping && lane->waiting < lane->config.waiting_most &&
           (lane->waiting == 0 || lane->waiting_bytes + work->bytes <= lane->config.waiting_bytes);
    if (room) {
        work->next = NULL;
        *lane->end = work;
        lane->end = &work->next;
        lane->waiting += 1;
        lane->waiting_bytes += work->bytes;
        pthread_cond_signal(&lane->more);
    }
    pthread_mutex_unlock(&lane->lock);
    return room;
}

size_t fb_lane_waiting(struct fb_lane *lane)
{
    size_t waiting;

    pthread_mutex_lock(&lane->lock);
    waiting = lane->waiting;
    pthread_mutex_unlock(&lane->lock);
    return waiting;
}

void fb_lane_destroy(struct fb_lane *lane)
{
    if (lane == NULL) {
        return;
    }
    pthread_mutex_lock(&lane->lock);
    lane->stopping = true;
    pthread_cond_broadcast(&lane->more);
    pthread_mutex_unlock(&lane->lock);
    for (unsigned i = 0; i < lane->started; i++) {
        pthread_join(lane->threads[i].handle, NULL);
    }
    pthread_cond_destroy(&lane->more);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}
