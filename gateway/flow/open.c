#include <inttypes.h>
#include <stdint.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum {
    HELD_MOST = 4,
    READY_MOST = 3,
    CONFLICTS_MOST = 2,
    TITLE_TOKENS = 12,
    CONFLICT_TOKENS = 20,
};

/* Of the first task that is held; of the others only which they are. flow_next tells all of one. */
static const struct words_budget reminder = {
    .title = 14,
    .body = 26,
    .accept = 11,
    .finished = 5,
    .note = 11,
    .finished_most = 1,
    .notes_most = 1,
};

struct open_args {
    const char *name;
    const char *agent;
    struct flow_texts caps;
    int64_t wip;
};

static const struct flow_arg open_table[] = {
    {.name = "name",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct open_args, name),
     .required = true},
    {.name = "agent",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct open_args, agent),
     .required = true},
    {.name = "caps", .kind = FLOW_ARG_TEXTS, .at = offsetof(struct open_args, caps)},
    {.name = "wip",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct open_args, wip),
     .least = 1,
     .most = 1000},
    {.name = NULL},
};

static void put_held(struct work *work, const Flowbalancer__V1__FlowClaim *claim, bool first)
{
    words_key(&work->json, NULL);
    if (first || claim->task == NULL) {
        fb_buffer_string(&work->text, "\nyou hold ");
        words_claim(&work->text, claim, &reminder);
        words_claim_json(&work->json, claim, &reminder);
        return;
    }
    fb_buffer_printf(&work->text, "\nand #%" PRIu32 " (fence %" PRIu64 ")", claim->task->task,
                     claim->fence);
    fb_buffer_printf(&work->json, "{\"task\":%" PRIu32 ",\"fence\":%" PRIu64 "}", claim->task->task,
                     claim->fence);
}

static void say_open(struct work *work)
{
    const Flowbalancer__V1__OpenSessionResponse *reply = work_reply(work);
    const size_t held = reply->n_held < HELD_MOST ? reply->n_held : HELD_MOST;
    const size_t ready = reply->n_ready < READY_MOST ? reply->n_ready : READY_MOST;
    const size_t conflicts =
        reply->n_conflicts < CONFLICTS_MOST ? reply->n_conflicts : CONFLICTS_MOST;
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;
    struct fb_buffer line = {0};

    if (reply->line != NULL) {
        words_session(&line, reply->line);
    }
    fb_buffer_printf(text, "session %s%s\n", work->handle, reply->created ? " (new)" : "");
    fb_buffer_append(text, line.data, line.size);
    fb_buffer_string(json, "{");
    words_string(json, "session", work->handle);
    words_key(json, "line");
    fb_buffer_json_string(json, (struct fb_text){line.data, line.size});
    fb_buffer_finish(&line);
    words_key(json, "held");
    fb_buffer_string(json, "[");
    for (size_t i = 0; i < held; i++) {
        put_held(work, reply->held[i], i == 0);
    }
    fb_buffer_string(json, "]");
    if (reply->n_held > held) {
        fb_buffer_printf(text, "\nand %zu more, see flow_status", reply->n_held - held);
    }
    for (size_t i = 0; i < ready; i++) {
        fb_buffer_string(text, "\n");
        words_task(text, reply->ready[i], TITLE_TOKENS);
    }
    words_tasks_json(json, "ready", reply->ready, ready, TITLE_TOKENS);
    if (conflicts > 0) {
        words_key(json, "conflicts");
        fb_buffer_string(json, "[");
        for (size_t i = 0; i < conflicts; i++) {
            struct fb_buffer one = {0};

            words_put(&one, reply->conflicts[i], CONFLICT_TOKENS);
            fb_buffer_string(text, "\nconflict: ");
            fb_buffer_append(text, one.data, one.size);
            words_key(json, NULL);
            fb_buffer_json_string(json, (struct fb_text){one.data, one.size});
            fb_buffer_finish(&one);
        }
        fb_buffer_string(json, "]");
        if (reply->n_conflicts > conflicts) {
            fb_buffer_printf(text, "\nand %zu more conflicts", reply->n_conflicts - conflicts);
        }
    }
    fb_buffer_string(json, "}");
    work_answer(work);
}

void verb_open(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__OpenSessionRequest request = FLOWBALANCER__V1__OPEN_SESSION_REQUEST__INIT;
    struct open_args args = {.wip = 0};

    if (!verb_read_plain(work, open_table, arguments, &args) ||
        !work_is_of(work, args.name, args.agent)) {
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.name = value_unconst(args.name);
    request.n_caps = args.caps.count;
    request.caps = (char **)(uintptr_t)args.caps.items;
    request.wip = (uint32_t)args.wip;
    request.declares = args.caps.items != NULL || args.wip > 0;
    work_ask(work, &method_open_session, &request.base, say_open);
}
