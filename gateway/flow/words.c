#include "gateway/flow/words.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/flow/tokens.h"

enum { PRIORITY_USUAL = 2, SECOND_MS = 1000, MINUTE_MS = 60000, ALARM_TOKENS = 60 };

#define HOUR_MS (INT64_C(60) * MINUTE_MS)
#define DAY_MS  (24 * HOUR_MS)

const struct words_budget words_whole = {
    .title = 128,
    .body = 8000,
    .accept = 2000,
    .finished = 60,
    .note = 200,
    .finished_most = 16,
    .notes_most = 4,
};

/* --- small things --- */

static void put_cut(struct fb_buffer *out, const char *text, size_t tokens, bool one_line)
{
    const struct fb_text whole = fb_text_of(text);
    const struct fb_text part = tokens_cut(whole, tokens);

    for (size_t i = 0; i < part.size; i++) {
        const char c = part.data[i];
        const bool control = (unsigned char)c < ' ' || c == 0x7f;

        fb_buffer_append(out, control && (one_line || c != '\n') ? " " : &part.data[i], 1);
    }
    if (part.size < whole.size) {
        fb_buffer_string(out, "…");
    }
}

void words_put(struct fb_buffer *out, const char *text, size_t tokens)
{
    put_cut(out, text, tokens, true);
}

void words_span(struct fb_buffer *out, int64_t ms)
{
    if (ms < 2 * MINUTE_MS) {
        fb_buffer_printf(out, "%" PRId64 "s", (ms + SECOND_MS - 1) / SECOND_MS);
    } else if (ms < 2 * HOUR_MS) {
        fb_buffer_printf(out, "%" PRId64 "m", (ms + MINUTE_MS / 2) / MINUTE_MS);
    } else if (ms < 2 * DAY_MS) {
        fb_buffer_printf(out, "%" PRId64 "h", (ms + HOUR_MS / 2) / HOUR_MS);
    } else {
        fb_buffer_printf(out, "%" PRId64 "d", (ms + DAY_MS / 2) / DAY_MS);
    }
}

const char *words_task_state(const Flowbalancer__V1__FlowTask *task)
{
    switch (task->state) {
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED:
        return task->ready ? "ready" : "queued";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_ACTIVE:
        return "active";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_BLOCKED:
        return "blocked";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_RESTING:
        return "resting";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_COMPLETED:
        return "completed";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_FAILED:
        return "failed";
    case FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_CANCELLED:
        return "cancelled";
    default:
        return "unknown";
    }
}

const char *words_flow_state(Flowbalancer__V1__FlowState state)
{
    switch (state) {
    case FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_RESTING:
        return "resting";
    case FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_WARMING:
        return "warming";
    case FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_FLOWING:
        return "flowing";
    case FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_SURGING:
        return "surging";
    default:
        return "unknown";
    }
}

/* --- lines --- */

void words_task(struct fb_buffer *out, const Flowbalancer__V1__FlowTask *task, size_t title_tokens)
{
    fb_buffer_printf(out, "#%" PRIu32 " %s", task->task, words_task_state(task));
    if (task->percent > 0 && task->percent < 100) {
        fb_buffer_printf(out, " %" PRIu32 "%%", task->percent);
    }
    if (task->priority != PRIORITY_USUAL) {
        fb_buffer_printf(out, " p%" PRIu32, task->priority);
    }
    if (task->agent[0] != '\0') {
        fb_buffer_string(out, " @");
        words_put(out, task->agent, 12);
    }
    if (task->waits_for != 0) {
        fb_buffer_printf(out, " after #%" PRIu32, task->waits_for);
    }
    fb_buffer_string(out, task->suspect ? " suspect" : "");
    fb_buffer_string(out, task->stale_input ? " stale input" : "");
    fb_buffer_string(out, " ");
    words_put(out, task->title, title_tokens);
}

static void put_count(struct fb_buffer *out, const char **before, uint32_t count, const char *what)
{
    if (count > 0) {
        fb_buffer_printf(out, "%s%" PRIu32 " %s", *before, count, what);
        *before = ", ";
    }
}

