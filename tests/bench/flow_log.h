#ifndef FB_TESTS_BENCH_FLOW_LOG_H
#define FB_TESTS_BENCH_FLOW_LOG_H

/*
 * flow_log: what happened to the tasks of some sessions, read from lines of JSON.
 *
 * flow_replay --help says what the lines mean.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { FLOW_LOG_TASKS_MOST = 200000, FLOW_LOG_TEXT_BYTES = 128 };

enum flow_log_kind {
    FLOW_LOG_CREATED,
    FLOW_LOG_STARTED,
    FLOW_LOG_NOTED,
    FLOW_LOG_HANDED_BACK,
    FLOW_LOG_BLOCKED,
    FLOW_LOG_UNBLOCKED,
    FLOW_LOG_COMPLETED,
    FLOW_LOG_FAILED,
    FLOW_LOG_CANCELLED,
    FLOW_LOG_REOPENED,
    FLOW_LOG_LINKED,
    FLOW_LOG_SEEN,
    FLOW_LOG_KINDS
};

enum flow_log_link { FLOW_LOG_AFTER, FLOW_LOG_PARENT, FLOW_LOG_FROM, FLOW_LOG_LINKS };

struct flow_log_event {
    int64_t t_ms;
    char session[FLOW_LOG_TEXT_BYTES];
    char agent[FLOW_LOG_TEXT_BYTES]; /* "": nobody said */
    enum flow_log_kind kind;
    uint32_t task; /* 0 for seen */
    uint32_t weight;
    uint32_t priority;
    uint32_t phase;
    enum flow_log_link link; /* of linked: `task` hangs on `on` */
    uint32_t on;
};

enum flow_log_answer { FLOW_LOG_EVENT, FLOW_LOG_END, FLOW_LOG_BAD };

/* The event of the next line that is not empty; `why`, for BAD, is a constant. */
enum flow_log_answer flow_log_read(FILE *file, struct flow_log_event *event, const char **why);

#endif
