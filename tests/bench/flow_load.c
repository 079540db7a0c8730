/*
 * What the flow engine takes in memory: agents claim, pulse and finish one task after the other in a
 * session of many tasks; then the steady step, which finishes one and claims the next at once; the same
 * sent again; and finishing what gives work to an agent that waits. Every command has a request id.
 * Prints a line for each kind with its 50th and 99th percentile, and what it takes to plan the tasks, to
 * write the session's snapshot and to read it.
 *
 *     flow_load [TASKS [ROUNDS]]     100000 and 20000, unless said otherwise
 */

#define _XOPEN_SOURCE 700 /* nrand48 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/base/arena.h"
#include "services/worker/flow/decide.h"
#include "services/worker/flow/session.h"
#include "services/worker/flow/snapshot.h"

enum { AGENTS = 8, STEP_MS = 400, DEFAULT_TASKS = 100000, DEFAULT_ROUNDS = 20000 };

enum { CLAIM, PULSE, FINISH, STEADY, REPEAT, HAND_OVER, COMMANDS };

static const char *const command_names[COMMANDS] = {"claim",  "pulse",  "finish",
                                                    "steady", "repeat", "hand over"};

static const struct fb_text agents[AGENTS] = {
    {.data = "a0", .size = 2}, {.data = "a1", .size = 2}, {.data = "a2", .size = 2},
    {.data = "a3", .size = 2}, {.data = "a4", .size = 2}, {.data = "a5", .size = 2},
    {.data = "a6", .size = 2}, {.data = "a7", .size = 2},
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "flow_load: %s: %s\n", what, why);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Four links for every five tasks, each to one of the hundred before it. */
static void plan(struct decision *d, uint32_t count)
{
    unsigned short seed[3] = {1, 2, 3};
    struct plan_item *items = calloc(count, sizeof(*items));
    struct plan_link *links = calloc(count, sizeof(*links));

    if (items == NULL || links == NULL) {
        stop("plan", "no memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t back = 1 + (uint32_t)nrand48(seed) % 100;

        links[i] =
            (struct plan_link){.item = i >= back ? i + 1 - back : 1, .kind = EVENT_LINK_AFTER};
        items[i] = (struct plan_item){
            .task = {.title = FB_TEXT("measure what a task takes"),
                     .weight = 1 + (uint32_t)nrand48(seed) % 10,
                     .priority = (uint32_t)nrand48(seed) % 5},
            .links = &links[i],
            .link_count = i > 0 && nrand48(seed) % 5 != 0,
        };
    }
    if (!decide_plan(d,
                     &(struct plan_command){.agent = agents[0], .items = items, .count = count})) {
        stop("plan", d->refusal.why);
    }
    free(items);
    free(links);
}

/* What an agent has in hand. */
struct hand {
    uint32_t task;
    uint64_t fence;
};

/* Request ids are for good: each is used once, or twice where it is sent again. */
static struct fb_text fresh_id(struct decision *d)
{
    static uint64_t number;
    char *id = fb_arena_printf(d->arena, "load-%llu", (unsigned long long)++number);

    if (id == NULL) {
        stop("request id", "no memory");
    }
    return fb_text_of(id);
}

static bool run(struct decision *d, int command, struct fb_text agent, struct hand *hand)
{
    const struct done_command finish = {.agent = agent,
                                        .task = hand->task,
                                        .fence = hand->fence,
                                        .summary = FB_TEXT("it is there"),
                                        .next = command == STEADY || command == REPEAT};

    switch (command) {
    case CLAIM:
        return decide_next(d, &(struct next_command){.agent = agent});
    case PULSE:
        return decide_pulse(d, &(struct pulse_command){.agent = agent,
                                                       .task = hand->task,
                                                       .fence = hand->fence,
                                                       .note = FB_TEXT("half of it is there"),
                                                       .percent = 50});
    default:
        return decide_done(d, &finish);
    }
}

static int64_t timed(struct decision *d, int command, struct fb_text agent, struct hand *hand)
{
    int64_t from_ns;
    int64_t took_ns;

    d->now_ms += STEP_MS;
    if (command != REPEAT) {
        d->request_id = fresh_id(d);
    }
    from_ns = now_ns();
    if (!run(d, command, agent, hand)) {
        stop(command_names[command], d->refusal.why);
    }
    took_ns = now_ns() - from_ns;
    if (d->task != 0) {
        *hand = (struct hand){.task = d->task, .fence = d->fence};
    }
    return took_ns;
}

static void forget_events(struct decision *d)
{
    fb_arena_reset(d->arena);
    d->events = NULL;
    d->event_count = d->event_room = 0;
}

static void print_times(int command, int64_t *times, uint32_t count)
{
    const uint32_t half = count / 2;
    const uint32_t most = (uint32_t)((uint64_t)count * 99 / 100);

    qsort(times, count, sizeof(*times), by_size);
    printf("%-10s p50 %7.1f us   p99 %7.1f us\n", command_names[command], (double)times[half] / 1e3,
           (double)times[most] / 1e3);
}

/* Each agent claims a task, says something and finishes it. */
static void work_apart(struct decision *d, uint32_t rounds, int64_t *times[COMMANDS])
{
    for (uint32_t round = 0; round < rounds; round++) {
        struct hand hand = {.task = 0};

        for (int i = CLAIM; i <= FINISH; i++) {
            times[i][round] = timed(d, i, agents[round % AGENTS], &hand);
        }
        forget_events(d);
    }
}

/* Each agent ends a task and has the next in one command, which then comes once more. */
static void work_steadily(struct decision *d, uint32_t rounds, int64_t *times[COMMANDS])
{
    struct hand hands[AGENTS] = {{.task = 0}};

    for (uint32_t i = 0; i < AGENTS; i++) {
        (void)timed(d, CLAIM, agents[i], &hands[i]);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        struct hand *hand = &hands[round % AGENTS];
        const struct hand before = *hand;

        times[STEADY][round] = timed(d, STEADY, agents[round % AGENTS], hand);
        *hand = before;
        times[REPEAT][round] = timed(d, REPEAT, agents[round % AGENTS], hand);
        forget_events(d);
    }
    for (uint32_t i = 0; i < AGENTS; i++) {
        (void)timed(d, FINISH, agents[i], &hands[i]);
    }
}

/* One agent works, the next one waits and has what is ready in the commit that ends the work. */
static void work_in_turn(struct decision *d, uint32_t rounds, int64_t *times[COMMANDS])
{
    struct hand hand = {.task = 0};

    (void)timed(d, CLAIM, agents[0], &hand);
    for (uint32_t round = 0; round < rounds; round++) {
        const struct waiter waiter = {.agent = agents[(round + 1) % AGENTS]};

        d->waiters = &waiter;
        d->waiter_count = 1;
        times[HAND_OVER][round] = timed(d, HAND_OVER, agents[round % AGENTS], &hand);
        if (d->grant_count != 1) {
            stop(command_names[HAND_OVER], "nobody was given anything");
        }
        hand = (struct hand){.task = d->grants[0].task, .fence = d->grants[0].fence};
        d->waiter_count = 0;
        forget_events(d);
    }
}

static void work(struct decision *d, uint32_t rounds)
{
    int64_t *times[COMMANDS];

    for (int i = 0; i < COMMANDS; i++) {
        times[i] = calloc(rounds, sizeof(*times[i]));
        if (times[i] == NULL) {
            stop("work", "no memory");
        }
    }
    work_apart(d, rounds, times);
    work_steadily(d, rounds, times);
    work_in_turn(d, rounds, times);
    for (int i = 0; i < COMMANDS; i++) {
        print_times(i, times[i], rounds);
        free(times[i]);
    }
}

static void keep(struct session *session)
{
    struct fb_buffer bytes = {.data = NULL};
    struct session *again;
    const int64_t from_ns = now_ns();
    int64_t written_ns;

    if (!snapshot_write(session, &bytes)) {
        stop("snapshot", "no memory");
    }
    written_ns = now_ns();
    if (!fb_is_ok(
            snapshot_read((struct fb_text){.data = bytes.data, .size = bytes.size}, &again))) {
        stop("snapshot", "it cannot be read");
    }
    printf("snapshot   %.1f MiB, written in %.0f ms, read in %.0f ms\n",
           (double)bytes.size / (1 << 20), (double)(written_ns - from_ns) / 1e6,
           (double)(now_ns() - written_ns) / 1e6);
    session_destroy(again);
    fb_buffer_finish(&bytes);
}

int main(int argc, char **argv)
{
    const uint32_t tasks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : DEFAULT_TASKS;
    uint32_t rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : DEFAULT_ROUNDS;
    struct fb_arena arena;
    struct decision d = {.session = session_create(), .arena = &arena, .now_ms = 1000};
    int64_t from_ns;

    fb_arena_init(&arena, 0);
    if (d.session == NULL || tasks < 4 * AGENTS || rounds == 0) {
        stop("start", "no memory, too few tasks, or no rounds");
    }
    rounds = rounds > tasks / 4 ? tasks / 4 : rounds; /* three kinds of work, and some left over */
    for (int i = 0; i < AGENTS; i++) {
        if (!decide_open(&d, &(struct open_command){.name = FB_TEXT("load"),
                                                    .agent = agents[i],
                                                    .load_most = 10 * AGENTS})) {
            stop("open", d.refusal.why);
        }
    }
    from_ns = now_ns();
    plan(&d, tasks);
    printf("plan       %u tasks in %.0f ms\n", tasks, (double)(now_ns() - from_ns) / 1e6);
    work(&d, rounds);
    keep(d.session);
    session_destroy(d.session);
    fb_arena_finish(&arena);
    return 0;
}
