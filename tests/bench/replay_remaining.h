#ifndef FB_TESTS_BENCH_REPLAY_REMAINING_H
#define FB_TESTS_BENCH_REPLAY_REMAINING_H

/*
 * replay_remaining: how long a session says that its open tasks will take, and what Holt's linear trend
 * would say, held against what it took.
 *
 * Asked after every 25th completion for the tasks that are open then; known once all of those have
 * ended. All times are the session's awake time. Holt's (1957) goes by the weight done in every half
 * hour, with his smoothing of level and trend; its 90th percentile by the variance of such forecasts.
 */

#include <stdint.h>
#include <stdio.h>

#include "services/worker/flow/session.h"

enum { REPLAY_EVERY = 25, REPLAY_PENDING = 256 };

struct holt {
    int64_t sampled_ms; /* awake time */
    uint32_t samples;
    double level;
    double trend;    /* weight in half an hour */
    double variance; /* of the errors of one step ahead */
};

struct replay_forecast {
    uint8_t *open; /* by task: it was, and still is */
    uint32_t open_then;
    uint32_t still_open;
    uint32_t task_count;
    int64_t asked_ms; /* awake time */
    double p50;       /* minutes */
    double p90;
    double holt50;
    double holt90;
};

/* All zero: nothing happened. */
struct replay_remaining {
    struct holt holt;
    uint32_t completions;
    struct replay_forecast pending[REPLAY_PENDING];
    uint32_t count;
};

void replay_remaining_finish(struct replay_remaining *remaining);

/* Time has come to `awake_ms`. */
void replay_remaining_pass(struct replay_remaining *remaining, const struct session *session,
                           int64_t awake_ms);

/* A task has ended; what is known now is printed. */
void replay_remaining_ended(struct replay_remaining *remaining, const struct session *session,
                            const char *name, uint32_t task, FILE *out);

#endif
