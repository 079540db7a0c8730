#include "services/worker/flow/event_parts.h"

/* --- limits --- */

static struct fb_status refuse(const char *why)
{
    return fb_fail(FB_INVALID_ARGUMENT, why);
}

static bool is_digest(struct fb_text sha256)
{
    return sha256.size == EVENT_SHA256_BYTES;
}

static struct fb_status check_document(const struct event *event)
{
    if (!is_digest(event->document.sha256)) {
        return refuse("sha256: 32 bytes");
    }
    if (event->document.size > EVENT_DOCUMENT_BYTES) {
        return refuse("size: a document of at most 64 MiB");
    }
    if (event->document.data.size > EVENT_DOCUMENT_PART_BYTES) {
        return refuse("data: at most 512 KiB");
    }
    if (event->document.taken) {
        return event->document.data.size == 0 ? fb_ok : refuse("data: none where it is taken");
    }
    if (event->document.parts == 0 || event->document.parts > EVENT_DOCUMENT_PARTS ||
        event->document.part >= event->document.parts) {
        return refuse("part: from 0, below parts, which are at most 1,024");
    }
    return fb_ok;
}

static struct fb_status check_imported_task(const struct event_imported_task *task)
{
    const struct fb_status status = event_check_planned_task(&task->task);

    if (!fb_is_ok(status)) {
        return status;
    }
    if ((unsigned)task->state >= EVENT_IMPORTED_STATES) {
        return refuse("state: there is no such state");
    }
    if (!event_is_text(task->note, 0, EVENT_NOTE_BYTES)) {
        return refuse("note: at most 16 KiB of UTF-8");
    }
    if (!event_is_text(task->summary, 0, EVENT_SUMMARY_BYTES)) {
        return refuse("summary: at most 4 KiB of UTF-8");
    }
    if (!event_is_text(task->gate, task->state == EVENT_IMPORTED_BLOCKED, EVENT_REASON_BYTES)) {
        return refuse("gate: at most 1,024 bytes of UTF-8, and needed where it is blocked");
    }
    return fb_ok;
}

static struct fb_status check_imported(const struct event *event)
{
    if (event->imported.first_task == 0 || event->imported.task_count == 0) {
        return refuse("tasks: at least one, numbered from 1");
    }
    if (event->imported.sha256.size != 0 && !is_digest(event->imported.sha256)) {
        return refuse("sha256: 32 bytes");
    }
    for (size_t i = 0; i < event->imported.task_count; i++) {
        const struct fb_status status = check_imported_task(&event->imported.tasks[i]);

        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return event_check_links(event->imported.links, event->imported.link_count);
}

static struct fb_status check_compacted(const struct event *event)
{
    if (!is_digest(event->compacted.sha256)) {
        return refuse("sha256: 32 bytes");
    }
    if (event->compacted.task_count == 0 || event->compacted.task_count > EVENT_COMPACTED_TASKS) {
        return refuse("tasks: 1 to 10,000");
    }
    for (size_t i = 0; i < event->compacted.task_count; i++) {
        if (event->compacted.tasks[i] <= (i == 0 ? 0 : event->compacted.tasks[i - 1])) {
            return refuse("tasks: each once, by their numbers");
        }
    }
    return fb_ok;
}

static struct fb_status check_expanded(const struct event *event)
{
    if (!is_digest(event->expanded.sha256)) {
        return refuse("sha256: 32 bytes");
    }
    if (event->expanded.task_count == 0 || event->expanded.task_count > EVENT_COMPACTED_TASKS) {
        return refuse("tasks: 1 to 10,000");
    }
    for (size_t i = 0; i < event->expanded.task_count; i++) {
        const struct event_expanded_task *task = &event->expanded.tasks[i];

        if (task->task <= (i == 0 ? 0 : event->expanded.tasks[i - 1].task)) {
            return refuse("tasks: each once, by their numbers");
        }
        if (!event_is_text(task->body, 0, EVENT_BODY_BYTES) ||
            !event_is_text(task->accept, 0, EVENT_ACCEPT_BYTES) ||
            !event_is_text(task->note, 0, EVENT_NOTE_BYTES)) {
            return refuse("tasks: texts are as long as those that were moved");
        }
    }
    return fb_ok;
}

static struct fb_status check_merged(const struct event *event)
{
    for (size_t i = 0; i < event->merged.task_count; i++) {
        if (!event_is_text(event->merged.tasks[i].origin, 0, EVENT_ORIGIN_BYTES) ||
            event->merged.tasks[i].number == 0) {
            return refuse("tasks: an origin of at most 128 bytes and a number from 1");
        }
    }
    if (event->merged.known_count > EVENT_KNOWN_ORIGINS) {
        return refuse("knows: at most 1,024 origins");
    }
    for (size_t i = 0; i < event->merged.known_count; i++) {
        if (!event_is_text(event->merged.knows[i].origin, 1, EVENT_ORIGIN_BYTES)) {
            return refuse("knows: an origin of 1 to 128 bytes");
        }
    }
    return fb_ok;
}

static struct fb_status check_conflict(const struct event *event)
{
    if (!event_is_text(event->conflict.field, 1, EVENT_FIELD_BYTES)) {
        return refuse("field: 1 to 32 bytes of UTF-8");
    }
    if (!event_is_text(event->conflict.other, 0, EVENT_BODY_BYTES)) {
        return refuse("other: at most 64 KiB of UTF-8");
    }
    return event_is_text(event->conflict.other_origin, 0, EVENT_ORIGIN_BYTES)
               ? fb_ok
               : refuse("other_origin: at most 128 bytes of UTF-8");
}

struct fb_status event_check_exchange(const struct event *event)
{
    switch (event->kind) {
    case EVENT_DOCUMENT:
        return check_document(event);
    case EVENT_IMPORTED:
        return check_imported(event);
    case EVENT_COMPACTED:
        return check_compacted(event);
    case EVENT_EXPANDED:
        return check_expanded(event);
    case EVENT_MERGED:
        return check_merged(event);
    case EVENT_CONFLICT:
        return check_conflict(event);
    default:
        return refuse("kind: there is no such kind");
    }
}

/* --- to messages --- */

static ProtobufCBinaryData bytes_of(struct fb_text bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)bytes.data};
}

