#include "services/worker/flow/rhythm.h"

#include <math.h>
#include <stddef.h>

/* Before anything is known: half an attempt in two hours. */
#define ATTEMPTS_PRIOR       0.5
#define ATTEMPTS_PRIOR_HOURS 2.0

#define HOUR_MS 3600000.0

/* --- ticks --- */

static void end_tick(struct rhythm *rhythm)
{
    if (!rhythm->dry) {
        chart_tick(&rhythm->rate, rhythm->completions);
        if (!chart_is_below(&rhythm->rate, RHYTHM_DROP_DEVIATIONS)) {
            rhythm->low_ticks = 0;
        } else if (rhythm->low_ticks++ == 0) {
            rhythm->low_since_ms = rhythm->tick_ms + RHYTHM_TICK_MS;
        }
    } else {
        rhythm->low_ticks = 0;
    }
    chart_tick(&rhythm->flipping, rhythm->flips);
    rhythm->completions = 0;
    rhythm->flips = 0;
    rhythm->tick_ms += RHYTHM_TICK_MS;
}

int64_t rhythm_busy_ms(const struct rhythm *rhythm, int64_t lull_ms)
{
    int64_t usual_ms = outliers_span_ms(&rhythm->lulls, RHYTHM_BUSY_Z, RHYTHM_BUSY_MOST_MS);

    usual_ms = usual_ms < RHYTHM_BUSY_LEAST_MS  ? RHYTHM_BUSY_LEAST_MS
               : usual_ms > RHYTHM_BUSY_MOST_MS ? RHYTHM_BUSY_MOST_MS
                                                : usual_ms;
    return rhythm->busy_ms + (lull_ms < 0 ? 0 : lull_ms < usual_ms ? lull_ms : usual_ms);
}

static void pass_ticks(struct rhythm *rhythm, int64_t busy_ms, uint32_t ready)
{
    while (busy_ms - rhythm->tick_ms >= RHYTHM_TICK_MS) {
        end_tick(rhythm);
        rhythm->dry = ready == 0;
    }
}

void rhythm_advance(struct rhythm *rhythm, int64_t lull_ms, uint32_t ready)
{
    rhythm->busy_ms = rhythm_busy_ms(rhythm, lull_ms);
    if (lull_ms >= RHYTHM_LULL_LEAST_MS) {
        outliers_learn(&rhythm->lulls, lull_ms);
    }
    pass_ticks(rhythm, rhythm->busy_ms, ready);
}

void rhythm_settle(struct rhythm *rhythm, uint32_t ready)
{
    rhythm->dry |= ready == 0;
}

/* --- holds and silences --- */

/* Whether z is above that, or too few were seen and the span is the longest for that case. */
static bool is_beyond(const struct outliers *outliers, int64_t span_ms, double z,
                      int64_t unlearned_ms)
{
    return span_ms > outliers_span_ms(outliers, z, unlearned_ms);
}

bool rhythm_is_silent(const struct rhythm *rhythm, int64_t silent_ms, int64_t now_ms)
{
    return is_beyond(&rhythm->silences, silent_ms,
                     RHYTHM_SILENT_Z + caution_now(&rhythm->caution, now_ms),
                     RHYTHM_UNLEARNED_SILENCE_MS);
}

bool rhythm_is_stalled(const struct rhythm *rhythm, int64_t held_ms, int64_t silent_ms,
                       int64_t now_ms)
{
    const double more = caution_now(&rhythm->caution, now_ms);

    return is_beyond(&rhythm->holds, held_ms, RHYTHM_HELD_Z + more, RHYTHM_UNLEARNED_HOLD_MS) &&
           is_beyond(&rhythm->silences, silent_ms, RHYTHM_STALLED_Z + more,
                     RHYTHM_UNLEARNED_SILENCE_MS);
}

void rhythm_heard(struct rhythm *rhythm, int64_t silent_ms, int64_t held_ms, int64_t now_ms)
{
    if (rhythm_is_silent(rhythm, silent_ms, now_ms) ||
        rhythm_is_stalled(rhythm, held_ms, silent_ms, now_ms)) {
        caution_false_alarm(&rhythm->caution, now_ms);
    }
    outliers_learn(&rhythm->silences, silent_ms);
}

void rhythm_held(struct rhythm *rhythm, int64_t held_ms)
{
    outliers_learn(&rhythm->holds, held_ms);
}

/* --- moments --- */

static void remember(struct rhythm_moments *moments, struct rhythm_moment moment)
{
    moments->last[moments->seen % RHYTHM_RECENT] = moment;
    moments->seen++;
}

