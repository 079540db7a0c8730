#ifndef FB_SERVICES_WORKER_FLOW_OUTLIERS_H
#define FB_SERVICES_WORKER_FLOW_OUTLIERS_H

/*
 * outliers: which span is too long to be one of those seen before.
 *
 * z = (ln span - median) / (1.4826 MAD) over the last OUTLIERS_WINDOW spans (Iglewicz & Hoaglin 1993);
 * the scale counts as at least OUTLIERS_SCALE_LEAST, and as wider by 2/n while only few are known. How
 * great z may be is for the caller to say. A value; one thread at a time.
 */

#include <stdint.h>

#define OUTLIERS_SCALE_LEAST 0.25

enum { OUTLIERS_WINDOW = 256, OUTLIERS_AT_LEAST = 10 };

/* All zero has seen none. */
struct outliers {
    /* learned */
    int64_t spans_ms[OUTLIERS_WINDOW]; /* a ring */
    uint64_t seen;

    /* derived */
    double sorted[OUTLIERS_WINDOW]; /* their logarithms */
    double median;
    double scale;
};

/* Learns from a span that ended well; less than a second counts as a second. */
void outliers_learn(struct outliers *outliers, int64_t span_ms);

/* Of a span; 0 before OUTLIERS_AT_LEAST were seen. */
double outliers_z(const struct outliers *outliers, int64_t span_ms);

/* The span whose z is this, or `unlearned_ms` before OUTLIERS_AT_LEAST were seen. */
int64_t outliers_span_ms(const struct outliers *outliers, double z, int64_t unlearned_ms);

/* Computes what is derived, once the rest is there. */
void outliers_derive(struct outliers *outliers);

#endif
