#ifndef FB_SERVICES_WORKER_FLOW_DECIDE_H
#define FB_SERVICES_WORKER_FLOW_DECIDE_H

/*
 * decide: what an agent asks for becomes events, or a typed refusal that says the way out.
 *
 * Every decide_ function looks at the session as it is, and folds what it decides at once, so that
 * later commands see it; the caller keeps the events durably before it acknowledges any of them, and
 * drops the session if that fails. A refusal leaves the session as it was but for what says so:
 * leases that have expired by then, and what an agent with a stale fence had to say, which is kept as
 * an unattached note. Time comes in; one that runs backwards stands still, and leaps count two hours.
 *
 * A command with a request id that its agent has used lately, for the same kind of command, changes
 * nothing and answers as the first did (`repeated`); a refused one may be tried again.
 *
 * Whatever a command makes ready goes, in the same commit, to the agents that wait for work and in
 * sessions that are `automatic` to all that declared themselves and have room: `grants`.
 *
 * Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "services/worker/flow/event.h"
#include "services/worker/flow/session.h"

enum refusal_kind {
    REFUSAL_NONE,
    REFUSAL_INVALID,       /* the command itself; names the field */
    REFUSAL_CONFLICT,      /* another holds it: `holder`, `fence` */
    REFUSAL_CYCLE,         /* `task` lies on it; why names the path */
    REFUSAL_NOT_READY,     /* `other` holds `task` up, or time, or a gate */
    REFUSAL_WIP_LIMIT,     /* `other` is one of those held */
    REFUSAL_NEEDS_CAPS,    /* why names what is missing */
    REFUSAL_STALE_REV,     /* the task is at `fence`, which is its rev here */
    REFUSAL_DUPLICATE_KEY, /* `other` has the key */
    REFUSAL_NO_SUCH,
    REFUSAL_BUDGET, /* a limit of the session, or memory */
    REFUSAL_KINDS
};

struct refusal {
    enum refusal_kind kind;
    const char *why; /* in the decision's arena: what, where and the way out */
    uint32_t task;
    uint32_t other;
    uint64_t fence;
    struct fb_text holder;
};

/* An agent whose call for work is still open. */
struct waiter {
    struct fb_text agent;
    struct fb_text request_id; /* of that call; a grant answers it */
    uint32_t task;             /* only this one; 0: the best */
};

#define GRANT_OWN  UINT32_MAX       /* the command asked for it */
#define GRANT_AUTO (UINT32_MAX - 1) /* nobody did */

/* A claim that was made. */
struct grant {
    struct fb_text agent;
    uint32_t task;
    uint64_t fence;
    uint32_t waiter; /* which of the decision's, or one of the two above */
};

/* One command on its way. Set the first group; the rest is the answer. */
struct decision {
    struct session *session;
    struct fb_arena *arena;       /* holds all that the answer points to */
    int64_t now_ms;               /* unix time */
    struct fb_text request_id;    /* of the next command; up to 128 of printable ASCII, or empty */
    const struct waiter *waiters; /* longest waiting first; each gets at most one task a command */
    size_t waiter_count;

    struct refusal refusal; /* REFUSAL_NONE: it was done */
    bool repeated;          /* it was done before, and answers as then; no events */
    uint32_t task;          /* planned first, claimed first, undone; 0: none */
    uint32_t task_count;    /* tasks planned, from `task` on, without those of chains */
    uint64_t fence;         /* of the claim of `task` */
    uint32_t rev;           /* of the task that it was about, after it; 0: several, or none */
    const char *undone;     /* decide_undo: a sentence of what was taken back */

    /* claims by this command, the agent's own first; texts are borrowed from session and waiters */
    struct grant *grants;
    size_t grant_count;
    size_t grant_room;

    /* of all commands since the caller set it to nothing; to be kept, in this order, also beside a
     * refusal; texts are borrowed from the commands */
    struct event *events;
    size_t event_count;
    size_t event_room;

    /* decide's own */
    enum event_command command;
    size_t command_from; /* its first event */
    uint32_t workers;    /* agents at work, once they were counted */
};

/* "conflict", "not_ready" and so on; "" for none. */
const char *refusal_name(enum refusal_kind kind);

struct open_command {
    struct fb_text name;
    struct fb_text agent;
    bool declares; /* `caps` and `held_most` take the place of what was known of the agent */
    struct event_texts caps;
    uint32_t held_most; /* 0: 1 */

    /* of a session that is made by it; 0: the defaults */
    uint32_t active_most;
    uint32_t load_most;
    bool automatic;
    int64_t lease_ms; /* of every lease, 1 s to 4 h; 0: as the session learns */
    uint32_t share;   /* beside other sessions, 1 to 1,000 */
};

struct plan_link {
    uint32_t item;      /* of the plan, from 1; or 0 */
    uint32_t task;      /* one that is there; or 0 */
    struct fb_text key; /* of either */
    enum event_link_kind kind;
};

