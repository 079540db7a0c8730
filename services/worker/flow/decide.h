#ifndef FB_SERVICES_WORKER_FLOW_DECIDE_H
#define FB_SERVICES_WORKER_FLOW_DECIDE_H

/*
 * decide: what an agent asks for becomes events, or a typed refusal that says the way out.
 *
 * Every decide_ function looks at the session as it is, and folds what it decides at once, so that
 * later commands see it; the caller keeps the events durably before it acknowledges any of them, and
 * drops the session if that fails. A refusal leaves the session as it was but for what says so:
 * leases that have expired by then, and what an agent with a stale fence had to say, which is kept as
 * an unattached note. Time comes in; one that runs backwards stands still. Pure; one thread at a time.
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

/* One command on its way. Set the first group; the rest is the answer. */
struct decision {
    struct session *session;
    struct fb_arena *arena; /* holds all that the answer points to */
    int64_t now_ms;         /* unix time */

    struct refusal refusal; /* REFUSAL_NONE: it was done */
    struct event *events;   /* to be kept, in this order, also beside a refusal; texts are borrowed
                               from the command */
    size_t event_count;
    size_t event_room;
    uint32_t task;  /* planned first, claimed; 0: none */
    uint64_t fence; /* of the claim */
};

/* "conflict", "not_ready" and so on; "" for none. */
const char *refusal_name(enum refusal_kind kind);

struct open_command {
    struct fb_text name;
    struct fb_text agent;
    struct event_texts caps;
    uint32_t held_most; /* 0: 1 */
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
};

struct plan_command {
    struct fb_text agent;
    const struct plan_item *items;
    size_t count;
};

struct next_command {
    struct fb_text agent;
    uint32_t task; /* 0: the best */
};

enum pulse_state { PULSE_ACTIVE, PULSE_RESTING, PULSE_BLOCKED, PULSE_HAND_BACK };

struct pulse_command {
    struct fb_text agent;
    uint32_t task;
    uint64_t fence;
    struct fb_text note;
    struct event_texts evidence;
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
    struct event_texts evidence;
    bool next; /* claim the next one, too */
};

enum edit_action { EDIT_FIELDS, EDIT_LINKS, EDIT_CANCEL, EDIT_RETRY, EDIT_REOPEN, EDIT_UNBLOCK };

struct edit_command {
    struct fb_text agent;
    uint32_t task;
    uint32_t if_rev; /* 0: whatever it is */
    enum edit_action action;
    struct event fields;            /* EDIT_FIELDS: its `edited` */
    const struct event_link *links; /* EDIT_LINKS: `task` is this one, for all */
    size_t link_count;
    struct fb_text reason; /* EDIT_REOPEN needs one */
};

/* True when it was done; else `refusal` says why not. */
bool decide_open(struct decision *decision, const struct open_command *command);

/* All tasks and links, or nothing. `task` is the number of the first. */
bool decide_plan(struct decision *decision, const struct plan_command *command);

/* Claims; `task` and `fence`. Naming a task that is the agent's own gives it again. */
bool decide_next(struct decision *decision, const struct next_command *command);

bool decide_pulse(struct decision *decision, const struct pulse_command *command);

/* With `next` also claims, as far as there is something: `task` is 0 when there is not. */
bool decide_done(struct decision *decision, const struct done_command *command);

bool decide_edit(struct decision *decision, const struct edit_command *command);

/* Gives back what leases held that have expired. */
bool decide_expire(struct decision *decision);

#endif
