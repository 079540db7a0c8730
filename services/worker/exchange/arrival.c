#include "services/worker/exchange/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/digest/digest.h"

enum {
    EVENT_BYTES_AIM = 600 << 10, /* of tasks and links in one event, as estimated */
    TASK_BYTES = 64,             /* of a task beside its texts, at most */
    LINK_BYTES = 20,
    TASK_LINKS_MOST = 40000, /* of one task, all of which stand in one event */
};

struct coming {
    const struct arrival *arrival;
    struct outline *outline;
    struct staging *staging;
    char sha256[DIGEST_BYTES];
    uint32_t *order;   /* of the new tasks: indices of the outline */
    uint32_t count;    /* of the new ones */
    uint32_t *numbers; /* by index: the task's number in the session, once it is known; else 0 */
    uint32_t *firsts;  /* by index: where its links begin in `at`; one more for the end */
    uint32_t *at;      /* links by either end */
};

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
}

static struct event event_of(const struct coming *coming, enum event_kind kind)
{
    const struct session *scratch = coming->staging->scratch;

    return (struct event){
        .kind = kind,
        .unix_ms = coming->arrival->unix_ms > scratch->last_ms ? coming->arrival->unix_ms
                                                               : scratch->last_ms,
        .actor = coming->arrival->actor,
        .request_id = coming->arrival->request_id,
    };
}

static struct fb_text digest_text(const struct coming *coming)
{
    return (struct fb_text){.data = coming->sha256, .size = DIGEST_BYTES};
}

/* --- the document --- */

static struct fb_status stage(struct coming *coming, const struct event *event)
{
    struct fb_arena arena;
    struct fb_status status;

    fb_arena_init(&arena, 0);
    status = staging_add(coming->staging, event, &arena);
    fb_arena_finish(&arena);
    return status;
}

static struct fb_status stage_document(struct coming *coming)
{
    const struct fb_text document = coming->arrival->document;
    const size_t most = EVENT_DOCUMENT_PART_BYTES;
    const uint32_t parts = document.size == 0 ? 1 : (uint32_t)((document.size + most - 1) / most);
    struct fb_status status = fb_ok;

    for (uint32_t part = 0; part < parts && fb_is_ok(status); part++) {
        const size_t from = part * most;
        const size_t left = document.size - from;
        struct event event = event_of(coming, EVENT_DOCUMENT);

        event.document.sha256 = digest_text(coming);
        event.document.format = coming->arrival->format;
        event.document.size = document.size;
        event.document.part = part;
        event.document.parts = parts;
        event.document.data =
            (struct fb_text){.data = document.data + from, .size = left < most ? left : most};
        status = stage(coming, &event);
    }
    return status;
}

static struct fb_status stage_taken(struct coming *coming)
{
    struct event event = event_of(coming, EVENT_DOCUMENT);

    event.document.sha256 = digest_text(coming);
    event.document.format = coming->arrival->format;
    event.document.size = coming->arrival->document.size;
    event.document.taken = true;
    return stage(coming, &event);
}

/* --- the tasks --- */

static size_t bytes_of(const struct outline_task *task)
{
    return TASK_BYTES + task->title.size + task->id.size + task->body.size + task->accept.size +
           task->note.size + task->summary.size + task->gate.size;
}

/* Finds what is new, and puts it into the order in which it comes. */
static struct fb_status find_order(struct coming *coming)
{
    const struct outline *outline = coming->outline;
    const struct session *scratch = coming->staging->scratch;
    size_t bytes = (size_t)outline->link_count * LINK_BYTES;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < outline->task_count; i++) {
        coming->numbers[i] = session_task_of_key(scratch, outline->tasks[i].id);
        coming->order[i] = i;
        bytes += bytes_of(&outline->tasks[i]);
    }
    if (bytes + coming->arrival->document.size > STAGING_CHUNK_BYTES &&
        !outline_order(outline, coming->order)) {
        return exhausted();
    }
    for (uint32_t i = 0; i < outline->task_count; i++) {
        if (coming->numbers[coming->order[i]] == 0) {
            coming->order[kept++] = coming->order[i];
        }
    }
    coming->count = kept;
    if (kept < outline->task_count) {
        outline_warn(coming->outline,
                     "%u tasks are in the session already, by their keys, and stay as they are",
                     (unsigned)(outline->task_count - kept));
    }
    return fb_ok;
}

