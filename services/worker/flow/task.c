#include "services/worker/flow/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned may_become; /* one bit per state */
} states[TASK_STATES] = {
    [TASK_QUEUED] = {"queued", BIT(TASK_ACTIVE) | BIT(TASK_BLOCKED) | BIT(TASK_COMPLETED) |
                                   BIT(TASK_CANCELLED)},
    [TASK_ACTIVE] = {"active", BIT(TASK_QUEUED) | BIT(TASK_BLOCKED) | BIT(TASK_RESTING) |
                                   BIT(TASK_COMPLETED) | BIT(TASK_FAILED) | BIT(TASK_CANCELLED)},
    [TASK_BLOCKED] = {"blocked", BIT(TASK_QUEUED) | BIT(TASK_CANCELLED)},
    [TASK_RESTING] = {"resting", BIT(TASK_ACTIVE) | BIT(TASK_CANCELLED)},
    [TASK_COMPLETED] = {"completed", BIT(TASK_QUEUED)},
    [TASK_FAILED] = {"failed", BIT(TASK_QUEUED)},
    [TASK_CANCELLED] = {"cancelled", BIT(TASK_QUEUED)},
};

bool task_may_become(enum task_state from, enum task_state to)
{
    assert(from < TASK_STATES && to < TASK_STATES);
    return (states[from].may_become & BIT(to)) != 0;
}

bool task_has_ended(enum task_state state)
{
    return state == TASK_COMPLETED || state == TASK_FAILED || state == TASK_CANCELLED;
}

const char *task_state_name(enum task_state state)
{
    assert(state < TASK_STATES);
    return states[state].name;
}

static char *copy_of(struct fb_text text)
{
    char *copy = malloc(text.size + 1);

    if (copy != NULL) {
        memcpy(copy, text.size == 0 ? "" : text.data, text.size);
        copy[text.size] = '\0';
    }
    return copy;
}

/* A further one, all zero but for `ref` and `host`; NULL when memory is exhausted. */
static struct task_evidence *append(struct task *task, const struct event_evidence *evidence)
{
    struct task_evidence made = {.ref = copy_of(evidence->ref)};
    struct task_evidence *items = task->evidence;

    if (evidence->host.size != 0) {
        made.host = copy_of(evidence->host);
    }
    if (task->evidence_count < TASK_EVIDENCE_MOST) {
        items = realloc(items, (task->evidence_count + 1) * sizeof(*items));
        task->evidence = items != NULL ? items : task->evidence;
    }
    if (items == NULL || made.ref == NULL || (made.host == NULL && evidence->host.size != 0)) {
        free(made.ref);
        free(made.host);
        return NULL;
    }
    if (task->evidence_count == TASK_EVIDENCE_MOST) {
        free(items[0].ref);
        free(items[0].host);
        memmove(items, items + 1, (TASK_EVIDENCE_MOST - 1) * sizeof(*items));
        task->evidence_count--;
    }
    items[task->evidence_count] = made;
    return &items[task->evidence_count++];
}

static bool is_same_digest(const struct task_evidence *known, struct fb_text sha256)
{
    return known->digested == (sha256.size != 0) &&
           (sha256.size == 0 || memcmp(known->sha256, sha256.data, sizeof(known->sha256)) == 0);
}

enum task_evidence_news task_keep_evidence(struct task *task, const struct event_evidence *evidence)
{
    struct task_evidence *item = NULL;

    for (uint32_t i = 0; i < task->evidence_count && item == NULL; i++) {
        struct task_evidence *known = &task->evidence[i];

        if (known->kind == evidence->kind && fb_text_equal(fb_text_of(known->ref), evidence->ref) &&
            fb_text_equal(fb_text_of(known->host), evidence->host)) {
            item = known;
        }
    }
    if (item != NULL && is_same_digest(item, evidence->sha256)) {
        return TASK_EVIDENCE_KNOWN;
    }
    if (item == NULL) {
        item = append(task, evidence);
        if (item == NULL) {
            return TASK_EVIDENCE_NO_MEMORY;
        }
    }
    item->kind = (uint8_t)evidence->kind;
    item->size = evidence->size;
    item->digested = evidence->sha256.size == sizeof(item->sha256);
    if (item->digested) {
        memcpy(item->sha256, evidence->sha256.data, sizeof(item->sha256));
    }
    return TASK_EVIDENCE_NEW;
}

bool task_demands_evidence(const struct task *task)
{
    return fb_text_begins(fb_text_of(task->accept), "evidence:");
}

void task_finish(struct task *task)
{
    for (uint32_t i = 0; i < task->evidence_count; i++) {
        free(task->evidence[i].ref);
        free(task->evidence[i].host);
    }
    free(task->evidence);
    free(task->title);
    free(task->key);
    free(task->body);
    free(task->accept);
    free(task->gate);
    free(task->note);
    free(task->summary);
}
