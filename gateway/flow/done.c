#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum { TITLE_TOKENS = 24, READY_SAID = 5, LIKELY_SAID = 3 };

struct done_args {
    const char *session;
    struct flow_ref task;
    int64_t fence;
    int result;
    const char *summary;
    struct flow_texts evidence;
    bool next;

    /* what is missing of the evidence, one sentence each */
    const char *missing[FB_EVIDENCE_MOST];
    size_t missing_count;
};

static const char *const results[] = {"completed", "failed", NULL};

static const Flowbalancer__V1__FlowOutcome outcomes[] = {
    FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_COMPLETED,
    FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_FAILED,
};

static const struct flow_arg done_table[] = {
    {.name = "session",
     .kind = FLOW_ARG_TEXT,
     .at = offsetof(struct done_args, session),
     .required = true},
    {.name = "task",
     .kind = FLOW_ARG_TASK,
     .at = offsetof(struct done_args, task),
     .required = true},
    {.name = "fence",
     .kind = FLOW_ARG_WHOLE,
     .at = offsetof(struct done_args, fence),
     .least = 0,
     .most = INT64_MAX},
    {.name = "result",
     .kind = FLOW_ARG_CHOICE,
     .at = offsetof(struct done_args, result),
     .choices = results},
    {.name = "summary", .kind = FLOW_ARG_TEXT, .at = offsetof(struct done_args, summary)},
    {.name = "evidence", .kind = FLOW_ARG_TEXTS, .at = offsetof(struct done_args, evidence)},
    {.name = "next", .kind = FLOW_ARG_TRUTH, .at = offsetof(struct done_args, next)},
    {.name = NULL},
};

/* --- the answer --- */

static void say_missing(struct work *work, const struct done_args *args)
{
    for (size_t i = 0; i < args->missing_count; i++) {
        fb_buffer_string(&work->text, "\nmissing: ");
        words_put(&work->text, args->missing[i], 400);
    }
    if (args->missing_count > 0) {
        words_key(&work->json, "missing");
        fb_buffer_string(&work->json, "[");
        for (size_t i = 0; i < args->missing_count; i++) {
            words_key(&work->json, NULL);
            fb_buffer_json_string(&work->json, fb_text_of(args->missing[i]));
        }
        fb_buffer_string(&work->json, "]");
    }
}

/* What became ready, but for the task that is claimed with it. */
static void say_ready(struct work *work, const Flowbalancer__V1__FinishResponse *reply)
{
    const Flowbalancer__V1__FlowTask *claimed = reply->next != NULL ? reply->next->task : NULL;
    Flowbalancer__V1__FlowTask *tasks[READY_SAID];
    size_t others = reply->newly_ready_count;
    size_t count = 0;

    for (size_t i = 0; i < reply->n_newly_ready; i++) {
        if (claimed != NULL && claimed->task == reply->newly_ready[i]->task) {
            others--;
        } else if (count < READY_SAID) {
            fb_buffer_string(&work->text, count == 0 ? "\nnow ready: " : "; ");
            words_task(&work->text, reply->newly_ready[i], TITLE_TOKENS);
            tasks[count++] = reply->newly_ready[i];
        }
    }
    if (count > 0) {
        words_tasks_json(&work->json, "ready", tasks, count, TITLE_TOKENS);
    }
    if (others > count) {
        fb_buffer_printf(&work->text, "; and %zu more", others - count);
    }
}

static void say_likely(struct work *work, const Flowbalancer__V1__FinishResponse *reply)
{
    Flowbalancer__V1__FlowTask *tasks[LIKELY_SAID];
    size_t count = 0;

    for (size_t i = 0; i < reply->n_likely && count < LIKELY_SAID; i++) {
        if (reply->likely[i]->task != NULL) {
            fb_buffer_string(&work->text, count == 0 ? "\nlikely next: " : "; ");
            words_task(&work->text, reply->likely[i]->task, TITLE_TOKENS);
            tasks[count++] = reply->likely[i]->task;
        }
    }
    if (count > 0) {
        words_tasks_json(&work->json, "likely", tasks, count, TITLE_TOKENS);
    }
    if (reply->should != NULL) {
        Flowbalancer__V1__FlowTask *should[] = {reply->should};

        fb_buffer_string(&work->text, "\nschedule: ");
        words_task(&work->text, reply->should, TITLE_TOKENS);
        words_tasks_json(&work->json, "schedule", should, 1, TITLE_TOKENS);
    }
}

