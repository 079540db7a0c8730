#ifndef FB_RUNTIME_CONFIG_SERVERS_H
#define FB_RUNTIME_CONFIG_SERVERS_H

/*
 * servers: the MCP servers of a configuration file, as users have it already.
 *
 * `mcpServers` verbatim (Claude, Cursor and others) and VS Code's `servers` with `inputs`; comments
 * and trailing commas are fine. Our own settings stand in `flow` of an entry, their defaults in
 * `flow.servers` of the file. Pure but for the files it is told to read; an entry that is wrong is
 * skipped with a note and never takes another one down.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"
#include "runtime/config/note.h"
#include "runtime/config/option.h"

enum {
    FB_SERVERS_MOST = 1000,
    FB_SERVERS_FILE_BYTES = 4 * 1024 * 1024,
    FB_SERVERS_DEPTH = 64,
    FB_SERVER_NAME_BYTES = 128,
    FB_SERVER_ARGS_MOST = 1024,
    FB_SERVER_DIGEST_BYTES = 64 /* hex digits */
};

enum fb_server_kind { FB_SERVER_STDIO, FB_SERVER_HTTP, FB_SERVER_SSE };

enum fb_server_sharing {
    FB_SHARING_AUTO,
    FB_SHARING_SHARED, /* many callers at once */
    FB_SHARING_POOLED, /* leased to one at a time */
    FB_SHARING_PINNED  /* one owner for life */
};

enum fb_server_tier { FB_TIER_AUTO, FB_TIER_HOT, FB_TIER_WARM, FB_TIER_COLD };

enum fb_server_era { FB_ERA_AUTO, FB_ERA_LEGACY, FB_ERA_MODERN };

/* Their names, NULL-ended, in the order of the enums. */
extern const char *const fb_sharing_names[];
extern const char *const fb_tier_names[];
extern const char *const fb_era_names[];

/* The `flow` object of an entry. */
struct fb_server_flow {
    int sharing;                /* enum fb_server_sharing */
    int tier;                   /* enum fb_server_tier */
    int era;                    /* enum fb_server_era */
    const char *scope;          /* whose credentials: part of the digest; "" for none */
    int64_t timeout_ms;         /* of a call without a deadline of its own */
    int64_t start_timeout_ms;   /* from start to the answered handshake */
    int64_t idle_timeout_ms;    /* an instance not used for so long is stopped; 0: the tier's */
    int64_t max_line_bytes;     /* a longer line from the server ends the instance */
    struct fb_strings pass_env; /* variables handed through from the worker's environment */
};

/* The table of these settings, for --help, the schema and a file's `flow.servers`. */
extern const struct fb_option fb_server_options[];

/* A value; all its memory is the arena's. */
struct fb_server_entry {
    /* who */
    const char *name;    /* the key of the entry */
    const char *project; /* directory it is limited to; NULL: all (import only) */
    bool enabled;        /* false: configured, but switched off by its user */
    enum fb_server_kind kind;

    /* stdio: started as */
    const char *const *argv; /* NULL-ended; argv[0] is the command; NULL unless stdio */
    const char *const *env;  /* NULL-ended "NAME=value", sorted; env over envFile; never NULL */
    const char *cwd;         /* NULL: the worker's */
    const char *env_file;    /* where part of `env` came from; NULL for none */

    /* http, sse: reached at */
    const char *url;            /* NULL for stdio */
    const char *const *headers; /* NULL-ended "Name: value", sorted; never NULL */

    struct fb_server_flow flow;

    /* SHA-256 in hex of all that makes its instances what they are: kind, command, arguments,
     * environment, directory, url, headers and scope. */
    char digest[FB_SERVER_DIGEST_BYTES + 1];
};

struct fb_servers {
    struct fb_server_entry *items; /* sorted by name */
    size_t count;
    struct fb_notes notes;
};

/* What `${NAME}` stands for; NULL when it is not set. */
typedef const char *fb_variable_fn(void *context, const char *name);

struct fb_servers_plan {
    const char *home;         /* of ${userHome} and "~/" */
    const char *workspace;    /* of ${workspaceFolder}; NULL: using it is an error of the entry */
    fb_variable_fn *variable; /* NULL: the environment of the process */
    void *context;            /* of `variable` */
    bool verbatim;            /* leave ${…} as it is and envFile unread: for import */
    bool foreign;             /* a file of another program: only its servers are our business */
};

/*
 * Reads a file. NOT_FOUND: there is none; PERMISSION_DENIED: not for us; INVALID_ARGUMENT: no JSON,
 * or too large or too deep, with file, line and column. All else is in the notes of `servers`.
 */
struct fb_status fb_servers_read(const struct fb_servers_plan *plan, const char *path,
                                 struct fb_arena *arena, struct fb_servers *servers);

/* The same of a text that was read already; `path` is for the words of errors. */
struct fb_status fb_servers_parse(const struct fb_servers_plan *plan, const char *path,
                                  struct fb_text text, struct fb_arena *arena,
                                  struct fb_servers *servers);

/* Appends {"mcpServers": {…}} that reads back as the same servers. */
void fb_servers_print(const struct fb_servers *servers, struct fb_buffer *out);

/* NULL when there is none of that name. */
const struct fb_server_entry *fb_servers_find(const struct fb_servers *servers, const char *name);

#endif
