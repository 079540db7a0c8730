#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: the four kinds of calls. */

static void a_unary_call_is_answered(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.payload = bytes_of("hello")));
    assert_ended(heard, FB_OK);
    assert_string_equal(heard->why, "");
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->headers, 1);
    assert_false(heard->headers_late);
    assert_int_equal(heard->answer->payload.len, 5);
    assert_memory_equal(heard->answer->payload.data, "hello", 5);
    forget(heard);
}

struct replied {
    int times;
    enum fb_code code;
    bool with_reply;
};

static void on_reply(void *arg, const struct fb_call_end *end, const ProtobufCMessage *reply)
{
    struct replied *replied = arg;

    replied->times++;
    replied->code = end->status.code;
    replied->with_reply = reply != NULL;
}

static void the_common_case_is_one_function(void **state)
{
    const struct fb_call_plan plan = {.path = UNARY};
    const struct fb_call_plan wrong = {.path = EXPAND};
    EchoRequest request = REQUEST(.payload = bytes_of("x"));
    EchoRequest failing = REQUEST(.code = FB_NOT_FOUND);
    EchoRequest two = REQUEST(.repeat = 2);
    struct replied replied = {.times = 0};

    (void)state;
    serve_and_dial();
    fb_channel_unary(channel, &plan, &request.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    assert_int_equal(replied.times, 0);
    WAIT_FOR(replied.times == 1);
    assert_int_equal(replied.code, FB_OK);
    assert_true(replied.with_reply);
    fb_channel_unary(channel, &plan, &failing.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 2);
    assert_int_equal(replied.code, FB_NOT_FOUND);
    assert_false(replied.with_reply);
    fb_channel_unary(channel, &wrong, &two.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 3);
    assert_int_equal(replied.code, FB_INTERNAL);
    fb_channel_unary(channel, &wrong, &request.base, &flowbalancer__test__echo_response__descriptor,
                     on_reply, &replied);
    WAIT_FOR(replied.times == 4);
    assert_int_equal(replied.code, FB_INTERNAL);
}

static void a_server_streams_in_order(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST(.repeat = 5000, .payload = bytes_of("some payload")));
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 5000);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

static void an_empty_stream_is_fine(void **state)
{
    struct heard *heard = hear(EXPAND);

    (void)state;
    serve_and_dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 0);
    forget(heard);
}

static void a_client_streams_and_gets_one_answer(void **state)
{
    struct heard *heard = hear(COLLECT);
    EchoRequest request = REQUEST(.payload = many_bytes(1000));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (int i = 0; i < 2000; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 1);
    assert_int_equal(heard->answer->index, 2000);
    assert_int_equal(heard->answer->bytes, 2000000);
    forget(heard);
}

static void a_client_may_close_without_a_message(void **state)
{
    struct heard *heard = hear(COLLECT);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->answer->index, 0);
    forget(heard);
}

static void both_sides_take_turns(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.payload = bytes_of("turn"));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (uint32_t turn = 1; turn <= 100; turn++) {
        fb_client_call_send(heard->call, &request.base);
        WAIT_FOR(heard->messages == turn);
        assert_int_equal(heard->ends, 0);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->disorder, 0);
    forget(heard);
}

static void both_sides_stream_at_once(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.payload = many_bytes(4096));

    (void)state;
    serve_and_dial();
    begin(heard);
    for (int i = 0; i < 1000; i++) {
        fb_client_call_send(heard->call, &request.base);
    }
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_OK);
    assert_int_equal(heard->messages, 1000);
    assert_int_equal(heard->disorder, 0);
    assert_int_equal(heard->bytes, 1000 * 4096);
    forget(heard);
}

static void a_server_may_end_before_the_client_does(void **state)
{
    struct heard *heard = hear(CHAT);
    EchoRequest request = REQUEST(.code = FB_ABORTED);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send(heard->call, &request.base);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_ABORTED);
    assert_int_equal(heard->messages, 1);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void messages_of_every_size_come_through(void **state)
{
    static const size_t sizes[] = {0,     1,     5,     127,    128,     16383,   16384,
                                   16385, 65535, 65536, 131072, 1 << 20, 4 << 20, 8 << 20};

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.payload = many_bytes(sizes[i])));
        assert_ended(heard, FB_OK);
        assert_int_equal(heard->bytes, sizes[i]);
        forget(heard);
    }
}

static void many_calls_at_once_get_their_own_answers(void **state)
{
    enum { CALLS = 500 };
    struct heard *all[CALLS];
    char text[32];
    uint32_t ends = 0;

    (void)state;
    serve_and_dial();
    for (int i = 0; i < CALLS; i++) {
        all[i] = hear(UNARY);
        snprintf(text, sizeof(text), "call %d", i);
        send_once(all[i], REQUEST(.payload = bytes_of(text)));
    }
    for (int i = 0; i < CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        snprintf(text, sizeof(text), "call %d", i);
        assert_int_equal(all[i]->answer->payload.len, strlen(text));
        assert_memory_equal(all[i]->answer->payload.data, text, strlen(text));
        ends += all[i]->ends;
        forget(all[i]);
    }
    assert_int_equal(ends, CALLS);
    assert_int_equal(fb_server_stats(server)->calls_started, CALLS);
    WAIT_FOR(fb_server_stats(server)->calls_open == 0);
    assert_int_equal(fb_server_stats(server)->calls_ended[FB_OK], CALLS);
}

enum { LARGE_CALLS = 50, LARGE_BYTES = 3000000 };

static void fifty_large_answers_at_once_all_arrive(void **state)
{
    struct heard *all[LARGE_CALLS];

    (void)state;
    serve_and_dial();
    for (int i = 0; i < LARGE_CALLS; i++) {
        all[i] = hear(UNARY);
        send_once(all[i], REQUEST(.answer_bytes = LARGE_BYTES));
    }
    for (int i = 0; i < LARGE_CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        assert_int_equal(all[i]->bytes, LARGE_BYTES);
        forget(all[i]);
    }
}

static void fifty_large_requests_at_once_all_arrive(void **state)
{
    struct heard *all[LARGE_CALLS];

    (void)state;
    serve_and_dial();
    for (int i = 0; i < LARGE_CALLS; i++) {
        all[i] = hear(COLLECT);
        send_once(all[i], REQUEST(.payload = many_bytes(LARGE_BYTES)));
    }
    for (int i = 0; i < LARGE_CALLS; i++) {
        WAIT_FOR(all[i]->ends == 1);
        assert_ended(all[i], FB_OK);
        assert_int_equal(all[i]->answer->bytes, LARGE_BYTES);
        forget(all[i]);
    }
}

int conformance_calls(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_unary_call_is_answered),
        WORLD_TEST(the_common_case_is_one_function),
        WORLD_TEST(a_server_streams_in_order),
        WORLD_TEST(an_empty_stream_is_fine),
        WORLD_TEST(a_client_streams_and_gets_one_answer),
        WORLD_TEST(a_client_may_close_without_a_message),
        WORLD_TEST(both_sides_take_turns),
        WORLD_TEST(both_sides_stream_at_once),
        WORLD_TEST(a_server_may_end_before_the_client_does),
        WORLD_TEST(messages_of_every_size_come_through),
        WORLD_TEST(many_calls_at_once_get_their_own_answers),
        WORLD_TEST(fifty_large_answers_at_once_all_arrive),
        WORLD_TEST(fifty_large_requests_at_once_all_arrive),
    };

    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
