/*
 * store_load: appends events to a flow-store, or to a bare SQLite file, and measures it.
 *
 *     store_load --target ADDRESS [--callers N] [--appends N] [--bytes N] [--tasks N] [--pid N]
 *     store_load --bare FILE [--appends N] [--bytes N]
 *
 * With --target each of --callers has a session of its own and one append of one event unanswered at any
 * time, until --appends are answered in all. With --tasks each session shows as many to queries first,
 * and each append what a claim changes: the session's line and one task. With --bare one loop inserts as many rows of the same
 * size, each in a transaction of its own, into a file with a write-ahead log and synchronous=FULL: the
 * same durability, and nothing else. Prints one JSON object:
 *
 *     appends_per_s       of the whole
 *     p50_us, p99_us      of an append
 *     cpu_us              processor time of the process --pid for each append; 0 without
 *
 * Any refusal ends the run with exit code 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/clock.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"

#define SERVICE "/flowbalancer.v1.SessionStoreService/"

enum {
    CALLERS_MOST = 1024,
    APPENDS_MOST = 10000000,
    BYTES_MOST = 1 << 20,
    TASKS_MOST = 200000,
    TASKS_AT_ONCE = 4096,
};

struct load {
    const char *target;
    const char *bare;
    size_t callers;
    size_t appends;
    size_t bytes;
    size_t tasks;
    size_t pid;

    struct fb_loop *loop;
    struct fb_channel *channel;
    uint8_t *payload;
    size_t begun;
    size_t ended;
    int64_t *took_us;
    int64_t cpu_us; /* of --pid, over all appends */
};

struct caller {
    struct load *load;
    char session_id[48];
    int64_t epoch;
    int64_t sequence;
    int64_t began_us;
    uint32_t shown; /* tasks, before the first append */
};

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "store_load: %s: %s\n", what, why);
    exit(1);
}

