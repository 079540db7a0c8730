#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/merging.h"

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to merge");
}

/* --- the tasks that an event names --- */

size_t merge_adds(const struct event *event)
{
    switch (event->kind) {
    case EVENT_PLANNED:
        return event->planned.task_count;
    case EVENT_IMPORTED:
        return event->imported.task_count;
    default:
        return 0;
    }
}

static bool map_links(const struct event_link **links, size_t count, struct fb_arena *arena,
                      merge_map_fn map, void *arg)
{
    struct event_link *mapped = fb_arena_zalloc(arena, count + 1, sizeof(*mapped));

    for (size_t i = 0; i < count && mapped != NULL; i++) {
        mapped[i] = (*links)[i];
        mapped[i].task = map(arg, mapped[i].task);
        mapped[i].on = map(arg, mapped[i].on);
    }
    *links = mapped;
    return mapped != NULL;
}

static bool map_compacted(struct event *event, struct fb_arena *arena, merge_map_fn map, void *arg)
{
    const size_t count = event->compacted.task_count;
    uint32_t *tasks = fb_arena_zalloc(arena, count + 1, sizeof(*tasks));

    for (size_t i = 0; i < count && tasks != NULL; i++) {
        tasks[i] = map(arg, event->compacted.tasks[i]);
    }
    event->compacted.tasks = tasks;
    return tasks != NULL;
}

static bool map_expanded(struct event *event, struct fb_arena *arena, merge_map_fn map, void *arg)
{
    const size_t count = event->expanded.task_count;
    struct event_expanded_task *tasks = fb_arena_zalloc(arena, count + 1, sizeof(*tasks));

    for (size_t i = 0; i < count && tasks != NULL; i++) {
        tasks[i] = event->expanded.tasks[i];
        tasks[i].task = map(arg, tasks[i].task);
    }
    event->expanded.tasks = tasks;
    return tasks != NULL;
}

bool merge_map(struct event *event, struct fb_arena *arena, merge_map_fn map, void *arg)
{
    if (event->task != 0) {
        event->task = map(arg, event->task);
    }
    switch (event->kind) {
    case EVENT_PLANNED:
        return map_links(&event->planned.links, event->planned.link_count, arena, map, arg);
    case EVENT_IMPORTED:
        return map_links(&event->imported.links, event->imported.link_count, arena, map, arg);
    case EVENT_LINKED:
        return map_links(&event->linked.links, event->linked.link_count, arena, map, arg);
    case EVENT_BLOCKED:
        event->blocked.blocker = event->blocked.blocker == 0 ? 0 : map(arg, event->blocked.blocker);
        return true;
    case EVENT_COMPACTED:
        return map_compacted(event, arena, map, arg);
    case EVENT_EXPANDED:
        return map_expanded(event, arena, map, arg);
    default:
        return true;
    }
}

/* --- one log --- */

/* What has been read of a log so far. */
struct log_so_far {
    struct merge_reading *reading;
    uint32_t origin; /* of the log */
    uint64_t lamport;
    struct merge_identity *tasks; /* by number */
    uint32_t task_count;
    uint32_t task_room;
    uint64_t seen[MERGE_ORIGINS_MOST];   /* the last sequence of each origin in the log */
    uint64_t *known[MERGE_ORIGINS_MOST]; /* of each origin: what it has said that it knows */
};

static bool number_task(struct log_so_far *log, struct merge_identity identity)
{
    if (log->task_count + 1 >= log->task_room) {
        const uint32_t room = log->task_room == 0 ? 64 : 2 * log->task_room;
        struct merge_identity *tasks = realloc(log->tasks, room * sizeof(*tasks));

        if (tasks == NULL) {
            return false;
        }
        log->tasks = tasks;
        log->task_room = room;
    }
    log->tasks[++log->task_count] = identity;
    return true;
}

static bool origin_of(struct merge_reading *reading, struct fb_text name, uint32_t *origin)
{
    *origin = names_add(&reading->origins, name);
    return *origin != NAMES_NONE && *origin < MERGE_ORIGINS_MOST;
}

static struct fb_status too_many_origins(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "logs of at most 256 origins can be merged");
}

static struct fb_status no_log(const struct log_so_far *log, size_t at, const char *why)
{
    const struct fb_text origin = log->reading->origins.texts[log->origin];

    return fb_arena_fail(log->reading->arena, FB_DATA_LOSS, "event %zu of %.*s: %s", at + 1,
                         (int)origin.size, origin.data, why);
}

