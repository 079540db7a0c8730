#include "tests/bench/replay_remaining.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "services/worker/flow/outlook.h"

#define ALPHA 0.3 /* of Holt's level */
#define BETA  0.1 /* of its trend */
#define Z90   1.2815515655446004

enum { STEP_MS = 30 * 60 * 1000, STEP_MINUTES = 30, STEPS_MOST = 1440, OPEN_LEAST = 5 };

void replay_remaining_finish(struct replay_remaining *remaining)
{
    for (uint32_t i = 0; i < remaining->count; i++) {
        free(remaining->pending[i].open);
    }
}

/* --- Holt's linear trend --- */

static void holt_sample(struct holt *holt, double done)
{
    const double error = done - holt->level - holt->trend;
    const double level = holt->level;

    holt->samples++;
    if (holt->samples <= 2) {
        holt->trend = holt->samples == 2 ? done - level : 0;
        holt->level = done;
        return;
    }
    holt->variance += (error * error - holt->variance) / fmin(holt->samples - 2, 100);
    holt->level += holt->trend + ALPHA * error;
    holt->trend += ALPHA * BETA * error;
}

/* Minutes until `left` more is done: as likely as not, and nearly surely. Bounded by thirty days. */
static void holt_forecast(const struct holt *holt, double left, double *p50, double *p90)
{
    double spread = holt->variance;
    uint32_t steps = 1;

    *p50 = STEPS_MOST * STEP_MINUTES;
    if (holt->trend > 0) {
        *p50 = fmin(left / holt->trend * STEP_MINUTES, *p50);
    }
    for (; steps < STEPS_MOST && steps * holt->trend - Z90 * sqrt(spread) < left; steps++) {
        const double weight = ALPHA + ALPHA * BETA * steps;

        spread += holt->variance * weight * weight;
    }
    *p90 = fmax((double)steps * STEP_MINUTES, *p50);
}

void replay_remaining_pass(struct replay_remaining *remaining, const struct session *session,
                           int64_t awake_ms)
{
    struct holt *holt = &remaining->holt;

    while (holt->sampled_ms + STEP_MS <= awake_ms) {
        holt->sampled_ms += STEP_MS;
        holt_sample(holt, (double)session->leaf_progress / 100.0);
    }
}

/* --- forecasts and what came of them --- */

static void ask(struct replay_remaining *remaining, const struct session *session)
{
    struct replay_forecast made = {.asked_ms = session->awake_ms,
                                   .task_count = session->task_count};
    const double left = (double)session->leaf_weight - (double)session->leaf_progress / 100.0;
    struct remaining said;

    if (remaining->count == REPLAY_PENDING || remaining->holt.samples < 3 ||
        session->pace.blocks == 0) {
        return;
    }
    made.open = calloc(session->task_count + 1, 1);
    if (made.open == NULL || !fb_is_ok(outlook_remaining(session, session->last_ms, &said))) {
        free(made.open);
        return;
    }
    for (uint32_t i = 1; i <= session->task_count; i++) {
        made.open[i] = !task_has_ended(session->tasks[i].state);
        made.open_then += made.open[i];
    }
    if (made.open_then < OPEN_LEAST) {
        free(made.open);
        return;
    }
    made.still_open = made.open_then;
    made.p50 = said.p50_minutes;
    made.p90 = said.p90_minutes;
    holt_forecast(&remaining->holt, left, &made.holt50, &made.holt90);
    remaining->pending[remaining->count++] = made;
}

void replay_remaining_ended(struct replay_remaining *remaining, const struct session *session,
                            const char *name, uint32_t task, FILE *out)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < remaining->count; i++) {
        struct replay_forecast *made = &remaining->pending[i];

        if (task <= made->task_count && made->open[task]) {
            made->open[task] = 0;
            made->still_open--;
        }
        if (made->still_open != 0) {
            remaining->pending[kept++] = *made;
            continue;
        }
        fprintf(out,
                "{\"of\": \"remaining\", \"session\": \"%s\", \"open\": %" PRIu32
                ", \"p50\": %.3f, \"p90\": %.3f, \"holt50\": %.3f, \"holt90\": %.3f, "
                "\"actual\": %.3f}\n",
                name, made->open_then, made->p50, made->p90, made->holt50, made->holt90,
                (double)(session->awake_ms - made->asked_ms) / 60000.0);
        free(made->open);
    }
    remaining->count = kept;
    if (session->tasks[task].state == TASK_COMPLETED &&
        ++remaining->completions % REPLAY_EVERY == 0) {
        ask(remaining, session);
    }
}
