#ifndef FB_RUNTIME_CONFIG_OPTION_H
#define FB_RUNTIME_CONFIG_OPTION_H

/*
 * option: settings as one table, and how each is written by people.
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
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

enum fb_option_kind {
    /* what the field of the config struct must be, and what is accepted */
    FB_OPTION_STRING,   /* const char *: as it is */
    FB_OPTION_ADDRESS,  /* const char *: "host:port", "[::1]:port", "dns:host:port", "unix:/path" */
    FB_OPTION_TARGET,   /* const char *: to dial: an address, or numeric ones with commas between */
    FB_OPTION_PATH,     /* const char *: a leading "~/" is the home */
    FB_OPTION_BOOL,     /* bool: true, false, yes, no, on, off, 1, 0 */
    FB_OPTION_INTEGER,  /* int64_t */
    FB_OPTION_SIZE,     /* int64_t in bytes: "4096", "64KiB", "64MiB", "1GiB", "10MB" */
    FB_OPTION_DURATION, /* int64_t in ms: "200ms", "30s", "5m", "2h", "7d"; a bare 0 */
    FB_OPTION_CHOICE,   /* int: the place in `choices` */
    FB_OPTION_LIST,     /* struct fb_strings: commas or several times; an array in the file */
    FB_OPTION_ADDRESSES /* struct fb_strings: the same, of addresses */
};

enum { FB_OPTION_VALUES = 256 }; /* most of a list in one piece of text */

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

/*
 * Gives an option's field a value that comes another way; a list takes it split at commas. `as` is
 * how the option is called in the words of a failure. INVALID_ARGUMENT names it, what was given (unless secret) and what is
 * allowed, in words of the arena.
 */
struct fb_status fb_option_set_value(const struct fb_option *option, void *config, const char *as,
                                     const char *value, struct fb_arena *arena);

/* The same of a list, item by item. */
struct fb_status fb_option_set_list(const struct fb_option *option, void *config, const char *as,
                                    const char *const *items, size_t count, struct fb_arena *arena);

/* Gives every option of a table the value of its fallback. False when the arena is exhausted. */
bool fb_option_set_fallbacks(const struct fb_option *options, void *config, struct fb_arena *arena);

/* The option of that name, where - is as good as _; NULL when there is none. */
const struct fb_option *fb_option_find(const struct fb_option *options, const char *name);

/* Appends the value in force as JSON; what is secret as "(set)" or null. */
void fb_option_print(const struct fb_option *option, const void *config, struct fb_buffer *out);

/* What is accepted, in words: "a duration from 1s to 5m". */
void fb_option_describe(const struct fb_option *option, struct fb_buffer *out);

#endif
