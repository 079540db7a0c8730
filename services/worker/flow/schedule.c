#include "services/worker/flow/schedule.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "services/worker/flow/heap.h"

enum {
    ACTIVE_FIRST = 16,
    EFFORT_LEAST_MS = 6000,
    MINUTE_MS = 60000,
};

#define NO_LIMIT UINT32_MAX

struct schedule {
    struct graph *graph;
    struct schedule_limits limits;

    /* ready tasks, three ways */
    struct heap by_level;
    struct heap by_index;
    struct heap by_age; /* the oldest on top */
    uint32_t ready_of_weight[SCHEDULE_WEIGHT_MOST + 1];

    /* by node: what was said of it, good while it is ready or active */
    uint32_t slots;
    struct schedule_task *tasks;
    uint32_t *holder; /* GRAPH_NONE: not active */

    /* active tasks, oldest start first */
    uint32_t *active;
    uint32_t active_count;
    uint32_t active_room;
    uint32_t load;
};

struct schedule_limits schedule_limits_default(void)
{
    return (struct schedule_limits){.active_per_agent = 1, .active = 40, .load = 30};
}

static double index_of(const struct schedule *schedule, uint32_t node)
{
    const struct schedule_task *task = &schedule->tasks[node];
    double effort_ms = fmax(graph_effort_ms(schedule->graph, node), EFFORT_LEAST_MS);

    return (2.0 - task->priority) - (double)task->created_awake_ms / (double)SCHEDULE_TAU_MS -
           log2(effort_ms / MINUTE_MS);
}

static void enter(struct schedule *schedule, uint32_t node)
{
    if (!schedule_is_ready(schedule, node)) {
        schedule->ready_of_weight[schedule->tasks[node].weight]++;
    }
    heap_put(&schedule->by_level, node, (double)graph_level_ms(schedule->graph, node));
    heap_put(&schedule->by_index, node, index_of(schedule, node));
    heap_put(&schedule->by_age, node, -(double)schedule->tasks[node].created_awake_ms);
}

static void on_level(void *arg, uint32_t node, uint64_t level_ms)
{
    struct schedule *schedule = arg;

    (void)level_ms;
    if (!schedule_is_ready(schedule, node)) {
        return;
    }
    if (graph_is_open(schedule->graph, node)) {
        enter(schedule, node);
    } else {
        schedule_unready(schedule, node);
    }
}

struct schedule *schedule_create(struct graph *graph, struct schedule_limits limits)
{
    struct schedule *schedule = calloc(1, sizeof(*schedule));

    if (schedule == NULL) {
        return NULL;
    }
    schedule->graph = graph;
    schedule->limits = limits;
    graph_watch(graph, on_level, schedule);
    return schedule;
}

void schedule_destroy(struct schedule *schedule)
{
    if (schedule == NULL) {
        return;
    }
    graph_watch(schedule->graph, NULL, NULL);
    heap_finish(&schedule->by_level);
    heap_finish(&schedule->by_index);
    heap_finish(&schedule->by_age);
    free(schedule->tasks);
    free(schedule->holder);
    free(schedule->active);
    free(schedule);
}

void schedule_set_limits(struct schedule *schedule, struct schedule_limits limits)
{
    schedule->limits = limits;
}

static bool reserve(struct schedule *schedule, uint32_t least)
{
    uint32_t slots = schedule->slots == 0 ? ACTIVE_FIRST : schedule->slots;
    struct schedule_task *tasks;
    uint32_t *holder;

    if (least <= schedule->slots) {
        return true;
    }
    while (slots < least) {
        slots *= 2;
    }
    if (!heap_reserve(&schedule->by_level, slots) || !heap_reserve(&schedule->by_index, slots) ||
        !heap_reserve(&schedule->by_age, slots)) {
        return false;
    }
    tasks = realloc(schedule->tasks, slots * sizeof(*tasks));
    schedule->tasks = tasks != NULL ? tasks : schedule->tasks;
    holder = realloc(schedule->holder, slots * sizeof(*holder));
    schedule->holder = holder != NULL ? holder : schedule->holder;
    if (tasks == NULL || holder == NULL) {
        return false;
    }
    for (uint32_t slot = schedule->slots; slot < slots; slot++) {
        holder[slot] = GRAPH_NONE;
    }
    schedule->slots = slots;
    return true;
}

