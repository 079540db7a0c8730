#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/merge_life.h"

static struct fb_status name_event(struct merging *m, struct fb_status status)
{
    const struct fb_text origin = m->reading->origins.texts[m->element->origin];

    return fb_arena_fail(m->arena, status.code, "event %llu of %.*s: %s",
                         (unsigned long long)m->element->sequence, (int)origin.size, origin.data,
                         status.why);
}

/* --- which task is which --- */

static struct fb_text key_of(const struct merge_identity *identity)
{
    return (struct fb_text){.data = (const char *)identity, .size = sizeof(*identity)};
}

static bool number_task(struct merging *m, struct merge_identity identity, uint32_t number)
{
    const uint32_t at = names_add(&m->identities, key_of(&identity));

    if (at == NAMES_NONE) {
        return false;
    }
    if (at >= m->number_room) {
        const uint32_t room = m->number_room == 0 ? 256 : 2 * m->number_room;
        uint32_t *numbers = realloc(m->numbers, room * sizeof(*numbers));
        struct merge_task *tasks;

        if (numbers == NULL) {
            return false;
        }
        m->numbers = numbers;
        tasks = realloc(m->tasks, ((size_t)room + 1) * sizeof(*tasks));
        if (tasks == NULL) {
            return false;
        }
        m->tasks = tasks;
        m->number_room = room;
    }
    m->numbers[at] = number;
    m->tasks[number] = (struct merge_task){.claimed_in = MERGE_NOBODY};
    return true;
}

/* Indices of the element become numbers; those that it adds are the next. */
static uint32_t number_of(void *arg, uint32_t index)
{
    struct merging *m = arg;
    uint32_t at;

    if (index <= m->adds) {
        return m->scratch->task_count + index;
    }
    if (index - m->adds > m->element->task_count) {
        m->lost = true;
        return 1;
    }
    at = names_find(&m->identities, key_of(&m->element->tasks[index - m->adds - 1]));
    if (at == NAMES_NONE) {
        m->lost = true;
        return 1;
    }
    return m->numbers[at];
}

/* --- plans and imports --- */

/* Keys that are taken go; the conflicts are told behind the event, when the tasks are there. */
struct taken_keys {
    uint32_t *tasks;
    struct fb_text *keys;
    size_t count;
};

static void drop_taken_key(struct merging *m, struct taken_keys *taken, struct fb_text *key,
                           uint32_t task)
{
    if (key->size != 0 && session_task_of_key(m->scratch, *key) != 0) {
        taken->tasks[taken->count] = task;
        taken->keys[taken->count++] = *key;
        *key = (struct fb_text){.size = 0};
    }
}

static struct fb_status add_tasks(struct merging *m, struct event *event)
{
    const uint32_t first = m->scratch->task_count + 1;
    const struct event_link *links;
    size_t link_count;
    struct fb_status status;

    if (event->kind == EVENT_PLANNED) {
        links = event->planned.links;
        link_count = event->planned.link_count;
        event->planned.first_task = first;
    } else {
        links = event->imported.links;
        link_count = event->imported.link_count;
        event->imported.first_task = first;
    }
    status = merge_emit(m, event);
    if (status.code == FB_FAILED_PRECONDITION && link_count != 0) {
        /* Some link does not fit: the tasks alone, then what of the links does. */
        if (event->kind == EVENT_PLANNED) {
            event->planned.link_count = 0;
        } else {
            event->imported.link_count = 0;
        }
        status = merge_emit(m, event);
        if (fb_is_ok(status)) {
            status = merge_link_each(m, links, link_count);
        }
    }
    return status;
}

static struct fb_status number_added(struct merging *m, uint32_t first_there, uint32_t first)
{
    for (uint32_t i = 0; i < m->adds; i++) {
        const struct merge_identity identity = {.origin = m->element->origin,
                                                .number = first_there + i};

        if (!number_task(m, identity, first + i)) {
            return merge_exhausted();
        }
    }
    return fb_ok;
}

static struct fb_status tell_taken(struct merging *m, const struct taken_keys *taken)
{
    struct fb_status status = fb_ok;

    for (size_t i = 0; i < taken->count && fb_is_ok(status); i++) {
        status =
            merge_conflict(m, taken->tasks[i], FB_TEXT("key"), taken->keys[i], m->element->origin);
    }
    return status;
}

static bool taken_room(struct merging *m, struct taken_keys *taken)
{
    taken->tasks = fb_arena_zalloc(&m->scratch_arena, m->adds + 1, sizeof(*taken->tasks));
    taken->keys = fb_arena_zalloc(&m->scratch_arena, m->adds + 1, sizeof(*taken->keys));
    return taken->tasks != NULL && taken->keys != NULL;
}

static struct fb_status apply_planned(struct merging *m, struct event *event)
{
    const uint32_t first = m->scratch->task_count + 1;
    const uint32_t first_there = event->planned.first_task;
    struct event_planned_task *tasks =
        fb_arena_zalloc(&m->scratch_arena, m->adds + 1, sizeof(*tasks));
    struct taken_keys taken = {.count = 0};
    struct fb_status status;

