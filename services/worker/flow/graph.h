#ifndef FB_SERVICES_WORKER_FLOW_GRAPH_H
#define FB_SERVICES_WORKER_FLOW_GRAPH_H

/*
 * graph: what has to be done before what, and how much hangs on each task.
 *
 * Keeps, edit by edit, an order in which everything comes after what it waits for (Pearce & Kelly
 * 2006: only the region between the ends of a new edge is looked at and moved), refuses an edge that
 * would close a cycle and names the cycle, and keeps the *level* of each open task (its bottom level):
 * its effort plus the greatest level among the open tasks that wait for it. Levels are repaired from
 * the edit upward, only where they change.
 *
 * A closed task has level 0 and holds up nothing; its edges stay, for it may be opened again.
 *
 * Nodes are dense indices chosen by the caller. Memory is a few arrays: 61 bytes for a node, 28 for
 * an edge.
 * Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

#define GRAPH_NONE UINT32_MAX

enum {
    GRAPH_NODES_MOST = 1000000,
    GRAPH_EDGES_MOST = 4000000,
};

enum graph_kind {
    GRAPH_AFTER,   /* after has to wait until before has completed */
    GRAPH_ENDS,    /* until before has ended, however */
    GRAPH_ON_FAIL, /* until before has failed */
    GRAPH_PARENT,  /* before is a child of after */
    GRAPH_FROM,    /* found while doing before: holds up nothing */
    GRAPH_DUP,     /* says the same as before: holds up nothing */
    GRAPH_KINDS
};

/* A value; in a graph no two edges are the same. */
struct graph_edge {
    uint32_t before;
    uint32_t after;
    enum graph_kind kind;
};

struct graph;

/* Told of each level that has changed, once per edit; 0: closed or removed. Must not edit the graph. */
typedef void (*graph_level_fn)(void *arg, uint32_t node, uint64_t level_ms);

/* NULL when memory is exhausted. */
struct graph *graph_create(void);
void graph_destroy(struct graph *graph);

/* `fn` is told from now on, in place of whoever was before; NULL: nobody. */
void graph_watch(struct graph *graph, graph_level_fn fn, void *arg);

/* True for the four kinds that hold up, which alone are ordered and may form no cycle. */
bool graph_holds_up(enum graph_kind kind);

/* Minutes as the graph counts effort, rounded; what is no number or below 0 is 0, 49 days the most. */
uint32_t graph_effort_of(double minutes);

/* -- edits; each that fails has changed nothing -- */

/*
 * Adds an open node without edges. ALREADY_EXISTS; OUT_OF_RANGE: not below GRAPH_NODES_MOST;
 * RESOURCE_EXHAUSTED: no memory. Memory goes by the greatest index.
 */
struct fb_status graph_add_node(struct graph *graph, uint32_t node, uint32_t effort_ms);

/* With all of its edges. NOT_FOUND. */
struct fb_status graph_remove_node(struct graph *graph, uint32_t node);

/* NOT_FOUND. */
struct fb_status graph_set_effort(struct graph *graph, uint32_t node, uint32_t effort_ms);

/* The effort that a node should have. Must not edit the graph. */
typedef uint32_t (*graph_effort_fn)(const void *arg, uint32_t node);

/* Sets the efforts of all nodes and levels them once, O(V + E) and O(log V) for each that changes. */
void graph_set_efforts(struct graph *graph, graph_effort_fn fn, const void *arg);

/* Closes a node, or opens it again. NOT_FOUND. */
struct fb_status graph_set_open(struct graph *graph, uint32_t node, bool open);

/*
 * INVALID_ARGUMENT: a kind outside the enum; NOT_FOUND: no such node; ALREADY_EXISTS: the same edge;
 * FAILED_PRECONDITION: it would close a cycle, which graph_cycle then names; RESOURCE_EXHAUSTED: no
 * room or memory.
 */
struct fb_status graph_add_edge(struct graph *graph, struct graph_edge edge);

/* NOT_FOUND. */
struct fb_status graph_remove_edge(struct graph *graph, struct graph_edge edge);

/*
 * Adds all or none, for plans and imports: more than a few order and level everything once,
 * O((V + E) log V), where edge by edge a long chain would cost its square. Edges that are there already, or twice in `edges`,
 * are passed over. Fails as graph_add_edge does; `*failed`, unless NULL, is then the first edge at
 * fault, and for a cycle one that lies on it.
 */
struct fb_status graph_add_edges(struct graph *graph, const struct graph_edge *edges, size_t count,
                                 size_t *failed);

/* Orders and levels everything anew, as if built from nothing. */
void graph_rebuild(struct graph *graph);

/*
 * The cycle that the last refused edge would have closed: each waits for the one before it, the first
 * for the last; one node for an edge to itself. Good until the next edit.
 */
const uint32_t *graph_cycle(const struct graph *graph, size_t *count);

/* -- what it knows -- */

bool graph_has(const struct graph *graph, uint32_t node);
bool graph_is_open(const struct graph *graph, uint32_t node);
bool graph_has_edge(const struct graph *graph, struct graph_edge edge);
uint32_t graph_node_count(const struct graph *graph);
uint32_t graph_edge_count(const struct graph *graph);

/* Of a node that is there. */
uint32_t graph_effort_ms(const struct graph *graph, uint32_t node);
uint64_t graph_level_ms(const struct graph *graph, uint32_t node);

/* Unique; greater than that of everything it waits for. Says nothing between the unrelated. */
uint32_t graph_position(const struct graph *graph, uint32_t node);

/* The greatest level: what is left to do at best, however many work on it. 0 when nothing is open. */
uint64_t graph_longest_ms(const struct graph *graph);

/* Effort of all open nodes together. */
uint64_t graph_open_effort_ms(const struct graph *graph);

/*
 * The edges of all kinds out of a node (to what waits for it) and into it, newest first, as cursors:
 * GRAPH_NONE ends them. A cursor is good until the next edit.
 */
uint32_t graph_first_out(const struct graph *graph, uint32_t node);
uint32_t graph_next_out(const struct graph *graph, uint32_t cursor);
uint32_t graph_first_in(const struct graph *graph, uint32_t node);
uint32_t graph_next_in(const struct graph *graph, uint32_t cursor);
struct graph_edge graph_edge_at(const struct graph *graph, uint32_t cursor);

#endif
