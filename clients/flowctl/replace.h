#ifndef FB_CLIENTS_FLOWCTL_REPLACE_H
#define FB_CLIENTS_FLOWCTL_REPLACE_H

/*
 * replace: puts a new content in place of a file that belongs to the user, so that neither the old nor
 * the new one can be lost.
 */

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

/*
 * Keeps what is there as "<file>.<date>-<time>.backup" beside it (`*backup`, in the arena; NULL when there
 * was no file), then writes the text beside it and renames it into place, synced to disk. Links are
 * followed; the mode stays, a new file gets 0600 and its folders 0700. PERMISSION_DENIED,
 * UNAVAILABLE and INVALID_ARGUMENT name the file; then the old one is untouched.
 */
struct fb_status replace_file(const char *path, struct fb_text text, struct fb_arena *arena,
                              const char **backup);

#endif
