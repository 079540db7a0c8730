/*
 * flow_durable: what claim, pulse and finish of a task take until they are on disk, through the keeper of
 * sessions and a flow-store.
 *
 *     flow_durable --target ADDRESS [--tasks N] [--callers N] [--rounds N] [--session ID]
 *     flow_durable --sync FILE [--rounds N]
 *     flow_durable --load ADDRESS --session ID
 *
 * With --target a session of --tasks is planned, and each of --callers agents claims, notes and finishes
 * one task after the other, --rounds of them in all; the callers share one session. With --sync as many
 * pages of 4 KiB are written to a file, each followed by fdatasync: what the disk itself takes. With
 * --load the session is taken over and answered once: what opening it takes. Prints one JSON object:
 *
 *     claim, pulse, finish   of each p50_us and p99_us
 *     calls_per_s            of the three together
 *     plan_ms                until the plan was on disk
 *     sync                   p50_us and p99_us
 *     load_ms                until the first answer
 *
 * Any refusal ends the run with exit code 1.
 */

#define _GNU_SOURCE /* pwrite, fdatasync beside C17 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/log/log.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "services/worker/sessions/keeper.h"

enum { CALLERS_MOST = 1024, ROUNDS_MOST = 1000000, TASKS_MOST = 200000, PAGE = 4096 };

enum step { CLAIM, PULSE, FINISH, STEPS, OPEN, PLAN, LOOK };

static const char *const step_names[STEPS] = {"claim", "pulse", "finish"};

struct bench {
    const char *target;
    const char *sync;
    const char *load;
    const char *session;
    size_t tasks;
    size_t callers;
    size_t rounds;

    struct fb_loop *loop;
    struct keeper *keeper;
    size_t begun;
    size_t resting;
    int64_t *took_us[STEPS];
    size_t count[STEPS];
};

struct caller {
    struct keeper_call call;
    struct bench *bench;
    struct fb_arena arena;
    char name[32];
    enum step step;
    uint32_t task;
    uint64_t fence;
    int64_t began_us;
    bool done;
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "flow_durable: %s: %s\n", what, why);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void print_times(const char *name, int64_t *took_us, size_t count)
{
    qsort(took_us, count, sizeof(*took_us), by_size);
    printf("\"%s\": {\"p50_us\": %lld, \"p99_us\": %lld}", name, (long long)took_us[count / 2],
           (long long)took_us[count * 99 / 100]);
}

static int64_t *new_times(size_t count)
{
    int64_t *times = calloc(count + 1, sizeof(*times));

    if (times == NULL) {
        fail("start", "out of memory");
    }
    return times;
}

/* --- what is decided --- */

static void plan(const struct bench *bench, struct caller *caller, struct decision *d)
{
    struct plan_item *items = fb_arena_zalloc(&caller->arena, bench->tasks, sizeof(*items));
    struct plan_link *links = fb_arena_zalloc(&caller->arena, bench->tasks, sizeof(*links));
    uint32_t random = 1;

    if (items == NULL || links == NULL) {
        fail("plan", "out of memory");
    }
    /* Four links for every five tasks, each to one of the hundred before it. */
    for (size_t i = 0; i < bench->tasks; i++) {
        uint32_t back;

        random = random * 1664525u + 1013904223u;
        back = 1 + (random >> 16) % 100;
        links[i] = (struct plan_link){.item = i >= back ? (uint32_t)i + 1 - back : 1,
                                      .kind = EVENT_LINK_AFTER};
        items[i] = (struct plan_item){
            .task = {.title = FB_TEXT("measure what a task takes until it is on disk"),
                     .weight = 1 + (random >> 8) % 10,
                     .priority = (random >> 12) % 5},
            .links = &links[i],
            .link_count = i > 0 && (random >> 20) % 5 != 0,
        };
    }
    (void)decide_plan(d, &(struct plan_command){
                             .agent = caller->call.actor, .items = items, .count = bench->tasks});
}

static enum keeper_verdict decide(struct keeper_call *call, struct decision *d)
{
    struct caller *caller = call->self;

