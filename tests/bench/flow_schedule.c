/*
 * flow_schedule: works off generated task graphs by several orders, and says how each fared.
 *
 *     flow_schedule --seed N --draws N
 *
 * One line of JSON on stdout for each family, draw, number of workers and order: "c", the makespan as a
 * multiple of what no schedule can beat (the longest chain, or all work shared evenly), and "f", the
 * mean completion time as a multiple of FIFO's on the same draw. Durations are simulated. An order sees
 * weights of 1 to 10 only, which are the durations with log-normal noise; ours is the worker's own
 * schedule, with the worker's own prior of effort.
 */

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/worker/flow/effort.h"
#include "services/worker/flow/graph.h"
#include "services/worker/flow/schedule.h"

enum {
    TASKS_MOST = 1000,
    EDGES_MOST = 8000,
    WORKERS_MOST = 8,
    MINUTE_MS = 60000,
};

#define WEIGHT_NOISE 0.6

struct task {
    double minutes; /* what it will take; no order sees it */
    uint32_t weight;
    uint32_t priority;
    uint32_t depends_on; /* how many */
};

/* A draw. Tasks stand in the order of their creation, and depend on earlier ones only. */
struct draw {
    struct task tasks[TASKS_MOST];
    uint32_t count;
    struct graph_edge edges[EDGES_MOST];
    uint32_t edge_count;
};

/* -- chance -- */

static uint64_t random_next(uint64_t *seed)
{
    uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static double random_unit(uint64_t *seed)
{
    return ((double)(random_next(seed) >> 11) + 0.5) / 9007199254740992.0;
}

static uint32_t random_from(uint64_t *seed, uint32_t least, uint32_t most)
{
    return least + (uint32_t)(random_unit(seed) * (most - least + 1));
}

static double random_normal(uint64_t *seed)
{
    double radius = sqrt(-2 * log(random_unit(seed)));

    return radius * cos(6.283185307179586 * random_unit(seed));
}

static double random_log_normal(uint64_t *seed, double median, double sigma)
{
    return median * exp(sigma * random_normal(seed));
}

/* -- families -- */

static uint32_t add_task(struct draw *draw, uint64_t *seed, double minutes)
{
    double seen = random_log_normal(seed, minutes, WEIGHT_NOISE);
    struct task task = {.minutes = minutes, .weight = 1, .priority = random_from(seed, 0, 4)};

    /* The weight whose effort is nearest by ratio. */
    while (task.weight < SCHEDULE_WEIGHT_MOST &&
           seen > sqrt(effort_prior(task.weight) * effort_prior(task.weight + 1))) {
        task.weight++;
    }
    assert(draw->count < TASKS_MOST);
    draw->tasks[draw->count] = task;
    return draw->count++;
}

static void add_edge(struct draw *draw, uint32_t before, uint32_t after)
{
    assert(draw->edge_count < EDGES_MOST && before < after);
    for (uint32_t i = draw->edge_count; i-- > 0 && draw->edges[i].after == after;) {
        if (draw->edges[i].before == before) {
            return;
        }
    }
    draw->edges[draw->edge_count++] =
        (struct graph_edge){.before = before, .after = after, .kind = GRAPH_AFTER};
    draw->tasks[after].depends_on++;
}

/*
 * What agents note: most tasks stand alone or wait for one or two that were noted shortly before.
 */
static void draw_agents(struct draw *draw, uint64_t *seed)
{
    uint32_t count = random_from(seed, 60, 300);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = add_task(draw, seed, random_log_normal(seed, 10, 1.3));

        if (node > 0 && random_unit(seed) < 0.45) {
            uint32_t waits = random_from(seed, 1, 2);

            for (uint32_t k = 0; k < waits; k++) {
                uint32_t reach = node < 20 ? node : 20;

                add_edge(draw, node - random_from(seed, 1, reach), node);
            }
        }
    }
}

/*
 * Scientific and build workflows: lanes of fans. In each, a task splits the work, many alike do it, one
 * gathers it; a last task gathers the lanes.
 */
