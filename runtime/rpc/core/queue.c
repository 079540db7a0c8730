#include "runtime/rpc/core/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct fb_core_queue {
    struct fb_loop *loop;
    grpc_completion_queue *cq;
    pthread_t thread;
    bool threaded;

    /* of the loop's thread */
    bool closing;
    bool running; /* events are being told: destroy leaves the rest to it */
    bool dead;
    struct fb_core_event *taken; /* from the list below, still to be told */

    /* of both threads */
    pthread_mutex_t lock;
    bool posted; /* the loop will look at the list */
    struct fb_core_event *first;
    struct fb_core_event **last;
};

static void queue_free(struct fb_core_queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static struct fb_core_event *next_event(struct fb_core_queue *queue)
{
    struct fb_core_event *event;

    if (queue->taken == NULL) {
        pthread_mutex_lock(&queue->lock);
        queue->taken = queue->first;
        queue->first = NULL;
        queue->last = &queue->first;
        pthread_mutex_unlock(&queue->lock);
    }
    event = queue->taken;
    if (event != NULL) {
        queue->taken = event->next;
    }
    return event;
}

static void tell_all(struct fb_core_queue *queue)
{
    struct fb_core_event *event;

    while ((event = next_event(queue)) != NULL) {
        event->fn(event, event->ok);
    }
}

static void on_posted(void *arg)
{
    struct fb_core_queue *queue = arg;

    pthread_mutex_lock(&queue->lock);
    queue->posted = false;
    pthread_mutex_unlock(&queue->lock);
    queue->running = true;
    tell_all(queue);
    queue->running = false;
    if (queue->dead) {
        queue_free(queue);
    }
}

/* Memory may be exhausted for a moment, but no completion can be lost. */
static void wake_loop(struct fb_core_queue *queue)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};

    while (!fb_loop_post(queue->loop, on_posted, queue)) {
        nanosleep(&pause, NULL);
    }
}

void *fb_core_tag(struct fb_core_event *event)
{
    atomic_store_explicit(&event->given, true, memory_order_release);
    return event;
}

static void add(struct fb_core_queue *queue, struct fb_core_event *event, bool ok)
{
    bool wake;

    atomic_load_explicit(&event->given, memory_order_acquire);
    event->ok = ok;
    event->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->last = event;
    queue->last = &event->next;
    wake = !queue->posted;
    queue->posted = true;
    pthread_mutex_unlock(&queue->lock);
    if (wake) {
        wake_loop(queue);
    }
}

static void *thread_main(void *arg)
{
    struct fb_core_queue *queue = arg;
    grpc_event came;

    do {
        came = grpc_completion_queue_next(queue->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (came.type == GRPC_OP_COMPLETE) {
            add(queue, came.tag, came.success != 0);
        }
    } while (came.type != GRPC_QUEUE_SHUTDOWN);
    return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(struct fb_core_queue *queue)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    queue->cq = grpc_completion_queue_create_for_next(NULL);
    queue->threaded = pthread_create(&queue->thread, NULL, thread_main, queue) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return queue->threaded;
}

struct fb_core_queue *fb_core_queue_create(struct fb_loop *loop)
{
    struct fb_core_queue *queue = calloc(1, sizeof(*queue));

    if (queue == NULL) {
        return NULL;
    }
    queue->loop = loop;
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
    if (!start_thread(queue)) {
        fb_core_queue_destroy(queue);
        return NULL;
    }
    return queue;
}

grpc_completion_queue *fb_core_queue_cq(const struct fb_core_queue *queue)
{
    return queue->cq;
}

bool fb_core_queue_is_closing(const struct fb_core_queue *queue)
{
    return queue->closing;
}

void fb_core_queue_destroy(struct fb_core_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    queue->closing = true;
    grpc_completion_queue_shutdown(queue->cq);
    if (queue->threaded) {
        pthread_join(queue->thread, NULL);
    }
    tell_all(queue);
    grpc_completion_queue_destroy(queue->cq);
    if (queue->running || queue->posted) {
        queue->dead = true; /* on_posted frees it */
    } else {
        queue_free(queue);
    }
}
