#include "services/worker/flow/event_parts.h"

void *event_take(struct event_room *room, size_t count, size_t size)
{
    void *memory = fb_arena_zalloc(room->arena, count == 0 ? 1 : count, size);

    room->failed |= memory == NULL;
    return memory;
}

char *event_string(struct event_room *room, struct fb_text text)
{
    char *copy = fb_arena_copy(room->arena, text.size == 0 ? "" : text.data, text.size);

    room->failed |= copy == NULL;
    return copy;
}

static char **strings_of(struct event_room *room, struct event_texts texts)
{
    char **strings = event_take(room, texts.count, sizeof(*strings));

    for (size_t i = 0; strings != NULL && i < texts.count; i++) {
        strings[i] = event_string(room, texts.items[i]);
    }
    return strings;
}

static Flowbalancer__V1__FlowEvidence **evidence_of(struct event_room *room,
                                                    struct event_evidence_list evidence)
{
    Flowbalancer__V1__FlowEvidence **list =
        event_take(room, evidence.count, sizeof(Flowbalancer__V1__FlowEvidence *));
    Flowbalancer__V1__FlowEvidence *made = event_take(room, evidence.count, sizeof(*made));

    if (room->failed) {
        return NULL;
    }
    for (size_t i = 0; i < evidence.count; i++) {
        const struct event_evidence *item = &evidence.items[i];

        made[i] = (Flowbalancer__V1__FlowEvidence)FLOWBALANCER__V1__FLOW_EVIDENCE__INIT;
        made[i].kind = (Flowbalancer__V1__FlowEvidenceKind)item->kind;
        made[i].ref = event_string(room, item->ref);
        made[i].sha256.len = item->sha256.size;
        made[i].sha256.data = (uint8_t *)event_string(room, item->sha256);
        made[i].size = item->size;
        made[i].host = event_string(room, item->host);
        list[i] = &made[i];
    }
    return list;
}

Flowbalancer__V1__FlowLink **event_links(struct event_room *room, const struct event_link *links,
                                         size_t count)
{
    Flowbalancer__V1__FlowLink **list =
        event_take(room, count, sizeof(Flowbalancer__V1__FlowLink *));
    Flowbalancer__V1__FlowLink *made = event_take(room, count, sizeof(*made));

    if (room->failed) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        made[i] = (Flowbalancer__V1__FlowLink)FLOWBALANCER__V1__FLOW_LINK__INIT;
        made[i].task = links[i].task;
        made[i].on = links[i].on;
        made[i].kind = (Flowbalancer__V1__FlowLinkKind)links[i].kind;
        made[i].dropped = links[i].dropped;
        list[i] = &made[i];
    }
    return list;
}

Flowbalancer__V1__FlowPlannedTask **event_tasks(struct event_room *room,
                                                const struct event_planned_task *tasks,
                                                size_t count)
{
    Flowbalancer__V1__FlowPlannedTask **list =
        event_take(room, count, sizeof(Flowbalancer__V1__FlowPlannedTask *));
    Flowbalancer__V1__FlowPlannedTask *made = event_take(room, count, sizeof(*made));

    if (room->failed) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        made[i] = (Flowbalancer__V1__FlowPlannedTask)FLOWBALANCER__V1__FLOW_PLANNED_TASK__INIT;
        made[i].title = event_string(room, tasks[i].title);
        made[i].key = event_string(room, tasks[i].key);
        made[i].body = event_string(room, tasks[i].body);
        made[i].accept = event_string(room, tasks[i].accept);
        made[i].weight = tasks[i].weight;
        made[i].priority = tasks[i].priority;
        made[i].phase = (Flowbalancer__V1__FlowPhase)tasks[i].phase;
        made[i].n_needs = tasks[i].needs.count;
        made[i].needs = strings_of(room, tasks[i].needs);
        made[i].defer_until_unix_ms = tasks[i].defer_until_unix_ms;
        list[i] = &made[i];
    }
    return list;
}

