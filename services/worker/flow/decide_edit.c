#include "services/worker/flow/deciding.h"

enum { RETRY_MS = 30000 };

/* 2^k times half a minute, a fifth more or less by task and attempt. */
static int64_t retry_at_ms(uint32_t number, const struct task *task, int64_t now_ms)
{
    const int64_t wait_ms = (int64_t)RETRY_MS << task->attempt;
    const int64_t spread = (int64_t)(fb_hash_mix(number, task->attempt) % 401) - 200;

    return now_ms + wait_ms + wait_ms * spread / 1000;
}

/* Whether the link can be dropped, or there be one more. */
static bool may_change(struct decision *d, const struct event_link *link)
{
    const struct task *task = &d->session->tasks[link->task];

    if (session_task(d->session, link->on) == NULL) {
        return refusal_no_such(d, link->on);
    }
    if ((unsigned)link->kind >= EVENT_LINK_KINDS || link->kind < EVENT_LINK_AFTER) {
        return refusal_set(d, REFUSAL_INVALID, link->task, link->on,
                           "links: there is no such kind");
    }
    if (link->dropped && !graph_has_edge(d->session->graph, session_edge_of(link))) {
        return refusal_set(d, REFUSAL_NO_SUCH, link->task, link->on,
                           "task %u has no such link to task %u; flow_find shows those it has",
                           link->task, link->on);
    }
    if (!link->dropped && link->kind == EVENT_LINK_PARENT && task->parent != 0 &&
        task->parent != link->on) {
        return refusal_set(d, REFUSAL_CONFLICT, link->task, task->parent,
                           "task %u has task %u for its parent; drop that link first", link->task,
                           task->parent);
    }
    return true;
}

/* --- what is to happen: links, which alone may still be refused, then fields, then the action --- */

enum { PARTS_MOST = 3 };

struct parts {
    struct event events[PARTS_MOST];
    size_t count;
};

static bool add_part(struct decision *d, struct parts *parts, struct event event)
{
    parts->events[parts->count++] = event;
    return deciding_is_valid(d, event);
}

static bool add_links(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    struct event_link *links = fb_arena_alloc(d->arena, (command->link_count + 1) * sizeof(*links));

    if (links == NULL || command->link_count > CHUNK_LINKS) {
        return refusal_set(d, REFUSAL_BUDGET, command->task, 0, "links: at most %d at once",
                           CHUNK_LINKS);
    }
    for (size_t i = 0; i < command->link_count; i++) {
        links[i] = command->links[i];
        links[i].task = command->task;
        if (!may_change(d, &links[i])) {
            return false;
        }
    }
    return add_part(d, parts,
                    (struct event){.kind = EVENT_LINKED,
                                   .actor = command->agent,
                                   .linked = {.links = links, .link_count = command->link_count}});
}

static bool add_fields(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    return add_part(d, parts,
                    (struct event){.kind = EVENT_EDITED,
                                   .actor = command->agent,
                                   .task = command->task,
                                   .edited = command->fields.edited});
}

static bool add_requeue(struct decision *d, const struct edit_command *command,
                        enum task_state from, enum event_cause cause, struct parts *parts)
{
    const struct task *task = &d->session->tasks[command->task];

    if (task->state != from) {
        return refusal_set(d, REFUSAL_CONFLICT, command->task, 0, "task %u is %s, not %s",
                           command->task, task_state_name(task->state), task_state_name(from));
    }
    if (task->cold != 0) {
        return refusal_set(d, REFUSAL_NOT_READY, command->task, 0,
                           "the texts of task %u are in cold storage; bring them back first, for "
                           "what has to be true at its end is among them",
                           command->task);
    }
    return add_part(
        d, parts,
        (struct event){
            .kind = EVENT_REQUEUED,
            .actor = command->agent,
            .task = command->task,
            .requeued = {.cause = cause,
                         .reason = command->reason,
                         .defer_until_unix_ms = cause == EVENT_RETRIED
                                                    ? retry_at_ms(command->task, task, d->now_ms)
                                                    : 0}});
}

