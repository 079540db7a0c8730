#ifndef FB_SERVICES_WORKER_FLOW_LEASE_H
#define FB_SERVICES_WORKER_FLOW_LEASE_H

/*
 * lease: who may write to a task, and for how long (Gray & Cheriton 1989).
 *
 * A grant carries a fence that is greater than every one before it in the session (fencing tokens,
 * Kleppmann 2016); a write with another fence is stale. Every call of an agent renews all its
 * leases, so a lease has no end of its own: it lasts its time from when its agent was last heard.
 * After that it is *suspect* (visible, still owned) and after one and a half times that it has
 * *expired*. A suspect task goes to another agent that names it. The time is learned:
 * clamp(3 Q75 of the last holds, 15 min, 4 h); 30 min until LEASE_HOLDS_AT_LEAST are seen.
 * Pure values; one thread at a time.
 */

#include <stdint.h>

enum {
    LEASE_HOLDS = 256, /* the last ones are remembered */
    LEASE_HOLDS_AT_LEAST = 20,
    LEASE_FIRST_MS = 30 * 60 * 1000,
    LEASE_LEAST_MS = 15 * 60 * 1000,
    LEASE_MOST_MS = 4 * 60 * 60 * 1000,
};

struct lease {
    uint64_t fence;        /* 0: nobody holds it */
    uint32_t agent;        /* its number in the session */
    int64_t since_ms;      /* granted, unix time */
    int64_t lasts_ms;      /* promised with the grant */
    int64_t since_busy_ms; /* granted, in busy time: see rhythm.h */
};

enum lease_phase { LEASE_LIVE, LEASE_SUSPECT, LEASE_EXPIRED };

/* The phase at `now_ms` of a lease whose agent was last heard at `heard_ms`. */
enum lease_phase lease_phase(const struct lease *lease, int64_t heard_ms, int64_t now_ms);

/* When it becomes suspect, and when it has expired. */
int64_t lease_suspect_ms(const struct lease *lease, int64_t heard_ms);
int64_t lease_expires_ms(const struct lease *lease, int64_t heard_ms);

/* How long tasks were held lately; all zero has seen none. */
struct lease_holds {
    int64_t holds_ms[LEASE_HOLDS]; /* a ring */
    uint64_t seen;
    int64_t lasts_ms; /* what the next lease lasts; 0 until enough were seen */
};

void lease_learn(struct lease_holds *holds, int64_t hold_ms);

/* How long a lease granted now lasts. */
int64_t lease_lasts_ms(const struct lease_holds *holds);

#endif
