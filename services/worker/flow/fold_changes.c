#include "services/worker/flow/fold.h"

#include <stdlib.h>
#include <string.h>

/* A copy of the text that takes part in the memory of a change; NULL for an empty one. */
static char *copy_of(struct session *session, const char *text)
{
    const size_t size = text == NULL ? 0 : strlen(text);
    char *copy;

    if (size == 0) {
        return NULL;
    }
    copy = malloc(size + 1);
    if (copy == NULL) {
        session->broken = true;
        return NULL;
    }
    memcpy(copy, text, size + 1);
    return copy;
}

static void remember_fields(struct session *session, const struct event *event,
                            struct change *change)
{
    const struct task *task = &session->tasks[event->task];
    const uint32_t fields = event->edited.fields;

    change->fields = fields;
    change->weight = task->weight;
    change->priority = task->priority;
    change->defer_until_ms = task->defer_until_ms;
    if ((fields & EVENT_FIELD_TITLE) != 0) {
        change->title = copy_of(session, task->title);
    }
    if ((fields & EVENT_FIELD_BODY) != 0) {
        change->body = copy_of(session, task->body);
    }
    if ((fields & EVENT_FIELD_ACCEPT) != 0) {
        change->accept = copy_of(session, task->accept);
    }
}

/* Those that will change something: dropped ones that are there, others that are not. */
static void remember_links(struct session *session, const struct event *event,
                           struct change *change)
{
    const struct event_link *links = event->linked.links;
    const size_t count = event->linked.link_count;

    change->task = count == 0 ? 0 : links[0].task;
    change->link_count = (uint32_t)count;
    if (count == 0 || count > CHANGES_LINKS_MOST) {
        return;
    }
    change->links = malloc(count * sizeof(*links));
    if (change->links == NULL) {
        session->broken = true;
        return;
    }
    change->link_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (graph_has_edge(session->graph, session_edge_of(&links[i])) == links[i].dropped) {
            change->links[change->link_count++] = links[i];
        }
    }
    if (change->link_count == 0) {
        free(change->links);
        change->links = NULL;
    }
}

bool fold_change_begin(struct session *session, const struct event *event, struct change *change)
{
    const struct task *task = session_task(session, event->task);
    const uint32_t agent = session_agent_of(session, event->actor);

    *change = (struct change){
        .command = event->continues ? session->command : session->events + 1,
        .agent = agent == NAMES_NONE ? 0 : agent + 1,
        .kind = event->kind,
        .task = event->task,
        .state = task == NULL ? TASK_QUEUED : task->state,
    };
    switch (event->kind) {
    case EVENT_PLANNED:
        change->task = event->planned.first_task;
        change->count = (uint32_t)event->planned.task_count;
        return true;
    case EVENT_LINKED:
        remember_links(session, event, change);
        return true;
    case EVENT_CLAIMED:
        change->fence = event->claimed.fence;
        change->implicit = event->claimed.implicit;
        return true;
    case EVENT_EDITED:
        remember_fields(session, event, change);
        return true;
    case EVENT_NOTED:
    case EVENT_RESTED:
    case EVENT_BLOCKED:
    case EVENT_REQUEUED:
    case EVENT_FINISHED:
        return true;
    default:
        return false;
    }
}
