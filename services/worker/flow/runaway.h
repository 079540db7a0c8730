#ifndef FB_SERVICES_WORKER_FLOW_RUNAWAY_H
#define FB_SERVICES_WORKER_FLOW_RUNAWAY_H

/*
 * runaway: agents that make the same call over and over.
 *
 * To be told of every call before it is made, also of those that change nothing. The third in a row
 * with the same operation and arguments is warned of, the tenth is to be refused. A call that only
 * reads begins anew when somebody else has changed something meanwhile, for then it may get another
 * answer; so does any call more than RUNAWAY_GAP_MS after the last. What repeats a request id is the
 * transport's doing and not to be told. Not durable. A value; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/text.h"
#include "services/worker/flow/names.h"

enum {
    RUNAWAY_AGENTS = 64, /* of whom the last call is remembered: those that called last */
    RUNAWAY_WARN = 3,
    RUNAWAY_REFUSE = 10,
    RUNAWAY_GAP_MS = 2 * 60 * 1000,
};

struct runaway_call {
    uint32_t agent; /* its number in the session; NAMES_NONE is not watched */
    struct fb_text operation;
    uint64_t arguments; /* their hash */
    bool reads;         /* changes nothing */
};

struct runaway_agent {
    uint32_t agent;
    uint32_t times;   /* in a row; 0: the place is free */
    uint64_t call;    /* hash of operation and arguments */
    uint64_t others;  /* events by others before the last call */
    uint64_t own;     /* events by itself */
    int64_t first_ms; /* unix time of the first in the row */
    int64_t last_ms;
};

/* All zero has seen nothing. */
struct runaway {
    struct runaway_agent agents[RUNAWAY_AGENTS];
    uint64_t events;
};

enum runaway_answer { RUNAWAY_OK, RUNAWAY_WARNED, RUNAWAY_REFUSED };

/* A call is about to be made. `*times`, unless NULL, is how often in a row by now. */
enum runaway_answer runaway_seen(struct runaway *runaway, const struct runaway_call *call,
                                 int64_t now_ms, uint32_t *times);

/* Something has happened, done by `agent`; NAMES_NONE for nobody. */
void runaway_event(struct runaway *runaway, uint32_t agent);

/* The agents that repeat themselves at `now_ms`: fills up to `most`, returns how many. */
size_t runaway_agents(const struct runaway *runaway, int64_t now_ms,
                      const struct runaway_agent **agents, size_t most);

#endif
