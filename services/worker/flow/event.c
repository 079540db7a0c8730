#include "services/worker/flow/event.h"

#include <string.h>

#include "flowbalancer/v1/flow_event.pb-c.h"
#include "runtime/rpc/message.h"

enum { UNPACKED_BYTES_MOST = 32 << 20 };

/* --- limits --- */

#define UNIX_MS_MOST (INT64_C(1) << 53)

static bool is_time(int64_t unix_ms)
{
    return unix_ms >= 0 && unix_ms <= UNIX_MS_MOST;
}

static bool is_text(struct fb_text text, size_t least, size_t most)
{
    return text.size >= least && text.size <= most &&
           fb_utf8_check(text.data, text.size) == text.size &&
           (text.size == 0 || memchr(text.data, '\0', text.size) == NULL);
}

static bool are_texts(struct event_texts texts, size_t count_most, size_t bytes_most)
{
    if (texts.count > count_most) {
        return false;
    }
    for (size_t i = 0; i < texts.count; i++) {
        if (!is_text(texts.items[i], 1, bytes_most)) {
            return false;
        }
    }
    return true;
}

static struct fb_status refuse(const char *why)
{
    return fb_fail(FB_INVALID_ARGUMENT, why);
}

static const char title_why[] = "title: 1 to 512 bytes of UTF-8; put the rest into body";
static const char body_why[] = "body: at most 64 KiB of UTF-8; name a file instead";
static const char accept_why[] = "accept: at most 16 KiB of UTF-8";
static const char weight_why[] = "weight: 1 to 10";
static const char priority_why[] = "priority: 0 (first) to 4";
static const char defer_why[] = "defer_until: a unix time in milliseconds, or 0";
static const char evidence_why[] = "evidence: at most 64 texts of 1 to 1,024 bytes";
static const char note_why[] = "note: at most 16 KiB of UTF-8; name a file instead";

static struct fb_status check_planned_task(const struct event_planned_task *task)
{
    if (!is_text(task->title, 1, EVENT_TITLE_BYTES)) {
        return refuse(title_why);
    }
    if (!is_text(task->key, 0, EVENT_KEY_BYTES)) {
        return refuse("key: at most 128 bytes of UTF-8");
    }
    if (!is_text(task->body, 0, EVENT_BODY_BYTES)) {
        return refuse(body_why);
    }
    if (!is_text(task->accept, 0, EVENT_ACCEPT_BYTES)) {
        return refuse(accept_why);
    }
    if (task->weight < 1 || task->weight > EVENT_WEIGHT_MOST) {
        return refuse(weight_why);
    }
    if (task->priority > EVENT_PRIORITY_MOST) {
        return refuse(priority_why);
    }
    if (task->phase >= EVENT_PHASES) {
        return refuse("phase: there is no such phase");
    }
    if (!are_texts(task->needs, EVENT_CAPS, EVENT_CAP_BYTES)) {
        return refuse("needs: at most 64 words of 1 to 64 bytes");
    }
    if (!is_time(task->defer_until_unix_ms)) {
        return refuse(defer_why);
    }
    return fb_ok;
}

static struct fb_status check_links(const struct event_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].kind < EVENT_LINK_AFTER || links[i].kind >= EVENT_LINK_KINDS) {
            return refuse("links: there is no such kind");
        }
        if (links[i].task == 0 || links[i].on == 0) {
            return refuse("links: tasks are numbered from 1");
        }
    }
    return fb_ok;
}

static struct fb_status check_planned(const struct event *event)
{
    if (event->planned.first_task == 0) {
        return refuse("first_task: tasks are numbered from 1");
    }
    if (event->planned.task_count == 0) {
        return refuse("tasks: at least one");
    }
    for (size_t i = 0; i < event->planned.task_count; i++) {
        const struct fb_status status = check_planned_task(&event->planned.tasks[i]);

        if (!fb_is_ok(status)) {
            return status;
        }
    }
    return check_links(event->planned.links, event->planned.link_count);
}

static struct fb_status check_edited(const struct event *event)
{
    const uint32_t fields = event->edited.fields;

