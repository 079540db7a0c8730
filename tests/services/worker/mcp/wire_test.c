#include "services/worker/mcp/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct wire_message read_line(const char *line)
{
    struct wire_message m;

    assert_true(fb_is_ok(wire_check(fb_text_of(line))));
    assert_true(fb_is_ok(wire_read(fb_text_of(line), &m)));
    return m;
}

static void a_message_is_told_by_its_members(void **state)
{
    static const struct {
        const char *line;
        enum wire_kind kind;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", WIRE_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\",\"params\":{}}", WIRE_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}", WIRE_NOTIFICATION},
        {"{\"method\":\"x\",\"params\":null,\"id\":null}", WIRE_NOTIFICATION},
        {"{\"result\":{},\"jsonrpc\":\"2.0\",\"id\":7}", WIRE_RESULT},
        {"{\"id\":7,\"result\":{},\"error\":null}", WIRE_RESULT},
        {"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-1,\"message\":\"no\"}}", WIRE_ERROR},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{}}", WIRE_ERROR},
        {"{\"m\\u0065thod\":\"x\"}", WIRE_NOTIFICATION},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_line(cases[i].line).kind, cases[i].kind);
    }
}

static void what_is_no_message_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "Server running on stdio",
        "42",
        "\"text\"",
        "null",
        "{",
        "{\"id\":1,\"result\":{}",
        "{\"id\":1,\"result\":{}}}",
        "{\"id\":1,}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{'a':1}",
        "{\"level\":\"info\",\"msg\":\"started\"}",
        "{\"id\":1,\"result\":[]}",
        "{\"id\":1,\"result\":null}",
        "{\"result\":{}}",
        "{\"id\":1,\"error\":\"text\"}",
        "{\"method\":5}",
        "{\"method\":\"x\",\"params\":[1]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct wire_message m;
        const struct fb_text line = fb_text_of(lines[i]);

        assert_false(fb_is_ok(wire_check(line)) && fb_is_ok(wire_read(line, &m)));
    }
}

static void a_line_nested_256_deep_passes_and_257_does_not(void **state)
{
    (void)state;
    for (unsigned depth = 256; depth <= 257; depth++) {
        char line[1024];
        size_t size = (size_t)snprintf(line, sizeof(line), "{\"a\":");

        for (unsigned i = 1; i < depth; i++) {
            line[size++] = '[';
        }
        for (unsigned i = 1; i < depth; i++) {
            line[size++] = ']';
        }
        line[size++] = '}';
        assert_int_equal(fb_is_ok(wire_check((struct fb_text){.data = line, .size = size})),
                         depth == 256);
    }
}

static void slices_are_the_bytes_that_came(void **state)
{
    const char line[] =
        "{\"id\" : 9007199254740993 , \"result\":{\"z\":1.10e+2,\"a\":\"\\ud800\\u0000\", "
        "\"big\":12345678901234567890}}";
    const struct wire_message m = read_line(line);

    (void)state;
    assert_true(fb_text_is(m.id, "9007199254740993"));
    assert_true(fb_text_is(m.result, "{\"z\":1.10e+2,\"a\":\"\\ud800\\u0000\", "
                                     "\"big\":12345678901234567890}"));
}

static void an_error_is_read_member_by_member_and_odd_ones_default(void **state)
{
    struct fb_arena arena;
    struct wire_error e;

    (void)state;
    fb_arena_init(&arena, 0);
    e = wire_error_of(FB_TEXT("{\"code\":-32602,\"message\":\"a\\nb\",\"data\":{\"k\":[1]}}"),
                      &arena);
    assert_int_equal(e.code, -32602);
    assert_true(fb_text_is(e.message, "a\nb"));
    assert_true(fb_text_is(e.data, "{\"k\":[1]}"));
    e = wire_error_of(FB_TEXT("{\"code\":1.5,\"message\":7}"), &arena);
    assert_int_equal(e.code, -32603);
    assert_int_equal(e.message.size, 0);
    assert_int_equal(e.data.size, 0);
    fb_arena_finish(&arena);
}

