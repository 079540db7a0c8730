#include "tests/bench/replay_play.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATE_MS = 300000, STATE_AHEAD_MS = 1800000 };

_Noreturn void play_stop(const char *what, const char *why)
{
    fprintf(stderr, "flow_replay: %s: %s\n", what, why);
    exit(1);
}

/* --- what is said before it is known --- */

static void tell_label(void *arg, const struct forecast_label *label)
{
    const struct play *play = arg;
    const struct told *told = &play->told[label->unix_ms / FORECAST_TICK_MS % PLAY_TOLD];
    const int64_t horizon_ms = forecast_horizon_ms(label->horizon);
    const double hours = (double)horizon_ms / 3600000.0;

    if (told->unix_ms != label->unix_ms) {
        play_stop(play->name, "a label of a tick that was not noticed");
    }
    printf("{\"of\": \"forecast\", \"session\": \"%s\", \"minutes\": %d, \"model\": %.6f, "
           "\"published\": %.6f, \"markov\": %.6f, \"base\": %.6f, \"raw\": %d, \"poisson\": %.6f, "
           "\"happened\": %d}\n",
           play->name, (int)(horizon_ms / 60000), label->model, told->published[label->horizon],
           label->baseline, told->base_rate[label->horizon],
           told->completed_ms != 0 && label->unix_ms - told->completed_ms <= horizon_ms,
           1 - exp(-told->rate_per_h * hours), label->happened);
}

static void notice_tick(struct play *play, int64_t at_ms)
{
    const struct forecast *forecast = &play->session->forecast;
    struct told *told = &play->told[at_ms / FORECAST_TICK_MS % PLAY_TOLD];
    const double hours = (double)(at_ms - forecast->counted_ms[FORECAST_COMPLETION]) / 3600000.0;

    *told = (struct told){
        .unix_ms = at_ms,
        .completed_ms = forecast->completed_ms,
        .rate_per_h = forecast->decayed[1] * exp(-hours),
    };
    for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
        const struct forecast_model *model = &forecast->models[h];

        told->published[h] = forecast_at(forecast, h, at_ms).probability;
        told->base_rate[h] =
            ((double)(model->happened[0] + model->happened[1]) + 1) / ((double)model->labels + 2);
    }
}

static void notice_state(struct play *play, int64_t at_ms)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < play->state_count; i++) {
        const struct state_tick *tick = &play->states[i];

        if (at_ms - tick->unix_ms >= STATE_AHEAD_MS) {
            printf(
                "{\"of\": \"state\", \"session\": \"%s\", \"state\": \"%s\", \"happened\": %d}\n",
                play->name, flow_state_name(tick->state), tick->completed);
        } else {
            play->states[kept++] = *tick;
        }
    }
    play->state_count = kept;
    if (at_ms - play->session->last_ms < FLOW_STATE_SILENCE_MS) {
        play->states[play->state_count++] = (struct state_tick){
            .unix_ms = at_ms, .state = session_flow_state(play->session, at_ms)};
    }
}

void play_pass(struct play *play, int64_t now_ms)
{
    const int64_t idle_ms = play->now_ms + 2 * FORECAST_SILENCE_MS;
    const int64_t until_ms = now_ms < idle_ms ? now_ms : idle_ms;
    int64_t at_ms = play->now_ms - play->now_ms % STATE_MS + STATE_MS;

    for (; play->session->events != 0 && at_ms <= until_ms; at_ms += STATE_MS) {
        notice_state(play, at_ms);
        if (at_ms % FORECAST_TICK_MS == 0) {
            forecast_settle(&play->session->forecast, at_ms, tell_label, play);
            notice_tick(play, at_ms);
        }
    }
    play->now_ms = now_ms;
    replay_remaining_pass(&play->remaining, play->session, session_awake_ms(play->session, now_ms));
}

void play_notice_choice(const struct play *play, uint64_t ranked, bool touched)
{
    const struct ranker_lesson *lesson = &play->session->ranker.lesson;

    if (play->session->ranker.ranked == ranked) {
        return;
    }
    printf("{\"of\": \"ranker\", \"session\": \"%s\", \"candidates\": %" PRIu32
           ", \"touched\": %d, \"places\": {\"learned\": %" PRIu32,
           play->name, lesson->candidates, touched, lesson->place);
    for (enum ranker_rule rule = 0; rule < RANKER_RULES; rule++) {
        printf(", \"%s\": %" PRIu32, ranker_rule_name(rule), lesson->rule_places[rule]);
    }
    printf("}}\n");
}

void play_notice_hold(const struct play *play, const struct effort *before)
{
    const struct effort *effort = &play->session->effort;
    const uint64_t at = before->seen % EFFORT_WINDOW;

    if (effort->seen != before->seen) {
        printf("{\"of\": \"effort\", \"session\": \"%s\", \"learned\": %.6f, \"published\": %.6f, "
               "\"prior\": %.6f}\n",
               play->name, effort->learned_error[at],
               before->learned_better ? effort->learned_error[at] : effort->prior_error[at],
               effort->prior_error[at]);
    }
}
