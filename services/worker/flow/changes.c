#include "services/worker/flow/changes.h"

#include <stdlib.h>
#include <string.h>

static size_t size_of(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

static size_t bytes_of(const struct change *change)
{
    return size_of(change->title) + size_of(change->body) + size_of(change->accept) +
           (change->links == NULL ? 0 : change->link_count * sizeof(*change->links));
}

void change_finish(struct change *change)
{
    free(change->title);
    free(change->body);
    free(change->accept);
    free(change->links);
}

void changes_finish(struct changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        change_finish(&changes->ring[(changes->first + i) % CHANGES_MOST]);
    }
    free(changes->ring);
    *changes = (struct changes){.count = 0};
}

const struct change *changes_at(const struct changes *changes, uint32_t i)
{
    return &changes->ring[(changes->first + i) % CHANGES_MOST];
}

static void forget_first(struct changes *changes)
{
    struct change *oldest = &changes->ring[changes->first];

    changes->forgotten = oldest->command;
    changes->bytes -= bytes_of(oldest);
    change_finish(oldest);
    changes->first = (changes->first + 1) % CHANGES_MOST;
    changes->count--;
}

bool changes_keep(struct changes *changes, struct change change)
{
    if (changes->ring == NULL) {
        changes->ring = calloc(CHANGES_MOST, sizeof(*changes->ring));
        if (changes->ring == NULL) {
            change_finish(&change);
            return false;
        }
    }
    while (changes->count == CHANGES_MOST ||
           (changes->count > 0 && changes->bytes + bytes_of(&change) > CHANGES_BYTES_MOST)) {
        forget_first(changes);
    }
    changes->ring[(changes->first + changes->count) % CHANGES_MOST] = change;
    changes->count++;
    changes->bytes += bytes_of(&change);
    return true;
}

/* --- for snapshots --- */

static void code_links(struct coder *coder, struct change *change, uint32_t tasks)
{
    bool kept = change->links != NULL;

    coder_u32(coder, &change->link_count, UINT32_MAX);
    coder_bool(coder, &kept);
    if (coder->failed || !kept) {
        return;
    }
    if (coder->out == NULL) {
        coder->failed = change->link_count == 0 || change->link_count > CHANGES_LINKS_MOST;
        change->links = coder->failed ? NULL : calloc(change->link_count, sizeof(*change->links));
        coder->failed |= change->links == NULL;
    }
    for (uint32_t i = 0; i < change->link_count && !coder->failed; i++) {
        struct event_link *link = &change->links[i];
        uint32_t kind = link->kind;

        coder_u32(coder, &link->task, tasks);
        coder_u32(coder, &link->on, tasks);
        coder_u32(coder, &kind, EVENT_LINK_KINDS - 1);
        link->kind = (enum event_link_kind)kind;
        coder_bool(coder, &link->dropped);
    }
}

static void code_change(struct coder *coder, struct change *change, uint32_t agents, uint32_t tasks)
{
    uint32_t kind = change->kind;
    uint32_t state = change->state;

    coder_u64(coder, &change->command);
    coder_u32(coder, &change->agent, agents);
    coder_u32(coder, &kind, EVENT_UNATTACHED);
    change->kind = (enum event_kind)kind;
    coder_u32(coder, &change->task, tasks);
    coder_u32(coder, &change->count, tasks);
    coder_u32(coder, &state, TASK_STATES - 1);
    change->state = (enum task_state)state;
    coder_u64(coder, &change->fence);
    coder_bool(coder, &change->implicit);
    coder_u32(coder, &change->fields, EVENT_FIELDS);
    if (change->kind == EVENT_EDITED) {
        coder_text(coder, &change->title, EVENT_TITLE_BYTES);
        coder_text(coder, &change->body, EVENT_BODY_BYTES);
        coder_text(coder, &change->accept, EVENT_ACCEPT_BYTES);
        coder_u32(coder, &change->weight, EVENT_WEIGHT_MOST);
        coder_u32(coder, &change->priority, EVENT_PRIORITY_MOST);
        coder_time(coder, &change->defer_until_ms);
    }
    if (change->kind == EVENT_LINKED) {
        code_links(coder, change, tasks);
    }
    coder->failed |= change->kind < EVENT_OPENED ||
                     (change->count != 0 && change->task > tasks + 1 - change->count);
}

void changes_code(struct coder *coder, struct changes *changes, uint32_t agents, uint32_t tasks)
{
    const bool reading = coder->out == NULL;
    uint32_t count = changes->count;

    coder_u64(coder, &changes->forgotten);
    coder_u32(coder, &count, CHANGES_MOST);
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        struct change read = {.count = 0};

        if (!reading) {
            code_change(coder, &changes->ring[(changes->first + i) % CHANGES_MOST], agents, tasks);
            continue;
        }
        code_change(coder, &read, agents, tasks);
        if (coder->failed) {
            change_finish(&read);
            return;
        }
        coder->failed = !changes_keep(changes, read) || changes->count != i + 1;
    }
}
