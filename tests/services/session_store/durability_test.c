#define _GNU_SOURCE /* fork's company: pipe2 */

#include "tests/services/session_store/world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "services/session_store/codec.h"
#include "services/session_store/schema/schema.h"

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    world_init(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    world_finish(world);
    free(world);
    return 0;
}

/* Runs SQL on the closed world's file behind the engine's back. */
static void sql_do(const char *path, const char *sql)
{
    sqlite3 *handle;
    char *why = NULL;

    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_exec(handle, sql, NULL, NULL, &why);
    assert_null(why);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static int64_t count_events(struct engine *engine, const char *session_id, enum fb_code *code)
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

static void assert_events(struct engine *engine, const char *session_id, int64_t expected)
{
    enum fb_code code;

    assert_int_equal(count_events(engine, session_id, &code), expected);
    assert_int_equal(code, FB_OK);
}

/* --- opening --- */

static void what_was_acknowledged_is_there_after_reopening(void **state)
{
    struct world *world = *state;
    int64_t epoch;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b"));
    world_close(world);
    world_open(world);
    assert_events(world->engine, "s", 2);
    assert_int_equal(must_append(world->engine, "s", epoch, 2, "r2", TEXTS("c")), 3);
    assert_int_equal(must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b")), 2);
    assert_int_equal(findings_of(world->engine), 0);
}

static void the_file_is_its_owners_alone(void **state)
{
    struct world *world = *state;
    struct stat file;

    world_open(world);
    assert_int_equal(stat(world->path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
}

static void a_file_that_is_open_cannot_be_opened_again(void **state)
{
    struct world *world = *state;
    struct world second = *world;
    struct sqlite_engine_config config = world_config(world);
    struct fb_status status;

    world_open(world);
    fb_arena_init(&second.arena, 0);
    status = world_try_open(&second, &config);
    assert_int_equal(status.code, FB_FAILED_PRECONDITION);
    assert_non_null(strstr(status.why, world->path));
    assert_non_null(strstr(status.why, "another flow-store has it open"));
    fb_arena_finish(&second.arena);
}

static void assert_open_fails(struct world *world, enum fb_code code, const char *word)
{
    struct sqlite_engine_config config = world_config(world);
    struct fb_status status = world_try_open(world, &config);

    print_message("%s\n", status.why);
    assert_int_equal(status.code, code);
    assert_non_null(strstr(status.why, world->path));
    assert_non_null(strstr(status.why, word));
}

static void a_newer_schema_is_refused_by_its_number(void **state)
{
    struct world *world = *state;

    world_open(world);
    world_close(world);
    sql_do(world->path, "PRAGMA user_version = 99");
    assert_open_fails(world, FB_FAILED_PRECONDITION, "schema version 99");
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    struct world *world = *state;

    sql_do(world->path, "CREATE TABLE theirs (x)");
    assert_open_fails(world, FB_FAILED_PRECONDITION, "another program");
}

static void a_file_that_is_no_database_is_data_loss(void **state)
{
    struct world *world = *state;
    FILE *file = fopen(world->path, "w");

    for (int i = 0; i < 1000; i++) {
        fputs("this is no database", file);
    }
    fclose(file);
    assert_open_fails(world, FB_DATA_LOSS, "not a database");
}

static void a_place_that_does_not_exist_is_named(void **state)
{
    struct world *world = *state;

    snprintf(world->path, sizeof(world->path), "%s/none/store.db", world->folder);
    assert_open_fails(world, FB_UNAVAILABLE, "No such file");
}

static void a_file_of_version_1_is_brought_to_the_newest_with_all_it_holds(void **state)
{
    struct world *world = *state;
    struct engine_put_result put = {.op = {.kind = ENGINE_PUT_RESULT},
                                    .scope = "",
                                    .key = bytes_of("k"),
                                    .value = bytes_of("v"),
                                    .ttl_ms = 1000};
    char newest[120];
    char sql[400];
    int64_t epoch;

    /* What a flow-store of version 1 would have written: its tables, with rows made by this one. */
    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c"));
    world_close(world);
    snprintf(newest, sizeof(newest), "%s.newest", world->path);
    assert_int_equal(rename(world->path, newest), 0);
    sql_do(world->path, schema_sqlite.steps[0]);
    snprintf(sql, sizeof(sql),
             "PRAGMA application_id = 0x464c4f57; PRAGMA user_version = 1; ATTACH '%s' AS newest;"
             "INSERT INTO session SELECT * FROM newest.session;"
             "INSERT INTO batch SELECT * FROM newest.batch;"
             "INSERT INTO request SELECT * FROM newest.request",
             newest);
    sql_do(world->path, sql);

    world_open(world);
    assert_events(world->engine, "s", 3);
    assert_int_equal(must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c")), 3);
    op_do(world->engine, &put.op);
    assert_int_equal(put.op.status.code, FB_OK); /* version 1 had no results */
    op_finish(&put.op);
    assert_int_equal(findings_of(world->engine), 0);
}

/* --- damage --- */

static void a_changed_event_is_data_loss_and_a_finding(void **state)
{
    struct world *world = *state;
    enum fb_code code;
    int64_t epoch;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("first"));
    must_append(world->engine, "s", epoch, 1, "r2", TEXTS("second"));
    world_close(world);
    sql_do(world->path, "UPDATE batch SET body = CAST(REPLACE(CAST(body AS TEXT), 'second', "
                        "'sekond') AS BLOB) WHERE first_sequence = 2");
    world_open(world);
    assert_int_equal(count_events(world->engine, "s", &code), 0);
    assert_int_equal(code, FB_DATA_LOSS);
    assert_int_equal(findings_of(world->engine), 1);
}

static void a_missing_event_is_data_loss_and_a_finding(void **state)
{
    struct world *world = *state;
    enum fb_code code;
    int64_t epoch;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    for (int64_t i = 0; i < 3; i++) {
        char id[8];

        snprintf(id, sizeof(id), "r%d", (int)i);
        must_append(world->engine, "s", epoch, i, id, TEXTS("x"));
    }
    world_close(world);
    sql_do(world->path, "DELETE FROM batch WHERE first_sequence = 2");
    world_open(world);
    count_events(world->engine, "s", &code);
    assert_int_equal(code, FB_DATA_LOSS);
    assert_int_equal(findings_of(world->engine), 2); /* the gap, and the request that led there */
    world_close(world);
    sql_do(world->path, "DELETE FROM batch WHERE first_sequence = 3");
    world_open(world);
    count_events(world->engine, "s", &code);
    assert_int_equal(code, FB_DATA_LOSS);
}

/* A session with a snapshot, a blob, an entry of the catalogue and a result. */
static void put_one_of_each(struct engine *engine)
{
    struct engine_put_snapshot snapshot = {.op = {.kind = ENGINE_PUT_SNAPSHOT},
                                           .session_id = "s",
                                           .epoch = must_acquire(engine, "s", "w"),
                                           .sequence = 1,
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
    struct engine_op *const ops[] = {&snapshot.op, &blob.op, &entry.op, &result.op};

    must_append(engine, "s", snapshot.epoch, 0, "r1", TEXTS("event"));
    codec_sha256(blob.data, blob.sha256);
    for (size_t i = 0; i < 4; i++) {
        op_do(engine, ops[i]);
        assert_int_equal(ops[i]->status.code, FB_OK);
        op_finish(ops[i]);
    }
}

static void damage_in_any_table_is_found(void **state)
{
    static const struct damage {
        const char *sql;
        int64_t findings;
    } damages[] = {
        {"UPDATE snapshot SET body = zeroblob(LENGTH(body))", 1},
        {"UPDATE snapshot SET sequence = 7", 1},
        {"UPDATE blob SET body = zeroblob(LENGTH(body))", 1},
        {"UPDATE blob SET sha256 = zeroblob(32)", 1},
        {"UPDATE catalogue SET body = zeroblob(LENGTH(body))", 1},
        {"UPDATE catalogue SET server = 'time'", 1},
        {"UPDATE result SET body = zeroblob(LENGTH(body))", 1},
        {"UPDATE result SET scope = 'another'", 1},
        {"UPDATE batch SET raw_bytes = 1", 1},
        {"UPDATE batch SET codec = 1", 1},
        {"UPDATE batch SET last_sequence = 2", 2},
        {"UPDATE session SET last_sequence = 2", 1},
        {"UPDATE session SET id = 'other'", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct world damaged;

        world_init(&damaged);
        world_open(&damaged);
        put_one_of_each(damaged.engine);
        assert_int_equal(findings_of(damaged.engine), 0);
        world_close(&damaged);
        sql_do(damaged.path, damages[i].sql);
        world_open(&damaged);
        print_message("%s\n", damages[i].sql);
        assert_int_equal(findings_of(damaged.engine), damages[i].findings);
        world_finish(&damaged);
    }
}

static void a_file_with_a_broken_page_is_found_out_and_does_no_harm(void **state)
{
    struct world *world = *state;
    uint8_t garbage[4096];
    struct stat file;
    enum fb_code code;
    int64_t epoch;
    int fd;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    for (int64_t i = 0; i < 100; i++) {
        must_append_noise(world->engine, "s", epoch, i * 4, 4, 700);
    }
    world_close(world);
    memset(garbage, 0xa5, sizeof(garbage));
    fd = open(world->path, O_WRONLY);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage), file.st_size / 4096 / 2 * 4096), 4096);
    close(fd);
    world_open(world);
    count_events(world->engine, "s", &code);
    assert_int_equal(code, FB_DATA_LOSS);
    assert_true(findings_of(world->engine) > 0);
}

/* --- what is deleted or expired --- */

/* Reads beside the engine, as any reader may, until the table is empty. */
static void wait_until_empty(const char *path, const char *table)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    sqlite3 *handle;
    sqlite3_stmt *count;
    char sql[64];
    int64_t rows = -1;

    snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", table);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &count, NULL), SQLITE_OK);
    for (int i = 0; i < 30000 && rows != 0; i++) {
        assert_int_equal(sqlite3_step(count), SQLITE_ROW);
        rows = sqlite3_column_int64(count, 0);
        sqlite3_reset(count);
        nanosleep(&moment, NULL);
    }
    sqlite3_finalize(count);
    sqlite3_close(handle);
    assert_int_equal(rows, 0);
}

static void what_a_deleted_session_held_is_removed_in_time(void **state)
{
    struct world *world = *state;
    struct engine_delete_session delete = {
        .op = {.kind = ENGINE_DELETE_SESSION}, .scope = "", .session_id = "s"};
    struct engine_put_snapshot put = {.op = {.kind = ENGINE_PUT_SNAPSHOT},
                                      .session_id = "s",
                                      .sequence = 1,
                                      .data = bytes_of("x")};

    world_open(world);
    put.epoch = delete.epoch = must_acquire(world->engine, "s", "w");
    for (int64_t i = 0; i < 1000; i++) {
        must_append_noise(world->engine, "s", delete.epoch, i, 1, 100);
    }
    op_do(world->engine, &put.op);
    op_finish(&put.op);
    op_do(world->engine, &delete.op);
    assert_int_equal(delete.op.status.code, FB_OK);
    op_finish(&delete.op);
    wait_until_empty(world->path, "purge");
    wait_until_empty(world->path, "batch");
    wait_until_empty(world->path, "request");
    wait_until_empty(world->path, "snapshot");
    assert_int_equal(findings_of(world->engine), 0);
}

static void expired_results_are_removed_in_time(void **state)
{
    struct world *world = *state;
    struct engine_put_result put = {
        .op = {.kind = ENGINE_PUT_RESULT}, .scope = "", .value = bytes_of("v"), .ttl_ms = 10};

    world_open(world);
    for (int i = 0; i < 500; i++) {
        char key[8];

        snprintf(key, sizeof(key), "%d", i);
        put.key = bytes_of(key);
        op_do(world->engine, &put.op);
        assert_int_equal(put.op.status.code, FB_OK);
        op_finish(&put.op);
    }
    world_set_time(1000000 + 10);
    wait_until_empty(world->path, "result");
}

/* --- no room, no disk --- */

static void a_full_store_refuses_writes_and_loses_nothing(void **state)
{
    struct world *world = *state;
    struct sqlite_engine_config config = world_config(world);
    struct engine_event event = {.payload = {calloc(1, 1 << 20), 1 << 20}};
    struct engine_append append;
    int64_t epoch;

    for (size_t i = 0; i < event.payload.size; i++) {
        ((uint8_t *)event.payload.data)[i] = (uint8_t)(i * i * 2654435761u >> 13);
    }
    config.size_most_bytes = 1 << 20;
    assert_int_equal(world_try_open(world, &config).code, FB_OK);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("kept"));
    append = append_of("s", epoch, 1, "r2", &event, 1);
    op_do(world->engine, &append.op);
    assert_int_equal(append.op.status.code, FB_RESOURCE_EXHAUSTED);
    assert_string_equal(append.op.reason, "disk-full");
    op_finish(&append.op);
    must_append(world->engine, "s", epoch, 1, "r3", TEXTS("there is room for this"));
    world_close(world);
    world_open(world);
    assert_events(world->engine, "s", 2);
    append.expected_sequence = 2;
    op_do(world->engine, &append.op);
    assert_int_equal(append.op.status.code, FB_OK);
    op_finish(&append.op);
    free((void *)event.payload.data);
}

/* --- many at once --- */

enum { CROWD = 64 };

/* Operations submitted at once, and a count of those that are done. */
struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done;
    struct engine_append appends[CROWD];
    char session_ids[CROWD][16];
    char request_ids[CROWD][16];
};

