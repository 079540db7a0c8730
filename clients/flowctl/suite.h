#ifndef FB_CLIENTS_FLOWCTL_SUITE_H
#define FB_CLIENTS_FLOWCTL_SUITE_H

/*
 * suite: what flow-supervisor says of the suite of this machine, in `run/suite.json`, and whether it
 * lives: it holds `run/suite.lock` as long as it does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum { SUITE_PROGRAMS_MOST = 256, SUITE_FILE_BYTES = 1 << 20 };

struct suite_program {
    const char *name;    /* "router", "worker-warm-0" */
    const char *address; /* "unix:…" */
    const char *state;   /* "running", "waiting", "ending", "ended" */
    int64_t pid;         /* 0 when it does not run */
    int64_t started_unix_ms;
    int64_t starts;
};

/* A value; its memory is the arena's. */
struct suite {
    bool runs;    /* the lock is held */
    bool is_told; /* the file was there and read; without `runs` it was left behind */
    const char *version;
    int64_t pid; /* of the supervisor */
    int64_t started_unix_ms;
    struct suite_program *programs;
    size_t count;
};

/*
 * Looks at the state folder; a folder without a suite is OK and says so. INVALID_ARGUMENT for a file
 * that is none of ours, PERMISSION_DENIED for one that we may not read; `suite->runs` holds then, too.
 */
struct fb_status suite_read(const char *state_dir, struct fb_arena *arena, struct suite *suite);

/* The file's text alone. Pure. */
struct fb_status suite_parse(struct fb_text text, struct fb_arena *arena, struct suite *suite);

/* "<folder of our own program>/<name>"; NULL when memory is exhausted or /proc is not there. */
const char *suite_beside(const char *name, struct fb_arena *arena);

/*
 * What to paste into an MCP client: an entry of `mcpServers` with the gateway as its command, with the
 * state folder and the configuration as arguments where they are not the usual ones (else NULL).
 */
void suite_client_entry(const char *gateway, const char *state_dir, const char *config_path,
                        struct fb_buffer *out);

#endif
