#ifndef FB_TESTS_SUPPORT_FOLDER_H
#define FB_TESTS_SUPPORT_FOLDER_H

/*
 * folder: a folder of a test's own, with a path short enough for Unix sockets.
 */

#include <stdbool.h>

enum { FOLDER_BYTES = 32 };

/* Makes one below /tmp and writes its path. */
bool folder_make(char path[FOLDER_BYTES]);

/* Removes it with all that is in it. */
bool folder_remove(const char *path);

#endif