static struct crowd *crowd_now; /* on_done knows only the operation */

static void crowd_done(struct engine_op *op)
{
    (void)op;
    pthread_mutex_lock(&crowd_now->lock);
    crowd_now->done += 1;
    pthread_cond_broadcast(&crowd_now->changed);
    pthread_mutex_unlock(&crowd_now->lock);
}

static struct crowd *crowd_create(void)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    pthread_mutex_init(&crowd->lock, NULL);
    pthread_cond_init(&crowd->changed, NULL);
    crowd_now = crowd;
    return crowd;
}

static void crowd_submit(struct crowd *crowd, struct engine *engine)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    for (size_t i = 0; i < CROWD; i++) {
        crowd->appends[i].op.on_done = crowd_done;
        fb_arena_init(&crowd->appends[i].op.arena, 0);
        engine_submit(engine, &crowd->appends[i].op);
    }
    pthread_mutex_lock(&crowd->lock);
    while (crowd->done < CROWD) {
        assert_int_equal(pthread_cond_timedwait(&crowd->changed, &crowd->lock, &until), 0);
    }
    pthread_mutex_unlock(&crowd->lock);
}

static void crowd_destroy(struct crowd *crowd)
{
    for (size_t i = 0; i < CROWD; i++) {
        op_finish(&crowd->appends[i].op);
    }
    free(crowd);
}

