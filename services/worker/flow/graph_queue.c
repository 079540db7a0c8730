#include "services/worker/flow/graph_parts.h"

void graph_queue_push(struct graph *graph, uint32_t position)
{
    uint32_t *queue = graph->queue;
    uint32_t i = graph->queue_count++;

    while (i > 0 && queue[(i - 1) / 2] < position) {
        queue[i] = queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    queue[i] = position;
}

uint32_t graph_queue_pop(struct graph *graph)
{
    uint32_t *queue = graph->queue;
    uint32_t top = queue[0];
    uint32_t count = --graph->queue_count;
    uint32_t last = queue[count];
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= count) {
            break;
        }
        if (child + 1 < count && queue[child + 1] > queue[child]) {
            child++;
        }
        if (queue[child] <= last) {
            break;
        }
        queue[i] = queue[child];
        i = child;
    }
    queue[i] = last;
    return top;
}

void graph_queue_push_node(struct graph *graph, uint32_t node)
{
    if (!(graph->flags[node] & NODE_SEEN)) {
        graph->flags[node] |= NODE_SEEN;
        graph_queue_push(graph, graph->position[node]);
    }
}

uint32_t graph_queue_pop_node(struct graph *graph)
{
    uint32_t node = graph->at[graph_queue_pop(graph)];

    graph->flags[node] &= (uint8_t)~NODE_SEEN;
    return node;
}