static Flowbalancer__V1__FlowImportedTask **imported_of(struct event_room *room,
                                                        const struct event *event)
{
    const size_t count = event->imported.task_count;
    const struct event_imported_task *tasks = event->imported.tasks;
    struct event_planned_task *planned = event_take(room, count, sizeof(*planned));
    Flowbalancer__V1__FlowImportedTask **list =
        event_take(room, count, sizeof(Flowbalancer__V1__FlowImportedTask *));
    Flowbalancer__V1__FlowImportedTask *made = event_take(room, count, sizeof(*made));
    Flowbalancer__V1__FlowPlannedTask **messages;

    if (room->failed) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        planned[i] = tasks[i].task;
    }
    messages = event_tasks(room, planned, count);
    for (size_t i = 0; i < count && messages != NULL; i++) {
        made[i] = (Flowbalancer__V1__FlowImportedTask)FLOWBALANCER__V1__FLOW_IMPORTED_TASK__INIT;
        made[i].task = messages[i];
        made[i].state = (Flowbalancer__V1__FlowImportedState)tasks[i].state;
        made[i].note = event_string(room, tasks[i].note);
        made[i].summary = event_string(room, tasks[i].summary);
        made[i].gate = event_string(room, tasks[i].gate);
        list[i] = &made[i];
    }
    return list;
}

static Flowbalancer__V1__FlowExpandedTask **expanded_of(struct event_room *room,
                                                        const struct event *event)
{
    const size_t count = event->expanded.task_count;
    Flowbalancer__V1__FlowExpandedTask **list =
        event_take(room, count, sizeof(Flowbalancer__V1__FlowExpandedTask *));
    Flowbalancer__V1__FlowExpandedTask *made = event_take(room, count, sizeof(*made));

    for (size_t i = 0; i < count && !room->failed; i++) {
        const struct event_expanded_task *task = &event->expanded.tasks[i];

        made[i] = (Flowbalancer__V1__FlowExpandedTask)FLOWBALANCER__V1__FLOW_EXPANDED_TASK__INIT;
        made[i].task = task->task;
        made[i].body = event_string(room, task->body);
        made[i].accept = event_string(room, task->accept);
        made[i].note = event_string(room, task->note);
        list[i] = &made[i];
    }
    return list;
}

