#ifndef FB_SERVICES_WORKER_FLOW_CHANGES_H
#define FB_SERVICES_WORKER_FLOW_CHANGES_H

/*
 * changes: the last things done to a session's tasks and how they were before, so that they can be
 * taken back.
 *
 * Holds at most CHANGES_MOST, and CHANGES_BYTES_MOST of texts and links; the oldest goes first. Those of
 * one command stand together; of a command that is no longer whole nothing can be taken back. One
 * thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "services/worker/flow/coder.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/task.h"

enum { CHANGES_MOST = 256, CHANGES_BYTES_MOST = 1 << 20, CHANGES_LINKS_MOST = 1024 };

struct change {
    uint64_t command; /* the same for all of one command, rising */
    uint32_t agent;   /* number + 1; 0: the engine */
    enum event_kind kind;
    uint32_t task;         /* that it was about; planned first; 0: several */
    uint32_t count;        /* tasks planned */
    enum task_state state; /* of the task before */
    uint64_t fence;        /* claimed */
    bool implicit;

    /* of an edit: what the fields were; texts are NULL when empty */
    uint32_t fields;
    char *title;
    char *body;
    char *accept;
    uint32_t weight;
    uint32_t priority;
    int64_t defer_until_ms;

    /* links that were really added or dropped; NULL with a count: too many to remember */
    struct event_link *links;
    uint32_t link_count;
};

/* All zero remembers nothing. Anyone may read by changes_at. */
struct changes {
    struct change *ring; /* CHANGES_MOST, or NULL */
    uint32_t first;
    uint32_t count;
    size_t bytes;       /* of texts and links */
    uint64_t forgotten; /* the last command of which something was */
};

void changes_finish(struct changes *changes);

/* The i-th, oldest first. */
const struct change *changes_at(const struct changes *changes, uint32_t i);

/* Takes the texts and links of the change, also when it fails for want of memory: false. */
bool changes_keep(struct changes *changes, struct change change);

/* Frees texts and links of a change that is not kept. */
void change_finish(struct change *change);

/* Oldest first; `agents` and `tasks` are the limits of what is read, into an empty one. */
void changes_code(struct coder *coder, struct changes *changes, uint32_t agents, uint32_t tasks);

#endif
