#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: deadlines and cancellation. */

static void a_deadline_travels_and_is_not_lengthened(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = fb_clock_ms() + 60000;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    /* On the wire it may be rounded up a little. */
    assert_in_range(heard->answer->deadline_left_ms, 60000 - PATIENCE_MS, 60600);
    forget(heard);
}

static void without_a_deadline_none_travels(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST());
    assert_int_equal(heard->answer->deadline_left_ms, 0);
    forget(heard);
}

static void a_call_ends_at_its_deadline_on_both_sides(void **state)
{
    struct heard *heard = hear(UNARY);
    int64_t begun_ms = fb_clock_ms();

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = begun_ms + 200;
    run(heard, REQUEST(.hold = true));
    assert_ended(heard, FB_DEADLINE_EXCEEDED);
    assert_true(fb_clock_ms() - begun_ms >= 200);
    WAIT_FOR(echo.cancelled == 1);
    assert_int_equal(echo.ended, 1);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_deadline_that_has_passed_ends_at_once(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    heard->plan.deadline_ms = fb_clock_ms() - 1;
    run(heard, REQUEST());
    assert_ended(heard, FB_DEADLINE_EXCEEDED);
    forget(heard);
}

static void a_clients_cancel_reaches_the_handler(void **state)
{
    static const char *const paths[] = {UNARY, EXPAND};

    (void)state;
    serve_and_dial();
    for (uint32_t i = 0; i < 2; i++) {
        struct heard *heard = hear(paths[i]);

        send_once(heard, REQUEST(.hold = true, .repeat = 1));
        WAIT_FOR(echo.begun == i + 1);
        fb_client_call_cancel(heard->call);
        heard->call = NULL;
        WAIT_FOR(echo.cancelled == i + 1);
        assert_int_equal(heard->ends, 0); /* who cancels is told nothing */
        forget(heard);
    }
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_call_may_be_cancelled_before_it_went_out(void **state)
{
    (void)state;
    serve_and_dial();
    for (int i = 0; i < 20; i++) {
        struct heard *heard = hear(UNARY);

        send_once(heard, REQUEST(.hold = true));
        forget(heard);
    }
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
}

static void cancel_at_first(struct fb_client_call *call, void *arg, const uint8_t *data,
                            size_t size)
{
    struct heard *heard = arg;

    (void)data;
    (void)size;
    heard->messages++;
    heard->call = NULL;
    fb_client_call_cancel(call);
}

static void a_call_may_be_cancelled_from_inside_an_event(void **state)
{
    static const struct fb_client_call_events cancelling = {
        .on_message = cancel_at_first,
        .on_end = on_end,
    };
    struct heard *heard = hear(EXPAND);
    EchoRequest request = REQUEST(.repeat = 100000, .payload = many_bytes(1000));

    (void)state;
    serve_and_dial();
    heard->call = fb_channel_call(channel, &heard->plan, &cancelling, heard);
    fb_client_call_send(heard->call, &request.base);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(echo.cancelled == 1);
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->ends, 0);
    forget(heard);
}

static void an_error_follows_the_messages_sent_before_it(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.repeat = 100, .code = FB_DATA_LOSS, .message = (char *)"lost it",
                       .payload = many_bytes(2000)));
    assert_ended(heard, FB_DATA_LOSS);
    assert_string_equal(heard->why, "lost it");
    assert_int_equal(heard->messages, 100);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

int conformance_endings(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_deadline_travels_and_is_not_lengthened),
        WORLD_TEST(without_a_deadline_none_travels),
        WORLD_TEST(a_call_ends_at_its_deadline_on_both_sides),
        WORLD_TEST(a_deadline_that_has_passed_ends_at_once),
        WORLD_TEST(a_clients_cancel_reaches_the_handler),
        WORLD_TEST(a_call_may_be_cancelled_before_it_went_out),
        WORLD_TEST(a_call_may_be_cancelled_from_inside_an_event),
        WORLD_TEST(an_error_follows_the_messages_sent_before_it),
    };

    return cmocka_run_group_tests_name("endings", tests, NULL, NULL);
}
