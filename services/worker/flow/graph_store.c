#include "services/worker/flow/graph_parts.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 64, LINKS_FIRST = 64 };

/* -- memory -- */

struct graph *graph_create(void)
{
    struct graph *graph = calloc(1, sizeof(*graph));

    if (graph != NULL) {
        graph->link_free = GRAPH_NONE;
    }
    return graph;
}

void graph_destroy(struct graph *graph)
{
    if (graph == NULL) {
        return;
    }
    heap_finish(&graph->levels);
    free(graph->flags);
    free(graph->effort_ms);
    free(graph->level_ms);
    free(graph->position);
    free(graph->at);
    free(graph->first_out);
    free(graph->first_in);
    free(graph->links);
    free(graph->found);
    free(graph->via);
    free(graph->queue);
    free(graph);
}

void graph_watch(struct graph *graph, graph_level_fn fn, void *arg)
{
    graph->on_level = fn;
    graph->on_level_arg = arg;
}

/* A larger block in the place of `block`; when there is none, `*failed` and the block as it was. */
static void *grown(void *block, size_t count, size_t size, bool *failed)
{
    void *larger = realloc(block, count * size);

    if (larger == NULL) {
        *failed = true;
        return block;
    }
    return larger;
}

/* What has grown before another fails stays grown, which does no harm. */
bool graph_reserve_slots(struct graph *graph, uint32_t least)
{
    uint32_t slots = graph->slots == 0 ? SLOTS_FIRST : graph->slots;
    bool failed = false;

    if (least <= graph->slots) {
        return true;
    }
    while (slots < least) {
        slots *= 2;
    }
    slots = slots < GRAPH_NODES_MOST ? slots : GRAPH_NODES_MOST;
    graph->flags = grown(graph->flags, slots, sizeof(*graph->flags), &failed);
    graph->effort_ms = grown(graph->effort_ms, slots, sizeof(*graph->effort_ms), &failed);
    graph->level_ms = grown(graph->level_ms, slots, sizeof(*graph->level_ms), &failed);
    graph->position = grown(graph->position, slots, sizeof(*graph->position), &failed);
    graph->at = grown(graph->at, slots, sizeof(*graph->at), &failed);
    graph->first_out = grown(graph->first_out, slots, sizeof(*graph->first_out), &failed);
    graph->first_in = grown(graph->first_in, slots, sizeof(*graph->first_in), &failed);
    graph->found = grown(graph->found, slots, sizeof(*graph->found), &failed);
    graph->via = grown(graph->via, slots, sizeof(*graph->via), &failed);
    graph->queue = grown(graph->queue, slots, sizeof(*graph->queue), &failed);
    if (failed || !heap_reserve(&graph->levels, slots)) {
        return false;
    }
    for (uint32_t slot = graph->slots; slot < slots; slot++) {
        graph->flags[slot] = 0;
        graph->effort_ms[slot] = 0;
        graph->level_ms[slot] = 0;
        graph->position[slot] = slot;
        graph->at[slot] = slot;
        graph->first_out[slot] = GRAPH_NONE;
        graph->first_in[slot] = GRAPH_NONE;
    }
    graph->slots = slots;
    return true;
}

bool graph_reserve_links(struct graph *graph, size_t more)
{
    size_t slots = graph->link_slots == 0 ? LINKS_FIRST : graph->link_slots;
    bool failed = false;

    if (more > GRAPH_EDGES_MOST - graph->edge_count) {
        return false;
    }
    if (graph->edge_count + more <= graph->link_slots) {
        return true;
    }
    while (slots < graph->edge_count + more) {
        slots *= 2;
    }
    slots = slots < GRAPH_EDGES_MOST ? slots : GRAPH_EDGES_MOST;
    graph->links = grown(graph->links, slots, sizeof(*graph->links), &failed);
    if (failed) {
        return false;
    }
    graph->link_slots = (uint32_t)slots;
    return true;
}

/* -- links -- */

uint32_t graph_link_add(struct graph *graph, struct graph_edge edge)
{
    uint32_t id = graph->link_free;
    uint32_t out = graph->first_out[edge.before];
    uint32_t in = graph->first_in[edge.after];

    if (id != GRAPH_NONE) {
        graph->link_free = graph->links[id].next_out;
    } else {
        assert(graph->link_used < graph->link_slots);
        id = graph->link_used++;
    }
    graph->links[id] = (struct link){
        .before = edge.before,
        .after = edge.after,
        .next_out = out,
        .prev_out = GRAPH_NONE,
        .next_in = in,
        .prev_in = GRAPH_NONE,
        .kind = (uint8_t)edge.kind,
    };
    if (out != GRAPH_NONE) {
        graph->links[out].prev_out = id;
    }
    if (in != GRAPH_NONE) {
        graph->links[in].prev_in = id;
    }
    graph->first_out[edge.before] = id;
    graph->first_in[edge.after] = id;
    graph->edge_count++;
    return id;
}

void graph_link_remove(struct graph *graph, uint32_t id)
{
    struct link *link = &graph->links[id];

    if (link->prev_out != GRAPH_NONE) {
        graph->links[link->prev_out].next_out = link->next_out;
    } else {
        graph->first_out[link->before] = link->next_out;
    }
    if (link->next_out != GRAPH_NONE) {
        graph->links[link->next_out].prev_out = link->prev_out;
    }
    if (link->prev_in != GRAPH_NONE) {
        graph->links[link->prev_in].next_in = link->next_in;
    } else {
        graph->first_in[link->after] = link->next_in;
    }
    if (link->next_in != GRAPH_NONE) {
        graph->links[link->next_in].prev_in = link->prev_in;
    }
    link->next_out = graph->link_free;
    graph->link_free = id;
    graph->edge_count--;
}

/* Both lists at once, so that the shorter one decides what it costs. */
uint32_t graph_link_find(const struct graph *graph, struct graph_edge edge)
{
    uint32_t out = graph->first_out[edge.before];
    uint32_t in = graph->first_in[edge.after];

    while (out != GRAPH_NONE && in != GRAPH_NONE) {
        const struct link *a = &graph->links[out];
        const struct link *b = &graph->links[in];

        if (a->after == edge.after && a->kind == edge.kind) {
            return out;
        }
        if (b->before == edge.before && b->kind == edge.kind) {
            return in;
        }
        out = a->next_out;
        in = b->next_in;
    }
    return GRAPH_NONE;
}

bool graph_link_holds_up(const struct graph *graph, uint32_t id)
{
    return graph_holds_up((enum graph_kind)graph->links[id].kind);
}
