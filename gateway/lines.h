#ifndef FB_GATEWAY_LINES_H
#define FB_GATEWAY_LINES_H

/*
 * lines: bytes in, lines out.
 *
 * Each line ends with LF; one CR before it, a byte order mark before the first line and blank lines
 * are dropped. A line beyond the limit is reported once and skipped up to its LF. What stands
 * unterminated at the end is no line. Pure; memory is held only for a line in pieces, and let go
 * after it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/text.h"

struct lines_events {
    /* Without its end; borrowed until it returns. */
    void (*on_line)(void *arg, struct fb_text line);
    /* A line of more than the limit has begun; the rest of it is skipped. */
    void (*on_too_long)(void *arg);
};

struct lines {
    const struct lines_events *events;
    void *arg;
    size_t limit_bytes;
    struct fb_buffer part; /* the beginning of a line whose end has not come */
    bool begun;            /* the first line is over, so no byte order mark can come */
    bool skipping;
};

/* A value to start with; `events` is borrowed. */
struct lines lines_begin(size_t limit_bytes, const struct lines_events *events, void *arg);

void lines_finish(struct lines *lines);

/* Takes what was read. Lines that lie in `data` as a whole are not copied. */
void lines_feed(struct lines *lines, const char *data, size_t size);

#endif