static struct merge_element *add_element(struct merge_reading *reading)
{
    if (reading->count == reading->room) {
        const size_t room = reading->room == 0 ? 256 : 2 * reading->room;
        struct merge_element *elements = realloc(reading->elements, room * sizeof(*elements));

        if (elements == NULL) {
            return NULL;
        }
        reading->elements = elements;
        reading->room = room;
    }
    reading->elements[reading->count] = (struct merge_element){.origin = 0};
    return &reading->elements[reading->count++];
}

/* What an origin has said that it knows; NULL when memory is exhausted. */
static uint64_t *known_of(struct log_so_far *log, uint32_t origin)
{
    if (log->known[origin] == NULL) {
        log->known[origin] = calloc(MERGE_ORIGINS_MOST, sizeof(uint64_t));
    }
    return log->known[origin];
}

static bool note_seen(struct log_so_far *log, const struct merge_element *element)
{
    uint64_t *known = known_of(log, element->origin);

    if (known == NULL) {
        return false;
    }
    if (element->sequence > log->seen[element->origin]) {
        log->seen[element->origin] = element->sequence;
    }
    if (element->lamport > log->lamport) {
        log->lamport = element->lamport;
    }
    for (size_t i = 0; i < element->known_count; i++) {
        if (element->knows[i].sequence > known[element->knows[i].origin]) {
            known[element->knows[i].origin] = element->knows[i].sequence;
        }
    }
    return true;
}

/* --- events that were merged before --- */

static bool copy_identities(struct merge_reading *reading, const struct event *event,
                            struct merge_element *element)
{
    const size_t count = event->merged.task_count;
    struct merge_identity *tasks = fb_arena_zalloc(reading->arena, count + 1, sizeof(*tasks));

    for (size_t i = 0; i < count && tasks != NULL; i++) {
        tasks[i].origin = element->origin;
        tasks[i].number = event->merged.tasks[i].number;
        if (event->merged.tasks[i].origin.size != 0 &&
            !origin_of(reading, event->merged.tasks[i].origin, &tasks[i].origin)) {
            return false;
        }
    }
    element->tasks = tasks;
    element->task_count = count;
    return tasks != NULL;
}

static bool copy_known(struct merge_reading *reading, const struct event *event,
                       struct merge_element *element)
{
    const size_t count = event->merged.known_count;
    struct merge_known *knows = fb_arena_zalloc(reading->arena, count + 1, sizeof(*knows));

    for (size_t i = 0; i < count && knows != NULL; i++) {
        knows[i].sequence = event->merged.knows[i].sequence;
        if (!origin_of(reading, event->merged.knows[i].origin, &knows[i].origin)) {
            return false;
        }
    }
    element->knows = knows;
    element->known_count = count;
    return knows != NULL;
}

/* The tasks that a merged event added, as they are numbered in this log. */
static struct fb_status number_followers(struct log_so_far *log, const struct merge_log *from,
                                         size_t at, uint32_t follows, uint32_t origin,
                                         uint32_t first)
{
    struct fb_status status = fb_ok;

    for (uint32_t i = 1; i <= follows && fb_is_ok(status); i++) {
        struct fb_arena arena;
        struct event event;

        fb_arena_init(&arena, 0);
        status = event_unpack(from->events[at + i], &arena, &event);
        for (size_t j = 0; fb_is_ok(status) && j < merge_adds(&event); j++) {
            const struct merge_identity identity = {.origin = origin, .number = first++};

            status = number_task(log, identity) ? fb_ok : exhausted();
        }
        fb_arena_finish(&arena);
    }
    return status;
}

static uint32_t first_of(const struct event *event)
{
    return event->kind == EVENT_PLANNED ? event->planned.first_task : event->imported.first_task;
}

static struct fb_status read_merged(struct log_so_far *log, const struct merge_log *from, size_t at,
                                    const struct event *event)
{
    struct merge_reading *reading = log->reading;
    struct merge_element *element = add_element(reading);
    struct fb_arena arena;
    struct event was;
    struct fb_status status;

    if (element == NULL) {
        return exhausted();
    }
    if (event->origin.size == 0 || !origin_of(reading, event->origin, &element->origin) ||
        !copy_identities(reading, event, element) || !copy_known(reading, event, element)) {
        return too_many_origins();
    }
    element->sequence = event->origin_sequence;
    element->lamport = event->lamport;
    element->event.data =
        fb_arena_copy(reading->arena, event->merged.event.data, event->merged.event.size);
    element->event.size = event->merged.event.size;
    if (element->event.data == NULL || !note_seen(log, element)) {
        return exhausted();
    }
    fb_arena_init(&arena, 0);
    status = event_unpack(element->event, &arena, &was);
    if (fb_is_ok(status) && merge_adds(&was) != 0) {
        status =
            number_followers(log, from, at, event->merged.follows, element->origin, first_of(&was));
    } else if (!fb_is_ok(status)) {
        status = no_log(log, at, "what was merged is no event");
    }
    fb_arena_finish(&arena);
    return status;
}

