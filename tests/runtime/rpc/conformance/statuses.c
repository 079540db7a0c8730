#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: statuses, metadata and what is refused. */

/* --- statuses and metadata --- */

static void every_code_arrives_as_it_is(void **state)
{
    (void)state;
    serve_and_dial();
    for (uint32_t code = 1; code < FB_CODE_COUNT; code++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.code = code, .message = (char *)"as asked"));
        assert_ended(heard, (enum fb_code)code);
        assert_string_equal(heard->why, "as asked");
        assert_int_equal(heard->messages, 0);
        assert_false(heard->not_run);
        forget(heard);
    }
}

static void messages_of_a_status_may_be_any_text(void **state)
{
    static const char *const texts[] = {
        "100% of it", "line\nline\ttab", "é ☃ 😀", "%41%zz%", " spaces around ", "\x7f",
    };

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct heard *heard = hear(UNARY);

        run(heard, REQUEST(.code = FB_NOT_FOUND, .message = (char *)(uintptr_t)texts[i]));
        assert_ended(heard, FB_NOT_FOUND);
        assert_string_equal(heard->why, texts[i]);
        forget(heard);
    }
}

static void assert_has(const struct fb_metadata *metadata, const char *key, struct fb_text value)
{
    struct fb_text found;

    if (!fb_metadata_find(metadata, key, &found)) {
        fail_msg("no %s", key);
    }
    assert_int_equal(found.size, value.size);
    assert_memory_equal(found.data, value.data, value.size);
}

static void metadata_travels_both_ways(void **state)
{
    static char any[256];
    struct heard *heard = hear(UNARY);
    const struct fb_text bytes = {.data = any, .size = sizeof(any)};
    struct fb_text found;

    (void)state;
    for (size_t i = 0; i < sizeof(any); i++) {
        any[i] = (char)i;
    }
    serve_and_dial();
    add_sent(heard, "echo-plain", FB_TEXT("~ printable, with spaces and = %41"));
    add_sent(heard, "echo-any-bin", bytes);
    add_sent(heard, "echo-empty-bin", FB_TEXT(""));
    add_sent(heard, "echo-one-bin", FB_TEXT("\xff"));
    add_sent(heard, "echo-two-bin", FB_TEXT("a,"));
    add_sent(heard, "unrelated", FB_TEXT("stays there"));
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    for (int i = 0; i < 2; i++) {
        const struct fb_metadata *back = i == 0 ? &heard->header : &heard->trailer;

        assert_has(back, "echo-plain", FB_TEXT("~ printable, with spaces and = %41"));
        assert_has(back, "echo-any-bin", bytes);
        assert_has(back, "echo-empty-bin", FB_TEXT(""));
        assert_has(back, "echo-one-bin", FB_TEXT("\xff"));
        assert_has(back, "echo-two-bin", FB_TEXT("a,"));
        assert_false(fb_metadata_find(back, "unrelated", &found));
        assert_false(fb_metadata_find(back, "content-type", &found));
        assert_false(fb_metadata_find(back, "grpc-status", &found));
        assert_false(fb_metadata_find(back, ":status", &found));
    }
    forget(heard);
}

static void keys_may_repeat_and_keep_their_order(void **state)
{
    struct heard *heard = hear(UNARY);
    size_t seen = 0;

    (void)state;
    serve_and_dial();
    add_sent(heard, "echo-list", FB_TEXT("first"));
    add_sent(heard, "echo-list", FB_TEXT("second"));
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    for (size_t i = 0; i < heard->header.count; i++) {
        if (fb_text_is(heard->header.items[i].key, "echo-list")) {
            assert_true(fb_text_is(heard->header.items[i].value, seen == 0 ? "first" : "second"));
            seen++;
        }
    }
    assert_int_equal(seen, 2);
    forget(heard);
}

