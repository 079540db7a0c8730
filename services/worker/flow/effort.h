#ifndef FB_SERVICES_WORKER_FLOW_EFFORT_H
#define FB_SERVICES_WORKER_FLOW_EFFORT_H

/*
 * effort: how many minutes a task will be held, from its weight and from what was seen.
 *
 * Prior: e0(w) = 10 (e^(w/2.2) - 1) / (e^(5/2.2) - 1), so that weight 5 is the median of 10 min.
 * Learned: a ridge regression of ln(hold) on weight, attempt, phase and an intercept, by recursive
 * least squares (Plackett 1950). Each hold is predicted by both before it is learned from; the
 * learned one is used only while its median absolute log error over the last EFFORT_WINDOW holds is
 * below the prior's. A value; it belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#define EFFORT_SPREAD 1.3

enum {
    EFFORT_INPUTS = 7, /* intercept, weight, attempt, four phases */
    EFFORT_WINDOW = 128,
    EFFORT_AT_LEAST = 10, /* holds before the learned one may be used */
    EFFORT_PHASES = 5,    /* none, plan, implement, test, document */
};

struct effort {
    double weights[EFFORT_INPUTS];
    double inverse[EFFORT_INPUTS][EFFORT_INPUTS]; /* of the inputs' correlation, ridge included */
    double learned_error[EFFORT_WINDOW];          /* absolute log errors, a ring */
    double prior_error[EFFORT_WINDOW];
    uint64_t seen;       /* holds learned from */
    bool learned_better; /* of the medians now in the rings */
};

/* What a hold depends on. */
struct effort_input {
    uint32_t weight;  /* 1 to 10 */
    uint32_t attempt; /* from 1 */
    uint32_t phase;   /* below EFFORT_PHASES */
};

struct effort effort_unlearned(void);

/* The prior, in minutes. */
double effort_prior(uint32_t weight);

/* Minutes: the learned estimate while it is better than the prior, else the prior. At least a
 * second, at most 30 days. */
double effort_minutes(const struct effort *effort, const struct effort_input *input);

/* Learns that such a task was held for `hold_ms`; less than a second counts as a second. */
void effort_learn(struct effort *effort, const struct effort_input *input, int64_t hold_ms);

/* Median absolute log errors over the window: of the learned one and of the prior; 0 for nothing. */
void effort_errors(const struct effort *effort, double *learned, double *prior);

/*
 * How far holds lie from what effort_minutes says: the sigma of their ln, taken as normal, from the
 * median of the errors. Between .1 and 1.5; EFFORT_SPREAD until EFFORT_AT_LEAST holds were seen.
 */
double effort_spread(const struct effort *effort);

#endif