static void writes_at_once_share_commits_and_keep_their_order(void **state)
{
    struct world *world = *state;
    struct crowd *crowd = crowd_create();
    struct engine_event event = event_of("x");
    struct sqlite_engine_stats before;
    struct sqlite_engine_stats after;
    int64_t epoch;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    for (size_t i = 0; i < CROWD; i++) {
        snprintf(crowd->request_ids[i], sizeof(crowd->request_ids[i]), "r%zu", i);
        crowd->appends[i] = append_of("s", epoch, (int64_t)i, crowd->request_ids[i], &event, 1);
    }
    before = sqlite_engine_stats(world->engine);
    crowd_submit(crowd, world->engine);
    after = sqlite_engine_stats(world->engine);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(crowd->appends[i].op.status.code, FB_OK);
        assert_int_equal(crowd->appends[i].last_sequence, i + 1);
    }
    assert_int_equal(after.writes - before.writes, CROWD);
    assert_true(after.commits - before.commits < CROWD);
    crowd_destroy(crowd);
}

static void one_write_without_room_does_not_fail_those_beside_it(void **state)
{
    struct world *world = *state;
    struct sqlite_engine_config config = world_config(world);
    struct crowd *crowd = crowd_create();
    struct engine_event small = event_of("x");
    struct engine_event large = {.payload = {calloc(1, 1 << 20), 1 << 20}};
    int64_t epochs[CROWD];

    for (size_t i = 0; i < large.payload.size; i++) {
        ((uint8_t *)large.payload.data)[i] = (uint8_t)(i * i * 2654435761u >> 13);
    }
    config.size_most_bytes = 1 << 20;
    assert_int_equal(world_try_open(world, &config).code, FB_OK);
    for (size_t i = 0; i < CROWD; i++) {
        snprintf(crowd->session_ids[i], sizeof(crowd->session_ids[i]), "s%zu", i);
        epochs[i] = must_acquire(world->engine, crowd->session_ids[i], "w");
        crowd->appends[i] =
            append_of(crowd->session_ids[i], epochs[i], 0, "r", i % 16 == 7 ? &large : &small, 1);
    }
    crowd_submit(crowd, world->engine);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(crowd->appends[i].op.status.code,
                         i % 16 == 7 ? FB_RESOURCE_EXHAUSTED : FB_OK);
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_events(world->engine, crowd->session_ids[i], i % 16 == 7 ? 0 : 1);
    }
    crowd_destroy(crowd);
    free((void *)large.payload.data);
}

