#ifndef FB_SERVICES_WORKER_FLOW_TIES_H
#define FB_SERVICES_WORKER_FLOW_TIES_H

/*
 * ties: what makes one ready task nearer to an agent than another, as the schedule asks it.
 *
 * The same parent as the agent's last task, or that task itself; it held something that this one waited
 * for; files of its last evidence that this task, what it waited for or what it came from has, too. Looks
 * at a bounded number of links and pieces of evidence. Pure; reads the session.
 */

#include <stdint.h>

#include "services/worker/flow/schedule.h"
#include "services/worker/flow/session.h"

/* Whose ties; must outlive the schedule_agent made of it. */
struct ties {
    const struct session *session;
    uint32_t agent; /* its number */
};

/* What the agent asks of the schedule, for schedule_pick and schedule_peek. */
struct schedule_agent ties_agent(const struct ties *ties);

/* A set of enum schedule_tie, of a task; `arg` is a struct ties. */
unsigned ties_of(const void *arg, uint32_t number);

#endif
