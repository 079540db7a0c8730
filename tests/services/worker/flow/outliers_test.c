#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/outliers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define LIMIT     3.0

static double deviate(unsigned short seed[3])
{
    double sum = -6;

    for (int i = 0; i < 12; i++) {
        sum += erand48(seed);
    }
    return sum;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void fewer_than_ten_spans_say_nothing(void **state)
{
    struct outliers outliers = {.seen = 0};

    (void)state;
    for (int i = 0; i < OUTLIERS_AT_LEAST; i++) {
        assert_true(outliers_z(&outliers, 1000 * HOUR_MS) == 0);
        assert_int_equal(outliers_span_ms(&outliers, LIMIT, 4 * HOUR_MS), 4 * HOUR_MS);
        outliers_learn(&outliers, 10 * MINUTE_MS);
    }
    assert_true(outliers_z(&outliers, 1000 * HOUR_MS) > LIMIT);
    assert_true(outliers_span_ms(&outliers, LIMIT, 4 * HOUR_MS) < HOUR_MS);
}

static void median_and_scale_are_those_of_the_last_spans(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    struct outliers outliers = {.seen = 0};
    double last[OUTLIERS_WINDOW];

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const int64_t span_ms = (int64_t)exp(13 + 1.5 * deviate(seed)) + 1000;
        const uint32_t count = i + 1 < OUTLIERS_WINDOW ? i + 1 : OUTLIERS_WINDOW;
        double sorted[OUTLIERS_WINDOW];
        double median;

        outliers_learn(&outliers, span_ms);
        last[i % OUTLIERS_WINDOW] = log((double)span_ms);
        memcpy(sorted, last, sizeof(sorted));
        median = median_of(sorted, count);
        assert_true(outliers.median == median);
        for (uint32_t j = 0; j < count; j++) {
            sorted[j] = fabs(sorted[j] - median);
        }
        if (count > 3) {
            assert_true(fabs(outliers.scale -
                             1.4826 * median_of(sorted, count) * (1 + 2.0 / count)) < 1e-12);
        }
    }
}

static void what_is_derived_is_the_same_when_computed_anew(void **state)
{
    unsigned short seed[3] = {4, 5, 6};
    struct outliers outliers = {.seen = 0};
    struct outliers anew;

    (void)state;
    for (int i = 0; i < 700; i++) {
        outliers_learn(&outliers, nrand48(seed) % 10000000);
    }
    anew = outliers;
    memset(anew.sorted, 0, sizeof(anew.sorted));
    anew.median = 0;
    anew.scale = 0;
    outliers_derive(&anew);
    assert_memory_equal(&anew, &outliers, sizeof(anew));
}

static void the_span_of_a_z_has_that_z(void **state)
{
    unsigned short seed[3] = {7, 8, 9};
    struct outliers outliers = {.seen = 0};
    int64_t longest_ms;

    (void)state;
    for (int i = 0; i < 100; i++) {
        outliers_learn(&outliers, (int64_t)exp(13 + deviate(seed)));
    }
    longest_ms = outliers_span_ms(&outliers, LIMIT, 0);
    assert_true(outliers_z(&outliers, longest_ms) <= LIMIT);
    assert_true(outliers_z(&outliers, longest_ms + 10) > LIMIT);
}

static void absurd_spans_leave_it_finite(void **state)
{
    static const int64_t spans[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    struct outliers outliers = {.seen = 0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        outliers_learn(&outliers, spans[i % 5]);
        assert_true(isfinite(outliers_z(&outliers, spans[(i + 1) % 5])));
        assert_true(outliers_span_ms(&outliers, LIMIT, 1) >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_than_ten_spans_say_nothing),
        cmocka_unit_test(median_and_scale_are_those_of_the_last_spans),
        cmocka_unit_test(what_is_derived_is_the_same_when_computed_anew),
        cmocka_unit_test(the_span_of_a_z_has_that_z),
        cmocka_unit_test(absurd_spans_leave_it_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
