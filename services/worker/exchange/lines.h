#ifndef FB_SERVICES_WORKER_EXCHANGE_LINES_H
#define FB_SERVICES_WORKER_EXCHANGE_LINES_H

/*
 * lines: lines out of bytes that come in chunks, each held within a limit.
 *
 * Holds at most one line that has begun. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum { LINES_BYTES_MOST = 2 << 20 }; /* of one line */

/* All zero stands before the first line. */
struct lines {
    struct fb_buffer begun; /* of a line whose end has not come */
    uint64_t number;        /* of the line given last, from 1 */
    uint64_t offset;        /* where it begins in the whole */
    uint64_t next_offset;   /* where the next one begins */
    bool given;             /* `begun` was given and is to be emptied */
};

void lines_finish(struct lines *lines);

enum lines_step {
    LINES_LINE, /* one is there */
    LINES_MORE, /* the chunk is used up */
    LINES_LONG, /* it is longer than LINES_BYTES_MOST; `number` and `offset` say which */
    LINES_MEMORY,
};

/* The next line, without its end, of what `chunk` goes on with; good until the next call. */
enum lines_step lines_next(struct lines *lines, struct fb_text *chunk, struct fb_text *line);

/* What stands behind the last line end; true if that is anything. Nothing may come any more. */
bool lines_rest(struct lines *lines, struct fb_text *line);

#endif
