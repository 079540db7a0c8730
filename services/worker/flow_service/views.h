#ifndef FB_SERVICES_WORKER_FLOW_SERVICE_VIEWS_H
#define FB_SERVICES_WORKER_FLOW_SERVICE_VIEWS_H

/*
 * views: how tasks, claims and sessions look in answers.
 *
 * What is given lives in the view's arena and borrows texts from the session: it is to be packed before
 * the session changes. NULL: the arena is exhausted. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "runtime/base/arena.h"
#include "services/worker/flow/decide.h"

enum {
    VIEW_FINISHED_MOST = 16, /* predecessors of a claim */
    VIEW_LINKS_MOST = 1000,  /* of a task */
};

struct view {
    struct session *session;
    struct fb_arena *arena;
    int64_t now_ms; /* unix time */
};

/* The session as a decision has it; what was deferred until then is among the ready. */
struct view view_of(const struct decision *decision);

/* A line, or all there is to say. */
Flowbalancer__V1__FlowTask *view_task(const struct view *view, uint32_t number, bool full);

/* `count` lines, as a repeated field has them. */
Flowbalancer__V1__FlowTask **view_tasks(const struct view *view, const uint32_t *tasks,
                                        size_t count);

/* A task that somebody holds, with what it needs to begin. */
Flowbalancer__V1__FlowClaim *view_claim(const struct view *view, uint32_t number, bool held);

/* How the session goes; `id` is what it is known by. */
Flowbalancer__V1__FlowSessionLine *view_line(const struct view *view, const char *id);

Flowbalancer__V1__FlowAgent *view_agent(const struct view *view, uint32_t number);

/*
 * The tasks that the agent would be given, in that order; it need not be known yet. Returns how many there
 * are, up to `most`.
 */
size_t view_ready(const struct view *view, struct fb_text agent, uint32_t *tasks, size_t most);

/* The tasks that the agent holds, oldest first; how many of `most`. */
size_t view_held(const struct view *view, struct fb_text agent, uint32_t *tasks, size_t most);

/* There are tasks, and all have ended. */
bool view_is_finished(const struct view *view);

/* Why an agent is given nothing, in one sentence in the arena. */
const char *view_why(const struct view *view, struct fb_text agent);

/* Agents heard within the time of a lease, or holding something. */
uint32_t view_agents_alive(const struct view *view);

Flowbalancer__V1__FlowTaskState view_task_state(enum task_state state);
Flowbalancer__V1__FlowState view_flow_state(enum flow_state state);

#endif
