#ifndef FB_SERVICES_WORKER_FLOW_CYCLES_H
#define FB_SERVICES_WORKER_FLOW_CYCLES_H

/*
 * cycles: all knots in a list of edges that somebody else made.
 *
 * An import is to be told everything that is wrong with it at once. Tarjan's strongly connected
 * components (1972), without recursion: O(V + E), and no depth ends the stack. Pure and without state.
 */

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "services/worker/flow/graph.h"

/* Knots of nodes that all wait for each other. All zero: none. */
struct cycles {
    uint32_t *nodes; /* knot by knot, in each by index */
    size_t
        *ends; /* the i-th knot is nodes[ends[i-1]] (nodes[0] for the first) .. nodes[ends[i]-1] */
    size_t count;
};

/*
 * Gives the knots of the edges that hold up among nodes 0 .. `node_count`-1, in an order that repeats; a
 * node with an edge to itself is one. OUT_OF_RANGE: an edge names another node; RESOURCE_EXHAUSTED: no
 * memory. `*cycles` is empty then.
 */
struct fb_status cycles_find(const struct graph_edge *edges, size_t count, uint32_t node_count,
                             struct cycles *cycles);
void cycles_finish(struct cycles *cycles);

#endif
