#ifndef FB_SERVICES_WORKER_FLOW_FOLD_H
#define FB_SERVICES_WORKER_FLOW_FOLD_H

/*
 * fold: what each kind of event does to a session; session_fold calls them.
 *
 * Each checks everything before it changes anything. Time has been advanced by then, and the actor is
 * among the session's agents; a task that an event is about is there.
 */

#include "services/worker/flow/session.h"

/* FAILED_PRECONDITION: the event may not happen now. */
struct fb_status fold_refuse(const char *why);

/* RESOURCE_EXHAUSTED: no memory. */
struct fb_status fold_exhausted(void);

/* Puts a copy of the text, NULL for an empty one, in place of what was there. */
void fold_keep(struct session *session, char **at, struct fb_text text);

/* -- fold_changes.c: how it was before -- */

/*
 * What the event is about to change, which becomes a change of the session if it is folded; else
 * change_finish. False: nothing that could be taken back.
 */
bool fold_change_begin(struct session *session, const struct event *event, struct change *change);

/* -- fold_agents.c: the session and who works on it -- */

struct fb_status fold_opened(struct session *session, const struct event *event);
struct fb_status fold_seen(struct session *session, const struct event *event);

/* The actor's number, new if need be; NAMES_NONE for want of memory. */
uint32_t fold_meet(struct session *session, struct fb_text name);

/* Bits of the words, which are numbered as they come; false when there are more than 64. */
bool fold_caps_of(struct session *session, struct event_texts words, uint64_t *caps);

/* Whether `count` lists of words, `stride` bytes apart, fit together among the session's 64. */
bool fold_caps_fit(const struct session *session, const struct event_texts *lists, size_t count,
                   size_t stride);

/* -- fold_plan.c: tasks that come -- */

struct fb_status fold_planned(struct session *session, const struct event *event);

/* Room for `count` more tasks, which are as new. */
bool fold_tasks_room(struct session *session, size_t count);

/* The key names the task from now on. */
void fold_key(struct session *session, struct fb_text key, uint32_t number);

/* What comes with a plan, all or nothing, but for what its links mean and the momentum it earns. */
struct fb_status fold_plan_tasks(struct session *session, const struct event *event);

/* -- fold_exchange.c: what comes in, goes to cold storage or is merged -- */

struct fb_status fold_document(struct session *session, const struct event *event);
struct fb_status fold_imported(struct session *session, const struct event *event);
struct fb_status fold_compacted(struct session *session, const struct event *event);
struct fb_status fold_expanded(struct session *session, const struct event *event);
struct fb_status fold_merged(struct session *session, const struct event *event);
struct fb_status fold_conflict(struct session *session, const struct event *event);

/* -- fold_links.c: how they hang together -- */

struct fb_status fold_linked(struct session *session, const struct event *event);

/* Whether the links name tasks up to `last`, and those dropped are there. */
struct fb_status fold_check_links(const struct session *session, const struct event_link *links,
                                  size_t count, uint32_t last);

/* A task has at most one parent; those behind `task_count` are about to be added. */
struct fb_status fold_check_parents(struct session *session, const struct event_link *links,
                                    size_t count);

/* Takes away and puts in edges, all or none. The nodes are there. */
struct fb_status fold_change_edges(struct session *session, const struct event_link *links,
                                   size_t count);

/* What the links at a task's end mean for it, once for each task. */
void fold_links_changed(struct session *session, const struct event_link *links, size_t count);

/* -- fold_tasks.c: what is done with one -- */

struct fb_status fold_claimed(struct session *session, const struct event *event);
struct fb_status fold_noted(struct session *session, const struct event *event);
struct fb_status fold_rested(struct session *session, const struct event *event);
struct fb_status fold_blocked(struct session *session, const struct event *event);
struct fb_status fold_requeued(struct session *session, const struct event *event);
struct fb_status fold_finished(struct session *session, const struct event *event);
struct fb_status fold_edited(struct session *session, const struct event *event);
struct fb_status fold_unattached(struct session *session, const struct event *event);

/* -- fold_watch.c: what alarms are told from -- */

struct fb_status fold_verified(struct session *session, const struct event *event);
struct fb_status fold_muted(struct session *session, const struct event *event);

/* How the session was before the event. */
struct fold_before {
    int64_t last_ms;
    uint32_t ready;
    uint32_t held;              /* by the actor */
    int64_t held_since_busy_ms; /* the one it claimed last */
    struct task task;           /* that the event is about */
};

struct fold_before fold_before(const struct session *session, const struct event *event);

/* The event has been folded. */
void fold_watch(struct session *session, const struct event *event,
                const struct fold_before *before);

/* The event was refused, for a cycle unless session->cycle_count is 0. */
void fold_watch_refused(struct session *session, const struct event *event);

#endif
