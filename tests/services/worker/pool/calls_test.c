/* What becomes of calls, whatever the server does with them. */

#include "services/worker/pool/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/pool/world.h"

static void each_of_500_calls_gets_its_own_answer(void **state)
{
    enum { COUNT = 500 };
    struct world *w = world_with("");
    struct told *all = calloc(COUNT, sizeof(*all));
    char(*arguments)[32] = calloc(COUNT, sizeof(*arguments));

    (void)state;
    assert_non_null(all);
    assert_non_null(arguments);
    for (size_t i = 0; i < COUNT; i++) {
        struct mcp_session_plan plan = say("\"echo\"");

        snprintf(arguments[i], sizeof(arguments[i]), "{\"n\":\"%zu!\"}", i);
        plan.arguments = fb_text_of(arguments[i]);
        call_with(w, &all[i], 0, &plan, false);
    }
    for (size_t i = 0; i < COUNT; i++) {
        wait_for(w, &all[i]);
        assert_int_equal(all[i].end, POOL_RESULT);
        assert_true(holds(&all[i], arguments[i]));
        forget(&all[i]);
    }
    free(all);
    free(arguments);
    end(w);
}

static void wrong_and_doubled_answers_reach_nobody(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    for (int i = 0; i < 3; i++) {
        call(w, &t, 0, "\"wrong\"");
        wait_for(w, &t);
        assert_true(holds(&t, "{\"a\":1.50}"));
        assert_false(holds(&t, "bad"));
        forget(&t);
    }
    end(w);
}

static void progress_and_errors_come_through(void **state)
{
    struct world *w = world_with("");
    struct mcp_session_plan plan = say("\"progress\"");
    struct told t;

    (void)state;
    plan.progress = true;
    call_with(w, &t, 0, &plan, false);
    wait_for(w, &t);
    assert_true(holds(&t, "{\"progress\":1,\"total\":3.0}{\"progress\":2,\"total\":3.0}"
                          "{\"progress\":3,\"total\":3.0}{\"content\":[]"));
    forget(&t);
    call(w, &t, 0, "\"error\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_ERROR);
    assert_true(holds(&t, "{\"code\":-32602,\"message\":\"no \\u00fc\",\"data\":{\"n\":1.0}}"));
    forget(&t);
    end(w);
}

static void a_server_that_asks_is_answered(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"ask\"");
    wait_for(w, &t);
    assert_true(holds(&t, "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}"));
    assert_true(holds(&t, "\"id\":\"r\",\"error\":{\"code\":-32601"));
    forget(&t);
    end(w);
}

static bool was_cancelled(const struct world *w, const void *arg)
{
    (void)arg;
    return notes(w, "cancelled") == 1;
}

static void a_cancellation_reaches_the_server(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"hang\"");
    turn_until(w, is_called, NULL);
    pool_call_cancel(&t.call, "not wanted any more");
    turn_until(w, was_cancelled, NULL);
    assert_false(t.ended);
    forget(&t);
    expect_echo(w, 0);
    end(w);
}

static void a_call_without_a_deadline_of_its_own_ends_by_the_servers(void **state)
{
    struct world *w = world_of();
    char none[] = "";
    struct told t;

    (void)state;
    add_server(w, "slow", none);
    w->servers[0].call_ms = 300;
    begin(w);
    expect_echo(w, 0);
    t = (struct told){.text.limit_bytes = 0};
    fb_arena_init(&t.arena, 0);
    t.plan = (struct pool_call_plan){.server = 0, .say = say("\"hang\""), .arena = &t.arena};
    pool_call_start(w->pool, &t.call, &t.plan, &call_events);
    wait_for(w, &t);
    assert_int_equal(t.code, FB_DEADLINE_EXCEEDED);
    turn_until(w, was_cancelled, NULL);
    forget(&t);
    end(w);
}

