#ifndef FB_SERVICES_WORKER_FLOW_DECIDING_H
#define FB_SERVICES_WORKER_FLOW_DECIDING_H

/*
 * deciding: what the decide_*.c files share.
 *
 * Functions that answer bool have set the decision's refusal when they answer false. Events are folded
 * as they are decided: what comes after sees them.
 */

#include "services/worker/flow/decide.h"

enum {
    CHUNK_LINKS = 20000,      /* of one event */
    DECIDE_LINKS_MOST = 1024, /* that one task hangs on, where they are copied */
};

/* -- decide.c -- */

/*
 * Folds the event at the decision's time and keeps it among the decision's. What the command's agent
 * does carries its request id.
 */
bool deciding_emit(struct decision *d, struct event event);

/* As above, for another request id, and another command where the event has one: of a waiter. */
bool deciding_emit_for(struct decision *d, struct fb_text request_id, struct event event);

/* Whether the fields are within their limits, whatever the session. */
bool deciding_is_valid(struct decision *d, struct event event);

/*
 * Begins a command. False: it has its answer already, as `refusal` says: it comes again, or is at
 * fault itself.
 */
bool deciding_begin(struct decision *d, struct fb_text agent, enum event_command command);

/*
 * Ends a command about `task` (0: about several, or none): whatever became of it renews the leases of
 * its agent; chains that are done complete, waiting agents get what is ready. Returns `done`.
 */
bool deciding_end(struct decision *d, struct fb_text agent, uint32_t task, bool done);

/* Whether there is such a task. */
bool deciding_knows(struct decision *d, uint32_t task);

/* When the holder of an active task was last heard. */
int64_t deciding_heard_ms(const struct session *s, const struct task *task);

/* Takes an active task from its holder. */
bool deciding_give_back(struct decision *d, uint32_t task);

/* Gives back everything whose lease has expired. */
bool deciding_expire(struct decision *d);

/* Whether the task is the agent's, by this fence or, for 0, by any. */
bool deciding_holds(const struct session *s, struct fb_text agent, const struct task *task,
                    uint64_t fence);

/* Remembers a claim in the answer. */
bool deciding_grant(struct decision *d, struct grant grant);

/* -- decide_claim.c -- */

/* The agent has the task from now on, with the next fence; a grant and, if first, the answer. */
bool deciding_claim(struct decision *d, struct fb_text agent, uint32_t task);

/* As above for who waits, or never asked. `fence` of the grant is filled in. */
bool deciding_claim_for(struct decision *d, struct fb_text request_id, struct grant grant);

/* As above for an agent that finishes what it never claimed: no grant. */
bool deciding_claim_implied(struct decision *d, struct fb_text agent, uint32_t task);

/* Whether a task that was named can be claimed now. */
bool deciding_may_claim(struct decision *d, uint32_t task);

/* Whether the agent has room for one more task, and the session for `task` unless NULL. */
bool deciding_has_room(struct decision *d, uint32_t agent, const struct task *task);

/* The one place that chooses; says nothing. */
struct schedule_choice deciding_pick(struct decision *d, uint32_t agent);

/* The next task for the agent; 0: refused. */
uint32_t deciding_choose(struct decision *d, uint32_t agent);

/* Whether the agent was heard lately, or holds something. */
bool deciding_is_alive(const struct session *s, uint32_t agent, int64_t now_ms);

/* -- decide_dispatch.c -- */

/* What is ready goes to those who wait for it, with their request ids. */
bool deciding_dispatch(struct decision *d);

/* -- decide_chain.c -- */

enum { CHAIN_PHASES = 4, CHAIN_TESTS = 3, CHAIN_LINKS = 2 * CHAIN_PHASES - 1 };

/* The parts of a task that is, or will be, `parent`. */
bool deciding_chain_tasks(struct decision *d, uint32_t parent,
                          const struct event_planned_task *task,
                          struct event_planned_task parts[CHAIN_PHASES]);

/* Their CHAIN_LINKS links: to the parent, and one after the other. Returns how many. */
size_t deciding_chain_links(uint32_t parent, uint32_t first, struct event_link *links);

/* Whether there may be `more` open chains; `most` as in plan_command. */
bool deciding_chains_fit(struct decision *d, uint32_t more, uint32_t most);

/* Takes apart a task that is there; nothing happens where that was done. */
bool deciding_expand(struct decision *d, struct fb_text agent, uint32_t parent, uint32_t most);

/* Completes the parents whose chains are done by now. */
bool deciding_end_chains(struct decision *d);

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
                   struct fb_text note, struct event_evidence_list evidence);

/* Names what fills the agent's places, or the session's for GRAPH_NONE. */
bool refusal_wip(struct decision *d, uint32_t agent);

/* Names the first of the capabilities that are missing. */
bool refusal_caps(struct decision *d, uint32_t task, uint64_t missing);

#endif
