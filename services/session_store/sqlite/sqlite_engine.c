#define _GNU_SOURCE /* flock */

#include "services/session_store/sqlite/sqlite_engine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "services/session_store/sqlite/operations.h"

enum {
    READERS_MOST = 64,
    BATCH_OPS = 512,
    BATCH_BYTES = 16 << 20,
    WAITING_OPS = 8192,
    WAITING_BYTES = 256 << 20,
    UPKEEP_SLICES = 16, /* at a time, when nothing else is to do */
};

enum lane_kind { LANE_WRITE, LANE_READ, LANE_LONG, LANES };

static const struct operation {
    enum lane_kind lane;
    operation_fn *run; /* NULL for the long ones */
} operations[ENGINE_OP_KINDS] = {
    [ENGINE_ACQUIRE] = {LANE_WRITE, run_acquire},
    [ENGINE_RENEW] = {LANE_WRITE, run_renew},
    [ENGINE_RELEASE] = {LANE_WRITE, run_release},
    [ENGINE_APPEND] = {LANE_WRITE, run_append},
    [ENGINE_PUT_PROJECTION] = {LANE_WRITE, run_put_projection},
    [ENGINE_PUT_SNAPSHOT] = {LANE_WRITE, run_put_snapshot},
    [ENGINE_DELETE_SESSION] = {LANE_WRITE, run_delete_session},
    [ENGINE_PUT_BLOB] = {LANE_WRITE, run_put_blob},
    [ENGINE_PUT_CATALOGUE] = {LANE_WRITE, run_put_catalogue},
    [ENGINE_PUT_RESULT] = {LANE_WRITE, run_put_result},
    [ENGINE_READ_SESSION] = {LANE_READ, run_read_session},
    [ENGINE_READ_SNAPSHOT] = {LANE_READ, run_read_snapshot},
    [ENGINE_READ_EVENTS] = {LANE_READ, run_read_events},
    [ENGINE_LIST_SESSIONS] = {LANE_READ, run_list_sessions},
    [ENGINE_SEARCH_TASKS] = {LANE_READ, run_search_tasks},
    [ENGINE_READ_BLOB] = {LANE_READ, run_read_blob},
    [ENGINE_READ_CATALOGUE] = {LANE_READ, run_read_catalogue},
    [ENGINE_READ_RESULT] = {LANE_READ, run_read_result},
    [ENGINE_BACKUP] = {LANE_LONG, NULL},
    [ENGINE_CHECK] = {LANE_LONG, NULL},
};

struct sqlite_engine {
    struct engine engine; /* first, so that the one is the other */
    struct sqlite_engine_config config;
    char *path;
    int lock_fd;

    struct fb_lane *lanes[LANES];
    struct database *readers[READERS_MOST]; /* one for each reading thread */

    /* the writing thread's */
    struct database *writer; /* NULL after the disk failed, until it can be opened again */
    int64_t upkeep_due_ms;

    atomic_bool long_runs;
    atomic_uint_least64_t commits;
    atomic_uint_least64_t writes;
    atomic_uint_least64_t failed_commits;
    atomic_uint_least64_t commit_us;
};

static struct engine_op *op_of(struct fb_work *work)
{
    /* `work` is the first member of engine_op. */
    return (struct engine_op *)work;
}

static struct sqlite_engine *self_of(struct engine *engine)
{
    return (struct sqlite_engine *)engine;
}

/* Tells all of a batch. An operation belongs to its owner again once it was told. */
static void tell(struct fb_work *first)
{
    while (first != NULL) {
        struct fb_work *next = first->next;
        struct engine_op *op = op_of(first);

        op->on_done(op);
        first = next;
    }
}

static void answer_all(struct fb_work *first, struct fb_status status, const char *reason)
{
    for (; first != NULL; first = first->next) {
        operation_answer(op_of(first), status, reason);
    }
}

/* --- writing --- */

