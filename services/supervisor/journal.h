#ifndef FB_SERVICES_SUPERVISOR_JOURNAL_H
#define FB_SERVICES_SUPERVISOR_JOURNAL_H

/*
 * journal: the one log file of the suite, bounded in size.
 *
 * Programs write their lines into a pipe, each by one write of at most PIPE_BUF bytes, so that they
 * never mix; the journal brings them to the file. A file that is full becomes "<path>.1" in place
 * of the one before. On the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/loop/loop.h"

struct journal {
    struct fb_watch watch; /* of the pipe's reading end */
    const char *path;
    int64_t most_bytes; /* of each of the two files */
    int64_t size_bytes;
    int file;  /* where the supervisor itself logs; stays the same number */
    int input; /* the pipe's writing end, for programs */
    bool torn; /* what was written last is not the end of a line */
};

/*
 * `path` is borrowed. The file is made with mode 0600, its folder must exist. UNAVAILABLE when the
 * system has no room, PERMISSION_DENIED when the file cannot be opened; nothing is left open then.
 */
struct fb_status journal_open(struct journal *journal, struct fb_loop *loop, const char *path,
                              int64_t most_bytes);

/* Writes what still is in the pipe, then closes. */
void journal_close(struct journal *journal);

#endif
