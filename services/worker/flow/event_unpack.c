#include "services/worker/flow/event_parts.h"

#include "runtime/rpc/message.h"

enum { UNPACKED_BYTES_MOST = 32 << 20 };

/* --- from bytes; strings stay where protobuf-c put them, in the arena --- */

static struct event_texts texts_of(struct event_room *room, char **strings, size_t count)
{
    struct fb_text *texts = event_take(room, count, sizeof(*texts));

    for (size_t i = 0; texts != NULL && i < count; i++) {
        texts[i] = fb_text_of(strings[i]);
    }
    return (struct event_texts){.items = texts, .count = texts == NULL ? 0 : count};
}

static struct event_evidence_list read_evidence(struct event_room *room,
                                                Flowbalancer__V1__FlowEvidence **evidence,
                                                size_t count)
{
    struct event_evidence *made = event_take(room, count, sizeof(*made));

    for (size_t i = 0; made != NULL && i < count; i++) {
        made[i] = (struct event_evidence){
            .kind = (enum event_evidence_kind)evidence[i]->kind,
            .ref = fb_text_of(evidence[i]->ref),
            .sha256 = {.data = (const char *)evidence[i]->sha256.data,
                       .size = evidence[i]->sha256.len},
            .size = evidence[i]->size,
            .host = fb_text_of(evidence[i]->host),
        };
    }
    return (struct event_evidence_list){.items = made, .count = made == NULL ? 0 : count};
}

const struct event_link *event_read_links(struct event_room *room,
                                          Flowbalancer__V1__FlowLink **links, size_t count)
{
    struct event_link *made = event_take(room, count, sizeof(*made));

    for (size_t i = 0; made != NULL && i < count; i++) {
        made[i] = (struct event_link){
            .task = links[i]->task,
            .on = links[i]->on,
            .kind = (enum event_link_kind)links[i]->kind,
            .dropped = links[i]->dropped != 0,
        };
    }
    return made;
}

const struct event_planned_task *event_read_tasks(struct event_room *room,
                                                  Flowbalancer__V1__FlowPlannedTask **tasks,
                                                  size_t count)
{
    struct event_planned_task *made = event_take(room, count, sizeof(*made));

    for (size_t i = 0; made != NULL && i < count; i++) {
        made[i] = (struct event_planned_task){
            .title = fb_text_of(tasks[i]->title),
            .key = fb_text_of(tasks[i]->key),
            .body = fb_text_of(tasks[i]->body),
            .accept = fb_text_of(tasks[i]->accept),
            .weight = tasks[i]->weight,
            .priority = tasks[i]->priority,
            .phase = (uint32_t)tasks[i]->phase,
            .needs = texts_of(room, tasks[i]->needs, tasks[i]->n_needs),
            .defer_until_unix_ms = tasks[i]->defer_until_unix_ms,
        };
    }
    return made;
}

