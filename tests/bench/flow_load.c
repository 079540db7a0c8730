/*
 * What the flow engine takes in memory: agents claim, pulse and finish one task after the other in a
 * session of many tasks. Prints a line for each kind of command with its 50th and 99th percentile, and
 * what it takes to plan the tasks, to write the session's snapshot and to read it.
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

enum { CLAIM, PULSE, FINISH, COMMANDS };

static const char *const command_names[COMMANDS] = {"claim", "pulse", "finish"};

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

static int64_t timed(struct decision *d, int command, struct fb_text agent, uint32_t *task,
                     uint64_t *fence)
{
    const int64_t from_ns = now_ns();
    bool done = false;

    switch (command) {
    case CLAIM:
        done = decide_next(d, &(struct next_command){.agent = agent});
        *task = d->task;
        *fence = d->fence;
        break;
    case PULSE:
        done = decide_pulse(d, &(struct pulse_command){.agent = agent,
                                                       .task = *task,
                                                       .fence = *fence,
                                                       .note = FB_TEXT("half of it is there"),
                                                       .percent = 50});
        break;
    case FINISH:
        done = decide_done(d, &(struct done_command){.agent = agent,
                                                     .task = *task,
                                                     .fence = *fence,
                                                     .summary = FB_TEXT("it is there")});
        break;
    }
    if (!done) {
        stop(command_names[command], d->refusal.why);
    }
    return now_ns() - from_ns;
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
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t task = 0;
        uint64_t fence = 0;

        for (int i = 0; i < COMMANDS; i++) {
            d->now_ms += STEP_MS;
            times[i][round] = timed(d, i, agents[round % AGENTS], &task, &fence);
        }
        fb_arena_reset(d->arena);
        d->events = NULL;
        d->event_count = d->event_room = 0;
    }
    for (int i = 0; i < COMMANDS; i++) {
        const uint32_t half = rounds / 2;
        const uint32_t most = (uint32_t)((uint64_t)rounds * 99 / 100);

        qsort(times[i], rounds, sizeof(*times[i]), by_size);
        printf("%-8s p50 %7.1f us   p99 %7.1f us\n", command_names[i], (double)times[i][half] / 1e3,
               (double)times[i][most] / 1e3);
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
    printf("snapshot %.1f MiB, written in %.0f ms, read in %.0f ms\n",
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
    if (d.session == NULL || tasks == 0 || rounds == 0) {
        stop("start", "no memory, or no tasks or rounds");
    }
    rounds = rounds > tasks ? tasks : rounds;
    for (int i = 0; i < AGENTS; i++) {
        if (!decide_open(&d, &(struct open_command){.name = FB_TEXT("load"), .agent = agents[i]})) {
            stop("open", d.refusal.why);
        }
    }
    from_ns = now_ns();
    plan(&d, tasks);
    printf("plan     %u tasks in %.0f ms\n", tasks, (double)(now_ns() - from_ns) / 1e6);
    work(&d, rounds);
    keep(d.session);
    session_destroy(d.session);
    fb_arena_finish(&arena);
    return 0;
}
