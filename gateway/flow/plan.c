#include <inttypes.h>
#include <stdint.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"
#include "runtime/json/scan.h"

enum { ITEMS_MOST = 100000, WEIGHT_USUAL = 5, PRIORITY_USUAL = 2, NUMBERS_SAID = 64 };

struct plan_args {
    const char *session;
    struct fb_text tasks;
    const char *key;
};

static const struct flow_arg plan_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct plan_args, session),
     .required = true},
    {.name = "tasks",
     .kind = FLOW_ARG_LIST,
     .at = offsetof(struct plan_args, tasks),
     .required = true},
    {.name = "key", .kind = FLOW_ARG_TEXT, .at = offsetof(struct plan_args, key)},
    {.name = NULL},
};

struct item_args {
    const char *title;
    const char *key;
    const char *body;
    int64_t weight;
    int64_t priority;
    struct flow_refs after;
    struct flow_ref parent;
    struct flow_ref from;
    bool chain;
    struct flow_texts needs;
    const char *accept;
};

static const struct flow_arg item_table[] = {
    {.name = "title",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct item_args, title),
     .required = true},
    {.name = "key", .kind = FLOW_ARG_TEXT, .at = offsetof(struct item_args, key)},
    {.name = "body", .kind = FLOW_ARG_TEXT, .at = offsetof(struct item_args, body)},
    {.name = "weight",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct item_args, weight),
     .least = 1,
     .most = 10},
    {.name = "priority",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct item_args, priority),
     .least = 0,
     .most = 4},
    {.name = "after", .kind = FLOW_ARG_TASKS, .at = offsetof(struct item_args, after)},
    {.name = "parent", .kind = FLOW_ARG_TASK, .at = offsetof(struct item_args, parent)},
    {.name = "from", .kind = FLOW_ARG_TASK, .at = offsetof(struct item_args, from)},
    {.name = "chain", .kind = FLOW_ARG_TRUTH, .at = offsetof(struct item_args, chain)},
    {.name = "needs", .kind = FLOW_ARG_TEXTS, .at = offsetof(struct item_args, needs)},
    {.name = "accept", .kind = FLOW_ARG_TEXT, .at = offsetof(struct item_args, accept)},
    {.name = NULL},
};

static const char too_large[] = "the plan is too large; plan it in parts";

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* The links of an item, of all kinds. False: answered. */
static bool put_links(struct work *work, const struct item_args *args,
                      Flowbalancer__V1__FlowPlanItem *item)
{
    const struct {
        struct flow_ref ref;
        Flowbalancer__V1__FlowLinkKind kind;
    } single[] = {
        {args->parent, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_PARENT},
        {args->from, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_FROM},
    };
    struct flow_refs refs = {.count = args->after.count};

    refs.items = fb_arena_zalloc(&work->arena, refs.count + 3, sizeof(refs.items[0]));
    if (refs.items == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, too_large);
        return false;
    }
    for (size_t i = 0; i < args->after.count; i++) {
        refs.items[i] = args->after.items[i];
    }
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (single[i].ref.task != 0 || single[i].ref.key != NULL) {
            refs.items[refs.count++] = single[i].ref;
        }
    }
    if (refs.count == 0) {
        return true;
    }
    item->links = verb_links(work, &refs, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER);
    if (item->links == NULL) {
        return false;
    }
    item->n_links = refs.count;
    refs.count = args->after.count;
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        if (single[i].ref.task != 0 || single[i].ref.key != NULL) {
            item->links[refs.count++]->kind = single[i].kind;
        }
    }
    return true;
}

/* An item of the plan, in the arena. NULL: answered. */
static Flowbalancer__V1__FlowPlanItem *read_item(struct work *work, struct fb_text object,
                                                 size_t number)
{
    static const Flowbalancer__V1__FlowPlanItem empty_item = FLOWBALANCER__V1__FLOW_PLAN_ITEM__INIT;
    static const Flowbalancer__V1__FlowPlannedTask empty_task =
        FLOWBALANCER__V1__FLOW_PLANNED_TASK__INIT;
    struct item_args args = {.weight = WEIGHT_USUAL, .priority = PRIORITY_USUAL};
    Flowbalancer__V1__FlowPlanItem *item;
    Flowbalancer__V1__FlowPlannedTask *task;
    const char *before;
    const char *why;

    item = fb_arena_alloc(&work->arena, sizeof(*item));
    task = fb_arena_alloc(&work->arena, sizeof(*task));
    before = fb_arena_printf(&work->arena, "tasks[%zu].", number);
    if (item == NULL || task == NULL || before == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, too_large);
        return NULL;
    }
    why = fb_json_kind_of(object) == FB_JSON_OBJECT
              ? flow_args_read(item_table, object, before, &work->arena, &args)
              : fb_arena_printf(&work->arena, "tasks[%zu]: wanted an object", number);
    if (why != NULL) {
        work_invalid(work, why);
        return NULL;
    }
    *item = empty_item;
    *task = empty_task;
    task->title = value_unconst(args.title);
    task->key = value_unconst(text_or_empty(args.key));
    task->body = value_unconst(text_or_empty(args.body));
    task->accept = value_unconst(text_or_empty(args.accept));
    task->weight = (uint32_t)args.weight;
    task->priority = (uint32_t)args.priority;
    task->n_needs = args.needs.count;
    task->needs = (char **)(uintptr_t)args.needs.items;
    item->task = task;
    item->chain = args.chain;
    return put_links(work, &args, item) ? item : NULL;
}

