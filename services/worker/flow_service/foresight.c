#include "services/worker/flow_service/foresight.h"

#include <math.h>

#include "services/worker/flow/outlook.h"

enum {
    FRESH_MS = 60000,       /* an answer is good for so long, */
    FRESH_CHANGED_MS = 5000 /* or for so long when something has happened since */
};

/* --- completions --- */

static bool put_completions(const struct view *view, Flowbalancer__V1__FlowForecast *shown)
{
    Flowbalancer__V1__FlowCompletionForecast *all =
        fb_arena_zalloc(view->arena, FORECAST_HORIZONS, sizeof(*all));

    shown->completion = fb_arena_zalloc(view->arena, FORECAST_HORIZONS, sizeof(*shown->completion));
    if (all == NULL || shown->completion == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < FORECAST_HORIZONS; i++) {
        const struct forecast_answer answer =
            forecast_at(&view->session->forecast, i, view->now_ms);

        if (answer.basis == FORECAST_NONE) {
            break;
        }
        flowbalancer__v1__flow_completion_forecast__init(&all[i]);
        all[i].horizon_ms = forecast_horizon_ms(i);
        all[i].probability = answer.probability;
        all[i].model = answer.basis == FORECAST_MODEL;
        all[i].skill = answer.skill;
        all[i].labels =
            (uint32_t)(answer.labels < FORECAST_WINDOW ? answer.labels : FORECAST_WINDOW);
        shown->completion[shown->n_completion++] = &all[i];
    }
    return true;
}

/* --- what is left --- */

uint64_t foresight_key(struct fb_text scope, struct fb_text session)
{
    const uint64_t key =
        fb_hash_mix(fb_hash(scope.data, scope.size), fb_hash(session.data, session.size));

    return key == 0 ? 1 : key;
}

static bool is_fresh(const struct foresight_left *left, const struct view *view, uint64_t key)
{
    const int64_t age_ms = view->now_ms - left->unix_ms;

    return left->session == key && age_ms >= 0 &&
           age_ms < (left->events == view->session->events ? FRESH_MS : FRESH_CHANGED_MS);
}

static int64_t ms_of(double minutes)
{
    return minutes > 0 && minutes < 1e9 ? (int64_t)llround(minutes * 60000) : 0;
}

static void put_left(struct foresight *foresight, const struct view *view, uint64_t key,
                     Flowbalancer__V1__FlowForecast *shown)
{
    struct foresight_left *left = &foresight->left[key % FORESIGHT_SESSIONS];
    struct remaining remaining;

    if (!is_fresh(left, view, key)) {
        *left = (struct foresight_left){
            .session = key,
            .events = view->session->events,
            .unix_ms = view->now_ms,
            .p50_ms = -1,
            .p90_ms = -1,
        };
        if (fb_is_ok(outlook_remaining(view->session, view->now_ms, &remaining))) {
            left->p50_ms = ms_of(remaining.p50_minutes);
            left->p90_ms = ms_of(remaining.p90_minutes);
        }
    }
    shown->remaining_p50_ms = left->p50_ms;
    shown->remaining_p90_ms = left->p90_ms;
}

Flowbalancer__V1__FlowForecast *foresight_of(struct foresight *foresight, const struct view *view,
                                             uint64_t key)
{
    Flowbalancer__V1__FlowForecast *shown = fb_arena_alloc(view->arena, sizeof(*shown));

    if (shown == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_forecast__init(shown);
    put_left(foresight, view, key, shown);
    return put_completions(view, shown) ? shown : NULL;
}

/* --- tasks --- */

Flowbalancer__V1__FlowLikely **foresight_likely(const struct view *view, struct fb_text agent,
                                                size_t *count)
{
    const uint32_t number = session_agent_of(view->session, agent);
    struct ranker_likely likely[FORESIGHT_LIKELY];
    Flowbalancer__V1__FlowLikely *all =
        fb_arena_zalloc(view->arena, FORESIGHT_LIKELY, sizeof(*all));
    Flowbalancer__V1__FlowLikely **shown =
        fb_arena_zalloc(view->arena, FORESIGHT_LIKELY, sizeof(*shown));

    *count = 0;
    if (all == NULL || shown == NULL) {
        return NULL;
    }
    if (number != NAMES_NONE) {
        *count = session_likely(view->session, number, view->now_ms, likely, FORESIGHT_LIKELY);
    }
    for (size_t i = 0; i < *count; i++) {
        flowbalancer__v1__flow_likely__init(&all[i]);
        all[i].task = view_task(view, likely[i].task, false);
        all[i].probability = likely[i].probability;
        shown[i] = &all[i];
        if (all[i].task == NULL) {
            return NULL;
        }
    }
    return shown;
}

Flowbalancer__V1__FlowReadiness *foresight_readiness(const struct view *view, uint32_t task)
{
    Flowbalancer__V1__FlowReadiness *shown = fb_arena_alloc(view->arena, sizeof(*shown));
    double *probabilities = fb_arena_zalloc(view->arena, FORECAST_HORIZONS, sizeof(*probabilities));

    if (shown == NULL || probabilities == NULL) {
        return NULL;
    }
    flowbalancer__v1__flow_readiness__init(shown);
    shown->task = task;
    shown->probability = probabilities;
    shown->n_probability = FORECAST_HORIZONS;
    for (uint32_t i = 0; i < FORECAST_HORIZONS; i++) {
        probabilities[i] =
            outlook_ready_within(view->session, task, forecast_horizon_ms(i), view->now_ms);
    }
    return shown;
}