struct plan_item {
    struct event_planned_task task;
    const struct plan_link *links; /* what it hangs on */
    size_t link_count;
    bool chain; /* plan, implement, test and document it, one after the other, below it */
};

enum { PLAN_CHAINS_MOST = 3, PLAN_BYTES_MOST = 15 << 20, NEXT_MOST = 16 };

struct plan_command {
    struct fb_text agent;
    const struct plan_item *items;
    size_t count;
    struct fb_text plan_key; /* a plan that is known by it is answered, not planned again */
    uint32_t chains_most;    /* open ones in the session; 0: PLAN_CHAINS_MOST */
};

struct next_command {
    struct fb_text agent;
    uint32_t task; /* 0: the best */
    uint32_t n;    /* claim until the agent holds so many, up to NEXT_MOST; 0: one more */
};

enum pulse_state { PULSE_ACTIVE, PULSE_RESTING, PULSE_BLOCKED, PULSE_HAND_BACK };

struct pulse_command {
    struct fb_text agent;
    uint32_t task;
    uint64_t fence;
    struct fb_text note;
    struct event_evidence_list evidence;
    uint32_t percent;
    enum pulse_state state;
    uint32_t blocker;    /* with PULSE_BLOCKED: a task, or 0 */
    struct fb_text gate; /* or a question */
};

struct done_command {
    struct fb_text agent;
    uint32_t task;
    uint64_t fence; /* 0: the agent's own lease, or none was ever taken */
    bool failed;
    struct fb_text summary;
    struct event_evidence_list evidence;
    bool next; /* claim the next one, too */
};

/* Besides fields and links; both or neither. */
enum edit_action {
    EDIT_FIELDS, /* none */
    EDIT_LINKS,  /* none */
    EDIT_CANCEL,
    EDIT_RETRY,
    EDIT_REOPEN,
    EDIT_UNBLOCK,
    EDIT_CHAIN, /* as `chain` of a plan's item; nothing where it is done already */
};

struct edit_command {
    struct fb_text agent;
    uint32_t task;
    uint32_t if_rev; /* 0: whatever it is */
    enum edit_action action;
    struct event fields;            /* its `edited`; changes nothing where its `fields` are 0 */
    const struct event_link *links; /* `task` is this one, for all */
    size_t link_count;
    struct fb_text reason; /* EDIT_REOPEN needs one */
    uint32_t chains_most;  /* EDIT_CHAIN: as in a plan */
};

struct undo_command {
    struct fb_text agent;
    uint32_t task; /* its last change, whoever made it; 0: the agent's last command */
};

/* True when it was done; else `refusal` says why not. */
bool decide_open(struct decision *decision, const struct open_command *command);

/*
 * All tasks and links, or nothing: the items get the numbers from `task` on, in their order. A plan
 * that takes more than PLAN_BYTES_MOST is refused.
 */
bool decide_plan(struct decision *decision, const struct plan_command *command);

/*
 * Claims; `task` and `fence`, and each in `grants`. Naming a task that is the agent's own gives it
 * again. With `n` done also when the agent holds something already, be there more or not.
 */
bool decide_next(struct decision *decision, const struct next_command *command);

bool decide_pulse(struct decision *decision, const struct pulse_command *command);

/*
 * With `next` also claims, as far as there is something: `task` is 0 when there is not. A task whose
 * `accept` begins with "evidence:" completes only with evidence, of now or of its notes.
 */
bool decide_done(struct decision *decision, const struct done_command *command);

/* Fields, links and action, all or none. EDIT_CHAIN goes without links. */
bool decide_edit(struct decision *decision, const struct edit_command *command);

/*
 * Takes a whole command back by events that do the opposite, all or none; `task` is what it was about.
 * Edits and links are as before, planned tasks are cancelled, a claim is handed back, what was finished
 * or cancelled is in the queue again, what was handed back or rests is claimed again. Undoing an undo
 * does it again. REFUSAL_NOT_READY where it cannot be: what came later stands on it, a note stays
 * said, a retry stays, or it is not among the last changes of the session.
 */
bool decide_undo(struct decision *decision, const struct undo_command *command);

/*
 * What people say beside the work: repeated, each does the same again. An alarm is muted until a unix
 * time, one that has passed unmutes; task 0: wherever.
 */
bool decide_mute(struct decision *decision, struct fb_text agent, uint32_t alarm_kind,
                 uint32_t task, int64_t until_ms);

/* How the evidence of a task was found, 1 to 64 looks; no event where that is known already. */
bool decide_verify(struct decision *decision, struct fb_text agent, uint32_t task,
                   const struct event_look *looks, size_t count);

/* Texts have gone to cold storage, or have come back: one of compact.h's events. */
bool decide_move(struct decision *decision, struct fb_text agent, const struct event *event);

/* The agent has made a call that is no command, or is not to be made: its leases are renewed. */
void decide_hear(struct decision *decision, struct fb_text agent);

/* Gives back what leases held that have expired, and gives waiting agents work. */
bool decide_expire(struct decision *decision);

#endif
