#ifndef FB_TESTS_BENCH_REPLAY_PLAY_H
#define FB_TESTS_BENCH_REPLAY_PLAY_H

/*
 * replay_play: a session that goes through what a log says happened, and is asked on the way.
 *
 * What it said and what came of it is printed as flow_replay --help says. For flow_replay; whoever has no
 * memory for it is stopped.
 */

#include <stdbool.h>
#include <stdint.h>

#include "services/worker/flow/session.h"
#include "tests/bench/flow_log.h"
#include "tests/bench/replay_remaining.h"

enum { PLAY_TOLD = 16, PLAY_STATES = 6 };

/* What was said at a tick besides what the forecast keeps itself. */
struct told {
    int64_t unix_ms;
    int64_t completed_ms; /* the last one before it */
    double rate_per_h;    /* decayed in an hour */
    double base_rate[FORECAST_HORIZONS];
    double published[FORECAST_HORIZONS];
};

struct state_tick {
    int64_t unix_ms;
    enum flow_state state;
    bool completed;
};

struct play {
    char name[FLOW_LOG_TEXT_BYTES];
    struct session *session;
    uint32_t *numbers; /* of the session, by those of the log */
    int64_t now_ms;
    uint64_t events;
    uint64_t refused;

    struct told told[PLAY_TOLD];
    struct state_tick states[PLAY_STATES];
    uint32_t state_count;
    struct replay_remaining remaining;
};

/* Ends the program. */
_Noreturn void play_stop(const char *what, const char *why);

/* Lets time pass up to an event, which has not happened yet. */
void play_pass(struct play *play, int64_t now_ms);

/* An event happens, bent as little as needed. False: the session could not take it. */
bool play_happen(struct play *play, const struct flow_log_event *event);

/* An event of the session itself, now. */
bool play_fold(struct play *play, struct event event, struct fb_text actor);

/* -- for replay_happen.c: something was done; what had been said of it is known now -- */

/* A task was claimed; so many choices had been ranked before. */
void play_notice_choice(const struct play *play, uint64_t ranked, bool touched);

/* A task was completed; so the effort was estimated before. */
void play_notice_hold(const struct play *play, const struct effort *before);

#endif