/* Sorts the links by the tasks at their ends. */
static void find_links(struct coming *coming)
{
    const struct outline *outline = coming->outline;
    uint32_t *firsts = coming->firsts;

    for (uint32_t i = 0; i < outline->link_count; i++) {
        firsts[outline->links[i].task + 2]++;
        firsts[outline->links[i].on + 2]++;
    }
    for (uint32_t i = 2; i < outline->task_count + 2; i++) {
        firsts[i] += firsts[i - 1];
    }
    for (uint32_t i = 0; i < outline->link_count; i++) {
        coming->at[firsts[outline->links[i].task + 1]++] = i;
        coming->at[firsts[outline->links[i].on + 1]++] = i;
    }
}

/* One event under way. */
struct batch {
    struct event_imported_task *tasks;
    size_t task_count;
    struct event_link *links;
    size_t link_count;
    size_t link_room;
    size_t bytes;
    uint32_t first; /* its first task in `order` */
};

static bool add_link(struct batch *batch, struct event_link link)
{
    if (batch->link_count == batch->link_room) {
        const size_t room = batch->link_room == 0 ? 256 : 2 * batch->link_room;
        struct event_link *links = realloc(batch->links, room * sizeof(*links));

        if (links == NULL) {
            return false;
        }
        batch->links = links;
        batch->link_room = room;
    }
    batch->links[batch->link_count++] = link;
    batch->bytes += LINK_BYTES;
    return true;
}

/* Whether a link to a task that was there before may be added; a task has one parent. */
static bool fits(const struct coming *coming, const struct outline_link *link)
{
    const struct task *task = session_task(coming->staging->scratch, coming->numbers[link->task]);

    if (link->kind != EVENT_LINK_PARENT || task == NULL || task->parent == 0) {
        return true;
    }
    outline_warn(coming->outline, "%s: task %u has another parent in the session, and keeps it",
                 coming->outline->tasks[link->task].where, (unsigned)coming->numbers[link->task]);
    return false;
}

/* The links between a task and those that have come before it, in the session or now. */
static bool add_links(struct coming *coming, struct batch *batch, uint32_t index)
{
    for (uint32_t i = coming->firsts[index]; i < coming->firsts[index + 1]; i++) {
        const struct outline_link *link = &coming->outline->links[coming->at[i]];
        const struct event_link made = {.task = coming->numbers[link->task],
                                        .on = coming->numbers[link->on],
                                        .kind = link->kind};

        if (made.task != 0 && made.on != 0 && fits(coming, link) && !add_link(batch, made)) {
            return false;
        }
    }
    return true;
}

/* What a refusal of the session means for the document. */
static struct fb_status explain(struct coming *coming, const struct batch *batch,
                                struct fb_status status)
{
    const struct session *scratch = coming->staging->scratch;
    const struct outline_task *first = &coming->outline->tasks[coming->order[batch->first]];
    struct fb_buffer path = {.limit_bytes = 1024};
    struct fb_status explained;

    for (uint32_t i = 0; i < scratch->cycle_count; i++) {
        fb_buffer_printf(&path, "%s%u", i == 0 ? ": task " : " -> ", (unsigned)scratch->cycle[i]);
    }
    explained = fb_arena_fail(
        coming->outline->arena, status.code, "%s and those behind it: %s%.*s", first->where,
        scratch->cycle_count == 0
            ? status.why
            : "with the links that the session has they would wait for each other; take one away",
        (int)path.size, path.data == NULL ? "" : path.data);
    fb_buffer_finish(&path);
    return explained;
}

static struct fb_status stage_batch(struct coming *coming, struct batch *batch)
{
    struct event event = event_of(coming, EVENT_IMPORTED);
    struct fb_status status;

    if (batch->task_count == 0) {
        return fb_ok;
    }
    event.imported.first_task = coming->staging->scratch->task_count + 1;
    event.imported.tasks = batch->tasks;
    event.imported.task_count = batch->task_count;
    event.imported.links = batch->links;
    event.imported.link_count = batch->link_count;
    event.imported.sha256 = digest_text(coming);
    status = stage(coming, &event);
    if (!fb_is_ok(status)) {
        return explain(coming, batch, status);
    }
    batch->first += (uint32_t)batch->task_count;
    batch->task_count = 0;
    batch->link_count = 0;
    batch->bytes = 0;
    return status;
}

