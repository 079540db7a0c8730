#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/sessions/world.h"

static const struct keeper_config usual;

static void what_was_answered_is_in_the_store(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});

    assert_true(ask.call.created);
    assert_int_equal(stored_sequence(world, "s"), ask.end.sequence);
    ask = must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 3});
    assert_int_equal(stored_sequence(world, "s"), ask.end.sequence);
    ask = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});
    assert_int_equal(ask.got_task, 1);
    assert_int_equal(stored_sequence(world, "s"), ask.end.sequence);
}

static void a_session_that_there_is_not_is_told_unless_it_may_be_made(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = {.kind = ASK_NEXT, .session = "nowhere"};

    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_NOT_FOUND);
    assert_string_equal(ask.end.reason, "no_such");
    assert_int_equal(ask.decided, 0);
    ask_finish(&ask);
}

static void an_id_that_is_none_is_refused(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask = {.kind = ASK_OPEN, .session = "no spaces"};

    ask_do(world, keeper, &ask);
    assert_int_equal(ask.end.status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(ask.end.status.why, "context.session: byte 3"));
    ask_finish(&ask);
}

static void equal_ids_of_two_scopes_are_two_sessions(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask ask;

    must(world, keeper,
         (struct ask){.kind = ASK_OPEN, .session = "s", .call = {.scope = FB_TEXT("red")}});
    must(world, keeper,
         (struct ask){
             .kind = ASK_PLAN, .session = "s", .count = 2, .call = {.scope = FB_TEXT("red")}});
    must(world, keeper,
         (struct ask){.kind = ASK_OPEN, .session = "s", .call = {.scope = FB_TEXT("blue")}});
    ask = must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    assert_true(ask.call.created);
    ask = (struct ask){.kind = ASK_LOOK, .session = "s", .call = {.scope = FB_TEXT("blue")}};
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.in_state[TASK_QUEUED], 0);
    ask_finish(&ask);
    ask = (struct ask){.kind = ASK_LOOK, .session = "s", .call = {.scope = FB_TEXT("red")}};
    ask_do(world, keeper, &ask);
    assert_int_equal(ask.in_state[TASK_QUEUED], 2);
    ask_finish(&ask);
}

static void a_released_session_comes_back_as_it_was(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask before;
    struct ask after;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s", .count = 9});
    must(world, keeper,
         (struct ask){.kind = ASK_PLAN, .session = "s", .count = 40, .chained = true});
    for (int i = 0; i < 10; i++) {
        struct ask next = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});

        must(world, keeper,
             (struct ask){.kind = ASK_FINISH,
                          .session = "s",
                          .task = next.got_task,
                          .fence = next.got_fence});
    }
    before = look(world, keeper, "s");
    world_drain_keeper(world, 0); /* puts a snapshot */
    keeper = world_keeper(world, 0, &usual);
    after = look(world, keeper, "s");
    assert_true(fb_text_equal(before.state, after.state));
    assert_int_equal(after.in_state[TASK_COMPLETED], 10);
    ask_finish(&after);
    world_lose_keeper(world, 0); /* puts none */
    keeper = world_keeper(world, 1, &usual);
    after = (struct ask){.kind = ASK_LOOK, .session = "s", .call = {.take_over = true}};
    ask_do(world, keeper, &after);
    assert_true(fb_text_equal(before.state, after.state));
    ask_finish(&after);
    ask_finish(&before);
}

static void the_session_used_longest_ago_makes_room(void **state)
{
    static const struct keeper_config two = {.sessions_most = 2};
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &two);
    struct keeper *other = world_keeper(world, 1, &usual);
    char names[8][8];

    for (int i = 0; i < 8; i++) {
        snprintf(names[i], sizeof(names[i]), "s%d", i);
        must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = names[i]});
        must(world, keeper,
             (struct ask){.kind = ASK_PLAN, .session = names[i], .count = (uint32_t)i + 1});
    }
    for (int i = 0; i < 8; i++) {
        struct ask ask = look(world, keeper, names[i]);

        assert_int_equal(ask.in_state[TASK_QUEUED], i + 1);
        ask_finish(&ask);
    }
    /* It was released, so nobody has to be asked. */
    must(world, other, (struct ask){.kind = ASK_NEXT, .session = "s0"});
}