static void say_done(struct work *work)
{
    const Flowbalancer__V1__FinishResponse *reply = work_reply(work);
    const struct done_args *args = work->state;
    struct fb_buffer *text = &work->text;
    struct fb_buffer *json = &work->json;

    fb_buffer_string(text, args->result == 0 ? "done" : "failed");
    fb_buffer_string(json, "{");
    if (reply->line != NULL) {
        fb_buffer_printf(text, ", %" PRIu32 "%%", reply->line->progress);
        words_number(json, "progress", reply->line->progress);
    }
    say_ready(work, reply);
    if (reply->next != NULL) {
        fb_buffer_string(text, "\nnext ");
        words_claim(text, reply->next, &words_whole);
        words_key(json, "next");
        words_claim_json(json, reply->next, &words_whole);
    } else {
        say_likely(work, reply);
        if (args->next && reply->why[0] != '\0') {
            fb_buffer_string(text, "\nno next task: ");
            words_put(text, reply->why, 128);
            words_string(json, "why", reply->why);
        }
    }
    if (reply->finished) {
        fb_buffer_string(text, "\nall tasks have ended");
        words_key(json, "finished");
        fb_buffer_string(json, "true");
    }
    for (size_t i = 0; i < reply->n_alarms; i++) {
        fb_buffer_string(text, "\nalarm: ");
        words_alarm(text, reply->alarms[i]);
    }
    if (reply->n_alarms > 0) {
        words_alarms_json(json, reply->alarms, reply->n_alarms);
    }
    say_missing(work, args);
    fb_buffer_string(json, "}");
    work_answer(work);
}

/* --- the evidence --- */

static const Flowbalancer__V1__FlowEvidenceKind kinds[] = {
    [FB_EVIDENCE_FILE] = FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE,
    [FB_EVIDENCE_COMMIT] = FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_COMMIT,
    [FB_EVIDENCE_COMMAND] = FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_COMMAND,
    [FB_EVIDENCE_OTHER] = FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_OTHER,
};

static void finish(struct work *work, Flowbalancer__V1__FlowEvidence **evidence, size_t count)
{
    Flowbalancer__V1__FinishRequest request = FLOWBALANCER__V1__FINISH_REQUEST__INIT;
    struct done_args *args = work->state;

    request.context = work_context(work);
    request.by = work_by(work, (uint64_t)args->fence, 0);
    request.task = work_ref(work, &args->task);
    request.outcome = outcomes[args->result];
    request.summary = value_unconst(args->summary);
    request.n_evidence = count;
    request.evidence = evidence;
    request.next = args->next;
    work_ask(work, &method_finish, &request.base, say_done);
}

static void on_looked(struct work *work)
{
    static const Flowbalancer__V1__FlowEvidence empty = FLOWBALANCER__V1__FLOW_EVIDENCE__INIT;
    struct done_args *args = work->state;
    const struct look_job *job = work->look;
    Flowbalancer__V1__FlowEvidence *evidence[FB_EVIDENCE_MOST];
    Flowbalancer__V1__FlowEvidence room[FB_EVIDENCE_MOST];
    char host[FB_EVIDENCE_HOST_BYTES + 1];

    work->look = NULL;
    fb_evidence_host(host);
    for (size_t i = 0; i < job->count; i++) {
        const struct look_item *item = &job->items[i];

        if (*item->fault != '\0') {
            work_invalid(work, item->fault);
            return;
        }
        room[i] = empty;
        room[i].kind = kinds[item->seen.kind];
        room[i].ref = value_unconst(item->seen.ref);
        room[i].host = host;
        if (item->seen.digested) {
            room[i].sha256 = value_bytes((struct fb_text){
                .data = (const char *)item->seen.sha256,
                .size = sizeof(item->seen.sha256),
            });
            room[i].size = item->seen.size;
        } else if (item->seen.kind == FB_EVIDENCE_FILE) {
            args->missing[args->missing_count] =
                fb_arena_printf(&work->arena, "%s: %s on %s", item->seen.ref, item->seen.why, host);
            args->missing_count += args->missing[args->missing_count] != NULL;
        }
        evidence[i] = &room[i];
    }
    finish(work, evidence, job->count);
}

void verb_done(struct work *work, struct fb_text arguments)
{
    struct done_args *args = work_alloc(work, 1, sizeof(*args));
    struct look_job *job;

    if (args == NULL) {
        return;
    }
    args->summary = "";
    work->state = args;
    if (!verb_read(work, done_table, arguments, args)) {
        return;
    }
    if (args->evidence.count == 0) {
        finish(work, NULL, 0);
        return;
    }
    if (args->evidence.count > FB_EVIDENCE_MOST) {
        work_invalid(work, "evidence: at most 64; name the ones that matter");
        return;
    }
    job = look_job_create(args->evidence.count);
    if (job == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        const char *said = args->evidence.items[i];

        job->items[i].said = fb_arena_copy(&job->arena, said, strlen(said));
        if (job->items[i].said == NULL) {
            job->items[i].said = "";
        }
    }
    work_look(work, job, on_looked);
}