static void an_answer_without_messages_carries_its_trailers(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    add_sent(heard, "echo-plain", FB_TEXT("there"));
    run(heard, REQUEST(.code = FB_FAILED_PRECONDITION, .message = (char *)"not now"));
    assert_ended(heard, FB_FAILED_PRECONDITION);
    assert_has(&heard->header, "echo-plain", FB_TEXT("there"));
    assert_has(&heard->trailer, "echo-plain", FB_TEXT("there"));
    assert_int_equal(heard->header.count, 1);
    assert_int_equal(heard->trailer.count, 1);
    assert_false(heard->headers_late);
    forget(heard);
}

static void the_trace_of_a_call_travels(void **state)
{
    struct heard *heard = hear(UNARY);
    const struct fb_trace_context trace = fb_trace_begin(true);

    (void)state;
    serve_and_dial();
    heard->plan.trace = &trace;
    run(heard, REQUEST());
    assert_memory_equal(echo.trace_id, trace.trace_id, sizeof(trace.trace_id));
    forget(heard);
}

/* --- what is refused --- */

static void an_unknown_method_is_unimplemented(void **state)
{
    static const char *const paths[] = {
        "/flowbalancer.test.EchoService/Nothing",
        "/flowbalancer.test.Nobody/Unary",
        "/x",
    };

    (void)state;
    serve_and_dial();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct heard *heard = hear(paths[i]);

        run(heard, REQUEST());
        assert_ended(heard, FB_UNIMPLEMENTED);
        assert_non_null(strstr(heard->why, paths[i]));
        forget(heard);
    }
    assert_int_equal(code_of_unary(), FB_OK);
}

static void bytes_that_are_no_message_are_refused_by_name(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_send_bytes(heard->call, (const uint8_t *)"\x2a\x01\xff", 3);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(heard->why, "\"message\" of flowbalancer.test.EchoRequest"));
    assert_int_equal(echo.begun, 0);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_unary_call_takes_exactly_one_message(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_and_dial();
    begin(heard);
    fb_client_call_half_close(heard->call);
    WAIT_FOR(heard->ends != 0);
    assert_ended(heard, FB_UNIMPLEMENTED);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_request_beyond_the_servers_limit_is_refused(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.message_limit_bytes = 100000;
    serve_and_dial();
    run(heard, REQUEST(.payload = many_bytes(99000)));
    assert_ended(heard, FB_OK);
    forget(heard);
    heard = hear(UNARY);
    run(heard, REQUEST(.payload = many_bytes(100001)));
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    forget(heard);
    assert_int_equal(echo.begun, 1);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void an_answer_beyond_the_clients_limit_is_refused(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    channel_config.message_limit_bytes = 100000;
    serve_and_dial();
    run(heard, REQUEST(.answer_bytes = 99000));
    assert_ended(heard, FB_OK);
    forget(heard);
    heard = hear(UNARY);
    run(heard, REQUEST(.answer_bytes = 100001));
    assert_ended(heard, FB_RESOURCE_EXHAUSTED);
    assert_int_equal(heard->messages, 0);
    forget(heard);
    assert_int_equal(code_of_unary(), FB_OK);
}

int conformance_statuses(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(every_code_arrives_as_it_is),
        WORLD_TEST(messages_of_a_status_may_be_any_text),
        WORLD_TEST(metadata_travels_both_ways),
        WORLD_TEST(keys_may_repeat_and_keep_their_order),
        WORLD_TEST(an_answer_without_messages_carries_its_trailers),
        WORLD_TEST(the_trace_of_a_call_travels),
        WORLD_TEST(an_unknown_method_is_unimplemented),
        WORLD_TEST(bytes_that_are_no_message_are_refused_by_name),
        WORLD_TEST(a_unary_call_takes_exactly_one_message),
        WORLD_TEST(a_request_beyond_the_servers_limit_is_refused),
        WORLD_TEST(an_answer_beyond_the_clients_limit_is_refused),
    };

    return cmocka_run_group_tests_name("statuses", tests, NULL, NULL);
}
