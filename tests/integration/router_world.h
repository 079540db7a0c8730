#ifndef FB_TESTS_INTEGRATION_ROUTER_WORLD_H
#define FB_TESTS_INTEGRATION_ROUTER_WORLD_H

/*
 * router_world: a router, its workers and its callers, as servers and channels on libnghttp2 in one
 * process, joined by Unix sockets. The workers' handlers are the only thing made up: they answer raw
 * bytes, whichever method is called.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/channel.h"
#include "services/router/router.h"

enum { PATIENCE_MS = 20000, WORKERS = 2, ANSWERS_MOST = 64 };

/* What a worker's handler does with the next calls. */
enum behaviour {
    ANSWERS,
    HOLDS,
    REFUSES_UNRUN,
    FAILS,
    FLOODS,
    SAYS_HELD, /* by `holder`, until it is told to take over */
    WAITS,     /* answers one message, then holds */
    TAKES_IN,  /* all messages, then answers with how many bytes they were */
};

struct worker_side {
    char path[64];
    char id[16];
    struct fb_server *server;
    struct fb_channel *channel;
    struct fb_client_call *join;
    enum behaviour behaviour;
    const char *holder; /* with SAYS_HELD */
    int calls;          /* that came */
    int taken_over;     /* of these, told to take over */
    int cancelled;      /* of those held */
    bool told_to_drain;
    struct fb_call *held; /* the last one, of HOLDS */
    int64_t flooded_bytes;
    size_t taken_in; /* bytes of TAKES_IN */
};

struct answer {
    bool over;
    enum fb_code code;
    char why[128];
    char worker[16];
    char taken_in[16]; /* bytes that a worker took in */
    bool not_run;
    size_t messages;
    size_t bytes;
    struct fb_client_call *call;
};

extern struct fb_loop *loop;
extern struct router *router;
extern struct fb_channel *channel;
extern struct router_config config;
extern struct worker_side sides[WORKERS];
extern char *second_address; /* of workers that join; NULL: none */

#define WAIT_FOR(condition)                                 \
    do {                                                    \
        const int64_t end_ms = fb_clock_ms() + PATIENCE_MS; \
        while (!(condition)) {                              \
            assert_true(fb_clock_ms() < end_ms);            \
            fb_loop_turn(loop, 50);                         \
        }                                                   \
    } while (0)

int world_setup(void **state);
int world_teardown(void **state);

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* The worker joins; or says which sessions it holds; or dies. */
void join(size_t i);
void say(size_t i, char **sessions, size_t session_count, bool hello_too);
void stop_worker(size_t i);

/* Parts of these: it asks to join without waiting for it; it listens, or no longer. */
void begin_join(size_t i);
void open_worker(size_t i);
void close_worker(size_t i);

/* What the router knows of the worker; NULL when it has none of its id. */
struct worker *known(size_t i);

int calls_that_came(void);

extern const char CALL_TOOL[];
extern const char LIST_TOOLS[];
extern const char LISTEN[];

extern const struct fb_client_call_events answer_events;

/* A call of which the answer is told here; the caller sends and closes. */
struct answer *call_with(const char *path, int64_t deadline_ms);

/* One message with a context of "agent" and the session; or with no session. */
struct answer *ask_with(const char *path, const char *session, int64_t deadline_ms);
struct answer *ask(const char *path);

/* The given message. */
struct answer *ask_message(const char *path, const ProtobufCMessage *message);

#endif
