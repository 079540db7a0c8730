#include "services/worker/flow/graph_parts.h"

#include <stdlib.h>

static int compare_positions(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return (*x > *y) - (*x < *y);
}

/*
 * Into `found`, from its start: what waits for `node`, itself first, no further in order than `upper`.
 * Stops when it has met the node that stands there. `via` leads back.
 */
static uint32_t search_forward(struct graph *graph, uint32_t node, uint32_t upper, bool *met)
{
    uint32_t count = 0;

    *met = false;
    graph->found[count++] = node;
    graph->flags[node] |= NODE_SEEN;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t id = graph->first_out[graph->found[i]]; id != GRAPH_NONE;
             id = graph->links[id].next_out) {
            uint32_t after = graph->links[id].after;

            if (graph->flags[after] & NODE_SEEN || graph->position[after] > upper ||
                !graph_link_holds_up(graph, id)) {
                continue;
            }
            graph->flags[after] |= NODE_SEEN;
            graph->via[after] = graph->found[i];
            graph->found[count++] = after;
            if (graph->position[after] == upper) {
                *met = true;
                return count;
            }
        }
    }
    return count;
}

/* Behind the first `from` of `found`: what `node` waits for, no nearer to the start than `lower`. */
static uint32_t search_backward(struct graph *graph, uint32_t node, uint32_t lower, uint32_t from)
{
    uint32_t count = from;

    graph->found[count++] = node;
    graph->flags[node] |= NODE_SEEN;
    for (uint32_t i = from; i < count; i++) {
        for (uint32_t id = graph->first_in[graph->found[i]]; id != GRAPH_NONE;
             id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;

            if (graph->flags[before] & NODE_SEEN || graph->position[before] < lower ||
                !graph_link_holds_up(graph, id)) {
                continue;
            }
            graph->flags[before] |= NODE_SEEN;
            graph->found[count++] = before;
        }
    }
    return count;
}

static void forget_found(struct graph *graph, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        graph->flags[graph->found[i]] &= (uint8_t)~NODE_SEEN;
    }
}

/* Into `found`: the way by `via` from `first` to `last`. */
static void trace_cycle(struct graph *graph, uint32_t first, uint32_t last)
{
    uint32_t count = 1;

    for (uint32_t node = last; node != first; node = graph->via[node]) {
        count++;
    }
    graph->cycle_count = count;
    for (uint32_t node = last; count > 0; node = graph->via[node]) {
        graph->found[--count] = node;
    }
}

bool graph_put_in_order(struct graph *graph, uint32_t before, uint32_t after)
{
    uint32_t lower = graph->position[after];
    uint32_t upper = graph->position[before];
    uint32_t ahead;
    uint32_t all;
    bool met;

    if (before == after) {
        graph->found[0] = before;
        graph->cycle_count = 1;
        return false;
    }
    if (upper < lower) {
        return true;
    }
    ahead = search_forward(graph, after, upper, &met);
    if (met) {
        forget_found(graph, ahead);
        trace_cycle(graph, after, before);
        return false;
    }
    all = search_backward(graph, before, lower, ahead);
    forget_found(graph, all);

    /* All that `before` waits for, then all that waits for `after`, each as it stood, on the same seats. */
    for (uint32_t i = 0; i < all; i++) {
        graph->found[i] = graph->position[graph->found[i]];
    }
    qsort(graph->found, ahead, sizeof(*graph->found), compare_positions);
    qsort(graph->found + ahead, all - ahead, sizeof(*graph->found), compare_positions);
    for (uint32_t i = 0; i < all; i++) {
        uint32_t from = i < all - ahead ? ahead + i : i - (all - ahead);

        graph->via[i] = graph->at[graph->found[from]];
    }
    qsort(graph->found, all, sizeof(*graph->found), compare_positions);
    for (uint32_t i = 0; i < all; i++) {
        graph->at[graph->found[i]] = graph->via[i];
        graph->position[graph->via[i]] = graph->found[i];
    }
    return true;
}

uint32_t graph_order_all(struct graph *graph)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < graph->slots; slot++) {
        graph->via[slot] = 0;
        for (uint32_t id = graph->first_out[slot]; id != GRAPH_NONE;
             id = graph->links[id].next_out) {
            graph->via[slot] += graph_link_holds_up(graph, id);
        }
        if (graph->via[slot] == 0) {
            graph_queue_push(graph, graph->position[slot]);
        }
    }
    while (graph->queue_count > 0) {
        uint32_t node = graph->at[graph_queue_pop(graph)];

        graph->found[count++] = node;
        for (uint32_t id = graph->first_in[node]; id != GRAPH_NONE; id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;

            if (graph_link_holds_up(graph, id) && --graph->via[before] == 0) {
                graph_queue_push(graph, graph->position[before]);
            }
        }
    }
    return count;
}

void graph_seat_all(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->slots; i++) {
        uint32_t position = graph->slots - 1 - i;

        graph->at[position] = graph->found[i];
        graph->position[graph->found[i]] = position;
    }
    for (uint32_t position = graph->slots; position-- > 0;) {
        uint32_t node = graph->at[position];
        uint64_t is_ms = graph_level_of(graph, node);

        if (is_ms != graph->level_ms[node]) {
            graph->level_ms[node] = is_ms;
            graph_publish_level(graph, node);
        }
    }
}

void graph_find_cycle(struct graph *graph)
{
    uint32_t node = 0;
    uint32_t start;

    while (graph->via[node] == 0) {
        node++;
    }
    start = node;
    /* `queue` is empty, so it may keep the way for as long as `via` tells who is left. */
    while (!(graph->flags[node] & NODE_SEEN)) {
        uint32_t id = graph->first_out[node];

        graph->flags[node] |= NODE_SEEN;
        while (graph->via[graph->links[id].after] == 0 || !graph_link_holds_up(graph, id)) {
            id = graph->links[id].next_out;
        }
        graph->queue[node] = graph->links[id].after;
        node = graph->links[id].after;
    }
    while (start != node) {
        graph->flags[start] &= (uint8_t)~NODE_SEEN;
        start = graph->queue[start];
    }
    do {
        graph->via[start] = graph->queue[start];
        start = graph->via[start];
    } while (start != node);
}

size_t graph_blame(struct graph *graph, const struct graph_edge *edges)
{
    size_t first = 0;
    uint32_t node;

    while (!(graph_holds_up(edges[first].kind) && graph->flags[edges[first].before] & NODE_SEEN &&
             graph->via[edges[first].before] == edges[first].after)) {
        first++;
    }
    node = edges[first].after;
    graph->cycle_count = 0;
    do {
        graph->flags[node] &= (uint8_t)~NODE_SEEN;
        graph->found[graph->cycle_count++] = node;
        node = graph->via[node];
    } while (node != edges[first].after);
    return first;
}
