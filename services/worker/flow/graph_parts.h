#ifndef FB_SERVICES_WORKER_FLOW_GRAPH_PARTS_H
#define FB_SERVICES_WORKER_FLOW_GRAPH_PARTS_H

/*
 * graph_parts: what a graph is made of, for the graph_*.c files alone.
 *
 * graph_store.c has nodes and edges, graph_queue.c the positions that a repair has still to look at,
 * graph_levels.c what hangs on each node, graph_order.c the order and the cycles; graph.c the edits
 * that put them together.
 */

#include "services/worker/flow/graph.h"
#include "services/worker/flow/heap.h"

enum {
    NODE_PRESENT = 1,
    NODE_OPEN = 2,
    NODE_SEEN = 4, /* by the search under way */
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

/* -- graph_store.c -- */

/* Room for the slots below `least`; false: no memory. */
bool graph_reserve_slots(struct graph *graph, uint32_t least);

/* Room for `more` edges; false: too many, or no memory. */
bool graph_reserve_links(struct graph *graph, size_t more);

/* There must be room. */
uint32_t graph_link_add(struct graph *graph, struct graph_edge edge);
void graph_link_remove(struct graph *graph, uint32_t id);

/* GRAPH_NONE if it is not there. */
uint32_t graph_link_find(const struct graph *graph, struct graph_edge edge);
bool graph_link_holds_up(const struct graph *graph, uint32_t id);

/* -- graph_queue.c: positions, each at most once, greatest first -- */

void graph_queue_push(struct graph *graph, uint32_t position);
uint32_t graph_queue_pop(struct graph *graph);

/* By node; one that is in already is not put in again. */
void graph_queue_push_node(struct graph *graph, uint32_t node);
uint32_t graph_queue_pop_node(struct graph *graph);

/* -- graph_levels.c -- */

/* What the level of a node should be, given those behind it. */
uint64_t graph_level_of(const struct graph *graph, uint32_t node);

/* Tells heap and watcher. */
void graph_publish_level(struct graph *graph, uint32_t node);

/* After an edit at `node`. */
void graph_repair_level(struct graph *graph, uint32_t node);

/* -- graph_order.c -- */

/* Makes room in the order for `before` to come before `after`. False: they are on a cycle. */
bool graph_put_in_order(struct graph *graph, uint32_t before, uint32_t after);

/*
 * Into `found`: all slots, what waits first, otherwise as they stand (Kahn 1962, from the end). Returns
 * how many: fewer than slots if there is a cycle; `via` is then above 0 for those that lead into one.
 */
uint32_t graph_order_all(struct graph *graph);

/* Seats everybody as `found` has it, and levels everybody. */
void graph_seat_all(struct graph *graph);

/*
 * Finds a cycle among the slots whose `via` is above 0: each of them has one of them to go to. `via` then
 * leads around the cycle, whose nodes alone are marked as seen.
 */
void graph_find_cycle(struct graph *graph);

/* Of `edges` the first that lies on the cycle just found; unmarks it and keeps it. */
size_t graph_blame(struct graph *graph, const struct graph_edge *edges);

#endif
