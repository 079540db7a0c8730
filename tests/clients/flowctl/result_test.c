#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/result.h"

static bool render(const char *json, const char *wanted)
{
    struct fb_buffer out = {.data = NULL};
    struct fb_arena arena;
    bool is_error;

    fb_arena_init(&arena, 0);
    is_error = result_render(fb_text_of(json), &arena, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, wanted);
    fb_buffer_finish(&out);
    fb_arena_finish(&arena);
    return is_error;
}

static void text_blocks_are_shown_as_they_are(void **state)
{
    (void)state;
    assert_false(render("{\"content\":[{\"type\":\"text\",\"text\":\"a\\nb\"},"
                        "{\"type\":\"text\",\"text\":\"c\\n\"}]}",
                        "a\nb\nc\n"));
}

static void a_tool_that_failed_is_told(void **state)
{
    (void)state;
    assert_true(
        render("{\"content\":[{\"type\":\"text\",\"text\":\"no\"}],\"isError\":true}", "no\n"));
    assert_false(render("{\"content\":[],\"isError\":false}", ""));
}

static void other_blocks_say_what_they_are_and_how_large(void **state)
{
    (void)state;
    render("{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"AAAAAAAA\"}]}",
           "[image image/png, 6 B]\n");
    render("{\"content\":[{\"type\":\"resource_link\",\"name\":\"n\",\"uri\":\"x://y\"}]}",
           "[resource_link n x://y]\n");
    render("{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"x:\",\"text\":\"t\"}}]}",
           "t\n");
    render("{\"content\":[{}]}", "[block without a type]\n");
}

static void structured_content_stands_in_where_there_is_no_block(void **state)
{
    (void)state;
    render("{\"content\":[],\"structuredContent\":{\"n\": 1}}", "{\"n\": 1}\n");
    render("{\"content\":[{\"type\":\"text\",\"text\":\"t\"}],\"structuredContent\":{}}", "t\n");
}

static void what_is_no_such_result_is_shown_as_it_is(void **state)
{
    (void)state;
    assert_false(render("{\"other\":1}", "{\"other\":1}\n"));
    assert_false(render("{\"content\":\"text\"}", "{\"content\":\"text\"}\n"));
}

static void progress_says_only_what_is_there(void **state)
{
    static const struct {
        const char *params;
        const char *wanted;
    } cases[] = {
        {"{\"progress\":3,\"total\":10,\"message\":\"copying\"}", "3 of 10: copying"},
        {"{\"progress\":0.50}", "0.50"},
        {"{\"message\":\"only words\"}", "only words"},
        {"{}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fb_buffer out = {.data = NULL};
        struct fb_arena arena;

        fb_arena_init(&arena, 0);
        result_render_progress(fb_text_of(cases[i].params), &arena, &out);
        fb_buffer_append(&out, "", 1);
        assert_string_equal(out.data, cases[i].wanted);
        fb_buffer_finish(&out);
        fb_arena_finish(&arena);
    }
}

static void a_pattern_matches_the_whole_name_a_word_a_part_of_it(void **state)
{
    const struct fb_text name = FB_TEXT("files__read_file");

    (void)state;
    assert_true(result_name_matches(NULL, name));
    assert_true(result_name_matches("read", name));
    assert_false(result_name_matches("write", name));
    assert_true(result_name_matches("files__*", name));
    assert_false(result_name_matches("read*", name));
    assert_true(result_name_matches("*__read_[a-z]*", name));
}

static void a_description_is_cut_at_its_first_line_and_at_a_width(void **state)
{
    static const struct {
        const char *description;
        const char *wanted;
    } cases[] = {
        {"one\ntwo", "one"},
        {"\n  begins late\r\n", "begins late"},
        {"", ""},
        {"12345678", "12345678"},
        {"123456789", "1234567…"},
        {"äöüäöüäöü", "äöüäöüä…"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fb_buffer out = {.data = NULL};

        result_first_line(fb_text_of(cases[i].description), i < 3 ? 20 : 8, &out);
        fb_buffer_append(&out, "", 1);
        assert_string_equal(out.data, cases[i].wanted);
        fb_buffer_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_blocks_are_shown_as_they_are),
        cmocka_unit_test(a_tool_that_failed_is_told),
        cmocka_unit_test(other_blocks_say_what_they_are_and_how_large),
        cmocka_unit_test(structured_content_stands_in_where_there_is_no_block),
        cmocka_unit_test(what_is_no_such_result_is_shown_as_it_is),
        cmocka_unit_test(progress_says_only_what_is_there),
        cmocka_unit_test(a_pattern_matches_the_whole_name_a_word_a_part_of_it),
        cmocka_unit_test(a_description_is_cut_at_its_first_line_and_at_a_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
