#include "services/worker/flow/outliers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAD_TO_SIGMA 1.4826
#define FEW_WIDEN    2.0  /* a scale of few is not known well */
#define LN_MOST      35.0 /* longer than any time there is */

static double ln_of(int64_t span_ms)
{
    return log((double)(span_ms > 1000 ? span_ms : 1000));
}

static uint32_t known(const struct outliers *outliers)
{
    return outliers->seen < OUTLIERS_WINDOW ? (uint32_t)outliers->seen : OUTLIERS_WINDOW;
}

/* The first place whose value is not less. */
static uint32_t place_of(const double *sorted, uint32_t count, double value)
{
    uint32_t low = 0;

    while (low < count) {
        const uint32_t middle = low + (count - low) / 2;

        if (sorted[middle] < value) {
            low = middle + 1;
        } else {
            count = middle;
        }
    }
    return low;
}

/* The median of the distances from `from`: they grow to both sides of where it stands. */
static double median_distance(const double *sorted, uint32_t count, double from)
{
    uint32_t right = place_of(sorted, count, from);
    uint32_t left = right;
    double before = 0;
    double last = 0;

    for (uint32_t taken = 0; taken <= count / 2; taken++) {
        const double to_left = left > 0 ? from - sorted[left - 1] : HUGE_VAL;
        const double to_right = right < count ? sorted[right] - from : HUGE_VAL;

        before = last;
        if (to_left < to_right) {
            last = to_left;
            left--;
        } else {
            last = to_right;
            right++;
        }
    }
    return count % 2 == 1 ? last : (before + last) / 2;
}

static void measure(struct outliers *outliers)
{
    const uint32_t count = known(outliers);

    if (count == 0) {
        return;
    }
    outliers->median = (outliers->sorted[(count - 1) / 2] + outliers->sorted[count / 2]) / 2;
    outliers->scale =
        fmax(MAD_TO_SIGMA * median_distance(outliers->sorted, count, outliers->median),
             OUTLIERS_SCALE_LEAST) *
        (1 + FEW_WIDEN / count);
}

void outliers_learn(struct outliers *outliers, int64_t span_ms)
{
    const uint32_t at = (uint32_t)(outliers->seen % OUTLIERS_WINDOW);
    const double value = ln_of(span_ms);
    uint32_t count = known(outliers);
    uint32_t place;

    if (count == OUTLIERS_WINDOW) {
        place = place_of(outliers->sorted, count, ln_of(outliers->spans_ms[at]));
        count--;
        memmove(&outliers->sorted[place], &outliers->sorted[place + 1],
                (count - place) * sizeof(double));
    }
    place = place_of(outliers->sorted, count, value);
    memmove(&outliers->sorted[place + 1], &outliers->sorted[place],
            (count - place) * sizeof(double));
    outliers->sorted[place] = value;
    outliers->spans_ms[at] = span_ms > 1000 ? span_ms : 1000;
    outliers->seen++;
    measure(outliers);
}

double outliers_z(const struct outliers *outliers, int64_t span_ms)
{
    if (outliers->seen < OUTLIERS_AT_LEAST) {
        return 0;
    }
    return (ln_of(span_ms) - outliers->median) / outliers->scale;
}

int64_t outliers_span_ms(const struct outliers *outliers, double z, int64_t unlearned_ms)
{
    if (outliers->seen < OUTLIERS_AT_LEAST) {
        return unlearned_ms;
    }
    return (int64_t)exp(fmin(outliers->median + z * outliers->scale, LN_MOST));
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

void outliers_derive(struct outliers *outliers)
{
    const uint32_t count = known(outliers);

    for (uint32_t i = 0; i < count; i++) {
        outliers->sorted[i] = ln_of(outliers->spans_ms[i]);
    }
    qsort(outliers->sorted, count, sizeof(double), by_size);
    measure(outliers);
}
