#ifndef FB_CLIENTS_FLOWCTL_SESSIONS_OUTPUT_H
#define FB_CLIENTS_FLOWCTL_SESSIONS_OUTPUT_H

/*
 * output: a document on its way to standard output or into a file, which appears only when it is whole.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

struct output {
    const char *path; /* NULL: standard output */
    const char *part; /* what is written meanwhile */
    FILE *file;
    uint64_t bytes;
};

/* `path` NULL or "-" is standard output. UNAVAILABLE names the file and why. */
struct fb_status output_open(struct output *output, const char *path, struct fb_arena *arena);

/* False when it could not be written; output_close says why. */
bool output_write(struct output *output, const void *data, size_t size);

/* Puts the file in place, on disk; or with `keep` false takes what was written away. */
struct fb_status output_close(struct output *output, bool keep, struct fb_arena *arena);

#endif