void words_session(struct fb_buffer *out, const Flowbalancer__V1__FlowSessionLine *line)
{
    const char *before = ": ";

    fb_buffer_printf(out, "%s %" PRIu32 ", %" PRIu32 "%% of %" PRIu32,
                     words_flow_state(line->state), line->momentum, line->progress, line->tasks);
    put_count(out, &before, line->ready, "ready");
    put_count(out, &before, line->active, "active");
    put_count(out, &before, line->blocked, "blocked");
    put_count(out, &before, line->resting, "resting");
    put_count(out, &before, line->completed, "completed");
    put_count(out, &before, line->failed, "failed");
    put_count(out, &before, line->cancelled, "cancelled");
    before = "; ";
    put_count(out, &before, line->agents, line->agents == 1 ? "agent" : "agents");
    if (line->load_most > 0 && line->load > 0) {
        fb_buffer_printf(out, "%sload %" PRIu32 "/%" PRIu32, before, line->load, line->load_most);
        before = ", ";
    }
    put_count(out, &before, line->alarms, line->alarms == 1 ? "alarm" : "alarms");
}

void words_alarm(struct fb_buffer *out, const Flowbalancer__V1__FlowAlarm *alarm)
{
    words_put(out, alarm->kind, 8);
    if (alarm->task != 0) {
        fb_buffer_printf(out, " #%" PRIu32, alarm->task);
    }
    if (alarm->agent[0] != '\0') {
        fb_buffer_string(out, " @");
        words_put(out, alarm->agent, 12);
    }
    fb_buffer_string(out, ": ");
    words_put(out, alarm->evidence, ALARM_TOKENS);
    if (alarm->suggestion[0] != '\0') {
        fb_buffer_string(out, " → ");
        words_put(out, alarm->suggestion, ALARM_TOKENS);
    }
}

void words_forecast(struct fb_buffer *out, const Flowbalancer__V1__FlowForecast *forecast)
{
    const char *before = "a completion in ";

    if (forecast == NULL) {
        return;
    }
    for (size_t i = 0; i < forecast->n_completion; i++) {
        const Flowbalancer__V1__FlowCompletionForecast *at = forecast->completion[i];

        /* Of four horizons two say enough. */
        if (forecast->n_completion > 2 && at->horizon_ms != HOUR_MS / 2 &&
            at->horizon_ms != 2 * HOUR_MS) {
            continue;
        }
        fb_buffer_string(out, before);
        words_span(out, at->horizon_ms);
        fb_buffer_printf(out, " %.0f%%", at->probability * 100);
        if (at->model && *before != ',') {
            fb_buffer_printf(out, " (skill %.2f)", at->skill);
        }
        before = ", ";
    }
    if (forecast->remaining_p50_ms > 0) {
        fb_buffer_string(out, *before == ',' ? "; left " : "left ");
        words_span(out, forecast->remaining_p50_ms);
        if (forecast->remaining_p90_ms > forecast->remaining_p50_ms) {
            fb_buffer_string(out, " to ");
            words_span(out, forecast->remaining_p90_ms);
        }
    }
}

/* --- claims --- */

