#include "services/worker/flow/graph_parts.h"

uint64_t graph_level_of(const struct graph *graph, uint32_t node)
{
    uint64_t most_ms = 0;

    if (!(graph->flags[node] & NODE_OPEN)) {
        return 0;
    }
    for (uint32_t id = graph->first_out[node]; id != GRAPH_NONE; id = graph->links[id].next_out) {
        uint64_t level_ms = graph->level_ms[graph->links[id].after];

        if (level_ms > most_ms && graph_link_holds_up(graph, id)) {
            most_ms = level_ms;
        }
    }
    return graph->effort_ms[node] + most_ms;
}

void graph_publish_level(struct graph *graph, uint32_t node)
{
    if (graph->flags[node] & NODE_OPEN) {
        heap_put(&graph->levels, node, (double)graph->level_ms[node]);
    } else {
        heap_remove(&graph->levels, node);
    }
    if (graph->on_level != NULL) {
        graph->on_level(graph->on_level_arg, node, graph->level_ms[node]);
    }
}

/*
 * The queue hands out the last in order first, so everything that a node's level is made of is final
 * when its turn comes, and each is looked at once.
 */
static void raise_level(struct graph *graph, uint32_t node, uint64_t level_ms)
{
    graph->level_ms[node] = level_ms;
    graph_queue_push_node(graph, node);
    while (graph->queue_count > 0) {
        uint32_t raised = graph_queue_pop_node(graph);

        graph_publish_level(graph, raised);
        for (uint32_t id = graph->first_in[raised]; id != GRAPH_NONE;
             id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;
            uint64_t through_ms = graph->effort_ms[before] + graph->level_ms[raised];

            if (graph->flags[before] & NODE_OPEN && graph_link_holds_up(graph, id) &&
                through_ms > graph->level_ms[before]) {
                graph->level_ms[before] = through_ms;
                graph_queue_push_node(graph, before);
            }
        }
    }
}

static void lower_level(struct graph *graph, uint32_t node)
{
    graph_queue_push_node(graph, node);
    while (graph->queue_count > 0) {
        uint32_t lowered = graph_queue_pop_node(graph);
        uint64_t was_ms = graph->level_ms[lowered];
        uint64_t is_ms = graph_level_of(graph, lowered);

        if (is_ms == was_ms) {
            continue;
        }
        graph->level_ms[lowered] = is_ms;
        graph_publish_level(graph, lowered);
        for (uint32_t id = graph->first_in[lowered]; id != GRAPH_NONE;
             id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;

            if (graph->flags[before] & NODE_OPEN && graph_link_holds_up(graph, id) &&
                graph->effort_ms[before] + was_ms == graph->level_ms[before]) {
                graph_queue_push_node(graph, before);
            }
        }
    }
}

void graph_repair_level(struct graph *graph, uint32_t node)
{
    uint64_t is_ms = graph_level_of(graph, node);

    if (is_ms > graph->level_ms[node]) {
        raise_level(graph, node, is_ms);
    } else if (is_ms < graph->level_ms[node]) {
        lower_level(graph, node);
    }
}