static void draw_workflow(struct draw *draw, uint64_t *seed)
{
    uint32_t lanes = random_from(seed, 2, 5);
    uint32_t ends[5];
    uint32_t last;

    for (uint32_t lane = 0; lane < lanes; lane++) {
        uint32_t fans = random_from(seed, 1, 4);
        uint32_t gathered = add_task(draw, seed, random_log_normal(seed, 5, 0.8));

        for (uint32_t fan = 0; fan < fans; fan++) {
            uint32_t width = random_from(seed, 2, 20);
            uint32_t first = draw->count;
            uint32_t depth = random_from(seed, 1, 2);
            double typical[2] = {random_log_normal(seed, 8, 1), random_log_normal(seed, 8, 1)};
            uint32_t gather;

            for (uint32_t i = 0; i < width * depth; i++) {
                uint32_t step = i / width;
                uint32_t node = add_task(draw, seed, random_log_normal(seed, typical[step], 0.4));

                add_edge(draw, step == 0 ? gathered : node - width, node);
            }
            gather = add_task(draw, seed, random_log_normal(seed, 5, 0.8));
            for (uint32_t i = width * (depth - 1); i < width * depth; i++) {
                add_edge(draw, first + i, gather);
            }
            gathered = gather;
        }
        ends[lane] = gathered;
    }
    last = add_task(draw, seed, random_log_normal(seed, 5, 0.8));
    for (uint32_t lane = 0; lane < lanes; lane++) {
        add_edge(draw, ends[lane], last);
    }
}

/* Plan, implement, test, document: each a share of the whole, give or take. */
static void draw_chains(struct draw *draw, uint64_t *seed)
{
    static const double shares[] = {0.15, 0.45, 0.25, 0.15};
    uint32_t chains = random_from(seed, 10, 50);

    for (uint32_t chain = 0; chain < chains; chain++) {
        double minutes = random_log_normal(seed, 40, 1);

        for (int phase = 0; phase < 4; phase++) {
            uint32_t node =
                add_task(draw, seed, random_log_normal(seed, minutes * shares[phase], 0.4));

            if (phase > 0) {
                add_edge(draw, node - 1, node);
            }
        }
    }
}

/* Layers of random width; each task waits for one to three of the layer before. */
static void draw_layers(struct draw *draw, uint64_t *seed)
{
    uint32_t layers = random_from(seed, 5, 12);
    uint32_t before = 0; /* where the layer before begins */
    uint32_t width_before = 0;

    for (uint32_t layer = 0; layer < layers; layer++) {
        uint32_t width = random_from(seed, 5, 25);
        uint32_t begin = draw->count;

        for (uint32_t i = 0; i < width; i++) {
            uint32_t node = add_task(draw, seed, random_log_normal(seed, 10, 1));
            uint32_t waits = layer == 0 ? 0 : random_from(seed, 1, 3);

            for (uint32_t k = 0; k < waits; k++) {
                add_edge(draw, before + random_from(seed, 0, width_before - 1), node);
            }
        }
        before = begin;
        width_before = width;
    }
}

static const struct family {
    const char *name;
    void (*draw)(struct draw *draw, uint64_t *seed);
} families[] = {
    {"agent-like", draw_agents},
    {"workflow-like", draw_workflow},
    {"4-phase chains", draw_chains},
    {"layered random", draw_layers},
};

/* -- orders -- */

/* A run under way. */
struct run {
    const struct draw *draw;
    struct graph *graph;       /* with the efforts that the weights tell */
    struct schedule *schedule; /* holds what is ready, for ours */
    bool ready[TASKS_MOST];
    uint32_t open_before[TASKS_MOST]; /* dependencies not yet done */
};

/* Should `a` go before `b`? Ties go to the one created first. */
typedef bool (*before_fn)(const struct run *run, uint32_t a, uint32_t b);

static bool before_fifo(const struct run *run, uint32_t a, uint32_t b)
{
    (void)run;
    return a < b;
}