static struct fb_status open_writer(struct sqlite_engine *self, struct fb_arena *arena)
{
    struct fb_status status = database_open_writer(
        self->path, self->config.schema, self->config.size_most_bytes, arena, &self->writer);
    const char *reason;
    int code;

    if (!fb_is_ok(status)) {
        return status;
    }
    self->writer->unix_ms = self->config.unix_ms;
    self->writer->result_budget_bytes = self->config.result_budget_bytes;
    code = results_count(self->writer);
    if (code != SQLITE_OK) {
        database_close(self->writer);
        self->writer = NULL;
        return database_fail(code, &reason);
    }
    return fb_ok;
}

static int commit(struct sqlite_engine *self)
{
    int64_t start_us = fb_clock_us();
    int code = database_do(self->writer, TRANSACTION_COMMIT);

    atomic_fetch_add(&self->commit_us, (uint64_t)(fb_clock_us() - start_us));
    return code;
}

static void give_up(struct sqlite_engine *self)
{
    atomic_fetch_add(&self->failed_commits, 1);
    database_rollback(self->writer);
    if (results_count(self->writer) != SQLITE_OK) {
        self->writer->result_bytes = 0;
    }
}

/* Runs the batch as one transaction; other than SQLITE_OK nothing of it is kept. */
static int write_batch(struct sqlite_engine *self, struct fb_work *first)
{
    int code = database_do(self->writer, TRANSACTION_WRITE);
    uint64_t count = 0;

    for (struct fb_work *work = first; work != NULL && code == SQLITE_OK; work = work->next) {
        struct engine_op *op = op_of(work);

        operation_answer(op, fb_ok, "");
        fb_arena_reset(&op->arena);
        code = operations[op->kind].run(self->writer, op);
        count += 1;
    }
    if (code == SQLITE_OK) {
        code = commit(self);
    }
    if (code == SQLITE_OK) {
        atomic_fetch_add(&self->commits, 1);
        atomic_fetch_add(&self->writes, count);
        return SQLITE_OK;
    }
    give_up(self);
    return code;
}

/*
 * After a failed write or sync the kernel may have dropped what we believe to be in the file, so
 * nothing that this connection remembers is to be trusted: it is opened anew before the next batch.
 */
static void distrust(struct sqlite_engine *self, int code)
{
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
        database_close(self->writer);
        self->writer = NULL;
        break;
    default:
        break;
    }
}

/* A failure that came of one operation need not be the others': then each is tried alone. */
static void write_alone(struct sqlite_engine *self, struct fb_work *first)
{
    while (first != NULL) {
        struct fb_work *next = first->next;
        const char *reason = "";
        int code;

        first->next = NULL;
        code = self->writer != NULL ? write_batch(self, first) : SQLITE_IOERR;
        if (code != SQLITE_OK) {
            struct fb_status status = database_fail(code, &reason);

            answer_all(first, status, reason);
            if (self->writer != NULL) {
                distrust(self, code);
            }
        }
        tell(first);
        first = next;
    }
}

/* A slice of what is deleted or expired; true when another one is worth it. */
static bool upkeep_slice(struct sqlite_engine *self)
{
    bool more = false;
    int code = database_do(self->writer, TRANSACTION_WRITE);

    if (code == SQLITE_OK) {
        code = run_upkeep(self->writer, &more);
    }
    if (code == SQLITE_OK) {
        code = database_do(self->writer, more ? TRANSACTION_COMMIT : TRANSACTION_ROLLBACK);
    }
    if (code == SQLITE_OK) {
        return more;
    }
    give_up(self);
    distrust(self, code);
    return false;
}

/* When it is due, also under load: then writes that wait are held up by one slice. */
static void upkeep(struct sqlite_engine *self, unsigned slices)
{
    int64_t now_ms = fb_clock_ms();

    if (now_ms < self->upkeep_due_ms) {
        return;
    }
    self->upkeep_due_ms = now_ms + self->config.upkeep_ms;
    while (slices > 0 && self->writer != NULL && upkeep_slice(self)) {
        slices -= 1;
    }
}

