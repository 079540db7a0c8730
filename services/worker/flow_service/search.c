#include "services/worker/flow_service/search.h"

#include <assert.h>
#include <stdlib.h>

enum { PEEKED_MOST = 4096, FIELDS = 6, COUNTED_MOST = 3 };

struct looking {
    const struct view *view;
    const struct search *search;
    uint8_t *behind; /* by task: it waits for where.after; NULL: not asked */
    uint8_t *ahead;  /* where.before waits for it */
    size_t bytes;    /* looked at */
};

/* --- conditions --- */

/* Marks all that waits for a task, or that it waits for, also by way of others. */
static uint8_t *mark_all(const struct view *view, uint32_t task, bool behind)
{
    const struct session *session = view->session;
    const struct graph *graph = session->graph;
    uint8_t *marks = fb_arena_zalloc(view->arena, (size_t)session->task_count + 1, 1);
    uint32_t *queue = fb_arena_zalloc(view->arena, (size_t)session->task_count + 1, sizeof(*queue));
    size_t count = 0;

    if (marks == NULL || queue == NULL) {
        return NULL;
    }
    if (session_task(session, task) != NULL) {
        queue[count++] = task;
    }
    for (size_t at = 0; at < count; at++) {
        uint32_t cursor =
            behind ? graph_first_out(graph, queue[at]) : graph_first_in(graph, queue[at]);

        while (cursor != GRAPH_NONE) {
            const struct graph_edge edge = graph_edge_at(graph, cursor);
            const uint32_t other = behind ? edge.after : edge.before;

            if (graph_holds_up(edge.kind) && marks[other] == 0) {
                marks[other] = 1;
                queue[count++] = other;
            }
            cursor = behind ? graph_next_out(graph, cursor) : graph_next_in(graph, cursor);
        }
    }
    return marks;
}

static bool has_state(const struct looking *looking, uint32_t number, const struct task *task)
{
    const struct where *where = &looking->search->where;

    if (where->states == 0 && !where->ready) {
        return true;
    }
    return (where->states >> task->state & 1) != 0 ||
           (where->ready && schedule_is_ready(looking->view->session->schedule, number));
}

static bool has_all(const struct looking *looking, uint32_t number, const struct task *task)
{
    const unsigned has = looking->search->where.has;

    return ((has & WHERE_EVIDENCE) == 0 || task->evidence_count != 0) &&
           ((has & WHERE_NOTE) == 0 || task->note != NULL) &&
           ((has & WHERE_GATE) == 0 || task->gate != NULL) &&
           ((has & WHERE_ALARM) == 0 ||
            (looking->search->alarmed != NULL && looking->search->alarmed[number] != 0));
}

static bool is_held_by(const struct session *session, const struct task *task, struct fb_text agent)
{
    return task->lease.fence != 0 &&
           fb_text_equal(session->agent_names.texts[task->lease.agent], agent);
}

static bool matches(const struct looking *looking, uint32_t number)
{
    const struct where *where = &looking->search->where;
    const struct session *session = looking->view->session;
    const struct task *task = &session->tasks[number];

    return has_state(looking, number, task) &&
           (where->agent.size == 0 || is_held_by(session, task, where->agent)) &&
           (where->key.size == 0 ||
            (task->key != NULL && fb_text_of(task->key).size >= where->key.size &&
             fb_text_equal((struct fb_text){.data = task->key, .size = where->key.size},
                           where->key))) &&
           (where->parent == 0 || task->parent == where->parent) &&
           (looking->behind == NULL || looking->behind[number] != 0) &&
           (looking->ahead == NULL || looking->ahead[number] != 0) &&
           where_in(&where->priority, task->priority) && where_in(&where->weight, task->weight) &&
           where_in(&where->number, number) &&
           (where->since_ms == 0 || task->changed_ms >= looking->view->now_ms - where->since_ms) &&
           has_all(looking, number, task);
}

/* --- words --- */

/* Where a word counts for most comes first. */
static void fields_of(const struct task *task, struct fb_text *fields)
{
    fields[0] = fb_text_of(task->title);
    fields[1] = fb_text_of(task->key);
    fields[2] = fb_text_of(task->summary);
    fields[3] = fb_text_of(task->note);
    fields[4] = fb_text_of(task->accept);
    fields[5] = fb_text_of(task->body);
}

/* How well the words match: 0 if one is missing. */
static uint32_t score(struct looking *looking, const struct task *task)
{
    static const uint32_t weights[FIELDS] = {16, 12, 6, 4, 3, 2};
    const struct words *words = &looking->search->words;
    struct fb_text fields[FIELDS];
    uint32_t sum = 0;

    fields_of(task, fields);
    for (int i = 0; i < FIELDS; i++) {
        looking->bytes += fields[i].size;
    }
    for (size_t t = 0; t < words->count; t++) {
        uint32_t of_term = 0;

        for (int i = 0; i < FIELDS; i++) {
            size_t first;
            const size_t count = words_count(&words->terms[t], fields[i], COUNTED_MOST, &first);

            of_term += weights[i] * (uint32_t)(count == 0 ? 0 : count + 1);
        }
        if (of_term == 0) {
            return 0;
        }
        sum += of_term;
    }
    return sum;
}

