#include "services/worker/flow/remaining.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/heap.h"
#include "services/worker/flow/schedule.h"

enum { TRIES = 64 };

#define TAU_DAYS ((double)SCHEDULE_TAU_MS / 86400000.0)
#define Z90      1.2815515655446004 /* of a normal deviate */

/* What all runs share, and one run under way. */
struct dispatch {
    const struct remaining_work *work;
    uint64_t seed;

    uint32_t *first; /* edges out of each task: targets[first[i]] .. targets[first[i + 1]] */
    uint32_t *targets;
    uint32_t *waits; /* open tasks before each */
    double *levels;  /* effort to the end of the longest chain from here */
    double *indices; /* Smith's, with age */
    double unheld;   /* effort of what nobody holds yet */

    uint32_t *left; /* of `waits`, in this run */
    struct heap by_level;
    struct heap by_index;
    struct heap running; /* by minus the time of its end */
    double pending;      /* effort not begun, in this run */
    double now;
};

/* --- chance --- */

static double unit(uint64_t *seed)
{
    uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return ((double)(x >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *seed)
{
    const double radius = sqrt(-2 * log(unit(seed)));

    return radius * cos(6.283185307179586 * unit(seed));
}

/* How much longer a hold lasts. Far out, ln of a normal tail is nearly exponential. */
static double draw(struct dispatch *d, const struct remaining_task *task)
{
    const double spread = d->work->spread;
    double beyond;

    if (task->minutes <= 0) {
        return 0;
    }
    if (!task->held || task->elapsed_minutes <= 0) {
        return task->minutes * exp(spread * normal(&d->seed));
    }
    beyond = log(task->elapsed_minutes / task->minutes);
    for (int i = 0; i < TRIES && beyond <= spread; i++) {
        const double minutes = task->minutes * exp(spread * normal(&d->seed));

        if (minutes > task->elapsed_minutes) {
            return minutes - task->elapsed_minutes;
        }
    }
    if (beyond <= 0) {
        return task->minutes;
    }
    return task->elapsed_minutes * expm1(-log(unit(&d->seed)) * spread * spread / beyond);
}

/* --- what all runs share --- */

static void dispatch_finish(struct dispatch *d)
{
    free(d->first);
    free(d->targets);
    free(d->waits);
    free(d->left);
    free(d->levels);
    free(d->indices);
    heap_finish(&d->by_level);
    heap_finish(&d->by_index);
    heap_finish(&d->running);
}

static bool dispatch_room(struct dispatch *d)
{
    const uint32_t count = d->work->count;

    d->first = calloc(count + 2, sizeof(*d->first));
    d->targets = calloc(d->work->edge_count + 1, sizeof(*d->targets));
    d->waits = calloc(count + 1, sizeof(*d->waits));
    d->left = calloc(count + 1, sizeof(*d->left));
    d->levels = calloc(count + 1, sizeof(*d->levels));
    d->indices = calloc(count + 1, sizeof(*d->indices));
    return d->first != NULL && d->targets != NULL && d->waits != NULL && d->left != NULL &&
           d->levels != NULL && d->indices != NULL && heap_reserve(&d->by_level, count) &&
           heap_reserve(&d->by_index, count) && heap_reserve(&d->running, count);
}

static double effort_of(const struct remaining_task *task)
{
    return task->held ? 0 : task->minutes;
}

/* Edges by task, and levels from the ends back; false for a cycle. */
static bool prepare(struct dispatch *d)
{
    const struct remaining_work *work = d->work;
    uint32_t *order = d->left; /* not needed before the first run */
    uint32_t ordered = 0;

    for (uint32_t i = 0; i < work->edge_count; i++) {
        d->first[work->edges[i].before + 2]++;
        d->waits[work->edges[i].after]++;
    }
    for (uint32_t i = 1; i <= work->count; i++) {
        d->first[i + 1] += d->first[i];
    }
    for (uint32_t i = 0; i < work->edge_count; i++) {
        d->targets[d->first[work->edges[i].before + 1]++] = work->edges[i].after;
    }
    for (uint32_t i = 0; i < work->count; i++) {
        d->unheld += effort_of(&work->tasks[i]);
        if (d->waits[i] == 0) {
            order[ordered++] = i;
        }
    }
    for (uint32_t i = 0; i < ordered; i++) {
        for (uint32_t k = d->first[order[i]]; k < d->first[order[i] + 1]; k++) {
            if (--d->waits[d->targets[k]] == 0) {
                order[ordered++] = d->targets[k];
            }
        }
    }
    if (ordered != work->count) {
        return false;
    }
    while (ordered-- > 0) {
        const uint32_t i = order[ordered];
        const struct remaining_task *task = &work->tasks[i];
        double after = 0;

        for (uint32_t k = d->first[i]; k < d->first[i + 1]; k++) {
            after = fmax(after, d->levels[d->targets[k]]);
            d->waits[d->targets[k]]++;
        }
        d->levels[i] = task->minutes + after;
        d->indices[i] =
            2.0 - task->priority + task->age_days / TAU_DAYS - log2(fmax(task->minutes, 0.1));
    }
    return true;
}

/* --- a run --- */

static void begin(struct dispatch *d, uint32_t i)
{
    const struct remaining_task *task = &d->work->tasks[i];

    d->pending -= effort_of(task);
    heap_remove(&d->by_level, i);
    heap_remove(&d->by_index, i);
    heap_put(&d->running, i, -(d->now + draw(d, task)));
}

/* It is ready; what takes nobody's time needs nobody. */
static void enter(struct dispatch *d, uint32_t i)
{
    if (d->work->tasks[i].minutes <= 0) {
        begin(d, i);
        return;
    }
    heap_put(&d->by_level, i, d->levels[i]);
    heap_put(&d->by_index, i, d->indices[i]);
}

/* As schedule.h has it: the longest chain while it is in danger, else the best index. */
static uint32_t next(const struct dispatch *d, uint32_t workers)
{
    const uint32_t critical = heap_top(&d->by_level);
    const double left = fmax(d->levels[critical], d->pending / workers);

    return left - d->levels[critical] <= SCHEDULE_THETA * left ? critical : heap_top(&d->by_index);
}

static double run(struct dispatch *d)
{
    const struct remaining_work *work = d->work;
    const uint32_t workers = work->workers == 0 ? 1 : work->workers;

    memcpy(d->left, d->waits, work->count * sizeof(*d->left));
    d->pending = d->unheld;
    d->now = 0;
    for (uint32_t i = 0; i < work->count; i++) {
        if (work->tasks[i].held) {
            begin(d, i);
        } else if (d->left[i] == 0) {
            enter(d, i);
        }
    }
    for (;;) {
        uint32_t ended;

        while (d->by_level.count != 0 && d->running.count < workers) {
            begin(d, next(d, workers));
        }
        ended = heap_top(&d->running);
        if (ended == HEAP_NONE) {
            return d->now;
        }
        d->now = -heap_key(&d->running, ended);
        heap_remove(&d->running, ended);
        for (uint32_t k = d->first[ended]; k < d->first[ended + 1]; k++) {
            const uint32_t after = d->targets[k];

            if (--d->left[after] == 0 && !work->tasks[after].held) {
                enter(d, after);
            }
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(const double *sorted, uint32_t count, double share)
{
    const double at = share * (count - 1);
    const uint32_t low = (uint32_t)at;
    const uint32_t high = low + 1 < count ? low + 1 : low;

    return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

static void estimate_by_runs(struct dispatch *d, struct remaining *remaining)
{
    const struct remaining_work *work = d->work;
    double times[REMAINING_RUNS_MOST];
    uint32_t runs = REMAINING_STEPS / work->count;

    runs = runs > REMAINING_RUNS_MOST ? REMAINING_RUNS_MOST : runs;
    for (uint32_t i = 0; i < runs; i++) {
        times[i] = run(d) * exp(work->pace + work->pace_spread * normal(&d->seed));
    }
    qsort(times, runs, sizeof(*times), by_size);
    *remaining = (struct remaining){
        .p50_minutes = quantile(times, runs, .5),
        .p90_minutes = quantile(times, runs, .9),
        .runs = runs,
    };
}

static void estimate_by_sums(const struct dispatch *d, struct remaining *remaining)
{
    const struct remaining_work *work = d->work;
    const double workers = work->workers == 0 ? 1 : work->workers;
    const double spread2 = work->spread * work->spread;
    double longest = 0;
    double sum = 0;
    double squares = 0;
    double at_best;
    double share;

    for (uint32_t i = 0; i < work->count; i++) {
        longest = fmax(longest, d->levels[i]);
        sum += work->tasks[i].minutes;
        squares += work->tasks[i].minutes * work->tasks[i].minutes;
    }
    at_best = fmax(longest, sum * exp(spread2 / 2) / workers);
    if (at_best <= 0) {
        return;
    }
    share = sqrt(squares * exp(spread2) * expm1(spread2)) / workers / at_best;
    share = sqrt(log1p(share * share) + work->pace_spread * work->pace_spread);
    remaining->p50_minutes = at_best * exp(work->pace);
    remaining->p90_minutes = remaining->p50_minutes * exp(Z90 * share);
}

bool remaining_estimate(const struct remaining_work *work, struct remaining *remaining)
{
    struct dispatch d = {.work = work, .seed = work->seed};
    const bool ready = dispatch_room(&d) && prepare(&d);

    *remaining = (struct remaining){.runs = 0};
    if (ready && work->count > REMAINING_TASKS_MOST) {
        estimate_by_sums(&d, remaining);
    } else if (ready && work->count > 0) {
        estimate_by_runs(&d, remaining);
    }
    dispatch_finish(&d);
    return ready;
}
