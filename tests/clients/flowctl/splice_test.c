#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/splice.h"
#include "runtime/config/document.h"

static const struct splice_member two[] = {
    {.name = "b", .value = {.data = "{\"command\": \"b\"}", .size = 16}},
    {.name = "a", .value = {.data = "{\"command\": \"new\"}", .size = 18}},
};

/* Puts the members and checks that what comes out is JSON still. */
static void put(const char *text, const struct splice_member *members, size_t count,
                const char *wanted)
{
    struct fb_document document = {.path = "file"};
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;

    fb_arena_init(&arena, 0);
    assert_int_equal(
        splice_put("file", fb_text_of(text), "mcpServers", members, count, &arena, &out).code,
        FB_OK);
    assert_false(out.failed);
    assert_int_equal(fb_document_parse("file", (struct fb_text){.data = out.data, .size = out.size},
                                       &arena, &document)
                         .code,
                     FB_OK);
    fb_document_finish(&document);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, wanted);
    fb_buffer_finish(&out);
    fb_arena_finish(&arena);
}

static void an_empty_file_becomes_one_with_the_object(void **state)
{
    (void)state;
    put("", two, 1, "{\n  \"mcpServers\": {\n    \"b\": {\"command\": \"b\"}\n  }\n}\n");
    put("{}", two, 1, "{\n  \"mcpServers\": {\n    \"b\": {\"command\": \"b\"}\n  }\n}");
}

static void an_object_that_is_missing_goes_behind_what_is_there(void **state)
{
    (void)state;
    put("{\n  \"flow\": {} // ours\n}\n", two, 1,
        "{\n  \"flow\": {},\n  \"mcpServers\": {\n    \"b\": {\"command\": \"b\"}\n  } // "
        "ours\n}\n");
}

static void comments_and_trailing_commas_stay(void **state)
{
    (void)state;
    put("{ /* } */ \"mcpServers\": {\n    \"a\": {}, // {\n  },\n}\n", two, 1,
        "{ /* } */ \"mcpServers\": {\n    \"a\": {},\n    \"b\": {\"command\": \"b\"}, // {\n  "
        "},\n}\n");
}

static void a_member_that_is_there_gets_the_new_value_in_its_place(void **state)
{
    (void)state;
    put("{\"mcpServers\": {\"a\": {\"args\": [\"}\", \"\\\"\"]}, \"z\": 1}}", two, 2,
        "{\"mcpServers\": {\"a\": {\"command\": \"new\"}, \"z\": 1,\n    \"b\": {\"command\": "
        "\"b\"}}}");
}

static void of_a_key_that_stands_twice_the_last_is_meant(void **state)
{
    (void)state;
    put("{\"mcpServers\": {\"x\": 1}, \"mcpServers\": {}}", two, 1,
        "{\"mcpServers\": {\"x\": 1}, \"mcpServers\": {\n    \"b\": {\"command\": \"b\"}\n  }}");
}

static void what_is_no_object_is_refused_with_its_place(void **state)
{
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;
    struct fb_status status;

    (void)state;
    fb_arena_init(&arena, 0);
    status =
        splice_put("file", FB_TEXT("{\n\"mcpServers\": []}"), "mcpServers", two, 1, &arena, &out);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, "file:2:15: mcpServers: wanted an object in braces");
    status = splice_put("file", FB_TEXT("[]"), "mcpServers", two, 1, &arena, &out);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    status = splice_put("file", FB_TEXT("{\"a\": "), "mcpServers", two, 1, &arena, &out);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_int_equal(out.size, 0);
    fb_buffer_finish(&out);
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_becomes_one_with_the_object),
        cmocka_unit_test(an_object_that_is_missing_goes_behind_what_is_there),
        cmocka_unit_test(comments_and_trailing_commas_stay),
        cmocka_unit_test(a_member_that_is_there_gets_the_new_value_in_its_place),
        cmocka_unit_test(of_a_key_that_stands_twice_the_last_is_meant),
        cmocka_unit_test(what_is_no_object_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
