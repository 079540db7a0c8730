#include <stdint.h>

#include "gateway/flow/verbs.h"

enum { TITLE_TOKENS = 24, WAIT_MARGIN_MS = 2000, SECOND_MS = 1000 };

struct next_args {
    const char *session;
    int64_t n;
    bool peek;
    struct flow_ref task;
    int64_t wait_s;
};

static const struct flow_arg next_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct next_args, session),
     .required = true},
    {.name = "n",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct next_args, n),
     .least = 1,
     .most = 16},
    {.name = "peek", .kind = FLOW_ARG_TRUTH, .at = offsetof(struct next_args, peek)},
    {.name = "task", .kind = FLOW_ARG_TASK, .at = offsetof(struct next_args, task)},
    {.name = "wait_s",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct next_args, wait_s),
     .least = 0,
     .most = 600},
    {.name = NULL},
};

static void say_next(struct work *work)
{
    const Flowbalancer__V1__NextResponse *reply =
        (const void *)work->replies[work->reply_count - 1];
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;

    fb_buffer_string(json, "{\"tasks\":[");
    for (size_t i = 0; i < reply->n_claims; i++) {
        fb_buffer_string(text, i > 0 ? "\n\n" : "");
        words_claim(text, reply->claims[i], &words_whole);
        words_key(json, NULL);
        words_claim_json(json, reply->claims[i], &words_whole);
    }
    fb_buffer_string(json, "]");
    if (reply->n_peeked > 0) {
        for (size_t i = 0; i < reply->n_peeked; i++) {
            fb_buffer_string(text, text->size > 0 ? "\n" : "");
            words_task(text, reply->peeked[i], TITLE_TOKENS);
        }
        words_tasks_json(json, "peeked", reply->peeked, reply->n_peeked, TITLE_TOKENS);
    }
    if (text->size == 0) {
        fb_buffer_string(text, "no task: ");
        words_put(text, reply->why[0] != '\0' ? reply->why : "nothing is ready", 128);
        words_string(json, "why", reply->why[0] != '\0' ? reply->why : "nothing is ready");
    }
    if (reply->finished) {
        words_key(json, "finished");
        fb_buffer_string(json, "true");
    }
    fb_buffer_string(json, "}");
    work_answer(work);
}

void verb_next(struct work *work, struct fb_text arguments)
{
    Flowbalancer__V1__NextRequest request = FLOWBALANCER__V1__NEXT_REQUEST__INIT;
    struct next_args args = {.n = 0};
    const int64_t patience_ms = work->mcp->config.call_timeout_ms - WAIT_MARGIN_MS;

    if (!verb_read(work, next_table, arguments, &args)) {
        return;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.n = (uint32_t)args.n;
    request.peek = args.peek;
    request.task = work_ref(work, &args.task);
    request.wait_ms = args.wait_s * SECOND_MS;
    if (request.wait_ms > patience_ms) {
        request.wait_ms = patience_ms > 0 ? patience_ms : 0;
    }
    work->exchange->waits = request.wait_ms > 0;
    work_ask(work, &method_next, &request.base, say_next);
}
