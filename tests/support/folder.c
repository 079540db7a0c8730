#define _GNU_SOURCE /* mkdtemp, nftw */

#include "tests/support/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPEN_MOST = 16 };

bool folder_make(char path[FOLDER_BYTES])
{
    snprintf(path, FOLDER_BYTES, "/tmp/flow-test-XXXXXX");
    return mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

bool folder_remove(const char *path)
{
    return nftw(path, remove_entry, OPEN_MOST, FTW_DEPTH | FTW_PHYS) == 0;
}
