#include "services/worker/flow/snapshot_learned.h"

static void code_doubles(struct coder *coder, double *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        coder_double(coder, &values[i]);
    }
}

static void code_squares(struct coder *coder, double *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        coder_double(coder, &values[i]);
        coder->failed |= !(values[i] >= 0);
    }
}

/* A time that has passed by `last_ms`. */
static void code_past(struct coder *coder, int64_t *unix_ms, int64_t last_ms)
{
    coder_time(coder, unix_ms);
    coder->failed |= *unix_ms > last_ms;
}

static void code_effort(struct coder *coder, struct effort *effort)
{
    code_doubles(coder, effort->weights, EFFORT_INPUTS);
    for (int i = 0; i < EFFORT_INPUTS; i++) {
        code_doubles(coder, effort->inverse[i], EFFORT_INPUTS);
    }
    coder_u64(coder, &effort->seen);
    for (uint64_t i = 0; i < EFFORT_WINDOW && i < effort->seen; i++) {
        coder_double(coder, &effort->learned_error[i]);
        coder_double(coder, &effort->prior_error[i]);
    }
    coder_bool(coder, &effort->learned_better);
}

static void code_holds(struct coder *coder, struct lease_holds *holds)
{
    coder_u64(coder, &holds->seen);
    for (uint64_t i = 0; i < LEASE_HOLDS && i < holds->seen; i++) {
        coder_time(coder, &holds->holds_ms[i]);
    }
    coder_time(coder, &holds->lasts_ms);
}

/* --- forecast --- */

static void code_score(struct coder *coder, struct forecast_score *score)
{
    uint32_t model = score->model;
    uint32_t baseline = score->baseline;

    coder_u32(coder, &model, UINT16_MAX);
    coder_u32(coder, &baseline, UINT16_MAX);
    coder_bool(coder, &score->happened);
    score->model = (uint16_t)model;
    score->baseline = (uint16_t)baseline;
}

static void code_model(struct coder *coder, struct forecast_model *model)
{
    code_doubles(coder, model->weights, FORECAST_INPUTS + 1);
    code_squares(coder, model->squares, FORECAST_INPUTS + 1);
    coder_u64(coder, &model->labels);
    for (int i = 0; i < 2; i++) {
        coder_u64(coder, &model->asked[i]);
        coder_u64(coder, &model->happened[i]);
        coder->failed |= model->happened[i] > model->asked[i];
    }
    for (uint64_t i = 0; i < FORECAST_WINDOW && i < model->labels && !coder->failed; i++) {
        code_score(coder, &model->scores[i]);
    }
}

static void code_tick(struct coder *coder, struct forecast_tick *tick, int64_t last_ms)
{
    code_past(coder, &tick->unix_ms, last_ms);
    code_past(coder, &tick->completed_ms, last_ms);
    code_doubles(coder, tick->inputs, FORECAST_INPUTS);
    code_doubles(coder, tick->said, FORECAST_HORIZONS);
    code_doubles(coder, tick->baseline, FORECAST_HORIZONS);
    for (uint32_t i = 0; i < FORECAST_HORIZONS; i++) {
        coder_bool(coder, &tick->completed_before[i]);
        coder->failed |= !(tick->said[i] >= 0 && tick->said[i] <= 1 && tick->baseline[i] >= 0 &&
                           tick->baseline[i] <= 1);
    }
}

static void code_forecast(struct coder *coder, struct forecast *forecast, int64_t last_ms)
{
    int64_t before_ms;

    code_doubles(coder, forecast->decayed, FORECAST_INPUTS);
    for (uint32_t i = 0; i < FORECAST_KINDS; i++) {
        code_past(coder, &forecast->counted_ms[i], last_ms);
    }
    code_past(coder, &forecast->first_ms, last_ms);
    code_past(coder, &forecast->event_ms, last_ms);
    code_past(coder, &forecast->completed_ms, last_ms);
    coder_u64(coder, &forecast->ticks);
    code_doubles(coder, forecast->mean, FORECAST_INPUTS);
    code_squares(coder, forecast->deviation, FORECAST_INPUTS);
    code_past(coder, &forecast->asked_ms, last_ms);
    coder_u32(coder, &forecast->pending_count, FORECAST_PENDING);
    before_ms = forecast->asked_ms - FORECAST_PENDING * FORECAST_TICK_MS;
    for (uint32_t i = 0; i < forecast->pending_count; i++) {
        struct forecast_tick *tick = &forecast->pending[i];

        code_tick(coder, tick, last_ms);
        coder->failed |=
            tick->unix_ms < before_ms + FORECAST_TICK_MS || tick->unix_ms > forecast->asked_ms;
        before_ms = tick->unix_ms;
    }
    for (uint32_t i = 0; i < FORECAST_HORIZONS; i++) {
        code_model(coder, &forecast->models[i]);
    }
}

static void code_pace(struct coder *coder, struct pace *pace, int64_t awake_ms)
{
    coder_u32(coder, &pace->completed, PACE_BLOCK - 1);
    coder_u32(coder, &pace->newer, PACE_BLOCK_MOST - 1);
    coder_double(coder, &pace->minutes);
    code_past(coder, &pace->began_ms, awake_ms);
    coder_u64(coder, &pace->blocks);
    coder_double(coder, &pace->mean);
    code_squares(coder, &pace->variance, 1);
}

void snapshot_code_learned(struct coder *coder, struct session *session)
{
    code_effort(coder, &session->effort);
    code_holds(coder, &session->holds);
    code_forecast(coder, &session->forecast, session->last_ms);
    code_pace(coder, &session->pace, session->awake_ms);
}

/* --- ranker --- */

/* Whether a touch still counts for anything. */
static bool is_touched(const struct session *session, uint32_t number)
{
    const int64_t touched_ms = session->ranker.tasks[number].touched_ms;

    return touched_ms != 0 && session->last_ms - touched_ms <= RANKER_TOUCHED_MS;
}

static void code_touches(struct coder *coder, struct session *session)
{
    struct ranker *ranker = &session->ranker;
    uint32_t count = 0;
    uint32_t number = 0;

    for (uint32_t i = 1; coder->out != NULL && i <= session->task_count; i++) {
        count += is_touched(session, i);
    }
    coder_u32(coder, &count, session->task_count);
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        do {
            number++;
        } while (coder->out != NULL && !is_touched(session, number));
        coder_u32(coder, &number, session->task_count);
        coder->failed |= number == 0;
        code_past(coder, &ranker->tasks[number].touched_ms, session->last_ms);
    }
}

void snapshot_code_ranker(struct coder *coder, struct session *session)
{
    struct ranker *ranker = &session->ranker;

    code_doubles(coder, ranker->weights, RANKER_FEATURES);
    code_squares(coder, ranker->squares, RANKER_FEATURES);
    coder_u64(coder, &ranker->ranked);
    for (uint64_t i = 0; i < RANKER_WINDOW && i < ranker->ranked; i++) {
        uint32_t hits = ranker->hits[i];

        coder_u32(coder, &hits, (1U << (RANKER_RULES + 1)) - 1);
        ranker->hits[i] = (uint8_t)hits;
    }
    coder_u32(coder, &session->last_completed, session->task_count);
    if (coder->failed || (coder->out == NULL && !ranker_reserve(ranker, session->task_count))) {
        coder->failed = true;
        return;
    }
    code_touches(coder, session);
}