/* --- events of the log itself --- */

/* Numbers of the log become indices. */
struct naming {
    const struct log_so_far *log;
    struct merge_identity *tasks;
    size_t count;
    size_t room;
    uint32_t first; /* of those that the event adds */
    size_t adds;
    bool failed;
};

static uint32_t index_of(void *arg, uint32_t task)
{
    struct naming *naming = arg;

    if (task >= naming->first && task - naming->first < naming->adds) {
        return task - naming->first + 1;
    }
    if (task == 0 || task > naming->log->task_count) {
        naming->failed = true;
        return 1;
    }
    for (size_t i = naming->count; i > 0 && i + 8 > naming->count; i--) {
        if (memcmp(&naming->tasks[i - 1], &naming->log->tasks[task], sizeof(*naming->tasks)) == 0) {
            return (uint32_t)(naming->adds + i);
        }
    }
    if (naming->count == naming->room) {
        const size_t room = naming->room == 0 ? 16 : 2 * naming->room;
        struct merge_identity *tasks = realloc(naming->tasks, room * sizeof(*tasks));

        if (tasks == NULL) {
            naming->failed = true;
            return 1;
        }
        naming->tasks = tasks;
        naming->room = room;
    }
    naming->tasks[naming->count++] = naming->log->tasks[task];
    return (uint32_t)(naming->adds + naming->count);
}

/*
 * What the event's origin knows now and has not said yet: an event was made at the end of the log, so it knows
 * of all that stands before it.
 */
static bool tell_known(struct log_so_far *log, struct merge_element *element)
{
    struct merge_reading *reading = log->reading;
    const uint32_t origins = reading->origins.count;
    struct merge_known *knows = fb_arena_zalloc(reading->arena, origins + 1, sizeof(*knows));
    const uint64_t *known = known_of(log, element->origin);

    if (knows == NULL || known == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < origins; i++) {
        if (i != element->origin && log->seen[i] > known[i]) {
            knows[element->known_count++] =
                (struct merge_known){.origin = i, .sequence = log->seen[i]};
        }
    }
    element->knows = knows;
    return true;
}

static struct fb_status name_tasks(struct log_so_far *log, size_t at, struct event *event,
                                   struct merge_element *element)
{
    struct merge_reading *reading = log->reading;
    struct naming naming = {
        .log = log,
        .first = merge_adds(event) == 0 ? 0 : first_of(event),
        .adds = merge_adds(event),
    };
    struct merge_identity *kept;
    bool mapped;

    if (naming.adds != 0 && naming.first != log->task_count + 1) {
        return no_log(log, at, "its tasks are not the next ones");
    }
    mapped = merge_map(event, reading->arena, index_of, &naming);
    kept = fb_arena_zalloc(reading->arena, naming.count + 1, sizeof(*kept));
    if (kept != NULL && naming.count != 0) {
        memcpy(kept, naming.tasks, naming.count * sizeof(*kept));
    }
    free(naming.tasks);
    if (!mapped || kept == NULL) {
        return exhausted();
    }
    if (naming.failed) {
        return no_log(log, at, "it names a task that there is not");
    }
    element->tasks = kept;
    element->task_count = naming.count;
    for (size_t i = 0; i < naming.adds; i++) {
        const struct merge_identity identity = {.origin = element->origin,
                                                .number = naming.first + (uint32_t)i};

        if (!number_task(log, identity)) {
            return exhausted();
        }
    }
    return fb_ok;
}

static struct fb_status read_own(struct log_so_far *log, size_t at, struct event *event)
{
    struct merge_reading *reading = log->reading;
    struct merge_element *element = add_element(reading);
    struct fb_status status;