static void calls_of_one_round_go_with_few_appends(void **state)
{
    enum { CALLS = 200 };
    static struct ask asks[CALLS];
    static char requests[CALLS][16];
    static const struct fb_metric metrics_table[] = {KEEPER_METRIC_ROWS, {.name = NULL}};
    struct fb_metrics *metrics = fb_metrics_create(metrics_table);
    const struct keeper_config counted = {.metrics = metrics};
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &counted);
    int64_t appends;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    appends = fb_metrics_value(metrics, KEEPER_METRIC_APPENDS);
    for (int i = 0; i < CALLS; i++) {
        snprintf(requests[i], sizeof(requests[i]), "r%d", i);
        asks[i] =
            (struct ask){.kind = ASK_PLAN, .session = "s", .count = 1, .request = requests[i]};
        ask_begin(keeper, &asks[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        ask_wait(world, &asks[i]);
        assert_int_equal(asks[i].end.status.code, FB_OK);
        assert_int_equal(asks[i].got_task, i + 1);
        ask_finish(&asks[i]);
    }
    assert_true(fb_metrics_value(metrics, KEEPER_METRIC_APPENDS) - appends <= 4);
    assert_int_equal(fb_metrics_value(metrics, KEEPER_METRIC_SESSIONS), 1);
    world_lose_keeper(world, 0);
    assert_int_equal(fb_metrics_value(metrics, KEEPER_METRIC_SESSIONS), 0);
    fb_metrics_destroy(metrics);
}

static void what_does_not_fit_into_an_append_is_refused_and_leaves_no_trace(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask huge = {.kind = ASK_HUGE, .session = "s"};
    struct ask before;
    struct ask after;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 2});
    before = look(world, keeper, "s");
    ask_do(world, keeper, &huge);
    assert_int_equal(huge.end.status.code, FB_RESOURCE_EXHAUSTED);
    assert_string_equal(huge.end.reason, "not-run");
    after = look(world, keeper, "s");
    assert_true(fb_text_equal(before.state, after.state));
    assert_int_equal(stored_sequence(world, "s"), (int64_t)after.events);
    ask_finish(&huge);
    ask_finish(&before);
    ask_finish(&after);
}

static void a_repeated_mutation_answers_as_the_first_wherever_the_session_is(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    const struct ask claim = {.kind = ASK_NEXT, .session = "s", .request = "r1"};
    struct ask first;
    struct ask again;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 5});
    first = must(world, keeper, claim);
    again = must(world, keeper, claim);
    assert_true(again.repeated);
    assert_int_equal(again.got_fence, first.got_fence);
    world_drain_keeper(world, 0);
    again = must(world, world_keeper(world, 1, &usual), claim);
    assert_true(again.repeated);
    assert_int_equal(again.got_task, first.got_task);
    assert_int_equal(again.got_fence, first.got_fence);
}

static void a_cancelled_call_is_never_told(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct ask gone = {.kind = ASK_PLAN, .session = "s", .count = 1};
    struct ask later = {.kind = ASK_LOOK, .session = "s"};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    ask_begin(keeper, &gone);
    ask_begin(keeper, &later);
    ask_finish(&gone);
    ask_wait(world, &later);
    assert_int_equal(later.in_state[TASK_QUEUED], 0);
    assert_false(gone.ended);
    ask_finish(&later);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_was_answered_is_in_the_store),
        WORLD_TEST(a_session_that_there_is_not_is_told_unless_it_may_be_made),
        WORLD_TEST(an_id_that_is_none_is_refused),
        WORLD_TEST(equal_ids_of_two_scopes_are_two_sessions),
        WORLD_TEST(a_released_session_comes_back_as_it_was),
        WORLD_TEST(the_session_used_longest_ago_makes_room),
        WORLD_TEST(calls_of_one_round_go_with_few_appends),
        WORLD_TEST(what_does_not_fit_into_an_append_is_refused_and_leaves_no_trace),
        WORLD_TEST(a_repeated_mutation_answers_as_the_first_wherever_the_session_is),
        WORLD_TEST(a_cancelled_call_is_never_told),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
