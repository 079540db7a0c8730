#ifndef FB_CLIENTS_FLOWCTL_WHICH_H
#define FB_CLIENTS_FLOWCTL_WHICH_H

/*
 * which: finds a program as a shell would.
 */

#include "runtime/base/arena.h"

/*
 * The file that runs when `command` is started with this PATH: the command itself when it has a slash
 * (relative to `folder`, which may be NULL for the present one). NULL when there is none.
 */
const char *which(const char *command, const char *path, const char *folder,
                  struct fb_arena *arena);

#endif
