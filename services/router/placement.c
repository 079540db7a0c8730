#include "services/router/placement.h"

#include <assert.h>
#include <stdbool.h>

#include "runtime/base/text.h"

struct view {
    struct worker *const *workers;
    size_t count;
    const struct placement *placement;
    bool tier_only;    /* only workers of the wanted tier */
    bool offered_only; /* only workers that offer the server */
    uint64_t total;    /* calls on the candidates */
    size_t candidates;
};

uint32_t placement_bound(uint64_t total, size_t count, uint32_t capacity)
{
    const uint64_t share = count == 0 ? 0 : (5 * (total + 1) + 4 * count - 1) / (4 * count);
    const uint64_t half = (capacity + 1) / 2;
    const uint64_t bound = share > half ? share : half;

    return bound > capacity ? capacity : (uint32_t)bound;
}

static bool was_tried(const struct placement *placement, const struct worker *worker)
{
    for (size_t i = 0; i < placement->tried_count; i++) {
        if (placement->tried[i] == worker->serial) {
            return true;
        }
    }
    return false;
}

static bool is_candidate(const struct view *view, const struct worker *worker)
{
    const struct placement *placement = view->placement;

    assert(worker != NULL);
    if (worker->state != WORKER_READY || was_tried(placement, worker)) {
        return false;
    }
    if (view->tier_only && worker->tier != placement->tier) {
        return false;
    }
    return !view->offered_only || worker_offer(worker, placement->server_hash) != NULL;
}

static void count_candidates(struct view *view)
{
    view->total = 0;
    view->candidates = 0;
    for (size_t i = 0; i < view->count; i++) {
        if (is_candidate(view, view->workers[i])) {
            view->total += worker_load(view->workers[i]);
            view->candidates++;
        }
    }
}

/* Highest hash among candidates with room; `warm_only`: with a warm instance of the server. */
static struct worker *highest(const struct view *view, bool warm_only)
{
    struct worker *best = NULL;
    uint64_t best_score = 0;

    for (size_t i = 0; i < view->count; i++) {
        struct worker *worker = view->workers[i];
        uint64_t score;

        if (!is_candidate(view, worker) ||
            worker_load(worker) >=
                placement_bound(view->total, view->candidates, worker->capacity) ||
            (warm_only && !worker_is_warm(worker, view->placement->server_hash))) {
            continue;
        }
        score = fb_hash_mix(view->placement->key, worker->id_hash);
        if (best == NULL || score > best_score) {
            best = worker;
            best_score = score;
        }
    }
    return best;
}

/* All are above the bound: whoever has most room left, if any has. */
static struct worker *roomiest(const struct view *view)
{
    struct worker *best = NULL;
    uint32_t best_room = 0;

    for (size_t i = 0; i < view->count; i++) {
        struct worker *worker = view->workers[i];
        const uint32_t load = worker_load(worker);

        if (is_candidate(view, worker) && load < worker->capacity &&
            worker->capacity - load > best_room) {
            best = worker;
            best_room = worker->capacity - load;
        }
    }
    return best;
}

static struct worker *pick(struct view *view)
{
    struct worker *best = NULL;

    count_candidates(view);
    if (view->candidates == 0) {
        return NULL;
    }
    if (view->placement->server_hash != 0) {
        best = highest(view, true);
    }
    if (best == NULL) {
        best = highest(view, false);
    }
    return best == NULL ? roomiest(view) : best;
}

static struct worker *holder(const struct view *view)
{
    const struct worker *wanted = view->placement->holder;

    if (wanted == NULL || was_tried(view->placement, wanted) ||
        (wanted->state != WORKER_READY && wanted->state != WORKER_DRAINING)) {
        return NULL;
    }
    for (size_t i = 0; i < view->count; i++) {
        if (view->workers[i] == wanted) {
            return view->workers[i];
        }
    }
    return NULL;
}

struct worker *placement_pick(struct worker *const *workers, size_t count,
                              const struct placement *placement)
{
    struct view view = {.workers = workers, .count = count, .placement = placement};
    struct worker *best = holder(&view);

    /* From the strictest view to the laxest: a server that nobody offers is for any worker to refuse. */
    for (int i = 0; best == NULL && i < 4; i++) {
        view.offered_only = i < 2;
        view.tier_only = i % 2 == 0;
        if ((view.offered_only && placement->server_hash == 0) ||
            (view.tier_only && placement->tier == FLOWBALANCER__V1__TIER__TIER_UNSPECIFIED)) {
            continue;
        }
        best = pick(&view);
    }
    return best;
}