    if (tasks == NULL || !taken_room(m, &taken)) {
        return merge_exhausted();
    }
    for (uint32_t i = 0; i < m->adds; i++) {
        tasks[i] = event->planned.tasks[i];
        drop_taken_key(m, &taken, &tasks[i].key, first + i);
    }
    event->planned.tasks = tasks;
    if (event->planned.plan_key.size != 0 &&
        session_plan_of(m->scratch, event->planned.plan_key) != NULL) {
        event->planned.plan_key = (struct fb_text){.size = 0};
    }
    status = number_added(m, first_there, first);
    if (fb_is_ok(status)) {
        status = add_tasks(m, event);
    }
    return fb_is_ok(status) ? tell_taken(m, &taken) : status;
}

static struct fb_status apply_imported(struct merging *m, struct event *event)
{
    const uint32_t first = m->scratch->task_count + 1;
    const uint32_t first_there = event->imported.first_task;
    struct event_imported_task *tasks =
        fb_arena_zalloc(&m->scratch_arena, m->adds + 1, sizeof(*tasks));
    struct taken_keys taken = {.count = 0};
    struct fb_status status;

    if (tasks == NULL || !taken_room(m, &taken)) {
        return merge_exhausted();
    }
    for (uint32_t i = 0; i < m->adds; i++) {
        tasks[i] = event->imported.tasks[i];
        drop_taken_key(m, &taken, &tasks[i].task.key, first + i);
    }
    event->imported.tasks = tasks;
    status = number_added(m, first_there, first);
    if (fb_is_ok(status)) {
        status = add_tasks(m, event);
    }
    return fb_is_ok(status) ? tell_taken(m, &taken) : status;
}

/* --- links --- */

static struct fb_status apply_linked(struct merging *m, struct event *event)
{
    bool done = false;
    struct fb_status status = fb_ok;

    if (event->linked.link_count > 1) {
        status = merge_try(m, event, &done);
    }
    if (fb_is_ok(status) && !done) {
        status = merge_link_each(m, event->linked.links, event->linked.link_count);
    }
    return status;
}

/* --- the session --- */

static struct fb_status apply_opened(struct merging *m, struct event *event)
{
    const uint32_t before = m->opened.origin;
    const struct fb_text name = fb_text_of(m->scratch->name);
    const struct fb_text was = {
        .data = fb_arena_copy(&m->scratch_arena, name.size == 0 ? "" : name.data, name.size),
        .size = name.size,
    };
    const bool contested = merge_writes(m, &m->opened) && before != 0;
    struct fb_status status;

    if (was.data == NULL) {
        return merge_exhausted();
    }
    status = merge_emit(m, event);
    if (fb_is_ok(status) && contested && !fb_text_equal(was, event->opened.name)) {
        status = merge_conflict(m, 0, FB_TEXT("name"), was, before - 1);
    }
    return status;
}

static struct fb_status apply_as_it_is(struct merging *m, struct event *event)
{
    return merge_emit(m, event);
}

static struct fb_status apply_if_it_may(struct merging *m, struct event *event)
{
    bool done;

    return merge_try(m, event, &done);
}

static struct fb_status apply_not(struct merging *m, struct event *event)
{
    (void)m;
    (void)event;
    return fb_ok;
}

/* --- one after the other --- */

typedef struct fb_status (*apply_fn)(struct merging *m, struct event *event);

static const apply_fn kinds[EVENT_CONFLICT + 1] = {
    [EVENT_UNKNOWN] = apply_not, /* which tasks it names is not known */
    [EVENT_OPENED] = apply_opened,      [EVENT_SEEN] = apply_as_it_is,
    [EVENT_PLANNED] = apply_planned,    [EVENT_LINKED] = apply_linked,
    [EVENT_CLAIMED] = merge_claimed,    [EVENT_NOTED] = merge_noted,
    [EVENT_RESTED] = merge_left,        [EVENT_BLOCKED] = merge_left,
    [EVENT_REQUEUED] = merge_requeued,  [EVENT_FINISHED] = merge_finished,
    [EVENT_EDITED] = merge_edited,      [EVENT_UNATTACHED] = apply_as_it_is,
    [EVENT_VERIFIED] = apply_not,       [EVENT_MUTED] = apply_not, /* are of one place */
    [EVENT_DOCUMENT] = apply_if_it_may, [EVENT_IMPORTED] = apply_imported,
    [EVENT_COMPACTED] = apply_not,      [EVENT_EXPANDED] = apply_not,
    [EVENT_MERGED] = apply_not,         [EVENT_CONFLICT] = apply_not, /* they are found anew */
};

/* A kind that is added later, and has no row, happens if it may. */
static apply_fn row_of(enum event_kind kind)
{
    return kind > EVENT_CONFLICT || kinds[kind] == NULL ? apply_if_it_may : kinds[kind];
}

static struct event_identity *identities_of(struct merging *m)
{
    const struct merge_element *element = m->element;
    struct event_identity *tasks =
        fb_arena_zalloc(&m->scratch_arena, element->task_count + 1, sizeof(*tasks));

