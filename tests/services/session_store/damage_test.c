#include "tests/services/session_store/world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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

static void damage_in_any_table_is_found(void **state)
{
    static const struct damage {
        const char *sql;
        int64_t findings;
    } damages[] = {
        {"UPDATE snapshot_part SET body = zeroblob(LENGTH(body))", 1},
        {"UPDATE snapshot_part SET sequence = 7", 2}, /* and the session's is missing */
        {"UPDATE session SET snapshot_bytes = 9", 1},
        {"UPDATE task SET id = id + (7 << 20)", 1},
        {"DELETE FROM task_text", 1},
        {"DELETE FROM task_match_docsize", 1},
        {"DELETE FROM task_match_data WHERE id > 10", 1},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_changed_event_is_data_loss_and_a_finding),
        WORLD_TEST(a_missing_event_is_data_loss_and_a_finding),
        WORLD_TEST(damage_in_any_table_is_found),
        WORLD_TEST(a_file_with_a_broken_page_is_found_out_and_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