    switch (caller->step) {
    case OPEN:
        (void)decide_open(d, &(struct open_command){.name = FB_TEXT("a measurement"),
                                                    .agent = call->actor,
                                                    .active_most = 100000,
                                                    .load_most = 1000000});
        break;
    case PLAN:
        plan(caller->bench, caller, d);
        break;
    case CLAIM:
        (void)decide_next(d, &(struct next_command){.agent = call->actor});
        caller->task = d->task;
        caller->fence = d->fence;
        break;
    case PULSE:
        (void)decide_pulse(d, &(struct pulse_command){.agent = call->actor,
                                                      .task = caller->task,
                                                      .fence = caller->fence,
                                                      .note = FB_TEXT("half of it is there"),
                                                      .percent = 50});
        break;
    case FINISH:
        (void)decide_done(d, &(struct done_command){.agent = call->actor,
                                                    .task = caller->task,
                                                    .fence = caller->fence,
                                                    .summary = FB_TEXT("it is there")});
        break;
    case LOOK:
    case STEPS:
        break;
    }
    if (d->refusal.kind != REFUSAL_NONE) {
        fail("refused", d->refusal.why);
    }
    return KEEPER_ANSWER;
}

static void begin(struct caller *caller, enum step step);

static void on_end(struct keeper_call *call, const struct keeper_end *end)
{
    struct caller *caller = call->self;
    struct bench *bench = caller->bench;
    const enum step step = caller->step;

    if (!fb_is_ok(end->status)) {
        fail("call", end->status.why);
    }
    fb_arena_reset(&caller->arena);
    if (step >= STEPS) {
        caller->done = true;
        return;
    }
    bench->took_us[step][bench->count[step]++] = fb_clock_us() - caller->began_us;
    if (step != FINISH) {
        begin(caller, step + 1);
    } else if (bench->begun < bench->rounds) {
        bench->begun++;
        begin(caller, CLAIM);
    } else {
        bench->resting++;
    }
}

static const struct keeper_call_events events = {.decide = decide, .on_end = on_end};

static void begin(struct caller *caller, enum step step)
{
    struct bench *bench = caller->bench;

    caller->step = step;
    caller->done = false;
    caller->began_us = fb_clock_us();
    caller->call = (struct keeper_call){
        .session = fb_text_of(bench->session),
        .actor = fb_text_of(caller->name),
        .create = step == OPEN,
        .take_over = step == LOOK,
        .deadline_ms = fb_loop_now_ms(bench->loop) + 120000,
        .arena = &caller->arena,
        .events = &events,
        .self = caller,
    };
    keeper_begin(bench->keeper, &caller->call);
}

static int64_t alone_us(struct caller *caller, enum step step)
{
    const int64_t from_us = fb_clock_us();

    begin(caller, step);
    while (!caller->done) {
        fb_loop_turn(caller->bench->loop, 1000);
    }
    return fb_clock_us() - from_us;
}

/* --- until queries know all of the plan --- */

static void on_found(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    Flowbalancer__V1__SearchTasksResponse *response =
        flowbalancer__v1__search_tasks_response__unpack(NULL, size, data);

    (void)call;
    if (response == NULL) {
        fail("SearchTasks", "sent what cannot be read");
    }
    if (response->done) {
        *(size_t *)arg = response->n_behind_session_ids;
    }
    flowbalancer__v1__search_tasks_response__free_unpacked(response, NULL);
}

static void on_search_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    (void)call;
    (void)arg;
    if (!fb_is_ok(end->status)) {
        fail("SearchTasks", end->status.why);
    }
}

static void settle(struct bench *bench)
{
    static const struct fb_client_call_events search_events = {.on_message = on_found,
                                                               .on_end = on_search_end};
    static const struct fb_call_plan search_plan = {
        .path = "/flowbalancer.v1.SessionStoreService/SearchTasks"};
    Flowbalancer__V1__SearchTasksRequest request = FLOWBALANCER__V1__SEARCH_TASKS_REQUEST__INIT;
    size_t behind = 1;

    request.session_id = (char *)(uintptr_t)bench->session;
    request.page_size = 1;
    while (behind != 0) {
        struct fb_client_call *call =
            fb_channel_call(keeper_channel(bench->keeper), &search_plan, &search_events, &behind);

        behind = SIZE_MAX;
        if (call == NULL) {
            fail("SearchTasks", "out of memory");
        }
        (void)fb_client_call_send(call, &request.base);
        fb_client_call_half_close(call);
        while (behind == SIZE_MAX) {
            fb_loop_turn(bench->loop, 1000);
        }
    }
}

/* --- runs --- */

static void connect_to(struct bench *bench, const char *target)
{
    const struct fb_channel_config channel_config = {.target = target};
    struct keeper_config config = {.worker_id = "bench", .start_unix_ms = fb_clock_unix_ms()};
    struct fb_channel *channel;
    struct fb_status status;

    bench->loop = fb_loop_create();
    if (bench->loop == NULL) {
        fail("start", "out of memory");
    }
    status = fb_channel_create(bench->loop, &fb_h2, &channel_config, &channel);
    if (!fb_is_ok(status)) {
        fail("target", status.why);
    }
    config.loop = bench->loop;
    bench->keeper = keeper_create(&config, channel);
    if (bench->keeper == NULL) {
        fail("start", "out of memory");
    }
}

