#include "services/router/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/flow.pb-c.h"
#include "flowbalancer/v1/mcp.pb-c.h"

static struct fb_arena arena;

static int setup(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static struct fb_status peek(const char *bytes, size_t size, struct context *context)
{
    /* In memory of just that size, so that a sanitizer sees a step beyond it. */
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    struct fb_status status;

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    status = context_peek(exact, size, &arena, context);
    free(exact);
    return status;
}

static void a_call_s_context_is_read_from_its_front(void **state)
{
    Flowbalancer__V1__CallContext said = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    struct context context;
    uint8_t bytes[512];
    size_t size;

    (void)state;
    said.session = (char *)"s-1";
    said.agent = (char *)"agent-7";
    said.server = (char *)"github";
    said.name = (char *)"github__search";
    said.scope = (char *)"team";
    request.context = &said;
    request.arguments_json.data = (uint8_t *)"{\"q\":1}";
    request.arguments_json.len = 7;
    size = flowbalancer__v1__call_tool_request__pack(&request, bytes);
    assert_true(fb_is_ok(context_peek(bytes, size, &arena, &context)));
    assert_true(fb_text_is(context.session, "s-1"));
    assert_true(fb_text_is(context.agent, "agent-7"));
    assert_true(fb_text_is(context.server, "github"));
    assert_true(fb_text_is(context.name, "github__search"));
    assert_true(fb_text_is(context.scope, "team"));
}

static void an_empty_request_has_an_empty_context(void **state)
{
    struct context context;

    (void)state;
    assert_true(fb_is_ok(peek("", 0, &context)));
    assert_int_equal(context.session.size, 0);
    assert_int_equal(context.server.size, 0);
}

static void a_context_behind_other_fields_is_found(void **state)
{
    /* field 2 bytes "ab", field 3 varint 300, field 1 {3: "x"} */
    static const char bytes[] = "\x12\x02"
                                "ab"
                                "\x18\xac\x02"
                                "\x0a\x03\x1a\x01"
                                "x";
    struct context context;

    (void)state;
    assert_true(fb_is_ok(peek(bytes, sizeof(bytes) - 1, &context)));
    assert_int_equal(context.server.size, 1);
}

static void fields_of_a_later_version_are_passed_over(void **state)
{
    static const char bytes[] = "\x0a\x0b"
                                "\x92\x03\x02zz"
                                "\x3d\x01\x02\x03\x04"
                                "\x12";
    static const char whole[] = "\x0a\x0c"
                                "\x92\x03\x02zz"
                                "\x3d\x01\x02\x03\x04"
                                "\x12\x00";
    struct context context;

    (void)state;
    assert_int_equal(peek(bytes, sizeof(bytes) - 1, &context).code, FB_INVALID_ARGUMENT);
    assert_true(fb_is_ok(peek(whole, sizeof(whole) - 1, &context)));
}

static void bytes_that_are_no_message_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x0a", 1},                                          /* a length is missing */
        {"\x0a\x05\x0a", 3},                                  /* longer than what is there */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* a length of 2^64-1 */
        {"\x0b", 1},                                          /* groups are no more */
        {"\x00\x00", 2},                                      /* field 0 */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* a varint without end */
        {"\x08\x01", 2},                                      /* field 1 is a number */
        {"\x0a\x02\x0a\x05", 4},                              /* the same inside the context */
        {"\x0a\x02\x18\x01", 4},                              /* server is a number */
        {"\x11\x00", 2},                                      /* half a fixed64 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct context context;
        struct fb_status status = peek(cases[i].bytes, cases[i].size, &context);

        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        assert_true(strlen(status.why) > 0);
    }
}

static struct fb_status peek_field(uint8_t number, const char *value, size_t size)
{
    struct context context;
    char bytes[4096];
    size_t at = 0;
    const size_t inner = size + (size < 128 ? 2 : 3);

    bytes[at++] = 0x0a;
    bytes[at++] = (char)(inner & 0x7f) | (char)0x80;
    bytes[at++] = (char)(inner >> 7);
    bytes[at++] = (char)(number << 3 | 2);
    if (size >= 128) {
        bytes[at++] = (char)((size & 0x7f) | 0x80);
        bytes[at++] = (char)(size >> 7);
    } else {
        bytes[at++] = (char)size;
    }
    memcpy(bytes + at, value, size);
    return peek(bytes, at + size, &context);
}

static void a_field_that_is_too_long_is_named(void **state)
{
    char text[2100];
    struct fb_status status;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_true(fb_is_ok(peek_field(1, text, 128)));
    status = peek_field(1, text, 129);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_non_null(strstr(status.why, "context.session"));
    assert_true(fb_is_ok(peek_field(3, text, 64)));
    assert_non_null(strstr(peek_field(3, text, 65).why, "context.server"));
    assert_true(fb_is_ok(peek_field(4, text, 2048)));
    assert_non_null(strstr(peek_field(4, text, 2049).why, "context.name"));
}

static void characters_that_are_not_allowed_are_refused(void **state)
{
    (void)state;
    assert_int_equal(peek_field(1, "a b", 3).code, FB_INVALID_ARGUMENT);
    assert_int_equal(peek_field(2, "\xc3\xa9", 2).code, FB_INVALID_ARGUMENT);
    assert_int_equal(peek_field(4, "a\nb", 3).code, FB_INVALID_ARGUMENT);
    assert_int_equal(peek_field(4, "a\0b", 3).code, FB_INVALID_ARGUMENT);
    assert_int_equal(peek_field(4, "\xff", 1).code, FB_INVALID_ARGUMENT);
    assert_true(fb_is_ok(peek_field(4, "caf\xc3\xa9 x", 7)));
}

static void a_session_is_named_with_its_scope_if_it_has_one(void **state)
{
    struct context context = {.session = FB_TEXT("work")};

    (void)state;
    assert_true(fb_text_is(context_session_key(&context, &arena), "work"));
    context.scope = FB_TEXT("team");
    assert_true(fb_text_is(context_session_key(&context, &arena), "team/work"));
    context.session = FB_TEXT("");
    assert_int_equal(context_session_key(&context, &arena).size, 0);
}

static void a_wait_and_a_request_id_are_seen_without_the_rest(void **state)
{
    Flowbalancer__V1__FlowMutation by = FLOWBALANCER__V1__FLOW_MUTATION__INIT;
    Flowbalancer__V1__NextRequest request = FLOWBALANCER__V1__NEXT_REQUEST__INIT;
    uint8_t bytes[512];
    size_t size;

    (void)state;
    by.actor = (char *)"ada";
    request.by = &by;
    size = flowbalancer__v1__next_request__pack(&request, bytes);
    assert_false(context_has_request_id(bytes, size));
    assert_int_equal(context_peek_number(bytes, size, 6), 0);
    by.request_id = (char *)"r1";
    request.wait_ms = 600000;
    size = flowbalancer__v1__next_request__pack(&request, bytes);
    assert_true(context_has_request_id(bytes, size));
    assert_int_equal(context_peek_number(bytes, size, 6), 600000);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut == 0 ? 1 : cut);

        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        (void)context_has_request_id(exact, cut);
        (void)context_peek_number(exact, cut, 6);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_s_context_is_read_from_its_front, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_request_has_an_empty_context, setup, teardown),
        cmocka_unit_test_setup_teardown(a_context_behind_other_fields_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(fields_of_a_later_version_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_message_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_that_is_too_long_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(characters_that_are_not_allowed_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_session_is_named_with_its_scope_if_it_has_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_wait_and_a_request_id_are_seen_without_the_rest, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