    if (fields == 0 || (fields & ~(uint32_t)EVENT_FIELDS) != 0) {
        return refuse("fields: at least one, and only such as there are");
    }
    if ((fields & EVENT_FIELD_TITLE) != 0 && !is_text(event->edited.title, 1, EVENT_TITLE_BYTES)) {
        return refuse(title_why);
    }
    if ((fields & EVENT_FIELD_BODY) != 0 && !is_text(event->edited.body, 0, EVENT_BODY_BYTES)) {
        return refuse(body_why);
    }
    if ((fields & EVENT_FIELD_ACCEPT) != 0 &&
        !is_text(event->edited.accept, 0, EVENT_ACCEPT_BYTES)) {
        return refuse(accept_why);
    }
    if ((fields & EVENT_FIELD_WEIGHT) != 0 &&
        (event->edited.weight < 1 || event->edited.weight > EVENT_WEIGHT_MOST)) {
        return refuse(weight_why);
    }
    if ((fields & EVENT_FIELD_PRIORITY) != 0 && event->edited.priority > EVENT_PRIORITY_MOST) {
        return refuse(priority_why);
    }
    if ((fields & EVENT_FIELD_DEFER) != 0 && !is_time(event->edited.defer_until_unix_ms)) {
        return refuse(defer_why);
    }
    return fb_ok;
}

static struct fb_status check_requeued(const struct event *event)
{
    if (event->requeued.cause < EVENT_HANDED_BACK || event->requeued.cause >= EVENT_CAUSES) {
        return refuse("cause: there is no such cause");
    }
    if (!is_text(event->requeued.reason, event->requeued.cause == EVENT_REOPENED,
                 EVENT_REASON_BYTES)) {
        return refuse("reason: at most 1,024 bytes of UTF-8, and needed to reopen");
    }
    return is_time(event->requeued.defer_until_unix_ms) ? fb_ok : refuse(defer_why);
}

static struct fb_status check_finished(const struct event *event)
{
    if (event->finished.outcome < EVENT_COMPLETED || event->finished.outcome >= EVENT_OUTCOMES) {
        return refuse("outcome: there is no such outcome");
    }
    if (!is_text(event->finished.summary, 0, EVENT_SUMMARY_BYTES)) {
        return refuse("summary: at most 4 KiB of UTF-8");
    }
    if (!are_texts(event->finished.evidence, EVENT_EVIDENCE, EVENT_EVIDENCE_BYTES)) {
        return refuse(evidence_why);
    }
    return fb_ok;
}

static struct fb_status check_kind(const struct event *event)
{
    switch (event->kind) {
    case EVENT_OPENED:
        return is_text(event->opened.name, 1, EVENT_NAME_BYTES)
                   ? fb_ok
                   : refuse("name: 1 to 256 bytes of UTF-8");
    case EVENT_SEEN:
        return are_texts(event->seen.caps, EVENT_CAPS, EVENT_CAP_BYTES)
                   ? fb_ok
                   : refuse("caps: at most 64 words of 1 to 64 bytes");
    case EVENT_PLANNED:
        return check_planned(event);
    case EVENT_LINKED:
        return check_links(event->linked.links, event->linked.link_count);
    case EVENT_CLAIMED:
        return event->claimed.lasts_ms > 0 && event->claimed.lasts_ms <= INT64_C(86400000)
                   ? fb_ok
                   : refuse("lasts_ms: up to a day");
    case EVENT_NOTED:
        if (!is_text(event->noted.note, 0, EVENT_NOTE_BYTES)) {
            return refuse(note_why);
        }
        if (event->noted.percent > 100) {
            return refuse("percent: 0 to 100");
        }
        return are_texts(event->noted.evidence, EVENT_EVIDENCE, EVENT_EVIDENCE_BYTES)
                   ? fb_ok
                   : refuse(evidence_why);
    case EVENT_BLOCKED:
        return is_text(event->blocked.gate, event->blocked.blocker == 0, EVENT_REASON_BYTES)
                   ? fb_ok
                   : refuse("blocker: a task, or a text of at most 1,024 bytes");
    case EVENT_REQUEUED:
        return check_requeued(event);
    case EVENT_FINISHED:
        return check_finished(event);
    case EVENT_EDITED:
        return check_edited(event);
    case EVENT_UNATTACHED:
        if (!is_text(event->unattached.note, 0, EVENT_NOTE_BYTES)) {
            return refuse(note_why);
        }
        return are_texts(event->unattached.evidence, EVENT_EVIDENCE, EVENT_EVIDENCE_BYTES)
                   ? fb_ok
                   : refuse(evidence_why);
    case EVENT_RESTED:
    case EVENT_UNKNOWN:
        return fb_ok;
    }
    return refuse("kind: there is no such kind");
}