static struct caller *new_callers(struct bench *bench, size_t count)
{
    struct caller *callers = calloc(count, sizeof(*callers));

    if (callers == NULL || count == 0) {
        fail("start", "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        callers[i].bench = bench;
        fb_arena_init(&callers[i].arena, 0);
        snprintf(callers[i].name, sizeof(callers[i].name), "agent-%zu", i);
    }
    return callers;
}

static void run_target(struct bench *bench)
{
    struct caller *callers;
    int64_t plan_us;
    int64_t whole_us;

    connect_to(bench, bench->target);
    callers = new_callers(bench, bench->callers);
    for (int step = CLAIM; step < STEPS; step++) {
        bench->took_us[step] = new_times(bench->rounds);
    }
    alone_us(&callers[0], OPEN);
    plan_us = alone_us(&callers[0], PLAN);
    settle(bench);
    whole_us = fb_clock_us();
    for (size_t i = 0; i < bench->callers; i++) {
        bench->begun++;
        begin(&callers[i], CLAIM);
    }
    while (bench->resting < bench->callers) {
        fb_loop_turn(bench->loop, 1000);
    }
    whole_us = fb_clock_us() - whole_us;
    printf("{");
    for (int step = CLAIM; step < STEPS; step++) {
        print_times(step_names[step], bench->took_us[step], bench->count[step]);
        printf(", ");
    }
    printf("\"calls_per_s\": %.1f, \"plan_ms\": %lld}\n",
           (double)(STEPS * bench->rounds) * 1e6 / (double)whole_us, (long long)(plan_us / 1000));
}

static void run_load(struct bench *bench)
{
    struct caller *caller;

    connect_to(bench, bench->load);
    caller = new_callers(bench, 1);
    printf("{\"load_ms\": %.1f}\n", (double)alone_us(caller, LOOK) / 1000);
}

static void run_sync(struct bench *bench)
{
    const int file = open(bench->sync, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int64_t *took_us = new_times(bench->rounds);
    char page[PAGE];

    memset(page, 'x', sizeof(page));
    for (size_t i = 0; i < bench->rounds; i++) {
        const int64_t from_us = fb_clock_us();

        if (file < 0 || pwrite(file, page, PAGE, (off_t)(i * PAGE)) != PAGE ||
            fdatasync(file) != 0) {
            fail(bench->sync, strerror(errno));
        }
        took_us[i] = fb_clock_us() - from_us;
    }
    printf("{");
    print_times("sync", took_us, bench->rounds);
    printf("}\n");
}

static size_t number(const char *option, const char *text, size_t most)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || value == 0 || value > most) {
        fail(option, "is no number in its range");
    }
    return value;
}

int main(int argc, char **argv)
{
    struct bench bench = {.tasks = 100000, .callers = 1, .rounds = 2000, .session = "bench"};

    fb_log_set_least(FB_WARN);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--target") == 0) {
            bench.target = argv[i + 1];
        } else if (strcmp(argv[i], "--sync") == 0) {
            bench.sync = argv[i + 1];
        } else if (strcmp(argv[i], "--load") == 0) {
            bench.load = argv[i + 1];
        } else if (strcmp(argv[i], "--session") == 0) {
            bench.session = argv[i + 1];
        } else if (strcmp(argv[i], "--tasks") == 0) {
            bench.tasks = number(argv[i], argv[i + 1], TASKS_MOST);
        } else if (strcmp(argv[i], "--callers") == 0) {
            bench.callers = number(argv[i], argv[i + 1], CALLERS_MOST);
        } else if (strcmp(argv[i], "--rounds") == 0) {
            bench.rounds = number(argv[i], argv[i + 1], ROUNDS_MOST);
        } else {
            fail(argv[i], "is no option");
        }
    }
    if (bench.rounds < bench.callers) {
        bench.rounds = bench.callers;
    }
    if (bench.target != NULL) {
        run_target(&bench);
    } else if (bench.load != NULL) {
        run_load(&bench);
    } else if (bench.sync != NULL) {
        run_sync(&bench);
    } else {
        fail("usage", "--target ADDRESS, --load ADDRESS or --sync FILE");
    }
    return 0;
}