static void fill_merged(struct event_room *room, const struct event *event,
                        Flowbalancer__V1__FlowMerged *merged)
{
    const size_t tasks = event->merged.task_count;
    const size_t known = event->merged.known_count;
    Flowbalancer__V1__FlowTaskIdentity *identities = event_take(room, tasks, sizeof(*identities));
    Flowbalancer__V1__FlowKnown *knows = event_take(room, known, sizeof(*knows));

    merged->event = bytes_of(event->merged.event);
    merged->follows = event->merged.follows;
    merged->tasks = event_take(room, tasks, sizeof(Flowbalancer__V1__FlowTaskIdentity *));
    merged->knows = event_take(room, known, sizeof(Flowbalancer__V1__FlowKnown *));
    if (room->failed) {
        return;
    }
    merged->n_tasks = tasks;
    for (size_t i = 0; i < tasks; i++) {
        identities[i] =
            (Flowbalancer__V1__FlowTaskIdentity)FLOWBALANCER__V1__FLOW_TASK_IDENTITY__INIT;
        identities[i].origin = event_string(room, event->merged.tasks[i].origin);
        identities[i].number = event->merged.tasks[i].number;
        merged->tasks[i] = &identities[i];
    }
    merged->n_knows = known;
    for (size_t i = 0; i < known; i++) {
        knows[i] = (Flowbalancer__V1__FlowKnown)FLOWBALANCER__V1__FLOW_KNOWN__INIT;
        knows[i].origin = event_string(room, event->merged.knows[i].origin);
        knows[i].sequence = event->merged.knows[i].sequence;
        merged->knows[i] = &knows[i];
    }
}

/* Makes a message of its INIT; nothing is filled in when memory is exhausted. */
#define MAKE(room, type, init)                       \
    type *made = event_take(room, 1, sizeof(*made)); \
    if (made == NULL) {                              \
        break;                                       \
    }                                                \
    *made = (type)init

void event_fill_exchange(struct event_room *room, const struct event *event,
                         Flowbalancer__V1__FlowEvent *message)
{
    switch (event->kind) {
    case EVENT_DOCUMENT: {
        MAKE(room, Flowbalancer__V1__FlowDocumentKept, FLOWBALANCER__V1__FLOW_DOCUMENT_KEPT__INIT);
        made->sha256 = bytes_of(event->document.sha256);
        made->format = event->document.format;
        made->size = event->document.size;
        made->part = event->document.part;
        made->parts = event->document.parts;
        made->data = bytes_of(event->document.data);
        made->taken = event->document.taken;
        message->document = made;
        break;
    }
    case EVENT_IMPORTED: {
        MAKE(room, Flowbalancer__V1__FlowTasksImported,
             FLOWBALANCER__V1__FLOW_TASKS_IMPORTED__INIT);
        made->first_task = event->imported.first_task;
        made->n_tasks = event->imported.task_count;
        made->tasks = imported_of(room, event);
        made->n_links = event->imported.link_count;
        made->links = event_links(room, event->imported.links, event->imported.link_count);
        made->sha256 = bytes_of(event->imported.sha256);
        message->imported = made;
        break;
    }
    case EVENT_COMPACTED: {
        MAKE(room, Flowbalancer__V1__FlowTasksCompacted,
             FLOWBALANCER__V1__FLOW_TASKS_COMPACTED__INIT);
        made->sha256 = bytes_of(event->compacted.sha256);
        made->size = event->compacted.size;
        made->n_tasks = event->compacted.task_count;
        made->tasks = (uint32_t *)event->compacted.tasks;
        message->compacted = made;
        break;
    }
    case EVENT_EXPANDED: {
        MAKE(room, Flowbalancer__V1__FlowTasksExpanded,
             FLOWBALANCER__V1__FLOW_TASKS_EXPANDED__INIT);
        made->sha256 = bytes_of(event->expanded.sha256);
        made->n_tasks = event->expanded.task_count;
        made->tasks = expanded_of(room, event);
        message->expanded = made;
        break;
    }
    case EVENT_MERGED: {
        MAKE(room, Flowbalancer__V1__FlowMerged, FLOWBALANCER__V1__FLOW_MERGED__INIT);
        fill_merged(room, event, made);
        message->merged = made;
        break;
    }
    case EVENT_CONFLICT: {
        MAKE(room, Flowbalancer__V1__FlowConflict, FLOWBALANCER__V1__FLOW_CONFLICT__INIT);
        made->task = event->task;
        made->field = event_string(room, event->conflict.field);
        made->other = event_string(room, event->conflict.other);
        made->other_origin = event_string(room, event->conflict.other_origin);
        message->conflict = made;
        break;
    }
    default:
        break;
    }
}

/* --- from messages --- */

static struct fb_text text_of(ProtobufCBinaryData bytes)
{
    return (struct fb_text){.data = (const char *)bytes.data, .size = bytes.len};
}

