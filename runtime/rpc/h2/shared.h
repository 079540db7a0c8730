#ifndef FB_RUNTIME_RPC_H2_SHARED_H
#define FB_RUNTIME_RPC_H2_SHARED_H

/*
 * shared: what all listeners and channels of one loop use together.
 *
 * One buffer to read into and one to write from, as only one connection is at work at a time; and
 * the calls that ended, to be used again with their warm arenas. On the loop's thread, but for
 * acquire and release.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/h2/memory.h"

struct fb_h2_stream;

enum {
    FB_H2_READ_BYTES = 64 * 1024,
    FB_H2_WRITE_BYTES = 64 * 1024,
};

enum fb_h2_pool { FB_H2_SERVED, FB_H2_MADE, FB_H2_POOLS };

struct fb_h2_shared {
    struct fb_loop *loop;
    uint8_t *read;            /* FB_H2_READ_BYTES */
    uint8_t *write;           /* FB_H2_WRITE_BYTES */
    size_t write_size;        /* bytes in `write`, of the connection that is flushing */
    struct fb_buffer scratch; /* inflated messages, encoded texts: good until its next user */

    struct fb_h2_memory memory; /* of the sessions */

    /* calls */
    struct fb_h2_stream *pools[FB_H2_POOLS]; /* to be used again */
    size_t pooled_bytes[FB_H2_POOLS];        /* that they hold */
    struct fb_h2_stream *dead;               /* ended, perhaps still on somebody's stack */
    unsigned inside;                         /* how deep we are in our own functions */

    /* of the registry */
    unsigned users;
    struct fb_h2_shared *next;
};

/* The one of this loop. NULL when memory is exhausted. Any thread. */
struct fb_h2_shared *fb_h2_shared_acquire(struct fb_loop *loop);
void fb_h2_shared_release(struct fb_h2_shared *shared);

/*
 * Brackets whatever may end a call: a call that ends inside keeps its memory until the outermost
 * leave, so that whoever is on the stack may still look at it.
 */
void fb_h2_enter(struct fb_h2_shared *shared);
void fb_h2_leave(struct fb_h2_shared *shared);

#endif
