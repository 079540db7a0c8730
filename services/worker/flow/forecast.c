#include "services/worker/flow/forecast.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define RATE 0.15 /* of AdaGrad */
#define SQUARES_AT \
    1.0 /* what each weight has seen before: the usual ones are not thrown away at once */
#define INPUT_MOST 4.0 /* standardised; what lies beyond counts as this */

static const int64_t horizons_ms[FORECAST_HORIZONS] = {900000, 1800000, 3600000, 7200000};

/*
 * Where learning begins: weights as they were learned on trackers of agents' work, rounded. The more has
 * happened lately the likelier a completion is, the longer it was silent the less.
 */
static const double usual[FORECAST_INPUTS] = {.1, .2, .1, .2, .2, 0, 0, -.6, -.3};
static const double usual_bias[FORECAST_HORIZONS] = {-1.2, -.5, .2, .8};

enum { SINCE_EVENT = 7, SINCE_COMPLETION = 8 };

/* The inputs that are rates. */
static const struct {
    enum forecast_kind kind;
    double hours; /* the time that it forgets in */
} rates[SINCE_EVENT] = {
    {FORECAST_COMPLETION, 1.0 / 6},
    {FORECAST_COMPLETION, 1},
    {FORECAST_COMPLETION, 6},
    {FORECAST_CREATION, 1.0 / 6},
    {FORECAST_CREATION, 1},
    {FORECAST_START, 1.0 / 6},
    {FORECAST_START, 1},
};

int64_t forecast_horizon_ms(uint32_t horizon)
{
    assert(horizon < FORECAST_HORIZONS);
    return horizons_ms[horizon];
}

void forecast_init(struct forecast *forecast)
{
    *forecast = (struct forecast){.ticks = 0};
    for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
        memcpy(forecast->models[h].weights, usual, sizeof(usual));
        forecast->models[h].weights[FORECAST_INPUTS] = usual_bias[h];
    }
}

/* --- inputs --- */

static double decayed_at(const struct forecast *forecast, uint32_t input, int64_t now_ms)
{
    const double hours = (double)(now_ms - forecast->counted_ms[rates[input].kind]) / 3600000.0;

    if (forecast->decayed[input] <= 0) {
        return 0;
    }
    return forecast->decayed[input] * exp(-hours / rates[input].hours);
}

static void inputs_at(const struct forecast *forecast, int64_t now_ms,
                      double inputs[FORECAST_INPUTS])
{
    const int64_t since_ms =
        forecast->completed_ms != 0 ? forecast->completed_ms : forecast->first_ms;

    for (uint32_t i = 0; i < SINCE_EVENT; i++) {
        inputs[i] = log1p(decayed_at(forecast, i, now_ms) / rates[i].hours);
    }
    inputs[SINCE_EVENT] = log1p((double)(now_ms - forecast->event_ms) / 60000.0);
    inputs[SINCE_COMPLETION] = log1p((double)(now_ms - since_ms) / 60000.0);
}

static void standardise(const struct forecast *forecast, double inputs[FORECAST_INPUTS])
{
    for (uint32_t i = 0; i < FORECAST_INPUTS; i++) {
        double spread = 0;

        if (forecast->ticks > 1) {
            spread = sqrt(forecast->deviation[i] / (double)(forecast->ticks - 1));
        }
        inputs[i] = spread > 1e-9 ? (inputs[i] - forecast->mean[i]) / spread : 0;
        inputs[i] = fmin(fmax(inputs[i], -INPUT_MOST), INPUT_MOST);
    }
}

static void learn_spread(struct forecast *forecast, const double inputs[FORECAST_INPUTS])
{
    forecast->ticks++;
    for (uint32_t i = 0; i < FORECAST_INPUTS; i++) {
        const double off = inputs[i] - forecast->mean[i];

        forecast->mean[i] += off / (double)forecast->ticks;
        forecast->deviation[i] += off * (inputs[i] - forecast->mean[i]);
    }
}

