#ifndef FB_CLIENTS_EVIDENCE_EVIDENCE_H
#define FB_CLIENTS_EVIDENCE_EVIDENCE_H

/*
 * evidence: what shows that work was done, looked at on the machine that has it.
 *
 * Reading blocks, for as long as a file of FB_EVIDENCE_FILE_BYTES takes: not on a loop's thread, or
 * with `stop` to end it. Without state, so any thread may use it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"

enum {
    FB_EVIDENCE_MOST = 64,        /* of one task */
    FB_EVIDENCE_REF_BYTES = 1024, /* longest path, commit or command line */
    FB_EVIDENCE_HOST_BYTES = 128,
};

/* Of larger files only the size is taken. */
#define FB_EVIDENCE_FILE_BYTES (INT64_C(4) << 30)

enum fb_evidence_kind {
    FB_EVIDENCE_FILE,    /* `ref` is its absolute path */
    FB_EVIDENCE_COMMIT,  /* `ref` is its id in hexadecimal digits */
    FB_EVIDENCE_COMMAND, /* `ref` is its line */
    FB_EVIDENCE_OTHER,   /* a URL, say */
};

struct fb_evidence {
    enum fb_evidence_kind kind;
    const char *ref; /* in the arena, or what was given */

    /* of a file */
    bool there;
    bool digested;
    uint8_t sha256[32];
    int64_t size;
    const char *why; /* why it has no digest, for people; "" when it has one, or is no file */
};

/*
 * What `said` is: a path (absolute, with a slash, beginning with ".", or of something that is there
 * in `folder`), a commit (7 to 64 hexadecimal digits, "commit " before them or not), a command ("$ "
 * before it, or several words that are no path), or else. A file is read. False: empty, too long, or
 * no memory for it; `*why` says which.
 */
bool fb_evidence_look(const char *said, const char *folder, const atomic_bool *stop,
                      struct fb_arena *arena, struct fb_evidence *evidence, const char **why);

/* The file of an absolute path as it is now. */
struct fb_evidence fb_evidence_of_file(const char *path, const atomic_bool *stop);

/* The name of this machine, with a NUL. */
void fb_evidence_host(char host[FB_EVIDENCE_HOST_BYTES + 1]);

#endif
