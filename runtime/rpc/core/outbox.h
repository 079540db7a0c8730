#ifndef FB_RUNTIME_RPC_CORE_OUTBOX_H
#define FB_RUNTIME_RPC_CORE_OUTBOX_H

/*
 * outbox: the messages of one call that wait to be handed to the library, which takes one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

struct fb_core_message;

/* All zero is empty. */
struct fb_core_outbox {
    struct fb_core_message *first;
    struct fb_core_message *last;
    struct fb_core_message *filling; /* between begin and end */
    size_t bytes;                    /* waiting, the one under way included */
    bool under_way;                  /* the first is with the library */
};

/* Room for a message; NULL when memory is exhausted. */
uint8_t *fb_core_outbox_begin(struct fb_core_outbox *outbox, size_t size);

/* Queues what was begun; returns the bytes that wait. */
size_t fb_core_outbox_end(struct fb_core_outbox *outbox);

/* Whether the first message, if there is any, is also the last. */
bool fb_core_outbox_at_end(const struct fb_core_outbox *outbox);

/* The first message, from now under way; NULL when there is none. It stays the outbox's. */
grpc_byte_buffer *fb_core_outbox_send(struct fb_core_outbox *outbox);

/* What was under way is sent (or lost); returns its bytes. */
size_t fb_core_outbox_sent(struct fb_core_outbox *outbox);

/* Drops all that is not under way; finish, all. */
void fb_core_outbox_drop(struct fb_core_outbox *outbox);
void fb_core_outbox_finish(struct fb_core_outbox *outbox);

#endif