static struct event_imported_task imported_of(const struct outline_task *task)
{
    static const enum event_imported_state states[TASK_STATES] = {
        [TASK_QUEUED] = EVENT_IMPORTED_QUEUED,       [TASK_ACTIVE] = EVENT_IMPORTED_QUEUED,
        [TASK_BLOCKED] = EVENT_IMPORTED_BLOCKED,     [TASK_RESTING] = EVENT_IMPORTED_RESTING,
        [TASK_COMPLETED] = EVENT_IMPORTED_COMPLETED, [TASK_FAILED] = EVENT_IMPORTED_FAILED,
        [TASK_CANCELLED] = EVENT_IMPORTED_CANCELLED,
    };

    return (struct event_imported_task){
        .task = {.title = task->title,
                 .key = task->id,
                 .body = task->body,
                 .accept = task->accept,
                 .weight = task->weight,
                 .priority = task->priority},
        .state = states[task->state],
        .note = task->note,
        .summary = task->summary,
        .gate = task->state == TASK_BLOCKED ? task->gate : (struct fb_text){.size = 0},
    };
}

static struct fb_status stage_tasks(struct coming *coming)
{
    struct batch batch = {.tasks = calloc((size_t)coming->count + 1, sizeof(*batch.tasks))};
    struct fb_status status = batch.tasks == NULL ? exhausted() : fb_ok;

    for (uint32_t i = 0; i < coming->count && fb_is_ok(status); i++) {
        const uint32_t index = coming->order[i];
        const struct outline_task *task = &coming->outline->tasks[index];
        const size_t links = coming->firsts[index + 1] - coming->firsts[index];

        if (links > TASK_LINKS_MOST) {
            status = fb_arena_fail(coming->outline->arena, FB_RESOURCE_EXHAUSTED,
                                   "%s: it is linked with %zu others, at most 40,000 are allowed; "
                                   "put tasks between them",
                                   task->where, links);
            break;
        }
        if (batch.bytes + bytes_of(task) + links * LINK_BYTES > EVENT_BYTES_AIM) {
            status = stage_batch(coming, &batch);
        }
        batch.bytes += bytes_of(task);
        batch.tasks[batch.task_count++] = imported_of(task);
        coming->numbers[index] = coming->staging->scratch->task_count + (uint32_t)batch.task_count;
        if (fb_is_ok(status) && !add_links(coming, &batch, index)) {
            status = exhausted();
        }
    }
    if (fb_is_ok(status)) {
        status = stage_batch(coming, &batch);
    }
    free(batch.tasks);
    free(batch.links);
    return status;
}

/* --- the whole --- */

static bool begin(struct coming *coming)
{
    const size_t tasks = coming->outline->task_count;

    coming->order = calloc(tasks + 1, sizeof(*coming->order));
    coming->numbers = calloc(tasks + 1, sizeof(*coming->numbers));
    coming->firsts = calloc(tasks + 2, sizeof(*coming->firsts));
    coming->at = calloc(2 * (size_t)coming->outline->link_count + 1, sizeof(*coming->at));
    return coming->order != NULL && coming->numbers != NULL && coming->firsts != NULL &&
           coming->at != NULL && digest_of(coming->arrival->document, coming->sha256);
}

struct fb_status arrival_stage(const struct arrival *arrival, struct outline *outline,
                               struct staging *staging, uint32_t *tasks)
{
    struct coming coming = {.arrival = arrival, .outline = outline, .staging = staging};
    struct fb_status status = begin(&coming) ? fb_ok : exhausted();
    const struct kept_document *kept =
        fb_is_ok(status) ? kept_document(&staging->scratch->kept, digest_text(&coming)) : NULL;

    *tasks = 0;
    if (kept != NULL && kept->taken) {
        outline_warn(outline, "the session has this document and all of its tasks already");
    } else if (fb_is_ok(status)) {
        if (kept == NULL || kept->next_part != kept->parts) {
            status = stage_document(&coming);
        }
        if (fb_is_ok(status)) {
            status = find_order(&coming);
        }
        if (fb_is_ok(status)) {
            find_links(&coming);
            status = stage_tasks(&coming);
        }
        if (fb_is_ok(status)) {
            status = stage_taken(&coming);
        }
        *tasks = coming.count;
    }
    free(coming.order);
    free(coming.numbers);
    free(coming.firsts);
    free(coming.at);
    return status;
}