static uint8_t weight_of(uint8_t weight)
{
    return weight < 1 ? 1 : weight > SCHEDULE_WEIGHT_MOST ? SCHEDULE_WEIGHT_MOST : weight;
}

bool schedule_ready(struct schedule *schedule, uint32_t node, struct schedule_task task)
{
    assert(graph_is_open(schedule->graph, node));
    if (!reserve(schedule, node + 1)) {
        return false;
    }
    schedule_stop(schedule, node);
    schedule_unready(schedule, node);
    task.weight = weight_of(task.weight);
    if (task.priority > SCHEDULE_PRIORITY_MOST) {
        task.priority = SCHEDULE_PRIORITY_MOST;
    }
    schedule->tasks[node] = task;
    enter(schedule, node);
    return true;
}

void schedule_unready(struct schedule *schedule, uint32_t node)
{
    if (!schedule_is_ready(schedule, node)) {
        return;
    }
    schedule->ready_of_weight[schedule->tasks[node].weight]--;
    heap_remove(&schedule->by_level, node);
    heap_remove(&schedule->by_index, node);
    heap_remove(&schedule->by_age, node);
}

bool schedule_is_ready(const struct schedule *schedule, uint32_t node)
{
    return heap_has(&schedule->by_level, node);
}

uint32_t schedule_ready_count(const struct schedule *schedule)
{
    return schedule->by_level.count;
}

/* -- choosing -- */

/* What an agent asks, with all that is the same for every task. */
struct asking {
    struct schedule_agent agent;
    int64_t now_awake_ms;
    uint64_t left_ms;
    uint32_t room; /* weight that still fits into the load */
    bool passed;   /* a task was passed over for want of room */
};

static bool capable(const struct schedule *schedule, const struct asking *asking, uint32_t node)
{
    return (schedule->tasks[node].needs & ~asking->agent.caps) == 0;
}

static bool fits(const struct schedule *schedule, struct asking *asking, uint32_t node)
{
    if (!capable(schedule, asking, node)) {
        return false;
    }
    if (schedule->tasks[node].weight > asking->room) {
        asking->passed = true;
        return false;
    }
    return true;
}

/* The oldest that is beyond its time and that the agent may do, whether there is room or not. */
static uint32_t find_starved(struct schedule *schedule, const struct asking *asking)
{
    uint32_t node;

    heap_walk(&schedule->by_age);
    while ((node = heap_walk_next(&schedule->by_age)) != HEAP_NONE) {
        if (asking->now_awake_ms - schedule->tasks[node].created_awake_ms <= SCHEDULE_OLD_MS) {
            return GRAPH_NONE;
        }
        if (capable(schedule, asking, node)) {
            return node;
        }
    }
    return GRAPH_NONE;
}

size_t schedule_oldest(struct schedule *schedule, int64_t before_awake_ms, uint32_t *tasks,
                       size_t most)
{
    size_t count = 0;
    uint32_t node;

    heap_walk(&schedule->by_age);
    while (count < most && (node = heap_walk_next(&schedule->by_age)) != HEAP_NONE &&
           schedule->tasks[node].created_awake_ms < before_awake_ms) {
        tasks[count++] = node;
    }
    return count;
}

static uint32_t find_longest(struct schedule *schedule, struct asking *asking)
{
    uint32_t node;

    heap_walk(&schedule->by_level);
    while ((node = heap_walk_next(&schedule->by_level)) != HEAP_NONE) {
        if (fits(schedule, asking, node)) {
            return node;
        }
    }
    return GRAPH_NONE;
}

/* log2 of a factor from 1 to 2. */
static double affinity_of(const struct asking *asking, uint32_t node)
{
    unsigned ties = 0;

    if (asking->agent.ties != NULL) {
        ties = asking->agent.ties(asking->agent.ties_arg, node);
    }
    return ((ties & SCHEDULE_SAME_PARENT ? 1 : 0) + (ties & SCHEDULE_HELD_PREDECESSOR ? 1 : 0) +
            (ties & SCHEDULE_SHARED_EVIDENCE ? 1 : 0)) /
           3.0;
}

static uint32_t find_best(struct schedule *schedule, struct asking *asking)
{
    uint32_t best = GRAPH_NONE;
    double best_index = 0;
    uint32_t ranked = 0;
    uint32_t node;

    heap_walk(&schedule->by_index);
    while (ranked < SCHEDULE_RERANKED &&
           (node = heap_walk_next(&schedule->by_index)) != HEAP_NONE) {
        if (fits(schedule, asking, node)) {
            double index = heap_key(&schedule->by_index, node) + affinity_of(asking, node);

            if (best == GRAPH_NONE || index > best_index) {
                best = node;
                best_index = index;
            }
            ranked++;
        }
    }
    return best;
}

