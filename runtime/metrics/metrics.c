#include "runtime/metrics/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 22 };

/*
 * Upper bounds, in what is handed in: microseconds from 10 us to 100 s, three a decade, and bytes
 * from 64 B to 64 MiB. Fixed, so that series of many hosts add up.
 */
static const int64_t bounds_us[BUCKETS] = {
    10,      20,      50,       100,      200,      500,       1000,   2000,
    5000,    10000,   20000,    50000,    100000,   200000,    500000, 1000000,
    2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
};
static const int64_t bounds_bytes[BUCKETS] = {
    64,      128,     256,      512,      1024,     2048,      4096,    8192,
    16384,   32768,   65536,    131072,   262144,   524288,    1048576, 2097152,
    4194304, 8388608, 16777216, 33554432, 67108864, 134217728,
};

struct histogram {
    _Atomic int64_t sum;
    _Atomic int64_t buckets[BUCKETS + 1]; /* not cumulative; the last is +Inf */
};

struct fb_series {
    const struct fb_metric *metric;
    struct fb_series *next;      /* of the same metric, in order of first use */
    _Atomic int64_t value;       /* count, for a histogram */
    struct histogram *histogram; /* NULL unless one */
    char values[FB_METRIC_LABELS][FB_METRIC_VALUE_BYTES];
};

/* The series of one line of the table. */
struct family {
    struct fb_series *first; /* made with the metrics: unlabelled, or all "other" */
    struct fb_series *last;
    uint32_t count; /* without `first` when labelled */
};

struct fb_metrics {
    const struct fb_metric *table;
    size_t count;
    pthread_mutex_t lock; /* of the lists in families */
    struct family families[];
};

static bool is_labelled(const struct fb_metric *metric)
{
    return metric->labels[0] != NULL;
}

