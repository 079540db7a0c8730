#ifndef FB_SERVICES_WORKER_FLOW_SESSION_LEARN_H
#define FB_SERVICES_WORKER_FLOW_SESSION_LEARN_H

/*
 * session_learn: what the forecast and the ranker of a session are told of what happens.
 *
 * A task is a candidate of the ranker while it is queued and nothing but perhaps time holds it up: when
 * it may be had is for who names it to ask. For the files that fold.
 */

#include <stdint.h>

#include "services/worker/flow/session.h"

/* A task is about to be claimed; neither of it nor of the agent anything has changed yet. */
void learn_choice(struct session *session, uint32_t number, uint32_t agent, int64_t now_ms);

/* An event has been folded. */
void learn_event(struct session *session, const struct event *event);

/* What the ranker knows of every task, once tasks and links are there. */
void learn_derive(struct session *session);

#endif
