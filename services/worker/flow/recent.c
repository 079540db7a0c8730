#include "services/worker/flow/recent.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 16 };

static uint32_t *bucket_of(const struct recent *recent, uint32_t agent, struct fb_text id)
{
    return &recent->buckets[fb_hash_mix(fb_hash(id.data, id.size), agent) % RECENT_MOST];
}

static struct recent_entry *find(const struct recent *recent, uint32_t agent, struct fb_text id)
{
    uint32_t at = recent->buckets == NULL ? 0 : *bucket_of(recent, agent, id);

    while (at != 0) {
        struct recent_entry *entry = &recent->entries[at - 1];

        if (entry->agent == agent && fb_text_equal(fb_text_of(entry->id), id)) {
            return entry;
        }
        at = entry->next;
    }
    return NULL;
}

const struct recent_outcome *recent_find(const struct recent *recent, uint32_t agent,
                                         struct fb_text id)
{
    const struct recent_entry *entry = find(recent, agent, id);

    return entry == NULL ? NULL : &entry->outcome;
}

/* The place of one more, which is not in use yet; false when memory is exhausted. */
static bool make_room(struct recent *recent)
{
    uint32_t room = recent->room == 0 ? ROOM_FIRST : 2 * recent->room;
    struct recent_entry *entries;

    if (recent->buckets == NULL) {
        recent->buckets = calloc(RECENT_MOST, sizeof(*recent->buckets));
        if (recent->buckets == NULL) {
            return false;
        }
    }
    if (recent->count < recent->room || recent->room == RECENT_MOST) {
        return true;
    }
    entries = realloc(recent->entries, room * sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    recent->entries = entries;
    recent->room = room;
    return true;
}

static void forget_oldest(struct recent *recent)
{
    struct recent_entry *oldest = &recent->entries[recent->oldest];
    uint32_t *link = bucket_of(recent, oldest->agent, fb_text_of(oldest->id));

    while (*link != recent->oldest + 1) {
        link = &recent->entries[*link - 1].next;
    }
    *link = oldest->next;
    free(oldest->id);
}

struct recent_outcome *recent_keep(struct recent *recent, uint32_t agent, struct fb_text id)
{
    struct recent_entry *known = find(recent, agent, id);
    uint32_t place = recent->count;
    uint32_t *bucket;
    char *copy;

    if (known != NULL) {
        return &known->outcome;
    }
    copy = malloc(id.size + 1);
    if (copy == NULL || !make_room(recent)) {
        free(copy);
        return NULL;
    }
    memcpy(copy, id.data, id.size);
    copy[id.size] = '\0';
    if (recent->count == RECENT_MOST) {
        place = recent->oldest;
        forget_oldest(recent);
        recent->oldest = (recent->oldest + 1) % RECENT_MOST;
    } else {
        recent->count++;
    }
    bucket = bucket_of(recent, agent, id);
    recent->entries[place] = (struct recent_entry){.id = copy, .agent = agent, .next = *bucket};
    *bucket = place + 1;
    return &recent->entries[place].outcome;
}

void recent_finish(struct recent *recent)
{
    for (uint32_t i = 0; i < recent->count; i++) {
        free(recent->entries[i].id);
    }
    free(recent->entries);
    free(recent->buckets);
    *recent = (struct recent){.count = 0};
}

static void code_outcome(struct coder *coder, struct recent_outcome *outcome, uint32_t tasks)
{
    uint32_t command = outcome->command;

    coder_u32(coder, &command, EVENT_COMMANDS - 1);
    outcome->command = (enum event_command)command;
    coder_u32(coder, &outcome->about, tasks);
    coder_u32(coder, &outcome->rev, UINT32_MAX);
    coder_u32(coder, &outcome->task, tasks);
    coder_u32(coder, &outcome->count, UINT32_MAX);
    coder_u64(coder, &outcome->fence);
}

/* One that was read; each comes once. */
static void take_entry(struct coder *coder, struct recent *recent, struct recent_entry *entry,
                       uint32_t agents)
{
    const uint32_t known = recent->count;
    struct recent_outcome *outcome = NULL;

    if (!coder->failed && entry->id != NULL && agents != 0) {
        outcome = recent_keep(recent, entry->agent, fb_text_of(entry->id));
    }
    coder->failed |= outcome == NULL || recent->count == known;
    if (!coder->failed) {
        *outcome = entry->outcome;
    }
    free(entry->id);
}

void recent_code(struct coder *coder, struct recent *recent, uint32_t agents, uint32_t tasks)
{
    uint32_t count = recent->count;
    const bool reading = coder->out == NULL;

    coder_u32(coder, &count, RECENT_MOST);
    for (uint32_t i = 0; i < count && !coder->failed; i++) {
        struct recent_entry read = {.id = NULL};
        struct recent_entry *entry =
            reading ? &read : &recent->entries[(recent->oldest + i) % RECENT_MOST];

        coder_text(coder, &entry->id, EVENT_REQUEST_BYTES);
        coder_u32(coder, &entry->agent, agents == 0 ? 0 : agents - 1);
        code_outcome(coder, &entry->outcome, tasks);
        if (reading) {
            take_entry(coder, recent, entry, agents);
        }
    }
}
