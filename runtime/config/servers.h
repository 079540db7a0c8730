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
#include "runtime/config/server_flow.h"

/* A file has at most 4 MiB and 64 levels. */
enum {
    FB_SERVERS_MOST = 1000,
    FB_SERVER_NAME_BYTES = 128,
    FB_SERVER_ARGS_MOST = 1024,
    FB_SERVER_ENV_MOST = 1024,
    FB_SERVER_DIGEST_BYTES = 64 /* hex digits */
};

enum fb_server_kind { FB_SERVER_STDIO, FB_SERVER_HTTP, FB_SERVER_SSE };

/* A value; all its memory is the arena's. */
struct fb_server_entry {
    /* who */
    const char *name;    /* the key of the entry */
    const char *project; /* directory it is limited to; NULL: none (foreign files only) */
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

/*
 * Appends {"mcpServers": {…}} that reads back as the same servers, given that they were read
 * verbatim. Of servers with the same name only the first is there; one that is limited to a project
 * runs in its directory.
 */
void fb_servers_print(const struct fb_servers *servers, struct fb_buffer *out);

/* NULL when there is none of that name. */
const struct fb_server_entry *fb_servers_find(const struct fb_servers *servers, const char *name);

#endif
