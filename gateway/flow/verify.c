#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "gateway/flow/budget.h"
#include "gateway/flow/verbs.h"
#include "gateway/values.h"

enum { REF_TOKENS = 200 };

struct verifying {
    Flowbalancer__V1__FlowTaskRef *task;
    size_t budget;
    const Flowbalancer__V1__VerifyResponse *recorded;
    char host[FB_EVIDENCE_HOST_BYTES + 1];
};

static bool is_file(const Flowbalancer__V1__FlowEvidence *evidence)
{
    return evidence->kind == FLOWBALANCER__V1__FLOW_EVIDENCE_KIND__FLOW_EVIDENCE_KIND_FILE;
}

static bool is_ours(const struct verifying *verifying, const Flowbalancer__V1__FlowVerified *of)
{
    return of->evidence != NULL && is_file(of->evidence) && of->evidence->ref[0] == '/' &&
           strcmp(of->evidence->host, verifying->host) == 0;
}

/* --- the answer --- */

struct counts {
    size_t unchanged;
    size_t not_files;
    size_t elsewhere;
    size_t bad;
    size_t left_out; /* of the last two, for which there was no room */
};

static const char *said_state(Flowbalancer__V1__FlowEvidenceState state)
{
    if (state == FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_CHANGED) {
        return "changed";
    }
    return state == FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_MISSING ? "missing"
                                                                                       : NULL;
}

static void say_one(struct budget *lines, const Flowbalancer__V1__FlowVerified *of,
                    struct counts *counts)
{
    const char *state = said_state(of->state);
    struct fb_buffer line = {0};

    if (of->evidence == NULL || (state == NULL && !is_file(of->evidence))) {
        counts->not_files++;
        return;
    }
    if (of->state == FLOWBALANCER__V1__FLOW_EVIDENCE_STATE__FLOW_EVIDENCE_STATE_UNCHANGED) {
        counts->unchanged++;
        return;
    }
    counts->bad += state != NULL;
    counts->elsewhere += state == NULL;
    fb_buffer_printf(&line, "#%" PRIu32 " %s ", of->task, state != NULL ? state : "not checked");
    words_put(&line, of->evidence->ref, REF_TOKENS);
    if (of->evidence->host[0] != '\0') {
        fb_buffer_string(&line, state != NULL ? ", on " : ", it is on ");
        words_put(&line, of->evidence->host, REF_TOKENS);
    }
    counts->left_out += !budget_add(lines, &line);
}

static void say_verified(struct work *work)
{
    const Flowbalancer__V1__VerifyResponse *reply = work_reply(work);
    const struct verifying *verifying = work->state;
    struct budget lines = budget_begin(work, verifying->budget);
    struct counts counts = {.bad = 0};

    for (size_t i = 0; i < reply->n_verified; i++) {
        say_one(&lines, reply->verified[i], &counts);
    }
    fb_buffer_string(&work->json, "]");
    fb_buffer_printf(&work->text,
                     "%s%zu unchanged, %zu missing or changed, %zu files not checked here (on %s), "
                     "%zu that are no files%s",
                     work->text.size > 0 ? "\n" : "", counts.unchanged, counts.bad,
                     counts.elsewhere, verifying->host, counts.not_files,
                     reply->truncated ? "; there is more, ask by task" : "");
    if (counts.left_out > 0) {
        fb_buffer_printf(&work->text, "; %zu lines left out, raise budget", counts.left_out);
    }
    words_number(&work->json, "total", (int64_t)reply->n_verified);
    words_number(&work->json, "unchanged", (int64_t)counts.unchanged);
    words_number(&work->json, "bad", (int64_t)counts.bad);
    words_number(&work->json, "elsewhere", (int64_t)counts.elsewhere);
    words_string(&work->json, "host", verifying->host);
    fb_buffer_string(&work->json, "}");
    work_answer(work);
}

/* --- looking --- */

static void on_looked(struct work *work)
{
    static const Flowbalancer__V1__FlowObservation empty = FLOWBALANCER__V1__FLOW_OBSERVATION__INIT;
    Flowbalancer__V1__VerifyRequest request = FLOWBALANCER__V1__VERIFY_REQUEST__INIT;
    struct verifying *verifying = work->state;
    const struct look_job *job = work->look;
    Flowbalancer__V1__FlowObservation *room;

    work->look = NULL;
    request.observations = work_alloc(work, job->count, sizeof(*request.observations));
    if (request.observations == NULL) {
        return;
    }
    room = work_alloc(work, job->count, sizeof(*room));
    if (room == NULL) {
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        const struct look_item *item = &job->items[i];
        Flowbalancer__V1__FlowObservation *observation = &room[request.n_observations];

        /* What is there but cannot be read is not known to have changed. */
        if (item->seen.there && !item->seen.digested) {
            continue;
        }
        *observation = empty;
        observation->task = verifying->recorded->verified[item->tag]->task;
        observation->ref = value_unconst(item->path);
        if (item->seen.digested) {
            observation->sha256 = value_bytes((struct fb_text){
                .data = (const char *)item->seen.sha256,
                .size = sizeof(item->seen.sha256),
            });
        }
        request.observations[request.n_observations++] = observation;
    }
    request.context = work_context(work);
    request.by = work_by(work, 0, 0);
    request.task = verifying->task;
    request.host = verifying->host;
    work_ask(work, &method_verify, &request.base, say_verified);
}

static void on_recorded(struct work *work)
{
    struct verifying *verifying = work->state;
    const Flowbalancer__V1__VerifyResponse *reply = work_reply(work);
    struct look_job *job;
    size_t count = 0;

    verifying->recorded = reply;
    for (size_t i = 0; i < reply->n_verified; i++) {
        count += is_ours(verifying, reply->verified[i]);
    }
    if (count == 0) {
        say_verified(work);
        return;
    }
    job = look_job_create(count);
    if (job == NULL) {
        work_fail(work, FB_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    count = 0;
    for (size_t i = 0; i < reply->n_verified; i++) {
        if (is_ours(verifying, reply->verified[i])) {
            const char *ref = reply->verified[i]->evidence->ref;

            job->items[count].path = fb_arena_copy(&job->arena, ref, strlen(ref));
            job->items[count].tag = i;
            if (job->items[count].path == NULL) {
                job->items[count].path = "/";
            }
            count++;
        }
    }
    work_look(work, job, on_looked);
}

void verb_verify(struct work *work, Flowbalancer__V1__FlowTaskRef *task, size_t budget)
{
    Flowbalancer__V1__VerifyRequest request = FLOWBALANCER__V1__VERIFY_REQUEST__INIT;
    struct verifying *verifying = work_alloc(work, 1, sizeof(*verifying));

    if (verifying == NULL) {
        return;
    }
    verifying->task = task;
    verifying->budget = budget;
    fb_evidence_host(verifying->host);
    work->state = verifying;
    request.context = work_context(work);
    request.task = task;
    work_ask(work, &method_verify, &request.base, on_recorded);
}
