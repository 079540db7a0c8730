#ifndef FB_SERVICES_WORKER_FLOW_CHART_H
#define FB_SERVICES_WORKER_FLOW_CHART_H

/*
 * chart: whether a count per tick has left its usual range, at once or little by little.
 *
 * At once: an exponentially weighted moving average with lambda .2 against control limits (Roberts
 * 1959; Lucas & Saccucci 1990). Little by little: a one-sided cumulative sum (Page 1954) of how much
 * likelier the counts are at a third of the usual rate, as of a Poisson process, divided by how much
 * more the ticks scatter than one. What is usual is learned from the last CHART_WINDOW ticks but the
 * CHART_RECENT latest. Ticks that resemble the one before widen the limits as their first
 * autocorrelation says. A value; one
 * thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#define CHART_LAMBDA      0.2
#define CHART_CUSUM_DROP  3.0 /* to a third */
#define CHART_CUSUM_LIMIT 8.0

enum {
    CHART_WINDOW = 96,
    CHART_RECENT = 4,
    CHART_AT_LEAST = 24, /* ticks to learn from before it is in any state to speak */
    CHART_COUNT_MOST = 1 << 20,
};

struct chart {
    uint32_t counts[CHART_WINDOW]; /* a ring */
    uint64_t seen;
    double average;
    double missing; /* the cumulative sum */
};

/* What is usual. */
struct chart_usual {
    uint32_t ticks; /* learned from */
    double mean;
    double average_deviation; /* of the moving average */
    double dispersion;        /* variance over the mean, at least 1 */
};

struct chart_usual chart_usual(const struct chart *chart);

/* A tick is over. */
void chart_tick(struct chart *chart, uint32_t count);

/* The moving average as if a tick ended with this count. */
double chart_average_with(const struct chart *chart, uint32_t count);

/* Whether the average is `deviations` of its own above what is usual; with nothing learned, above 0. */
bool chart_is_above(const struct chart *chart, double average, double deviations);

/* Whether the last tick left the average `deviations` below, or too much is missing by now. */
bool chart_is_below(const struct chart *chart, double deviations);

#endif
