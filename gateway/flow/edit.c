#include <inttypes.h>
#include <stdint.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum { TITLE_TOKENS = 32 };

/* Bits of FlowTaskEdited.fields. */
enum { EDIT_TITLE = 1, EDIT_BODY = 2, EDIT_ACCEPT = 4, EDIT_WEIGHT = 8, EDIT_PRIORITY = 16 };

struct edit_args {
    const char *session;
    struct flow_ref task;
    int64_t if_rev;
    struct fb_text set;
    struct flow_refs add_after;
    struct flow_refs drop_after;
    bool undo;
};

static const struct flow_arg edit_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct edit_args, session),
     .required = true},
    {.name = "task",
     .kind = FLOW_ARG_TASK,
     .at = offsetof(struct edit_args, task),
     .required = true},
    {.name = "if_rev",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct edit_args, if_rev),
     .least = 0,
     .most = UINT32_MAX},
    {.name = "set", .kind = FLOW_ARG_OBJECT, .at = offsetof(struct edit_args, set)},
    {.name = "add_after", .kind = FLOW_ARG_TASKS, .at = offsetof(struct edit_args, add_after)},
    {.name = "drop_after", .kind = FLOW_ARG_TASKS, .at = offsetof(struct edit_args, drop_after)},
    {.name = "undo", .kind = FLOW_ARG_TRUTH, .at = offsetof(struct edit_args, undo)},
    {.name = NULL},
};

struct set_args {
    const char *title;
    const char *body;
    const char *accept;
    int64_t weight;
    int64_t priority;
    int action;
    const char *reason;
};

static const char *const actions[] = {"", "cancel", "retry", "reopen", "unblock", NULL};

static const Flowbalancer__V1__FlowEditAction edit_actions[] = {
    FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNSPECIFIED,
    FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_CANCEL,
    FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_RETRY,
    FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_REOPEN,
    FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_UNBLOCK,
};

static const struct flow_arg set_table[] = {
    {.name = "title", .kind = FLOW_ARG_TEXT, .at = offsetof(struct set_args, title)},
    {.name = "body", .kind = FLOW_ARG_TEXT, .at = offsetof(struct set_args, body)},
    {.name = "accept", .kind = FLOW_ARG_TEXT, .at = offsetof(struct set_args, accept)},
    {.name = "weight",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct set_args, weight),
     .least = 1,
     .most = 10},
    {.name = "priority",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct set_args, priority),
     .least = 0,
     .most = 4},
    {.name = "action",
     .kind = FLOW_ARG_CHOICE,
     .at = offsetof(struct set_args, action),
     .choices = actions},
    {.name = "reason", .kind = FLOW_ARG_TEXT, .at = offsetof(struct set_args, reason)},
    {.name = NULL},
};

static void put_effects(struct work *work, Flowbalancer__V1__FlowTask **effects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fb_buffer_string(&work->text, "\n");
        words_task(&work->text, effects[i], TITLE_TOKENS);
    }
    words_tasks_json(&work->json, "effects", effects, count, TITLE_TOKENS);
    fb_buffer_string(&work->json, "}");
}

static void say_edit(struct work *work)
{
    const Flowbalancer__V1__EditResponse *reply = work_reply(work);
    struct fb_buffer line = {0};

    fb_buffer_string(&work->json, "{");
    if (reply->committed != NULL) {
        fb_buffer_printf(&work->text, "rev %" PRIu32 ": ", reply->committed->rev);
        words_number(&work->json, "rev", reply->committed->rev);
    }
    if (reply->task != NULL) {
        words_task(&line, reply->task, TITLE_TOKENS);
        fb_buffer_append(&work->text, line.data, line.size);
        words_key(&work->json, "task");
        fb_buffer_json_string(&work->json, (struct fb_text){line.data, line.size});
        fb_buffer_finish(&line);
    }
    put_effects(work, reply->effects, reply->n_effects);
    work_answer(work);
}

static void say_undo(struct work *work)
{
    const Flowbalancer__V1__UndoResponse *reply = work_reply(work);

    fb_buffer_string(&work->text, "undone: ");
    words_put(&work->text, reply->undone, 200);
    fb_buffer_string(&work->json, "{");
    words_string(&work->json, "undone", reply->undone);
    if (reply->committed != NULL) {
        words_number(&work->json, "rev", reply->committed->rev);
    }
    put_effects(work, reply->effects, reply->n_effects);
    work_answer(work);
}

static void undo(struct work *work, const struct edit_args *args)
{
    Flowbalancer__V1__UndoRequest request = FLOWBALANCER__V1__UNDO_REQUEST__INIT;

    request.context = work_context(work);
    request.by = work_by(work, 0, (uint32_t)args->if_rev);
    request.task = work_ref(work, &args->task);
    work_ask(work, &method_undo, &request.base, say_undo);
}

/* What is set, as fields and their bits. */
static void put_fields(const struct set_args *set, Flowbalancer__V1__FlowTaskEdited *edited)
{
    const struct {
        const char *text;
        char **field;
        uint32_t bit;
    } texts[] = {
        {set->title, &edited->title, EDIT_TITLE},
        {set->body, &edited->body, EDIT_BODY},
        {set->accept, &edited->accept, EDIT_ACCEPT},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text != NULL) {
            *texts[i].field = value_unconst(texts[i].text);
            edited->fields |= texts[i].bit;
        }
    }
    if (set->weight >= 0) {
        edited->weight = (uint32_t)set->weight;
        edited->fields |= EDIT_WEIGHT;
    }
    if (set->priority >= 0) {
        edited->priority = (uint32_t)set->priority;
        edited->fields |= EDIT_PRIORITY;
    }
}

void verb_edit(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__EditRequest request = FLOWBALANCER__V1__EDIT_REQUEST__INIT;
    Flowbalancer__V1__FlowTaskEdited edited = FLOWBALANCER__V1__FLOW_TASK_EDITED__INIT;
    struct edit_args args = {.if_rev = 0};
    struct set_args set = {.weight = -1, .priority = -1, .reason = ""};
    const char *why;

    if (!verb_read(work, edit_table, arguments, &args)) {
        return;
    }
    if (args.undo) {
        if (args.set.size > 0 || args.add_after.count > 0 || args.drop_after.count > 0) {
            work_invalid(work, "undo: it stands alone; leave out the other changes");
        } else {
            undo(work, &args);
        }
        return;
    }
    why = flow_args_read(set_table, args.set, "set.", &work->arena, &set);
    if (why != NULL) {
        work_invalid(work, why);
        return;
    }
    put_fields(&set, &edited);
    request.add =
        verb_links(work, &args.add_after, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER);
    if (request.add == NULL) {
        return;
    }
    request.drop =
        verb_links(work, &args.drop_after, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER);
    if (request.drop == NULL) {
        return;
    }
    request.n_add = args.add_after.count;
    request.n_drop = args.drop_after.count;
    request.context = work_context(work);
    request.by = work_by(work, 0, (uint32_t)args.if_rev);
    request.task = work_ref(work, &args.task);
    request.set = edited.fields != 0 ? &edited : NULL;
    request.action = edit_actions[set.action];
    request.reason = value_unconst(set.reason);
    work_ask(work, &method_edit, &request.base, say_edit);
}
