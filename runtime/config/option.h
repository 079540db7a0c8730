#ifndef FB_RUNTIME_CONFIG_OPTION_H
#define FB_RUNTIME_CONFIG_OPTION_H

/*
 * option: a program's settings as one table.
 *
 *     struct router_config {
 *         const char *listen;
 *         int64_t heartbeat_grace_ms;
 *     };
 *
 *     static const struct fb_option router_options[] = {
 *         {"listen", FB_OPTION_ADDRESS, offsetof(struct router_config, listen),
 *          .fallback = "127.0.0.1:7070", .help = "where the gateway and clients reach us"},
 *         {"heartbeat_grace", FB_OPTION_DURATION,
 *          offsetof(struct router_config, heartbeat_grace_ms),
 *          .fallback = "6s", .least = "1s", .most = "5m",
 *          .help = "silence after which a worker is gone"},
 *         {.name = NULL},
 *     };
 *
 * Where a value comes from: the arguments (`--heartbeat-grace 6s`, `--heartbeat_grace=6s`,
 * `--flag`, `--no-flag`), else the object of the program in the file (`flow.router`), else the
 * table. Reading is free of side effects, so a file that changed is read anew into another struct.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/config/note.h"

enum fb_option_kind {
    /* what the field of the config struct must be, and what is accepted */
    FB_OPTION_STRING,   /* const char *: as it is */
    FB_OPTION_ADDRESS,  /* const char *: "host:port", "[::1]:port", "dns:host:port", "unix:/path" */
    FB_OPTION_PATH,     /* const char *: a leading "~/" is the home */
    FB_OPTION_BOOL,     /* bool: true, false, yes, no, on, off, 1, 0 */
    FB_OPTION_INTEGER,  /* int64_t */
    FB_OPTION_SIZE,     /* int64_t in bytes: "4096", "64KiB", "64MiB", "1GiB", "10MB" */
    FB_OPTION_DURATION, /* int64_t in ms: "200ms", "30s", "5m", "2h", "7d"; a bare 0 */
    FB_OPTION_CHOICE,   /* int: the place in `choices` */
    FB_OPTION_LIST,     /* struct fb_strings: given several times, or an array in the file */
    FB_OPTION_ADDRESSES /* struct fb_strings: the same, of addresses */
};

/* NULL-ended, in the arena; `items` is never NULL after reading. */
struct fb_strings {
    const char *const *items;
    size_t count;
};

struct fb_option {
    const char *name; /* with underscores; on the command line - is as good */
    enum fb_option_kind kind;
    size_t offset;              /* of its field in the config struct */
    const char *fallback;       /* as a user would write it; NULL: NULL, 0, false, first or empty */
    const char *least, *most;   /* range of integers, sizes and durations; NULL for none */
    const char *const *choices; /* NULL-ended */
    const char *help;           /* one line, no full stop */
    bool secret;                /* shown as set or not set, never as it is */
};

/* A table and the struct that its offsets are of. */
struct fb_option_set {
    const struct fb_option *options; /* ends with a NULL name */
    void *config;                    /* written whole: each option gets a value */
};

enum { FB_OPTION_SETS = 4, FB_OPTION_REST = 64, FB_OPTION_VALUES = 256 };

/* What is read; all borrowed. */
struct fb_options_plan {
    const char *section;    /* "router": reads `flow.router` */
    const char *executable; /* "flow-router" */
    const char *purpose;    /* one line for --help */
    const char *usage;      /* what follows the name in --help; NULL: "[options]" */
    const char *version;
    struct fb_option_set sets[FB_OPTION_SETS]; /* the rest with options NULL; names differ */
    bool takes_rest;        /* positional arguments are allowed; else the first one is an error */
    bool rest_ends_options; /* options behind the first positional belong to `rest` */
};

/* --help, --version, --print-config and --print-schema want an answer instead of a start. */
enum fb_options_wish {
    FB_WISH_RUN,
    FB_WISH_HELP,
    FB_WISH_VERSION,
    FB_WISH_PRINT_CONFIG,
    FB_WISH_PRINT_SCHEMA
};

struct fb_options {
    enum fb_options_wish wish;
    const char *path; /* of the config file; the default one when --config was not given */
    bool path_given;  /* by --config */
    bool file_read;   /* false: there is none at the default path, which is no error */
    const char *rest[FB_OPTION_REST + 1]; /* positional arguments, NULL-ended; all behind "--" */
    size_t rest_count;
    struct fb_notes notes; /* unknown keys in our part of the file */
};

/*
 * Reads arguments, file and defaults into the structs of the sets; strings live in the arena or in
 * argv. INVALID_ARGUMENT names the option, what was given and what is allowed, or the unknown
 * option and the nearest known one, or file, line and column; NOT_FOUND: the file of --config
 * cannot be read. For a wish other than RUN nothing but the arguments has to be right.
 */
struct fb_status fb_options_read(const struct fb_options_plan *plan, int argc,
                                 const char *const *argv, struct fb_arena *arena,
                                 struct fb_options *options);

/* The text of --help: every option with its range and default. */
void fb_options_help(const struct fb_options_plan *plan, struct fb_buffer *out);

/* The values in force as the JSON of a config file: {"flow": {"router": {…}}}. */
void fb_options_print(const struct fb_options_plan *plan, struct fb_buffer *out);

/*
 * Reads one value as the option wants it into its field. For settings that come another way.
 * INVALID_ARGUMENT as above, in the arena.
 */
struct fb_status fb_option_set_value(const struct fb_option *option, void *config,
                                     const char *value, struct fb_arena *arena);

/* "30s" and so on; "64MiB" and so on. False when it is neither, or does not fit. */
bool fb_duration_parse(const char *text, int64_t *ms);
bool fb_size_parse(const char *text, int64_t *bytes);

#endif
