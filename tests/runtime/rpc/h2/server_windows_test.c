/* The server and flow control: large messages, windows and those who do not read. */

#include "runtime/rpc/h2/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/rpc/h2/server_world.h"

/* --- messages that are large --- */

enum {
    LARGE = 1 << 20,
    FRAME = 16 * 1024,
    SHARE = 4,        /* large messages may come at once */
    LARGE_CALLS = 10, /* on the streams 1, 3 and so on */
};

static int set_up_roomy(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.message_limit_bytes = LARGE,
                                     .streams_per_connection = STREAMS});
    return 0;
}

/* What the client may still send on each stream, and on the connection as the stream 0. */
static int64_t room[2 * STREAMS];

static void read_ping_answer(void)
{
    struct raw *raw = &world.raw;

    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        if (raw->frame.type == RAW_WINDOW_UPDATE) {
            assert_in_range(raw->frame.stream, 0, 2 * STREAMS - 1);
            room[raw->frame.stream] += raw_number(raw, 0);
        }
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
}

/* Pings overtake: behind the second answer there is nothing that belongs before the first. */
static void read_windows(void)
{
    read_ping_answer();
    read_ping_answer();
}

static void begin_large(void)
{
    struct raw *raw = &world.raw;

    raw_hello(raw);
    memset(room, 0, sizeof(room));
    room[0] = 65535;
    read_windows();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        raw_request(raw, stream, talk, NULL, NULL);
        room[stream] = STREAM_WINDOW;
    }
}

/* `bytes` of the message and its prefix, the first of them if `first`. */
static void send_large(uint32_t stream, size_t bytes, bool first)
{
    static const uint8_t begin[FRAME] = {0, 0, 0x10, 0, 0};
    static const uint8_t part[FRAME];

    for (size_t sent = 0; sent < bytes; sent += FRAME) {
        const size_t size = bytes - sent < FRAME ? bytes - sent : FRAME;

        raw_send(&world.raw, RAW_DATA, 0, stream, first && sent == 0 ? begin : part, size);
    }
    room[0] -= (int64_t)bytes;
    room[stream] -= (int64_t)bytes;
}

static void a_client_that_begins_many_large_messages_is_held_back(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
        read_windows();
    }
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        assert_int_equal(room[stream], stream < 2 * SHARE ? STREAM_WINDOW : 0);
    }
    assert_int_equal(fb_server_stats(world.server)->calls_open, LARGE_CALLS);
    expect_echo(2 * LARGE_CALLS + 1);
}

static void large_messages_come_one_behind_the_other_the_oldest_first(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
        read_windows();
    }
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        size_t left = LARGE + 5 - STREAM_WINDOW;

        while (left > 0) {
            const size_t bytes = left < (size_t)room[stream] ? left : (size_t)room[stream];

            assert_true(bytes > 0); /* or it would wait for ever */
            send_large(stream, bytes, false);
            left -= bytes;
            read_windows();
        }
        assert_int_equal(world.heard, stream / 2 + 1);
        if (stream / 2 + SHARE + 1 < LARGE_CALLS) {
            assert_int_equal(room[stream + 2 * SHARE + 2], 0);
        }
    }
    assert_int_equal(world.heard_bytes, LARGE_CALLS * LARGE);
}

static void a_large_message_that_is_given_up_lets_the_next_come(void **state)
{
    (void)state;
    begin_large();
    for (uint32_t stream = 1; stream < 2 * LARGE_CALLS; stream += 2) {
        send_large(stream, STREAM_WINDOW, true);
    }
    read_windows();
    assert_int_equal(room[2 * SHARE + 1], 0);
    raw_reset(&world.raw, 1, NGHTTP2_CANCEL);
    read_windows();
    assert_int_equal(room[2 * SHARE + 1], STREAM_WINDOW);
    assert_int_equal(room[2 * SHARE + 3], 0);
}

static void what_waits_for_a_paused_handler_leaves_others_their_window(void **state)
{
    static const uint8_t part[FRAME - 5];
    struct raw *raw = &world.raw;
    int64_t before;

    (void)state;
    world.pause_each = true;
    begin_large();
    before = room[0];
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += FRAME) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    read_windows();
    assert_int_equal(world.heard, 1);
    assert_true(room[0] >= before);
    assert_true(room[1] <= STREAM_WINDOW);
}

/* --- windows --- */