/* Makes a message of its INIT; the result is NULL when memory is exhausted. */
#define MAKE(room, type, init)                       \
    type *made = event_take(room, 1, sizeof(*made)); \
    if (made == NULL) {                              \
        break;                                       \
    }                                                \
    *made = (type)init

static void fill_kind(struct event_room *room, const struct event *event,
                      Flowbalancer__V1__FlowEvent *message)
{
    switch (event->kind) {
    case EVENT_OPENED: {
        MAKE(room, Flowbalancer__V1__FlowSessionOpened,
             FLOWBALANCER__V1__FLOW_SESSION_OPENED__INIT);
        made->name = event_string(room, event->opened.name);
        made->active_most = event->opened.active_most;
        made->load_most = event->opened.load_most;
        made->auto_ = event->opened.automatic;
        made->lease_ms = event->opened.lease_ms;
        made->share = event->opened.share;
        message->opened = made;
        break;
    }
    case EVENT_SEEN: {
        MAKE(room, Flowbalancer__V1__FlowAgentSeen, FLOWBALANCER__V1__FLOW_AGENT_SEEN__INIT);
        made->n_caps = event->seen.caps.count;
        made->caps = strings_of(room, event->seen.caps);
        made->held_most = event->seen.held_most;
        made->declares = event->seen.declares;
        message->seen = made;
        break;
    }
    case EVENT_PLANNED: {
        MAKE(room, Flowbalancer__V1__FlowTasksPlanned, FLOWBALANCER__V1__FLOW_TASKS_PLANNED__INIT);
        made->first_task = event->planned.first_task;
        made->n_tasks = event->planned.task_count;
        made->tasks = event_tasks(room, event->planned.tasks, event->planned.task_count);
        made->n_links = event->planned.link_count;
        made->links = event_links(room, event->planned.links, event->planned.link_count);
        made->plan_key = event_string(room, event->planned.plan_key);
        made->items = event->planned.items;
        message->planned = made;
        break;
    }
    case EVENT_LINKED: {
        MAKE(room, Flowbalancer__V1__FlowTasksLinked, FLOWBALANCER__V1__FLOW_TASKS_LINKED__INIT);
        made->n_links = event->linked.link_count;
        made->links = event_links(room, event->linked.links, event->linked.link_count);
        message->linked = made;
        break;
    }
    case EVENT_CLAIMED: {
        MAKE(room, Flowbalancer__V1__FlowTaskClaimed, FLOWBALANCER__V1__FLOW_TASK_CLAIMED__INIT);
        made->task = event->task;
        made->fence = event->claimed.fence;
        made->lasts_ms = event->claimed.lasts_ms;
        made->implicit = event->claimed.implicit;
        message->claimed = made;
        break;
    }
    case EVENT_NOTED: {
        MAKE(room, Flowbalancer__V1__FlowTaskNoted, FLOWBALANCER__V1__FLOW_TASK_NOTED__INIT);
        made->task = event->task;
        made->note = event_string(room, event->noted.note);
        made->n_evidence = event->noted.evidence.count;
        made->evidence = evidence_of(room, event->noted.evidence);
        made->percent = event->noted.percent;
        message->noted = made;
        break;
    }
    case EVENT_RESTED: {
        MAKE(room, Flowbalancer__V1__FlowTaskRested, FLOWBALANCER__V1__FLOW_TASK_RESTED__INIT);
        made->task = event->task;
        message->rested = made;
        break;
    }
    case EVENT_BLOCKED: {
        MAKE(room, Flowbalancer__V1__FlowTaskBlocked, FLOWBALANCER__V1__FLOW_TASK_BLOCKED__INIT);
        made->task = event->task;
        made->blocker = event->blocked.blocker;
        made->gate = event_string(room, event->blocked.gate);
        message->blocked = made;
        break;
    }
    case EVENT_REQUEUED: {
        MAKE(room, Flowbalancer__V1__FlowTaskRequeued, FLOWBALANCER__V1__FLOW_TASK_REQUEUED__INIT);
        made->task = event->task;
        made->cause = (Flowbalancer__V1__FlowRequeueCause)event->requeued.cause;
        made->reason = event_string(room, event->requeued.reason);
        made->defer_until_unix_ms = event->requeued.defer_until_unix_ms;
        message->requeued = made;
        break;
    }
    case EVENT_FINISHED: {
        MAKE(room, Flowbalancer__V1__FlowTaskFinished, FLOWBALANCER__V1__FLOW_TASK_FINISHED__INIT);
        made->task = event->task;
        made->outcome = (Flowbalancer__V1__FlowOutcome)event->finished.outcome;
        made->fence = event->finished.fence;
        made->summary = event_string(room, event->finished.summary);
        made->n_evidence = event->finished.evidence.count;
        made->evidence = evidence_of(room, event->finished.evidence);
        message->finished = made;
        break;
    }
    case EVENT_EDITED: {
        MAKE(room, Flowbalancer__V1__FlowTaskEdited, FLOWBALANCER__V1__FLOW_TASK_EDITED__INIT);
        made->task = event->task;
        made->fields = event->edited.fields;
        made->title = event_string(room, event->edited.title);
        made->body = event_string(room, event->edited.body);
        made->accept = event_string(room, event->edited.accept);
        made->weight = event->edited.weight;
        made->priority = event->edited.priority;
        made->defer_until_unix_ms = event->edited.defer_until_unix_ms;
        message->edited = made;
        break;
    }
    case EVENT_UNATTACHED: {
        MAKE(room, Flowbalancer__V1__FlowNoteUnattached,
             FLOWBALANCER__V1__FLOW_NOTE_UNATTACHED__INIT);
        made->task = event->task;
        made->fence = event->unattached.fence;
        made->note = event_string(room, event->unattached.note);
        made->n_evidence = event->unattached.evidence.count;
        made->evidence = evidence_of(room, event->unattached.evidence);
        message->unattached = made;
        break;
    }
    case EVENT_VERIFIED:
    case EVENT_MUTED:
        event_fill_watch(room, event, message);
        break;
    case EVENT_DOCUMENT:
    case EVENT_IMPORTED:
    case EVENT_COMPACTED:
    case EVENT_EXPANDED:
    case EVENT_MERGED:
    case EVENT_CONFLICT:
        event_fill_exchange(room, event, message);
        break;
    case EVENT_UNKNOWN:
        break;
    }
}