    if (element == NULL) {
        return exhausted();
    }
    element->origin = log->origin;
    if (event->origin.size != 0 && !origin_of(reading, event->origin, &element->origin)) {
        return too_many_origins();
    }
    /* Not its place in the log, which merging changes. */
    element->sequence =
        event->origin_sequence == 0 ? log->seen[element->origin] + 1 : event->origin_sequence;
    element->lamport = event->lamport == 0 ? log->lamport + 1 : event->lamport;
    if (!tell_known(log, element)) {
        return exhausted();
    }
    status = name_tasks(log, at, event, element);
    if (!fb_is_ok(status)) {
        return status;
    }
    if (event->kind != EVENT_UNKNOWN) {
        event->origin = (struct fb_text){.size = 0};
        event->origin_sequence = 0;
        event->lamport = 0;
    }
    status = event_pack(event, reading->arena, &element->event);
    if (fb_is_ok(status) && event->kind == EVENT_UNKNOWN) {
        element->event.data =
            fb_arena_copy(reading->arena, element->event.data, element->event.size);
        status = element->event.data == NULL ? exhausted() : fb_ok;
    }
    return !fb_is_ok(status) || note_seen(log, element) ? status : exhausted();
}

static struct fb_status read_event(struct log_so_far *log, const struct merge_log *from, size_t *at)
{
    struct fb_arena arena;
    struct event event;
    struct fb_status status;

    fb_arena_init(&arena, 0);
    status = event_unpack(from->events[*at], &arena, &event);
    if (!fb_is_ok(status)) {
        status = no_log(log, *at, status.why);
    } else if (event.kind != EVENT_MERGED) {
        status = read_own(log, *at, &event);
    } else if (event.merged.follows >= from->count - *at) {
        status = no_log(log, *at, "what follows a merged event is missing");
    } else {
        if (event.merged.event.size != 0) {
            status = read_merged(log, from, *at, &event);
        }
        *at += event.merged.follows;
    }
    fb_arena_finish(&arena);
    return status;
}

struct fb_status merge_read(struct merge_reading *reading, const struct merge_log *log)
{
    struct log_so_far *so_far = calloc(1, sizeof(*so_far));
    struct fb_status status = fb_ok;

    if (so_far == NULL) {
        return exhausted();
    }
    so_far->reading = reading;
    if (log->origin.size == 0 || log->origin.size > EVENT_ORIGIN_BYTES) {
        status = fb_fail(FB_INVALID_ARGUMENT, "origin: 1 to 128 bytes for each log");
    } else if (!origin_of(reading, log->origin, &so_far->origin)) {
        status = too_many_origins();
    }
    for (size_t i = 0; i < log->count && fb_is_ok(status); i++) {
        status = read_event(so_far, log, &i);
    }
    for (uint32_t i = 0; i < MERGE_ORIGINS_MOST; i++) {
        free(so_far->known[i]);
    }
    free(so_far->tasks);
    free(so_far);
    return status;
}

/* --- origins said --- */

/* The event with what is known of it, unless it says so itself. */
static struct fb_status say_origin(const struct merge_reading *reading,
                                   const struct merge_element *element, struct event *event,
                                   struct fb_arena *arena, struct fb_text *bytes)
{
    if (event->kind == EVENT_UNKNOWN) {
        return fb_fail(FB_UNIMPLEMENTED, "an event of a later version cannot say its origin");
    }
    event->origin = reading->origins.texts[element->origin];
    event->origin_sequence = element->sequence;
    event->lamport = element->lamport;
    return event_pack(event, arena, bytes);
}

struct fb_status merge_name_origins(const struct merge_log *log, struct fb_arena *arena,
                                    struct fb_text *events)
{
    struct merge_reading reading = {.arena = arena};
    struct fb_status status = merge_read(&reading, log);
    const struct merge_element *element = reading.elements;
    size_t follows = 0;

    for (size_t i = 0; i < log->count && fb_is_ok(status); i++) {
        struct fb_arena scratch;
        struct event event;

        fb_arena_init(&scratch, 0);
        status = event_unpack(log->events[i], &scratch, &event);
        if (fb_is_ok(status) && (follows != 0 || event.kind == EVENT_MERGED)) {
            events[i].size = log->events[i].size;
            events[i].data = fb_arena_copy(arena, log->events[i].data, log->events[i].size);
            status = events[i].data == NULL ? exhausted() : fb_ok;
            follows = follows != 0 ? follows - 1 : event.merged.follows;
            element += event.kind == EVENT_MERGED && event.merged.event.size != 0;
        } else if (fb_is_ok(status)) {
            status = say_origin(&reading, element++, &event, arena, &events[i]);
        }
        fb_arena_finish(&scratch);
    }
    free(reading.elements);
    names_finish(&reading.origins);
    return status;
}