/* Runs `body` in a process of its own, as limits of a process cannot be taken back. */
static void in_a_child(struct world *world, void (*body)(struct world *world))
{
    int how;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        body(world);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
}

static void expect(bool truth, int exit_code)
{
    if (!truth) {
        _exit(exit_code);
    }
}

static void fail_the_disk(struct world *world)
{
    struct rlimit limit = {0};
    struct rlimit before;
    struct engine_event event = event_of("lost?");
    struct engine_append append;
    int64_t epoch;

    signal(SIGXFSZ, SIG_IGN);
    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("kept"));
    getrlimit(RLIMIT_FSIZE, &before);
    limit = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    append = append_of("s", epoch, 1, "r2", &event, 1);
    op_do(world->engine, &append.op);
    expect(append.op.status.code == FB_UNAVAILABLE, 11);
    op_finish(&append.op);
    setrlimit(RLIMIT_FSIZE, &before);
    /* The disk is back: the same request goes in once, whether it was kept or not. */
    op_do(world->engine, &append.op);
    expect(append.op.status.code == FB_OK && append.last_sequence == 2, 12);
    op_finish(&append.op);
    world_close(world);
}

static void a_failing_disk_is_unavailable_and_the_store_recovers_with_it(void **state)
{
    struct world *world = *state;

    in_a_child(world, fail_the_disk);
    world_open(world);
    assert_events(world->engine, "s", 2);
    assert_int_equal(findings_of(world->engine), 0);
}

