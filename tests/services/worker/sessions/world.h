#ifndef FB_TESTS_SERVICES_WORKER_SESSIONS_WORLD_H
#define FB_TESTS_SERVICES_WORKER_SESSIONS_WORLD_H

/*
 * world: a real flow-store as a child process, keepers on one loop, and calls as values.
 *
 * Failures, and waiting for longer than a minute, end the test.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/child.h"
#include "runtime/loop/loop.h"
#include "services/worker/sessions/keeper.h"
#include "tests/support/folder.h"

enum { WORLD_KEEPERS = 4 };

struct world {
    struct fb_loop *loop;
    char folder[FOLDER_BYTES];
    char target[FOLDER_BYTES + 16];
    char through[FOLDER_BYTES + 16]; /* where keepers find the store; "": itself */
    struct fb_child store;
    int store_ends;
    struct keeper *keepers[WORLD_KEEPERS];
};

/* What each test begins with; the program of the store is the first argument of the test. */
extern const char *world_store_program;

int world_set_up(void **state);
int world_tear_down(void **state);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

void world_start_store(struct world *world);
void world_kill_store(struct world *world); /* kill -9, and waits for its end */

/* A channel to the store, or to another address. */
struct fb_channel *world_channel(struct world *world, const char *target);

/* A keeper as `config` says, of a worker w0, w1 and so on; closed with the world. */
struct keeper *world_keeper(struct world *world, unsigned number,
                            const struct keeper_config *config);

/* The worker is gone without a word. */
void world_lose_keeper(struct world *world, unsigned number);

/* Drains it, waits for the end of that, and closes it. */
void world_drain_keeper(struct world *world, unsigned number);

/* Turns the loop until it is true. */
void world_until(struct world *world, const bool *done);
void world_until_int(struct world *world, const int *value, int wanted);

/* Unix time as keepers see it; it runs from the start, and can be set forward. */
int64_t world_unix_ms(void);
void world_pass(int64_t ms);

/* --- calls --- */

enum ask_kind {
    ASK_OPEN,
    ASK_PLAN,   /* `count` tasks, one after the other if `chained` */
    ASK_NEXT,   /* waits if `call.wait_ms` is set */
    ASK_PULSE,  /* `note` */
    ASK_FINISH, /* `next`: claims as well */
    ASK_LOOK,   /* the session's snapshot and counts */
    ASK_CHANGE, /* waits for a change */
    ASK_HUGE,   /* more than an append may hold */
};

struct ask {
    struct keeper_call call;
    enum ask_kind kind;
    const char *session;
    const char *agent;
    const char *request; /* NULL: none */
    uint32_t task;
    uint64_t fence;
    uint32_t count;
    bool chained;
    bool next;
    const char *note;
    int64_t lease_ms;       /* of ASK_OPEN */
    int64_t defer_until_ms; /* of ASK_PLAN, unix time */

    struct fb_arena arena;
    struct keeper *keeper;
    bool ended;
    bool waited;
    struct keeper_end end;
    int decided; /* how often */
    enum keeper_cause cause;
    enum refusal_kind refusal;
    bool repeated;
    uint32_t got_task;
    uint64_t got_fence;
    struct fb_text state; /* of ASK_LOOK */
    uint32_t in_state[TASK_STATES];
    uint64_t events;
    bool fault; /* an invariant does not hold */
};

/* Begins the ask, whose first group is set; and waits for its end. */
void ask_begin(struct keeper *keeper, struct ask *ask);
void ask_wait(struct world *world, struct ask *ask);
void ask_do(struct world *world, struct keeper *keeper, struct ask *ask);
void ask_finish(struct ask *ask);

/* Does it, wants OK without a refusal, and forgets all but the values. */
struct ask must(struct world *world, struct keeper *keeper, struct ask ask);

/* The state of the session as bytes and counts; to be given to ask_finish. */
struct ask look(struct world *world, struct keeper *keeper, const char *session);

/* The last sequence of the session in the store, as its own reader sees it. */
int64_t stored_sequence(struct world *world, const char *session);

#endif
