#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "runtime/base/clock.h"
#include "tests/services/worker/sessions/crowd.h"

/* Without optimization, and with sanitizers, all takes longer. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { SLOWER = 1 };
#else
enum { SLOWER = 20 };
#endif

static const struct keeper_config usual;

/* --- what the store has --- */

struct stored {
    bool ended;
    enum fb_code code;
    int64_t snapshot_sequence;
    int64_t epoch;
};

static void on_listed(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    const Flowbalancer__V1__ListSessionsResponse *response =
        (const Flowbalancer__V1__ListSessionsResponse *)reply;
    struct stored *stored = arg;

    stored->ended = true;
    stored->code = end->status.code;
    assert_non_null(response);
    assert_int_equal(response->n_sessions, 1);
    stored->snapshot_sequence = response->sessions[0]->snapshot_sequence;
    stored->epoch = response->sessions[0]->epoch;
}

/* The only session that there is. */
static struct stored stored_session(struct world *world)
{
    static const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/ListSessions"};
    Flowbalancer__V1__ListSessionsRequest request = FLOWBALANCER__V1__LIST_SESSIONS_REQUEST__INIT;
    struct fb_channel *channel = world_channel(world, NULL);
    struct stored stored = {.ended = false};

    assert_non_null(fb_channel_unary(channel, &plan, &request.base,
                                     &flowbalancer__v1__list_sessions_response__descriptor,
                                     on_listed, &stored));
    world_until(world, &stored.ended);
    fb_channel_destroy(channel);
    return stored;
}

static void on_put(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    (void)reply;
    assert_string_equal(end->status.why, "");
    *(bool *)arg = true;
}

/* Puts something in the place of the session's snapshot. */
static void put_rubbish(struct world *world, int64_t epoch, int64_t sequence)
{
    static const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/PutSnapshot"};
    Flowbalancer__V1__PutSnapshotRequest request = FLOWBALANCER__V1__PUT_SNAPSHOT_REQUEST__INIT;
    struct fb_channel *channel = world_channel(world, NULL);
    bool done = false;

    request.session_id = (char *)(uintptr_t) "s";
    request.epoch = epoch;
    request.sequence = sequence;
    request.data.data = (uint8_t *)(uintptr_t) "rubbish";
    request.data.len = 7;
    assert_non_null(fb_channel_unary(channel, &plan, &request.base,
                                     &flowbalancer__v1__put_snapshot_response__descriptor, on_put,
                                     &done));
    world_until(world, &done);
    fb_channel_destroy(channel);
}

/* --- */

static void a_session_that_is_idle_has_its_snapshot_put(void **state)
{
    static const struct keeper_config brief = {.idle_ms = 20, .snapshot_events = 20};
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &brief);
    const int64_t deadline_ms = fb_clock_ms() + 30000;
    struct stored stored = {.snapshot_sequence = 0};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    for (int i = 0; i < 5; i++) {
        must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1});
    }
    while (stored.snapshot_sequence == 0 && fb_clock_ms() < deadline_ms) {
        stored = stored_session(world);
    }
    assert_true(stored.snapshot_sequence > 0);
}

static void a_session_that_is_long_idle_is_released(void **state)
{
    static const struct keeper_config brief = {.idle_ms = 20};
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &brief);
    struct keeper *other = world_keeper(world, 1, &usual);
    const int64_t deadline_ms = fb_clock_ms() + 30000;
    struct ask ask = {.end = {.reason = "held"}};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    while (strcmp(ask.end.reason, "held") == 0 && fb_clock_ms() < deadline_ms) {
        ask = (struct ask){.kind = ASK_OPEN, .session = "s"};
        ask_do(world, other, &ask);
        ask_finish(&ask);
    }
    assert_int_equal(ask.end.status.code, FB_OK);
}

static void a_large_session_goes_on_while_its_snapshots_are_written(void **state)
{
    static const struct keeper_config often = {.snapshot_events = 100, .snapshot_bytes = 4096};
    static struct crowd crowd;
    struct world *world = *state;
    struct ask before;
    struct ask after;

    crowd = (struct crowd){.world = world, .keepers = 1, .count = 16};
    world_keeper(world, 0, &often);
    crowd_begin(&crowd, 400);
    /* Larger than what is written on the loop. */
    must(world, world->keepers[0], (struct ask){.kind = ASK_PLAN, .session = "s", .count = 12000});
    while (crowd.done < 1500) {
        assert_true(crowd_turn(&crowd));
    }
    for (unsigned i = 0; i < crowd.count; i++) {
        ask_wait(world, &crowd.agents[i].ask);
        ask_finish(&crowd.agents[i].ask);
    }
    before = look(world, world->keepers[0], "s");
    assert_true(stored_session(world).snapshot_sequence > 0);
    world_lose_keeper(world, 0);
    world_keeper(world, 0, &usual);
    after = look(world, world->keepers[0], "s");
    assert_true(fb_text_equal(before.state, after.state));
    ask_finish(&before);
    ask_finish(&after);
}

static void a_snapshot_that_cannot_be_read_is_passed_over(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask before;
    struct ask after;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    for (int i = 0; i < 50; i++) {
        must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 2});
    }
    before = look(world, keeper, "s");
    world_lose_keeper(world, 0);
    put_rubbish(world, stored_session(world).epoch, (int64_t)before.events);
    after = look(world, world_keeper(world, 0, &usual), "s");
    assert_true(fb_text_equal(before.state, after.state));
    ask_finish(&before);
    ask_finish(&after);
}

static void ten_thousand_tasks_are_there_within_50_ms(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    int64_t best_ms = INT64_MAX;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper,
         (struct ask){.kind = ASK_PLAN, .session = "s", .count = 10000, .chained = true});
    for (int i = 0; i < 5; i++) {
        struct ask seen;
        int64_t from_ms;

        world_drain_keeper(world, 0);
        keeper = world_keeper(world, 0, &usual);
        from_ms = fb_clock_ms();
        seen = (struct ask){.kind = ASK_CHANGE, .session = "s"};
        ask_do(world, keeper, &seen);
        ask_finish(&seen);
        best_ms = fb_clock_ms() - from_ms < best_ms ? fb_clock_ms() - from_ms : best_ms;
    }
    print_message("within %lld ms\n", (long long)best_ms);
    assert_true(best_ms <= 50 * SLOWER);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_session_that_is_idle_has_its_snapshot_put),
        WORLD_TEST(a_session_that_is_long_idle_is_released),
        WORLD_TEST(a_large_session_goes_on_while_its_snapshots_are_written),
        WORLD_TEST(a_snapshot_that_cannot_be_read_is_passed_over),
        WORLD_TEST(ten_thousand_tasks_are_there_within_50_ms),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
