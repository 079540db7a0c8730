#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"

/*
 * The tools of the system before ours, on the service of ours. It knew no claims and no limit of tasks
 * at once: a task is claimed with the first pulse on it, and an agent may hold many.
 */

enum {
    HELD_MOST = 16,
    TITLE_BYTES = 512,
    WEIGHT_USUAL = 5,
    PRIORITY_USUAL = 2,
    TODOS_MOST = 1000,
};

struct original_args {
    const char *session;
    const char *description;
    const char *context;
    int64_t weight;
    struct flow_refs dependencies;
    struct flow_ref task;
    const char *action;
    const char *duration;
    struct fb_text todos;
};

#define SESSION_ARG                                                                           \
    {                                                                                         \
        "sessionId", FLOW_ARG_TEXT, offsetof(struct original_args, session), .required = true \
    }
#define TASK_ARG(needed)                                                                    \
    {                                                                                       \
        "taskId", FLOW_ARG_TASK, offsetof(struct original_args, task), .required = (needed) \
    }

static const struct flow_arg create_table[] = {SESSION_ARG, {.name = NULL}};
static const struct flow_arg complete_table[] = {SESSION_ARG, TASK_ARG(true), {.name = NULL}};
static const struct flow_arg add_table[] = {
    SESSION_ARG,
    {.name = "description",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct original_args, description),
     .required = true},
    {.name = "context", .kind = FLOW_ARG_TEXT, .at = offsetof(struct original_args, context)},
    {.name = "weight",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct original_args, weight),
     .least = 1,
     .most = 10},
    {.name = "dependencies",
     .kind = FLOW_ARG_TASKS,
     .at = offsetof(struct original_args, dependencies)},
    {.name = NULL},
};
static const struct flow_arg pulse_table[] = {
    SESSION_ARG,
    {.name = "action",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct original_args, action),
     .required = true},
    TASK_ARG(false),
    {.name = NULL},
};
static const struct flow_arg todos_table[] = {
    SESSION_ARG,
    {.name = "todos",
     .kind = FLOW_ARG_LIST,
     .at = offsetof(struct original_args, todos),
     .required = true},
    {.name = NULL},
};
static const struct flow_arg rest_table[] = {
    SESSION_ARG,
    {.name = "duration", .kind = FLOW_ARG_TEXT, .at = offsetof(struct original_args, duration)},
    {.name = NULL},
};

/* Arguments that live as long as the work. NULL: answered. */
static struct original_args *read_args(struct work *work, const struct flow_arg *table,
                                       struct fb_text arguments)
{
    struct original_args *args = work_alloc(work, 1, sizeof(*args));

    if (args == NULL) {
        return NULL;
    }
    *args = (struct original_args){.context = "", .weight = WEIGHT_USUAL, .duration = ""};
    work->state = args;
    return verb_read(work, table, arguments, args) ? args : NULL;
}

static void say_line(struct work *work, const char *did,
                     const Flowbalancer__V1__FlowSessionLine *line)
{
    struct fb_buffer said = {0};

    if (line != NULL) {
        words_session(&said, line);
    }
    fb_buffer_string(&work->text, did);
    fb_buffer_append(&work->text, said.data, said.size);
    fb_buffer_string(&work->json, "{");
    words_string(&work->json, "sessionId", work->session);
    words_key(&work->json, "line");
    fb_buffer_json_string(&work->json, (struct fb_text){said.data, said.size});
    fb_buffer_string(&work->json, "}");
    fb_buffer_finish(&said);
    work_answer(work);
}

static void say_status_line(struct work *work)
{
    say_line(work, "", ((const Flowbalancer__V1__StatusResponse *)work_reply(work))->line);
}

static void ask_status(struct work *work, work_fn *then)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;

    request.context = work_context(work);
    request.actor = value_unconst(work->agent);
    work_ask(work, &method_status, &request.base, then);
}

/* --- create_session --- */