static bool ends_with(const char *name, const char *end)
{
    const size_t size = strlen(name);
    const size_t end_size = strlen(end);

    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

/* Rule: a name ends with its unit, and a counter's with _total behind it. */
static bool is_well_named(const struct fb_metric *metric)
{
    static const char *const ends[] = {
        [FB_UNIT_NONE] = "", [FB_UNIT_SECONDS] = "_seconds", [FB_UNIT_BYTES] = "_bytes"};
    static const char *const total_ends[] = {[FB_UNIT_NONE] = "_total",
                                             [FB_UNIT_SECONDS] = "_seconds_total",
                                             [FB_UNIT_BYTES] = "_bytes_total"};

    return ends_with(metric->name,
                     metric->kind == FB_COUNTER ? total_ends[metric->unit] : ends[metric->unit]);
}

static struct fb_series *series_create(const struct fb_metric *metric)
{
    struct fb_series *series = calloc(1, sizeof(*series));

    if (series == NULL) {
        return NULL;
    }
    series->metric = metric;
    if (metric->kind == FB_HISTOGRAM) {
        series->histogram = calloc(1, sizeof(*series->histogram));
        if (series->histogram == NULL) {
            free(series);
            return NULL;
        }
    }
    return series;
}

static bool family_begin(struct family *family, const struct fb_metric *metric)
{
    struct fb_series *series = series_create(metric);

    if (series == NULL) {
        return false;
    }
    for (size_t i = 0; i < FB_METRIC_LABELS && metric->labels[i] != NULL; i++) {
        memcpy(series->values[i], "other", sizeof("other"));
    }
    family->first = series;
    family->last = series;
    return true;
}

struct fb_metrics *fb_metrics_create(const struct fb_metric *table)
{
    struct fb_metrics *metrics;
    size_t count = 0;
    bool whole = true;

    while (table[count].name != NULL) {
        assert(is_well_named(&table[count]));
        assert(table[count].kind != FB_HISTOGRAM || table[count].unit != FB_UNIT_NONE);
        count++;
    }
    metrics = calloc(1, sizeof(*metrics) + count * sizeof(metrics->families[0]));
    if (metrics == NULL) {
        return NULL;
    }
    metrics->table = table;
    metrics->count = count;
    pthread_mutex_init(&metrics->lock, NULL);
    for (size_t i = 0; i < count; i++) {
        whole = family_begin(&metrics->families[i], &table[i]) && whole;
    }
    if (!whole) {
        fb_metrics_destroy(metrics);
        return NULL;
    }
    return metrics;
}

void fb_metrics_destroy(struct fb_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        struct fb_series *series = metrics->families[i].first;

        while (series != NULL) {
            struct fb_series *next = series->next;

            free(series->histogram);
            free(series);
            series = next;
        }
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* Cut where a character begins, so that what is shown stays UTF-8. */
static size_t value_size(const char *value)
{
    size_t size = strnlen(value, FB_METRIC_VALUE_BYTES);

    if (size == FB_METRIC_VALUE_BYTES) {
        size--;
        while (size > 0 && ((unsigned char)value[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    return size;
}

static bool has_values(const struct fb_series *series, const char *const *values)
{
    for (size_t i = 0; i < FB_METRIC_LABELS && series->metric->labels[i] != NULL; i++) {
        const size_t size = value_size(values[i]);

        if (memcmp(series->values[i], values[i], size) != 0 || series->values[i][size] != '\0') {
            return false;
        }
    }
    return true;
}

static struct fb_series *find_or_make(struct family *family, const struct fb_metric *metric,
                                      const char *const *values)
{
    const uint32_t most = metric->most_series == 0 ? FB_METRIC_SERIES : metric->most_series;
    struct fb_series *series;

    for (series = family->first; series != NULL; series = series->next) {
        if (has_values(series, values)) {
            return series;
        }
    }
    series = family->count < most ? series_create(metric) : NULL;
    if (series == NULL) {
        return family->first;
    }
    for (size_t i = 0; i < FB_METRIC_LABELS && metric->labels[i] != NULL; i++) {
        memcpy(series->values[i], values[i], value_size(values[i]));
    }
    family->last->next = series;
    family->last = series;
    family->count++;
    return series;
}

struct fb_series *fb_metrics_series(struct fb_metrics *metrics, size_t metric,
                                    const char *const values[FB_METRIC_LABELS])
{
    struct fb_series *series;

    if (metrics == NULL) {
        return NULL;
    }
    assert(metric < metrics->count);
    pthread_mutex_lock(&metrics->lock);
    series = find_or_make(&metrics->families[metric], &metrics->table[metric], values);
    pthread_mutex_unlock(&metrics->lock);
    return series;
}

void fb_series_add(struct fb_series *series, int64_t value)
{
    if (series == NULL) {
        return;
    }
    assert(series->metric->kind == FB_GAUGE || (series->metric->kind == FB_COUNTER && value >= 0));
    atomic_fetch_add_explicit(&series->value, value, memory_order_relaxed);
}

void fb_series_set(struct fb_series *series, int64_t value)
{
    if (series == NULL) {
        return;
    }
    assert(series->metric->kind == FB_GAUGE);
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

static const int64_t *bounds_of(const struct fb_metric *metric)
{
    return metric->unit == FB_UNIT_SECONDS ? bounds_us : bounds_bytes;
}

void fb_series_observe(struct fb_series *series, int64_t value)
{
    const int64_t *bounds;
    size_t low = 0;
    size_t high = BUCKETS;

    if (series == NULL) {
        return;
    }
    assert(series->metric->kind == FB_HISTOGRAM);
    bounds = bounds_of(series->metric);
    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (value <= bounds[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    atomic_fetch_add_explicit(&series->histogram->buckets[low], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->histogram->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&series->value, 1, memory_order_relaxed);
}

int64_t fb_series_value(const struct fb_series *series)
{
    return series == NULL ? 0 : atomic_load_explicit(&series->value, memory_order_relaxed);
}

static struct fb_series *plain_series(struct fb_metrics *metrics, size_t metric)
{
    if (metrics == NULL) {
        return NULL;
    }
    assert(metric < metrics->count && !is_labelled(&metrics->table[metric]));
    return metrics->families[metric].first;
}

void fb_metrics_add(struct fb_metrics *metrics, size_t metric, int64_t value)
{
    fb_series_add(plain_series(metrics, metric), value);
}

void fb_metrics_set(struct fb_metrics *metrics, size_t metric, int64_t value)
{
    fb_series_set(plain_series(metrics, metric), value);
}

void fb_metrics_observe(struct fb_metrics *metrics, size_t metric, int64_t value)
{
    fb_series_observe(plain_series(metrics, metric), value);
}

int64_t fb_metrics_value(struct fb_metrics *metrics, size_t metric)
{
    return fb_series_value(plain_series(metrics, metric));
}

/* Exact: a double would lose the end of a sum of microseconds. */
static void write_value(struct fb_buffer *out, const struct fb_metric *metric, int64_t value)
{
    const uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    const char *sign = value < 0 ? "-" : "";
    unsigned digits = 6;
    uint64_t part = size % 1000000;

    if (metric->unit != FB_UNIT_SECONDS || part == 0) {
        const uint64_t whole = metric->unit == FB_UNIT_SECONDS ? size / 1000000 : size;

        fb_buffer_printf(out, "%s%llu", sign, (unsigned long long)whole);
        return;
    }
    while (part % 10 == 0) {
        part /= 10;
        digits--;
    }
    fb_buffer_printf(out, "%s%llu.%0*llu", sign, (unsigned long long)(size / 1000000), (int)digits,
                     (unsigned long long)part);
}

static void write_label_value(struct fb_buffer *out, const char *value)
{
    const size_t size = strlen(value);
    size_t i = 0;

    while (i < size) {
        const size_t good = fb_utf8_check(value + i, size - i);

        for (size_t end = i + good; i < end; i++) {
            if (value[i] == '\n') {
                fb_buffer_append(out, "\\n", 2);
                continue;
            }
            if (value[i] == '"' || value[i] == '\\') {
                fb_buffer_append(out, "\\", 1);
            }
            fb_buffer_append(out, value + i, 1);
        }
        if (i < size) {
            fb_buffer_append(out, "\xef\xbf\xbd", 3);
            i++;
        }
    }
}

/* `{tier="hot",le="0.5"}`; nothing at all without labels. */
static void write_labels(struct fb_buffer *out, const struct fb_series *series, const int64_t *le,
                         bool is_bucket)
{
    const char *before = "{";

    for (size_t i = 0; i < FB_METRIC_LABELS && series->metric->labels[i] != NULL; i++) {
        fb_buffer_printf(out, "%s%s=\"", before, series->metric->labels[i]);
        write_label_value(out, series->values[i]);
        fb_buffer_append(out, "\"", 1);
        before = ",";
    }
    if (is_bucket) {
        fb_buffer_printf(out, "%sle=\"", before);
        if (le == NULL) {
            fb_buffer_string(out, "+Inf");
        } else {
            write_value(out, series->metric, *le);
        }
        fb_buffer_append(out, "\"", 1);
        before = ",";
    }
    if (before[0] == ',') {
        fb_buffer_append(out, "}", 1);
    }
}

/*
 * The count that is shown is the sum of the buckets as read, not the counter beside them: a scraper
 * must see _count equal to the +Inf bucket even while others observe.
 */
static void write_histogram(struct fb_buffer *out, const struct fb_series *series)
{
    const char *name = series->metric->name;
    const int64_t *bounds = bounds_of(series->metric);
    int64_t count = 0;

    for (size_t i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&series->histogram->buckets[i], memory_order_relaxed);
        fb_buffer_printf(out, "%s_bucket", name);
        write_labels(out, series, i < BUCKETS ? &bounds[i] : NULL, true);
        fb_buffer_printf(out, " %lld\n", (long long)count);
    }
    fb_buffer_printf(out, "%s_sum", name);
    write_labels(out, series, NULL, false);
    fb_buffer_append(out, " ", 1);
    write_value(out, series->metric,
                atomic_load_explicit(&series->histogram->sum, memory_order_relaxed));
    fb_buffer_printf(out, "\n%s_count", name);
    write_labels(out, series, NULL, false);
    fb_buffer_printf(out, " %lld\n", (long long)count);
}

static void write_series(struct fb_buffer *out, const struct fb_series *series)
{
    if (series->histogram != NULL) {
        write_histogram(out, series);
        return;
    }
    fb_buffer_string(out, series->metric->name);
    write_labels(out, series, NULL, false);
    fb_buffer_append(out, " ", 1);
    write_value(out, series->metric, fb_series_value(series));
    fb_buffer_append(out, "\n", 1);
}

static void write_help(struct fb_buffer *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\n') {
            fb_buffer_append(out, "\\n", 2);
            continue;
        }
        if (*help == '\\') {
            fb_buffer_append(out, "\\", 1);
        }
        fb_buffer_append(out, help, 1);
    }
}

void fb_metrics_write(struct fb_metrics *metrics, struct fb_buffer *out)
{
    static const char *const kinds[] = {
        [FB_COUNTER] = "counter", [FB_GAUGE] = "gauge", [FB_HISTOGRAM] = "histogram"};

    if (metrics == NULL) {
        return;
    }
    pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < metrics->count; i++) {
        const struct fb_metric *metric = &metrics->table[i];

        fb_buffer_printf(out, "# HELP %s ", metric->name);
        write_help(out, metric->help);
        fb_buffer_printf(out, "\n# TYPE %s %s\n", metric->name, kinds[metric->kind]);
        for (const struct fb_series *s = metrics->families[i].first; s != NULL; s = s->next) {
            /* "other" shows once something went there. */
            if (is_labelled(metric) && s == metrics->families[i].first && fb_series_value(s) == 0) {
                continue;
            }
            write_series(out, s);
        }
    }
    pthread_mutex_unlock(&metrics->lock);
}
