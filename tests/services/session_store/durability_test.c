#define _GNU_SOURCE /* fork's company: pipe2 */

#include "tests/services/session_store/world.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "services/session_store/schema/schema.h"

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
                                      .total_bytes = 1,
                                      .data = bytes_of("x")};
    static struct engine_task tasks[1000];

    world_open(world);
    put.epoch = delete.epoch = must_acquire(world->engine, "s", "w");
    for (int64_t i = 0; i < 1000; i++) {
        must_append_noise(world->engine, "s", delete.epoch, i, 1, 100);
    }
    op_do(world->engine, &put.op);
    op_finish(&put.op);
    for (uint32_t i = 0; i < 1000; i++) {
        tasks[i] = task_of(i + 1, "", "A task", "to be removed");
    }
    must_project(world->engine, "s", delete.epoch, 1000, tasks, 1000);
    op_do(world->engine, &delete.op);
    assert_int_equal(delete.op.status.code, FB_OK);
    op_finish(&delete.op);
    wait_until_empty(world->path, "purge");
    wait_until_empty(world->path, "task");
    wait_until_empty(world->path, "task_text");
    wait_until_empty(world->path, "task_match_docsize");
    wait_until_empty(world->path, "batch");
    wait_until_empty(world->path, "request");
    wait_until_empty(world->path, "snapshot_part");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_was_acknowledged_is_there_after_reopening),
        WORLD_TEST(the_file_is_its_owners_alone),
        WORLD_TEST(a_file_that_is_open_cannot_be_opened_again),
        WORLD_TEST(a_newer_schema_is_refused_by_its_number),
        WORLD_TEST(a_database_of_another_program_is_left_alone),
        WORLD_TEST(a_file_that_is_no_database_is_data_loss),
        WORLD_TEST(a_place_that_does_not_exist_is_named),
        WORLD_TEST(what_a_deleted_session_held_is_removed_in_time),
        WORLD_TEST(expired_results_are_removed_in_time),
        WORLD_TEST(a_full_store_refuses_writes_and_loses_nothing),
        WORLD_TEST(writes_at_once_share_commits_and_keep_their_order),
        WORLD_TEST(one_write_without_room_does_not_fail_those_beside_it),
        WORLD_TEST(a_failing_disk_is_unavailable_and_the_store_recovers_with_it),
        WORLD_TEST(kill_9_under_load_loses_nothing_that_was_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
