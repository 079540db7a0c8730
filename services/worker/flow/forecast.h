#ifndef FB_SERVICES_WORKER_FLOW_FORECAST_H
#define FB_SERVICES_WORKER_FLOW_FORECAST_H

/*
 * forecast: how likely a completion is within the next 15, 30, 60 and 120 minutes.
 *
 * Every ten minutes, on the grid of unix time, while the last event is less than two hours old, each
 * horizon is asked; the answer is scored and learned from only once the horizon has passed
 * (prequential, Dawid 1984). The model is a logistic regression by AdaGrad (Duchi et al. 2011) over
 * nine standardised inputs: log1p of decayed hourly rates of completions (10 min, 1 h, 6 h), creations
 * and starts (10 min, 1 h each), and log1p of the minutes since the last event and the last completion.
 * The baseline is Markov persistence: how often a completion followed, given whether there was one in
 * the horizon before. The model is what is said only while its Brier score (1950) over the last
 * FORECAST_WINDOW labels is below the baseline's.
 *
 * It forecasts "a completion soon", not good work. Time comes in and never runs backwards; the same
 * calls give the same state. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FORECAST_HORIZONS = 4,
    FORECAST_TICK_MS = 10 * 60 * 1000,
    FORECAST_SILENCE_MS = 2 * 60 * 60 * 1000, /* nothing is asked after that */
    FORECAST_WINDOW = 500,                    /* labels that decide what is said */
    FORECAST_AT_LEAST = 30,                   /* labels before the model may be */
    FORECAST_INPUTS = 9,
    FORECAST_PENDING = 12, /* ticks whose longest horizon has not passed */
};

/* What is counted; each has its own rates. */
enum forecast_kind { FORECAST_COMPLETION, FORECAST_CREATION, FORECAST_START, FORECAST_KINDS };

/* What was said of one tick, and what came of it. */
struct forecast_score {
    uint16_t model; /* probabilities, in 1 / 65535 */
    uint16_t baseline;
    bool happened;
};

struct forecast_model {
    double weights[FORECAST_INPUTS + 1]; /* the bias is last */
    double squares[FORECAST_INPUTS + 1]; /* sums of squared gradients */
    uint64_t labels;                     /* learned from */
    uint64_t asked[2];                   /* labels without and with a completion before ... */
    uint64_t happened[2];                /* ... and those of them where one followed */
    struct forecast_score scores[FORECAST_WINDOW]; /* a ring */
};

/* A tick that waits for its labels. */
struct forecast_tick {
    int64_t unix_ms;
    int64_t completed_ms;           /* the first completion at or after it; 0: none yet */
    double inputs[FORECAST_INPUTS]; /* standardised as of then */
    double said[FORECAST_HORIZONS];
    double baseline[FORECAST_HORIZONS];
    bool completed_before[FORECAST_HORIZONS];
};

struct forecast {
    /* what happened */
    double decayed[FORECAST_INPUTS]; /* counts, at counted_ms; those of the two recencies stay 0 */
    int64_t counted_ms[FORECAST_KINDS];
    int64_t first_ms; /* unix times; 0: none yet */
    int64_t event_ms;
    int64_t completed_ms;

    /* what the inputs look like */
    uint64_t ticks;
    double mean[FORECAST_INPUTS];
    double deviation[FORECAST_INPUTS]; /* sums of squared deviations (Welford 1962) */

    int64_t asked_ms; /* the grid is done up to here */
    struct forecast_tick pending[FORECAST_PENDING];
    uint32_t pending_count;
    struct forecast_model models[FORECAST_HORIZONS];
};

/* A label as it is applied. */
struct forecast_label {
    uint32_t horizon;
    int64_t unix_ms; /* of the tick */
    double model;    /* what each had said then */
    double baseline;
    bool happened;
};

typedef void (*forecast_label_fn)(void *arg, const struct forecast_label *label);

/* Nothing has happened; the model begins with weights that are usual, not with none. */
void forecast_init(struct forecast *forecast);

/* 15, 30, 60 and 120 minutes. */
int64_t forecast_horizon_ms(uint32_t horizon);

/*
 * Makes all ticks that are due up to `now_ms` and applies the labels that are; `fn`, unless NULL, is
 * told of each. Comes before what happens at `now_ms` is counted. Bounded, however long the silence was.
 */
void forecast_settle(struct forecast *forecast, int64_t now_ms, forecast_label_fn fn, void *arg);

/* Something happened, now; nothing that is counted. forecast_settle was called for `now_ms`. */
void forecast_event(struct forecast *forecast, int64_t now_ms);

/* `times` of a kind happened. Likewise. */
void forecast_count(struct forecast *forecast, enum forecast_kind kind, uint32_t times,
                    int64_t now_ms);

enum forecast_basis {
    FORECAST_NONE,     /* silent for too long: nothing is said */
    FORECAST_BASELINE, /* Markov persistence, as the model is not better or has seen too little */
    FORECAST_MODEL,
};

struct forecast_answer {
    enum forecast_basis basis;
    double probability; /* 0 for none */
    double skill;       /* of the model over the baseline: 1 - Brier / Brier; may be negative */
    double model_brier; /* over the window; 0 before the first label */
    double baseline_brier;
    uint64_t labels;
};

/* What is said at `now_ms`, which is not before the last event. Changes nothing. */
struct forecast_answer forecast_at(const struct forecast *forecast, uint32_t horizon,
                                   int64_t now_ms);

/* "none", "baseline", "model" */
const char *forecast_basis_name(enum forecast_basis basis);

#endif
