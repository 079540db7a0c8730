#include "services/worker/flow/chart.h"

#include <math.h>

#define DEVIATION_LEAST      0.3 /* a tick's, however regular it was */
#define AUTOCORRELATION_MOST 0.9

/* The i-th tick from the oldest that is remembered. */
static double tick_of(const struct chart *chart, uint64_t i)
{
    const uint64_t first = chart->seen > CHART_WINDOW ? chart->seen - CHART_WINDOW : 0;

    return chart->counts[(first + i) % CHART_WINDOW];
}

/* How much wider ticks scatter in sums that forget by `keep` when each resembles the one before. */
static double widening(double autocorrelation, double keep)
{
    return sqrt((1 + autocorrelation * keep) / (1 - autocorrelation * keep));
}

struct chart_usual chart_usual(const struct chart *chart)
{
    const uint64_t known = chart->seen < CHART_WINDOW ? chart->seen : CHART_WINDOW;
    struct chart_usual usual = {.ticks = known > CHART_RECENT ? (uint32_t)known - CHART_RECENT : 0};
    double squares = 0;
    double products = 0;
    double autocorrelation = 0;
    double deviation;

    for (uint32_t i = 0; i < usual.ticks; i++) {
        usual.mean += tick_of(chart, i) / usual.ticks;
    }
    for (uint32_t i = 0; i < usual.ticks; i++) {
        const double here = tick_of(chart, i) - usual.mean;

        squares += here * here;
        if (i > 0) {
            products += here * (tick_of(chart, i - 1) - usual.mean);
        }
    }
    if (squares > 0) {
        autocorrelation = fmin(fmax(products / squares, 0), AUTOCORRELATION_MOST);
    }
    deviation = usual.ticks > 1 ? sqrt(squares / (usual.ticks - 1)) : 0;
    deviation = fmax(deviation, DEVIATION_LEAST);
    usual.dispersion =
        fmax(1, usual.mean > 0 ? pow(deviation * widening(autocorrelation, 1), 2) / usual.mean : 1);
    usual.average_deviation = deviation * sqrt(CHART_LAMBDA / (2 - CHART_LAMBDA)) *
                              widening(autocorrelation, 1 - CHART_LAMBDA);
    return usual;
}

double chart_average_with(const struct chart *chart, uint32_t count)
{
    if (chart->seen == 0) {
        return CHART_LAMBDA * count;
    }
    return CHART_LAMBDA * count + (1 - CHART_LAMBDA) * chart->average;
}

void chart_tick(struct chart *chart, uint32_t count)
{
    const struct chart_usual usual = chart_usual(chart);
    const uint32_t bounded = count < CHART_COUNT_MOST ? count : CHART_COUNT_MOST;

    if (usual.ticks >= CHART_AT_LEAST) {
        const double likelier =
            usual.mean * (1 - 1 / CHART_CUSUM_DROP) - bounded * log(CHART_CUSUM_DROP);

        chart->missing = fmax(0, chart->missing + likelier / usual.dispersion);
    }
    chart->average = chart->seen == 0 ? bounded : chart_average_with(chart, bounded);
    chart->counts[chart->seen % CHART_WINDOW] = bounded;
    chart->seen++;
}

bool chart_is_above(const struct chart *chart, double average, double deviations)
{
    const struct chart_usual usual = chart_usual(chart);

    return average > usual.mean + deviations * usual.average_deviation;
}

bool chart_is_below(const struct chart *chart, double deviations)
{
    const struct chart_usual usual = chart_usual(chart);

    return usual.ticks >= CHART_AT_LEAST &&
           (chart->average < usual.mean - deviations * usual.average_deviation ||
            chart->missing > CHART_CUSUM_LIMIT);
}
