#ifndef FB_TESTS_BENCH_FLOW_WORLD_H
#define FB_TESTS_BENCH_FLOW_WORLD_H

/*
 * flow_world: agents at work on a session, simulated, folded by the engine's own code as it goes.
 *
 * A project has its pace: the median of its holds is log-normal around ten minutes (sigma 1.3), each hold
 * log-normal around that and by weight (sigma 1.0), one in twelve from a tail twelve times as long.
 * Agents plan, claim, note, block, fail and finish; now and then everybody has a break or goes home,
 * holding what they hold. Beside agents that claim seldom, people plan, edit, and finish what they have
 * never claimed. What is asked to go wrong goes wrong from `wrong_at_ms` on. Everything
 * follows from the seed. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/session.h"

enum {
    WORLD_AGENTS_MOST = 8,
    WORLD_MODULES = 500, /* that files are shown of */
};

enum world_wrong {
    WORLD_CLEAN,
    WORLD_STOP,        /* an agent that holds a task is never heard again */
    WORLD_THRASH,      /* one hands back what it claims, and claims it again */
    WORLD_RETRY_STORM, /* tasks fail, and are tried again at once */
    WORLD_STARVE,      /* a task needs what nobody is capable of */
    WORLD_SLOW,        /* everybody takes four times as long */
    WORLD_FLOOD,       /* an agent plans chains in place of working */
    WORLD_DOUBLE,      /* an agent plans what is open already, in nearly the same words */
    WORLD_WRONGS
};

/* A hold that ended well. */
struct world_hold {
    int64_t wall_ms;
    int64_t awake_ms;
    int64_t silence_wall_ms; /* the longest of its agent within it */
    int64_t silence_awake_ms;
    uint64_t fence;
    uint32_t task;
};

struct world_agent {
    char name[16];
    bool visits; /* claims nothing */
    bool holds;
    bool gone;
    uint32_t task;
    uint64_t fence;
    int64_t next_ms; /* work clock: of its next act */
    int64_t ends_ms; /* work clock: of its hold */
    int64_t heard_ms;
    int64_t heard_awake_ms;
    struct world_hold hold; /* so far; began at: */
    int64_t since_ms;
    int64_t since_awake_ms;
};

struct world_pause {
    int64_t at_ms; /* work clock */
    int64_t lasts_ms;
};

struct world {
    struct session *session;
    unsigned short seed[3];
    enum world_wrong wrong;

    /* the project */
    double median_minutes;
    double note_minutes;
    double idle_minutes; /* of an agent, between two tasks */
    uint32_t agent_count;
    struct world_agent agents[WORLD_AGENTS_MOST];

    /* time */
    int64_t work_ms;
    int64_t now_ms; /* unix time */
    int64_t ends_ms;
    int64_t wrong_at_ms; /* work clock */
    struct world_pause *pauses;
    size_t pause_count;
    size_t pauses_passed;
    int64_t paused_ms; /* by now */

    /* what went wrong */
    bool went_wrong;
    int64_t wrong_ms; /* unix time */
    uint32_t wrong_agent;
    uint32_t wrong_task;
    uint32_t wrong_count; /* acts of it */
    uint32_t doubles_planned;

    /* of the last act */
    bool finished;
    struct world_hold hold;

    struct fb_arena arena;
};

/*
 * False when memory is exhausted. `hours` on the work clock; `busy` agents claim again within minutes,
 * the others so seldom that a project has about one hold in an hour.
 */
bool world_init(struct world *world, uint32_t seed, double hours, bool busy,
                enum world_wrong wrong);
void world_finish(struct world *world);

/* Unix time of the next act, or 0 when the time is over or nobody is left. */
int64_t world_next_ms(struct world *world);

/* Lets it happen. */
void world_act(struct world *world);

/* A person looks in, a day after the last act. */
void world_visit(struct world *world);

/* Somebody looks for the evidence of a task and does not find it. */
void world_doubt(struct world *world, uint32_t task);

/* Somebody wants two open tasks to wait for each other. */
void world_knot(struct world *world);

#endif