static bool before_newest(const struct run *run, uint32_t a, uint32_t b)
{
    const struct task *x = &run->draw->tasks[a];
    const struct task *y = &run->draw->tasks[b];

    return x->priority != y->priority ? x->priority < y->priority : a > b;
}

static bool before_dependencies(const struct run *run, uint32_t a, uint32_t b)
{
    const struct task *x = &run->draw->tasks[a];
    const struct task *y = &run->draw->tasks[b];

    if (x->priority != y->priority) {
        return x->priority < y->priority;
    }
    return x->depends_on != y->depends_on ? x->depends_on < y->depends_on : a < b;
}

static bool before_level(const struct run *run, uint32_t a, uint32_t b)
{
    uint64_t x = graph_level_ms(run->graph, a);
    uint64_t y = graph_level_ms(run->graph, b);

    return x != y ? x > y : a < b;
}

static bool before_shortest(const struct run *run, uint32_t a, uint32_t b)
{
    uint32_t x = graph_effort_ms(run->graph, a);
    uint32_t y = graph_effort_ms(run->graph, b);

    return x != y ? x < y : a < b;
}

static const struct policy {
    const char *name;
    before_fn before; /* NULL: the worker's schedule decides */
} policies[] = {
    {"FIFO", before_fifo},
    {"priority, newest", before_newest},
    {"priority, #dependencies, id", before_dependencies},
    {"bottom level", before_level},
    {"shortest", before_shortest},
    {"ours", NULL},
};

/* -- a run -- */

static void check(bool holds)
{
    if (!holds) {
        fprintf(stderr, "flow_schedule: no memory, or the graph refuses a draw\n");
        exit(1);
    }
}

static void become_ready(struct run *run, uint32_t node)
{
    const struct task *task = &run->draw->tasks[node];

    run->ready[node] = true;
    check(schedule_ready(run->schedule, node,
                         (struct schedule_task){.priority = (uint8_t)task->priority,
                                                .weight = (uint8_t)task->weight}));
}

static void run_open(struct run *run, const struct draw *draw)
{
    /* The order is what is compared, so no limit but the number of workers. */
    struct schedule_limits limits = {
        .active_per_agent = 1, .active = WORKERS_MOST, .load = UINT32_MAX};

    *run = (struct run){.draw = draw, .graph = graph_create()};
    check(run->graph != NULL);
    run->schedule = schedule_create(run->graph, limits);
    check(run->schedule != NULL);
    for (uint32_t node = 0; node < draw->count; node++) {
        uint32_t effort_ms = graph_effort_of(effort_prior(draw->tasks[node].weight));

        check(graph_add_node(run->graph, node, effort_ms).code == FB_OK);
        run->open_before[node] = draw->tasks[node].depends_on;
    }
    check(graph_add_edges(run->graph, draw->edges, draw->edge_count, NULL).code == FB_OK);
    for (uint32_t node = 0; node < draw->count; node++) {
        if (run->open_before[node] == 0) {
            become_ready(run, node);
        }
    }
}

static void run_close(struct run *run)
{
    schedule_destroy(run->schedule);
    graph_destroy(run->graph);
}

/* The next task for an idle worker; GRAPH_NONE: nothing is ready. */
static uint32_t next_task(struct run *run, const struct policy *policy, uint32_t worker,
                          uint32_t workers, double now_minutes)
{
    uint32_t best = GRAPH_NONE;

    if (policy->before == NULL) {
        return schedule_pick(run->schedule, (struct schedule_agent){.agent = worker}, workers,
                             (int64_t)(now_minutes * MINUTE_MS))
            .task;
    }
    for (uint32_t node = 0; node < run->draw->count; node++) {
        if (run->ready[node] && (best == GRAPH_NONE || policy->before(run, node, best))) {
            best = node;
        }
    }
    return best;
}

