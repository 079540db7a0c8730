#ifndef FB_SERVICES_WORKER_FLOW_OUTLIERS_H
#define FB_SERVICES_WORKER_FLOW_OUTLIERS_H

/*
 * outliers: which span is too long to be one of those seen before.
 *
 * z = (ln span - median) / (1.4826 MAD) over the last OUTLIERS_WINDOW spans (Iglewicz & Hoaglin 1993);
 * a scale below OUTLIERS_SCALE_LEAST counts as that. A span is an outlier above the limit, which is
 * OUTLIERS_LIMIT while nothing speaks against it. A span that was one and ended well after all was a
 * false alarm: it raises the limit by one, which comes back within OUTLIERS_CALM_MS, so that in the
 * long run there is about one false alarm in that time, however many spans there are and however heavy
 * their tail. Time is the session's awake time. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#define OUTLIERS_LIMIT       3.0
#define OUTLIERS_LIMIT_MOST  12.0
#define OUTLIERS_SCALE_LEAST 0.25
#define OUTLIERS_CALM_MS     INT64_C(720000000) /* 200 awake hours */

enum { OUTLIERS_WINDOW = 256, OUTLIERS_AT_LEAST = 10 };

struct outliers {
    /* learned */
    int64_t spans_ms[OUTLIERS_WINDOW]; /* a ring */
    uint64_t seen;
    uint64_t false_alarms;
    double limit; /* at `limit_at_ms` */
    int64_t limit_at_ms;

    /* derived */
    double sorted[OUTLIERS_WINDOW]; /* their logarithms */
    double median;
    double scale;
};

struct outliers outliers_unlearned(void);

/* Learns from a span that ended well; less than a second counts as a second. */
void outliers_learn(struct outliers *outliers, int64_t span_ms, int64_t now_awake_ms);

/* Of a span; 0 before OUTLIERS_AT_LEAST were seen. */
double outliers_z(const struct outliers *outliers, int64_t span_ms);

/* What z may be. */
double outliers_limit(const struct outliers *outliers, int64_t now_awake_ms);

/* The longest span that is no outlier, or `unlearned_ms` before OUTLIERS_AT_LEAST were seen. */
int64_t outliers_longest_ms(const struct outliers *outliers, int64_t now_awake_ms,
                            int64_t unlearned_ms);

/* Computes what is derived, once the rest is there. */
void outliers_derive(struct outliers *outliers);

#endif
