#include "services/worker/flow/heap.h"

#include <assert.h>
#include <stdlib.h>

static bool heap_before(const struct heap *heap, uint32_t a, uint32_t b)
{
    return heap->keys[a] > heap->keys[b] || (heap->keys[a] == heap->keys[b] && a < b);
}

static void heap_set(struct heap *heap, uint32_t place, uint32_t id)
{
    heap->ids[place] = id;
    heap->place[id] = place;
}

static void heap_up(struct heap *heap, uint32_t place)
{
    uint32_t id = heap->ids[place];

    while (place > 0 && heap_before(heap, id, heap->ids[(place - 1) / 2])) {
        heap_set(heap, place, heap->ids[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_set(heap, place, id);
}

static void heap_down(struct heap *heap, uint32_t place)
{
    uint32_t id = heap->ids[place];

    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && heap_before(heap, heap->ids[child + 1], heap->ids[child])) {
            child++;
        }
        if (!heap_before(heap, heap->ids[child], id)) {
            break;
        }
        heap_set(heap, place, heap->ids[child]);
        place = child;
    }
    heap_set(heap, place, id);
}

void heap_finish(struct heap *heap)
{
    free(heap->keys);
    free(heap->place);
    free(heap->ids);
    free(heap->frontier);
    *heap = (struct heap){0};
}

bool heap_reserve(struct heap *heap, uint32_t slots)
{
    double *keys;
    uint32_t *place;
    uint32_t *ids;
    uint32_t *frontier;

    if (slots <= heap->slots) {
        return true;
    }
    /* What has grown before another fails stays grown, which does no harm. */
    keys = realloc(heap->keys, slots * sizeof(*keys));
    heap->keys = keys != NULL ? keys : heap->keys;
    place = realloc(heap->place, slots * sizeof(*place));
    heap->place = place != NULL ? place : heap->place;
    ids = realloc(heap->ids, slots * sizeof(*ids));
    heap->ids = ids != NULL ? ids : heap->ids;
    frontier = realloc(heap->frontier, slots * sizeof(*frontier));
    heap->frontier = frontier != NULL ? frontier : heap->frontier;
    if (keys == NULL || place == NULL || ids == NULL || frontier == NULL) {
        return false;
    }
    for (uint32_t id = heap->slots; id < slots; id++) {
        heap->place[id] = HEAP_NONE;
    }
    heap->slots = slots;
    return true;
}

void heap_put(struct heap *heap, uint32_t id, double key)
{
    assert(id < heap->slots);
    if (heap->place[id] == HEAP_NONE) {
        heap_set(heap, heap->count, id);
        heap->count++;
    }
    heap->keys[id] = key;
    heap_up(heap, heap->place[id]);
    heap_down(heap, heap->place[id]);
}

void heap_remove(struct heap *heap, uint32_t id)
{
    uint32_t place;
    uint32_t last;

    if (!heap_has(heap, id)) {
        return;
    }
    place = heap->place[id];
    heap->place[id] = HEAP_NONE;
    heap->count--;
    if (place == heap->count) {
        return;
    }
    last = heap->ids[heap->count];
    heap_set(heap, place, last);
    heap_up(heap, place);
    heap_down(heap, heap->place[last]);
}

bool heap_has(const struct heap *heap, uint32_t id)
{
    return id < heap->slots && heap->place[id] != HEAP_NONE;
}

double heap_key(const struct heap *heap, uint32_t id)
{
    assert(heap_has(heap, id));
    return heap->keys[id];
}

uint32_t heap_top(const struct heap *heap)
{
    return heap->count > 0 ? heap->ids[0] : HEAP_NONE;
}

static bool frontier_before(const struct heap *heap, uint32_t i, uint32_t j)
{
    return heap_before(heap, heap->ids[heap->frontier[i]], heap->ids[heap->frontier[j]]);
}

static void frontier_swap(struct heap *heap, uint32_t i, uint32_t j)
{
    uint32_t place = heap->frontier[i];

    heap->frontier[i] = heap->frontier[j];
    heap->frontier[j] = place;
}

static void frontier_push(struct heap *heap, uint32_t place)
{
    uint32_t i = heap->frontier_count++;

    heap->frontier[i] = place;
    while (i > 0 && frontier_before(heap, i, (i - 1) / 2)) {
        frontier_swap(heap, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static uint32_t frontier_pop(struct heap *heap)
{
    uint32_t place = heap->frontier[0];
    uint32_t i = 0;

    heap->frontier[0] = heap->frontier[--heap->frontier_count];
    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= heap->frontier_count) {
            return place;
        }
        if (child + 1 < heap->frontier_count && frontier_before(heap, child + 1, child)) {
            child++;
        }
        if (!frontier_before(heap, child, i)) {
            return place;
        }
        frontier_swap(heap, i, child);
        i = child;
    }
}

void heap_walk(struct heap *heap)
{
    heap->frontier_count = 0;
    if (heap->count > 0) {
        frontier_push(heap, 0);
    }
}

uint32_t heap_walk_next(struct heap *heap)
{
    uint32_t place;

    if (heap->frontier_count == 0) {
        return HEAP_NONE;
    }
    place = frontier_pop(heap);
    for (uint32_t child = 2 * place + 1; child <= 2 * place + 2 && child < heap->count; child++) {
        frontier_push(heap, child);
    }
    return heap->ids[place];
}