/* Text like an agent's notes: it compresses about as well, and no two are the same. */
static void write_payload(uint8_t *payload, size_t size, size_t number)
{
    static const char *const words[] = {"the ", "task ", "was ",   "claimed ", "by ",  "agent ",
                                        "and ", "then ", "tests ", "passed ",  "for ", "module "};
    uint64_t random = number * 2654435761u + 1;
    size_t at = 0;

    while (at < size) {
        const char *word = words[random >> 33 & 7];

        random = random * 6364136223846793005u + 1442695040888963407u;
        for (; *word != '\0' && at < size; word++) {
            payload[at++] = (uint8_t)*word;
        }
        if (at < size) {
            payload[at++] = (uint8_t)('a' + random % 26);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void print_figures(struct load *load, int64_t whole_us)
{
    qsort(load->took_us, load->appends, sizeof(*load->took_us), by_size);
    printf("{\"appends_per_s\": %.1f, \"p50_us\": %lld, \"p99_us\": %lld, \"cpu_us\": %.1f}\n",
           (double)load->appends * 1e6 / (double)whole_us,
           (long long)load->took_us[load->appends / 2],
           (long long)load->took_us[load->appends * 99 / 100],
           (double)load->cpu_us / (double)load->appends);
}

/* --- against a store --- */

/* Processor time of the store so far; 0 where it is not asked for. */
static int64_t cpu_us_of(const struct load *load)
{
    struct timespec spent;
    clockid_t clock;

    if (load->pid == 0) {
        return 0;
    }
    if (clock_getcpuclockid((pid_t)load->pid, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
        fail("--pid", "has no clock that can be read");
    }
    return (int64_t)spent.tv_sec * 1000000 + spent.tv_nsec / 1000;
}

static void append(struct caller *caller);

static void appended(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct caller *caller = arg;
    struct load *load = caller->load;

    if (reply == NULL) {
        fail("AppendEvents", end->status.why);
    }
    caller->sequence = ((const Flowbalancer__V1__AppendEventsResponse *)reply)->last_sequence;
    load->took_us[load->ended++] = fb_clock_us() - caller->began_us;
    if (load->begun < load->appends) {
        append(caller);
    } else if (load->ended == load->appends) {
        fb_loop_stop(load->loop);
    }
}

static void append(struct caller *caller)
{
    static const struct fb_call_plan plan = {.path = SERVICE "AppendEvents"};
    struct load *load = caller->load;
    Flowbalancer__V1__AppendEventsRequest request = FLOWBALANCER__V1__APPEND_EVENTS_REQUEST__INIT;
    Flowbalancer__V1__NewEvent event = FLOWBALANCER__V1__NEW_EVENT__INIT;
    Flowbalancer__V1__NewEvent *events[] = {&event};
    Flowbalancer__V1__Projection projection = FLOWBALANCER__V1__PROJECTION__INIT;
    Flowbalancer__V1__SessionLine line = FLOWBALANCER__V1__SESSION_LINE__INIT;
    Flowbalancer__V1__TaskLine task = FLOWBALANCER__V1__TASK_LINE__INIT;
    Flowbalancer__V1__TaskLine *tasks[] = {&task};
    uint32_t counts[7] = {(uint32_t)load->tasks, 1};
    char request_id[32];

    write_payload(load->payload, load->bytes, load->begun);
    snprintf(request_id, sizeof(request_id), "r%lld", (long long)caller->sequence);
    event.kind = 1;
    event.payload = (ProtobufCBinaryData){.len = load->bytes, .data = load->payload};
    request.session_id = caller->session_id;
    request.epoch = caller->epoch;
    request.expected_sequence = caller->sequence;
    request.request_id = request_id;
    request.events = events;
    request.n_events = 1;
    if (load->tasks > 0) {
        line.flow_state = 2;
        line.progress_permille = 170;
        line.tasks_by_state = counts;
        line.n_tasks_by_state = sizeof(counts) / sizeof(counts[0]);
        line.as_of_unix_ms = fb_clock_unix_ms();
        task.number = (uint32_t)(load->begun * 7919 % load->tasks + 1);
        task.state = 1;
        task.weight = 5;
        task.priority = 2;
        task.agent = caller->session_id;
        task.updated_unix_ms = line.as_of_unix_ms;
        projection.sequence = caller->sequence + 1;
        projection.line = &line;
        projection.tasks = tasks;
        projection.n_tasks = 1;
        request.projection = &projection;
    }
    load->begun += 1;
    caller->began_us = fb_clock_us();
    if (fb_channel_unary(load->channel, &plan, &request.base,
                         &flowbalancer__v1__append_events_response__descriptor, appended,
                         caller) == NULL) {
        fail("AppendEvents", "out of memory");
    }
}

/* Shows the session's tasks to queries, some at a time. */
static void show(struct caller *caller);

static void shown(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    if (reply == NULL) {
        fail("PutProjection", end->status.why);
    }
    show(arg);
}

static void show(struct caller *caller)
{
    static const struct fb_call_plan plan = {.path = SERVICE "PutProjection"};
    struct load *load = caller->load;
    static Flowbalancer__V1__TaskLine tasks[TASKS_AT_ONCE];
    static Flowbalancer__V1__TaskLine *all[TASKS_AT_ONCE];
    static Flowbalancer__V1__TaskTexts texts[TASKS_AT_ONCE];
    static char titles[TASKS_AT_ONCE][48];
    Flowbalancer__V1__PutProjectionRequest request = FLOWBALANCER__V1__PUT_PROJECTION_REQUEST__INIT;
    Flowbalancer__V1__Projection projection = FLOWBALANCER__V1__PROJECTION__INIT;

    if (caller->shown == load->tasks) {
        load->ended += 1;
        if (load->ended == load->callers) {
            fb_loop_stop(load->loop);
        }
        return;
    }
    while (projection.n_tasks < TASKS_AT_ONCE && caller->shown < load->tasks) {
        size_t i = projection.n_tasks++;

        flowbalancer__v1__task_line__init(&tasks[i]);
        flowbalancer__v1__task_texts__init(&texts[i]);
        caller->shown += 1;
        write_payload((uint8_t *)titles[i], sizeof(titles[i]) - 1, caller->shown);
        texts[i].title = titles[i];
        tasks[i].number = caller->shown;
        tasks[i].texts = &texts[i];
        all[i] = &tasks[i];
    }
    projection.tasks = all;
    request.session_id = caller->session_id;
    request.epoch = caller->epoch;
    request.projection = &projection;
    if (fb_channel_unary(load->channel, &plan, &request.base,
                         &flowbalancer__v1__put_projection_response__descriptor, shown,
                         caller) == NULL) {
        fail("PutProjection", "out of memory");
    }
}

static void acquired(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct caller *caller = arg;

    if (reply == NULL) {
        fail("AcquireSession", end->status.why);
    }
    caller->epoch = ((const Flowbalancer__V1__AcquireSessionResponse *)reply)->epoch;
    show(caller);
}

static void acquire(struct caller *caller)
{
    static const struct fb_call_plan plan = {.path = SERVICE "AcquireSession",
                                             .wait_for_ready = true};
    Flowbalancer__V1__AcquireSessionRequest request =
        FLOWBALANCER__V1__ACQUIRE_SESSION_REQUEST__INIT;

    request.session_id = caller->session_id;
    request.owner = caller->session_id;
    request.create = true;
    if (fb_channel_unary(caller->load->channel, &plan, &request.base,
                         &flowbalancer__v1__acquire_session_response__descriptor, acquired,
                         caller) == NULL) {
        fail("AcquireSession", "out of memory");
    }
}

static void load_store(struct load *load)
{
    const struct fb_channel_config config = {.target = load->target};
    struct caller *callers = calloc(load->callers, sizeof(*callers));
    struct fb_status status;
    int64_t start_us;

    load->loop = fb_loop_create();
    if (callers == NULL || load->loop == NULL) {
        fail("start", "out of memory");
    }
    status = fb_channel_create(load->loop, &fb_h2, &config, &load->channel);
    if (!fb_is_ok(status)) {
        fail("--target", status.why);
    }
    for (size_t i = 0; i < load->callers; i++) {
        callers[i].load = load;
        snprintf(callers[i].session_id, sizeof(callers[i].session_id), "bench-%d-%zu",
                 (int)getpid(), i);
        acquire(&callers[i]);
    }
    fb_loop_run(load->loop);
    load->ended = 0;
    load->cpu_us = -cpu_us_of(load);
    start_us = fb_clock_us();
    for (size_t i = 0; i < load->callers && load->begun < load->appends; i++) {
        append(&callers[i]);
    }
    fb_loop_run(load->loop);
    load->cpu_us += cpu_us_of(load);
    print_figures(load, fb_clock_us() - start_us);
    fb_channel_destroy(load->channel);
    fb_loop_destroy(load->loop);
    free(callers);
}

/* --- a bare file --- */

static void must(sqlite3 *handle, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE) {
        fail("--bare", sqlite3_errmsg(handle));
    }
}

static void load_bare(struct load *load)
{
    sqlite3 *handle;
    sqlite3_stmt *insert;
    int64_t start_us;

    if (sqlite3_open(load->bare, &handle) != SQLITE_OK) {
        fail("--bare", "cannot be opened");
    }
    must(handle, sqlite3_exec(handle,
                              "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                              "PRAGMA wal_autocheckpoint = 4000;"
                              "CREATE TABLE event (sequence INTEGER PRIMARY KEY, unix_ms INTEGER,"
                              " kind INTEGER, payload BLOB)",
                              NULL, NULL, NULL));
    must(handle,
         sqlite3_prepare_v2(handle, "INSERT INTO event (unix_ms, kind, payload) VALUES (?, 1, ?)",
                            -1, &insert, NULL));
    start_us = fb_clock_us();
    for (size_t i = 0; i < load->appends; i++) {
        int64_t began_us = fb_clock_us();

        write_payload(load->payload, load->bytes, i);
        sqlite3_bind_int64(insert, 1, fb_clock_unix_ms());
        sqlite3_bind_blob64(insert, 2, load->payload, load->bytes, SQLITE_STATIC);
        must(handle, sqlite3_step(insert));
        sqlite3_reset(insert);
        load->took_us[i] = fb_clock_us() - began_us;
    }
    print_figures(load, fb_clock_us() - start_us);
    sqlite3_finalize(insert);
    sqlite3_close(handle);
}

/* --- arguments --- */

static size_t number(const char *name, const char *text, size_t most)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 1 || value > most) {
        fail(name, "is no number in its range");
    }
    return value;
}

static struct load read_arguments(int argc, char **argv)
{
    struct load load = {.callers = 1, .appends = 1000, .bytes = 256};

    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];

        if (i + 1 == argc) {
            fail(name, "has no value");
        }
        if (strcmp(name, "--target") == 0) {
            load.target = value;
        } else if (strcmp(name, "--bare") == 0) {
            load.bare = value;
        } else if (strcmp(name, "--callers") == 0) {
            load.callers = number(name, value, CALLERS_MOST);
        } else if (strcmp(name, "--appends") == 0) {
            load.appends = number(name, value, APPENDS_MOST);
        } else if (strcmp(name, "--bytes") == 0) {
            load.bytes = number(name, value, BYTES_MOST);
        } else if (strcmp(name, "--tasks") == 0) {
            load.tasks = number(name, value, TASKS_MOST);
        } else if (strcmp(name, "--pid") == 0) {
            load.pid = number(name, value, INT32_MAX);
        } else {
            fail(name, "is no option");
        }
    }
    if ((load.target == NULL) == (load.bare == NULL)) {
        fail("arguments", "one of --target and --bare is needed");
    }
    return load;
}

int main(int argc, char **argv)
{
    struct load load = read_arguments(argc, argv);

    load.payload = malloc(load.bytes);
    load.took_us = calloc(load.appends, sizeof(*load.took_us));
    if (load.payload == NULL || load.took_us == NULL) {
        fail("start", "out of memory");
    }
    if (load.target != NULL) {
        load_store(&load);
    } else {
        load_bare(&load);
    }
    free(load.payload);
    free(load.took_us);
    return 0;
}
