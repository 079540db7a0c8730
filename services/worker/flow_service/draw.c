#include "services/worker/flow_service/draw.h"

#include <assert.h>
#include <stdlib.h>

#include "services/worker/flow_service/draw_parts.h"

const char *picture_state(const struct picture *picture, uint32_t task)
{
    return schedule_is_ready(picture->session->schedule, task)
               ? "ready"
               : task_state_name(picture->session->tasks[task].state);
}

const char *picture_link_name(enum graph_kind kind)
{
    static const char *const names[GRAPH_KINDS] = {
        [GRAPH_AFTER] = "after",   [GRAPH_ENDS] = "ends", [GRAPH_ON_FAIL] = "on_fail",
        [GRAPH_PARENT] = "parent", [GRAPH_FROM] = "from", [GRAPH_DUP] = "dup",
    };

    assert(kind < GRAPH_KINDS);
    return names[kind];
}

static bool follows_critically(const struct picture *picture, const struct graph_edge *edge)
{
    const uint32_t before = picture->places[edge->before];
    const uint32_t after = picture->places[edge->after];

    if (!graph_holds_up(edge->kind) || !picture->nodes[before - 1].critical ||
        !picture->nodes[after - 1].critical) {
        return false;
    }
    for (uint32_t i = 0; i + 1 < picture->critical_count; i++) {
        if (picture->critical[i] == edge->before) {
            return picture->critical[i + 1] == edge->after;
        }
    }
    return false;
}

void picture_each_link(const struct picture *picture, picture_link_fn *fn, void *arg)
{
    const struct graph *graph = picture->session->graph;

    for (uint32_t i = 0; i < picture->count; i++) {
        for (uint32_t cursor = graph_first_in(graph, picture->nodes[i].task); cursor != GRAPH_NONE;
             cursor = graph_next_in(graph, cursor)) {
            const struct graph_edge edge = graph_edge_at(graph, cursor);

            if (picture->places[edge.before] != 0) {
                fn(arg, &edge, follows_critically(picture, &edge));
            }
        }
    }
}

/* --- which tasks --- */

/* Marks all that hangs together with a task, by whatever links. */
static bool mark_around(const struct session *session, uint32_t task, struct fb_arena *arena,
                        uint32_t *places)
{
    const struct graph *graph = session->graph;
    uint32_t *queue = fb_arena_zalloc(arena, session->task_count, sizeof(*queue));
    uint32_t ready = 0;

    if (queue == NULL) {
        return false;
    }
    queue[ready++] = task;
    places[task] = 1;
    for (uint32_t at = 0; at < ready; at++) {
        for (int way = 0; way < 2; way++) {
            uint32_t cursor =
                way == 0 ? graph_first_in(graph, queue[at]) : graph_first_out(graph, queue[at]);

            while (cursor != GRAPH_NONE) {
                const struct graph_edge edge = graph_edge_at(graph, cursor);
                const uint32_t other = way == 0 ? edge.before : edge.after;

                if (places[other] == 0) {
                    places[other] = 1;
                    queue[ready++] = other;
                }
                cursor = way == 0 ? graph_next_in(graph, cursor) : graph_next_out(graph, cursor);
            }
        }
    }
    return true;
}

struct candidate {
    uint64_t level_ms;
    uint32_t task;
};

static int by_level(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->level_ms != y->level_ms) {
        return x->level_ms > y->level_ms ? -1 : 1;
    }
    return x->task < y->task ? -1 : x->task > y->task;
}

