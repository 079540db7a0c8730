#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    int failed = world_set_up(state);

    world_open(*state);
    return failed;
}

static struct engine *engine_in(void **state)
{
    return ((struct world *)*state)->engine;
}

static struct engine_put_snapshot part_of(int64_t epoch, int64_t sequence, int64_t offset,
                                          int64_t total_bytes, const char *text)
{
    return (struct engine_put_snapshot){.op = {.kind = ENGINE_PUT_SNAPSHOT},
                                        .session_id = "s",
                                        .epoch = epoch,
                                        .sequence = sequence,
                                        .offset = offset,
                                        .total_bytes = total_bytes,
                                        .data = bytes_of(text)};
}

/* Puts a part; `complete` is what is to be answered. */
static void must_put(struct engine *engine, struct engine_put_snapshot put, bool complete)
{
    op_do(engine, &put.op);
    assert_string_equal(put.op.status.why, "");
    assert_int_equal(put.complete, complete);
    op_finish(&put.op);
}

static void must_refuse(struct engine *engine, struct engine_put_snapshot put, const char *reason)
{
    op_do(engine, &put.op);
    assert_int_equal(put.op.status.code, FB_ABORTED);
    assert_string_equal(put.op.reason, reason);
    op_finish(&put.op);
}

static struct engine_put_snapshot whole_of(int64_t epoch, int64_t sequence, const char *text)
{
    return part_of(epoch, sequence, 0, (int64_t)strlen(text), text);
}

static struct engine_read_session snapshot_after(int64_t sequence)
{
    return (struct engine_read_session){.op = {.kind = ENGINE_READ_SESSION},
                                        .scope = "",
                                        .session_id = "s",
                                        .snapshot_after = sequence};
}

/* What the session's snapshot is, put together from its parts. */
static void assert_snapshot(struct engine *engine, int64_t sequence, const char *expected)
{
    struct engine_read_session first = snapshot_after(0);
    char text[256] = "";
    size_t size;

    op_do(engine, &first.op);
    assert_true(first.has_snapshot);
    assert_int_equal(first.session.snapshot_sequence, sequence);
    assert_int_equal(first.session.snapshot_bytes, strlen(expected));
    size = first.snapshot.size;
    memcpy(text, first.snapshot.data, size);
    op_finish(&first.op);
    while (size < strlen(expected)) {
        struct engine_read_snapshot next = {.op = {.kind = ENGINE_READ_SNAPSHOT},
                                            .scope = "",
                                            .session_id = "s",
                                            .sequence = sequence,
                                            .offset = (int64_t)size};

        op_do(engine, &next.op);
        assert_int_equal(next.op.status.code, FB_OK);
        memcpy(text + size, next.data.data, next.data.size);
        size += next.data.size;
        op_finish(&next.op);
    }
    assert_string_equal(text, expected);
}

static int64_t with_events(struct engine *engine)
{
    int64_t epoch = must_acquire(engine, "s", "w");

    must_append(engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c"));
    return epoch;
}

static void the_latest_snapshot_is_kept(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);
    struct engine_read_session read = snapshot_after(3);

    must_put(engine, whole_of(epoch, 2, "after two"), true);
    must_put(engine, whole_of(epoch, 3, "after three"), true);
    must_put(engine, whole_of(epoch, 1, "late"), true);
    must_refuse(engine, whole_of(epoch, 4, "beyond"), "wrong-sequence");
    must_refuse(engine, whole_of(epoch + 1, 3, "not mine"), "stale-epoch");
    assert_snapshot(engine, 3, "after three");
    op_do(engine, &read.op);
    assert_int_equal(read.op.status.code, FB_OK);
    assert_false(read.has_snapshot);
    op_finish(&read.op);
}

static void a_part_of_16_mib_comes_back(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);
    struct engine_put_snapshot put = part_of(epoch, 1, 0, 16 << 20, "");
    struct engine_read_session read = snapshot_after(0);
    size_t size = 16 << 20;
    uint8_t *data = malloc(size);

    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 31 >> 7);
    }
    put.data = (struct engine_bytes){data, size};
    must_put(engine, put, true);
    op_do(engine, &read.op);
    assert_int_equal(read.snapshot.size, size);
    assert_memory_equal(read.snapshot.data, data, size);
    op_finish(&read.op);
    free(data);
}