static void an_answer_that_is_too_long_fails_its_call_alone(void **state)
{
    struct world *w = world_with("");
    struct told huge;
    struct told hang;

    (void)state;
    call(w, &hang, 0, "\"hang\"");
    call(w, &huge, 0, "\"huge\"");
    wait_for(w, &huge);
    assert_int_equal(huge.code, FB_RESOURCE_EXHAUSTED);
    assert_false(hang.ended);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 1);
    pool_call_cancel(&hang.call, "enough");
    forget(&huge);
    forget(&hang);
    end(w);
}

static void a_call_lost_in_a_crash_says_that_it_may_have_run_and_the_server_is_restarted(
    void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"crash\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_FAILED);
    assert_int_equal(t.code, FB_UNKNOWN);
    assert_string_equal(t.reason, POOL_MAY_HAVE_RUN);
    forget(&t);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 2);
    end(w);
}

static void a_call_that_may_run_twice_is_repeated_once_after_a_crash(void **state)
{
    struct world *w = world_with("");
    const struct mcp_session_plan once = say("\"crash.once\"");
    const struct mcp_session_plan always = say("\"crash\"");
    struct told t;

    (void)state;
    call_with(w, &t, 0, &once, true);
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_RESULT);
    assert_true(holds(&t, "\"survived\":true"));
    forget(&t);
    call_with(w, &t, 0, &always, true);
    wait_for(w, &t);
    assert_int_equal(t.code, FB_UNKNOWN);
    assert_int_equal(notes(w, "call"), 4);
    forget(&t);
    end(w);
}

static void what_a_deaf_server_never_read_waits_within_bounds(void **state)
{
    enum { COUNT = 40 };
    struct world *w = world_with("--deaf");
    struct told *all = calloc(COUNT, sizeof(*all));
    char *big = malloc(100001);
    struct mcp_session_plan plan = say("\"echo\"");

    (void)state;
    assert_non_null(all);
    assert_non_null(big);
    memset(big, ' ', 100000);
    big[0] = '{';
    big[99999] = '}';
    plan.arguments = (struct fb_text){.data = big, .size = 100000};
    for (size_t i = 0; i < COUNT; i++) {
        call_with(w, &all[i], 0, &plan, false);
    }
    for (int i = 0; i < 50 || pool_report(w->pool, 0).state != POOL_READY; i++) {
        fb_loop_turn(w->loop, 20);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(all[i].ended);
    }
    /* The pipe and what may wait in the output took a few; the others wait in line. */
    assert_true(all[COUNT - 1].call.waiting);
    for (size_t i = 0; i < COUNT; i++) {
        pool_call_cancel(&all[i].call, "enough");
        forget(&all[i]);
    }
    free(all);
    free(big);
    end(w);
}

static void a_log_message_comes_with_the_call_that_wants_it(void **state)
{
    struct world *w = world_with("");
    struct mcp_session_plan plan = say("\"log\"");
    struct told t;

    (void)state;
    plan.log_level = mcp_session_log_level(FB_TEXT("info"));
    call_with(w, &t, 0, &plan, false);
    wait_for(w, &t);
    assert_true(holds(&t, "{\"level\":\"warning\",\"data\":\"beware\"}"));
    forget(&t);
    end(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_500_calls_gets_its_own_answer),
        cmocka_unit_test(wrong_and_doubled_answers_reach_nobody),
        cmocka_unit_test(progress_and_errors_come_through),
        cmocka_unit_test(a_server_that_asks_is_answered),
        cmocka_unit_test(a_cancellation_reaches_the_server),
        cmocka_unit_test(a_call_without_a_deadline_of_its_own_ends_by_the_servers),
        cmocka_unit_test(an_answer_that_is_too_long_fails_its_call_alone),
        cmocka_unit_test(
            a_call_lost_in_a_crash_says_that_it_may_have_run_and_the_server_is_restarted),
        cmocka_unit_test(a_call_that_may_run_twice_is_repeated_once_after_a_crash),
        cmocka_unit_test(what_a_deaf_server_never_read_waits_within_bounds),
        cmocka_unit_test(a_log_message_comes_with_the_call_that_wants_it),
    };

    if (!know_programs(argc, argv)) {
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, NULL);
}
