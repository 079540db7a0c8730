#ifndef FB_RUNTIME_LOG_RATION_H
#define FB_RUNTIME_LOG_RATION_H

/*
 * ration: how many lines of a chatty source are worth a line of the log.
 *
 * For what others write (a server's standard error): so many lines a second with a burst, and the
 * same line again only once in a while. Pure; a ration belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"

struct fb_ration {
    /* what is granted: fixed */
    uint32_t lines_per_s; /* at least 1 */
    uint32_t burst;       /* lines at once after silence; at least 1 */
    int64_t repeat_ms;    /* the same line as before passes again after so long; 0: at once */

    /* what is left */
    int64_t thousandths; /* of a line; filled up as time passes */
    int64_t filled_ms;   /* when that was reckoned */
    uint64_t last_hash;  /* of the line that passed last */
    int64_t last_ms;     /* when it did */
    uint64_t withheld;   /* lines since then that did not pass */
};

/* Begins with a full burst. */
struct fb_ration fb_ration_of(uint32_t lines_per_s, uint32_t burst, int64_t repeat_ms,
                              int64_t now_ms);

/*
 * Whether `line` may pass. If so `*withheld` is the number of lines kept back since the one before,
 * to be said with it as a field.
 */
bool fb_ration_pass(struct fb_ration *ration, struct fb_text line, int64_t now_ms,
                    uint64_t *withheld);

#endif
