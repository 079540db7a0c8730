#include "services/worker/exchange/session_file.h"

#include <string.h>

#include "runtime/json/scan.h"
#include "services/worker/exchange/foreign.h"

static const char was_active[] =
    "It was under way when it was imported; whoever takes it goes on with it.";

static const struct foreign_state states[] = {
    {.word = "queued", .state = TASK_QUEUED},
    {.word = "pending", .state = TASK_QUEUED},
    {.word = "todo", .state = TASK_QUEUED},
    {.word = "active", .state = TASK_QUEUED, .note = was_active},
    {.word = "in-progress", .state = TASK_QUEUED, .note = was_active},
    {.word = "inprogress", .state = TASK_QUEUED, .note = was_active},
    {.word = "completed", .state = TASK_COMPLETED},
    {.word = "complete", .state = TASK_COMPLETED},
    {.word = "done", .state = TASK_COMPLETED},
    {.word = "resting", .state = TASK_RESTING},
    {.word = "paused", .state = TASK_RESTING},
    {.word = "stalled", .state = TASK_RESTING},
    {.word = "blocked", .state = TASK_BLOCKED, .gate = "It was blocked when it was imported."},
    {.word = "failed", .state = TASK_FAILED},
    {.word = "cancelled", .state = TASK_CANCELLED},
    {.word = "canceled", .state = TASK_CANCELLED},
    {.word = NULL},
};

struct members {
    struct fb_text id;
    struct fb_text description;
    struct fb_text context;
    struct fb_text weight;
    struct fb_text dependencies;
    struct fb_text state;
    struct fb_text priority;
    struct fb_text notes;
};

static const struct foreign_member members[] = {
    {"id", offsetof(struct members, id)},
    {"description", offsetof(struct members, description)},
    {"context", offsetof(struct members, context)},
    {"weight", offsetof(struct members, weight)},
    {"dependencies", offsetof(struct members, dependencies)},
    {"state", offsetof(struct members, state)},
    {"priority", offsetof(struct members, priority)},
    {"sanctuary_notes", offsetof(struct members, notes)},
};

bool session_file_is(struct fb_text document)
{
    struct fb_text tasks;
    struct fb_text id;

    return fb_json_find(document, "sessionId", &id) && fb_json_find(document, "tasks", &tasks) &&
           fb_json_kind_of(tasks) == FB_JSON_ARRAY;
}

static struct fb_status read_links(struct outline *outline, const char *where,
                                   struct fb_text dependencies, uint32_t task)
{
    const enum fb_json_kind kind = fb_json_kind_of(dependencies);
    struct fb_json_walk walk = fb_json_walk(dependencies);
    struct fb_status status = fb_ok;
    uint32_t element = 0;

    if (kind != FB_JSON_ARRAY && kind != FB_JSON_NONE && kind != FB_JSON_NULL) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s.dependencies: expected a list of the ids of tasks", where);
    }
    while (fb_is_ok(status) && kind == FB_JSON_ARRAY && fb_json_next(&walk)) {
        struct outline_link link = {
            .task = task, .kind = EVENT_LINK_AFTER, .field = "dependencies", .element = element};
        char *place = fb_arena_printf(outline->arena, "%s.dependencies[%u]", where, element);

        element++;
        status = foreign_id(outline, place == NULL ? where : place, walk.value, EVENT_KEY_BYTES,
                            &link.id);
        if (fb_is_ok(status)) {
            status = outline_add_link(outline, &link);
        }
    }
    return status;
}

static struct fb_status read_task(struct outline *outline, struct fb_text value, uint32_t index)
{
    struct members m = {.id = {.size = 0}};
    struct outline_task task = {.where = fb_arena_printf(outline->arena, "$.tasks[%u]", index)};
    struct fb_status status;

