#include "runtime/metrics/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS, CALLS_BY, OPEN, TOOK, SENT, UPTIME };

static const struct fb_metric table[] = {
    [CALLS] =
        {"t_calls_total", FB_COUNTER, "Calls \\ answered.\nAll of them.", FB_UNIT_NONE, {NULL}, 0},
    [CALLS_BY] = {"t_calls_by_total", FB_COUNTER, "Calls.", FB_UNIT_NONE, {"tier", "code"}, 3},
    [OPEN] = {"t_open", FB_GAUGE, "Open calls.", FB_UNIT_NONE, {NULL}, 0},
    [TOOK] = {"t_took_seconds", FB_HISTOGRAM, "Time taken.", FB_UNIT_SECONDS, {"tier"}, 0},
    [SENT] = {"t_sent_bytes", FB_HISTOGRAM, "Bytes sent.", FB_UNIT_BYTES, {NULL}, 0},
    [UPTIME] = {"t_uptime_seconds", FB_GAUGE, "Since the start.", FB_UNIT_SECONDS, {NULL}, 0},
    {.name = NULL},
};

static int setup(void **state)
{
    *state = fb_metrics_create(table);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    fb_metrics_destroy(*state);
    return 0;
}

/* Freed by the caller. */
static char *scrape(struct fb_metrics *metrics)
{
    struct fb_buffer out = {0};

    fb_metrics_write(metrics, &out);
    fb_buffer_append(&out, "", 1);
    assert_false(out.failed);
    return out.data;
}

static void assert_line(struct fb_metrics *metrics, const char *line)
{
    char *text = scrape(metrics);
    char *whole = malloc(strlen(line) + 3);

    assert_non_null(whole);
    sprintf(whole, "\n%s\n", line);
    if (strstr(text, whole) == NULL) {
        print_error("not there: %s\n%s", line, text);
    }
    assert_non_null(strstr(text, whole));
    free(whole);
    free(text);
}

static void what_was_counted_is_shown_as_prometheus_reads_it(void **state)
{
    struct fb_metrics *metrics = *state;
    static const char begin[] = "# HELP t_calls_total Calls \\\\ answered.\\nAll of them.\n"
                                "# TYPE t_calls_total counter\n"
                                "t_calls_total 5\n"
                                "# HELP t_calls_by_total Calls.\n"
                                "# TYPE t_calls_by_total counter\n"
                                "# HELP t_open Open calls.\n"
                                "# TYPE t_open gauge\n"
                                "t_open -5\n";
    char *text;

    fb_metrics_add(metrics, CALLS, 2);
    fb_metrics_add(metrics, CALLS, 3);
    fb_metrics_add(metrics, OPEN, 4);
    fb_metrics_add(metrics, OPEN, -9);
    text = scrape(metrics);
    assert_memory_equal(text, begin, sizeof(begin) - 1);
    free(text);
    assert_int_equal(fb_metrics_value(metrics, CALLS), 5);
}