static struct schedule_choice choose(struct schedule *schedule, struct asking *asking)
{
    struct schedule_choice choice = {.task = GRAPH_NONE, .left_ms = asking->left_ms};
    uint32_t starved;
    uint32_t longest;

    if (schedule_ready_count(schedule) == 0) {
        choice.answer = SCHEDULE_NOTHING_READY;
        return choice;
    }
    starved = find_starved(schedule, asking);
    if (starved != GRAPH_NONE && !fits(schedule, asking, starved)) {
        choice.answer = SCHEDULE_SESSION_FULL;
        return choice;
    }
    longest = find_longest(schedule, asking);
    if (longest == GRAPH_NONE) {
        choice.answer = asking->passed ? SCHEDULE_SESSION_FULL : SCHEDULE_NEEDS_CAPS;
        return choice;
    }
    choice.slack_ms = asking->left_ms - graph_level_ms(schedule->graph, longest);
    if (starved != GRAPH_NONE) {
        choice.answer = SCHEDULE_STARVED;
        choice.task = starved;
    } else if ((double)choice.slack_ms <= SCHEDULE_THETA * (double)asking->left_ms) {
        choice.answer = SCHEDULE_CRITICAL;
        choice.task = longest;
    } else {
        choice.answer = SCHEDULE_INDEX;
        choice.task = find_best(schedule, asking);
    }
    return choice;
}

/*
 * Of the shared work only what nobody has begun counts: with the active tasks in it the end seems further
 * away than it is, and long tasks are begun too late for it.
 */
static uint64_t left_of(const struct schedule *schedule, uint32_t workers)
{
    uint64_t longest_ms = graph_longest_ms(schedule->graph);
    uint64_t shared_ms = graph_open_effort_ms(schedule->graph);

    for (uint32_t i = 0; i < schedule->active_count; i++) {
        if (graph_is_open(schedule->graph, schedule->active[i])) {
            shared_ms -= graph_effort_ms(schedule->graph, schedule->active[i]);
        }
    }
    shared_ms /= workers == 0 ? 1 : workers;
    return shared_ms > longest_ms ? shared_ms : longest_ms;
}

/* A load of one task is never too much, or what is heavier than the limit would wait for ever. */
static uint32_t room_of(const struct schedule *schedule)
{
    if (schedule->load == 0) {
        return NO_LIMIT;
    }
    return schedule->load < schedule->limits.load ? schedule->limits.load - schedule->load : 0;
}

/* Spares the walk through all ready tasks when there is room for none of them. */
static bool some_fit(const struct schedule *schedule, uint32_t room)
{
    for (uint32_t weight = 1; weight <= SCHEDULE_WEIGHT_MOST && weight <= room; weight++) {
        if (schedule->ready_of_weight[weight] > 0) {
            return true;
        }
    }
    return false;
}

/* Whether the agent could start anything at all; SCHEDULE_INDEX if so. */
static enum schedule_answer room_for(const struct schedule *schedule, uint32_t agent)
{
    if (schedule_active(schedule, agent, NULL, 0) >= schedule->limits.active_per_agent) {
        return SCHEDULE_AGENT_FULL;
    }
    if (schedule->active_count >= schedule->limits.active ||
        (schedule_ready_count(schedule) > 0 && !some_fit(schedule, room_of(schedule)))) {
        return SCHEDULE_SESSION_FULL;
    }
    return SCHEDULE_INDEX;
}

struct schedule_choice schedule_pick(struct schedule *schedule, struct schedule_agent agent,
                                     uint32_t workers, int64_t now_awake_ms)
{
    struct asking asking = {
        .agent = agent,
        .now_awake_ms = now_awake_ms,
        .left_ms = left_of(schedule, workers),
        .room = room_of(schedule),
    };
    enum schedule_answer room = room_for(schedule, agent.agent);

    if (room != SCHEDULE_INDEX) {
        return (struct schedule_choice){
            .answer = room, .task = GRAPH_NONE, .left_ms = asking.left_ms};
    }
    return choose(schedule, &asking);
}

/*
 * Takes out of the heaps what the agent may not do, as every step of a long listing would walk through it.
 * Gives the list of what was taken, NULL for none; without memory all stays where it is.
 */
