#ifndef FB_SERVICES_WORKER_FLOW_SESSION_LEARN_H
#define FB_SERVICES_WORKER_FLOW_SESSION_LEARN_H

/*
 * session_learn: what the forecast and the ranker of a session are told of what happens.
 *
 * A task is a candidate of the ranker while it is active, or queued and nothing but perhaps time holds
 * it up: when it may be had is for who names it to ask. For the files that fold.
 */

#include <stdint.h>

#include "services/worker/flow/session.h"

/* Whether a task could be completed next. */
bool learn_is_candidate(const struct task *task);

/* A task is about to be completed; nothing of it has changed yet. */
void learn_completion(struct session *session, uint32_t number, int64_t now_ms);

/* An event has been folded. */
void learn_event(struct session *session, const struct event *event);

/* What the ranker knows of every task, once tasks and links are there. */
void learn_derive(struct session *session);

#endif
