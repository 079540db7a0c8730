#include "services/worker/flow/graph.h"

#include <assert.h>
#include <stdlib.h>

#include "services/worker/flow/heap.h"

enum {
    NODE_PRESENT = 1,
    NODE_OPEN = 2,
    NODE_SEEN = 4, /* by the search under way */

    FEW_EDGES = 32, /* up to so many at once are cheaper one by one, whatever the graph's size */
    SLOTS_FIRST = 64,
    LINKS_FIRST = 64,
};

/* An edge in the list of what leaves `before` and in the list of what enters `after`. */
struct link {
    uint32_t before;
    uint32_t after;
    uint32_t next_out; /* of a free link: the next free one */
    uint32_t prev_out;
    uint32_t next_in;
    uint32_t prev_in;
    uint8_t kind;
};

struct graph {
    graph_level_fn on_level;
    void *on_level_arg;

    /*
     * Per slot. The order is a permutation of all slots, those without a node too: a node that comes
     * has no edges, so it may stand wherever its slot happens to.
     */
    uint32_t slots;
    uint8_t *flags;
    uint32_t *effort_ms;
    uint64_t *level_ms;
    uint32_t *position;
    uint32_t *at; /* the slot at a position */
    uint32_t *first_out;
    uint32_t *first_in;
    struct heap levels; /* of the open nodes */

    struct link *links;
    uint32_t link_slots;
    uint32_t link_used; /* links that have ever been in use */
    uint32_t link_free; /* first of the free ones below link_used */

    uint32_t node_count;
    uint32_t edge_count;
    uint64_t open_effort_ms;

    /* room for searches, per slot; `found` holds the last cycle between edits */
    uint32_t *found;
    uint32_t *via;
    uint32_t *queue; /* positions still to look at, the greatest on top */
    uint32_t queue_count;
    size_t cycle_count;
};

/* -- queue: positions, each at most once, greatest first -- */

static void queue_push(struct graph *graph, uint32_t position)
{
    uint32_t *queue = graph->queue;
    uint32_t i = graph->queue_count++;

    while (i > 0 && queue[(i - 1) / 2] < position) {
        queue[i] = queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    queue[i] = position;
}

static uint32_t queue_pop(struct graph *graph)
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

static void queue_push_node(struct graph *graph, uint32_t node)
{
    if (!(graph->flags[node] & NODE_SEEN)) {
        graph->flags[node] |= NODE_SEEN;
        queue_push(graph, graph->position[node]);
    }
}

static uint32_t queue_pop_node(struct graph *graph)
{
    uint32_t node = graph->at[queue_pop(graph)];

    graph->flags[node] &= (uint8_t)~NODE_SEEN;
    return node;
}

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
static bool reserve_slots(struct graph *graph, uint32_t least)
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

/* Room for `more` edges; false: too many, or no memory. */
static bool reserve_links(struct graph *graph, size_t more)
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

static uint32_t link_add(struct graph *graph, struct graph_edge edge)
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

static void link_remove(struct graph *graph, uint32_t id)
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
static uint32_t link_find(const struct graph *graph, struct graph_edge edge)
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

static bool link_holds_up(const struct graph *graph, uint32_t id)
{
    return graph_holds_up((enum graph_kind)graph->links[id].kind);
}

/* -- levels -- */

static uint64_t level_of(const struct graph *graph, uint32_t node)
{
    uint64_t most_ms = 0;

    if (!(graph->flags[node] & NODE_OPEN)) {
        return 0;
    }
    for (uint32_t id = graph->first_out[node]; id != GRAPH_NONE; id = graph->links[id].next_out) {
        uint64_t level_ms = graph->level_ms[graph->links[id].after];

        if (level_ms > most_ms && link_holds_up(graph, id)) {
            most_ms = level_ms;
        }
    }
    return graph->effort_ms[node] + most_ms;
}

static void publish_level(struct graph *graph, uint32_t node)
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
    queue_push_node(graph, node);
    while (graph->queue_count > 0) {
        uint32_t raised = queue_pop_node(graph);

        publish_level(graph, raised);
        for (uint32_t id = graph->first_in[raised]; id != GRAPH_NONE;
             id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;
            uint64_t through_ms = graph->effort_ms[before] + graph->level_ms[raised];

            if (graph->flags[before] & NODE_OPEN && link_holds_up(graph, id) &&
                through_ms > graph->level_ms[before]) {
                graph->level_ms[before] = through_ms;
                queue_push_node(graph, before);
            }
        }
    }
}

static void lower_level(struct graph *graph, uint32_t node)
{
    queue_push_node(graph, node);
    while (graph->queue_count > 0) {
        uint32_t lowered = queue_pop_node(graph);
        uint64_t was_ms = graph->level_ms[lowered];
        uint64_t is_ms = level_of(graph, lowered);

        if (is_ms == was_ms) {
            continue;
        }
        graph->level_ms[lowered] = is_ms;
        publish_level(graph, lowered);
        for (uint32_t id = graph->first_in[lowered]; id != GRAPH_NONE;
             id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;

            if (graph->flags[before] & NODE_OPEN && link_holds_up(graph, id) &&
                graph->effort_ms[before] + was_ms == graph->level_ms[before]) {
                queue_push_node(graph, before);
            }
        }
    }
}

/* After an edit at `node`. */
static void repair_level(struct graph *graph, uint32_t node)
{
    uint64_t is_ms = level_of(graph, node);

    if (is_ms > graph->level_ms[node]) {
        raise_level(graph, node, is_ms);
    } else if (is_ms < graph->level_ms[node]) {
        lower_level(graph, node);
    }
}

