#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEARNED "SELECT COUNT(*) FROM batch WHERE codec & 255 = 2"

/* One small append like many others. */
static void append_small(struct engine *engine, int64_t epoch, int64_t sequence)
{
    static const char *const words[] = {"claimed", "noted", "finished", "rested"};
    char text[160];
    char request_id[32];

    snprintf(request_id, sizeof(request_id), "r%lld", (long long)sequence);
    snprintf(text, sizeof(text),
             "agent-%d has %s task %lld, which was about module %d and its tests",
             (int)(sequence * 7 % 5), words[sequence * 13 % 4], (long long)(sequence * 31 % 997),
             (int)(sequence * 11 % 40));
    must_append(engine, "s", epoch, sequence, request_id, TEXTS(text));
}

/* Appends until some were packed by a dictionary; the last sequence. */
static int64_t append_until_learned(struct world *world, int64_t epoch)
{
    int64_t sequence = 0;

    while (sequence < 2200) {
        append_small(world->engine, epoch, sequence++);
    }
    while (sequence < 30000 && sql_number(world->path, LEARNED) < 3) {
        append_small(world->engine, epoch, sequence++);
    }
    assert_true(sql_number(world->path, LEARNED) >= 3);
    return sequence;
}

static void a_store_learns_of_its_events_to_keep_them_smaller(void **state)
{
    struct world *world = *state;
    int64_t last;

    world_open(world);
    last = append_until_learned(world, must_acquire(world->engine, "s", "w"));
    assert_events(world->engine, "s", last);
    assert_int_equal(sql_number(world->path, "SELECT COUNT(*) FROM dictionary"), 1);
    assert_true(sql_number(world->path, "SELECT 100 * SUM(LENGTH(body)) / SUM(raw_bytes) FROM batch"
                                        " WHERE codec & 255 = 2") < 50);
    assert_int_equal(findings_of(world->engine), 0);
}

static void what_was_learned_is_there_after_a_restart(void **state)
{
    struct world *world = *state;
    int64_t epoch;
    int64_t last;
    int64_t before;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    last = append_until_learned(world, epoch);
    world_close(world);
    world_open(world);
    assert_events(world->engine, "s", last);
    before = sql_number(world->path, LEARNED);
    for (int64_t end = last + 30000; last < end && sql_number(world->path, LEARNED) == before;) {
        append_small(world->engine, epoch, last++);
    }
    assert_true(sql_number(world->path, LEARNED) > before);
    assert_int_equal(sql_number(world->path, "SELECT COUNT(*) FROM dictionary"), 1);
    assert_events(world->engine, "s", last);
}

static void a_repeated_request_is_known_however_it_was_packed(void **state)
{
    struct world *world = *state;
    int64_t epoch;
    int64_t last;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    last = append_until_learned(world, epoch);
    append_small(world->engine, epoch, last - 1); /* must_append wants OK, so it was repeated */
    assert_events(world->engine, "s", last);
}

static void a_dictionary_that_is_lost_or_damaged_is_data_loss_and_a_finding(void **state)
{
    static const char *const damages[] = {"UPDATE dictionary SET body = zeroblob(LENGTH(body))",
                                          "DELETE FROM dictionary"};
    struct world *world = *state;
    int64_t epoch;
    int64_t last;
    enum fb_code code;

    world_open(world);
    epoch = must_acquire(world->engine, "s", "w");
    last = append_until_learned(world, epoch);
    for (size_t i = 0; i < 2; i++) {
        world_close(world);
        sql_do(world->path, damages[i]);
        world_open(world);
        assert_true(count_events(world->engine, "s", &code) < last);
        assert_int_equal(code, FB_DATA_LOSS);
        assert_true(findings_of(world->engine) > 0);
    }
    append_small(world->engine, epoch, last); /* it goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_store_learns_of_its_events_to_keep_them_smaller),
        WORLD_TEST(what_was_learned_is_there_after_a_restart),
        WORLD_TEST(a_repeated_request_is_known_however_it_was_packed),
        WORLD_TEST(a_dictionary_that_is_lost_or_damaged_is_data_loss_and_a_finding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
