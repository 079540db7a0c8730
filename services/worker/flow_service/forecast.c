/*
 * forecast: Forecast, what is likely to come, with how well such forecasts did.
 */
#include "services/worker/flow_service/flow_call.h"
#include "services/worker/flow_service/foresight.h"
#include "services/worker/flow_service/serve.h"

enum { TASKS_MOST = 64 };

static bool put_readiness(struct flow_call *f, struct decision *d, const struct view *view,
                          Flowbalancer__V1__ForecastResponse *answer)
{
    const Flowbalancer__V1__ForecastRequest *request =
        (const Flowbalancer__V1__ForecastRequest *)f->request;

    answer->readiness = fb_arena_zalloc(f->arena, request->n_tasks + 1, sizeof(*answer->readiness));
    for (size_t i = 0; i < request->n_tasks; i++) {
        uint32_t task;

        if (answer->readiness == NULL) {
            break;
        }
        if (!flow_task(f, d, request->tasks[i], "tasks", false, &task)) {
            return false;
        }
        answer->readiness[i] = foresight_readiness(view, task);
        if (answer->readiness[i] == NULL) {
            answer->readiness = NULL;
            break;
        }
        answer->n_readiness++;
    }
    if (answer->readiness == NULL) {
        (void)flow_exhausted(f);
        return false;
    }
    return true;
}

static void put_records(const struct session *session, Flowbalancer__V1__ForecastResponse *answer)
{
    const struct ranker_record record = ranker_record(&session->ranker);

    answer->likely_hits = record.hits;
    answer->likely_baseline_hits = record.rule_hits[record.best];
    effort_errors(&session->effort, &answer->effort_error, &answer->effort_prior_error);
}

static enum keeper_verdict decide(struct flow_call *f, struct decision *d)
{
    Flowbalancer__V1__ForecastResponse answer = FLOWBALANCER__V1__FORECAST_RESPONSE__INIT;
    const struct view view = view_of(d);

    answer.forecast = foresight_of(&f->service->foresight, &view,
                                   foresight_key(f->keeper.scope, f->keeper.session));
    answer.likely = foresight_likely(&view, f->actor, &answer.n_likely);
    if (answer.forecast == NULL || answer.likely == NULL) {
        return flow_exhausted(f);
    }
    if (!put_readiness(f, d, &view, &answer)) {
        return KEEPER_ANSWER;
    }
    put_records(view.session, &answer);
    return flow_answer(f, &answer.base);
}

static const struct flow_method method = {.decide = decide};

void serve_forecast(struct fb_call *call, const ProtobufCMessage *message)
{
    const Flowbalancer__V1__ForecastRequest *request =
        (const Flowbalancer__V1__ForecastRequest *)message;
    struct flow_call *f = flow_call_create(call, message, request->context, NULL, false, &method);

    if (f == NULL) {
        return;
    }
    if (request->n_tasks > TASKS_MOST) {
        flow_call_refuse(f, fb_fail(FB_INVALID_ARGUMENT, "tasks: at most 64"));
        return;
    }
    f->actor = fb_text_of(request->actor);
    flow_call_begin(f);
}