static uint32_t *set_aside(struct schedule *schedule, const struct asking *asking, uint32_t *count)
{
    const uint32_t ready = schedule_ready_count(schedule);
    uint32_t *aside = malloc(((size_t)ready + 1) * sizeof(*aside));

    *count = 0;
    for (uint32_t i = 0; aside != NULL && i < ready; i++) {
        if (!capable(schedule, asking, schedule->by_level.ids[i])) {
            aside[(*count)++] = schedule->by_level.ids[i];
        }
    }
    for (uint32_t i = 0; i < *count; i++) {
        schedule_unready(schedule, aside[i]);
    }
    return aside;
}

size_t schedule_peek(struct schedule *schedule, struct schedule_agent agent, uint32_t workers,
                     int64_t now_awake_ms, uint32_t *tasks, size_t most)
{
    struct asking asking = {
        .agent = agent,
        .now_awake_ms = now_awake_ms,
        .left_ms = left_of(schedule, workers),
        .room = NO_LIMIT,
    };
    uint32_t *aside = NULL;
    uint32_t aside_count = 0;
    size_t count = 0;

    if (most > SCHEDULE_RERANKED) {
        aside = set_aside(schedule, &asking, &aside_count);
    }
    while (count < most) {
        uint32_t node = choose(schedule, &asking).task;

        if (node == GRAPH_NONE) {
            break;
        }
        tasks[count++] = node;
        schedule_unready(schedule, node);
    }
    for (size_t i = 0; i < count; i++) {
        enter(schedule, tasks[i]);
    }
    for (uint32_t i = 0; i < aside_count; i++) {
        enter(schedule, aside[i]);
    }
    free(aside);
    return count;
}

enum schedule_answer schedule_may(const struct schedule *schedule, struct schedule_agent agent,
                                  uint32_t task)
{
    struct asking asking = {.agent = agent, .room = room_of(schedule)};
    enum schedule_answer room = room_for(schedule, agent.agent);

    if (room != SCHEDULE_INDEX) {
        return room;
    }
    if (!schedule_is_ready(schedule, task)) {
        return SCHEDULE_NOTHING_READY;
    }
    if (!fits(schedule, &asking, task)) {
        return asking.passed ? SCHEDULE_SESSION_FULL : SCHEDULE_NEEDS_CAPS;
    }
    return SCHEDULE_INDEX;
}

/* -- active tasks -- */

bool schedule_start(struct schedule *schedule, uint32_t node, uint32_t agent, uint8_t weight)
{
    assert(agent != GRAPH_NONE);
    if (!reserve(schedule, node + 1)) {
        return false;
    }
    if (schedule->active_count == schedule->active_room) {
        uint32_t room = schedule->active_room == 0 ? ACTIVE_FIRST : 2 * schedule->active_room;
        uint32_t *active = realloc(schedule->active, room * sizeof(*active));

        if (active == NULL) {
            return false;
        }
        schedule->active = active;
        schedule->active_room = room;
    }
    schedule_unready(schedule, node);
    schedule_stop(schedule, node);
    schedule->tasks[node].weight = weight_of(weight);
    schedule->holder[node] = agent;
    schedule->active[schedule->active_count++] = node;
    schedule->load += schedule->tasks[node].weight;
    return true;
}

void schedule_stop(struct schedule *schedule, uint32_t node)
{
    uint32_t i = 0;

    if (node >= schedule->slots || schedule->holder[node] == GRAPH_NONE) {
        return;
    }
    schedule->holder[node] = GRAPH_NONE;
    schedule->load -= schedule->tasks[node].weight;
    while (schedule->active[i] != node) {
        i++;
    }
    schedule->active_count--;
    for (; i < schedule->active_count; i++) {
        schedule->active[i] = schedule->active[i + 1];
    }
}

size_t schedule_active(const struct schedule *schedule, uint32_t agent, uint32_t *tasks,
                       size_t most)
{
    size_t count = 0;

    for (uint32_t i = 0; i < schedule->active_count; i++) {
        uint32_t node = schedule->active[i];

        if (agent != GRAPH_NONE && schedule->holder[node] != agent) {
            continue;
        }
        if (count < most) {
            tasks[count] = node;
        }
        count++;
    }
    return count;
}

uint32_t schedule_load(const struct schedule *schedule)
{
    return schedule->load;
}