static void read_kind(struct event_room *room, const Flowbalancer__V1__FlowEvent *message,
                      struct event *event)
{
    switch (event->kind) {
    case EVENT_OPENED:
        event->opened.name = fb_text_of(message->opened->name);
        event->opened.active_most = message->opened->active_most;
        event->opened.load_most = message->opened->load_most;
        event->opened.automatic = message->opened->auto_ != 0;
        event->opened.lease_ms = message->opened->lease_ms;
        event->opened.share = message->opened->share;
        break;
    case EVENT_SEEN:
        event->seen.caps = texts_of(room, message->seen->caps, message->seen->n_caps);
        event->seen.held_most = message->seen->held_most;
        event->seen.declares = message->seen->declares != 0;
        break;
    case EVENT_PLANNED:
        event->planned.first_task = message->planned->first_task;
        event->planned.task_count = message->planned->n_tasks;
        event->planned.tasks =
            event_read_tasks(room, message->planned->tasks, message->planned->n_tasks);
        event->planned.plan_key = fb_text_of(message->planned->plan_key);
        event->planned.items = message->planned->items;
        event->planned.link_count = message->planned->n_links;
        event->planned.links =
            event_read_links(room, message->planned->links, message->planned->n_links);
        break;
    case EVENT_LINKED:
        event->linked.link_count = message->linked->n_links;
        event->linked.links =
            event_read_links(room, message->linked->links, message->linked->n_links);
        break;
    case EVENT_CLAIMED:
        event->task = message->claimed->task;
        event->claimed.fence = message->claimed->fence;
        event->claimed.lasts_ms = message->claimed->lasts_ms;
        event->claimed.implicit = message->claimed->implicit != 0;
        break;
    case EVENT_NOTED:
        event->task = message->noted->task;
        event->noted.note = fb_text_of(message->noted->note);
        event->noted.evidence =
            read_evidence(room, message->noted->evidence, message->noted->n_evidence);
        event->noted.percent = message->noted->percent;
        break;
    case EVENT_RESTED:
        event->task = message->rested->task;
        break;
    case EVENT_BLOCKED:
        event->task = message->blocked->task;
        event->blocked.blocker = message->blocked->blocker;
        event->blocked.gate = fb_text_of(message->blocked->gate);
        break;
    case EVENT_REQUEUED:
        event->task = message->requeued->task;
        event->requeued.cause = (enum event_cause)message->requeued->cause;
        event->requeued.reason = fb_text_of(message->requeued->reason);
        event->requeued.defer_until_unix_ms = message->requeued->defer_until_unix_ms;
        break;
    case EVENT_FINISHED:
        event->task = message->finished->task;
        event->finished.outcome = (enum event_outcome)message->finished->outcome;
        event->finished.fence = message->finished->fence;
        event->finished.summary = fb_text_of(message->finished->summary);
        event->finished.evidence =
            read_evidence(room, message->finished->evidence, message->finished->n_evidence);
        break;
    case EVENT_EDITED:
        event->task = message->edited->task;
        event->edited.fields = message->edited->fields;
        event->edited.title = fb_text_of(message->edited->title);
        event->edited.body = fb_text_of(message->edited->body);
        event->edited.accept = fb_text_of(message->edited->accept);
        event->edited.weight = message->edited->weight;
        event->edited.priority = message->edited->priority;
        event->edited.defer_until_unix_ms = message->edited->defer_until_unix_ms;
        break;
    case EVENT_UNATTACHED:
        event->task = message->unattached->task;
        event->unattached.fence = message->unattached->fence;
        event->unattached.note = fb_text_of(message->unattached->note);
        event->unattached.evidence =
            read_evidence(room, message->unattached->evidence, message->unattached->n_evidence);
        break;
    case EVENT_VERIFIED:
    case EVENT_MUTED:
        event_read_watch(room, message, event);
        break;
    case EVENT_DOCUMENT:
    case EVENT_IMPORTED:
    case EVENT_COMPACTED:
    case EVENT_EXPANDED:
    case EVENT_MERGED:
    case EVENT_CONFLICT:
        event_read_exchange(room, message, event);
        break;
    case EVENT_UNKNOWN:
        break;
    }
}

struct fb_status event_unpack(struct fb_text bytes, struct fb_arena *arena, struct event *event)
{
    struct event_room room = {.arena = arena};
    Flowbalancer__V1__FlowEvent *message;
    ProtobufCMessage *unpacked;
    struct fb_status status;

    *event = (struct event){.kind = EVENT_UNKNOWN};
    if (bytes.size > EVENT_BYTES) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "an event takes more than 1 MiB");
    }
    status =
        fb_message_unpack(&flowbalancer__v1__flow_event__descriptor, (const uint8_t *)bytes.data,
                          bytes.size, UNPACKED_BYTES_MOST, arena, &unpacked);
    if (!fb_is_ok(status)) {
        return status;
    }
    message = (Flowbalancer__V1__FlowEvent *)unpacked;
    event->unix_ms = message->unix_ms;
    event->actor = fb_text_of(message->actor);
    event->request_id = fb_text_of(message->request_id);
    event->origin = fb_text_of(message->origin);
    event->origin_sequence = message->origin_sequence;
    event->lamport = message->lamport;
    event->command = (unsigned)message->command < EVENT_COMMANDS
                         ? (enum event_command)message->command
                         : EVENT_COMMAND_NONE; /* of a later version */
    event->continues = message->continues != 0;
    event->kind = (enum event_kind)message->kind_case;
    if (event->kind == EVENT_UNKNOWN) {
        event->unknown.data = fb_arena_copy(arena, bytes.data, bytes.size);
        event->unknown.size = bytes.size;
        room.failed = event->unknown.data == NULL;
    } else {
        read_kind(&room, message, event);
    }
    if (room.failed) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read an event");
    }
    return event_check(event);
}
