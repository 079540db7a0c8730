#ifndef FB_SERVICES_WORKER_FLOW_RHYTHM_H
#define FB_SERVICES_WORKER_FLOW_RHYTHM_H

/*
 * rhythm: how a session usually goes, and what of it is unusual now.
 *
 * Learns how long tasks are held and how long agents are silent while they hold one (outliers), how
 * many tasks complete and how many are dropped or taken up again in each RHYTHM_TICK_MS (chart), and how
 * often failed tasks are tried again. Ticks in which nothing was ready say nothing of completions.
 *
 * Holds, silences and ticks are told on a clock of their own, the busy time: of a silence of everybody it counts
 * only as much as is usual (z of RHYTHM_BUSY_Z), so that breaks and nights make nobody look stuck, however
 * short they are. All other time is the session's awake time. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "services/worker/flow/caution.h"
#include "services/worker/flow/chart.h"
#include "services/worker/flow/outliers.h"

#define RHYTHM_FLIP_DEVIATIONS 2.7
#define RHYTHM_DROP_DEVIATIONS 3.0
#define RHYTHM_STORM_CHANCE    1e-3
#define RHYTHM_BUSY_Z          1.3
#define RHYTHM_SILENT_Z        3.0
#define RHYTHM_HELD_Z          1.0 /* of a hold that stalls, with */
#define RHYTHM_STALLED_Z       2.2 /* of the silence */

enum {
    RHYTHM_BUSY_LEAST_MS = 2 * 60 * 1000, /* that the busy time counts of a silence of everybody */
    RHYTHM_BUSY_MOST_MS = 2 * 60 * 60 * 1000,
    RHYTHM_LULL_LEAST_MS = 1000, /* less is one call's own */
    RHYTHM_UNLEARNED_HOLD_MS = 4 * 60 * 60 * 1000,
    RHYTHM_UNLEARNED_SILENCE_MS = 2 * 60 * 60 * 1000,
    RHYTHM_TICK_MS = 30 * 60 * 1000,
    RHYTHM_WINDOW_MS = 60 * 60 * 1000,
    RHYTHM_RECENT = 16,
    RHYTHM_FLIPS_LEAST = 4,
    RHYTHM_FLIPS_OF_ONE = 3, /* of these, of the same task */
    RHYTHM_STORM_LEAST = 3,
    RHYTHM_DROP_TICKS = 2,
    RHYTHM_SPENT_MS = 24 * 60 * 60 * 1000,
};

struct rhythm_moment {
    int64_t at_ms;
    uint32_t task;
    uint32_t agent; /* NAMES_NONE: nobody */
};

/* The last of something. */
struct rhythm_moments {
    struct rhythm_moment last[RHYTHM_RECENT]; /* a ring */
    uint64_t seen;
};

/* All zero has seen nothing. */
struct rhythm {
    int64_t busy_ms;          /* busy time of the last event */
    struct outliers lulls;    /* silences of everybody */
    struct outliers holds;    /* from claim to end */
    struct outliers silences; /* of agents that hold something */
    struct caution caution;   /* of telling that one is too long */

    /* the tick under way */
    int64_t tick_ms; /* busy time when it began */
    uint32_t completions;
    uint32_t flips;
    bool dry; /* at some time in it nothing was ready */

    /* ticks that are over */
    struct chart rate;     /* of completions */
    struct chart flipping; /* of flips */
    uint32_t low_ticks;    /* in a row */
    int64_t low_since_ms;  /* busy time */

    struct rhythm_moments left;     /* handed back or blocked, and claimed again after that */
    struct rhythm_moments attempts; /* further ones */
    struct rhythm_moments spent;    /* the last attempt failed */
};

/* Busy time, so long after the last event. */
int64_t rhythm_busy_ms(const struct rhythm *rhythm, int64_t lull_ms);

/* Before an event: what has passed since the one before, with so much ready. */
void rhythm_advance(struct rhythm *rhythm, int64_t lull_ms, uint32_t ready);

/* After it. */
void rhythm_settle(struct rhythm *rhythm, uint32_t ready);

/* -- what it was -- */

void rhythm_claimed(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms);
void rhythm_left(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms);
void rhythm_completed(struct rhythm *rhythm);
void rhythm_tried_again(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms);
void rhythm_spent(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms);

/* A silence of an agent that holds something is over; its last hold had lasted so long by then. */
void rhythm_heard(struct rhythm *rhythm, int64_t silent_ms, int64_t held_ms, int64_t now_ms);

/* A hold ended well. */
void rhythm_held(struct rhythm *rhythm, int64_t held_ms);

/* -- what is unusual -- */

/* An agent that holds something is silent for unusually long. */
bool rhythm_is_silent(const struct rhythm *rhythm, int64_t silent_ms, int64_t now_ms);

/*
 * A task is held for unusually long, and nothing was heard of its holder for longer than usual either:
 * so each of them may be less unusual than a silence alone.
 */
bool rhythm_is_stalled(const struct rhythm *rhythm, int64_t held_ms, int64_t silent_ms,
                       int64_t now_ms);

struct rhythm_burst {
    uint32_t count; /* within the last hour */
    double usual;   /* in an hour */
    double chance;  /* of so many; of attempts only */
    uint32_t task;  /* the one that has most of them */
    uint32_t of_task;
    uint32_t agent; /* who did the last of them */
    int64_t since_ms;
};

/* Tasks are taken up and dropped again and again. */
bool rhythm_thrashes(const struct rhythm *rhythm, int64_t now_ms, struct rhythm_burst *burst);

/* So many tasks are tried again that it is no chance: P(so many | Poisson) < RHYTHM_STORM_CHANCE. */
bool rhythm_storms(const struct rhythm *rhythm, int64_t now_ms, struct rhythm_burst *burst);

struct rhythm_drop {
    double average; /* completions in a tick, lately */
    double usual;
    int64_t since_ms; /* busy time */
};

/* Fewer complete than usual, while `ready` tasks wait; at a busy time. */
bool rhythm_drops(const struct rhythm *rhythm, int64_t busy_ms, uint32_t ready,
                  struct rhythm_drop *drop);

/* P(at least `count`) of a Poisson variable. */
double rhythm_chance(uint32_t count, double mean);

#endif
