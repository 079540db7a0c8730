#define _GNU_SOURCE /* mkdtemp */

#include "tests/services/session_store/world.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "runtime/base/clock.h"
#include "services/session_store/codec.h"
#include "services/session_store/search_text.h"

static _Atomic int64_t world_unix_ms;

static int64_t world_time(void)
{
    return atomic_load(&world_unix_ms);
}

void world_set_time(int64_t unix_ms)
{
    atomic_store(&world_unix_ms, unix_ms);
}

void world_init(struct world *world)
{
    *world = (struct world){.folder = "/tmp/flow-store-XXXXXX"};
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof(world->path), "%s/store.db", world->folder);
    fb_arena_init(&world->arena, 0);
    world_set_time(1000000);
}

void world_finish(struct world *world)
{
    DIR *folder = opendir(world->folder);
    struct dirent *entry;

    world_close(world);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[400];

        snprintf(path, sizeof(path), "%s/%s", world->folder, entry->d_name);
        unlink(path);
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(world->folder);
    fb_arena_finish(&world->arena);
}

struct sqlite_engine_config world_config(const struct world *world)
{
    return (struct sqlite_engine_config){
        .path = world->path,
        .readers = 2,
        .result_budget_bytes = 64 << 20,
        .upkeep_ms = 20,
        .unix_ms = world_time,
    };
}

struct fb_status world_try_open(struct world *world, const struct sqlite_engine_config *config)
{
    fb_arena_reset(&world->arena);
    return sqlite_engine_open(config, &world->arena, &world->engine);
}

void world_open(struct world *world)
{
    struct sqlite_engine_config config = world_config(world);
    struct fb_status status = world_try_open(world, &config);

    assert_string_equal(status.why, "");
    assert_int_equal(status.code, FB_OK);
}

void world_close(struct world *world)
{
    engine_close(world->engine);
    world->engine = NULL;
}

/* One lock for all that wait: tests wait for little. */
static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_changed = PTHREAD_COND_INITIALIZER;

static void done(struct engine_op *op)
{
    pthread_mutex_lock(&done_lock);
    op->work.bytes = SIZE_MAX; /* nobody else looks at it any more */
    pthread_cond_broadcast(&done_changed);
    pthread_mutex_unlock(&done_lock);
}

void op_do(struct engine *engine, struct engine_op *op)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    op->on_done = done;
    op->work.bytes = 0;
    fb_arena_init(&op->arena, 0);
    engine_submit(engine, op);
    pthread_mutex_lock(&done_lock);
    while (op->work.bytes != SIZE_MAX) {
        assert_int_equal(pthread_cond_timedwait(&done_changed, &done_lock, &until), 0);
    }
    pthread_mutex_unlock(&done_lock);
}

void op_finish(struct engine_op *op)
{
    fb_arena_finish(&op->arena);
}

struct engine_acquire acquire_of(const char *session_id, const char *owner)
{
    return (struct engine_acquire){
        .op = {.kind = ENGINE_ACQUIRE},
        .scope = "",
        .session_id = session_id,
        .name = "",
        .new_id = "minted",
        .create = true,
        .owner = owner,
        .lease_ms = 30000,
    };
}

int64_t must_acquire(struct engine *engine, const char *session_id, const char *owner)
{
    struct engine_acquire acquire = acquire_of(session_id, owner);
    int64_t epoch;

    op_do(engine, &acquire.op);
    assert_int_equal(acquire.op.status.code, FB_OK);
    epoch = acquire.session.epoch;
    op_finish(&acquire.op);
    return epoch;
}

struct engine_append append_of(const char *session_id, int64_t epoch, int64_t expected_sequence,
                               const char *request_id, const struct engine_event *events,
                               size_t count)
{
    return (struct engine_append){
        .op = {.kind = ENGINE_APPEND},
        .session_id = session_id,
        .epoch = epoch,
        .expected_sequence = expected_sequence,
        .request_id = request_id,
        .events = events,
        .event_count = count,
    };
}

struct engine_event event_of(const char *text)
{
    return (struct engine_event){.kind = 7, .payload = bytes_of(text)};
}

