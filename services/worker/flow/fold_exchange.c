#include <stdlib.h>

#include "services/worker/flow/fold.h"
#include "services/worker/flow/session_life.h"

/* --- documents --- */

struct fb_status fold_document(struct session *session, const struct event *event)
{
    struct kept_document *document = kept_document(&session->kept, event->document.sha256);

    if (event->document.taken) {
        if (document == NULL || document->next_part != document->parts) {
            return fold_refuse("a document is taken that is not whole");
        }
        document->taken = true;
        return fb_ok;
    }
    if (document == NULL
            ? event->document.part != 0
            : event->document.part != 0 && (event->document.part != document->next_part ||
                                            event->document.parts != document->parts ||
                                            event->document.size != document->size)) {
        return fold_refuse("a part of a document is not the next");
    }
    if (document == NULL) {
        if (session->kept.document_count == KEPT_DOCUMENTS_MOST) {
            return fb_fail(FB_RESOURCE_EXHAUSTED, "a session keeps at most 64 documents");
        }
        document = kept_document_add(&session->kept, event->document.sha256);
        if (document == NULL) {
            return fold_exhausted();
        }
    }
    if (event->document.part == 0) {
        document->format = event->document.format;
        document->size = event->document.size;
        document->parts = event->document.parts;
        document->seen = 0;
    }
    document->seen += event->document.data.size;
    document->next_part = event->document.part + 1;
    return fb_ok;
}

/* --- tasks as they were elsewhere --- */

static enum task_state state_of(enum event_imported_state state)
{
    static const enum task_state states[EVENT_IMPORTED_STATES] = {
        [EVENT_IMPORTED_UNSAID] = TASK_QUEUED,       [EVENT_IMPORTED_QUEUED] = TASK_QUEUED,
        [EVENT_IMPORTED_BLOCKED] = TASK_BLOCKED,     [EVENT_IMPORTED_RESTING] = TASK_RESTING,
        [EVENT_IMPORTED_COMPLETED] = TASK_COMPLETED, [EVENT_IMPORTED_FAILED] = TASK_FAILED,
        [EVENT_IMPORTED_CANCELLED] = TASK_CANCELLED,
    };

    return states[state];
}

/* A queued task is at once as it was elsewhere; nobody depends on it yet. */
static void set_state(struct session *session, uint32_t number,
                      const struct event_imported_task *imported, int64_t now_ms)
{
    struct task *task = &session->tasks[number];
    const enum task_state state = state_of(imported->state);

    fold_keep(session, &task->note, imported->note);
    fold_keep(session, &task->summary, imported->summary);
    if (state == TASK_QUEUED) {
        return;
    }
    life_count_leaf(session, task, false);
    session->in_state[task->state]--;
    task->state = state;
    session->in_state[state]++;
    life_count_leaf(session, task, true);
    if (state == TASK_BLOCKED) {
        fold_keep(session, &task->gate, imported->gate);
    }
    if (state == TASK_RESTING) {
        momentum_freeze(&task->momentum, true, session->awake_ms);
    }
    if (task_has_ended(state)) {
        task->ended_ms = now_ms;
        (void)graph_set_open(session->graph, number, false);
    }
    life_place(session, number);
}

struct fb_status fold_imported(struct session *session, const struct event *event)
{
    const size_t count = event->imported.task_count;
    struct event_planned_task *tasks = calloc(count, sizeof(*tasks));
    struct event plan = {
        .kind = EVENT_PLANNED,
        .unix_ms = event->unix_ms,
        .planned = {.first_task = event->imported.first_task,
                    .tasks = tasks,
                    .task_count = count,
                    .links = event->imported.links,
                    .link_count = event->imported.link_count},
    };
    struct fb_status status;

    if (tasks == NULL) {
        return fold_exhausted();
    }
    for (size_t i = 0; i < count; i++) {
        tasks[i] = event->imported.tasks[i].task;
    }
    status = fold_plan_tasks(session, &plan);
    free(tasks);
    if (!fb_is_ok(status)) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        set_state(session, event->imported.first_task + (uint32_t)i, &event->imported.tasks[i],
                  event->unix_ms);
    }
    fold_links_changed(session, event->imported.links, event->imported.link_count);
    return fb_ok;
}

/* --- cold storage --- */

static struct fb_text hex_of(struct fb_text sha256, char hex[2 * KEPT_DIGEST_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < KEPT_DIGEST_BYTES; i++) {
        const unsigned char byte = (unsigned char)sha256.data[i];

        hex[2 * i] = digits[byte >> 4];
        hex[2 * i + 1] = digits[byte & 15];
    }
    return (struct fb_text){.data = hex, .size = 2 * KEPT_DIGEST_BYTES};
}

struct fb_status fold_compacted(struct session *session, const struct event *event)
{
    char hex[2 * KEPT_DIGEST_BYTES];
    const struct fb_text name = hex_of(event->compacted.sha256, hex);
    uint32_t segment;

    for (size_t i = 0; i < event->compacted.task_count; i++) {
        const struct task *task = session_task(session, event->compacted.tasks[i]);

        if (task == NULL || !task_has_ended(task->state) || task->cold != 0) {
            return fold_refuse("only what has ended is moved to cold storage, and once");
        }
    }
    if (names_find(&session->kept.segments, name) == NAMES_NONE &&
        session->kept.segments.count == KEPT_SEGMENTS_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED,
                       "a session has at most 4,096 segments in cold storage");
    }
    segment = names_add(&session->kept.segments, name);
    if (segment == NAMES_NONE) {
        return fold_exhausted();
    }
    for (size_t i = 0; i < event->compacted.task_count; i++) {
        struct task *task = &session->tasks[event->compacted.tasks[i]];

        fold_keep(session, &task->body, (struct fb_text){.size = 0});
        fold_keep(session, &task->accept, (struct fb_text){.size = 0});
        fold_keep(session, &task->note, (struct fb_text){.size = 0});
        task->cold = segment + 1;
    }
    return fb_ok;
}

static void bring_back(struct session *session, char **at, struct fb_text text)
{
    if (*at == NULL) {
        fold_keep(session, at, text);
    }
}

struct fb_status fold_expanded(struct session *session, const struct event *event)
{
    char hex[2 * KEPT_DIGEST_BYTES];
    const uint32_t segment =
        names_find(&session->kept.segments, hex_of(event->expanded.sha256, hex));

    for (size_t i = 0; i < event->expanded.task_count; i++) {
        const struct task *task = session_task(session, event->expanded.tasks[i].task);

        if (segment == NAMES_NONE || task == NULL || task->cold != segment + 1) {
            return fold_refuse("texts come back that are not in that segment of cold storage");
        }
    }
    for (size_t i = 0; i < event->expanded.task_count; i++) {
        const struct event_expanded_task *expanded = &event->expanded.tasks[i];
        struct task *task = &session->tasks[expanded->task];

        bring_back(session, &task->body, expanded->body);
        bring_back(session, &task->accept, expanded->accept);
        bring_back(session, &task->note, expanded->note);
        task->cold = 0;
    }
    return fb_ok;
}

/* --- merged logs --- */

struct fb_status fold_merged(struct session *session, const struct event *event)
{
    (void)session;
    (void)event;
    return fb_ok; /* it says where the events behind it come from; they do what there is to do */
}

struct fb_status fold_conflict(struct session *session, const struct event *event)
{
    if (event->task > session->task_count) {
        return fold_refuse("a conflict is about a task that there is not");
    }
    return kept_conflict_add(&session->kept, event->task, event->conflict.field,
                             event->conflict.other)
               ? fb_ok
               : fold_exhausted();
}
