#include "services/worker/flow_service/sending.h"

bool sending_go(struct sending *sending, bool all)
{
    struct fb_buffer *out = &sending->out;

    while (!sending->behind && sending->sent < out->size) {
        const size_t left = out->size - sending->sent;
        const size_t size = left < SENDING_PIECE_BYTES ? left : SENDING_PIECE_BYTES;

        if (size < SENDING_PIECE_BYTES && !all) {
            break;
        }
        sending->behind = !sending->send(
            sending->arg, (struct fb_text){.data = out->data + sending->sent, .size = size});
        sending->sent += size;
    }
    if (sending->sent == out->size) {
        fb_buffer_clear(out, SENDING_PIECE_BYTES * 2);
        sending->sent = 0;
    } else if (sending->sent >= out->size / 2) { /* so each byte is moved once on average */
        fb_buffer_consume(out, sending->sent);
        sending->sent = 0;
    }
    return !sending->behind;
}

void sending_drained(struct sending *sending)
{
    sending->behind = false;
}

void sending_finish(struct sending *sending)
{
    fb_buffer_finish(&sending->out);
}