int64_t must_append(struct engine *engine, const char *session_id, int64_t epoch,
                    int64_t expected_sequence, const char *request_id, const char *const *texts)
{
    struct engine_event events[16];
    size_t count = 0;
    struct engine_append append;

    for (; texts[count] != NULL; count++) {
        events[count] = event_of(texts[count]);
    }
    append = append_of(session_id, epoch, expected_sequence, request_id, events, count);
    op_do(engine, &append.op);
    assert_string_equal(append.op.status.why, "");
    op_finish(&append.op);
    return append.last_sequence;
}

int64_t must_append_noise(struct engine *engine, const char *session_id, int64_t epoch,
                          int64_t expected_sequence, size_t count, size_t size)
{
    struct engine_event *events = calloc(count, sizeof(*events));
    uint8_t *noise = malloc(count * size + 1);
    uint32_t random = (uint32_t)expected_sequence * 2654435761u + 1;
    struct engine_append append;
    char request_id[32];

    for (size_t i = 0; i < count * size; i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (uint8_t)(random >> 24);
    }
    for (size_t i = 0; i < count; i++) {
        events[i].payload = (struct engine_bytes){noise + i * size, size};
    }
    snprintf(request_id, sizeof(request_id), "noise-%lld", (long long)expected_sequence);
    append = append_of(session_id, epoch, expected_sequence, request_id, events, count);
    op_do(engine, &append.op);
    assert_string_equal(append.op.status.why, "");
    op_finish(&append.op);
    free(events);
    free(noise);
    return append.last_sequence;
}

struct engine_read_events read_of(const char *session_id, int64_t after_sequence)
{
    return (struct engine_read_events){
        .op = {.kind = ENGINE_READ_EVENTS},
        .scope = "",
        .session_id = session_id,
        .after_sequence = after_sequence,
        .upto_sequence = INT64_MAX,
        .most_bytes = 1 << 20,
    };
}

struct engine_bytes bytes_of(const char *text)
{
    return (struct engine_bytes){(const uint8_t *)text, strlen(text)};
}

