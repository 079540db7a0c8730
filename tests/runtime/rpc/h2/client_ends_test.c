/* How calls of the channel end before their answer: by the server, the connection or the caller. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/rpc/h2/client_world.h"

/* --- ends of streams and connections --- */

static void a_refused_stream_surely_did_not_run(void **state)
{
    (void)state;
    call(&world.went);
    raw_reset(serve(), 1, NGHTTP2_REFUSED_STREAM);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void a_cancelled_stream_is_cancelled_and_may_have_run(void **state)
{
    (void)state;
    call(&world.went);
    raw_reset(serve(), 1, NGHTTP2_CANCEL);
    expect_end(&world.went, FB_CANCELLED, false);
}

static void a_goaway_ends_the_calls_above_its_last_stream_as_not_run(void **state)
{
    struct went second = {0};
    struct went third = {0};
    struct raw next;
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 3));
    raw_send(raw, RAW_GOAWAY, 0, 0, "\0\0\0\1\0\0\0\0", 8);
    expect_end(&second, FB_UNAVAILABLE, true);
    assert_false(world.went.ended);
    call(&third); /* takes a new connection while the first call finishes on the old */
    accept_one(&next);
    greet(&next);
    assert_true(raw_find(&next, RAW_DATA, 1));
    answer(&next, 1);
    expect_end(&third, FB_OK, false);
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    raw_drain(raw);
    assert_true(raw->closed);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_READY);
    raw_close(&next);
}

static void a_connection_that_breaks_ends_its_calls_as_unavailable(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    raw_close(raw);
    world.accepted = false;
    expect_end(&world.went, FB_UNAVAILABLE, false);
    assert_non_null(strstr(world.went.why, world.address));
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_IDLE);
}

static void a_connection_that_breaks_before_the_settings_has_run_nothing(void **state)
{
    (void)state;
    call(&world.went);
    accept_one(&world.raw);
    raw_close(&world.raw);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_FAILING);
}

static void nobody_there_is_unavailable_and_names_the_target(void **state)
{
    (void)state;
    stop_listening();
    call(&world.went);
    assert_false(world.went.ended);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    assert_non_null(strstr(world.went.why, world.address));
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_FAILING);
    world.went.ended = false;
    call(&world.went); /* fails at once while it waits to dial again */
    assert_false(world.went.ended);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void a_call_that_waits_is_sent_when_somebody_is_there(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    stop_listening();
    start(&world.went, &(struct fb_call_plan){.path = path, .wait_for_ready = true});
    while (fb_channel_state(world.channel) != FB_CHANNEL_FAILING) {
        fb_loop_turn(world.loop, 100);
    }
    listen_here();
    while (fb_channel_state(world.channel) == FB_CHANNEL_FAILING) {
        fb_loop_turn(world.loop, 1000);
    }
    serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
}

static void a_server_that_never_greets_is_given_up_on(void **state)
{
    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.connect_timeout_ms = 20});
    call(&world.went);
    expect_end(&world.went, FB_UNAVAILABLE, true);
}

static void connecting_at_once_does_not_wait_out_the_backoff(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(
        &(struct fb_channel_config){.backoff_first_ms = 3600000, .backoff_most_ms = 3600000});
    stop_listening();
    call(&world.went);
    expect_end(&world.went, FB_UNAVAILABLE, true);
    listen_here();
    fb_channel_connect(world.channel);
    world.went = (struct went){0};
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
}

static void an_idle_connection_is_closed(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.idle_ms = 20});
    call(&world.went);
    raw = serve();
    answer(raw, 1);
    expect_end(&world.went, FB_OK, false);
    assert_true(raw_find(raw, RAW_GOAWAY, 0));
    raw_drain(raw);
    assert_int_equal(fb_channel_state(world.channel), FB_CHANNEL_IDLE);
}

static void a_silent_server_is_pinged_and_given_up_on(void **state)
{
    struct raw *raw;

    (void)state;
    fb_channel_destroy(world.channel);
    make_channel(&(struct fb_channel_config){.keepalive_ms = 20, .keepalive_timeout_ms = 20});
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_PING, 0));
    raw_send(raw, RAW_PING, RAW_ACK, 0, raw->frame.payload, 8);
    assert_true(raw_find(raw, RAW_PING, 0));
    expect_end(&world.went, FB_UNAVAILABLE, false);
}

