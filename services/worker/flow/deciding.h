#ifndef FB_SERVICES_WORKER_FLOW_DECIDING_H
#define FB_SERVICES_WORKER_FLOW_DECIDING_H

/*
 * deciding: what the decide_*.c files share.
 *
 * Functions that answer bool have set the decision's refusal when they answer false. Events are folded
 * as they are decided: what comes after sees them.
 */

#include "services/worker/flow/decide.h"

enum { CHUNK_LINKS = 20000 /* of one event */ };

/* -- decide.c -- */

/* Folds the event at the decision's time and keeps it among the decision's. */
bool deciding_emit(struct decision *d, struct event event);

/* Whether the fields are within their limits, whatever the session. */
bool deciding_is_valid(struct decision *d, struct event event);

/* Begins a command of an agent; `about` also looks up the task, which must be there. */
bool deciding_begin(struct decision *d, struct fb_text agent);
bool deciding_begin_about(struct decision *d, struct fb_text agent, uint32_t task);

/* Ends a command: a refused call, too, renews the leases of its agent. Returns `done`. */
bool deciding_heard(struct decision *d, struct fb_text agent, bool done);

/* When the holder of an active task was last heard. */
int64_t deciding_heard_ms(const struct session *s, const struct task *task);

/* Takes an active task from its holder. */
bool deciding_give_back(struct decision *d, uint32_t task);

/* Gives back everything whose lease has expired. */
bool deciding_expire(struct decision *d);

/* Whether the task is the agent's, by this fence or, for 0, by any. */
bool deciding_holds(const struct session *s, struct fb_text agent, const struct task *task,
                    uint64_t fence);

/* -- decide_claim.c -- */

/* Grants the task with the next fence; `task` and `fence` of the decision. */
bool deciding_claim(struct decision *d, struct fb_text agent, uint32_t task, bool implicit);

/* Whether a task that was named can be claimed now. */
bool deciding_may_claim(struct decision *d, uint32_t task);

/* Whether the agent has room for one more task, and the session for `task` unless NULL. */
bool deciding_has_room(struct decision *d, uint32_t agent, const struct task *task);

/* The next task for the agent; 0: refused. */
uint32_t deciding_choose(struct decision *d, uint32_t agent);

/* -- refusal.c: each refuses, and returns false -- */

__attribute__((format(printf, 5, 6))) bool refusal_set(struct decision *d, enum refusal_kind kind,
                                                       uint32_t task, uint32_t other,
                                                       const char *format, ...);
bool refusal_no_such(struct decision *d, uint32_t task);

/* Of the cycle that the session remembers. */
bool refusal_cycle(struct decision *d);

/* Another holds it. */
bool refusal_held(struct decision *d, uint32_t task);

/* Keeps what an agent says of a task that is not its own. */
bool refusal_stale(struct decision *d, struct fb_text agent, uint32_t task, uint64_t fence,
                   struct fb_text note, struct event_texts evidence);

/* Names what fills the agent's places, or the session's for GRAPH_NONE. */
bool refusal_wip(struct decision *d, uint32_t agent);

/* Names the first of the capabilities that are missing. */
bool refusal_caps(struct decision *d, uint32_t task, uint64_t missing);

#endif
