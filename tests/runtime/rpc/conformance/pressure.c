#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: back-pressure. */

enum { PIECE_BYTES = 10000, PIECES = 2000 };

static void a_slow_reader_holds_the_server_back(void **state)
{
    struct heard *heard = hear(EXPAND);
    uint32_t sent;

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_pause(heard->call);
    {
        EchoRequest request = REQUEST(.repeat = PIECES, .answer_bytes = PIECE_BYTES);

        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.waits > 0);
    /* Another call on the same connection is not held back, and while it runs nothing more is sent. */
    assert_int_equal(code_of_unary(), FB_OK);
    do {
        sent = echo.sent;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(code_of_unary(), FB_OK);
        }
    } while (echo.sent != sent);
    assert_true(echo.sent < PIECES / 4);
    assert_int_equal(heard->ends, 0);
    fb_client_call_resume(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, PIECES);
    assert_int_equal(heard->bytes, (uint64_t)PIECES * PIECE_BYTES);
    assert_int_equal(heard->disorder, 0);
    assert_true(echo.drains > 0);
    forget(heard);
}

static void a_slow_server_holds_the_client_back(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(PIECE_BYTES));
    struct fb_call *paused;
    uint32_t sent = 0;
    uint32_t before;

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    sent++;
    WAIT_FOR(echo.received == 1);
    paused = echo.last;
    fb_call_pause(paused);
    /* As long as there is room, and again each time there is. */
    do {
        before = sent;
        while (sent < PIECES && fb_client_call_send(heard->call, &request.base)) {
            sent++;
        }
        sent++;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(code_of_unary(), FB_OK);
        }
    } while (sent != before + 1 && sent < PIECES && heard->drains > 0);
    assert_true(sent < PIECES / 4);
    assert_true(echo.received <= 3);
    fb_call_resume(paused);
    WAIT_FOR(heard->drains > 0);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->answer->index, sent);
    forget(heard);
}

static void a_handler_that_floods_is_ended_at_the_send_limit(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    server_config.send_limit_bytes = 1 << 20;
    serve_and_dial();
    begin(heard);
    fb_client_call_pause(heard->call);
    {
        EchoRequest request = REQUEST(.repeat = PIECES, .answer_bytes = PIECE_BYTES, .flood = true);

        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.cancelled == 1);
    assert_true(echo.sent < PIECES / 4);
    fb_client_call_resume(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_true(heard->status.code == FB_RESOURCE_EXHAUSTED || heard->status.code == FB_CANCELLED ||
                heard->status.code == FB_INTERNAL);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_client_that_floods_is_ended_at_the_send_limit(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(PIECE_BYTES));

    (void)state;
    channel_config.send_limit_bytes = 1 << 20;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    WAIT_FOR(echo.received == 1);
    fb_call_pause(echo.last);
    for (int i = 0; i < PIECES && heard->call != NULL; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    WAIT_FOR(echo.cancelled == 1);
    forget(heard);
}

int conformance_pressure(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_slow_reader_holds_the_server_back),
        WORLD_TEST(a_slow_server_holds_the_client_back),
        WORLD_TEST(a_handler_that_floods_is_ended_at_the_send_limit),
        WORLD_TEST(a_client_that_floods_is_ended_at_the_send_limit),
    };

    return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