static void write_run(void *arg, unsigned thread, struct fb_work *first)
{
    struct sqlite_engine *self = arg;
    struct fb_arena arena;
    int code;

    (void)thread;
    if (first == NULL) {
        upkeep(self, UPKEEP_SLICES);
        return;
    }
    if (self->writer == NULL) {
        struct fb_status status;

        fb_arena_init(&arena, 0);
        status = open_writer(self, &arena);
        fb_arena_finish(&arena);
        if (!fb_is_ok(status)) {
            answer_all(first, fb_fail(status.code, "the store's file cannot be opened"), "");
            tell(first);
            return;
        }
    }
    code = write_batch(self, first);
    if (code == SQLITE_OK) {
        tell(first);
        upkeep(self, 1);
        return;
    }
    distrust(self, code);
    if (self->writer == NULL || first->next == NULL) {
        const char *reason;
        struct fb_status status = database_fail(code, &reason);

        answer_all(first, status, reason);
        tell(first);
        return;
    }
    write_alone(self, first);
}

/* --- reading --- */

static void read_op(struct database *database, struct engine_op *op)
{
    int code = database_do(database, TRANSACTION_READ);

    if (code == SQLITE_OK) {
        code = operations[op->kind].run(database, op);
    }
    if (code != SQLITE_OK) {
        op->status = database_fail(code, &op->reason);
        database_rollback(database);
    } else {
        database_do(database, TRANSACTION_ROLLBACK);
    }
}

static void read_run(void *arg, unsigned thread, struct fb_work *first)
{
    struct sqlite_engine *self = arg;

    while (first != NULL) {
        struct fb_work *next = first->next;
        struct engine_op *op = op_of(first);

        read_op(self->readers[thread], op);
        op->on_done(op);
        first = next;
    }
}

/* --- backup and check --- */

static void long_run(void *arg, unsigned thread, struct fb_work *first)
{
    struct sqlite_engine *self = arg;
    struct engine_op *op;

    (void)thread;
    if (first == NULL) {
        return;
    }
    op = op_of(first);
    if (op->kind == ENGINE_BACKUP) {
        run_backup(self->path, (struct engine_backup *)op);
    } else {
        run_check(self->path, (struct engine_check *)op);
    }
    atomic_store(&self->long_runs, false);
    op->on_done(op);
}

/* --- the interface --- */

static void engine_submit_sqlite(struct engine *engine, struct engine_op *op)
{
    struct sqlite_engine *self = self_of(engine);
    enum lane_kind lane = operations[op->kind].lane;

    if (lane == LANE_LONG && atomic_exchange(&self->long_runs, true)) {
        operation_answer(
            op, fb_fail(FB_FAILED_PRECONDITION, "a backup or check is running already"), "running");
        op->on_done(op);
        return;
    }
    if (!fb_lane_push(self->lanes[lane], &op->work)) {
        operation_answer(op, fb_fail(FB_RESOURCE_EXHAUSTED, "too many calls wait for the store"),
                         "busy");
        op->on_done(op);
    }
}

static size_t engine_waiting_sqlite(struct engine *engine)
{
    struct sqlite_engine *self = self_of(engine);
    size_t waiting = 0;

    for (unsigned i = 0; i < LANES; i++) {
        waiting += fb_lane_waiting(self->lanes[i]);
    }
    return waiting;
}

static void engine_close_sqlite(struct engine *engine)
{
    struct sqlite_engine *self = self_of(engine);

    for (unsigned i = 0; i < LANES; i++) {
        fb_lane_destroy(self->lanes[i]);
    }
    for (unsigned i = 0; i < READERS_MOST; i++) {
        database_close(self->readers[i]);
    }
    /* Last, so that it is the one to bring the log into the file. */
    database_close(self->writer);
    if (self->lock_fd >= 0) {
        close(self->lock_fd);
    }
    free(self->path);
    free(self);
}

