#ifndef FB_SERVICES_WORKER_FLOW_MOMENTUM_H
#define FB_SERVICES_WORKER_FLOW_MOMENTUM_H

/*
 * momentum: how much happened lately, as one number in [0, 1].
 *
 * Between events M(t) = M(t0) * 2^(-d/h) with h = 20 min, d on the session's *awake* clock (which
 * counts at most MOMENTUM_GAP_MS of every silence) and not at all while frozen. An event of credit c
 * makes M + c(1 - M) if c >= 0, else M(1 + c): an exponentially weighted moving average (Roberts
 * 1959). Falling momentum means rest, not failure. Pure values, any thread.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
    MOMENTUM_HALF_LIFE_MS = 20 * 60 * 1000,
    MOMENTUM_GAP_MS = 2 * 60 * 60 * 1000, /* the most that one silence counts */
};

/* What earns how much. Of a rise of pct, this is what 100 points earn. */
enum momentum_credit {
    MOMENTUM_COMPLETION, /* counts for the session */
    MOMENTUM_START,
    MOMENTUM_NEW_EVIDENCE, /* a note with a hash or commit not seen before */
    MOMENTUM_NOTE,
    MOMENTUM_REPEATED_NOTE,
    MOMENTUM_CREATED, /* a task, or an edge */
    MOMENTUM_FULL_RISE,
    MOMENTUM_SETBACK, /* blocked, failed, reopened */
    MOMENTUM_CREDITS
};

struct momentum {
    double value;  /* 0 to 1, at `at_ms` */
    int64_t at_ms; /* awake clock */
    bool frozen;   /* the task rests */
};

/* The credit's value, -1 to 1. */
double momentum_credit(enum momentum_credit credit);

/* M at a later time; an earlier one reads as `at_ms`. */
double momentum_at(const struct momentum *momentum, int64_t now_ms);

/* Earns `credit` times `share`: of a rise by d points, d / 100; otherwise 1. */
void momentum_earn(struct momentum *momentum, enum momentum_credit credit, double share,
                   int64_t now_ms);

/* As earning the same credit `times` times at once. */
void momentum_earn_many(struct momentum *momentum, enum momentum_credit credit, uint32_t times,
                        int64_t now_ms);

/* From now on M stands still; or decays again. */
void momentum_freeze(struct momentum *momentum, bool frozen, int64_t now_ms);

/* As shown: round(100 M). */
int momentum_percent(double value);

#endif
