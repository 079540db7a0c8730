#ifndef FB_SERVICES_WORKER_FLOW_CAUTION_H
#define FB_SERVICES_WORKER_FLOW_CAUTION_H

/*
 * caution: how much more than usual it takes to be told of, after false alarms.
 *
 * Each false alarm raises it by CAUTION_STEP, in units of z, and by twice that while an earlier one is
 * felt; time lowers it by CAUTION_STEP within CAUTION_CALM_MS. CAUTION_BORNE of it is not felt, so that
 * one false alarm now and then changes nothing. In the long run there is about one in CAUTION_CALM_MS,
 * however much happens and however heavy the tail of what is usual. Time is the session's awake time.
 * A value; one thread at a time.
 */

#include <stdint.h>

#define CAUTION_STEP    0.5
#define CAUTION_BORNE   0.7
#define CAUTION_MOST    9.0
#define CAUTION_CALM_MS INT64_C(720000000) /* 200 awake hours */

/* All zero has had none. */
struct caution {
    double raised; /* at `at_ms` */
    int64_t at_ms;
    uint64_t false_alarms;
};

/* What is felt of it, 0 to CAUTION_MOST. */
double caution_now(const struct caution *caution, int64_t now_ms);

void caution_false_alarm(struct caution *caution, int64_t now_ms);

#endif