/* --- kill -9 --- */

enum { KILL_ROUNDS = 20, WRITERS = 8 };

struct writer {
    pthread_t thread;
    struct engine *engine;
    unsigned number;
    int acknowledged_fd;
};

struct acknowledged {
    unsigned writer;
    int64_t sequence;
};

static void *write_until_killed(void *arg)
{
    const struct writer *writer = arg;
    struct engine_acquire acquire;
    char session_id[16];
    char owner[32];
    int64_t sequence;
    int64_t epoch;

    snprintf(session_id, sizeof(session_id), "session-%u", writer->number);
    snprintf(owner, sizeof(owner), "process-%d", (int)getpid());
    acquire = acquire_of(session_id, owner);
    acquire.take_over = true;
    op_do(writer->engine, &acquire.op);
    epoch = acquire.session.epoch;
    sequence = acquire.session.last_sequence;
    op_finish(&acquire.op);
    for (;;) {
        char texts[2][32];
        struct acknowledged told = {.writer = writer->number};

        snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)sequence + 1);
        snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)sequence + 2);
        sequence = must_append(writer->engine, session_id, epoch, sequence, texts[0],
                               TEXTS(texts[0], texts[1]));
        told.sequence = sequence;
        if (write(writer->acknowledged_fd, &told, sizeof(told)) != sizeof(told)) {
            return NULL;
        }
    }
}

