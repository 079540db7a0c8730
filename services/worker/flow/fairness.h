#ifndef FB_SERVICES_WORKER_FLOW_FAIRNESS_H
#define FB_SERVICES_WORKER_FLOW_FAIRNESS_H

/*
 * fairness: whose turn it is among sessions that share agents.
 *
 * Deficit round robin (Shreedhar & Varghese 1995), paid afterwards: a session whose account is above 0
 * is served and then charged the effort it was given. What it would be given depends on the agent that
 * asks, so it is not known before. Over time sessions get effort as their weights, whatever the size of
 * their tasks; a session that has nothing to do saves nothing up. Equals take turns. Pure; one thread at
 * a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAIRNESS_NONE UINT32_MAX

enum {
    FAIRNESS_SESSIONS_MOST = 65536,
    FAIRNESS_WEIGHT_MOST = 1000,
    FAIRNESS_QUANTUM_MS = 600000, /* what one turn adds to an account, times the weight */
};

struct fairness;

/* Has the session something for the agent that asks? Must not change the fairness. */
typedef bool (*fairness_can_fn)(void *arg, uint32_t session);

/* NULL when memory is exhausted. */
struct fairness *fairness_create(void);
void fairness_destroy(struct fairness *fairness);

/*
 * Lets a session (a dense index below FAIRNESS_SESSIONS_MOST, chosen by the caller) take part from now
 * on, or changes its weight (1 .. FAIRNESS_WEIGHT_MOST). False when memory is exhausted or one of them
 * is out of range; nothing has changed then.
 */
bool fairness_join(struct fairness *fairness, uint32_t session, uint32_t weight);

/* It takes part no longer; its account is forgotten. */
void fairness_leave(struct fairness *fairness, uint32_t session);

/* It has no ready task at all: what it had left to spend is lost, what it owes stays. */
void fairness_idle(struct fairness *fairness, uint32_t session);

/* Whose turn it is among those that `can`; FAIRNESS_NONE when none can. O(sessions). */
uint32_t fairness_pick(struct fairness *fairness, fairness_can_fn can, void *arg);

/* What the picked session was given. Once it has spent what it had, the next in turn comes first. */
void fairness_charge(struct fairness *fairness, uint32_t session, uint64_t effort_ms);

#endif