static bool add_cancel(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    const struct task *task = &d->session->tasks[command->task];

    if (task_has_ended(task->state)) {
        return refusal_set(d, REFUSAL_CONFLICT, command->task, 0, "task %u has ended as %s",
                           command->task, task_state_name(task->state));
    }
    return add_part(
        d, parts,
        (struct event){.kind = EVENT_FINISHED,
                       .actor = command->agent,
                       .task = command->task,
                       .finished = {.outcome = EVENT_CANCELLED, .summary = command->reason}});
}

static bool add_retry(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    const struct task *task = &d->session->tasks[command->task];

    if (task->state == TASK_FAILED && task->attempt >= TASK_ATTEMPTS_MOST) {
        return refusal_set(d, REFUSAL_BUDGET, command->task, 0,
                           "task %u was tried %u times; plan another way to do it", command->task,
                           task->attempt);
    }
    return add_requeue(d, command, TASK_FAILED, EVENT_RETRIED, parts);
}

static bool add_unblock(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    const struct session *s = d->session;
    const struct task *task = &s->tasks[command->task];

    if (task->state == TASK_BLOCKED && task->blocker != 0) {
        return refusal_set(d, REFUSAL_CONFLICT, command->task, task->blocker,
                           "task %u waits for task %u, not for an answer; drop that link",
                           command->task, task->blocker);
    }
    if (task->state == TASK_BLOCKED && task->blocked_by != 0 &&
        task->blocked_by == session_agent_of(s, command->agent) + 1) {
        return refusal_set(d, REFUSAL_CONFLICT, command->task, 0,
                           "task %u waits for an answer by another than who asked: %.200s",
                           command->task, task->gate);
    }
    return add_requeue(d, command, TASK_BLOCKED, EVENT_UNBLOCKED, parts);
}

static bool add_action(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    switch (command->action) {
    case EDIT_FIELDS:
    case EDIT_LINKS:
        return true;
    case EDIT_CANCEL:
        return add_cancel(d, command, parts);
    case EDIT_RETRY:
        return add_retry(d, command, parts);
    case EDIT_REOPEN:
        return add_requeue(d, command, TASK_COMPLETED, EVENT_REOPENED, parts);
    case EDIT_UNBLOCK:
        return add_unblock(d, command, parts);
    case EDIT_CHAIN:
        return command->link_count == 0 ||
               refusal_set(d, REFUSAL_INVALID, command->task, 0,
                           "links: a task is taken apart first, and linked then");
    }
    return refusal_set(d, REFUSAL_INVALID, command->task, 0, "action: there is no such action");
}

/* Everything is checked before anything happens. */
static bool gather(struct decision *d, const struct edit_command *command, struct parts *parts)
{
    const bool nothing = command->link_count == 0 && command->action <= EDIT_LINKS;

    if (command->link_count != 0 && !add_links(d, command, parts)) {
        return false;
    }
    if ((nothing || command->fields.edited.fields != 0) && !add_fields(d, command, parts)) {
        return false;
    }
    return add_action(d, command, parts);
}

static bool edit(struct decision *d, const struct edit_command *command)
{
    struct parts parts = {.count = 0};
    const struct task *task;

    if (!deciding_knows(d, command->task)) {
        return false;
    }
    task = &d->session->tasks[command->task];
    if (command->if_rev != 0 && command->if_rev != task->rev) {
        (void)refusal_set(d, REFUSAL_STALE_REV, command->task, 0,
                          "task %u is at rev %u, not %u; read it again, then repeat the edit",
                          command->task, task->rev, command->if_rev);
        d->refusal.fence = task->rev;
        return false;
    }
    if (!gather(d, command, &parts)) {
        return false;
    }
    if (command->action == EDIT_CHAIN &&
        !deciding_expand(d, command->agent, command->task, command->chains_most)) {
        return false;
    }
    for (size_t i = 0; i < parts.count; i++) {
        if (!deciding_emit(d, parts.events[i])) {
            return false;
        }
    }
    return true;
}

bool decide_edit(struct decision *d, const struct edit_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_EDIT)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, command->task, edit(d, command));
}
