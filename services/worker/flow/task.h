#ifndef FB_SERVICES_WORKER_FLOW_TASK_H
#define FB_SERVICES_WORKER_FLOW_TASK_H

/*
 * task: one piece of work, and the life it may lead.
 *
 *     queued -> active -> completed, failed, or back to queued, or blocked, or resting
 *     resting -> active; blocked, failed, completed -> queued; every open state -> cancelled
 *     queued -> completed, when the parts of its chain have; cancelled -> queued, when taken back
 *
 * Ready is not a state: it is a queued task that nothing holds up any more. Pure values.
 */

#include <stdbool.h>
#include <stdint.h>

#include "services/worker/flow/event.h"
#include "services/worker/flow/lease.h"
#include "services/worker/flow/momentum.h"

enum { TASK_EVIDENCE_MOST = 64, TASK_ATTEMPTS_MOST = 3 };

enum task_state {
    TASK_QUEUED,
    TASK_ACTIVE,
    TASK_BLOCKED,
    TASK_RESTING,
    TASK_COMPLETED,
    TASK_FAILED,
    TASK_CANCELLED,
    TASK_STATES
};

/* What was said to show that it is done; looked at on `host`, not here. */
struct task_evidence {
    char *ref;
    char *host;   /* NULL: does not matter */
    uint8_t kind; /* enum event_evidence_kind */
    bool digested;
    unsigned char sha256[32]; /* if `digested` */
    int64_t size;
};

struct task {
    /* what it says; texts are NULL when empty */
    char *title;
    char *key;
    char *body;
    char *accept;
    uint64_t needs; /* bits: numbers of the session's caps */
    uint32_t weight;
    uint32_t priority; /* 0 (first) to 4 */
    uint32_t phase;
    int64_t defer_until_ms;

    /* how far it is */
    enum task_state state;
    uint32_t attempt;       /* from 1 */
    uint32_t percent;       /* declared, high-water mark */
    uint32_t rev;           /* changes so far */
    int64_t created_ms;     /* unix time */
    int64_t changed_ms;     /* of the last change, or of the creation */
    uint64_t changed_event; /* its number in the session */
    int64_t created_awake_ms;
    int64_t ended_ms; /* unix time; 0 while it is open */
    struct lease lease;
    bool implicit;       /* the lease is of an implicit claim */
    bool stale_input;    /* active while something it builds on was reopened */
    uint32_t blocker;    /* blocked: the task; 0: the gate */
    uint32_t blocked_by; /* blocked by a gate: the agent's number + 1 */
    bool orphaned;       /* blocked because `blocker` was cancelled */
    char *gate;
    uint32_t parent; /* 0: none */

    /* what was said of it */
    char *note; /* the last */
    char *summary;
    struct task_evidence *evidence; /* the last TASK_EVIDENCE_MOST, each kind, ref and host once */
    uint32_t evidence_count;
    uint32_t held_by;    /* who held it last: the agent's number + 1; 0: nobody yet */
    uint32_t unattached; /* notes of agents that no longer held it */
    uint32_t cold; /* body, accept and note are in this segment of cold storage, from 1; 0: here */
    struct momentum momentum;

    /* derived from the links; never written down */
    uint32_t children;
    uint32_t phases; /* children that are parts of a chain */
    uint32_t unmet;  /* links that hold it up */
    uint32_t mark;   /* of the last pass that saw it */
};

bool task_may_become(enum task_state from, enum task_state to);

/* completed, failed or cancelled */
bool task_has_ended(enum task_state state);

enum task_evidence_news { TASK_EVIDENCE_KNOWN, TASK_EVIDENCE_NEW, TASK_EVIDENCE_NO_MEMORY };

/*
 * Keeps it, in place of what was said of the same thing before; when there are TASK_EVIDENCE_MOST, the
 * oldest goes. New is also what has another digest.
 */
enum task_evidence_news task_keep_evidence(struct task *task,
                                           const struct event_evidence *evidence);

/* Whether `accept` demands evidence: it begins with "evidence:". */
bool task_demands_evidence(const struct task *task);

/* Frees what the task points to. */
void task_finish(struct task *task);

/* "queued" and so on */
const char *task_state_name(enum task_state state);

#endif
