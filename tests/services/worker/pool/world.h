#ifndef FB_TESTS_SERVICES_WORKER_POOL_WORLD_H
#define FB_TESTS_SERVICES_WORKER_POOL_WORLD_H

/*
 * world: a pool with real processes, flow-guard and servers that misbehave as told.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "runtime/loop/loop.h"
#include "services/worker/pool/pool.h"

enum { PATIENCE_MS = 30000, SERVERS = 3, ARGS = 8 };

struct world {
    struct fb_loop *loop;
    struct pool *pool;
    struct pool_server servers[SERVERS];
    const char *argv[SERVERS][ARGS + 1];
    size_t count;
    char note[64];         /* what the servers note down */
    size_t lists[SERVERS]; /* times that tools were read */
    size_t tools[SERVERS]; /* how many there were the last time */
    enum era era[SERVERS];
    bool stopped;
};

/* Takes the paths of flow-guard and of the server; false if they are not what was given. */
bool know_programs(int argc, char **argv);

/* Of a group: orphans come to this process, so that `end` can prove that there are none. */
int set_up(void **state);

/* --- the world --- */

/* Without servers, and not begun; `end` frees it. */
struct world *world_of(void);

/* `options` of the server, separated by single spaces; they are cut up, and kept. */
void add_server(struct world *w, const char *name, char *options);

void begin(struct world *w);

/* Begun, with one server, "nasty", and a copy of its options. */
struct world *world_with(const char *options);

/* Stops the pool and proves that no process is left. */
void end(struct world *w);

void turn_until(struct world *w, bool (*done)(const struct world *w, const void *arg),
                const void *arg);

/* How often the servers noted that down. */
size_t notes(const struct world *w, const char *what);

/* That one call has reached a server, for turn_until. */
bool is_called(const struct world *w, const void *arg);

/* --- a call and what became of it --- */

struct told {
    struct pool_call call;
    struct pool_call_plan plan;
    struct fb_arena arena;
    struct fb_buffer text; /* all that was said */
    bool ended;
    enum pool_end end;
    enum fb_code code;
    char reason[32];
};

/* They note it down in the struct told that the call is in. */
extern const struct pool_call_events call_events;

/* Calls the tool, whose name is JSON, with {"a":1.50}; `forget` frees what `t` then holds. */
void call(struct world *w, struct told *t, size_t server, const char *name);

/* The plan of that call, and a call by any other. */
struct mcp_session_plan say(const char *name);
void call_with(struct world *w, struct told *t, size_t server, const struct mcp_session_plan *say,
               bool repeatable);

/* Until it has ended. */
void wait_for(struct world *w, const struct told *t);

bool holds(const struct told *t, const char *part);
void forget(struct told *t);

/* Calls the tool that says what it was told, and has its answer. */
void expect_echo(struct world *w, size_t server);

#endif
