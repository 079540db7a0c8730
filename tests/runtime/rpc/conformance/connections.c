#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/runtime/rpc/conformance/relay.h"
#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: how connections come, break and go quiet. */

static enum fb_channel_state states[64];
static size_t state_count;

static void on_state(struct fb_channel *of, enum fb_channel_state state, void *arg)
{
    (void)of;
    (void)arg;
    if (state_count < sizeof(states) / sizeof(states[0])) {
        states[state_count++] = state;
    }
}

static void a_channel_dials_when_the_first_call_needs_it(void **state)
{
    (void)state;
    state_count = 0;
    serve_and_dial();
    fb_channel_watch(channel, on_state, NULL);
    assert_int_equal(fb_channel_state(channel), FB_CHANNEL_IDLE);
    for (int i = 0; i < 10; i++) {
        fb_loop_turn(loop, 0);
    }
    assert_int_equal(fb_server_stats(server)->connections_accepted, 0);
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_READY);
    assert_int_equal(code_of_unary(), FB_OK);
    assert_int_equal(fb_server_stats(server)->connections_accepted, 1);
    assert_int_equal(fb_server_stats(server)->connections_open, 1);
    assert_true(state_count >= 1);
    assert_int_equal(states[state_count - 1], FB_CHANNEL_READY);
}

static void a_channel_connects_when_told_to(void **state)
{
    (void)state;
    serve_and_dial();
    fb_channel_connect(channel);
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_READY);
    assert_int_equal(echo.begun, 0);
}

static void where_nobody_listens_a_call_fails_and_surely_did_not_run(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    assert_true(heard->not_run);
    forget(heard);
}

static void a_channel_dials_again_when_the_server_is_back(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    channel_config.backoff_first_ms = 100;
    channel_config.backoff_most_ms = 300;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fb_server_destroy(server);
    server = NULL;
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true; /* waits out the backoff */
    send_once(heard, REQUEST());
    WAIT_FOR(fb_channel_state(channel) == FB_CHANNEL_FAILING);
    assert_int_equal(heard->ends, 0);
    serve();
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    forget(heard);
}

static void backoff_spaces_the_dials(void **state)
{
    int64_t begun_ms;

    (void)state;
    channel_config.backoff_first_ms = 100;
    channel_config.backoff_most_ms = 200;
    listen_config.address = "127.0.0.1:0";
    serve();
    relay = relay_create(loop, fb_server_address(server, 0));
    fb_server_destroy(server); /* connections are accepted and closed at once */
    server = NULL;
    channel_config.target = relay_address(relay);
    dial();
    begun_ms = fb_clock_ms();
    while (fb_clock_ms() - begun_ms < 1500) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST());
        assert_ended(heard, FB_UNAVAILABLE);
        forget(heard);
        fb_loop_turn(loop, 5);
    }
    assert_in_range(relay_accepted(relay), 2, 25);
}

static void a_broken_connection_ends_its_calls_on_both_sides(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_cut(relay);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    assert_false(heard->not_run); /* it may have been */
    WAIT_FOR(echo.cancelled == 1);
    forget(heard);
    WAIT_FOR(fb_channel_state(channel) != FB_CHANNEL_READY);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    forget(heard);
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
}

static void a_client_gives_up_a_server_that_fell_silent(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    channel_config.keepalive_ms = 200;
    channel_config.keepalive_timeout_ms = 200;
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_silence(relay, true);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
}

static void a_server_gives_up_a_client_that_fell_silent(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.keepalive_ms = 200;
    server_config.keepalive_timeout_ms = 200;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    relay_silence(relay, true);
    WAIT_FOR(echo.cancelled == 1);
    WAIT_FOR(fb_server_stats(server)->connections_open == 0);
    forget(heard);
}

static void pings_keep_a_quiet_call_alive(void **state)
{
    struct heard *heard = hear(UNARY);
    uint64_t bytes;

    (void)state;
    serve_tcp();
    relay = relay_create(loop, fb_server_address(server, 0));
    channel_config.target = relay_address(relay);
    channel_config.keepalive_ms = 100;
    channel_config.keepalive_timeout_ms = 2000;
    dial();
    send_once(heard, REQUEST(.hold = true));
    WAIT_FOR(echo.begun == 1);
    for (int ping = 0; ping < 4; ping++) { /* more often than servers like by default */
        bytes = relay_upstream_bytes(relay);
        WAIT_FOR(relay_upstream_bytes(relay) > bytes);
    }
    assert_int_equal(heard->ends, 0);
    assert_int_equal(echo.cancelled, 0);
    forget(heard);
}

int conformance_connections(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_channel_dials_when_the_first_call_needs_it),
        WORLD_TEST(a_channel_connects_when_told_to),
        WORLD_TEST(where_nobody_listens_a_call_fails_and_surely_did_not_run),
        WORLD_TEST(a_channel_dials_again_when_the_server_is_back),
        WORLD_TEST(backoff_spaces_the_dials),
        WORLD_TEST(a_broken_connection_ends_its_calls_on_both_sides),
        WORLD_TEST(a_client_gives_up_a_server_that_fell_silent),
        WORLD_TEST(a_server_gives_up_a_client_that_fell_silent),
        WORLD_TEST(pings_keep_a_quiet_call_alive),
    };

    return cmocka_run_group_tests_name("connections", tests, NULL, NULL);
}