static void put_finished(struct fb_buffer *out, const Flowbalancer__V1__FlowTask *task,
                         size_t tokens)
{
    fb_buffer_printf(out, "#%" PRIu32 " ", task->task);
    words_put(out, task->title, tokens);
    if (task->summary != NULL && task->summary[0] != '\0') {
        fb_buffer_string(out, ": ");
        words_put(out, task->summary, tokens);
    }
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

void words_claim(struct fb_buffer *out, const Flowbalancer__V1__FlowClaim *claim,
                 const struct words_budget *budget)
{
    const Flowbalancer__V1__FlowTask *task = claim->task;
    const size_t finished = lesser(claim->n_finished, budget->finished_most);
    const size_t notes = lesser(claim->n_notes, budget->notes_most);

    if (task == NULL) {
        return;
    }
    fb_buffer_printf(out, "#%" PRIu32 " ", task->task);
    words_put(out, task->title, budget->title);
    fb_buffer_printf(out, " (fence %" PRIu64 ", lease ", claim->fence);
    words_span(out, claim->lease_ms);
    if (task->percent > 0) {
        fb_buffer_printf(out, ", %" PRIu32 "%%", task->percent);
    }
    fb_buffer_string(out, task->stale_input ? ", stale input)" : ")");
    if (task->body[0] != '\0') {
        fb_buffer_string(out, "\n");
        put_cut(out, task->body, budget->body, false);
    }
    if (task->accept[0] != '\0') {
        fb_buffer_string(out, "\naccept: ");
        put_cut(out, task->accept, budget->accept, false);
    }
    for (size_t i = 0; i < finished; i++) {
        fb_buffer_string(out, "\ndone ");
        put_finished(out, claim->finished[i], budget->finished);
    }
    for (size_t i = claim->n_notes - notes; i < claim->n_notes; i++) {
        fb_buffer_string(out, "\nnote: ");
        words_put(out, claim->notes[i], budget->note);
    }
}

/* --- JSON --- */

void words_key(struct fb_buffer *out, const char *key)
{
    const char last = out->size > 0 ? out->data[out->size - 1] : '{';

    fb_buffer_string(out, last == '{' || last == '[' ? "" : ",");
    if (key != NULL) {
        fb_buffer_json_string(out, fb_text_of(key));
        fb_buffer_string(out, ":");
    }
}

void words_string(struct fb_buffer *out, const char *key, const char *value)
{
    words_key(out, key);
    fb_buffer_json_string(out, fb_text_of(value));
}

void words_number(struct fb_buffer *out, const char *key, int64_t value)
{
    words_key(out, key);
    fb_buffer_printf(out, "%" PRId64, value);
}

/* What was written into `text` since, as the value; `text` is as before. */
static void put_written(struct fb_buffer *out, struct fb_buffer *text)
{
    fb_buffer_json_string(out, (struct fb_text){text->data, text->size});
    out->failed = out->failed || text->failed;
    fb_buffer_finish(text);
}

static void put_cut_json(struct fb_buffer *out, const char *key, const char *text, size_t tokens)
{
    struct fb_buffer part = {0};

    if (text[0] != '\0') {
        put_cut(&part, text, tokens, false);
        words_key(out, key);
        put_written(out, &part);
    }
}

void words_claim_json(struct fb_buffer *out, const Flowbalancer__V1__FlowClaim *claim,
                      const struct words_budget *budget)
{
    const Flowbalancer__V1__FlowTask *task = claim->task;
    const size_t finished = lesser(claim->n_finished, budget->finished_most);
    const size_t notes = lesser(claim->n_notes, budget->notes_most);

    fb_buffer_string(out, "{");
    if (task == NULL) {
        fb_buffer_string(out, "}");
        return;
    }
    words_number(out, "task", task->task);
    put_cut_json(out, "title", task->title, budget->title);
    words_key(out, "fence");
    fb_buffer_printf(out, "%" PRIu64, claim->fence);
    words_number(out, "lease_s", claim->lease_ms / SECOND_MS);
    if (task->percent > 0) {
        words_number(out, "pct", task->percent);
    }
    put_cut_json(out, "body", task->body, budget->body);
    put_cut_json(out, "accept", task->accept, budget->accept);
    for (size_t i = 0; i < finished; i++) {
        struct fb_buffer line = {0};

        if (i == 0) {
            words_key(out, "done");
            fb_buffer_string(out, "[");
        }
        put_finished(&line, claim->finished[i], budget->finished);
        words_key(out, NULL);
        put_written(out, &line);
        fb_buffer_string(out, i + 1 == finished ? "]" : "");
    }
    for (size_t i = claim->n_notes - notes; i < claim->n_notes; i++) {
        struct fb_buffer line = {0};

        if (i == claim->n_notes - notes) {
            words_key(out, "notes");
            fb_buffer_string(out, "[");
        }
        words_put(&line, claim->notes[i], budget->note);
        words_key(out, NULL);
        put_written(out, &line);
        fb_buffer_string(out, i + 1 == claim->n_notes ? "]" : "");
    }
    fb_buffer_string(out, "}");
}

void words_tasks_json(struct fb_buffer *out, const char *key,
                      Flowbalancer__V1__FlowTask *const *tasks, size_t count, size_t title_tokens)
{
    words_key(out, key);
    fb_buffer_string(out, "[");
    for (size_t i = 0; i < count; i++) {
        struct fb_buffer line = {0};

        words_task(&line, tasks[i], title_tokens);
        words_key(out, NULL);
        put_written(out, &line);
    }
    fb_buffer_string(out, "]");
}

void words_alarms_json(struct fb_buffer *out, Flowbalancer__V1__FlowAlarm *const *alarms,
                       size_t count)
{
    words_key(out, "alarms");
    fb_buffer_string(out, "[");
    for (size_t i = 0; i < count; i++) {
        struct fb_buffer line = {0};

        words_alarm(&line, alarms[i]);
        words_key(out, NULL);
        put_written(out, &line);
    }
    fb_buffer_string(out, "]");
}