static void write_in_a_crowd(struct world *world, int acknowledged_fd)
{
    struct writer writers[WRITERS];

    world_open(world);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){
            .engine = world->engine, .number = i, .acknowledged_fd = acknowledged_fd};
        pthread_create(&writers[i].thread, NULL, write_until_killed, &writers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    _exit(1);
}

/* Kills a writing process after so many acknowledgements; what it acknowledged last, by writer. */
static void kill_after(struct world *world, unsigned acknowledgements, int64_t last[WRITERS])
{
    struct acknowledged told;
    unsigned seen = 0;
    int ends[2];
    int how;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        write_in_a_crowd(world, ends[1]);
    }
    close(ends[1]);
    /* To the end of the pipe: what was acknowledged before the kill counts, read or not. */
    while (read(ends[0], &told, sizeof(told)) == sizeof(told)) {
        assert_true(told.sequence > last[told.writer]);
        last[told.writer] = told.sequence;
        seen += 1;
        if (seen == acknowledgements) {
            kill(pid, SIGKILL);
        }
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

/* Each event's text is its sequence, so that a lost or doubled one shows. */
static int64_t read_back(struct engine *engine, const char *session_id)
{
    int64_t after = 0;

    for (;;) {
        struct engine_read_events read = read_of(session_id, after);
        size_t count;

        op_do(engine, &read.op);
        if (read.op.status.code == FB_NOT_FOUND) {
            op_finish(&read.op);
            return 0;
        }
        assert_int_equal(read.op.status.code, FB_OK);
        count = read.event_count;
        for (size_t i = 0; i < count; i++) {
            char text[32];

            after += 1;
            snprintf(text, sizeof(text), "%lld", (long long)after);
            assert_int_equal(read.events[i].sequence, after);
            assert_true(bytes_are(read.events[i].payload, text));
        }
        op_finish(&read.op);
        if (count == 0) {
            return after;
        }
    }
}

static void kill_9_under_load_loses_nothing_that_was_acknowledged(void **state)
{
    struct world *world = *state;
    int64_t last[WRITERS] = {0};
    int64_t total = 0;

    for (unsigned round = 0; round < KILL_ROUNDS; round++) {
        kill_after(world, 1 + round * 37 % 400, last);
        world_open(world);
        for (unsigned i = 0; i < WRITERS; i++) {
            char session_id[16];

            snprintf(session_id, sizeof(session_id), "session-%u", i);
            total = read_back(world->engine, session_id);
            assert_true(total >= last[i]);
            assert_int_equal(total % 2, 0); /* both events of an append or none */
            last[i] = total;
        }
        assert_int_equal(findings_of(world->engine), 0);
        world_close(world);
    }
}

/* --- backup and check --- */

struct backup_run {
    struct engine_backup backup;
    struct engine *engine;
    int64_t epoch;
    int64_t sequence;
    bool cancel;
    unsigned progress;
    _Atomic bool begun;
    _Atomic bool may_go_on;
};

static void backup_progress(struct engine_backup *backup)
{
    struct backup_run *run = (struct backup_run *)backup;

    /* A write in the middle of the copy, which without its own moment would make it begin anew. */
    if (run->epoch > 0) {
        run->sequence = must_append_noise(run->engine, "s", run->epoch, run->sequence, 1, 100);
    }
    run->progress += 1;
}

static bool backup_cancelled(struct engine_backup *backup)
{
    struct backup_run *run = (struct backup_run *)backup;

    return run->cancel && run->progress > 0;
}

static struct backup_run backup_of(struct world *world, const char *path)
{
    return (struct backup_run){
        .backup = {.op = {.kind = ENGINE_BACKUP},
                   .path = path,
                   .on_progress = backup_progress,
                   .cancelled = backup_cancelled},
        .engine = world->engine,
    };
}

static void a_backup_while_writing_is_the_store_at_one_moment(void **state)
{
    struct world *world = *state;
    struct world copy;
    struct backup_run run;
    enum fb_code code;
    int64_t before;

    world_init(&copy);
    world_open(world);
    run = backup_of(world, copy.path);
    run.epoch = must_acquire(world->engine, "s", "w");
    for (int i = 0; i < 40; i++) {
        run.sequence = must_append_noise(world->engine, "s", run.epoch, run.sequence, 1, 100000);
    }
    before = run.sequence;
    op_do(world->engine, &run.backup.op);
    assert_string_equal(run.backup.op.status.why, "");
    assert_true(run.progress > 1);
    assert_true(run.sequence > before);
    assert_int_equal(run.backup.pages_done, run.backup.pages_total);
    assert_true(run.backup.size_bytes >= 4000000);
    op_finish(&run.backup.op);
    assert_events(world->engine, "s", run.sequence);

    world_open(&copy);
    assert_int_equal(count_events(copy.engine, "s", &code), before);
    assert_int_equal(code, FB_OK);
    assert_int_equal(findings_of(copy.engine), 0);
    world_finish(&copy);
}

static void a_backup_never_overwrites(void **state)
{
    struct world *world = *state;
    struct backup_run run;

    world_open(world);
    run = backup_of(world, world->path);
    op_do(world->engine, &run.backup.op);
    assert_int_equal(run.backup.op.status.code, FB_ALREADY_EXISTS);
    op_finish(&run.backup.op);
}

static void a_cancelled_backup_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct backup_run run;
    char path[120];
    char partial[140];

    world_open(world);
    must_append_noise(world->engine, "s", must_acquire(world->engine, "s", "w"), 0, 3, 1 << 20);
    snprintf(path, sizeof(path), "%s/copy.db", world->folder);
    snprintf(partial, sizeof(partial), "%s.partial", path);
    run = backup_of(world, path);
    run.cancel = true;
    op_do(world->engine, &run.backup.op);
    assert_int_equal(run.backup.op.status.code, FB_CANCELLED);
    op_finish(&run.backup.op);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(partial, F_OK), -1);
}

