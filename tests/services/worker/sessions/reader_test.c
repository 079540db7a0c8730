#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "services/worker/sessions/reader.h"
#include "tests/services/worker/sessions/breaker.h"
#include "tests/services/worker/sessions/world.h"

static const struct keeper_config usual;

/* Whoever reads, and what was heard. */
struct ear {
    struct reader *reader;
    int64_t last;
    int heard;
    int caught_up;
    int64_t caught_up_at;
    bool ended;
    enum fb_code code;
    int cancel_at; /* after so many events; 0: never */
};

static void on_event(void *self, int64_t sequence, struct fb_text payload)
{
    struct ear *ear = self;

    assert_int_equal(sequence, ear->last + 1);
    assert_true(payload.size > 0);
    ear->last = sequence;
    ear->heard++;
    if (ear->heard == ear->cancel_at) {
        reader_cancel(ear->reader);
    }
}

static void on_caught_up(void *self, int64_t sequence)
{
    struct ear *ear = self;

    ear->caught_up++;
    ear->caught_up_at = sequence;
}

static void on_end(void *self, struct fb_status status)
{
    struct ear *ear = self;

    assert_false(ear->ended);
    ear->ended = true;
    ear->code = status.code;
}

static const struct reader_events ear_events = {
    .on_event = on_event, .on_caught_up = on_caught_up, .on_end = on_end};

static void listen(struct world *world, struct fb_channel *channel, struct ear *ear,
                   const char *session, bool follow)
{
    const struct reading reading = {
        .session = fb_text_of(session), .after = ear->last, .follow = follow, .patience_ms = 0};

    ear->reader = reader_create(world->loop, channel, &reading, &ear_events, ear);
    assert_non_null(ear->reader);
}

static void what_happened_is_told_in_order_and_then_what_happens(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct fb_channel *channel = keeper_channel(keeper);
    struct ear ear = {.last = 0};
    struct ask ask;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 3});
    listen(world, channel, &ear, "s", true);
    world_until_int(world, &ear.caught_up, 1);
    assert_int_equal(ear.caught_up_at, ask.end.sequence);
    ask = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});
    world_until_int(world, &ear.heard, (int)ask.end.sequence);
    assert_false(ear.ended);
    reader_cancel(ear.reader);
}

static void reading_without_following_ends_where_the_events_do(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ear all = {.last = 0};
    struct ear rest = {.last = 2};
    struct ear beyond = {.last = 1000};
    struct ear nowhere = {.last = 0};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 3});
    listen(world, keeper_channel(keeper), &all, "s", false);
    world_until(world, &all.ended);
    assert_int_equal(all.code, FB_OK);
    listen(world, keeper_channel(keeper), &rest, "s", false);
    world_until(world, &rest.ended);
    assert_int_equal(rest.last, all.last);
    assert_int_equal(rest.heard, all.heard - 2);
    listen(world, keeper_channel(keeper), &beyond, "s", false);
    world_until(world, &beyond.ended);
    assert_int_equal(beyond.code, FB_OUT_OF_RANGE);
    listen(world, keeper_channel(keeper), &nowhere, "nowhere", false);
    world_until(world, &nowhere.ended);
    assert_int_equal(nowhere.code, FB_NOT_FOUND);
}

static void a_name_that_is_none_ends_the_reading(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ear ear = {.last = 0};

    listen(world, keeper_channel(keeper), &ear, "no name", false);
    assert_false(ear.ended);
    world_until(world, &ear.ended);
    assert_int_equal(ear.code, FB_INVALID_ARGUMENT);
}

static void a_reader_may_be_cancelled_while_it_is_told(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ear ear = {.cancel_at = 2};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    for (int i = 0; i < 4; i++) {
        must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    }
    listen(world, keeper_channel(keeper), &ear, "s", true);
    world_until_int(world, &ear.heard, 2);
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    assert_int_equal(ear.heard, 2);
    assert_false(ear.ended);
}

static void connections_that_break_and_stores_that_die_skip_and_repeat_nothing(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    char through[sizeof(world->through)];
    struct breaker *breaker;
    struct fb_channel *channel;
    struct ear ear = {.last = 0};
    struct ask ask;

    snprintf(through, sizeof(through), "unix:%s/p", world->folder);
    breaker = breaker_create(world->loop, through, world->target);
    channel = world_channel(world, through);
    breaker_set(breaker, 7);
    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    listen(world, channel, &ear, "s", true);
    for (int i = 0; i < 300; i++) {
        ask = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
        if (i == 150) {
            world_kill_store(world);
            world_start_store(world);
        }
    }
    world_until_int(world, &ear.heard, (int)ask.end.sequence);
    assert_true(breaker_broken(breaker) > 0);
    assert_int_equal(ear.caught_up, 1);
    reader_cancel(ear.reader);
    fb_channel_destroy(channel);
    breaker_destroy(breaker);
}

static void a_reader_that_pauses_holds_the_store_back_and_loses_nothing(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ear ear = {.last = 0};
    struct ask ask;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    listen(world, keeper_channel(keeper), &ear, "s", true);
    reader_pause(ear.reader);
    for (int i = 0; i < 20; i++) {
        ask = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1000});
    }
    assert_int_equal(ear.heard, 0);
    reader_resume(ear.reader);
    world_until_int(world, &ear.heard, (int)ask.end.sequence);
    reader_cancel(ear.reader);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_happened_is_told_in_order_and_then_what_happens),
        WORLD_TEST(reading_without_following_ends_where_the_events_do),
        WORLD_TEST(a_name_that_is_none_ends_the_reading),
        WORLD_TEST(a_reader_may_be_cancelled_while_it_is_told),
        WORLD_TEST(connections_that_break_and_stores_that_die_skip_and_repeat_nothing),
        WORLD_TEST(a_reader_that_pauses_holds_the_store_back_and_loses_nothing),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