struct fb_status event_check(const struct event *event)
{
    if (!is_time(event->unix_ms)) {
        return refuse("unix_ms: a unix time in milliseconds");
    }
    if (!is_text(event->actor, 0, EVENT_ACTOR_BYTES)) {
        return refuse("agent: at most 128 bytes of UTF-8");
    }
    return check_kind(event);
}

/* --- to bytes; whatever fails for want of memory leaves `failed` --- */

struct packing {
    struct fb_arena *arena;
    bool failed;
};

static void *take(struct packing *packing, size_t count, size_t size)
{
    void *memory = fb_arena_zalloc(packing->arena, count == 0 ? 1 : count, size);

    packing->failed |= memory == NULL;
    return memory;
}

static char *string_of(struct packing *packing, struct fb_text text)
{
    char *copy = fb_arena_copy(packing->arena, text.size == 0 ? "" : text.data, text.size);

    packing->failed |= copy == NULL;
    return copy;
}

static char **strings_of(struct packing *packing, struct event_texts texts)
{
    char **strings = take(packing, texts.count, sizeof(*strings));

    for (size_t i = 0; strings != NULL && i < texts.count; i++) {
        strings[i] = string_of(packing, texts.items[i]);
    }
    return strings;
}

static Flowbalancer__V1__FlowLink **links_of(struct packing *packing,
                                             const struct event_link *links, size_t count)
{
    Flowbalancer__V1__FlowLink **list = take(packing, count, sizeof(Flowbalancer__V1__FlowLink *));
    Flowbalancer__V1__FlowLink *made = take(packing, count, sizeof(*made));

    if (packing->failed) {
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

static Flowbalancer__V1__FlowPlannedTask **tasks_of(struct packing *packing,
                                                    const struct event_planned_task *tasks,
                                                    size_t count)
{
    Flowbalancer__V1__FlowPlannedTask **list =
        take(packing, count, sizeof(Flowbalancer__V1__FlowPlannedTask *));
    Flowbalancer__V1__FlowPlannedTask *made = take(packing, count, sizeof(*made));

    if (packing->failed) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        made[i] = (Flowbalancer__V1__FlowPlannedTask)FLOWBALANCER__V1__FLOW_PLANNED_TASK__INIT;
        made[i].title = string_of(packing, tasks[i].title);
        made[i].key = string_of(packing, tasks[i].key);
        made[i].body = string_of(packing, tasks[i].body);
        made[i].accept = string_of(packing, tasks[i].accept);
        made[i].weight = tasks[i].weight;
        made[i].priority = tasks[i].priority;
        made[i].phase = (Flowbalancer__V1__FlowPhase)tasks[i].phase;
        made[i].n_needs = tasks[i].needs.count;
        made[i].needs = strings_of(packing, tasks[i].needs);
        made[i].defer_until_unix_ms = tasks[i].defer_until_unix_ms;
        list[i] = &made[i];
    }
    return list;
}

/* Makes a message of its INIT; the result is NULL when memory is exhausted. */
#define MAKE(packing, type, init)                 \
    type *made = take(packing, 1, sizeof(*made)); \
    if (made == NULL) {                           \
        break;                                    \
    }                                             \
    *made = (type)init

static void fill_kind(struct packing *packing, const struct event *event,
                      Flowbalancer__V1__FlowEvent *message)
{
    switch (event->kind) {
    case EVENT_OPENED: {
        MAKE(packing, Flowbalancer__V1__FlowSessionOpened,
             FLOWBALANCER__V1__FLOW_SESSION_OPENED__INIT);
        made->name = string_of(packing, event->opened.name);
        made->active_most = event->opened.active_most;
        made->load_most = event->opened.load_most;
        message->opened = made;
        break;
    }
    case EVENT_SEEN: {
        MAKE(packing, Flowbalancer__V1__FlowAgentSeen, FLOWBALANCER__V1__FLOW_AGENT_SEEN__INIT);
        made->n_caps = event->seen.caps.count;
        made->caps = strings_of(packing, event->seen.caps);
        made->held_most = event->seen.held_most;
        made->declares = event->seen.declares;
        message->seen = made;
        break;
    }
    case EVENT_PLANNED: {
        MAKE(packing, Flowbalancer__V1__FlowTasksPlanned,
             FLOWBALANCER__V1__FLOW_TASKS_PLANNED__INIT);
        made->first_task = event->planned.first_task;
        made->n_tasks = event->planned.task_count;
        made->tasks = tasks_of(packing, event->planned.tasks, event->planned.task_count);
        made->n_links = event->planned.link_count;
        made->links = links_of(packing, event->planned.links, event->planned.link_count);
        message->planned = made;
        break;
    }
    case EVENT_LINKED: {
        MAKE(packing, Flowbalancer__V1__FlowTasksLinked, FLOWBALANCER__V1__FLOW_TASKS_LINKED__INIT);
        made->n_links = event->linked.link_count;
        made->links = links_of(packing, event->linked.links, event->linked.link_count);
        message->linked = made;
        break;
    }
    case EVENT_CLAIMED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskClaimed, FLOWBALANCER__V1__FLOW_TASK_CLAIMED__INIT);
        made->task = event->task;
        made->fence = event->claimed.fence;
        made->lasts_ms = event->claimed.lasts_ms;
        made->implicit = event->claimed.implicit;
        message->claimed = made;
        break;
    }
    case EVENT_NOTED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskNoted, FLOWBALANCER__V1__FLOW_TASK_NOTED__INIT);
        made->task = event->task;
        made->note = string_of(packing, event->noted.note);
        made->n_evidence = event->noted.evidence.count;
        made->evidence = strings_of(packing, event->noted.evidence);
        made->percent = event->noted.percent;
        message->noted = made;
        break;
    }
    case EVENT_RESTED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskRested, FLOWBALANCER__V1__FLOW_TASK_RESTED__INIT);
        made->task = event->task;
        message->rested = made;
        break;
    }
    case EVENT_BLOCKED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskBlocked, FLOWBALANCER__V1__FLOW_TASK_BLOCKED__INIT);
        made->task = event->task;
        made->blocker = event->blocked.blocker;
        made->gate = string_of(packing, event->blocked.gate);
        message->blocked = made;
        break;
    }
    case EVENT_REQUEUED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskRequeued,
             FLOWBALANCER__V1__FLOW_TASK_REQUEUED__INIT);
        made->task = event->task;
        made->cause = (Flowbalancer__V1__FlowRequeueCause)event->requeued.cause;
        made->reason = string_of(packing, event->requeued.reason);
        made->defer_until_unix_ms = event->requeued.defer_until_unix_ms;
        message->requeued = made;
        break;
    }
    case EVENT_FINISHED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskFinished,
             FLOWBALANCER__V1__FLOW_TASK_FINISHED__INIT);
        made->task = event->task;
        made->outcome = (Flowbalancer__V1__FlowOutcome)event->finished.outcome;
        made->fence = event->finished.fence;
        made->summary = string_of(packing, event->finished.summary);
        made->n_evidence = event->finished.evidence.count;
        made->evidence = strings_of(packing, event->finished.evidence);
        message->finished = made;
        break;
    }
    case EVENT_EDITED: {
        MAKE(packing, Flowbalancer__V1__FlowTaskEdited, FLOWBALANCER__V1__FLOW_TASK_EDITED__INIT);
        made->task = event->task;
        made->fields = event->edited.fields;
        made->title = string_of(packing, event->edited.title);
        made->body = string_of(packing, event->edited.body);
        made->accept = string_of(packing, event->edited.accept);
        made->weight = event->edited.weight;
        made->priority = event->edited.priority;
        made->defer_until_unix_ms = event->edited.defer_until_unix_ms;
        message->edited = made;
        break;
    }
    case EVENT_UNATTACHED: {
        MAKE(packing, Flowbalancer__V1__FlowNoteUnattached,
             FLOWBALANCER__V1__FLOW_NOTE_UNATTACHED__INIT);
        made->task = event->task;
        made->fence = event->unattached.fence;
        made->note = string_of(packing, event->unattached.note);
        made->n_evidence = event->unattached.evidence.count;
        made->evidence = strings_of(packing, event->unattached.evidence);
        message->unattached = made;
        break;
    }
    case EVENT_UNKNOWN:
        break;
    }
}