/* The i-th of those remembered, the latest first; NULL behind the last. */
static const struct rhythm_moment *moment_of(const struct rhythm_moments *moments, uint32_t i)
{
    return i < RHYTHM_RECENT && i < moments->seen
               ? &moments->last[(moments->seen - 1 - i) % RHYTHM_RECENT]
               : NULL;
}

void rhythm_claimed(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms)
{
    const struct rhythm_moment *moment;

    for (uint32_t i = 0; (moment = moment_of(&rhythm->left, i)) != NULL; i++) {
        if (now_ms - moment->at_ms <= RHYTHM_WINDOW_MS && moment->task == task) {
            rhythm_left(rhythm, task, agent, now_ms);
            return;
        }
    }
}

void rhythm_left(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms)
{
    remember(&rhythm->left, (struct rhythm_moment){.at_ms = now_ms, .task = task, .agent = agent});
    rhythm->flips++;
}

void rhythm_completed(struct rhythm *rhythm)
{
    rhythm->completions++;
}

void rhythm_tried_again(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms)
{
    remember(&rhythm->attempts,
             (struct rhythm_moment){.at_ms = now_ms, .task = task, .agent = agent});
}

void rhythm_spent(struct rhythm *rhythm, uint32_t task, uint32_t agent, int64_t now_ms)
{
    remember(&rhythm->spent, (struct rhythm_moment){.at_ms = now_ms, .task = task, .agent = agent});
}

/* How many were within the last hour, and the task of most of them. */
static struct rhythm_burst burst_of(const struct rhythm_moments *moments, int64_t now_ms)
{
    struct rhythm_burst burst = {.task = 0};
    const struct rhythm_moment *moment;

    for (uint32_t i = 0;
         (moment = moment_of(moments, i)) != NULL && now_ms - moment->at_ms <= RHYTHM_WINDOW_MS;
         i++) {
        const struct rhythm_moment *other;
        uint32_t same = 0;

        for (uint32_t j = 0;
             (other = moment_of(moments, j)) != NULL && now_ms - other->at_ms <= RHYTHM_WINDOW_MS;
             j++) {
            same += other->task == moment->task;
        }
        if (same > burst.of_task) {
            burst.of_task = same;
            burst.task = moment->task;
        }
        if (i == 0) {
            burst.agent = moment->agent;
        }
        burst.since_ms = moment->at_ms;
        burst.count++;
    }
    return burst;
}

/* --- what is unusual --- */

bool rhythm_thrashes(const struct rhythm *rhythm, int64_t now_ms, struct rhythm_burst *burst)
{
    const double average = chart_average_with(&rhythm->flipping, rhythm->flips);

    *burst = burst_of(&rhythm->left, now_ms);
    burst->usual =
        chart_usual(&rhythm->flipping).mean * (RHYTHM_WINDOW_MS / (double)RHYTHM_TICK_MS);
    return burst->count >= RHYTHM_FLIPS_LEAST && burst->of_task >= RHYTHM_FLIPS_OF_ONE &&
           chart_is_above(&rhythm->flipping, fmax(average, rhythm->flipping.average),
                          RHYTHM_FLIP_DEVIATIONS);
}

double rhythm_chance(uint32_t count, double mean)
{
    double term = exp(-mean);
    double below = 0;

    for (uint32_t i = 0; i < count; i++) {
        below += term;
        term *= mean / (i + 1);
    }
    return fmax(1 - below, 0);
}

bool rhythm_storms(const struct rhythm *rhythm, int64_t now_ms, struct rhythm_burst *burst)
{
    const double hours = fmax((double)(now_ms - RHYTHM_WINDOW_MS) / HOUR_MS, 0);

    *burst = burst_of(&rhythm->attempts, now_ms);
    burst->usual = (ATTEMPTS_PRIOR + (double)(rhythm->attempts.seen - burst->count)) /
                   (ATTEMPTS_PRIOR_HOURS + hours);
    burst->chance = rhythm_chance(burst->count, burst->usual);
    return burst->count >= RHYTHM_STORM_LEAST && burst->chance < RHYTHM_STORM_CHANCE;
}

bool rhythm_drops(const struct rhythm *rhythm, int64_t busy_ms, uint32_t ready,
                  struct rhythm_drop *drop)
{
    struct rhythm passed = *rhythm;

    pass_ticks(&passed, busy_ms, ready);
    drop->average = passed.rate.average;
    drop->usual = chart_usual(&passed.rate).mean;
    drop->since_ms = passed.low_since_ms;
    return ready != 0 && passed.low_ticks >= RHYTHM_DROP_TICKS;
}
