#ifndef FB_CLIENTS_FLOWCTL_MERGE_H
#define FB_CLIENTS_FLOWCTL_MERGE_H

/*
 * merge: decides what of the servers of other clients comes into our file. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "runtime/config/servers.h"

enum merge_verdict {
    MERGE_ADDED,    /* ours has no server of that name */
    MERGE_SAME,     /* ours has the same */
    MERGE_DIFFERS,  /* ours has another of that name, which stays */
    MERGE_REPLACED, /* ours has another of that name, which goes */
    MERGE_CONFLICT, /* a client before has another of that name */
    MERGE_OURSELF,  /* it is our own gateway */
    MERGE_UNUSABLE, /* it needs what only its client has */
    MERGE_VERDICTS
};

/* For --json and for people: "added", "same" … */
extern const char *const merge_names[MERGE_VERDICTS];

/* Whether two entries start or reach the same thing. */
bool merge_equal(const struct fb_server_entry *a, const struct fb_server_entry *b);

/*
 * What becomes of `entry`, given our servers and those that clients before it have, as far as these
 * were taken or are ours already. `replace`: an entry that differs goes in place of ours.
 */
enum merge_verdict merge_judge(const struct fb_server_entry *entry, const struct fb_servers *ours,
                               const struct fb_server_entry *const *before, size_t before_count,
                               bool replace);

/*
 * The entry as it must stand in our file: one that is limited to a project, or that names its program by
 * a relative path, runs in its project's folder, and ${workspaceFolder} becomes that folder. `folder`
 * is the project's, NULL for a file of the user. False when the arena is exhausted.
 */
bool merge_settle(const struct fb_server_entry *entry, const char *folder, struct fb_arena *arena,
                  struct fb_server_entry *settled);

/* Appends the ids of ${input:id} that the entry wants values for, with commas; nothing for none. */
void merge_inputs(const struct fb_server_entry *entry, struct fb_buffer *out);

/*
 * One line that says what an entry is, for people: command and arguments, or URL. Values that look like
 * secrets are left out.
 */
void merge_describe(const struct fb_server_entry *entry, struct fb_buffer *out);

#endif
