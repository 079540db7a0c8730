#include "services/worker/flow/deciding.h"

enum { RETRY_MS = 30000 };

/* 2^k times half a minute, a fifth more or less by task and attempt. */
static int64_t retry_at_ms(uint32_t number, const struct task *task, int64_t now_ms)
{
    const int64_t wait_ms = (int64_t)RETRY_MS << task->attempt;
    const int64_t spread = (int64_t)(fb_hash_mix(number, task->attempt) % 401) - 200;

    return now_ms + wait_ms + wait_ms * spread / 1000;
}

static bool edit_state(struct decision *d, const struct edit_command *command, enum task_state from,
                       struct event event)
{
    const struct task *task = &d->session->tasks[command->task];

    if (task->state != from) {
        return refusal_set(d, REFUSAL_CONFLICT, command->task, 0, "task %u is %s, not %s",
                           command->task, task_state_name(task->state), task_state_name(from));
    }
    event.kind = EVENT_REQUEUED;
    event.requeued.reason = command->reason;
    return deciding_is_valid(d, event) && deciding_emit(d, event);
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

static bool edit_links(struct decision *d, const struct edit_command *command, struct event event)
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
    event.kind = EVENT_LINKED;
    event.task = 0;
    event.linked.links = links;
    event.linked.link_count = command->link_count;
    return deciding_is_valid(d, event) && deciding_emit(d, event);
}

static bool edit(struct decision *d, const struct edit_command *command)
{
    const struct task *task;
    struct event event = {.actor = command->agent, .task = command->task};

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
    switch (command->action) {
    case EDIT_FIELDS:
        event.kind = EVENT_EDITED;
        event.edited = command->fields.edited;
        return deciding_is_valid(d, event) && deciding_emit(d, event);
    case EDIT_LINKS:
        return edit_links(d, command, event);
    case EDIT_CANCEL:
        if (task_has_ended(task->state)) {
            return refusal_set(d, REFUSAL_CONFLICT, command->task, 0, "task %u has ended as %s",
                               command->task, task_state_name(task->state));
        }
        event.kind = EVENT_FINISHED;
        event.finished.outcome = EVENT_CANCELLED;
        event.finished.summary = command->reason;
        return deciding_is_valid(d, event) && deciding_emit(d, event);
    case EDIT_RETRY:
        if (task->state == TASK_FAILED && task->attempt >= TASK_ATTEMPTS_MOST) {
            return refusal_set(d, REFUSAL_BUDGET, command->task, 0,
                               "task %u was tried %u times; plan another way to do it",
                               command->task, task->attempt);
        }
        event.requeued.cause = EVENT_RETRIED;
        event.requeued.defer_until_unix_ms = retry_at_ms(command->task, task, d->now_ms);
        return edit_state(d, command, TASK_FAILED, event);
    case EDIT_REOPEN:
        event.requeued.cause = EVENT_REOPENED;
        return edit_state(d, command, TASK_COMPLETED, event);
    case EDIT_UNBLOCK:
        event.requeued.cause = EVENT_UNBLOCKED;
        return edit_state(d, command, TASK_BLOCKED, event);
    case EDIT_CHAIN:
        return deciding_expand(d, command->agent, command->task, command->chains_most);
    }
    return refusal_set(d, REFUSAL_INVALID, command->task, 0, "action: there is no such action");
}

bool decide_edit(struct decision *d, const struct edit_command *command)
{
    if (!deciding_begin(d, command->agent, EVENT_COMMAND_EDIT)) {
        return d->repeated;
    }
    return deciding_end(d, command->agent, command->task, edit(d, command));
}
