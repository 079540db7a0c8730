#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: the end of a server and of a channel. */

static void draining_lets_calls_end_and_takes_no_new_ones(void **state)
{
    struct heard *chat = hear(CHAT);
    struct heard *late = hear(UNARY);
    EchoRequest request = REQUEST(.payload = bytes_of("x"));

    (void)state;
    drained = 0;
    serve_and_dial();
    begin(chat);
    fb_client_call_send(chat->call, &request.base);
    WAIT_FOR(chat->messages == 1);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    run(late, REQUEST());
    assert_ended(late, FB_UNAVAILABLE);
    forget(late);
    fb_client_call_send(chat->call, &request.base);
    WAIT_FOR(chat->messages == 2);
    assert_int_equal(drained, 0);
    fb_client_call_half_close(chat->call);
    WAIT_FOR(chat->ends != 0);
    assert_ended(chat, FB_OK);
    WAIT_FOR(drained == 1);
    assert_int_equal(fb_server_stats(server)->calls_open, 0);
    assert_int_equal(fb_server_stats(server)->connections_open, 0);
    forget(chat);
}

static void draining_cancels_what_outlasts_its_deadline(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    drained = 0;
    serve_and_dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    fb_server_drain(server, fb_clock_ms() + 100, on_drained, NULL);
    WAIT_FOR(drained == 1);
    assert_int_equal(echo.cancelled, 1);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void a_server_without_calls_drains_at_once(void **state)
{
    (void)state;
    drained = 0;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(drained == 1);
}

static void destroying_a_server_tells_handlers_and_callers(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    fb_server_destroy(server);
    server = NULL;
    assert_int_equal(echo.cancelled, 1);
    assert_int_equal(echo.ended, 1);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void destroying_a_channel_ends_its_calls(void **state)
{
    struct heard *held = hear(UNARY);
    struct heard *young = hear(UNARY);

    (void)state;
    serve_and_dial();
    send_once(held, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    send_once(young, REQUEST());
    fb_channel_destroy(channel);
    channel = NULL;
    assert_ended(held, FB_CANCELLED);
    assert_ended(young, FB_CANCELLED);
    WAIT_FOR(echo.cancelled == 1);
    forget(held);
    forget(young);
}

int conformance_draining(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(draining_lets_calls_end_and_takes_no_new_ones),
        WORLD_TEST(draining_cancels_what_outlasts_its_deadline),
        WORLD_TEST(a_server_without_calls_drains_at_once),
        WORLD_TEST(destroying_a_server_tells_handlers_and_callers),
        WORLD_TEST(destroying_a_channel_ends_its_calls),
    };

    return cmocka_run_group_tests_name("draining", tests, NULL, NULL);
}