static void an_answer_waits_for_a_window(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_request(raw, 1, echo, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    assert_true(raw_find(raw, RAW_HEADERS, 1));
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_int_not_equal(raw->frame.type, RAW_DATA);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    raw_window(raw, 1, 5);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.size, 5);
    raw_window(raw, 1, 100);
    assert_true(raw_find(raw, RAW_DATA, 1));
    assert_int_equal(raw->frame.size, 7);
    expect_trailers(1, "0");
}

static void settings_that_shrink_a_window_in_mid_answer_are_obeyed(void **state)
{
    struct raw *raw = &world.raw;
    size_t came = 0;

    (void)state;
    raw_hello(raw);
    raw_request(raw, 1, copies, NULL, NULL);
    /* a hundred copies of two thousand bytes */
    {
        static uint8_t request[2005] = {'\n', 0xd0, 0x0f};

        request[2003] = 0x10;
        request[2004] = 100;
        raw_message(raw, 1, RAW_END_STREAM, request, sizeof(request));
    }
    while (came < 65535) {
        assert_true(raw_find(raw, RAW_DATA, 1));
        came += raw->frame.size;
    }
    assert_int_equal(came, 65535);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10); /* our window is negative now */
    raw_window(raw, 0, 1 << 20);
    raw_window(raw, 1, 60000); /* and still is */
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_int_not_equal(raw->frame.type, RAW_DATA);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    raw_window(raw, 1, 1 << 20);
    while (came < 100 * (2003 + 5)) {
        assert_true(raw_find(raw, RAW_DATA, 1));
        came += raw->frame.size;
    }
    assert_int_equal(came, 100 * (2003 + 5));
    expect_trailers(1, "0");
}

static void a_slow_reader_stops_the_handler_at_the_high_mark(void **state)
{
    static uint8_t request[2006] = {'\n', 0xd0, 0x0f};
    struct raw *raw = &world.raw;

    (void)state;
    request[2003] = 0x10;
    request[2004] = 0xe8;
    request[2005] = 0x07; /* a thousand copies: 2 MB, more than the send limit */
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    raw_request(raw, 1, copies, NULL, NULL);
    raw_message(raw, 1, RAW_END_STREAM, request, sizeof(request));
    raw_settle(raw);
    assert_true(world.blocked);
    assert_in_range(world.copies_sent * 2008, SEND_HIGH, SEND_HIGH + 2 * 2008);
    raw_window(raw, 0, 1 << 30);
    raw_window(raw, 1, 1 << 30);
    for (size_t came = 0; came < 1000 * 2008; came += raw->frame.size) {
        assert_true(raw_find(raw, RAW_DATA, 1));
    }
    expect_trailers(1, "0");
}

static void a_small_answer_does_not_wait_behind_a_large_one(void **state)
{
    static uint8_t request[60004] = {'\n', 0xe0, 0xd4, 0x03}; /* 60,000 bytes */
    struct raw *raw = &world.raw;
    size_t large = 0;

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
    raw_window(raw, 0, 1 << 20);
    raw_settle(raw);
    raw_request(raw, 1, echo, NULL, NULL);
    for (size_t at = 0; at < sizeof(request); at += 12000) {
        const size_t size = sizeof(request) - at < 12000 ? sizeof(request) - at : 12000;
        uint8_t part[12005] = {0, 0, 0, 0xea, 0x64}; /* 60,004 */

        memcpy(part + (at == 0 ? 5 : 0), request + at, size);
        raw_send(raw, RAW_DATA, at + size == sizeof(request) ? RAW_END_STREAM : 0, 1, part,
                 size + (at == 0 ? 5 : 0));
    }
    raw_request(raw, 3, echo, NULL, NULL);
    raw_message(raw, 3, RAW_END_STREAM, hello, 7);
    do {
        assert_true(raw_find(raw, RAW_DATA, 0));
        large += raw->frame.stream == 1 ? raw->frame.size : 0;
    } while (raw->frame.stream != 3);
    assert_true(large < sizeof(request)); /* some of it is still to come */
    expect_trailers(3, "0");
    expect_trailers(1, "0");
}

static int set_up_stingy(void **state)
{
    (void)state;
    serve(&(struct fb_server_config){.send_limit_bytes = 20000, .streams_per_connection = STREAMS});
    return 0;
}

