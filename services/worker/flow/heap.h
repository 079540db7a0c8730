#ifndef FB_SERVICES_WORKER_FLOW_HEAP_H
#define FB_SERVICES_WORKER_FLOW_HEAP_H

/*
 * heap: dense ids in the order of a key that may change.
 *
 * The greatest key is on top; equal keys go by the lower id, so that the order repeats. Holds three
 * arrays and no other memory. Pure; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_NONE UINT32_MAX

/* Open so that it can be embedded; its fields are its own. All zero: empty, holds no memory. */
struct heap {
    double *keys;    /* by id; of ids in the heap only */
    uint32_t *place; /* by id; where in ids, HEAP_NONE when not in the heap */
    uint32_t *ids;   /* the tree */
    uint32_t count;
    uint32_t slots; /* ids 0 .. slots-1 have room */

    /* a walk under way: the places that may come next, as a heap of their own */
    uint32_t *frontier;
    uint32_t frontier_count;
};

void heap_finish(struct heap *heap);

/* Makes room for the ids below `slots`. False when memory is exhausted; nothing has changed then. */
bool heap_reserve(struct heap *heap, uint32_t slots);

/* Puts `id` in, or moves it if it is in. There must be room for it. O(log n). */
void heap_put(struct heap *heap, uint32_t id, double key);

/* Takes `id` out; nothing happens if it is not in. O(log n). */
void heap_remove(struct heap *heap, uint32_t id);

bool heap_has(const struct heap *heap, uint32_t id);

/* The key of an id that is in. */
double heap_key(const struct heap *heap, uint32_t id);

/* HEAP_NONE when empty. */
uint32_t heap_top(const struct heap *heap);

/*
 * From the greatest key down without taking anything out: begin, then next until HEAP_NONE. The k-th
 * step costs O(log k). The heap must not change in between; a new begin ends the walk before.
 */
void heap_walk(struct heap *heap);
uint32_t heap_walk_next(struct heap *heap);

#endif
