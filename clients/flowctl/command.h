#ifndef FB_CLIENTS_FLOWCTL_COMMAND_H
#define FB_CLIENTS_FLOWCTL_COMMAND_H

/*
 * command: what main knows of each command, and what a command is given.
 *
 * A command is one constant of this type in a file of its own; main.c has the table of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/config/note.h"
#include "runtime/config/option.h"

/* Exit codes, as `flowctl --help` tells them; the numbers above 1 are those of <sysexits.h>. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_NEGATIVE = 1,     /* the answer is no: a tool failed, something is wrong, not found */
    EXIT_USAGE = 64,       /* arguments that no command takes */
    EXIT_UNAVAILABLE = 69, /* nobody answers, or not in time */
    EXIT_INTERNAL = 70,    /* our own fault */
    EXIT_DENIED = 77,      /* may not: credentials, permissions */
    EXIT_CONFIG = 78,      /* a configuration that cannot be used */
};

/* What every command can be told. */
struct globals {
    /* whom to ask */
    const char *router; /* NULL: the local suite's */
    const char *store;  /* NULL: the local suite's */
    const char *tls_ca;
    const char *tls_cert;
    const char *tls_key;
    const char *tls_server_name;
    const char *token_file;
    int64_t timeout_ms; /* of a call that answers at once */

    /* where the local suite lives */
    const char *state_dir; /* NULL: ~/.local/state/flow-balancer */

    /* how to answer */
    bool json;
    int colour; /* enum terminal_colour_mode */
};

/* All borrowed; lives as long as the command runs. */
struct run {
    const struct globals *globals;
    struct fb_arena *arena;        /* what is allocated lives until the program ends */
    const char *const *args;       /* what follows the command's name */
    size_t arg_count;              /* within the command's least and most */
    const char *state_dir;         /* never NULL */
    const char *router;            /* address; never NULL */
    const char *store;             /* address; never NULL */
    const char *config_path;       /* the file in force; it need not exist */
    bool config_given;             /* by --config */
    struct fb_status config_state; /* of reading the file: OK also when there is none */
    const struct fb_notes *notes;  /* unknown keys of ours in it */
};

struct command {
    const char *name;    /* one or two words: "tools ls" */
    const char *usage;   /* what follows the name; "" for nothing */
    const char *purpose; /* one line, no full stop */
    const char *details; /* paragraphs for its --help; NULL for none */
    const struct fb_option *options;
    void *config; /* the options are read into */
    size_t least_args;
    size_t most_args;
    int (*run)(const struct run *run); /* an enum exit_code */
};

#endif
