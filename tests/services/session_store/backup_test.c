#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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
    assert_int_equal(check.schema_version, 3);
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
        WORLD_TEST(a_backup_while_writing_is_the_store_at_one_moment),
        WORLD_TEST(a_backup_never_overwrites),
        WORLD_TEST(a_cancelled_backup_leaves_nothing),
        WORLD_TEST(a_backup_to_nowhere_says_why),
        WORLD_TEST(a_check_can_be_cancelled_and_another_begun),
        WORLD_TEST(a_quick_check_looks_at_the_structure_alone),
        WORLD_TEST(a_check_during_a_backup_is_told_to_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
