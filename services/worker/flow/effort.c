#include "services/worker/flow/effort.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RIDGE      1.0
#define NORMAL     1.4826                /* sigma of a normal deviate over its median size */
#define LN_MINIMUM (-4.0943445622221007) /* ln of a second, in minutes */
#define LN_MAXIMUM 10.673595693857303    /* ln of 30 days, in minutes */

struct effort effort_unlearned(void)
{
    struct effort effort = {.seen = 0};

    for (int i = 0; i < EFFORT_INPUTS; i++) {
        effort.inverse[i][i] = 1 / RIDGE;
    }
    return effort;
}

double effort_prior(uint32_t weight)
{
    return 10 * expm1(weight / 2.2) / expm1(5 / 2.2);
}

static void inputs_of(const struct effort_input *input, double x[EFFORT_INPUTS])
{
    assert(input->phase < EFFORT_PHASES);
    memset(x, 0, sizeof(double) * EFFORT_INPUTS);
    x[0] = 1;
    x[1] = (input->weight - 5.0) / 5.0;
    x[2] = input->attempt - 1.0;
    if (input->phase > 0) {
        x[2 + input->phase] = 1;
    }
}

static double bounded(double ln_minutes)
{
    return fmin(fmax(ln_minutes, LN_MINIMUM), LN_MAXIMUM);
}

static double learned_ln(const struct effort *effort, const double x[EFFORT_INPUTS])
{
    double sum = 0;

    for (int i = 0; i < EFFORT_INPUTS; i++) {
        sum += effort->weights[i] * x[i];
    }
    return bounded(sum);
}

double effort_minutes(const struct effort *effort, const struct effort_input *input)
{
    double x[EFFORT_INPUTS];

    if (!effort->learned_better) {
        return effort_prior(input->weight);
    }
    inputs_of(input, x);
    return exp(learned_ln(effort, x));
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values, size_t count)
{
    double sorted[EFFORT_WINDOW];

    if (count == 0) {
        return 0;
    }
    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), by_size);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

void effort_errors(const struct effort *effort, double *learned, double *prior)
{
    const size_t count = effort->seen < EFFORT_WINDOW ? (size_t)effort->seen : EFFORT_WINDOW;

    *learned = median(effort->learned_error, count);
    *prior = median(effort->prior_error, count);
}

double effort_spread(const struct effort *effort)
{
    double learned;
    double prior;

    if (effort->seen < EFFORT_AT_LEAST) {
        return EFFORT_SPREAD;
    }
    effort_errors(effort, &learned, &prior);
    return fmin(fmax(NORMAL * (effort->learned_better ? learned : prior), .1), 1.5);
}

/* One step of recursive least squares: k = Px / (1 + x'Px), w += k e, P -= k (Px)'. */
static void regress(struct effort *effort, const double x[EFFORT_INPUTS], double error)
{
    double px[EFFORT_INPUTS] = {0};
    double scale = 1;

    for (int i = 0; i < EFFORT_INPUTS; i++) {
        for (int j = 0; j < EFFORT_INPUTS; j++) {
            px[i] += effort->inverse[i][j] * x[j];
        }
        scale += x[i] * px[i];
    }
    for (int i = 0; i < EFFORT_INPUTS; i++) {
        effort->weights[i] += px[i] / scale * error;
        for (int j = 0; j < EFFORT_INPUTS; j++) {
            effort->inverse[i][j] -= px[i] * px[j] / scale;
        }
    }
}

void effort_learn(struct effort *effort, const struct effort_input *input, int64_t hold_ms)
{
    const double ln_hold = bounded(log((double)(hold_ms > 1000 ? hold_ms : 1000) / 60000.0));
    const size_t at = (size_t)(effort->seen % EFFORT_WINDOW);
    double learned_median;
    double prior_median;
    double x[EFFORT_INPUTS];
    double error;

    inputs_of(input, x);
    error = ln_hold - learned_ln(effort, x);
    effort->learned_error[at] = fabs(error);
    effort->prior_error[at] = fabs(ln_hold - log(effort_prior(input->weight)));
    effort->seen++;
    regress(effort, x, error);
    effort_errors(effort, &learned_median, &prior_median);
    effort->learned_better = effort->seen >= EFFORT_AT_LEAST && learned_median < prior_median;
}