/* --- model and baseline --- */

static double model_says(const struct forecast_model *model, const double inputs[FORECAST_INPUTS])
{
    double sum = model->weights[FORECAST_INPUTS];

    for (uint32_t i = 0; i < FORECAST_INPUTS; i++) {
        sum += model->weights[i] * inputs[i];
    }
    return 1 / (1 + exp(-sum));
}

static double baseline_says(const struct forecast_model *model, bool before)
{
    return ((double)model->happened[before] + 1) / ((double)model->asked[before] + 2);
}

static bool completed_within(const struct forecast *forecast, int64_t span_ms, int64_t now_ms)
{
    return forecast->completed_ms != 0 && now_ms - forecast->completed_ms <= span_ms;
}

static void adapt(double *weight, double *squares, double gradient)
{
    *squares += gradient * gradient;
    *weight -= RATE * gradient / sqrt(*squares + SQUARES_AT);
}

static uint16_t in_score(double probability)
{
    return (uint16_t)lrint(probability * 65535);
}

static void apply(struct forecast *forecast, const struct forecast_tick *tick, uint32_t horizon,
                  forecast_label_fn fn, void *arg)
{
    struct forecast_model *model = &forecast->models[horizon];
    const bool before = tick->completed_before[horizon];
    const bool happened =
        tick->completed_ms != 0 && tick->completed_ms - tick->unix_ms < horizons_ms[horizon];
    const double error = model_says(model, tick->inputs) - happened;

    model->scores[model->labels % FORECAST_WINDOW] = (struct forecast_score){
        .model = in_score(tick->said[horizon]),
        .baseline = in_score(tick->baseline[horizon]),
        .happened = happened,
    };
    model->labels++;
    model->asked[before]++;
    model->happened[before] += happened;
    for (uint32_t i = 0; i < FORECAST_INPUTS; i++) {
        adapt(&model->weights[i], &model->squares[i], error * tick->inputs[i]);
    }
    adapt(&model->weights[FORECAST_INPUTS], &model->squares[FORECAST_INPUTS], error);
    if (fn != NULL) {
        fn(arg, &(struct forecast_label){
                    .horizon = horizon,
                    .unix_ms = tick->unix_ms,
                    .model = tick->said[horizon],
                    .baseline = tick->baseline[horizon],
                    .happened = happened,
                });
    }
}

/* --- the grid --- */

static void ask(struct forecast *forecast, int64_t now_ms)
{
    struct forecast_tick tick = {.unix_ms = now_ms};
    double inputs[FORECAST_INPUTS];

    assert(forecast->pending_count < FORECAST_PENDING);
    inputs_at(forecast, now_ms, inputs);
    memcpy(tick.inputs, inputs, sizeof(inputs));
    standardise(forecast, tick.inputs);
    learn_spread(forecast, inputs);
    for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
        tick.completed_before[h] = completed_within(forecast, horizons_ms[h], now_ms);
        tick.said[h] = model_says(&forecast->models[h], tick.inputs);
        tick.baseline[h] = baseline_says(&forecast->models[h], tick.completed_before[h]);
    }
    forecast->pending[forecast->pending_count++] = tick;
}

/* The labels that fall due after `since_ms`, up to `now_ms`. */
static void label(struct forecast *forecast, int64_t since_ms, int64_t now_ms, forecast_label_fn fn,
                  void *arg)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < forecast->pending_count; i++) {
        const struct forecast_tick *tick = &forecast->pending[i];

        for (uint32_t h = 0; h < FORECAST_HORIZONS; h++) {
            const int64_t due_ms = tick->unix_ms + horizons_ms[h];

            if (due_ms > since_ms && due_ms <= now_ms) {
                apply(forecast, tick, h, fn, arg);
            }
        }
        done += tick->unix_ms + horizons_ms[FORECAST_HORIZONS - 1] <= now_ms;
    }
    forecast->pending_count -= done;
    memmove(forecast->pending, forecast->pending + done,
            forecast->pending_count * sizeof(forecast->pending[0]));
}

