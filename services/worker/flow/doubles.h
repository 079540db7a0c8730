#ifndef FB_SERVICES_WORKER_FLOW_DOUBLES_H
#define FB_SERVICES_WORKER_FLOW_DOUBLES_H

/*
 * doubles: tasks of a session that seem to be the same piece of work.
 *
 * Either their titles are similar, found when the later one is planned among the SIMILAR_MOST planned
 * before it; or two agents show the same file as evidence of two of them, found among the last
 * DOUBLES_FILES shown. Whether the tasks are still open is for the caller to say, each time. One
 * thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/similar.h"

enum {
    DOUBLES_PAIRS = 64,
    DOUBLES_OF_PLAN = 32, /* the most that one plan adds */
    DOUBLES_FILES = 128,
};

struct doubles_pair {
    uint32_t task;
    uint32_t other;   /* was there before */
    uint32_t percent; /* of the titles that both say; 0: they show the same file */
    int64_t unix_ms;  /* when it was found */
};

struct doubles_file {
    uint64_t path; /* its hash */
    uint32_t task;
    uint32_t agent;
};

struct doubles {
    struct doubles_pair pairs[DOUBLES_PAIRS]; /* a ring */
    uint64_t pairs_seen;
    struct doubles_file files[DOUBLES_FILES]; /* a ring */
    uint64_t files_seen;

    /* derived, and only when needed */
    struct similar *titles; /* of tasks up to `titled` */
    uint32_t titled;
};

/* What the caller knows of the tasks. */
struct doubles_tasks {
    const void *arg;
    struct fb_text (*title)(const void *arg, uint32_t task);
    similar_may_fn may; /* whether a task may have a double: it is open, and no part of a chain */
};

/* All zero has found nothing. */
void doubles_finish(struct doubles *doubles);

/*
 * Looks at the titles of `count` tasks that were just planned, from `first` on. False when memory is
 * exhausted, with titles left out.
 */
bool doubles_planned(struct doubles *doubles, const struct doubles_tasks *tasks, uint32_t first,
                     uint32_t count, int64_t unix_ms);

/* A title has changed. */
void doubles_retitled(struct doubles *doubles);

/* The agent shows the file as evidence of the task. */
void doubles_shown(struct doubles *doubles, const struct doubles_tasks *tasks, struct fb_text path,
                   uint32_t task, uint32_t agent, int64_t unix_ms);

/* The i-th of the pairs, the latest first; NULL behind the last. */
const struct doubles_pair *doubles_pair(const struct doubles *doubles, uint32_t i);

#endif
