#include <stdint.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum { TITLE_TOKENS = 20, SECOND_MS = 1000, WAIT_MARGIN_MS = 2000 };

struct status_args {
    const char *session;
    int64_t since;
    int64_t wait_s;
    const char *original; /* sessionId of the system before ours */
};

static const struct flow_arg status_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct status_args, session),
     .required = true},
    {.name = "since",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct status_args, since),
     .least = 0,
     .most = INT64_MAX},
    {.name = "wait_s",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct status_args, wait_s),
     .least = 0,
     .most = 600},
    {.name = NULL},
};

static const struct flow_arg original_table[] = {
    {.name = "session", .kind = FLOW_ARG_TEXT, .at = offsetof(struct status_args, session)},
    {.name = "sessionId", .kind = FLOW_ARG_TEXT, .at = offsetof(struct status_args, original)},
    {.name = "since",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct status_args, since),
     .least = 0,
     .most = INT64_MAX},
    {.name = "wait_s",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct status_args, wait_s),
     .least = 0,
     .most = 600},
    {.name = NULL},
};

void verb_say_status(struct work *work)
{
    const Flowbalancer__V1__StatusResponse *reply = work_reply(work);
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;
    struct fb_buffer line = {0};
    struct fb_buffer forecast = {0};

    if (reply->line != NULL) {
        words_session(&line, reply->line);
    }
    words_forecast(&forecast, reply->forecast);
    fb_buffer_append(text, line.data, line.size);
    fb_buffer_string(json, "{");
    words_key(json, "line");
    fb_buffer_json_string(json, (struct fb_text){line.data, line.size});
    if (reply->line != NULL) {
        fb_buffer_printf(text, "; seq %lld", (long long)reply->line->seq);
        words_number(json, "seq", reply->line->seq);
    }
    for (size_t i = 0; i < reply->n_tasks; i++) {
        fb_buffer_string(text, "\n");
        words_task(text, reply->tasks[i], TITLE_TOKENS);
    }
    words_tasks_json(json, "tasks", reply->tasks, reply->n_tasks, TITLE_TOKENS);
    fb_buffer_string(text, reply->truncated ? "\nand more" : "");
    if (forecast.size > 0) {
        fb_buffer_string(text, "\n");
        fb_buffer_append(text, forecast.data, forecast.size);
        words_key(json, "forecast");
        fb_buffer_json_string(json, (struct fb_text){forecast.data, forecast.size});
    }
    for (size_t i = 0; i < reply->n_alarms; i++) {
        fb_buffer_string(text, "\nalarm: ");
        words_alarm(text, reply->alarms[i]);
    }
    words_alarms_json(json, reply->alarms, reply->n_alarms);
    fb_buffer_string(json, "}");
    fb_buffer_finish(&line);
    fb_buffer_finish(&forecast);
    work_answer(work);
}

static void ask(struct work *work, const struct status_args *args)
{
    Flowbalancer__V1__StatusRequest request = FLOWBALANCER__V1__STATUS_REQUEST__INIT;
    const int64_t patience_ms = work->mcp->config.call_timeout_ms - WAIT_MARGIN_MS;

    request.context = work_context(work);
    request.actor = value_unconst(work->agent);
    request.since_seq = args->since;
    request.wait_ms = args->wait_s * SECOND_MS;
    if (request.wait_ms > patience_ms) {
        request.wait_ms = patience_ms > 0 ? patience_ms : 0;
    }
    work->exchange->waits = request.wait_ms > 0;
    work_ask(work, &method_status, &request.base, verb_say_status);
}

void verb_status(struct work *work, struct fb_text arguments)
{
    struct status_args args = {.since = 0};

    if (verb_read(work, status_table, arguments, &args)) {
        ask(work, &args);
    }
}

void verb_original_status(struct work *work, struct fb_text arguments)
{
    struct status_args args = {.since = 0};

    if (!verb_read_plain(work, original_table, arguments, &args)) {
        return;
    }
    if (args.session == NULL) {
        args.session = args.original;
    }
    if (args.session == NULL) {
        work_invalid(work, "sessionId: it is missing");
    } else if (work_names(work, args.session)) {
        ask(work, &args);
    }
}