static const struct event_imported_task *read_imported(
    struct event_room *room, const Flowbalancer__V1__FlowTasksImported *message)
{
    static Flowbalancer__V1__FlowPlannedTask none = FLOWBALANCER__V1__FLOW_PLANNED_TASK__INIT;
    const size_t count = message->n_tasks;
    struct event_imported_task *tasks = event_take(room, count, sizeof(*tasks));
    Flowbalancer__V1__FlowPlannedTask **list =
        event_take(room, count, sizeof(Flowbalancer__V1__FlowPlannedTask *));
    const struct event_planned_task *planned;

    if (room->failed) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = message->tasks[i]->task == NULL ? &none : message->tasks[i]->task;
    }
    planned = event_read_tasks(room, list, count);
    for (size_t i = 0; i < count && planned != NULL; i++) {
        tasks[i] = (struct event_imported_task){
            .task = planned[i],
            .state = (enum event_imported_state)message->tasks[i]->state,
            .note = fb_text_of(message->tasks[i]->note),
            .summary = fb_text_of(message->tasks[i]->summary),
            .gate = fb_text_of(message->tasks[i]->gate),
        };
    }
    return tasks;
}

static const struct event_expanded_task *read_expanded(
    struct event_room *room, const Flowbalancer__V1__FlowTasksExpanded *message)
{
    struct event_expanded_task *tasks = event_take(room, message->n_tasks, sizeof(*tasks));

    for (size_t i = 0; i < message->n_tasks && tasks != NULL; i++) {
        tasks[i] = (struct event_expanded_task){
            .task = message->tasks[i]->task,
            .body = fb_text_of(message->tasks[i]->body),
            .accept = fb_text_of(message->tasks[i]->accept),
            .note = fb_text_of(message->tasks[i]->note),
        };
    }
    return tasks;
}

static void read_merged(struct event_room *room, const Flowbalancer__V1__FlowMerged *message,
                        struct event *event)
{
    struct event_identity *tasks = event_take(room, message->n_tasks, sizeof(*tasks));
    struct event_known *knows = event_take(room, message->n_knows, sizeof(*knows));

    if (room->failed) {
        return;
    }
    for (size_t i = 0; i < message->n_tasks; i++) {
        tasks[i] = (struct event_identity){.origin = fb_text_of(message->tasks[i]->origin),
                                           .number = message->tasks[i]->number};
    }
    for (size_t i = 0; i < message->n_knows; i++) {
        knows[i] = (struct event_known){.origin = fb_text_of(message->knows[i]->origin),
                                        .sequence = message->knows[i]->sequence};
    }
    event->merged.event = text_of(message->event);
    event->merged.tasks = tasks;
    event->merged.task_count = message->n_tasks;
    event->merged.knows = knows;
    event->merged.known_count = message->n_knows;
    event->merged.follows = message->follows;
}

void event_read_exchange(struct event_room *room, const Flowbalancer__V1__FlowEvent *message,
                         struct event *event)
{
    switch (event->kind) {
    case EVENT_DOCUMENT:
        event->document.sha256 = text_of(message->document->sha256);
        event->document.format = message->document->format;
        event->document.size = message->document->size;
        event->document.part = message->document->part;
        event->document.parts = message->document->parts;
        event->document.data = text_of(message->document->data);
        event->document.taken = message->document->taken != 0;
        break;
    case EVENT_IMPORTED:
        event->imported.first_task = message->imported->first_task;
        event->imported.task_count = message->imported->n_tasks;
        event->imported.tasks = read_imported(room, message->imported);
        event->imported.link_count = message->imported->n_links;
        event->imported.links =
            event_read_links(room, message->imported->links, message->imported->n_links);
        event->imported.sha256 = text_of(message->imported->sha256);
        break;
    case EVENT_COMPACTED:
        event->compacted.sha256 = text_of(message->compacted->sha256);
        event->compacted.size = message->compacted->size;
        event->compacted.tasks = message->compacted->tasks;
        event->compacted.task_count = message->compacted->n_tasks;
        break;
    case EVENT_EXPANDED:
        event->expanded.sha256 = text_of(message->expanded->sha256);
        event->expanded.task_count = message->expanded->n_tasks;
        event->expanded.tasks = read_expanded(room, message->expanded);
        break;
    case EVENT_MERGED:
        read_merged(room, message->merged, event);
        break;
    case EVENT_CONFLICT:
        event->task = message->conflict->task;
        event->conflict.field = fb_text_of(message->conflict->field);
        event->conflict.other = fb_text_of(message->conflict->other);
        event->conflict.other_origin = fb_text_of(message->conflict->other_origin);
        break;
    default:
        break;
    }
}