static void put_duplicate(struct fb_buffer *out, const Flowbalancer__V1__FlowDuplicate *duplicate)
{
    fb_buffer_printf(out, "#%" PRIu32 " is like #%" PRIu32, duplicate->task, duplicate->like);
    if (duplicate->like_session[0] != '\0') {
        fb_buffer_string(out, " of session ");
        words_put(out, duplicate->like_session, 40);
    }
    fb_buffer_string(out, " ");
    words_put(out, duplicate->like_title, 20);
    if (duplicate->similarity > 0) {
        fb_buffer_printf(out, " (%" PRIu32 "%%)", duplicate->similarity);
    }
}

static void say_plan(struct work *work)
{
    const Flowbalancer__V1__PlanResponse *reply = work_reply(work);
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;

    fb_buffer_string(text, "planned");
    for (size_t i = 0; i < reply->n_tasks && i < NUMBERS_SAID; i++) {
        fb_buffer_printf(text, " #%" PRIu32, reply->tasks[i]);
    }
    if (reply->n_tasks > NUMBERS_SAID) {
        fb_buffer_printf(text, " … #%" PRIu32, reply->tasks[reply->n_tasks - 1]);
    }
    fb_buffer_printf(text, "; %" PRIu32 " ready", reply->ready);
    fb_buffer_string(json, "{\"tasks\":[");
    for (size_t i = 0; i < reply->n_tasks; i++) {
        fb_buffer_printf(json, "%s%" PRIu32, i > 0 ? "," : "", reply->tasks[i]);
    }
    fb_buffer_string(json, "]");
    words_number(json, "ready", reply->ready);
    if (reply->n_duplicates > 0) {
        words_key(json, "duplicates");
        fb_buffer_string(json, "[");
        for (size_t i = 0; i < reply->n_duplicates; i++) {
            struct fb_buffer line = {0};

            put_duplicate(&line, reply->duplicates[i]);
            fb_buffer_string(text, "\n");
            fb_buffer_append(text, line.data, line.size);
            words_key(json, NULL);
            fb_buffer_json_string(json, (struct fb_text){line.data, line.size});
            fb_buffer_finish(&line);
        }
        fb_buffer_string(json, "]");
    }
    for (size_t i = 0; i < reply->n_alarms; i++) {
        fb_buffer_string(text, "\nalarm: ");
        words_alarm(text, reply->alarms[i]);
    }
    if (reply->n_alarms > 0) {
        words_alarms_json(json, reply->alarms, reply->n_alarms);
    }
    fb_buffer_string(json, "}");
    work_answer(work);
}

void verb_plan(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__PlanRequest request = FLOWBALANCER__V1__PLAN_REQUEST__INIT;
    struct plan_args args = {.key = ""};
    struct fb_json_walk walk;
    size_t count = 0;

    if (!verb_read(work, plan_table, arguments, &args)) {
        return;
    }
    for (walk = fb_json_walk(args.tasks); fb_json_next(&walk);) {
        count++;
    }
    if (count == 0 || count > ITEMS_MOST) {
        work_invalid(work, "tasks: wanted 1 to 100,000; plan them in parts");
        return;
    }
    request.items = work_alloc(work, count, sizeof(*request.items));
    if (request.items == NULL) {
        return;
    }
    for (walk = fb_json_walk(args.tasks); fb_json_next(&walk);) {
        Flowbalancer__V1__FlowPlanItem *item = read_item(work, walk.value, request.n_items);

        if (item == NULL) {
            return;
        }
        request.items[request.n_items++] = item;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.plan_key = value_unconst(args.key);
    work_ask(work, &method_plan, &request.base, say_plan);
}