static void seconds_are_shown_without_losing_a_microsecond(void **state)
{
    static const struct {
        int64_t us;
        const char *line;
    } cases[] = {
        {0, "t_uptime_seconds 0"},
        {1, "t_uptime_seconds 0.000001"},
        {1500000, "t_uptime_seconds 1.5"},
        {20000000, "t_uptime_seconds 20"},
        {-250000, "t_uptime_seconds -0.25"},
        {INT64_MAX, "t_uptime_seconds 9223372036854.775807"},
        {INT64_MIN, "t_uptime_seconds -9223372036854.775808"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fb_metrics_set(*state, UPTIME, cases[i].us);
        assert_line(*state, cases[i].line);
    }
}

static void each_combination_of_labels_is_a_series_of_its_own(void **state)
{
    struct fb_metrics *metrics = *state;
    struct fb_series *hot = fb_metrics_series(metrics, CALLS_BY, FB_LABELS("hot", "OK"));

    fb_series_add(hot, 7);
    fb_series_add(fb_metrics_series(metrics, CALLS_BY, FB_LABELS("cold", "OK")), 1);
    assert_ptr_equal(fb_metrics_series(metrics, CALLS_BY, FB_LABELS("hot", "OK")), hot);
    assert_line(metrics, "t_calls_by_total{tier=\"hot\",code=\"OK\"} 7");
    assert_line(metrics, "t_calls_by_total{tier=\"cold\",code=\"OK\"} 1");
}

static void label_values_are_escaped_and_cut_where_a_character_begins(void **state)
{
    struct fb_metrics *metrics = *state;
    char value[80];

    fb_series_add(fb_metrics_series(metrics, CALLS_BY, FB_LABELS("a\"b\\c\nd\xff", "")), 1);
    assert_line(metrics, "t_calls_by_total{tier=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\",code=\"\"} 1");
    memset(value, 'x', 62);
    snprintf(value + 62, sizeof(value) - 62, "%s", "\xe2\x82\xac tail");
    fb_series_add(fb_metrics_series(metrics, CALLS_BY, FB_LABELS(value, "")), 1);
    fb_series_add(fb_metrics_series(metrics, CALLS_BY, FB_LABELS(value, "")), 1);
    snprintf(value + 62, sizeof(value) - 62, "%s", "\",code=\"\"} 2");
    value[74] = '\0';
    {
        char line[160];

        snprintf(line, sizeof(line), "t_calls_by_total{tier=\"%s", value);
        assert_line(metrics, line);
    }
}

static void combinations_beyond_the_most_are_counted_as_other(void **state)
{
    struct fb_metrics *metrics = *state;

    for (int i = 0; i < 10; i++) {
        char tier[8];

        snprintf(tier, sizeof(tier), "t%d", i);
        fb_series_add(fb_metrics_series(metrics, CALLS_BY, FB_LABELS(tier, "OK")), 1);
    }
    assert_line(metrics, "t_calls_by_total{tier=\"other\",code=\"other\"} 7");
    assert_line(metrics, "t_calls_by_total{tier=\"t2\",code=\"OK\"} 1");
}

static void a_histogram_counts_below_each_bound(void **state)
{
    struct fb_metrics *metrics = *state;
    struct fb_series *hot = fb_metrics_series(metrics, TOOK, FB_LABELS("hot"));
    static const int64_t took_us[] = {0, 10, 11, 1000, 1001, 100000000, 100000001};

    for (size_t i = 0; i < sizeof(took_us) / sizeof(took_us[0]); i++) {
        fb_series_observe(hot, took_us[i]);
    }
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"0.00001\"} 2");
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"0.00002\"} 3");
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"0.001\"} 4");
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"0.002\"} 5");
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"100\"} 6");
    assert_line(metrics, "t_took_seconds_bucket{tier=\"hot\",le=\"+Inf\"} 7");
    assert_line(metrics, "t_took_seconds_sum{tier=\"hot\"} 200.002023");
    assert_line(metrics, "t_took_seconds_count{tier=\"hot\"} 7");
    assert_int_equal(fb_series_value(hot), 7);
}

static void a_histogram_of_bytes_is_shown_in_bytes(void **state)
{
    fb_metrics_observe(*state, SENT, 65);
    assert_line(*state, "t_sent_bytes_bucket{le=\"64\"} 0");
    assert_line(*state, "t_sent_bytes_bucket{le=\"128\"} 1");
    assert_line(*state, "t_sent_bytes_sum 65");
    assert_line(*state, "t_sent_bytes_count 1");
}

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        char tier[8];

        snprintf(tier, sizeof(tier), "t%d", i % 5);
        fb_metrics_add(arg, CALLS, 1);
        fb_series_add(fb_metrics_series(arg, CALLS_BY, FB_LABELS(tier, "OK")), 1);
        fb_metrics_observe(arg, SENT, i);
        if (i % 1000 == 0) {
            free(scrape(arg));
        }
    }
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, *state), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(fb_metrics_value(*state, CALLS), 40000);
    assert_line(*state, "t_calls_by_total{tier=\"t0\",code=\"OK\"} 8000");
    assert_line(*state, "t_calls_by_total{tier=\"other\",code=\"other\"} 16000");
    assert_line(*state, "t_sent_bytes_count 40000");
}

static void without_metrics_nothing_is_counted(void **state)
{
    struct fb_buffer out = {0};

    (void)state;
    fb_metrics_add(NULL, CALLS, 1);
    fb_metrics_set(NULL, OPEN, 1);
    fb_metrics_observe(NULL, SENT, 1);
    fb_series_add(fb_metrics_series(NULL, CALLS_BY, FB_LABELS("hot", "OK")), 1);
    fb_metrics_write(NULL, &out);
    assert_int_equal(out.size, 0);
    assert_int_equal(fb_metrics_value(NULL, CALLS), 0);
    fb_metrics_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_counted_is_shown_as_prometheus_reads_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(seconds_are_shown_without_losing_a_microsecond, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(each_combination_of_labels_is_a_series_of_its_own, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(label_values_are_escaped_and_cut_where_a_character_begins,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(combinations_beyond_the_most_are_counted_as_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_histogram_counts_below_each_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(a_histogram_of_bytes_is_shown_in_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_lose_no_count, setup, teardown),
        cmocka_unit_test(without_metrics_nothing_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
