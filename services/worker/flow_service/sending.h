#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_SENDING_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_SENDING_H

/*
 * sending: a document on its way to a caller, in pieces, as fast as it is read.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum { SENDING_BYTES_MOST = 64 << 20, SENDING_PIECE_BYTES = 512 << 10 };

/* Sends a piece; false: the caller is behind, see sending_drained. */
typedef bool sending_fn(void *arg, struct fb_text piece);

/* All zero but for `out.limit_bytes`, `send` and `arg`. */
struct sending {
    struct fb_buffer out; /* what is still to be sent, from `sent` on */
    size_t sent;
    bool behind; /* the caller has not read what was sent: more waits for on_drain */
    sending_fn *send;
    void *arg;
};

/*
 * Sends what there is: all of it if `all`, else only whole pieces. True: the caller keeps up, so
 * there may be more.
 */
bool sending_go(struct sending *sending, bool all);

/* The caller has caught up; then sending_go. */
void sending_drained(struct sending *sending);

void sending_finish(struct sending *sending);

#endif