struct fb_status event_pack(const struct event *event, struct fb_arena *arena,
                            struct fb_text *bytes)
{
    Flowbalancer__V1__FlowEvent message = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    struct event_room room = {.arena = arena};
    size_t size;
    char *data;

    if (event->kind == EVENT_UNKNOWN) {
        *bytes = event->unknown;
        return fb_ok;
    }
    message.unix_ms = event->unix_ms;
    message.actor = event_string(&room, event->actor);
    message.request_id = event_string(&room, event->request_id);
    message.origin = event_string(&room, event->origin);
    message.origin_sequence = event->origin_sequence;
    message.lamport = event->lamport;
    message.command = (Flowbalancer__V1__FlowCommand)event->command;
    message.continues = event->continues;
    message.kind_case = (Flowbalancer__V1__FlowEvent__KindCase)event->kind;
    fill_kind(&room, event, &message);
    if (room.failed) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to write an event");
    }
    size = protobuf_c_message_get_packed_size(&message.base);
    if (size > EVENT_BYTES) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "an event takes more than 1 MiB");
    }
    data = fb_arena_alloc(arena, size == 0 ? 1 : size);
    if (data == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to write an event");
    }
    protobuf_c_message_pack(&message.base, (uint8_t *)data);
    *bytes = (struct fb_text){.data = data, .size = size};
    return fb_ok;
}