    for (size_t i = 0; i < element->task_count && tasks != NULL; i++) {
        tasks[i].number = element->tasks[i].number;
        if (element->tasks[i].origin != element->origin) {
            tasks[i].origin = m->reading->origins.texts[element->tasks[i].origin];
        }
    }
    return tasks;
}

static struct event_known *known_of(struct merging *m)
{
    const struct merge_element *element = m->element;
    struct event_known *knows =
        fb_arena_zalloc(&m->scratch_arena, element->known_count + 1, sizeof(*knows));

    for (size_t i = 0; i < element->known_count && knows != NULL; i++) {
        knows[i].origin = m->reading->origins.texts[element->knows[i].origin];
        knows[i].sequence = element->knows[i].sequence;
    }
    return knows;
}

/* What the element's origin knows from now on. */
static void learn_known(struct merging *m)
{
    const struct merge_element *element = m->element;
    const size_t origins = m->reading->origins.count;

    for (size_t i = 0; i < element->known_count; i++) {
        uint64_t *known = &m->known[element->origin * origins + element->knows[i].origin];

        if (element->knows[i].sequence > *known) {
            *known = element->knows[i].sequence;
        }
    }
}

static struct fb_status repack(struct merging *m, size_t at, struct event *record)
{
    record->merged.follows = m->follows;
    return event_pack(record, m->arena, &m->events[at]);
}

/* Folds the record of the element and then what it becomes; how much that is, is known last. */
static struct fb_status apply_recorded(struct merging *m, struct event *event, int64_t unix_ms)
{
    struct event record = {
        .kind = EVENT_MERGED,
        .unix_ms = unix_ms,
        .merged = {.event = m->element->event,
                   .tasks = identities_of(m),
                   .task_count = m->element->task_count,
                   .knows = known_of(m),
                   .known_count = m->element->known_count},
    };
    const size_t at = m->count;
    struct fb_status status;

    if (record.merged.tasks == NULL || record.merged.knows == NULL) {
        return merge_exhausted();
    }
    learn_known(m);
    status = merge_emit(m, &record);
    m->follows = 0;
    if (fb_is_ok(status)) {
        status = row_of(event->kind)(m, event);
    }
    return fb_is_ok(status) ? repack(m, at, &record) : status;
}

static struct fb_status apply_element(struct merging *m, const struct merge_element *element)
{
    struct event event;
    struct fb_status status;

    m->element = element;
    m->lost = false;
    fb_arena_init(&m->scratch_arena, 0);
    status = event_unpack(element->event, &m->scratch_arena, &event);
    if (fb_is_ok(status)) {
        m->adds = (uint32_t)merge_adds(&event);
        status = merge_map(&event, &m->scratch_arena, number_of, m) ? fb_ok : merge_exhausted();
    }
    if (fb_is_ok(status) && m->lost) {
        status = fb_fail(FB_DATA_LOSS, "it names a task that no event has added");
    }
    if (fb_is_ok(status)) {
        status = apply_recorded(m, &event, event.unix_ms);
    }
    if (!fb_is_ok(status)) {
        status = name_event(m, status);
    }
    fb_arena_finish(&m->scratch_arena);
    return status;
}

static struct fb_status end(struct merging *m)
{
    struct event record = {.kind = EVENT_MERGED};
    const size_t at = m->count;
    struct fb_status status;

    m->element = NULL;
    if (m->scratch->in_state[TASK_ACTIVE] == 0) {
        return fb_ok;
    }
    status = merge_emit(m, &record);
    m->follows = 0;
    if (fb_is_ok(status)) {
        status = merge_end_leases(m);
    }
    return fb_is_ok(status) ? repack(m, at, &record) : status;
}

static bool begin(struct merging *m)
{
    const size_t origins = m->reading->origins.count;

    m->scratch = session_create();
    m->known = calloc(origins * origins + 1, sizeof(*m->known));
    return m->scratch != NULL && m->known != NULL;
}

struct fb_status merge_apply(const struct merge_reading *reading, struct fb_arena *arena,
                             struct merge_result *result)
{
    struct merging m = {.reading = reading, .arena = arena};
    struct fb_status status = begin(&m) ? fb_ok : merge_exhausted();
    struct fb_text *events = NULL;

    for (size_t i = 0; i < reading->count && fb_is_ok(status); i++) {
        status = apply_element(&m, &reading->elements[i]);
    }
    if (fb_is_ok(status)) {
        status = end(&m);
    }
    if (fb_is_ok(status)) {
        events = fb_arena_zalloc(arena, m.count + 1, sizeof(*events));
        if (events == NULL) {
            status = merge_exhausted();
        } else if (m.count != 0) {
            memcpy(events, m.events, m.count * sizeof(*events));
        }
    }
    result->events = events;
    result->count = m.count;
    result->conflicts = m.conflicts;
    free(m.events);
    free(m.numbers);
    free(m.tasks);
    free(m.known);
    names_finish(&m.identities);
    session_destroy(m.scratch);
    return status;
}