static bool choose(struct picture *picture, const struct draw_wish *wish, struct fb_arena *arena)
{
    const struct session *session = picture->session;
    struct candidate *candidates =
        fb_arena_zalloc(arena, (size_t)session->task_count + 1, sizeof(*candidates));
    uint32_t most = wish->tasks_most == 0 ? DRAW_TASKS : wish->tasks_most;
    uint32_t count = 0;

    if (candidates == NULL) {
        return false;
    }
    for (uint32_t task = 1; task <= session->task_count; task++) {
        if ((wish->around == 0 || picture->places[task] != 0) &&
            !(wish->open_only && task_has_ended(session->tasks[task].state))) {
            candidates[count++] =
                (struct candidate){.level_ms = graph_level_ms(session->graph, task), .task = task};
        }
        picture->places[task] = 0;
    }
    qsort(candidates, count, sizeof(*candidates), by_level);
    most = most > DRAW_TASKS_MOST ? DRAW_TASKS_MOST : most;
    picture->count = count < most ? count : most;
    picture->left_out = count - picture->count;
    picture->nodes = fb_arena_zalloc(arena, (size_t)picture->count + 1, sizeof(*picture->nodes));
    if (picture->nodes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < picture->count; i++) {
        picture->nodes[i].task = candidates[i].task;
        picture->places[candidates[i].task] = i + 1;
    }
    return true;
}

/* --- the longest chain --- */

/* The open task behind `task` with the greatest level, which is what its own rests on; 0: none. */
static uint32_t next_critical(const struct session *session, uint32_t task)
{
    const struct graph *graph = session->graph;
    uint64_t best_ms = 0;
    uint32_t best = 0;

    for (uint32_t cursor = graph_first_out(graph, task); cursor != GRAPH_NONE;
         cursor = graph_next_out(graph, cursor)) {
        const struct graph_edge edge = graph_edge_at(graph, cursor);
        const uint64_t level_ms = graph_level_ms(graph, edge.after);

        if (graph_holds_up(edge.kind) && graph_is_open(graph, edge.after) &&
            (best == 0 || level_ms > best_ms || (level_ms == best_ms && edge.after < best))) {
            best_ms = level_ms;
            best = edge.after;
        }
    }
    return best;
}

/* Begins at the first node, which has the greatest level of those that may be shown. */
static bool find_critical(struct picture *picture, struct fb_arena *arena)
{
    const struct session *session = picture->session;
    uint32_t count = 0;
    uint32_t *tasks;
    uint32_t first;

    if (picture->count == 0 || !graph_is_open(session->graph, picture->nodes[0].task)) {
        return true;
    }
    first = picture->nodes[0].task;
    for (uint32_t task = first; task != 0; task = next_critical(session, task)) {
        count++;
    }
    tasks = fb_arena_zalloc(arena, count, sizeof(*tasks));
    if (tasks == NULL) {
        return false;
    }
    picture->critical = tasks;
    picture->critical_count = count;
    for (uint32_t task = first; task != 0; task = next_critical(session, task)) {
        *tasks++ = task;
        if (picture->places[task] != 0) {
            picture->nodes[picture->places[task] - 1].critical = true;
        }
    }
    return true;
}

/* --- layers --- */

struct placed {
    struct picture_node node;
    uint32_t position; /* in the order of the graph; then the place beside its neighbours */
};

static int by_position(const void *a, const void *b)
{
    const struct placed *x = a;
    const struct placed *y = b;

    return x->position < y->position ? -1 : x->position > y->position;
}

static int by_layer(const void *a, const void *b)
{
    const struct placed *x = a;
    const struct placed *y = b;

    if (x->node.layer != y->node.layer) {
        return x->node.layer < y->node.layer ? -1 : 1;
    }
    if (x->position != y->position) {
        return x->position < y->position ? -1 : 1;
    }
    return x->node.task < y->node.task ? -1 : x->node.task > y->node.task;
}

/* In the order of the graph all that holds a task up has its layer already. */
static void find_layer(const struct picture *picture, struct placed *all, struct placed *placed)
{
    const struct graph *graph = picture->session->graph;

    for (uint32_t cursor = graph_first_in(graph, placed->node.task); cursor != GRAPH_NONE;
         cursor = graph_next_in(graph, cursor)) {
        const struct graph_edge edge = graph_edge_at(graph, cursor);
        const uint32_t place = picture->places[edge.before];

        if (place != 0 && graph_holds_up(edge.kind) &&
            all[place - 1].node.layer >= placed->node.layer) {
            placed->node.layer = all[place - 1].node.layer + 1;
        }
    }
}

