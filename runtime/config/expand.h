#ifndef FB_RUNTIME_CONFIG_EXPAND_H
#define FB_RUNTIME_CONFIG_EXPAND_H

/*
 * expand: ${…} in the entries of servers.
 *
 * Known are ${VAR}, ${VAR:-x} (x when VAR is not set or empty), ${env:VAR}, ${env:VAR:-x},
 * ${input:id} and of VS Code's own ${workspaceFolder}, ${workspaceFolderBasename}, ${userHome},
 * ${pathSeparator} and ${/}. Anything else stays as it is (a shell's ${x%%.*} say), but for VS
 * Code's ${command:…} and ${config:…}, which only it could answer. What is put in is not expanded
 * again. Pure but for the functions it is given.
 */

#include "runtime/base/arena.h"
#include "runtime/base/status.h"

/*
 * What one argument of a program may be, at most; and what may stand between two braces: something
 * longer stays as it is.
 */
enum { FB_EXPANDED_BYTES = 128 * 1024, FB_REFERENCE_BYTES = 4096 };

/* What a name stands for; NULL when nothing. */
typedef const char *fb_lookup_fn(const void *context, const char *name);

struct fb_expansion {
    const char *home;
    const char *workspace; /* NULL: not known */
    fb_lookup_fn *variable;
    const void *variables; /* context of `variable` */
    fb_lookup_fn *input;
    const void *inputs; /* context of `input` */
};

/* INVALID_ARGUMENT names the variable that has no value. `*out` lives in the arena or is `text`. */
struct fb_status fb_expand(const struct fb_expansion *expansion, const char *text,
                           struct fb_arena *arena, const char **out);

#endif