void forecast_settle(struct forecast *forecast, int64_t now_ms, forecast_label_fn fn, void *arg)
{
    const int64_t last_ms = now_ms - now_ms % FORECAST_TICK_MS;
    int64_t at_ms = forecast->asked_ms + FORECAST_TICK_MS;

    if (forecast->event_ms == 0) {
        forecast->asked_ms = last_ms;
        return;
    }
    for (; at_ms <= last_ms; at_ms += FORECAST_TICK_MS) {
        const bool silent = at_ms - forecast->event_ms >= FORECAST_SILENCE_MS;

        if (silent && forecast->pending_count == 0) {
            break; /* nothing will change any more */
        }
        label(forecast, at_ms - FORECAST_TICK_MS, at_ms, fn, arg);
        if (!silent) {
            ask(forecast, at_ms);
        }
    }
    forecast->asked_ms = last_ms;
}

void forecast_event(struct forecast *forecast, int64_t now_ms)
{
    if (forecast->first_ms == 0) {
        forecast->first_ms = now_ms;
    }
    forecast->event_ms = now_ms;
}

void forecast_count(struct forecast *forecast, enum forecast_kind kind, uint32_t times,
                    int64_t now_ms)
{
    forecast_event(forecast, now_ms);
    for (uint32_t i = 0; i < SINCE_EVENT; i++) {
        if (rates[i].kind == kind) {
            forecast->decayed[i] = decayed_at(forecast, i, now_ms) + times;
        }
    }
    forecast->counted_ms[kind] = now_ms;
    if (kind != FORECAST_COMPLETION) {
        return;
    }
    forecast->completed_ms = now_ms;
    for (uint32_t i = 0; i < forecast->pending_count; i++) {
        if (forecast->pending[i].completed_ms == 0) {
            forecast->pending[i].completed_ms = now_ms;
        }
    }
}

/* --- what is said --- */

static double brier(double said, bool happened)
{
    return (said - happened) * (said - happened);
}

struct forecast_answer forecast_at(const struct forecast *forecast, uint32_t horizon,
                                   int64_t now_ms)
{
    const struct forecast_model *model = &forecast->models[horizon];
    const uint64_t count = model->labels < FORECAST_WINDOW ? model->labels : FORECAST_WINDOW;
    struct forecast_answer answer = {.labels = model->labels};
    double inputs[FORECAST_INPUTS];

    assert(horizon < FORECAST_HORIZONS);
    for (uint64_t i = 0; i < count; i++) {
        const struct forecast_score *score = &model->scores[i];

        answer.model_brier += brier(score->model / 65535.0, score->happened) / (double)count;
        answer.baseline_brier += brier(score->baseline / 65535.0, score->happened) / (double)count;
    }
    if (answer.baseline_brier > 0) {
        answer.skill = 1 - answer.model_brier / answer.baseline_brier;
    }
    if (forecast->event_ms == 0 || now_ms - forecast->event_ms >= FORECAST_SILENCE_MS) {
        return answer;
    }
    if (model->labels >= FORECAST_AT_LEAST && answer.model_brier < answer.baseline_brier) {
        inputs_at(forecast, now_ms, inputs);
        standardise(forecast, inputs);
        answer.basis = FORECAST_MODEL;
        answer.probability = model_says(model, inputs);
        return answer;
    }
    answer.basis = FORECAST_BASELINE;
    answer.probability =
        baseline_says(model, completed_within(forecast, horizons_ms[horizon], now_ms));
    return answer;
}

const char *forecast_basis_name(enum forecast_basis basis)
{
    static const char *const names[] = {
        [FORECAST_NONE] = "none", [FORECAST_BASELINE] = "baseline", [FORECAST_MODEL] = "model"};

    return names[basis];
}
