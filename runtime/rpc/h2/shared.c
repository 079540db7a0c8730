#include "runtime/rpc/h2/shared.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "runtime/rpc/h2/stream.h"

enum { POOL_BYTES = 1024 * 1024 }; /* that calls of each kind may hold while nobody needs them */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fb_h2_shared *registry;

static void destroy(struct fb_h2_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    for (int i = 0; i < FB_H2_POOLS; i++) {
        while (shared->pools[i] != NULL) {
            struct fb_h2_stream *stream = shared->pools[i];

            shared->pools[i] = stream->next;
            fb_h2_stream_free(stream);
        }
    }
    fb_buffer_finish(&shared->scratch);
    fb_h2_memory_finish(&shared->memory);
    free(shared->read);
    free(shared->write);
    free(shared);
}

static struct fb_h2_shared *create(struct fb_loop *loop)
{
    struct fb_h2_shared *shared = calloc(1, sizeof(*shared));

    if (shared == NULL) {
        return NULL;
    }
    shared->loop = loop;
    shared->read = malloc(FB_H2_READ_BYTES);
    shared->write = malloc(FB_H2_WRITE_BYTES);
    if (shared->read == NULL || shared->write == NULL) {
        destroy(shared);
        return NULL;
    }
    return shared;
}

struct fb_h2_shared *fb_h2_shared_acquire(struct fb_loop *loop)
{
    struct fb_h2_shared *shared;

    pthread_mutex_lock(&registry_lock);
    shared = registry;
    while (shared != NULL && shared->loop != loop) {
        shared = shared->next;
    }
    if (shared == NULL) {
        shared = create(loop);
        if (shared != NULL) {
            shared->next = registry;
            registry = shared;
        }
    }
    if (shared != NULL) {
        shared->users++;
    }
    pthread_mutex_unlock(&registry_lock);
    return shared;
}

void fb_h2_shared_release(struct fb_h2_shared *shared)
{
    struct fb_h2_shared **link = &registry;

    if (shared == NULL) {
        return;
    }
    pthread_mutex_lock(&registry_lock);
    if (--shared->users > 0) {
        pthread_mutex_unlock(&registry_lock);
        return;
    }
    while (*link != shared) {
        link = &(*link)->next;
    }
    *link = shared->next;
    pthread_mutex_unlock(&registry_lock);
    if (shared->inside == 0) {
        destroy(shared);
    }
}

void fb_h2_enter(struct fb_h2_shared *shared)
{
    shared->inside++;
}

static void bury(struct fb_h2_shared *shared)
{
    while (shared->dead != NULL) {
        struct fb_h2_stream *stream = shared->dead;
        const enum fb_h2_pool pool = stream->ops->pool;

        shared->dead = stream->next;
        fb_h2_stream_recycle(stream);
        if (shared->pooled_bytes[pool] + stream->pooled_bytes > POOL_BYTES) {
            fb_h2_stream_free(stream);
            continue;
        }
        stream->next = shared->pools[pool];
        shared->pools[pool] = stream;
        shared->pooled_bytes[pool] += stream->pooled_bytes;
    }
}

void fb_h2_leave(struct fb_h2_shared *shared)
{
    assert(shared->inside > 0);
    if (--shared->inside > 0) {
        return;
    }
    if (shared->dead != NULL) {
        bury(shared);
    }
    if (shared->users == 0) {
        destroy(shared); /* the last user let go of it while we were inside */
    }
}
