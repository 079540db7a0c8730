/* The channel against servers and callers that read slowly. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/runtime/rpc/h2/client_world.h"

static void sends_say_when_the_server_reads_too_slowly(void **state)
{
    static const uint8_t bytes[600];
    struct raw *raw = &world.raw;
    struct went *went = &world.went;

    (void)state;
    went->call =
        fb_channel_call(world.channel, &(struct fb_call_plan){.path = path}, &events, went);
    accept_one(raw);
    world.accepted = true;
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_settle(raw);
    assert_true(fb_client_call_send_bytes(went->call, bytes, sizeof(bytes)));
    assert_false(fb_client_call_send_bytes(went->call, bytes, sizeof(bytes)));
    assert_false(went->drained);
    raw_window(raw, 1, 700);
    raw_settle(raw);
    assert_false(went->drained);
    raw_window(raw, 1, 100);
    raw_until(raw, &went->drained);
}

static void what_exceeds_the_send_limit_ends_the_call(void **state)
{
    static const uint8_t bytes[60000];
    struct raw *raw = &world.raw;
    struct went *went = &world.went;

    (void)state;
    went->call =
        fb_channel_call(world.channel, &(struct fb_call_plan){.path = path}, &events, went);
    accept_one(raw);
    world.accepted = true;
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_settle(raw);
    fb_client_call_send_bytes(went->call, bytes, sizeof(bytes));
    fb_client_call_send_bytes(went->call, bytes, sizeof(bytes));
    expect_end(went, FB_RESOURCE_EXHAUSTED, false);
}

static void a_server_is_held_back_while_the_caller_pauses(void **state)
{
    static uint8_t part[16384 - 5];
    struct went *went = &world.went;
    struct raw *raw;

    (void)state;
    went->pause_each = true;
    call(went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_false(raw->frame.type == RAW_WINDOW_UPDATE && raw->frame.stream == 1);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    assert_int_equal(went->messages, 1);
    went->pause_each = false;
    fb_client_call_resume(went->call);
    assert_true(raw_find(raw, RAW_WINDOW_UPDATE, 1));
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    expect_end(went, FB_OK, false);
    assert_int_equal(went->messages, STREAM_WINDOW / 16384);
}

static void a_paused_call_gets_its_end_behind_its_messages(void **state)
{
    struct went *went = &world.went;
    struct raw *raw;

    (void)state;
    went->pause_each = true;
    call(went);
    raw = serve();
    raw_headers(raw, 1, RAW_END_HEADERS, heading, 2);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_headers(raw, 1, RAW_END_HEADERS | RAW_END_STREAM, ok, 1);
    raw_settle(raw);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(went->messages, i);
        fb_client_call_resume(went->call);
        raw_settle(raw);
    }
    assert_int_equal(went->messages, 3);
    assert_false(went->ended);
    raw_close(raw); /* what came is not lost with the connection */
    world.accepted = false;
    while (fb_channel_state(world.channel) == FB_CHANNEL_READY) {
        fb_loop_turn(world.loop, 100);
    }
    assert_false(went->ended);
    fb_client_call_resume(went->call);
    expect_end(went, FB_OK, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_say_when_the_server_reads_too_slowly),
        TEST(what_exceeds_the_send_limit_ends_the_call),
        TEST(a_server_is_held_back_while_the_caller_pauses),
        TEST(a_paused_call_gets_its_end_behind_its_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