/* --- cancelling --- */

static void a_cancelled_call_resets_its_stream_and_tells_nobody(void **state)
{
    struct raw *raw;

    (void)state;
    call(&world.went);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 1));
    fb_client_call_cancel(world.went.call);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(raw_number(raw, 0), NGHTTP2_CANCEL);
    answer(raw, 1); /* too late */
    raw_settle(raw);
    assert_false(world.went.ended);
    assert_int_equal(world.went.messages, 0);
}

static void a_call_cancelled_before_it_was_sent_is_never_sent(void **state)
{
    struct went second = {0};
    struct raw *raw;

    (void)state;
    call(&world.went);
    call(&second);
    fb_client_call_cancel(world.went.call);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 0));
    assert_int_equal(raw->frame.stream, 1);
    answer(raw, 1);
    expect_end(&second, FB_OK, false);
    assert_false(world.went.ended);
}

static void cancel_inside(struct fb_client_call *inside, void *arg, const uint8_t *data,
                          size_t size)
{
    on_message(inside, arg, data, size);
    fb_client_call_cancel(inside);
}

static void a_call_may_be_cancelled_from_its_own_event(void **state)
{
    static const struct fb_client_call_events cancelling = {.on_message = cancel_inside,
                                                            .on_end = on_end};
    struct raw *raw;

    (void)state;
    world.went.call = fb_channel_call(world.channel, &(struct fb_call_plan){.path = path},
                                      &cancelling, &world.went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_send(raw, RAW_DATA, 0, 1, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    assert_true(raw_find(raw, RAW_RST_STREAM, 1));
    assert_int_equal(world.went.messages, 1);
    assert_false(world.went.ended);
}

static void destroy_inside(struct fb_client_call *inside, void *arg, const struct fb_call_end *end)
{
    on_end(inside, arg, end);
    fb_channel_destroy(world.channel);
    world.channel = NULL;
}

static void a_channel_may_be_destroyed_from_an_event(void **state)
{
    static const struct fb_client_call_events destroying = {.on_end = destroy_inside};
    struct went second = {0};
    struct went third = {0};
    struct raw *raw;

    (void)state;
    call(&second);
    world.went.call = fb_channel_call(world.channel, &(struct fb_call_plan){.path = path},
                                      &destroying, &world.went);
    call(&third);
    raw = serve();
    assert_true(raw_find(raw, RAW_DATA, 5));
    raw_headers(raw, 3, RAW_END_HEADERS, heading, 2);
    raw_headers(raw, 3, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(&world.went, FB_OK, false);
    assert_true(second.ended && third.ended);
    assert_int_equal(second.code, FB_CANCELLED);
    raw_drain(raw);
    assert_true(raw->closed);
}

static void a_channel_destroyed_while_it_dials_cancels_its_calls(void **state)
{
    (void)state;
    call(&world.went);
    fb_channel_destroy(world.channel);
    world.channel = NULL;
    assert_true(world.went.ended);
    assert_int_equal(world.went.code, FB_CANCELLED);
    assert_true(world.went.not_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refused_stream_surely_did_not_run),
        TEST(a_cancelled_stream_is_cancelled_and_may_have_run),
        TEST(a_goaway_ends_the_calls_above_its_last_stream_as_not_run),
        TEST(a_connection_that_breaks_ends_its_calls_as_unavailable),
        TEST(a_connection_that_breaks_before_the_settings_has_run_nothing),
        TEST(nobody_there_is_unavailable_and_names_the_target),
        TEST(a_call_that_waits_is_sent_when_somebody_is_there),
        TEST(a_server_that_never_greets_is_given_up_on),
        TEST(connecting_at_once_does_not_wait_out_the_backoff),
        TEST(an_idle_connection_is_closed),
        TEST(a_silent_server_is_pinged_and_given_up_on),
        TEST(a_cancelled_call_resets_its_stream_and_tells_nobody),
        TEST(a_call_cancelled_before_it_was_sent_is_never_sent),
        TEST(a_call_may_be_cancelled_from_its_own_event),
        TEST(a_channel_may_be_destroyed_from_an_event),
        TEST(a_channel_destroyed_while_it_dials_cancels_its_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