static void the_id_of_a_long_line_is_seen_at_either_end_of_it(void **state)
{
    static const struct {
        const char *head;
        const char *tail;
        int64_t id; /* 0: none */
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":17,\"result\":{\"content", "}]}}", 17},
        {"{ \"id\" : 3 , \"result\":{", "}}", 3},
        {"{\"result\":{\"content\":[", "\"}]},\"jsonrpc\":\"2.0\",\"id\":42}", 42},
        {"{\"result\":{\"content\":[", "]}, \"id\" : 42 }", 42},
        {"{\"result\":{\"content\":[", "\"jsonrpc\":\"2.0\",\"id\":\"42\"}", 0},
        {"{\"result\":{\"content\":[", "{\"x\":1,\"id\":42}}", 0},
        {"{\"result\":{\"id\":5,", "\"a\":1}", 0},
        {"some banner that goes on", "and on", 0},
        {"", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t id = 0;
        const bool seen = wire_guess_id(fb_text_of(cases[i].head), fb_text_of(cases[i].tail), &id);

        assert_int_equal(seen, cases[i].id != 0);
        if (seen) {
            assert_int_equal(id, cases[i].id);
        }
    }
}

static void expect_meta(const struct wire_meta *meta, const char *wanted)
{
    struct fb_buffer out = {.limit_bytes = 0};

    assert_int_equal(wire_put_meta(&out, meta), *wanted != '\0');
    assert_true(fb_text_is((struct fb_text){.data = out.data, .size = out.size}, wanted));
    fb_buffer_finish(&out);
}

static void meta_is_nothing_when_there_is_nothing_to_say(void **state)
{
    (void)state;
    expect_meta(&(struct wire_meta){.token = 0}, "");
    expect_meta(&(struct wire_meta){.extra = FB_TEXT("{}")}, "");
    expect_meta(&(struct wire_meta){.extra = FB_TEXT("{\"progressToken\":1}")}, "");
}

static void a_legacy_server_gets_the_agents_meta_without_the_envelope(void **state)
{
    (void)state;
    expect_meta(
        &(struct wire_meta){
            .extra =
                FB_TEXT("{\"traceparent\":\"00-1\",\"io.modelcontextprotocol/logLevel\":\"debug\","
                        "\"progress\\u0054oken\":5,\"com.example/x\":1.0}"),
            .token = 9,
        },
        "\"_meta\":{\"progressToken\":9,\"traceparent\":\"00-1\",\"com.example/x\":1.0}");
}

static void a_modern_server_gets_the_envelope_of_this_leg(void **state)
{
    (void)state;
    expect_meta(&(struct wire_meta){.extra = FB_TEXT("{\"tracestate\":\"a=b\"}"),
                                    .revision = "2026-07-28",
                                    .client_version = "1.2",
                                    .log_level = "info"},
                "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"flow-balancer\","
                "\"version\":\"1.2\"},\"io.modelcontextprotocol/clientCapabilities\":{},"
                "\"io.modelcontextprotocol/logLevel\":\"info\",\"tracestate\":\"a=b\"}");
}

static void a_value_with_line_breaks_is_put_on_one_line(void **state)
{
    struct fb_buffer out = {.limit_bytes = 0};

    (void)state;
    wire_put_value(&out, FB_TEXT("{\r\n  \"a\": [1,\n 2.50], \"b\": \"x\\n y\" }"));
    assert_true(fb_text_is((struct fb_text){.data = out.data, .size = out.size},
                           "{\"a\":[1,2.50],\"b\":\"x\\n y\"}"));
    fb_buffer_clear(&out, 0);
    wire_put_value(&out, FB_TEXT("{ \"a\" : 1 }"));
    assert_true(fb_text_is((struct fb_text){.data = out.data, .size = out.size}, "{ \"a\" : 1 }"));
    fb_buffer_finish(&out);
}

static void a_member_is_left_out_and_the_others_stay_as_they_are(void **state)
{
    struct fb_buffer out = {.limit_bytes = 0};

    (void)state;
    wire_put_without(&out, FB_TEXT("{\"progressToken\":3,\"progress\":1.50,\"total\":3}"),
                     "progressToken");
    assert_true(fb_text_is((struct fb_text){.data = out.data, .size = out.size},
                           "{\"progress\":1.50,\"total\":3}"));
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_told_by_its_members),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_line_nested_256_deep_passes_and_257_does_not),
        cmocka_unit_test(slices_are_the_bytes_that_came),
        cmocka_unit_test(an_error_is_read_member_by_member_and_odd_ones_default),
        cmocka_unit_test(the_id_of_a_long_line_is_seen_at_either_end_of_it),
        cmocka_unit_test(meta_is_nothing_when_there_is_nothing_to_say),
        cmocka_unit_test(a_legacy_server_gets_the_agents_meta_without_the_envelope),
        cmocka_unit_test(a_modern_server_gets_the_envelope_of_this_leg),
        cmocka_unit_test(a_value_with_line_breaks_is_put_on_one_line),
        cmocka_unit_test(a_member_is_left_out_and_the_others_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
