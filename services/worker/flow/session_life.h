#ifndef FB_SERVICES_WORKER_FLOW_SESSION_LIFE_H
#define FB_SERVICES_WORKER_FLOW_SESSION_LIFE_H

/*
 * session_life: the one place where a task of a session changes its state, and what follows from that.
 *
 * Keeps what is derived: who is ready or deferred, how much holds up each task, what the leaves weigh.
 * For the files that fold.
 */

#include "services/worker/flow/session.h"

/* Counts a task among the leaves, or no longer; around every change of what it weighs. */
void life_count_leaf(struct session *session, const struct task *task, bool in);

/* Puts a task where it belongs now: among the ready, the deferred, or neither. */
void life_place(struct session *session, uint32_t number);

/* Whether an edge no longer holds up its end. */
bool life_is_met(const struct session *session, struct graph_edge edge);

/* What the edges into a task say: how much holds it up, its children. */
void life_count_edges(struct session *session, uint32_t number);

/* A blocked task whose blocker is gone is queued; a queued one after a cancelled one is blocked. */
void life_settle_blocked(struct session *session, uint32_t number);

/* Into a state that it may become; tells those that wait for it. */
void life_move(struct session *session, uint32_t number, enum task_state next);

/* Counts a change of the task by the event that is being folded. */
void life_changed(struct session *session, struct task *task);

/* The lease ends, if there is one; a hold that says something about holds is learned from. */
void life_release(struct session *session, struct task *task, uint32_t number, int64_t now_ms,
                  bool learn);

/* The session earns momentum, and the task unless NULL. */
void life_earn(struct session *session, struct task *task, enum momentum_credit credit,
               double share);

#endif
