#include "services/worker/flow/cycles.h"

#include <stdlib.h>

/* The edges by the node they leave, and Tarjan's numbers; all for the one run. */
struct search {
    const struct graph_edge *edges;
    size_t *first;     /* by node: its edges are order[first[node]] .. order[first[node + 1] - 1] */
    uint32_t *order;   /* indices of edges */
    size_t *next;      /* by node: where in order its turn goes on */
    uint32_t *number;  /* by node: when it was met, from 1; 0 not yet */
    uint32_t *low;     /* by node: the earliest that it leads back to */
    uint32_t *way;     /* from the start to the node at hand */
    uint32_t *pending; /* met, and of no component yet */
    uint32_t pending_count;
    uint32_t met;
};

static void search_finish(struct search *search)
{
    free(search->first);
    free(search->order);
    free(search->next);
    free(search->number);
    free(search->low);
    free(search->way);
    free(search->pending);
}

static struct fb_status search_init(struct search *search, const struct graph_edge *edges,
                                    size_t count, uint32_t node_count)
{
    size_t nodes = (size_t)node_count + 1;

    *search = (struct search){.edges = edges};
    for (size_t i = 0; i < count; i++) {
        if (edges[i].before >= node_count || edges[i].after >= node_count) {
            return fb_fail(FB_OUT_OF_RANGE, "a dependency names a task that is not there");
        }
    }
    search->first = calloc(nodes + 1, sizeof(*search->first));
    search->order = calloc(count + 1, sizeof(*search->order));
    search->next = calloc(nodes, sizeof(*search->next));
    search->number = calloc(nodes, sizeof(*search->number));
    search->low = calloc(nodes, sizeof(*search->low));
    search->way = calloc(nodes, sizeof(*search->way));
    search->pending = calloc(nodes, sizeof(*search->pending));
    if (search->first == NULL || search->order == NULL || search->next == NULL ||
        search->number == NULL || search->low == NULL || search->way == NULL ||
        search->pending == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to look for cycles");
    }
    for (size_t i = 0; i < count; i++) {
        search->first[edges[i].before + 1] += graph_holds_up(edges[i].kind);
    }
    for (uint32_t node = 0; node < node_count; node++) {
        search->first[node + 1] += search->first[node];
        search->next[node] = search->first[node];
    }
    for (size_t i = 0; i < count; i++) {
        if (graph_holds_up(edges[i].kind)) {
            search->order[search->next[edges[i].before]++] = (uint32_t)i;
        }
    }
    for (uint32_t node = 0; node < node_count; node++) {
        search->next[node] = search->first[node];
    }
    return fb_ok;
}

static bool leads_to_itself(const struct search *search, uint32_t node)
{
    for (size_t i = search->first[node]; i < search->first[node + 1]; i++) {
        if (search->edges[search->order[i]].after == node) {
            return true;
        }
    }
    return false;
}

static int compare_nodes(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return (*x > *y) - (*x < *y);
}

static void meet(struct search *search, uint32_t node)
{
    search->number[node] = ++search->met;
    search->low[node] = search->number[node];
    search->pending[search->pending_count++] = node;
}

/* The component that began with `node` is whole: kept if it is a knot. */
static void close_component(struct search *search, uint32_t node, struct cycles *cycles)
{
    size_t from = cycles->count == 0 ? 0 : cycles->ends[cycles->count - 1];
    size_t end = from;
    uint32_t member;

    do {
        member = search->pending[--search->pending_count];
        search->low[member] = UINT32_MAX; /* no way back to it counts any more */
        cycles->nodes[end++] = member;
    } while (member != node);
    if (end - from > 1 || leads_to_itself(search, node)) {
        qsort(cycles->nodes + from, end - from, sizeof(*cycles->nodes), compare_nodes);
        cycles->ends[cycles->count++] = end;
    }
}

static void search_from(struct search *search, uint32_t start, struct cycles *cycles)
{
    uint32_t depth = 0;

    meet(search, start);
    search->way[depth++] = start;
    while (depth > 0) {
        uint32_t node = search->way[depth - 1];

        if (search->next[node] < search->first[node + 1]) {
            uint32_t after = search->edges[search->order[search->next[node]++]].after;

            if (search->number[after] == 0) {
                meet(search, after);
                search->way[depth++] = after;
            } else if (search->low[after] != UINT32_MAX &&
                       search->number[after] < search->low[node]) {
                search->low[node] = search->number[after];
            }
            continue;
        }
        depth--;
        if (depth > 0 && search->low[node] < search->low[search->way[depth - 1]]) {
            search->low[search->way[depth - 1]] = search->low[node];
        }
        if (search->low[node] == search->number[node]) {
            close_component(search, node, cycles);
        }
    }
}

struct fb_status cycles_find(const struct graph_edge *edges, size_t count, uint32_t node_count,
                             struct cycles *cycles)
{
    struct search search;
    struct fb_status status = search_init(&search, edges, count, node_count);

    *cycles = (struct cycles){0};
    if (fb_is_ok(status)) {
        cycles->nodes = calloc((size_t)node_count + 1, sizeof(*cycles->nodes));
        cycles->ends = calloc((size_t)node_count + 1, sizeof(*cycles->ends));
        if (cycles->nodes == NULL || cycles->ends == NULL) {
            cycles_finish(cycles);
            status = fb_fail(FB_RESOURCE_EXHAUSTED, "no memory to look for cycles");
        }
    }
    for (uint32_t node = 0; fb_is_ok(status) && node < node_count; node++) {
        if (search.number[node] == 0) {
            search_from(&search, node, cycles);
        }
    }
    search_finish(&search);
    return status;
}

void cycles_finish(struct cycles *cycles)
{
    free(cycles->nodes);
    free(cycles->ends);
    *cycles = (struct cycles){0};
}