    if (task.where == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the import");
    }
    if (fb_json_kind_of(value) != FB_JSON_OBJECT) {
        return fb_arena_fail(outline->arena, FB_INVALID_ARGUMENT,
                             "%s: expected an object with id, description and state", task.where);
    }
    foreign_pick(value, members, sizeof(members) / sizeof(members[0]), &m);
    status = foreign_id(outline, fb_arena_printf(outline->arena, "%s.id", task.where), m.id,
                        EVENT_KEY_BYTES, &task.id);
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.description, &task.title);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.context, &task.body);
    }
    if (fb_is_ok(status)) {
        status = foreign_text(outline, m.notes, &task.note);
    }
    if (fb_is_ok(status)) {
        status = foreign_state(outline, states, m.state, &task);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    task.weight = foreign_weight(outline, task.where, "weight", m.weight);
    task.priority = foreign_priority(outline, task.where, m.priority);
    status = outline_add_task(outline, &task);
    return fb_is_ok(status) ? read_links(outline, task.where, m.dependencies, index) : status;
}

struct fb_status session_file_read(struct fb_text document, struct outline *outline)
{
    struct fb_status status = fb_ok;
    struct fb_text tasks = {.size = 0};
    struct fb_text name = {.size = 0};
    struct fb_json_walk walk;

    (void)fb_json_find(document, "sessionId", &name);
    status = foreign_text(outline, name, &outline->name);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (!fb_json_find(document, "tasks", &tasks) || fb_json_kind_of(tasks) != FB_JSON_ARRAY) {
        return fb_fail(FB_INVALID_ARGUMENT,
                       "$.tasks: expected a list of tasks, each with id, description and state");
    }
    walk = fb_json_walk(tasks);
    for (uint32_t i = 0; fb_is_ok(status) && fb_json_next(&walk); i++) {
        status = read_task(outline, walk.value, i);
    }
    return status;
}

/* --- back --- */

static const char *word_of(enum task_state state)
{
    return state == TASK_ACTIVE ? "in-progress" : task_state_name(state);
}

/* Whether the word in the document still says what has become of the task. */
static bool still_says(struct fb_text word, const struct task *task)
{
    const struct foreign_state *row = word.size == 0 ? &states[0] : foreign_state_of(states, word);

    if (row == NULL) {
        row = &states[0]; /* as it was read */
    }
    return row->state == task->state || (row->note == was_active && task->state == TASK_ACTIVE) ||
           (row->state == TASK_BLOCKED && task->state == TASK_QUEUED && task->unmet != 0) ||
           (row->state == TASK_QUEUED && task->orphaned);
}

/* What was written so far, and which tasks of the session are in the document. */
struct writing {
    const struct session *session;
    struct outline *scratch;
    struct fb_buffer *out;
    bool *written;      /* by number */
    const char *copied; /* the document up to here is in `out` */
};

static void copy_up_to(struct writing *w, const char *end)
{
    fb_buffer_append(w->out, w->copied, (size_t)(end - w->copied));
    w->copied = end;
}

static void write_state(struct fb_buffer *out, enum task_state state)
{
    fb_buffer_json_string(out, fb_text_of(word_of(state)));
}

static struct fb_status overlay_task(struct writing *w, struct fb_text value)
{
    struct members m = {.id = {.size = 0}};
    struct fb_text id;
    struct fb_text word;
    struct fb_status status;
    uint32_t number;
    const struct task *task;

    foreign_pick(value, members, sizeof(members) / sizeof(members[0]), &m);
    status = foreign_text(w->scratch, m.id, &id);
    if (fb_is_ok(status)) {
        status = foreign_text(w->scratch, m.state, &word);
    }
    number = fb_is_ok(status) ? session_task_of_key(w->session, id) : 0;
    if (number == 0) {
        return status;
    }
    task = session_task(w->session, number);
    w->written[number] = true;
    if (still_says(word, task)) {
        return fb_ok;
    }
    if (m.state.size != 0) {
        copy_up_to(w, m.state.data);
        write_state(w->out, task->state);
        w->copied = m.state.data + m.state.size;
        return fb_ok;
    }
    copy_up_to(w, value.data + 1);
    fb_buffer_string(w->out, "\"state\":");
    write_state(w->out, task->state);
    fb_buffer_string(w->out, ","); /* there is a member behind it: the id */
    return fb_ok;
}

static void write_id(struct fb_buffer *out, const struct session *session, uint32_t number)
{
    const char *key = session_task(session, number)->key;

    if (key != NULL) {
        fb_buffer_json_string(out, fb_text_of(key));
    } else {
        fb_buffer_printf(out, "\"flow-%u\"", (unsigned)number);
    }
}