struct fb_status event_pack(const struct event *event, struct fb_arena *arena,
                            struct fb_text *bytes)
{
    Flowbalancer__V1__FlowEvent message = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    struct packing packing = {.arena = arena};
    size_t size;
    char *data;

    if (event->kind == EVENT_UNKNOWN) {
        *bytes = event->unknown;
        return fb_ok;
    }
    message.unix_ms = event->unix_ms;
    message.actor = string_of(&packing, event->actor);
    message.kind_case = (Flowbalancer__V1__FlowEvent__KindCase)event->kind;
    fill_kind(&packing, event, &message);
    if (packing.failed) {
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

/* --- from bytes; strings stay where protobuf-c put them, in the arena --- */

static struct event_texts texts_of(struct packing *packing, char **strings, size_t count)
{
    struct fb_text *texts = take(packing, count, sizeof(*texts));

    for (size_t i = 0; texts != NULL && i < count; i++) {
        texts[i] = fb_text_of(strings[i]);
    }
    return (struct event_texts){.items = texts, .count = texts == NULL ? 0 : count};
}

static const struct event_link *read_links(struct packing *packing,
                                           Flowbalancer__V1__FlowLink **links, size_t count)
{
    struct event_link *made = take(packing, count, sizeof(*made));

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

static const struct event_planned_task *read_tasks(struct packing *packing,
                                                   Flowbalancer__V1__FlowPlannedTask **tasks,
                                                   size_t count)
{
    struct event_planned_task *made = take(packing, count, sizeof(*made));

    for (size_t i = 0; made != NULL && i < count; i++) {
        made[i] = (struct event_planned_task){
            .title = fb_text_of(tasks[i]->title),
            .key = fb_text_of(tasks[i]->key),
            .body = fb_text_of(tasks[i]->body),
            .accept = fb_text_of(tasks[i]->accept),
            .weight = tasks[i]->weight,
            .priority = tasks[i]->priority,
            .phase = (uint32_t)tasks[i]->phase,
            .needs = texts_of(packing, tasks[i]->needs, tasks[i]->n_needs),
            .defer_until_unix_ms = tasks[i]->defer_until_unix_ms,
        };
    }
    return made;
}

static void read_kind(struct packing *packing, const Flowbalancer__V1__FlowEvent *message,
                      struct event *event)
{
    switch (event->kind) {
    case EVENT_OPENED:
        event->opened.name = fb_text_of(message->opened->name);
        event->opened.active_most = message->opened->active_most;
        event->opened.load_most = message->opened->load_most;
        break;
    case EVENT_SEEN:
        event->seen.caps = texts_of(packing, message->seen->caps, message->seen->n_caps);
        event->seen.held_most = message->seen->held_most;
        event->seen.declares = message->seen->declares != 0;
        break;
    case EVENT_PLANNED:
        event->planned.first_task = message->planned->first_task;
        event->planned.task_count = message->planned->n_tasks;
        event->planned.tasks =
            read_tasks(packing, message->planned->tasks, message->planned->n_tasks);
        event->planned.link_count = message->planned->n_links;
        event->planned.links =
            read_links(packing, message->planned->links, message->planned->n_links);
        break;
    case EVENT_LINKED:
        event->linked.link_count = message->linked->n_links;
        event->linked.links = read_links(packing, message->linked->links, message->linked->n_links);
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
            texts_of(packing, message->noted->evidence, message->noted->n_evidence);
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
            texts_of(packing, message->finished->evidence, message->finished->n_evidence);
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
            texts_of(packing, message->unattached->evidence, message->unattached->n_evidence);
        break;
    case EVENT_UNKNOWN:
        break;
    }
}

struct fb_status event_unpack(struct fb_text bytes, struct fb_arena *arena, struct event *event)
{
    struct packing packing = {.arena = arena};
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
    event->kind = (enum event_kind)message->kind_case;
    if (event->kind == EVENT_UNKNOWN) {
        event->unknown.data = fb_arena_copy(arena, bytes.data, bytes.size);
        event->unknown.size = bytes.size;
        packing.failed = event->unknown.data == NULL;
    } else {
        read_kind(&packing, message, event);
    }
    if (packing.failed) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to read an event");
    }
    return event_check(event);
}