static void finish_task(struct run *run, uint32_t node)
{
    schedule_stop(run->schedule, node);
    check(graph_set_open(run->graph, node, false).code == FB_OK);
    for (uint32_t at = graph_first_out(run->graph, node); at != GRAPH_NONE;
         at = graph_next_out(run->graph, at)) {
        uint32_t after = graph_edge_at(run->graph, at).after;

        if (--run->open_before[after] == 0) {
            become_ready(run, after);
        }
    }
}

struct outcome {
    double makespan_minutes;
    double mean_minutes; /* of completion */
};

static struct outcome work_off(const struct draw *draw, const struct policy *policy,
                               uint32_t workers)
{
    struct run run;
    struct outcome outcome = {0};
    uint32_t held[WORKERS_MOST];
    double until[WORKERS_MOST];
    double now = 0;
    uint32_t done = 0;

    run_open(&run, draw);
    for (uint32_t worker = 0; worker < workers; worker++) {
        held[worker] = GRAPH_NONE;
    }
    while (done < draw->count) {
        uint32_t next = GRAPH_NONE; /* the worker that is done first */

        for (uint32_t worker = 0; worker < workers; worker++) {
            if (held[worker] == GRAPH_NONE) {
                held[worker] = next_task(&run, policy, worker, workers, now);
                if (held[worker] != GRAPH_NONE) {
                    run.ready[held[worker]] = false;
                    check(schedule_start(run.schedule, held[worker], worker, 1));
                    until[worker] = now + draw->tasks[held[worker]].minutes;
                }
            }
            if (held[worker] != GRAPH_NONE && (next == GRAPH_NONE || until[worker] < until[next])) {
                next = worker;
            }
        }
        check(next != GRAPH_NONE);
        now = until[next];
        outcome.mean_minutes += now / draw->count;
        finish_task(&run, held[next]);
        held[next] = GRAPH_NONE;
        done++;
    }
    outcome.makespan_minutes = now;
    run_close(&run);
    return outcome;
}

/* What no schedule can beat: the longest chain, or all work shared evenly. */
static double least_minutes(const struct draw *draw, uint32_t workers)
{
    double ends[TASKS_MOST] = {0};
    double longest = 0;
    double work = 0;
    uint32_t edge = 0;

    /* Edges stand by the task that waits, so all that it waits for has its end by then. */
    for (uint32_t node = 0; node < draw->count; node++) {
        for (; edge < draw->edge_count && draw->edges[edge].after == node; edge++) {
            ends[node] = fmax(ends[node], ends[draw->edges[edge].before]);
        }
        ends[node] += draw->tasks[node].minutes;
        longest = fmax(longest, ends[node]);
        work += draw->tasks[node].minutes;
    }
    return fmax(longest, work / workers);
}

static void compare(const struct family *family, uint32_t number, const struct draw *draw)
{
    for (uint32_t workers = 2; workers <= WORKERS_MOST; workers *= 2) {
        double least = least_minutes(draw, workers);
        double fifo_mean = 0;

        for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
            struct outcome outcome = work_off(draw, &policies[i], workers);

            if (i == 0) {
                fifo_mean = outcome.mean_minutes;
            }
            printf("{\"family\": \"%s\", \"draw\": %" PRIu32 ", \"workers\": %" PRIu32
                   ", \"order\": \"%s\", \"c\": %.6f, \"f\": %.6f}\n",
                   family->name, number, workers, policies[i].name,
                   outcome.makespan_minutes / least, outcome.mean_minutes / fifo_mean);
        }
    }
}

int main(int argc, char **argv)
{
    static struct draw draw;
    uint64_t seed = 1;
    uint32_t draws = 100;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--draws") == 0) {
            draws = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "flow_schedule: \"%s\" is no option\n", argv[i]);
            return 2;
        }
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        for (uint32_t number = 0; number < draws; number++) {
            uint64_t own = seed * 1000003 + number * 8 + i;

            draw.count = 0;
            draw.edge_count = 0;
            families[i].draw(&draw, &own);
            compare(&families[i], number, &draw);
        }
    }
    return 0;
}
