#ifndef FB_RUNTIME_LOOP_DESCENDANTS_H
#define FB_RUNTIME_LOOP_DESCENDANTS_H

/*
 * descendants: reaches the processes below this one, however they hide.
 *
 * A process that left its group and session, or whose parent ended, still descends from us once we
 * adopt: then the kernel makes it our child when its parent ends. So as long as waitpid knows a
 * child of ours there may be descendants, and when it knows none there are none. One thread at a
 * time. Needs libc and /proc alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * From now on orphans below us become our children (a "child subreaper"). Children do not inherit
 * it. False when the kernel refuses.
 */
bool fb_descendants_adopt(void);

/*
 * Sends `number` (0: none, to count alone) to every descendant that has not ended, but not to the
 * children in `spared` nor to what descends from them. Returns how many had not ended. What is born
 * meanwhile may be missed: to end all of them repeat with SIGKILL. Never signals a stranger that
 * inherited a number. 0 when /proc cannot be read. Reaps nothing.
 */
size_t fb_descendants_signal(int number, const pid_t *spared, size_t spared_count);

/*
 * Reaps the children of ours that have ended, but none in `spared` (those whose end somebody wants
 * to know). While one of these has ended and is not reaped yet, others may be left for the next
 * time. False when there is no child left at all, ended or not.
 */
bool fb_descendants_reap(const pid_t *spared, size_t spared_count);

#endif
