#ifndef FB_SERVICES_WORKER_FLOW_ALARMS_H
#define FB_SERVICES_WORKER_FLOW_ALARMS_H

/*
 * alarms: what of a session a person or an agent should look at now.
 *
 * Each is there as long as its cause is, at whatever time it is asked for; nothing has to happen for
 * one to come or go. It says what it rests on in one sentence with figures, and what to do next, which
 * is never destructive. A muted alarm is still told, behind those that are not.
 *
 *   false_done    evidence of a completed task was looked for and is missing or not what it was
 *   runaway       an agent makes the same call for the third time or more in a row
 *   cycle         somebody wanted tasks to wait for each other; refused, and told for ten minutes
 *   retry_storm   further attempts in the last hour are no chance, or a task has used up its attempts
 *   thrashing     tasks are handed back or blocked and taken up again, more than usual
 *   silent_agent  an agent holds something and has been silent for unusually long
 *   stalled       a task has been held for unusually long, without a word of late
 *   starved       a ready task has never been claimed and is older than 4 tau
 *   rate_drop     fewer tasks complete than usual although some are ready, for two ticks of the chart
 *   chain_flood   tasks come faster than anybody can mean them; further chains are refused
 *   duplicate     two open tasks seem to be the same piece of work
 *
 * Spans are counted in awake time, so no alarm comes because everybody sleeps. Pure; one thread at a
 * time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/worker/flow/session.h"

/* As FlowAlarmKind numbers them. */
enum alarm_kind {
    ALARM_STALLED = 1,
    ALARM_SILENT_AGENT,
    ALARM_THRASHING,
    ALARM_RUNAWAY,
    ALARM_RETRY_STORM,
    ALARM_CYCLE,
    ALARM_STARVED,
    ALARM_RATE_DROP,
    ALARM_CHAIN_FLOOD,
    ALARM_DUPLICATE,
    ALARM_FALSE_DONE,
    ALARM_KINDS
};

enum {
    ALARMS_MOST = 64, /* a session has at a time, those beyond are not told */
    ALARM_EVIDENCE_BYTES = 320,
    ALARM_CYCLE_MS = 10 * 60 * 1000,
};

struct alarm {
    enum alarm_kind kind;
    uint32_t task;          /* 0: none */
    uint32_t other;         /* of a duplicate: the task that was there before; else 0 */
    uint32_t agent;         /* NAMES_NONE: none */
    int64_t since_ms;       /* unix time */
    int64_t muted_until_ms; /* unix time; 0: not muted */
    const char *suggestion; /* constant */
    char evidence[ALARM_EVIDENCE_BYTES];
};

/* "stalled", "silent_agent" and so on. */
const char *alarm_name(enum alarm_kind kind);

/* The kind of a name; 0 if there is none. */
enum alarm_kind alarm_kind_of(struct fb_text name);

/* Fills in up to `most` alarms at `now_ms`, what matters most first; returns how many. */
size_t session_alarms(const struct session *session, int64_t now_ms, struct alarm *alarms,
                      size_t most);

/* How far from a flood the session is if `more` tasks were generated; no chain where there is one. */
struct flood_level session_flood(const struct session *session, uint32_t more, int64_t now_ms);

/*
 * To be told of every call of an agent before it is made; see runaway.h. An agent that the session does
 * not know is not watched.
 */
enum runaway_answer session_called(struct session *session, struct fb_text agent,
                                   struct fb_text operation, uint64_t arguments, bool reads,
                                   int64_t now_ms, uint32_t *times);

#endif
