#include "services/worker/flow/caution.h"

#include <math.h>

/* Felt or not. */
static double raised_now(const struct caution *caution, int64_t now_ms)
{
    const double calm = (double)(now_ms - caution->at_ms) / (double)CAUTION_CALM_MS;

    return fmax(caution->raised - CAUTION_STEP * fmax(calm, 0), 0);
}

double caution_now(const struct caution *caution, int64_t now_ms)
{
    return fmax(raised_now(caution, now_ms) - CAUTION_BORNE, 0);
}

void caution_false_alarm(struct caution *caution, int64_t now_ms)
{
    const double step = caution_now(caution, now_ms) > 0 ? 2 * CAUTION_STEP : CAUTION_STEP;

    caution->raised = fmin(raised_now(caution, now_ms) + step, CAUTION_MOST);
    caution->at_ms = now_ms;
    caution->false_alarms++;
}