/* Where its neighbours in the layers before stand, on average, so that few links cross. */
static uint32_t beside(const struct picture *picture, const struct placed *all,
                       const struct placed *placed)
{
    const struct graph *graph = picture->session->graph;
    uint64_t sum = 0;
    uint32_t count = 0;

    for (uint32_t cursor = graph_first_in(graph, placed->node.task); cursor != GRAPH_NONE;
         cursor = graph_next_in(graph, cursor)) {
        const uint32_t place = picture->places[graph_edge_at(graph, cursor).before];

        if (place != 0 && all[place - 1].node.layer < placed->node.layer) {
            sum += all[place - 1].position;
            count++;
        }
    }
    return count == 0 ? placed->node.task : (uint32_t)(sum / count);
}

static void index_places(const struct picture *picture, const struct placed *all)
{
    for (uint32_t i = 0; i < picture->count; i++) {
        picture->places[all[i].node.task] = i + 1;
    }
}

static bool lay_out(struct picture *picture, struct fb_arena *arena)
{
    struct placed *all = fb_arena_zalloc(arena, (size_t)picture->count + 1, sizeof(*all));

    if (all == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < picture->count; i++) {
        all[i].node = picture->nodes[i];
        all[i].position = graph_position(picture->session->graph, all[i].node.task);
    }
    qsort(all, picture->count, sizeof(*all), by_position);
    index_places(picture, all);
    for (uint32_t i = 0; i < picture->count; i++) {
        find_layer(picture, all, &all[i]);
    }
    for (uint32_t i = 0; i < picture->count; i++) {
        all[i].position = beside(picture, all, &all[i]);
    }
    qsort(all, picture->count, sizeof(*all), by_layer);
    index_places(picture, all);
    for (uint32_t i = 0; i < picture->count; i++) {
        picture->nodes[i] = all[i].node;
    }
    return true;
}

/* --- all of it --- */

static bool compose(struct picture *picture, const struct draw_wish *wish, struct fb_arena *arena)
{
    picture->places =
        fb_arena_zalloc(arena, (size_t)picture->session->task_count + 1, sizeof(*picture->places));
    return picture->places != NULL &&
           (wish->around == 0 ||
            mark_around(picture->session, wish->around, arena, picture->places)) &&
           choose(picture, wish, arena) && find_critical(picture, arena) && lay_out(picture, arena);
}

static void write_picture(const struct picture *picture, enum draw_format format,
                          struct fb_arena *arena, struct fb_buffer *out)
{
    switch (format) {
    case DRAW_SVG:
        draw_svg(picture, arena, out);
        break;
    case DRAW_JSON:
        draw_json(picture, out);
        break;
    case DRAW_DOT:
    case DRAW_FORMATS:
        draw_dot(picture, out);
        break;
    }
}

struct fb_status draw(struct session *session, const struct draw_wish *wish, struct fb_arena *arena,
                      struct drawing *drawing)
{
    struct picture picture = {.session = session};
    struct fb_buffer out = {.limit_bytes = DRAW_BYTES_MOST};
    const char *bytes;

    if (wish->around != 0 && session_task(session, wish->around) == NULL) {
        return fb_arena_fail(arena, FB_NOT_FOUND, "there is no task %u to draw around",
                             wish->around);
    }
    if (!compose(&picture, wish, arena)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the picture");
    }
    write_picture(&picture, wish->format, arena, &out);
    bytes = out.failed ? NULL : fb_arena_copy(arena, out.data, out.size);
    *drawing = (struct drawing){
        .bytes = {.data = bytes, .size = out.size},
        .left_out = picture.left_out,
        .critical = picture.critical,
        .critical_count = picture.critical_count,
    };
    fb_buffer_finish(&out);
    return bytes == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED,
                                   "the picture is too large: ask for fewer tasks with tasks_most, "
                                   "open_only or around")
                         : fb_ok;
}
