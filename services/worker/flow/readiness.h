#ifndef FB_SERVICES_WORKER_FLOW_READINESS_H
#define FB_SERVICES_WORKER_FLOW_READINESS_H

/*
 * readiness: how likely all that holds up a task is out of its way within some time.
 *
 * P = product over the open blockers of 1 - S(elapsed + within) / S(elapsed), with S the survival of
 * a log-normal hold about the blocker's effort. A blocker that nobody holds counts as begun now, so P is
 * what is possible at best. Pure values, any thread.
 */

#include <stddef.h>

struct readiness_blocker {
    double minutes;         /* the median of its hold; above 0 */
    double elapsed_minutes; /* held so far; 0: not yet */
};

/* Share of log-normal holds of that median and spread (sigma of ln) that last longer. */
double readiness_survival(double median_minutes, double spread, double minutes);

/* 1 for no blockers. */
double readiness_within(const struct readiness_blocker *blockers, size_t count, double spread,
                        double within_minutes);

#endif
