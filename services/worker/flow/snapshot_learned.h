#ifndef FB_SERVICES_WORKER_FLOW_SNAPSHOT_LEARNED_H
#define FB_SERVICES_WORKER_FLOW_SNAPSHOT_LEARNED_H

/*
 * snapshot_learned: the part of a snapshot that says what a session has learned of itself.
 *
 * For snapshot.c.
 */

#include "services/worker/flow/coder.h"
#include "services/worker/flow/session.h"

/* Without the tasks: effort, holds, forecast. */
void snapshot_code_learned(struct coder *coder, struct session *session);

/* The ranker, once the tasks are there. */
void snapshot_code_ranker(struct coder *coder, struct session *session);

#endif
