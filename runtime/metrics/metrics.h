#ifndef FB_RUNTIME_METRICS_METRICS_H
#define FB_RUNTIME_METRICS_METRICS_H

/*
 * metrics: what a program counts, as one table.
 *
 *     enum { ROUTER_CALLS, ROUTER_CALL_SECONDS };
 *
 *     static const struct fb_metric router_metrics[] = {
 *         [ROUTER_CALLS] = {"flowbalancer_router_calls_total", FB_COUNTER,
 *                           "Calls answered.", .labels = {"tier", "code"}},
 *         [ROUTER_CALL_SECONDS] = {"flowbalancer_router_call_seconds", FB_HISTOGRAM,
 *                                  "From first byte to status.", .unit = FB_UNIT_SECONDS},
 *         {.name = NULL},
 *     };
 *
 *     fb_metrics_observe(metrics, ROUTER_CALL_SECONDS, took_us);
 *     fb_series_add(fb_metrics_series(metrics, ROUTER_CALLS, FB_LABELS("hot", "OK")), 1);
 *
 * Any thread may use everything here. Counting is one relaxed atomic; finding a labelled series
 * takes a lock, so a hot path finds it once and keeps it. Wherever metrics or a series is asked
 * for, NULL is welcome and counts nothing: for modules that are used without a program.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"

enum {
    FB_METRIC_LABELS = 3,      /* most labels of a metric */
    FB_METRIC_SERIES = 64,     /* combinations of label values unless the table says otherwise */
    FB_METRIC_VALUE_BYTES = 64 /* longer label values are cut */
};

enum fb_metric_kind { FB_COUNTER, FB_GAUGE, FB_HISTOGRAM };

/*
 * What the numbers handed in are. Prometheus wants base units, so SECONDS takes microseconds and
 * shows seconds; a name ends with its unit (and a counter's with _total).
 */
enum fb_metric_unit { FB_UNIT_NONE, FB_UNIT_SECONDS, FB_UNIT_BYTES };

struct fb_metric {
    const char *name; /* as it is scraped */
    enum fb_metric_kind kind;
    const char *help; /* one sentence */
    enum fb_metric_unit unit;
    const char *labels[FB_METRIC_LABELS]; /* names; NULL where there are fewer */
    uint32_t most_series;                 /* beyond it all count as "other"; 0 is the default */
};

struct fb_metrics;
struct fb_series; /* one metric under one combination of label values; lives as the metrics do */

/* `table` is borrowed and ends with a NULL name. NULL when memory is exhausted. */
struct fb_metrics *fb_metrics_create(const struct fb_metric *table);
void fb_metrics_destroy(struct fb_metrics *metrics);

/* The metric at place `metric` of the table, which must have no labels. */
void fb_metrics_add(struct fb_metrics *metrics, size_t metric, int64_t value);
void fb_metrics_set(struct fb_metrics *metrics, size_t metric, int64_t value);
void fb_metrics_observe(struct fb_metrics *metrics, size_t metric, int64_t value);

/*
 * The series with these label values, in the order of the table; made at its first use. When the
 * metric has all the series it may have, the one whose values are all "other". NULL only for NULL
 * `metrics`.
 */
#define FB_LABELS(...) ((const char *const[FB_METRIC_LABELS]){__VA_ARGS__})
struct fb_series *fb_metrics_series(struct fb_metrics *metrics, size_t metric,
                                    const char *const values[FB_METRIC_LABELS]);

void fb_series_add(struct fb_series *series, int64_t value);     /* counters and gauges */
void fb_series_set(struct fb_series *series, int64_t value);     /* gauges */
void fb_series_observe(struct fb_series *series, int64_t value); /* histograms */

/* What it counted: for a histogram the number of observations. */
int64_t fb_series_value(const struct fb_series *series);
int64_t fb_metrics_value(struct fb_metrics *metrics, size_t metric);

/* Appends all series in Prometheus text format 0.0.4. */
#define FB_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void fb_metrics_write(struct fb_metrics *metrics, struct fb_buffer *out);

#endif
