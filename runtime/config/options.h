#ifndef FB_RUNTIME_CONFIG_OPTIONS_H
#define FB_RUNTIME_CONFIG_OPTIONS_H

/*
 * options: all settings of a program, from its arguments, its file and its tables.
 *
 * Where a value comes from: the arguments (`--heartbeat-grace 6s`, `--heartbeat_grace=6s`,
 * `--flag`, `--no-flag`), else the object of the program in the file (`flow.router`), else the
 * fallback of the table. Every program also has --config, --print-config, --print-schema, --help
 * and --version. Reading has no side effects, so a file that changed is read anew into another
 * struct.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/config/note.h"
#include "runtime/config/option.h"

/* A table and the struct that its offsets are of. */
struct fb_option_set {
    const struct fb_option *options; /* at most FB_OPTION_SET_MOST, then a NULL name */
    void *config;                    /* written whole: each option gets a value */
};

enum { FB_OPTION_SETS = 4, FB_OPTION_SET_MOST = 64, FB_OPTION_REST = 64 };

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
 * cannot be read. With --help, --version and --print-schema the first of them is the wish, and
 * nothing else has to be right.
 */
struct fb_status fb_options_read(const struct fb_options_plan *plan, int argc, char *const *argv,
                                 struct fb_arena *arena, struct fb_options *options);

/* The text of --help: every option with its range and default. */
void fb_options_help(const struct fb_options_plan *plan, struct fb_buffer *out);

/*
 * The values in force as the JSON of a config file: {"flow": {"router": {…}}}. A program that prints them
 * writes the notes to standard error, so that --print-config is also the test of a file.
 */
void fb_options_print(const struct fb_options_plan *plan, struct fb_buffer *out);

#endif