static void a_backup_to_nowhere_says_why(void **state)
{
    struct world *world = *state;
    struct backup_run run;

    world_open(world);
    run = backup_of(world, "/tmp/flow-store-none/copy.db");
    op_do(world->engine, &run.backup.op);
    assert_int_equal(run.backup.op.status.code, FB_FAILED_PRECONDITION);
    assert_non_null(strstr(run.backup.op.status.why, "No such file"));
    op_finish(&run.backup.op);
}

static void ask_for_a_second(struct engine_backup *backup)
{
    struct backup_run *run = (struct backup_run *)backup;
    struct engine_check check = {.op = {.kind = ENGINE_CHECK}};

    if (run->progress++ == 0) {
        op_do(run->engine, &check.op);
        assert_int_equal(check.op.status.code, FB_FAILED_PRECONDITION);
        assert_string_equal(check.op.reason, "running");
        op_finish(&check.op);
    }
}

static void note_stage(struct engine_check *check, const char *stage)
{
    (void)check;
    print_message("stage: %s\n", stage);
}

static void fail_on_finding(struct engine_check *check, const char *finding)
{
    (void)check;
    fail_msg("%s", finding);
}

static bool cancelled_at_once(struct engine_check *check)
{
    (void)check;
    return true;
}

static bool cancelled_never(struct engine_check *check)
{
    (void)check;
    return false;
}