char *search_snippet(const struct view *view, const struct search *search, uint32_t number)
{
    struct fb_text fields[FIELDS];

    if (search->words.count == 0) {
        return (char *)"";
    }
    fields_of(&view->session->tasks[number], fields);
    /* The title is told anyway: a place behind it says more. */
    for (int i = FIELDS - 1; i >= 0; i--) {
        size_t first;

        if (words_count(&search->words.terms[0], fields[i], 1, &first) == 1) {
            return words_snippet(fields[i], first, view->arena);
        }
    }
    return (char *)"";
}

/* --- order --- */

/* The ready as they would be given, by task: place + 1, 0 for the rest; NULL: exhausted. */
static uint32_t *peek(const struct view *view, const struct search *search)
{
    uint32_t *places =
        fb_arena_zalloc(view->arena, (size_t)view->session->task_count + 1, sizeof(*places));
    uint32_t *ready = fb_arena_zalloc(view->arena, PEEKED_MOST, sizeof(*ready));
    size_t count;

    if (places == NULL || ready == NULL) {
        return NULL;
    }
    count = view_ready(view, search->agent, ready, PEEKED_MOST);
    for (size_t i = 0; i < count; i++) {
        places[ready[i]] = (uint32_t)i + 1;
    }
    return places;
}

/* Ready, then what is being done, what waits, what has ended (the last first). */
static struct search_place scheduled(const struct view *view, const uint32_t *peeked,
                                     uint32_t number)
{
    static const uint64_t classes[TASK_STATES] = {
        [TASK_QUEUED] = 4,    [TASK_ACTIVE] = 2, [TASK_BLOCKED] = 5,   [TASK_RESTING] = 3,
        [TASK_COMPLETED] = 6, [TASK_FAILED] = 6, [TASK_CANCELLED] = 6,
    };
    const struct task *task = &view->session->tasks[number];
    struct search_place place = {.first = classes[task->state], .task = number};

    assert(peeked != NULL);
    if (peeked[number] != 0) {
        place.first = 0;
        place.second = peeked[number];
    } else if (schedule_is_ready(view->session->schedule, number)) {
        place.first = 1; /* of those that the agent may not do, or that come very late */
        place.second = number;
    } else if (task_has_ended(task->state)) {
        place.second = UINT64_MAX - (uint64_t)task->changed_ms;
    } else {
        place.second = graph_position(view->session->graph, number);
    }
    return place;
}

static struct search_place place_of(const struct looking *looking, const uint32_t *peeked,
                                    uint32_t number, uint32_t points)
{
    const struct view *view = looking->view;
    const uint64_t newest = UINT64_MAX - (uint64_t)view->session->tasks[number].changed_ms;

    switch (looking->search->order) {
    case SEARCH_UPDATED:
        return (struct search_place){.first = newest, .task = number};
    case SEARCH_RANK:
        return (struct search_place){
            .first = UINT32_MAX - points, .second = newest, .task = number};
    case SEARCH_SCHEDULE:
        return scheduled(view, peeked, number);
    case SEARCH_NUMBER:
        break;
    }
    return (struct search_place){.task = number};
}

static int compare(const void *a, const void *b)
{
    const struct search_place *x = a;
    const struct search_place *y = b;

    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->second != y->second) {
        return x->second < y->second ? -1 : 1;
    }
    return x->task < y->task ? -1 : x->task > y->task;
}

size_t search_behind(const struct search_result *result, const struct search_place *place)
{
    size_t low = 0;
    size_t high = result->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (compare(&result->places[middle], place) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* --- all of it --- */

static struct fb_status collect(struct looking *looking, const uint32_t *peeked,
                                struct search_result *result)
{
    const struct session *session = looking->view->session;

    for (uint32_t i = 1; i <= session->task_count; i++) {
        uint32_t points = 0;

        if (!matches(looking, i)) {
            continue;
        }
        if (looking->search->words.count > 0) {
            points = score(looking, &session->tasks[i]);
            if (points == 0) {
                continue;
            }
        }
        if (looking->bytes > SEARCH_BYTES_MOST) {
            return fb_fail(FB_RESOURCE_EXHAUSTED,
                           "that is more than 64 MiB of text to look at: narrow it with where, as "
                           "state:open or since:7d");
        }
        result->places[result->count++] = place_of(looking, peeked, i, points);
    }
    return fb_ok;
}

struct fb_status search_run(const struct view *view, const struct search *search,
                            struct search_result *result)
{
    const struct fb_status exhausted = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to search");
    struct looking looking = {.view = view, .search = search};
    uint32_t *peeked = NULL;
    struct fb_status status;

    *result = (struct search_result){.count = 0};
    result->places = fb_arena_zalloc(view->arena, (size_t)view->session->task_count + 1,
                                     sizeof(*result->places));
    if (result->places == NULL) {
        return exhausted;
    }
    if (search->where.after != 0 &&
        (looking.behind = mark_all(view, search->where.after, true)) == NULL) {
        return exhausted;
    }
    if (search->where.before != 0 &&
        (looking.ahead = mark_all(view, search->where.before, false)) == NULL) {
        return exhausted;
    }
    if (search->order == SEARCH_SCHEDULE && (peeked = peek(view, search)) == NULL) {
        return exhausted;
    }
    status = collect(&looking, peeked, result);
    qsort(result->places, result->count, sizeof(*result->places), compare);
    return status;
}