static void a_snapshot_in_parts_counts_when_the_last_is_there(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);

    must_put(engine, whole_of(epoch, 1, "before"), true);
    must_put(engine, part_of(epoch, 3, 0, 11, "one "), false);
    must_put(engine, part_of(epoch, 3, 4, 11, "two "), false);
    assert_snapshot(engine, 1, "before");
    must_put(engine, part_of(epoch, 3, 8, 11, "end"), true);
    assert_snapshot(engine, 3, "one two end");
    assert_int_equal(findings_of(engine), 0);
}

static void a_part_that_does_not_follow_is_refused_and_changes_nothing(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);

    must_refuse(engine, part_of(epoch, 3, 4, 8, "left"), "wrong-offset");
    must_put(engine, part_of(epoch, 3, 0, 8, "left"), false);
    must_refuse(engine, part_of(epoch, 3, 3, 8, "right"), "wrong-offset");
    must_refuse(engine, part_of(epoch, 3, 5, 8, "end"), "wrong-offset");
    must_refuse(engine, part_of(epoch, 2, 4, 8, "of 2"), "wrong-offset");
    must_put(engine, part_of(epoch, 3, 4, 8, "over"), true);
    assert_snapshot(engine, 3, "leftover");
}

static void a_part_put_again_takes_its_place(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);

    must_put(engine, part_of(epoch, 3, 0, 6, "aa"), false);
    must_put(engine, part_of(epoch, 3, 2, 6, "bb"), false);
    must_put(engine, part_of(epoch, 3, 2, 6, "BB"), false);
    must_put(engine, part_of(epoch, 3, 4, 6, "cc"), true);
    must_put(engine, part_of(epoch, 3, 4, 6, "cc"), true);
    assert_snapshot(engine, 3, "aaBBcc");
    assert_int_equal(findings_of(engine), 0);
}

static void parts_of_an_owner_that_died_give_way_to_the_next_snapshot(void **state)
{
    struct world *world = *state;
    int64_t epoch = with_events(world->engine);
    struct engine_acquire acquire = acquire_of("s", "w2");

    must_put(world->engine, part_of(epoch, 3, 0, 9, "half "), false);
    acquire.take_over = true;
    op_do(world->engine, &acquire.op);
    epoch = acquire.session.epoch;
    op_finish(&acquire.op);
    must_put(world->engine, part_of(epoch, 2, 0, 5, "w"), false);
    must_put(world->engine, part_of(epoch, 2, 1, 5, "hole"), true);
    assert_snapshot(world->engine, 2, "whole");
    must_refuse(world->engine, part_of(epoch, 3, 5, 9, "done"), "wrong-offset");
}

static void who_reads_a_snapshot_that_was_replaced_is_told(void **state)
{
    struct engine *engine = engine_in(state);
    int64_t epoch = with_events(engine);
    struct engine_read_snapshot next = {.op = {.kind = ENGINE_READ_SNAPSHOT},
                                        .scope = "",
                                        .session_id = "s",
                                        .sequence = 2,
                                        .offset = 3};

    must_put(engine, part_of(epoch, 2, 0, 6, "old"), false);
    must_put(engine, part_of(epoch, 2, 3, 6, "old"), true);
    must_put(engine, whole_of(epoch, 3, "new"), true);
    op_do(engine, &next.op);
    assert_int_equal(next.op.status.code, FB_ABORTED);
    assert_string_equal(next.op.reason, "snapshot-replaced");
    op_finish(&next.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
        TEST(the_latest_snapshot_is_kept),
        TEST(a_part_of_16_mib_comes_back),
        TEST(a_snapshot_in_parts_counts_when_the_last_is_there),
        TEST(a_part_that_does_not_follow_is_refused_and_changes_nothing),
        TEST(a_part_put_again_takes_its_place),
        TEST(parts_of_an_owner_that_died_give_way_to_the_next_snapshot),
        TEST(who_reads_a_snapshot_that_was_replaced_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
