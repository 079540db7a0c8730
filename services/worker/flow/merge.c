#include "services/worker/flow/merge.h"

#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/merging.h"

static struct fb_status exhausted(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to merge");
}

/* --- the union --- */

struct sorting {
    const struct merge_element *element;
    struct fb_text origin;
};

static int by_text(struct fb_text a, struct fb_text b)
{
    const size_t size = a.size < b.size ? a.size : b.size;
    const int order = memcmp(a.data, b.data, size);

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_identity(const void *a, const void *b)
{
    const struct sorting *x = a;
    const struct sorting *y = b;
    const int order = by_text(x->origin, y->origin);

    if (order != 0) {
        return order;
    }
    return (x->element->sequence > y->element->sequence) -
           (x->element->sequence < y->element->sequence);
}

static int by_lamport(const void *a, const void *b)
{
    const struct sorting *x = a;
    const struct sorting *y = b;

    if (x->element->lamport != y->element->lamport) {
        return x->element->lamport < y->element->lamport ? -1 : 1;
    }
    return by_identity(a, b);
}

/* Whether two logs say the same of an event that both have. */
static bool same_event(const struct merge_element *a, const struct merge_element *b)
{
    return a->lamport == b->lamport && fb_text_equal(a->event, b->event) &&
           a->task_count == b->task_count && a->known_count == b->known_count &&
           (a->task_count == 0 ||
            memcmp(a->tasks, b->tasks, a->task_count * sizeof(*a->tasks)) == 0);
}

/* Sorts by identity and takes out what is there twice; the count is then that of the union. */
static struct fb_status unite(struct sorting *sorted, size_t *count, struct fb_arena *arena)
{
    size_t kept = 0;

    qsort(sorted, *count, sizeof(*sorted), by_identity);
    for (size_t i = 0; i < *count; i++) {
        if (kept != 0 && by_identity(&sorted[kept - 1], &sorted[i]) == 0) {
            if (!same_event(sorted[kept - 1].element, sorted[i].element)) {
                return fb_arena_fail(arena, FB_DATA_LOSS,
                                     "event %llu of %.*s is another in the two logs: they are not "
                                     "of one history, give one of them another origin",
                                     (unsigned long long)sorted[i].element->sequence,
                                     (int)sorted[i].origin.size, sorted[i].origin.data);
            }
            continue;
        }
        sorted[kept++] = sorted[i];
    }
    *count = kept;
    qsort(sorted, kept, sizeof(*sorted), by_lamport);
    return fb_ok;
}

/* Puts the elements into the order of the union. */
static struct fb_status order(struct merge_reading *reading, struct fb_arena *arena)
{
    struct sorting *sorted = calloc(reading->count + 1, sizeof(*sorted));
    struct merge_element *elements = calloc(reading->count + 1, sizeof(*elements));
    size_t count = reading->count;
    struct fb_status status = sorted == NULL || elements == NULL ? exhausted() : fb_ok;

    for (size_t i = 0; i < reading->count && fb_is_ok(status); i++) {
        sorted[i].element = &reading->elements[i];
        sorted[i].origin = reading->origins.texts[reading->elements[i].origin];
    }
    if (fb_is_ok(status)) {
        status = unite(sorted, &count, arena);
    }
    if (!fb_is_ok(status)) {
        free(elements);
        free(sorted);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        elements[i] = *sorted[i].element;
    }
    free(sorted);
    free(reading->elements);
    reading->elements = elements;
    reading->count = count;
    reading->room = count + 1;
    return fb_ok;
}

/* Whether the two are the same but for the origins that their events name. */
static bool same_log(const struct merge_log *a, const struct merge_log *b, struct fb_arena *arena)
{
    struct fb_text *x = fb_arena_zalloc(arena, a->count + 1, sizeof(*x));
    struct fb_text *y = fb_arena_zalloc(arena, b->count + 1, sizeof(*y));

    if (a->count != b->count || x == NULL || y == NULL ||
        !fb_is_ok(merge_name_origins(a, arena, x)) || !fb_is_ok(merge_name_origins(b, arena, y))) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!fb_text_equal(x[i], y[i])) {
            return false;
        }
    }
    return true;
}

static uint32_t conflicts_in(const struct merge_log *log)
{
    uint32_t conflicts = 0;

    for (size_t i = 0; i < log->count; i++) {
        struct fb_arena arena;
        struct event event;

        fb_arena_init(&arena, 0);
        conflicts +=
            fb_is_ok(event_unpack(log->events[i], &arena, &event)) && event.kind == EVENT_CONFLICT;
        fb_arena_finish(&arena);
    }
    return conflicts;
}

static void take_first(const struct merge_log *first, struct merge_result *result)
{
    result->same = first;
    result->events = first->events;
    result->count = first->count;
    result->conflicts = conflicts_in(first);
}

/* The second log stands under the first one's origin from now on; false if it cannot. */
static bool take_second(const struct merge_log *first, const struct merge_log *second,
                        struct fb_arena *arena, struct merge_result *result)
{
    const struct fb_text *events = second->events;

    if (!fb_text_equal(first->origin, second->origin)) {
        struct fb_text *named = fb_arena_zalloc(arena, second->count + 1, sizeof(*named));

        if (named == NULL || !fb_is_ok(merge_name_origins(second, arena, named))) {
            return false;
        }
        events = named;
    }
    result->same = second;
    result->events = events;
    result->count = second->count;
    result->conflicts = conflicts_in(second);
    return true;
}

struct fb_status merge_logs(const struct merge_log *first, const struct merge_log *second,
                            struct fb_arena *arena, struct merge_result *result)
{
    struct merge_reading reading = {.arena = arena};
    struct fb_status status;
    size_t first_count;
    size_t second_count;

    *result = (struct merge_result){.events = NULL};
    if (first->count + second->count > MERGE_EVENTS_MOST) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "logs of at most 1,000,000 events can be merged");
    }
    status = merge_read(&reading, first);
    first_count = reading.count;
    if (fb_is_ok(status)) {
        status = merge_read(&reading, second);
    }
    second_count = reading.count - first_count;
    if (fb_is_ok(status)) {
        status = order(&reading, arena);
    }
    if (fb_is_ok(status)) {
        result->new_events = reading.count - first_count;
        /* Two that have the same events and yet differ are made anew, so that it does not matter
         * which comes first. */
        if (reading.count == first_count &&
            (reading.count != second_count || same_log(first, second, arena))) {
            take_first(first, result);
        } else if (reading.count != second_count || reading.count == first_count ||
                   !take_second(first, second, arena, result)) {
            status = merge_apply(&reading, arena, result);
        }
    }
    free(reading.elements);
    names_finish(&reading.origins);
    return status;
}