/* -- order -- */

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
                !link_holds_up(graph, id)) {
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
                !link_holds_up(graph, id)) {
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

/* Makes room in the order for `before` to come before `after`. False: they are on a cycle. */
static bool put_in_order(struct graph *graph, uint32_t before, uint32_t after)
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

/*
 * Into `found`: all slots, what waits first, otherwise as they stand (Kahn 1962, from the end). Returns
 * how many: fewer than slots if there is a cycle; `via` is then above 0 for those that lead into one.
 */
static uint32_t order_all(struct graph *graph)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < graph->slots; slot++) {
        graph->via[slot] = 0;
        for (uint32_t id = graph->first_out[slot]; id != GRAPH_NONE;
             id = graph->links[id].next_out) {
            graph->via[slot] += link_holds_up(graph, id);
        }
        if (graph->via[slot] == 0) {
            queue_push(graph, graph->position[slot]);
        }
    }
    while (graph->queue_count > 0) {
        uint32_t node = graph->at[queue_pop(graph)];

        graph->found[count++] = node;
        for (uint32_t id = graph->first_in[node]; id != GRAPH_NONE; id = graph->links[id].next_in) {
            uint32_t before = graph->links[id].before;

            if (link_holds_up(graph, id) && --graph->via[before] == 0) {
                queue_push(graph, graph->position[before]);
            }
        }
    }
    return count;
}

/* Seats everybody as `found` has it, and levels everybody. */
static void seat_all(struct graph *graph)
{
    for (uint32_t i = 0; i < graph->slots; i++) {
        uint32_t position = graph->slots - 1 - i;

        graph->at[position] = graph->found[i];
        graph->position[graph->found[i]] = position;
    }
    for (uint32_t position = graph->slots; position-- > 0;) {
        uint32_t node = graph->at[position];
        uint64_t is_ms = level_of(graph, node);

        if (is_ms != graph->level_ms[node]) {
            graph->level_ms[node] = is_ms;
            publish_level(graph, node);
        }
    }
}

/*
 * Finds a cycle among the slots whose `via` is above 0: each of them has one of them to go to. `via` then
 * leads around the cycle, whose nodes alone are marked as seen.
 */
static void find_cycle(struct graph *graph)
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
        while (graph->via[graph->links[id].after] == 0 || !link_holds_up(graph, id)) {
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

/* Of `edges` the first that lies on the cycle that find_cycle has marked; unmarks it and keeps it. */
static size_t blame(struct graph *graph, const struct graph_edge *edges)
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
    if (!reserve_slots(graph, node + 1)) {
        return no_memory;
    }
    graph->cycle_count = 0;
    graph->flags[node] = NODE_PRESENT | NODE_OPEN;
    graph->effort_ms[node] = effort_ms;
    graph->node_count++;
    graph->open_effort_ms += effort_ms;
    graph->level_ms[node] = effort_ms;
    publish_level(graph, node);
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
        link_remove(graph, graph->first_in[node]);
    }
    while (graph->first_out[node] != GRAPH_NONE) {
        link_remove(graph, graph->first_out[node]);
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
    repair_level(graph, node);
    return fb_ok;
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
    repair_level(graph, node);
    if (graph->level_ms[node] == was_ms) {
        publish_level(graph, node);
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
    if (link_find(graph, edge) != GRAPH_NONE) {
        return fb_fail(FB_ALREADY_EXISTS, "the dependency is there already");
    }
    if (graph->edge_count == GRAPH_EDGES_MOST) {
        return too_many_edges;
    }
    if (!reserve_links(graph, 1)) {
        return no_memory;
    }
    graph->cycle_count = 0;
    if (graph_holds_up(edge.kind) && !put_in_order(graph, edge.before, edge.after)) {
        return would_cycle;
    }
    link_add(graph, edge);
    if (graph_holds_up(edge.kind)) {
        repair_level(graph, edge.before);
    }
    return fb_ok;
}

struct fb_status graph_remove_edge(struct graph *graph, struct graph_edge edge)
{
    uint32_t id = GRAPH_NONE;

    if (fb_is_ok(check_edge(graph, edge))) {
        id = link_find(graph, edge);
    }
    if (id == GRAPH_NONE) {
        return fb_fail(FB_NOT_FOUND, "no such dependency");
    }
    graph->cycle_count = 0;
    link_remove(graph, id);
    if (graph_holds_up(edge.kind)) {
        repair_level(graph, edge.before);
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
    if (added == NULL || !reserve_links(graph, count)) {
        free(added);
        return no_memory;
    }
    for (size_t i = 0; i < count; i++) {
        if (link_find(graph, edges[i]) == GRAPH_NONE) {
            added[added_count++] = link_add(graph, edges[i]);
        }
    }
    if (order_all(graph) == graph->slots) {
        seat_all(graph);
    } else {
        find_cycle(graph);
        *at = blame(graph, edges);
        status = would_cycle;
        while (added_count > 0) {
            link_remove(graph, added[--added_count]);
        }
    }
    free(added);
    return status;
}

void graph_rebuild(struct graph *graph)
{
    uint32_t ordered = order_all(graph);

    assert(ordered == graph->slots);
    (void)ordered;
    graph->cycle_count = 0;
    seat_all(graph);
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
    return fb_is_ok(check_edge(graph, edge)) && link_find(graph, edge) != GRAPH_NONE;
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
