#include "services/worker/flow/compact.h"

#include <string.h>

#include "services/worker/flow/coder.h"

enum {
    SEGMENT_VERSION = 1,
    EXPANDED_BYTES_AIM = 600 << 10, /* of one event */
};

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for cold storage");
}

static struct fb_status damaged(void)
{
    return fb_fail(FB_DATA_LOSS,
                   "the bytes are no segment of cold storage; write it again from the log");
}

/* --- to a segment --- */

static size_t text_bytes(const struct task *task)
{
    return fb_text_of(task->body).size + fb_text_of(task->accept).size +
           fb_text_of(task->note).size;
}

size_t compact_select(const struct session *session, int64_t now_ms, int64_t age_ms,
                      uint32_t *tasks, size_t most)
{
    size_t bytes = 0;
    size_t count = 0;

    for (uint32_t i = 1; i <= session->task_count && count < most && count < COMPACT_TASKS_MOST;
         i++) {
        const struct task *task = &session->tasks[i];
        const size_t size = text_bytes(task);

        if (!task_has_ended(task->state) || task->cold != 0 || size == 0 ||
            now_ms - task->ended_ms < age_ms) {
            continue;
        }
        if (bytes + size > COMPACT_SEGMENT_BYTES) {
            break;
        }
        bytes += size;
        tasks[count++] = i;
    }
    return count;
}

void compact_write(const struct session *session, const uint32_t *tasks, size_t count,
                   struct fb_buffer *segment)
{
    struct coder coder = {.out = segment};
    uint64_t version = SEGMENT_VERSION;
    uint64_t tasks_said = count;

    coder_u64(&coder, &version);
    coder_u64(&coder, &tasks_said);
    for (size_t i = 0; i < count; i++) {
        struct task texts = session->tasks[tasks[i]];
        uint32_t number = tasks[i];

        coder_u32(&coder, &number, UINT32_MAX);
        coder_text(&coder, &texts.body, EVENT_BODY_BYTES);
        coder_text(&coder, &texts.accept, EVENT_ACCEPT_BYTES);
        coder_text(&coder, &texts.note, EVENT_NOTE_BYTES);
    }
}

struct event compact_event(struct fb_text sha256, size_t segment_bytes, const uint32_t *tasks,
                           size_t count)
{
    return (struct event){
        .kind = EVENT_COMPACTED,
        .compacted = {
            .sha256 = sha256, .size = segment_bytes, .tasks = tasks, .task_count = count}};
}

/* --- from a segment --- */

/* Reads where the bytes lie, so that looking for one task copies nothing. */
struct walk {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

static uint64_t walk_number(struct walk *walk, uint64_t most)
{
    struct coder coder = {.at = walk->at, .end = walk->end, .failed = walk->failed};
    uint64_t number = 0;

    coder_u64(&coder, &number);
    walk->at = coder.at;
    walk->failed = coder.failed || number > most;
    return walk->failed ? 0 : number;
}

static struct fb_text walk_text(struct walk *walk, size_t most)
{
    const size_t size = (size_t)walk_number(walk, most);
    const struct fb_text text = {.data = (const char *)walk->at, .size = size};

    if (walk->failed || size > (size_t)(walk->end - walk->at)) {
        walk->failed = true;
        return (struct fb_text){.size = 0};
    }
    walk->at += size;
    return text;
}

static struct event_expanded_task walk_task(struct walk *walk)
{
    const uint32_t number = (uint32_t)walk_number(walk, UINT32_MAX);
    struct event_expanded_task task = {.task = number};

    task.body = walk_text(walk, EVENT_BODY_BYTES);
    task.accept = walk_text(walk, EVENT_ACCEPT_BYTES);
    task.note = walk_text(walk, EVENT_NOTE_BYTES);
    return task;
}

/* Stands before the first task; `*count` are there. */
static struct walk begin_walk(struct fb_text segment, uint64_t *count)
{
    struct walk walk = {
        .at = (const unsigned char *)segment.data,
        .end = (const unsigned char *)segment.data + segment.size,
    };

    if (segment.size == 0 || walk_number(&walk, UINT64_MAX) != SEGMENT_VERSION) {
        walk.failed = true;
    }
    *count = walk.failed ? 0 : walk_number(&walk, COMPACT_TASKS_MOST);
    return walk;
}

static bool copy_text(struct fb_arena *arena, struct fb_text *text)
{
    text->data = fb_arena_copy(arena, text->size == 0 ? "" : text->data, text->size);
    return text->data != NULL;
}

static struct fb_status copy_texts(struct fb_arena *arena, struct event_expanded_task *texts)
{
    return copy_text(arena, &texts->body) && copy_text(arena, &texts->accept) &&
                   copy_text(arena, &texts->note)
               ? fb_ok
               : exhausted();
}

struct fb_status compact_find(struct fb_text segment, uint32_t task, struct fb_arena *arena,
                              struct event_expanded_task *texts)
{
    uint64_t count;
    struct walk walk = begin_walk(segment, &count);