/* One flow-store for one file: what writers remember is true only as long as they are alone. */
static struct fb_status take_lock(struct sqlite_engine *self, struct fb_arena *arena)
{
    const char *path = fb_arena_printf(arena, "%s-lock", self->path);

    if (path == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        return fb_arena_fail(arena, FB_UNAVAILABLE, "store file %s: %s", path, strerror(errno));
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return fb_arena_fail(arena, FB_FAILED_PRECONDITION,
                             "store file %s: another flow-store has it open", self->path);
    }
    return fb_ok;
}

static struct fb_status start(struct sqlite_engine *self, struct fb_arena *arena)
{
    const struct sqlite_engine_config *config = &self->config;
    struct fb_lane_config lanes[LANES] = {
        [LANE_WRITE] = {.name = "store-write",
                        .threads = 1,
                        .batch_most = BATCH_OPS,
                        .batch_bytes = BATCH_BYTES,
                        .waiting_most = WAITING_OPS,
                        .waiting_bytes = WAITING_BYTES,
                        .idle_ms = config->upkeep_ms,
                        .run = write_run,
                        .arg = self},
        [LANE_READ] = {.name = "store-read",
                       .threads = config->readers,
                       .batch_most = 1,
                       .batch_bytes = BATCH_BYTES,
                       .waiting_most = WAITING_OPS,
                       .waiting_bytes = WAITING_BYTES,
                       .run = read_run,
                       .arg = self},
        [LANE_LONG] = {.name = "store-long",
                       .threads = 1,
                       .batch_most = 1,
                       .batch_bytes = BATCH_BYTES,
                       .waiting_most = 1,
                       .waiting_bytes = WAITING_BYTES,
                       .run = long_run,
                       .arg = self},
    };
    struct fb_status status = take_lock(self, arena);

    if (fb_is_ok(status)) {
        status = open_writer(self, arena);
    }
    for (unsigned i = 0; fb_is_ok(status) && i < config->readers; i++) {
        status = database_open_reader(self->path, arena, &self->readers[i]);
        if (fb_is_ok(status)) {
            self->readers[i]->unix_ms = config->unix_ms;
        }
    }
    for (unsigned i = 0; fb_is_ok(status) && i < LANES; i++) {
        self->lanes[i] = fb_lane_create(&lanes[i]);
        if (self->lanes[i] == NULL) {
            status = fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory or threads");
        }
    }
    return status;
}

struct fb_status sqlite_engine_open(const struct sqlite_engine_config *config,
                                    struct fb_arena *arena, struct engine **engine)
{
    struct sqlite_engine *self = calloc(1, sizeof(*self));
    struct fb_status status;

    assert(config->readers >= 1 && config->readers <= READERS_MOST);
    if (self == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    }
    self->engine = (struct engine){.submit = engine_submit_sqlite,
                                   .close = engine_close_sqlite,
                                   .waiting = engine_waiting_sqlite};
    self->config = *config;
    if (self->config.unix_ms == NULL) {
        self->config.unix_ms = fb_clock_unix_ms;
    }
    if (self->config.schema == NULL) {
        self->config.schema = &schema_sqlite;
    }
    self->lock_fd = -1;
    self->path = strdup(config->path);
    status =
        self->path != NULL ? start(self, arena) : fb_fail(FB_RESOURCE_EXHAUSTED, "out of memory");
    if (!fb_is_ok(status)) {
        engine_close_sqlite(&self->engine);
        return status;
    }
    *engine = &self->engine;
    return fb_ok;
}

struct sqlite_engine_stats sqlite_engine_stats(struct engine *engine)
{
    struct sqlite_engine *self = self_of(engine);

    return (struct sqlite_engine_stats){
        .commits = atomic_load(&self->commits),
        .writes = atomic_load(&self->writes),
        .failed_commits = atomic_load(&self->failed_commits),
        .commit_us = atomic_load(&self->commit_us),
    };
}
