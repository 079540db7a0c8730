#ifndef FB_RUNTIME_RPC_CORE_QUEUE_H
#define FB_RUNTIME_RPC_CORE_QUEUE_H

/*
 * queue: brings what the library has completed to the loop.
 *
 * A thread waits on a completion queue and posts to the loop, many completions at once when they come
 * quickly. On the loop's thread, all of it.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include <grpc/grpc.h>

#include "runtime/loop/loop.h"

struct fb_core_queue;
struct fb_core_event;

/* `ok` false: the operation failed, as its call or its server is gone. */
typedef void fb_core_event_fn(struct fb_core_event *event, bool ok);

/* What is given to the library as tag; embedded in its owner, which must outlive the completion. */
struct fb_core_event {
    fb_core_event_fn *fn;
    struct fb_core_event *next;
    bool ok;
    atomic_bool given;
};

/*
 * The tag to give to the library. It brings what we wrote before to the queue's thread in a way that is seen by who
 * cannot see into the library: race detectors.
 */
void *fb_core_tag(struct fb_core_event *event);

/* NULL when memory or threads are exhausted. */
struct fb_core_queue *fb_core_queue_create(struct fb_loop *loop);

grpc_completion_queue *fb_core_queue_cq(const struct fb_core_queue *queue);

/* Being destroyed: nothing may be started on it any more. */
bool fb_core_queue_is_closing(const struct fb_core_queue *queue);

/*
 * Waits until everything that was started has completed and tells it, then frees the queue. Nothing may
 * be started any more, and all of it must be bound to complete soon: cancel first. May come inside an
 * event. NULL is fine.
 */
void fb_core_queue_destroy(struct fb_core_queue *queue);

#endif