static void a_check_can_be_cancelled_and_another_begun(void **state)
{
    struct world *world = *state;
    struct engine_check check = {.op = {.kind = ENGINE_CHECK},
                                 .on_stage = note_stage,
                                 .on_finding = fail_on_finding,
                                 .cancelled = cancelled_at_once};

    world_open(world);
    put_one_of_each(world->engine);
    op_do(world->engine, &check.op);
    assert_int_equal(check.op.status.code, FB_CANCELLED);
    op_finish(&check.op);
    assert_int_equal(findings_of(world->engine), 0);
}

static void a_quick_check_looks_at_the_structure_alone(void **state)
{
    struct world *world = *state;
    struct engine_check check = {.op = {.kind = ENGINE_CHECK},
                                 .quick = true,
                                 .on_stage = note_stage,
                                 .on_finding = fail_on_finding,
                                 .cancelled = cancelled_never};

    world_open(world);
    put_one_of_each(world->engine);
    world_close(world);
    sql_do(world->path, "UPDATE batch SET body = zeroblob(LENGTH(body))");
    world_open(world);
    op_do(world->engine, &check.op);
    assert_int_equal(check.op.status.code, FB_OK);
    assert_int_equal(check.sessions, 0);
    assert_int_equal(check.schema_version, 2);
    op_finish(&check.op);
}

static void a_check_during_a_backup_is_told_to_wait(void **state)
{
    struct world *world = *state;
    struct backup_run run;
    char path[120];

    world_open(world);
    must_append_noise(world->engine, "s", must_acquire(world->engine, "s", "w"), 0, 3, 1 << 20);
    snprintf(path, sizeof(path), "%s/copy.db", world->folder);
    run = backup_of(world, path);
    run.backup.on_progress = ask_for_a_second;
    op_do(world->engine, &run.backup.op);
    assert_int_equal(run.backup.op.status.code, FB_OK);
    assert_true(run.progress > 0);
    op_finish(&run.backup.op);
    assert_int_equal(findings_of(world->engine), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_was_acknowledged_is_there_after_reopening),
        TEST(the_file_is_its_owners_alone),
        TEST(a_file_that_is_open_cannot_be_opened_again),
        TEST(a_newer_schema_is_refused_by_its_number),
        TEST(a_database_of_another_program_is_left_alone),
        TEST(a_file_that_is_no_database_is_data_loss),
        TEST(a_place_that_does_not_exist_is_named),
        TEST(a_file_of_version_1_is_brought_to_the_newest_with_all_it_holds),
        TEST(a_changed_event_is_data_loss_and_a_finding),
        TEST(a_missing_event_is_data_loss_and_a_finding),
        TEST(damage_in_any_table_is_found),
        TEST(a_file_with_a_broken_page_is_found_out_and_does_no_harm),
        TEST(what_a_deleted_session_held_is_removed_in_time),
        TEST(expired_results_are_removed_in_time),
        TEST(a_full_store_refuses_writes_and_loses_nothing),
        TEST(writes_at_once_share_commits_and_keep_their_order),
        TEST(one_write_without_room_does_not_fail_those_beside_it),
        TEST(a_failing_disk_is_unavailable_and_the_store_recovers_with_it),
        TEST(kill_9_under_load_loses_nothing_that_was_acknowledged),
        TEST(a_backup_while_writing_is_the_store_at_one_moment),
        TEST(a_backup_never_overwrites),
        TEST(a_cancelled_backup_leaves_nothing),
        TEST(a_backup_to_nowhere_says_why),
        TEST(a_check_can_be_cancelled_and_another_begun),
        TEST(a_quick_check_looks_at_the_structure_alone),
        TEST(a_check_during_a_backup_is_told_to_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