bool bytes_are(struct engine_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static void ignore_stage(struct engine_check *check, const char *stage)
{
    (void)check;
    (void)stage;
}

static void print_finding(struct engine_check *check, const char *finding)
{
    (void)check;
    print_message("finding: %s\n", finding);
}

static bool never_cancelled(struct engine_check *check)
{
    (void)check;
    return false;
}

int64_t findings_of(struct engine *engine)
{
    struct engine_check check = {
        .op = {.kind = ENGINE_CHECK},
        .on_stage = ignore_stage,
        .on_finding = print_finding,
        .cancelled = never_cancelled,
    };

    op_do(engine, &check.op);
    assert_string_equal(check.op.status.why, "");
    op_finish(&check.op);
    return check.findings;
}

void sql_do(const char *path, const char *sql)
{
    sqlite3 *handle;
    char *why = NULL;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_exec(handle, sql, NULL, NULL, &why);
    assert_null(why);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

int64_t sql_number(const char *path, const char *sql)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;
    int64_t number;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return number;
}

void put_one_of_each(struct engine *engine)
{
    struct engine_put_snapshot snapshot = {.op = {.kind = ENGINE_PUT_SNAPSHOT},
                                           .session_id = "s",
                                           .epoch = must_acquire(engine, "s", "w"),
                                           .sequence = 1,
                                           .total_bytes = 8,
                                           .data = bytes_of("snapshot")};
    struct engine_put_blob blob = {
        .op = {.kind = ENGINE_PUT_BLOB}, .scope = "", .data = bytes_of("blob")};
    struct engine_put_catalogue entry = {
        .op = {.kind = ENGINE_PUT_CATALOGUE},
        .entry = {.server = "git", .kind = 1, .content = bytes_of("entry")}};
    struct engine_put_result result = {.op = {.kind = ENGINE_PUT_RESULT},
                                       .scope = "",
                                       .key = bytes_of("key"),
                                       .value = bytes_of("result"),
                                       .ttl_ms = 1000};
    const struct engine_task task = task_of(1, "key", "A task", "of many words");
    struct engine_op *const ops[] = {&snapshot.op, &blob.op, &entry.op, &result.op};

    must_append(engine, "s", snapshot.epoch, 0, "r1", TEXTS("event"));
    must_project(engine, "s", snapshot.epoch, 1, &task, 1);
    codec_sha256(blob.data, blob.sha256);
    for (size_t i = 0; i < 4; i++) {
        op_do(engine, ops[i]);
        assert_int_equal(ops[i]->status.code, FB_OK);
        op_finish(ops[i]);
    }
}

struct engine_task task_of(uint32_t number, const char *key, const char *title, const char *body)
{
    return (struct engine_task){.number = number,
                                .weight = 5,
                                .priority = 2,
                                .agent = "",
                                .updated_unix_ms = number,
                                .has_texts = true,
                                .key = key,
                                .title = title,
                                .body = body};
}

void must_project(struct engine *engine, const char *session_id, int64_t epoch, int64_t sequence,
                  const struct engine_task *tasks, size_t count)
{
    struct engine_put_projection put = {
        .op = {.kind = ENGINE_PUT_PROJECTION},
        .session_id = session_id,
        .epoch = epoch,
        .projection = {.sequence = sequence, .tasks = tasks, .task_count = count},
    };

    op_do(engine, &put.op);
    assert_string_equal(put.op.status.why, "");
    op_finish(&put.op);
}

int64_t must_plan(struct engine *engine, const char *session_id, const struct engine_task *tasks,
                  size_t count)
{
    int64_t epoch = must_acquire(engine, session_id, "w");

    must_append(engine, session_id, epoch, 0, "plan", TEXTS("planned"));
    must_project(engine, session_id, epoch, 1, tasks, count);
    return epoch;
}

struct engine_search_tasks search_of(struct fb_arena *arena, const char *text)
{
    struct engine_search_tasks search = {
        .op = {.kind = ENGINE_SEARCH_TASKS},
        .scope = "",
        .session_id = "",
        .session_name_prefix = "",
        .agent = "",
        .key_prefix = "",
        .priority_below = INT64_MAX,
        .weight_most = INT64_MAX,
        .order = text != NULL ? ENGINE_TASKS_BY_RANK : ENGINE_TASKS_BY_UPDATED,
        .after = ENGINE_PLACE_BEGIN,
        .most = 100,
        .snippets = true,
    };
    size_t words;

    if (text != NULL) {
        search.match = search_match(arena, text, &words);
    }
    return search;
}

void search_do(struct engine *engine, struct engine_search_tasks *search, char numbers[256])
{
    size_t at = 0;

    op_do(engine, &search->op);
    assert_string_equal(search->op.status.why, "");
    numbers[0] = '\0';
    for (size_t i = 0; i < search->found_count; i++) {
        at += (size_t)snprintf(numbers + at, 256 - at, i == 0 ? "%u" : " %u",
                               search->found[i].task.number);
        assert_true(at < 256);
    }
}

void assert_found(struct engine *engine, struct engine_search_tasks search, const char *expected)
{
    char numbers[256];

    search_do(engine, &search, numbers);
    assert_string_equal(numbers, expected);
    op_finish(&search.op);
}

int64_t count_events(struct engine *engine, const char *session_id, enum fb_code *code)
{
    int64_t after = 0;

    for (;;) {
        struct engine_read_events read = read_of(session_id, after);
        size_t count;

        op_do(engine, &read.op);
        count = read.event_count;
        *code = read.op.status.code;
        if (count > 0) {
            after = read.events[count - 1].sequence;
        }
        op_finish(&read.op);
        if (*code != FB_OK || count == 0) {
            return after;
        }
    }
}

void assert_events(struct engine *engine, const char *session_id, int64_t expected)
{
    enum fb_code code;

    assert_int_equal(count_events(engine, session_id, &code), expected);
    assert_int_equal(code, FB_OK);
}

int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    world_init(world);
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;

    world_finish(world);
    free(world);
    return 0;
}
