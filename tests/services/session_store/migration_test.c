#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/session_store/schema/schema.h"

/* The columns that sessions had in the first two versions. */
#define OLD_SESSION                                                                              \
    "key, id, scope, name, created_unix_ms, updated_unix_ms, last_sequence, snapshot_sequence, " \
    "epoch, owner, lease_expires_unix_ms, payload_bytes, appends"

/*
 * Makes the world's file into what a flow-store of version 1 or 2 would have written: its tables,
 * with rows made by this one. The world is closed.
 */
static void make_old(const struct world *world, int version)
{
    char newest[120];
    char sql[1200];

    snprintf(newest, sizeof(newest), "%s.newest", world->path);
    assert_int_equal(rename(world->path, newest), 0);
    for (int i = 0; i < version; i++) {
        sql_do(world->path, schema_sqlite.steps[i]);
    }
    snprintf(sql, sizeof(sql),
             "PRAGMA application_id = 0x464c4f57; PRAGMA user_version = %d; ATTACH '%s' AS newest;"
             "INSERT INTO session SELECT " OLD_SESSION " FROM newest.session;"
             "INSERT INTO batch SELECT * FROM newest.batch;"
             "INSERT INTO request SELECT * FROM newest.request;"
             "INSERT INTO snapshot SELECT session, sequence, codec, raw_bytes, digest, body"
             " FROM newest.snapshot_part",
             version, newest);
    sql_do(world->path, sql);
}

static void a_file_of_version_1_is_brought_to_the_newest(void **state)
{
    struct world *world = *state;
    struct engine_put_result put = {.op = {.kind = ENGINE_PUT_RESULT},
                                    .scope = "",
                                    .key = bytes_of("k"),
                                    .value = bytes_of("v"),
                                    .ttl_ms = 1000};
    int64_t epoch;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c"));
    world_close(world);
    make_old(world, 1);
    world_open(world);
    assert_events(world->engine, "s", 3);
    assert_int_equal(must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c")), 3);
    op_do(world->engine, &put.op);
    assert_int_equal(put.op.status.code, FB_OK); /* version 1 had no results */
    op_finish(&put.op);
    assert_int_equal(findings_of(world->engine), 0);
}

static void a_snapshot_of_version_2_is_one_part(void **state)
{
    struct world *world = *state;
    struct engine_read_session read = {
        .op = {.kind = ENGINE_READ_SESSION}, .scope = "", .session_id = "s"};

    world_open(world);
    put_one_of_each(world->engine);
    must_acquire(world->engine, "without", "w");
    world_close(world);
    make_old(world, 2);
    world_open(world);
    op_do(world->engine, &read.op);
    assert_true(read.has_snapshot);
    assert_int_equal(read.session.snapshot_bytes, strlen("snapshot"));
    assert_true(bytes_are(read.snapshot, "snapshot"));
    op_finish(&read.op);
    assert_events(world->engine, "s", 1);
    assert_events(world->engine, "without", 0);
    assert_int_equal(findings_of(world->engine), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_file_of_version_1_is_brought_to_the_newest),
        WORLD_TEST(a_snapshot_of_version_2_is_one_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