static void answers_nobody_reads_share_a_bound(void **state)
{
    static uint8_t request[12003] = {'\n', 0xe0, 0x5d}; /* 12,000 bytes */
    struct raw *raw = &world.raw;
    const struct fb_server_stats *stats = fb_server_stats(world.server);

    (void)state;
    raw_hello(raw);
    raw_setting(raw, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    for (uint32_t stream = 1; stream < 2 * STREAMS; stream += 2) {
        raw_request(raw, stream, echo, NULL, NULL);
        raw_message(raw, stream, RAW_END_STREAM, request, sizeof(request));
    }
    raw_settle(raw);
    assert_int_equal(stats->calls_ended[FB_OK], 13); /* 13 times 12,008 are within 8 times 20,000 */
    assert_int_equal(stats->calls_ended[FB_RESOURCE_EXHAUSTED], STREAMS - 13);
    raw_window(raw, 1, 20000);
    expect_trailers(1, "0");
}

static void a_window_that_overflows_is_a_flow_control_error(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_window(&world.raw, 0, INT32_MAX);
    expect_goaway(NGHTTP2_FLOW_CONTROL_ERROR);
}

static void a_window_of_a_stream_that_overflows_resets_it(void **state)
{
    (void)state;
    raw_hello(&world.raw);
    raw_request(&world.raw, 1, hold, NULL, NULL);
    raw_message(&world.raw, 1, RAW_END_STREAM, hello, 7);
    raw_window(&world.raw, 1, INT32_MAX);
    expect_reset(1, NGHTTP2_FLOW_CONTROL_ERROR);
    expect_echo(3);
    assert_int_equal(world.cancelled, 1);
}

static void a_client_is_held_back_while_the_handler_pauses(void **state)
{
    static uint8_t part[16384 - 5];
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    raw_send(raw, RAW_PING, 0, 0, "12345678", 8);
    do {
        assert_true(raw_read(raw));
        assert_false(raw->frame.type == RAW_WINDOW_UPDATE && raw->frame.stream == 1);
    } while (raw->frame.type != RAW_PING || (raw->frame.flags & RAW_ACK) == 0);
    assert_int_equal(world.heard, 1);
    world.pause_each = false;
    fb_call_resume(world.held);
    assert_true(raw_find(raw, RAW_WINDOW_UPDATE, 1));
    raw_settle(raw);
    assert_int_equal(world.heard, STREAM_WINDOW / 16384);
    raw_send(raw, RAW_DATA, RAW_END_STREAM, 1, NULL, 0);
    raw_until(raw, &world.half_closed);
    fb_call_finish(world.held, fb_ok);
    expect_trailers(1, "0");
}

static void a_client_that_ignores_the_window_is_a_flow_control_error(void **state)
{
    static uint8_t part[16384 - 5];
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    for (size_t sent = 0; sent <= STREAM_WINDOW; sent += 16384) {
        raw_message(raw, 1, 0, part, sizeof(part));
    }
    while (raw_read(raw) && raw->frame.type != RAW_RST_STREAM && raw->frame.type != RAW_GOAWAY) {
    }
    assert_int_equal(raw_number(raw, raw->frame.type == RAW_GOAWAY ? 4 : 0),
                     NGHTTP2_FLOW_CONTROL_ERROR);
}

static void all_paused_messages_are_told_in_order_after_half_close(void **state)
{
    struct raw *raw = &world.raw;

    (void)state;
    world.pause_each = true;
    raw_hello(raw);
    raw_request(raw, 1, talk, NULL, NULL);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, 0, hello, 7);
    raw_message(raw, 1, RAW_END_STREAM, hello, 7);
    raw_settle(raw);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(world.heard, i);
        assert_false(world.half_closed);
        fb_call_resume(world.held);
        raw_settle(raw);
    }
    assert_true(world.half_closed);
    fb_call_finish(world.held, fb_ok);
    expect_trailers(1, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN(set_up_roomy, a_client_that_begins_many_large_messages_is_held_back),
        TEST_IN(set_up_roomy, large_messages_come_one_behind_the_other_the_oldest_first),
        TEST_IN(set_up_roomy, a_large_message_that_is_given_up_lets_the_next_come),
        TEST_IN(set_up_roomy, what_waits_for_a_paused_handler_leaves_others_their_window),
        TEST(an_answer_waits_for_a_window),
        TEST(settings_that_shrink_a_window_in_mid_answer_are_obeyed),
        TEST(a_slow_reader_stops_the_handler_at_the_high_mark),
        TEST(a_small_answer_does_not_wait_behind_a_large_one),
        TEST_IN(set_up_stingy, answers_nobody_reads_share_a_bound),
        TEST(a_window_that_overflows_is_a_flow_control_error),
        TEST(a_window_of_a_stream_that_overflows_resets_it),
        TEST(a_client_is_held_back_while_the_handler_pauses),
        TEST(a_client_that_ignores_the_window_is_a_flow_control_error),
        TEST(all_paused_messages_are_told_in_order_after_half_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
