#include "services/worker/flow_service/effects.h"

enum { LOOKED_AT_MOST = 4096, REACHED_MOST = 256 };

/* A walk that goes on only through what has changed. */
struct walk {
    const struct session *session;
    uint64_t before;
    uint32_t reached[REACHED_MOST];
    size_t count;
    uint32_t looked_at;
};

static void reach(struct walk *walk, uint32_t task)
{
    if (walk->session->tasks[task].changed_event <= walk->before || walk->count == REACHED_MOST) {
        return;
    }
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->reached[i] == task) {
            return;
        }
    }
    walk->reached[walk->count++] = task;
}

static void look_around(struct walk *walk, uint32_t task)
{
    const struct graph *graph = walk->session->graph;

    for (uint32_t cursor = graph_first_out(graph, task);
         cursor != GRAPH_NONE && walk->looked_at < LOOKED_AT_MOST;
         cursor = graph_next_out(graph, cursor)) {
        reach(walk, graph_edge_at(graph, cursor).after);
        walk->looked_at++;
    }
    for (uint32_t cursor = graph_first_in(graph, task);
         cursor != GRAPH_NONE && walk->looked_at < LOOKED_AT_MOST;
         cursor = graph_next_in(graph, cursor)) {
        reach(walk, graph_edge_at(graph, cursor).before);
        walk->looked_at++;
    }
}

Flowbalancer__V1__FlowTask **effects_of(const struct view *view, uint32_t task, uint64_t before,
                                        bool with_it, size_t *count)
{
    struct walk walk = {.session = view->session, .before = before, .reached = {task}, .count = 1};
    const size_t first = with_it ? 0 : 1;

    for (size_t at = 0; at < walk.count; at++) {
        look_around(&walk, walk.reached[at]);
    }
    *count = walk.count - first < EFFECTS_MOST ? walk.count - first : EFFECTS_MOST;
    return view_tasks(view, walk.reached + first, *count);
}
