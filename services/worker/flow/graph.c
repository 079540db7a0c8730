#include "services/worker/flow/graph.h"

#include <assert.h>
#include <stdlib.h>

#include "services/worker/flow/graph_parts.h"

enum {
    FEW_EDGES = 32 /* up to so many at once are cheaper one by one, whatever the graph's size */
};

/* -- edits -- */

static const struct fb_status no_such_node = {.code = FB_NOT_FOUND, .why = "no such task"};
static const struct fb_status no_memory = {.code = FB_RESOURCE_EXHAUSTED,
                                           .why = "no memory for more tasks or dependencies"};
static const struct fb_status too_many_edges = {
    .code = FB_RESOURCE_EXHAUSTED,
    .why = "the session has all the 4000000 dependencies it may have"};
static const struct fb_status would_cycle = {.code = FB_FAILED_PRECONDITION,
                                             .why = "these tasks would wait for each other"};

bool graph_holds_up(enum graph_kind kind)
{
    return kind <= GRAPH_PARENT;
}

uint32_t graph_effort_of(double minutes)
{
    double ms = minutes * 60000 + 0.5;

    if (!(ms >= 1)) {
        return 0;
    }
    return ms < (double)UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

struct fb_status graph_add_node(struct graph *graph, uint32_t node, uint32_t effort_ms)
{
    if (node >= GRAPH_NODES_MOST) {
        return fb_fail(FB_OUT_OF_RANGE, "the session has all the 1000000 tasks it may have");
    }
    if (graph_has(graph, node)) {
        return fb_fail(FB_ALREADY_EXISTS, "the task is there already");
    }
    if (!graph_reserve_slots(graph, node + 1)) {
        return no_memory;
    }
    graph->cycle_count = 0;
    graph->flags[node] = NODE_PRESENT | NODE_OPEN;
    graph->effort_ms[node] = effort_ms;
    graph->node_count++;
    graph->open_effort_ms += effort_ms;
    graph->level_ms[node] = effort_ms;
    graph_publish_level(graph, node);
    return fb_ok;
}

struct fb_status graph_remove_node(struct graph *graph, uint32_t node)
{
    struct fb_status status = graph_set_open(graph, node, false);

    if (!fb_is_ok(status)) {
        return status;
    }
    /* It is closed, so nothing hangs on its edges any more. */
    while (graph->first_in[node] != GRAPH_NONE) {
        graph_link_remove(graph, graph->first_in[node]);
    }
    while (graph->first_out[node] != GRAPH_NONE) {
        graph_link_remove(graph, graph->first_out[node]);
    }
    graph->flags[node] = 0;
    graph->node_count--;
    return fb_ok;
}

struct fb_status graph_set_effort(struct graph *graph, uint32_t node, uint32_t effort_ms)
{
    if (!graph_has(graph, node)) {
        return no_such_node;
    }
    graph->cycle_count = 0;
    if (graph->flags[node] & NODE_OPEN) {
        graph->open_effort_ms += effort_ms;
        graph->open_effort_ms -= graph->effort_ms[node];
    }
    graph->effort_ms[node] = effort_ms;
    graph_repair_level(graph, node);
    return fb_ok;
}

void graph_set_efforts(struct graph *graph, graph_effort_fn fn, const void *arg)
{
    graph->cycle_count = 0;
    /* What waits comes first, so that everything a level is made of is final when its turn comes. */
    for (uint32_t position = graph->slots; position-- > 0;) {
        const uint32_t node = graph->at[position];
        const bool open = (graph->flags[node] & NODE_OPEN) != 0;
        const uint32_t was_ms = graph->effort_ms[node];
        uint64_t level_ms;

        if (!graph_has(graph, node)) {
            continue;
        }
        graph->effort_ms[node] = fn(arg, node);
        if (open) {
            graph->open_effort_ms += graph->effort_ms[node];
            graph->open_effort_ms -= was_ms;
        }
        level_ms = graph_level_of(graph, node);
        if (open && (level_ms != graph->level_ms[node] || was_ms != graph->effort_ms[node])) {
            graph->level_ms[node] = level_ms;
            graph_publish_level(graph, node);
        }
    }
}

struct fb_status graph_set_open(struct graph *graph, uint32_t node, bool open)
{
    uint64_t was_ms;

    if (!graph_has(graph, node)) {
        return no_such_node;
    }
    graph->cycle_count = 0;
    if (graph_is_open(graph, node) == open) {
        return fb_ok;
    }
    if (open) {
        graph->flags[node] |= NODE_OPEN;
        graph->open_effort_ms += graph->effort_ms[node];
    } else {
        graph->flags[node] &= (uint8_t)~NODE_OPEN;
        graph->open_effort_ms -= graph->effort_ms[node];
    }
    was_ms = graph->level_ms[node];
    graph_repair_level(graph, node);
    if (graph->level_ms[node] == was_ms) {
        graph_publish_level(graph, node);
    }
    return fb_ok;
}

static struct fb_status check_edge(const struct graph *graph, struct graph_edge edge)
{
    if ((unsigned)edge.kind >= GRAPH_KINDS) {
        return fb_fail(FB_INVALID_ARGUMENT, "no such kind of dependency");
    }
    if (!graph_has(graph, edge.before) || !graph_has(graph, edge.after)) {
        return no_such_node;
    }
    return fb_ok;
}

struct fb_status graph_add_edge(struct graph *graph, struct graph_edge edge)
{
    struct fb_status status = check_edge(graph, edge);

    if (!fb_is_ok(status)) {
        return status;
    }
    if (graph_link_find(graph, edge) != GRAPH_NONE) {
        return fb_fail(FB_ALREADY_EXISTS, "the dependency is there already");
    }
    if (graph->edge_count == GRAPH_EDGES_MOST) {
        return too_many_edges;
    }
    if (!graph_reserve_links(graph, 1)) {
        return no_memory;
    }
    graph->cycle_count = 0;
    if (graph_holds_up(edge.kind) && !graph_put_in_order(graph, edge.before, edge.after)) {
        return would_cycle;
    }
    graph_link_add(graph, edge);
    if (graph_holds_up(edge.kind)) {
        graph_repair_level(graph, edge.before);
    }
    return fb_ok;
}

struct fb_status graph_remove_edge(struct graph *graph, struct graph_edge edge)
{
    uint32_t id = GRAPH_NONE;

    if (fb_is_ok(check_edge(graph, edge))) {
        id = graph_link_find(graph, edge);
    }
    if (id == GRAPH_NONE) {
        return fb_fail(FB_NOT_FOUND, "no such dependency");
    }
    graph->cycle_count = 0;
    graph_link_remove(graph, id);
    if (graph_holds_up(edge.kind)) {
        graph_repair_level(graph, edge.before);
    }
    return fb_ok;
}

/* All or none, one by one; what they cost is what they touch. They have been checked. */
static struct fb_status add_few_edges(struct graph *graph, const struct graph_edge *edges,
                                      size_t count, size_t *failed)
{
    bool added[FEW_EDGES] = {false};
    size_t cycle_count;

    for (size_t i = 0; i < count; i++) {
        struct fb_status status = graph_add_edge(graph, edges[i]);

        added[i] = fb_is_ok(status);
        if (added[i] || status.code == FB_ALREADY_EXISTS) {
            continue;
        }
        *failed = i;
        cycle_count = graph->cycle_count;
        while (i-- > 0) {
            if (added[i]) {
                (void)graph_remove_edge(graph, edges[i]);
            }
        }
        graph->cycle_count = cycle_count; /* removals have left `found` alone */
        return status;
    }
    return fb_ok;
}

struct fb_status graph_add_edges(struct graph *graph, const struct graph_edge *edges, size_t count,
                                 size_t *failed)
{
    struct fb_status status = fb_ok;
    uint32_t *added = NULL;
    size_t added_count = 0;
    size_t ignored;
    size_t *at = failed != NULL ? failed : &ignored;

    *at = 0;
    for (size_t i = 0; i < count; i++) {
        status = check_edge(graph, edges[i]);
        if (!fb_is_ok(status)) {
            *at = i;
            return status;
        }
    }
    if (count <= FEW_EDGES) {
        return add_few_edges(graph, edges, count, at);
    }
    graph->cycle_count = 0;
    if (count > GRAPH_EDGES_MOST - graph->edge_count) {
        *at = GRAPH_EDGES_MOST - graph->edge_count;
        return too_many_edges;
    }
    added = malloc(count * sizeof(*added));
    if (added == NULL || !graph_reserve_links(graph, count)) {
        free(added);
        return no_memory;
    }
    for (size_t i = 0; i < count; i++) {
        if (graph_link_find(graph, edges[i]) == GRAPH_NONE) {
            added[added_count++] = graph_link_add(graph, edges[i]);
        }
    }
    if (graph_order_all(graph) == graph->slots) {
        graph_seat_all(graph);
    } else {
        graph_find_cycle(graph);
        *at = graph_blame(graph, edges);
        status = would_cycle;
        while (added_count > 0) {
            graph_link_remove(graph, added[--added_count]);
        }
    }
    free(added);
    return status;
}

void graph_rebuild(struct graph *graph)
{
    uint32_t ordered = graph_order_all(graph);

    assert(ordered == graph->slots);
    (void)ordered;
    graph->cycle_count = 0;
    graph_seat_all(graph);
}

const uint32_t *graph_cycle(const struct graph *graph, size_t *count)
{
    *count = graph->cycle_count;
    return graph->found;
}

/* -- what it knows -- */

bool graph_has(const struct graph *graph, uint32_t node)
{
    return node < graph->slots && graph->flags[node] & NODE_PRESENT;
}

bool graph_is_open(const struct graph *graph, uint32_t node)
{
    return node < graph->slots && graph->flags[node] & NODE_OPEN;
}

bool graph_has_edge(const struct graph *graph, struct graph_edge edge)
{
    return fb_is_ok(check_edge(graph, edge)) && graph_link_find(graph, edge) != GRAPH_NONE;
}

uint32_t graph_node_count(const struct graph *graph)
{
    return graph->node_count;
}

uint32_t graph_edge_count(const struct graph *graph)
{
    return graph->edge_count;
}

uint32_t graph_effort_ms(const struct graph *graph, uint32_t node)
{
    assert(graph_has(graph, node));
    return graph->effort_ms[node];
}

uint64_t graph_level_ms(const struct graph *graph, uint32_t node)
{
    assert(graph_has(graph, node));
    return graph->level_ms[node];
}

uint32_t graph_position(const struct graph *graph, uint32_t node)
{
    assert(graph_has(graph, node));
    return graph->position[node];
}

uint64_t graph_longest_ms(const struct graph *graph)
{
    uint32_t top = heap_top(&graph->levels);

    return top == HEAP_NONE ? 0 : graph->level_ms[top];
}

uint64_t graph_open_effort_ms(const struct graph *graph)
{
    return graph->open_effort_ms;
}

uint32_t graph_first_out(const struct graph *graph, uint32_t node)
{
    assert(graph_has(graph, node));
    return graph->first_out[node];
}

uint32_t graph_next_out(const struct graph *graph, uint32_t cursor)
{
    return graph->links[cursor].next_out;
}

uint32_t graph_first_in(const struct graph *graph, uint32_t node)
{
    assert(graph_has(graph, node));
    return graph->first_in[node];
}

uint32_t graph_next_in(const struct graph *graph, uint32_t cursor)
{
    return graph->links[cursor].next_in;
}

struct graph_edge graph_edge_at(const struct graph *graph, uint32_t cursor)
{
    const struct link *link = &graph->links[cursor];

    return (struct graph_edge){
        .before = link->before, .after = link->after, .kind = (enum graph_kind)link->kind};
}