static void say_created(struct work *work)
{
    say_line(work,
             "open: ", ((const Flowbalancer__V1__OpenSessionResponse *)work_reply(work))->line);
}

void verb_original_create(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__OpenSessionRequest request = FLOWBALANCER__V1__OPEN_SESSION_REQUEST__INIT;
    const struct original_args *args = read_args(work, create_table, arguments);

    if (args == NULL) {
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.name = value_unconst(args->session);
    request.wip = HELD_MOST;
    request.declares = true;
    work_ask(work, &method_open_session, &request.base, say_created);
}

/* --- add_task and set_comprehensive_todos --- */

static const Flowbalancer__V1__FlowPlannedTask empty_task =
    FLOWBALANCER__V1__FLOW_PLANNED_TASK__INIT;
static const Flowbalancer__V1__FlowPlanItem empty_item = FLOWBALANCER__V1__FLOW_PLAN_ITEM__INIT;

/* The first line of the description, as far as a title goes. */
static char *title_of(struct work *work, const char *description)
{
    size_t size = strcspn(description, "\r\n");

    if (size > TITLE_BYTES) {
        size = TITLE_BYTES;
        while (((unsigned char)description[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    return fb_arena_copy(&work->arena, description, size);
}

/* What did not go into the title, and the context. NULL when memory is exhausted. */
static char *body_of(struct work *work, const char *description, const char *title,
                     const char *context)
{
    const bool more = strlen(title) < strlen(description);

    return fb_arena_printf(&work->arena, "%s%s%s", more ? description : "",
                           more && *context != '\0' ? "\n\n" : "", context);
}

/* NULL: answered. */
static Flowbalancer__V1__FlowPlanItem *make_item(struct work *work, const char *description,
                                                 const char *context, const char *key,
                                                 int64_t weight)
{
    Flowbalancer__V1__FlowPlannedTask *task = work_alloc(work, 1, sizeof(*task));
    Flowbalancer__V1__FlowPlanItem *item = task != NULL ? work_alloc(work, 1, sizeof(*item)) : NULL;

    if (item == NULL) {
        return NULL;
    }
    *task = empty_task;
    *item = empty_item;
    task->title = title_of(work, description);
    task->body = task->title != NULL ? body_of(work, description, task->title, context) : NULL;
    if (task->body == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    task->key = value_unconst(key);
    task->weight = (uint32_t)weight;
    task->priority = PRIORITY_USUAL;
    item->task = task;
    return item;
}

static void say_added(struct work *work)
{
    const Flowbalancer__V1__PlanResponse *reply = work_reply(work);
    char id[16] = "";

    if (reply->n_tasks > 0) {
        snprintf(id, sizeof(id), "#%" PRIu32, reply->tasks[0]);
    }
    fb_buffer_printf(&work->text, "added %s; %" PRIu32 " ready", id, reply->ready);
    fb_buffer_string(&work->json, "{");
    words_string(&work->json, "taskId", id);
    fb_buffer_string(&work->json, "}");
    work_answer(work);
}

void verb_original_add(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__PlanRequest request = FLOWBALANCER__V1__PLAN_REQUEST__INIT;
    const struct original_args *args = read_args(work, add_table, arguments);
    Flowbalancer__V1__FlowPlanItem *item;

    if (args == NULL) {
        return;
    }
    item = make_item(work, args->description, args->context, "", args->weight);
    if (item == NULL) {
        return;
    }
    item->links = verb_links(work, &args->dependencies,
                             FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER);
    if (item->links == NULL) {
        return;
    }
    item->n_links = args->dependencies.count;
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.n_items = 1;
    request.items = &item;
    work_ask(work, &method_plan, &request.base, say_added);
}

/* A todo is known again by its text. */
static const char *todo_key(struct work *work, const char *text)
{
    return fb_arena_printf(&work->arena, "todo-%016" PRIx64, fb_hash(text, strlen(text)));
}

struct todos {
    const char **texts;
    const char **keys;
    size_t count;
};

static void say_todos(struct work *work)
{
    const Flowbalancer__V1__PlanResponse *reply = work_reply(work);

    fb_buffer_printf(&work->text, "added %zu", reply->n_tasks);
    fb_buffer_string(&work->json, "{\"taskIds\":[");
    for (size_t i = 0; i < reply->n_tasks; i++) {
        fb_buffer_printf(&work->text, "%s#%" PRIu32, i == 0 ? ": " : " ", reply->tasks[i]);
        fb_buffer_printf(&work->json, "%s\"#%" PRIu32 "\"", i > 0 ? "," : "", reply->tasks[i]);
    }
    fb_buffer_string(&work->json, "]}");
    work_answer(work);
}

static bool is_known(const struct work *work, const char *key)
{
    for (size_t r = 0; r < work->reply_count; r++) {
        const Flowbalancer__V1__FindResponse *reply = (const void *)work->replies[r];

        for (size_t i = 0; i < reply->n_found; i++) {
            if (reply->found[i]->task != NULL && strcmp(reply->found[i]->task->key, key) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_twice(const struct todos *todos, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(todos->keys[i], todos->keys[at]) == 0) {
            return true;
        }
    }
    return false;
}

static void plan_new_todos(struct work *work)
{
    Flowbalancer__V1__PlanRequest request = FLOWBALANCER__V1__PLAN_REQUEST__INIT;
    const struct todos *todos = work->state;

    request.items = work_alloc(work, todos->count, sizeof(*request.items));
    if (request.items == NULL) {
        return;
    }
    for (size_t i = 0; i < todos->count; i++) {
        Flowbalancer__V1__FlowPlanItem *item;

        if (is_known(work, todos->keys[i]) || is_twice(todos, i)) {
            continue;
        }
        item = make_item(work, todos->texts[i], "", todos->keys[i], WEIGHT_USUAL);
        if (item == NULL) {
            return;
        }
        request.items[request.n_items++] = item;
    }
    if (request.n_items == 0) {
        fb_buffer_string(&work->text, "all of them are there already");
        fb_buffer_string(&work->json, "{\"taskIds\":[]}");
        work_answer(work);
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    work_ask(work, &method_plan, &request.base, say_todos);
}

/* A string, or an object that says it in one of the usual members. NULL for neither. */
static const char *todo_text(struct work *work, struct fb_text value)
{
    static const char *const members[] = {"description", "content", "title", "text"};
    struct fb_text member;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (fb_json_find(value, members[i], &member)) {
            return value_string(member, &work->arena);
        }
    }
    return value_string(value, &work->arena);
}

void verb_original_todos(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__FindRequest request = FLOWBALANCER__V1__FIND_REQUEST__INIT;
    const struct original_args *args = read_args(work, todos_table, arguments);
    struct todos *todos;
    struct fb_json_walk walk;

    if (args == NULL) {
        return;
    }
    todos = work_alloc(work, 1, sizeof(*todos) + 2 * (size_t)TODOS_MOST * sizeof(char *));
    if (todos == NULL) {
        return;
    }
    todos->texts = (const char **)(void *)(todos + 1);
    todos->keys = todos->texts + TODOS_MOST;
    for (walk = fb_json_walk(args->todos); fb_json_next(&walk);) {
        const char *text = todos->count < TODOS_MOST ? todo_text(work, walk.value) : NULL;
        const char *key = text != NULL && *text != '\0' ? todo_key(work, text) : NULL;

        if (key == NULL) {
            work_invalid(work, "todos: wanted at most 1,000 strings");
            return;
        }
        todos->texts[todos->count] = text;
        todos->keys[todos->count++] = key;
    }
    if (todos->count == 0) {
        work_invalid(work, "todos: wanted one at least");
        return;
    }
    work->state = todos;
    request.context = work_context(work);
    request.where = value_unconst("key:todo-");
    request.page_size = TODOS_MOST;
    request.order = value_unconst("number");
    work_ask_each(work, &method_find, &request.base, NULL, plan_new_todos);
}

/* --- complete_task --- */

static void say_completed(struct work *work)
{
    say_line(work,
             "completed: ", ((const Flowbalancer__V1__FinishResponse *)work_reply(work))->line);
}

void verb_original_complete(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__FinishRequest request = FLOWBALANCER__V1__FINISH_REQUEST__INIT;
    const struct original_args *args = read_args(work, complete_table, arguments);

    if (args == NULL) {
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.task = work_ref(work, &args->task);
    work_ask(work, &method_finish, &request.base, say_completed);
}

/* --- pulse --- */

static void say_pulsed(struct work *work)
{
    ask_status(work, say_status_line);
}

static void note_action(struct work *work)
{
    Flowbalancer__V1__PulseRequest request = FLOWBALANCER__V1__PULSE_REQUEST__INIT;
    const struct original_args *args = work->state;

    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.task = work_ref(work, &args->task);
    request.note = value_unconst(args->action);
    work_ask(work, &method_pulse, &request.base, say_pulsed);
}

void verb_original_pulse(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__NextRequest request = FLOWBALANCER__V1__NEXT_REQUEST__INIT;
    const struct original_args *args = read_args(work, pulse_table, arguments);

    if (args == NULL) {
        return;
    }
    request.task = work_ref(work, &args->task);
    if (request.task == NULL) {
        ask_status(work, say_status_line);
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.n = HELD_MOST;
    work_ask(work, &method_next, &request.base, note_action);
}

/* --- enter_rest_mode --- */

struct resting {
    const char *duration;
    uint32_t *tasks;
    size_t count;
    size_t rested;
};

static void rest_next(struct work *work)
{
    Flowbalancer__V1__PulseRequest request = FLOWBALANCER__V1__PULSE_REQUEST__INIT;
    struct resting *resting = work->state;
    struct flow_ref ref;

    if (resting->rested == resting->count) {
        fb_buffer_string(&work->json, "{\"resting\":[");
        fb_buffer_string(&work->text, resting->count > 0 ? "resting" : "nothing is held");
        for (size_t i = 0; i < resting->count; i++) {
            fb_buffer_printf(&work->text, " #%" PRIu32, resting->tasks[i]);
            fb_buffer_printf(&work->json, "%s\"#%" PRIu32 "\"", i > 0 ? "," : "",
                             resting->tasks[i]);
        }
        fb_buffer_string(&work->json, "]}");
        work_answer(work);
        return;
    }
    ref = (struct flow_ref){.task = resting->tasks[resting->rested++]};
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.task = work_ref(work, &ref);
    request.state = FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_RESTING;
    if (*resting->duration != '\0') {
        request.note = fb_arena_printf(&work->arena, "rests for %s", resting->duration);
        request.note = request.note != NULL ? request.note : value_unconst("");
    }
    work_ask(work, &method_pulse, &request.base, rest_next);
}

static void on_held(struct work *work)
{
    const Flowbalancer__V1__StatusResponse *reply = work_reply(work);
    const struct original_args *args = work->state;
    struct resting *resting = work_alloc(work, 1, sizeof(*resting));

    if (resting == NULL) {
        return;
    }
    resting->duration = args->duration;
    resting->tasks = work_alloc(work, reply->n_tasks + 1, sizeof(*resting->tasks));
    if (resting->tasks == NULL) {
        return;
    }
    for (size_t i = 0; i < reply->n_tasks; i++) {
        const Flowbalancer__V1__FlowTask *task = reply->tasks[i];

        if (task->state == FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_ACTIVE &&
            strcmp(task->agent, work->agent) == 0) {
            resting->tasks[resting->count++] = task->task;
        }
    }
    work->state = resting;
    rest_next(work);
}

void verb_original_rest(struct work *work, struct fb_text arguments)
{
    if (read_args(work, rest_table, arguments) != NULL) {
        ask_status(work, on_held);
    }
}