    for (uint64_t i = 0; i < count && !walk.failed; i++) {
        *texts = walk_task(&walk);
        if (!walk.failed && texts->task == task) {
            return copy_texts(arena, texts);
        }
    }
    return walk.failed ? damaged()
                       : fb_fail(FB_NOT_FOUND, "the task is not in this segment of cold storage");
}

/* --- back --- */

/* The number of the segment in the session, from 1; 0: it knows none of that digest. */
static uint32_t segment_of(const struct session *session, struct fb_text sha256)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * EVENT_SHA256_BYTES];
    const struct fb_text name = {.data = hex, .size = sizeof(hex)};
    uint32_t number;

    if (sha256.size != EVENT_SHA256_BYTES) {
        return 0;
    }
    for (size_t i = 0; i < EVENT_SHA256_BYTES; i++) {
        hex[2 * i] = digits[(unsigned char)sha256.data[i] >> 4];
        hex[2 * i + 1] = digits[(unsigned char)sha256.data[i] & 15];
    }
    number = names_find(&session->kept.segments, name);
    return number == NAMES_NONE ? 0 : number + 1;
}

static bool is_wanted(const uint32_t *tasks, size_t count, uint32_t task)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (tasks[middle] < task) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && tasks[low] == task;
}

/* Those of the segment's tasks that are to come back, in the arena. */
static struct fb_status pick(const struct session *session, struct fb_text segment, uint32_t number,
                             const uint32_t *tasks, size_t count, struct fb_arena *arena,
                             struct event_expanded_task **picked, size_t *picked_count)
{
    uint64_t there;
    struct walk walk = begin_walk(segment, &there);
    struct fb_status status = fb_ok;
    uint32_t before = 0;

    *picked_count = 0;
    *picked = fb_arena_zalloc(arena, (size_t)there + 1, sizeof(**picked));
    if (*picked == NULL) {
        return exhausted();
    }
    for (uint64_t i = 0; i < there && fb_is_ok(status); i++) {
        struct event_expanded_task texts = walk_task(&walk);
        const struct task *task = session_task(session, texts.task);

        if (walk.failed || texts.task <= before) {
            return damaged();
        }
        before = texts.task;
        if (task != NULL && task->cold == number &&
            (count == 0 || is_wanted(tasks, count, texts.task))) {
            status = copy_texts(arena, &texts);
            (*picked)[(*picked_count)++] = texts;
        }
    }
    return walk.failed ? damaged() : status;
}

static size_t bytes_of(const struct event_expanded_task *task)
{
    return 32 + task->body.size + task->accept.size + task->note.size;
}

struct fb_status compact_expand(const struct session *session, struct fb_text segment,
                                struct fb_text sha256, const uint32_t *tasks, size_t count,
                                struct fb_arena *arena, struct event **events, size_t *event_count)
{
    const uint32_t number = segment_of(session, sha256);
    struct event_expanded_task *picked;
    size_t picked_count;
    struct fb_status status;

    *event_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct task *task = session_task(session, tasks[i]);

        if (number == 0 || task == NULL || task->cold != number) {
            return fb_arena_fail(arena, FB_FAILED_PRECONDITION,
                                 "the texts of task %u are not in this segment of cold storage",
                                 (unsigned)tasks[i]);
        }
    }
    status = pick(session, segment, number, tasks, count, arena, &picked, &picked_count);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (picked_count < count) {
        return damaged();
    }
    *events = fb_arena_zalloc(arena, picked_count + 1, sizeof(**events));
    if (*events == NULL) {
        return exhausted();
    }
    for (size_t from = 0; from < picked_count;) {
        size_t bytes = 0;
        size_t to = from;

        while (to < picked_count &&
               (to == from || bytes + bytes_of(&picked[to]) < (size_t)EXPANDED_BYTES_AIM)) {
            bytes += bytes_of(&picked[to++]);
        }
        (*events)[(*event_count)++] = (struct event){
            .kind = EVENT_EXPANDED,
            .expanded = {.sha256 = sha256, .tasks = &picked[from], .task_count = to - from}};
        from = to;
    }
    return fb_ok;
}
