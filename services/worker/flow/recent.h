#ifndef FB_SERVICES_WORKER_FLOW_RECENT_H
#define FB_SERVICES_WORKER_FLOW_RECENT_H

/*
 * recent: what became of the last mutations, by request id, so that one that comes twice is done once.
 *
 * Each agent has request ids of its own. Remembers the last RECENT_MOST of a session, in the order in
 * which they came; a further one pushes out the oldest. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/coder.h"
#include "services/worker/flow/event.h"

enum { RECENT_MOST = 4096 };

/* What the mutation answered with. */
struct recent_outcome {
    enum event_command command;
    uint32_t about; /* the task that it changed; 0: several, or none */
    uint32_t rev;   /* of that task after it */
    uint32_t task;  /* planned first, or claimed first; 0: none */
    uint32_t count; /* tasks that were planned, or claimed */
    uint64_t fence; /* of the first claim */
};

struct recent_entry {
    char *id;
    uint32_t agent;
    uint32_t next; /* in its bucket: place + 1, or 0 */
    struct recent_outcome outcome;
};

/* All zero remembers nothing. Its fields are its own. */
struct recent {
    struct recent_entry *entries; /* a ring once it is full */
    uint32_t count;
    uint32_t room;
    uint32_t oldest;
    uint32_t *buckets; /* place + 1; RECENT_MOST of them */
};

void recent_finish(struct recent *recent);

/* NULL if it is not remembered. */
const struct recent_outcome *recent_find(const struct recent *recent, uint32_t agent,
                                         struct fb_text id);

/* The outcome to be written to, all zero if it is new; NULL when memory is exhausted. */
struct recent_outcome *recent_keep(struct recent *recent, uint32_t agent, struct fb_text id);

/* Oldest first; `agents` and `tasks` are the limits of what is read, into an empty one. */
void recent_code(struct coder *coder, struct recent *recent, uint32_t agents, uint32_t tasks);

#endif