static void write_task(struct fb_buffer *out, const struct session *session, uint32_t number)
{
    static const char *const priorities[] = {"critical", "high", "medium", "low", "lowest"};
    const struct task *task = session_task(session, number);
    bool first = true;

    fb_buffer_string(out, "{\"id\":");
    write_id(out, session, number);
    fb_buffer_string(out, ",\"description\":");
    fb_buffer_json_string(out, fb_text_of(task->title));
    fb_buffer_string(out, ",\"context\":");
    fb_buffer_json_string(out, fb_text_of(task->body));
    fb_buffer_printf(out, ",\"weight\":%u,\"dependencies\":[", (unsigned)task->weight);
    for (uint32_t at = graph_first_in(session->graph, number); at != GRAPH_NONE;
         at = graph_next_in(session->graph, at)) {
        const struct graph_edge edge = graph_edge_at(session->graph, at);

        if (graph_holds_up(edge.kind)) {
            fb_buffer_string(out, first ? "" : ",");
            write_id(out, session, edge.before);
            first = false;
        }
    }
    fb_buffer_string(out, "],\"state\":");
    write_state(out, task->state);
    fb_buffer_printf(out, ",\"momentum\":%u,\"priority\":\"%s\"}",
                     (unsigned)(task->state == TASK_COMPLETED ? 100 : task->percent),
                     priorities[task->priority]);
}

/* The tasks that the document does not have; `first`: nothing stands before them in the list. */
static void write_others(struct writing *w, bool first)
{
    for (uint32_t i = 1; i <= w->session->task_count; i++) {
        if (!w->written[i]) {
            fb_buffer_string(w->out, first ? "" : ",");
            write_task(w->out, w->session, i);
            first = false;
        }
    }
}

static struct fb_status overlay(struct writing *w, struct fb_text document)
{
    struct fb_status status = fb_ok;
    struct fb_text tasks = {.size = 0};
    struct fb_json_walk walk;
    bool first = true;

    if (!fb_json_find(document, "tasks", &tasks) || fb_json_kind_of(tasks) != FB_JSON_ARRAY) {
        return fb_fail(FB_INVALID_ARGUMENT, "the document kept with the session has no tasks");
    }
    w->copied = document.data;
    walk = fb_json_walk(tasks);
    while (fb_is_ok(status) && fb_json_next(&walk)) {
        first = false;
        if (fb_json_kind_of(walk.value) == FB_JSON_OBJECT) {
            status = overlay_task(w, walk.value);
        }
    }
    copy_up_to(w, tasks.data + tasks.size - 1);
    write_others(w, first);
    copy_up_to(w, document.data + document.size);
    return status;
}

static void write_whole(struct writing *w)
{
    fb_buffer_string(w->out, "{\"sessionId\":");
    fb_buffer_json_string(w->out, fb_text_of(w->session->name));
    fb_buffer_printf(w->out, ",\"status\":\"%s\",\"tasks\":[",
                     flow_state_name(w->session->flow_state));
    write_others(w, true);
    fb_buffer_printf(w->out, "],\"workLog\":[],\"momentum\":{\"overall\":%u}}",
                     (unsigned)session_progress(w->session));
}

struct fb_status session_file_write(const struct session *session, struct fb_text document,
                                    struct fb_arena *arena, struct fb_buffer *out)
{
    struct fb_status status = fb_ok;
    struct outline scratch;
    struct writing w = {
        .session = session,
        .scratch = &scratch,
        .out = out,
        .written = fb_arena_zalloc(arena, (size_t)session->task_count + 1, sizeof(*w.written)),
    };

    if (w.written == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the export");
    }
    outline_init(&scratch, arena);
    if (document.size == 0) {
        write_whole(&w);
    } else {
        status = fb_json_check(document, FB_JSON_DEPTH, NULL);
        if (fb_is_ok(status)) {
            status = overlay(&w, document);
        }
    }
    outline_finish(&scratch);
    if (fb_is_ok(status) && out->failed) {
        status = fb_fail(FB_RESOURCE_EXHAUSTED, "the document is larger than allowed");
    }
    return status;
}
