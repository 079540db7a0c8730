#include "runtime/rpc/core/outbox.h"

#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

enum { PREFIX_BYTES = 5 }; /* what gRPC puts before each message */

struct fb_core_message {
    struct fb_core_message *next;
    grpc_byte_buffer *buffer;
    grpc_slice slice;
    size_t bytes;
};

static void message_free(struct fb_core_message *message)
{
    if (message == NULL) {
        return;
    }
    if (message->buffer != NULL) {
        grpc_byte_buffer_destroy(message->buffer);
    }
    grpc_slice_unref(message->slice);
    free(message);
}

uint8_t *fb_core_outbox_begin(struct fb_core_outbox *outbox, size_t size)
{
    struct fb_core_message *message = calloc(1, sizeof(*message));
    uint8_t *room = malloc(size == 0 ? 1 : size);

    if (message == NULL || room == NULL) {
        free(message);
        free(room);
        return NULL;
    }
    message->slice = grpc_slice_new(room, size, free);
    message->bytes = size + PREFIX_BYTES;
    message_free(outbox->filling);
    outbox->filling = message;
    return room;
}

size_t fb_core_outbox_end(struct fb_core_outbox *outbox)
{
    struct fb_core_message *message = outbox->filling;

    outbox->filling = NULL;
    message->buffer = grpc_raw_byte_buffer_create(&message->slice, 1);
    if (outbox->first == NULL) {
        outbox->first = message;
    } else {
        outbox->last->next = message;
    }
    outbox->last = message;
    outbox->bytes += message->bytes;
    return outbox->bytes;
}

bool fb_core_outbox_at_end(const struct fb_core_outbox *outbox)
{
    return outbox->first == outbox->last;
}

grpc_byte_buffer *fb_core_outbox_send(struct fb_core_outbox *outbox)
{
    if (outbox->first == NULL) {
        return NULL;
    }
    outbox->under_way = true;
    return outbox->first->buffer;
}

size_t fb_core_outbox_sent(struct fb_core_outbox *outbox)
{
    struct fb_core_message *message = outbox->first;
    size_t bytes;

    if (!outbox->under_way) {
        return 0;
    }
    bytes = message->bytes;
    outbox->under_way = false;
    outbox->first = message->next;
    if (outbox->first == NULL) {
        outbox->last = NULL;
    }
    outbox->bytes -= bytes;
    message_free(message);
    return bytes;
}

void fb_core_outbox_drop(struct fb_core_outbox *outbox)
{
    struct fb_core_message *kept = outbox->under_way ? outbox->first : NULL;
    struct fb_core_message *message = kept == NULL ? outbox->first : kept->next;

    while (message != NULL) {
        struct fb_core_message *next = message->next;

        message_free(message);
        message = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
    }
    outbox->first = kept;
    outbox->last = kept;
    outbox->bytes = kept == NULL ? 0 : kept->bytes;
}

void fb_core_outbox_finish(struct fb_core_outbox *outbox)
{
    outbox->under_way = false;
    fb_core_outbox_drop(outbox);
    message_free(outbox->filling);
    outbox->filling = NULL;
}
