#include "services/worker/catalogue/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct exposure_server servers[] = {{"files"}, {"git"}};

static size_t put(struct catalogue *c, size_t server, const struct fb_text *items, size_t count)
{
    size_t doubled = 0;

    assert_int_equal(catalogue_put(c, server, items, count, &doubled), CATALOGUE_CHANGED);
    return doubled;
}

static void tools_of_all_servers_come_out_sorted_by_exposed_name(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);
    const struct fb_text git[] = {FB_TEXT("{\"name\":\"status\"}"), FB_TEXT("{\"name\":\"log\"}")};
    const struct fb_text files[] = {FB_TEXT("{\"name\":\"read\"}")};
    const struct catalogue_tool *const *tools;
    size_t count;

    (void)state;
    put(c, 1, git, 2);
    put(c, 0, files, 1);
    tools = catalogue_tools(c, &count);
    assert_int_equal(count, 3);
    assert_string_equal(tools[0]->name, "files__read");
    assert_string_equal(tools[1]->name, "git__log");
    assert_string_equal(tools[2]->name, "git__status");
    assert_int_equal(tools[2]->server, 1);
    catalogue_destroy(c);
}

static void of_an_item_only_the_name_is_replaced(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);
    const struct fb_text items[] = {
        FB_TEXT("{ \"z\":1.0e5,\"name\" : \"re\\u0061d\" "
                ",\"inputSchema\":{\"name\":\"x\"},\"u\":null}"),
    };
    const struct catalogue_tool *tool;

    (void)state;
    put(c, 0, items, 1);
    tool = catalogue_find(c, FB_TEXT("files__read"));
    assert_non_null(tool);
    assert_true(fb_text_is(
        tool->item,
        "{ \"z\":1.0e5,\"name\" : \"files__read\" ,\"inputSchema\":{\"name\":\"x\"},\"u\":null}"));
    assert_true(fb_text_is(tool->own_name, "\"re\\u0061d\""));
    assert_false(tool->repeatable);
    catalogue_destroy(c);
}

static void an_item_that_names_itself_twice_is_renamed_in_both_places(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);
    const struct fb_text items[] = {FB_TEXT("{\"name\":\"a\",\"name\":\"bcd\"}")};
    const struct catalogue_tool *tool;

    (void)state;
    put(c, 0, items, 1);
    tool = catalogue_find(c, FB_TEXT("files__bcd"));
    assert_non_null(tool);
    assert_true(fb_text_is(tool->item, "{\"name\":\"files__bcd\",\"name\":\"files__bcd\"}"));
    catalogue_destroy(c);
}

static void what_reads_only_or_may_run_twice_is_repeatable(void **state)
{
    static const struct {
        const char *item;
        bool repeatable;
    } cases[] = {
        {"{\"name\":\"a\",\"annotations\":{\"readOnlyHint\":true}}", true},
        {"{\"name\":\"a\",\"annotations\":{\"idempotentHint\":true}}", true},
        {"{\"name\":\"a\",\"annotations\":{\"readOnlyHint\":\"true\"}}", false},
        {"{\"name\":\"a\",\"annotations\":{\"readOnlyHint\":false}}", false},
        {"{\"name\":\"a\",\"annotations\":null}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct catalogue *c = catalogue_create(servers, 2);

        const struct fb_text item = fb_text_of(cases[i].item);

        put(c, 0, &item, 1);
        assert_int_equal(catalogue_find(c, FB_TEXT("files__a"))->repeatable, cases[i].repeatable);
        catalogue_destroy(c);
    }
}

static void the_version_is_that_of_the_content(void **state)
{
    struct catalogue *a = catalogue_create(servers, 2);
    struct catalogue *b = catalogue_create(servers, 2);
    const struct fb_text one = FB_TEXT("{\"name\":\"a\"}");
    const struct fb_text other = FB_TEXT("{\"name\":\"b\"}");
    size_t doubled;

    (void)state;
    assert_int_equal(strlen(catalogue_version(a)), CATALOGUE_VERSION_BYTES);
    assert_string_equal(catalogue_version(a), catalogue_version(b));
    put(a, 0, &one, 1);
    assert_string_not_equal(catalogue_version(a), catalogue_version(b));
    put(a, 1, &other, 1);
    put(b, 1, &other, 1);
    put(b, 0, &one, 1);
    assert_string_equal(catalogue_version(a), catalogue_version(b));
    assert_int_equal(catalogue_put(a, 0, &one, 1, &doubled), CATALOGUE_SAME);
    put(a, 0, &other, 1);
    assert_string_not_equal(catalogue_version(a), catalogue_version(b));
    catalogue_destroy(a);
    catalogue_destroy(b);
}

static void a_server_without_tools_is_known_all_the_same(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);

    (void)state;
    assert_false(catalogue_has(c, 0));
    put(c, 0, NULL, 0);
    assert_true(catalogue_has(c, 0));
    assert_false(catalogue_has(c, 1));
    catalogue_destroy(c);
}

static void names_are_found_whole_and_the_nearest_is_told(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);
    const struct fb_text items[] = {FB_TEXT("{\"name\":\"read_file\"}"),
                                    FB_TEXT("{\"name\":\"read\"}")};

    (void)state;
    put(c, 0, items, 2);
    assert_non_null(catalogue_find(c, FB_TEXT("files__read")));
    assert_non_null(catalogue_find(c, FB_TEXT("files__read_file")));
    assert_null(catalogue_find(c, FB_TEXT("files__read_fil")));
    assert_null(catalogue_find(c, FB_TEXT("files__read_files")));
    assert_null(catalogue_find(c, FB_TEXT("")));
    assert_string_equal(catalogue_nearest(c, "files__raed_file"), "files__read_file");
    assert_null(catalogue_nearest(c, "something quite different"));
    catalogue_destroy(c);
}

static void of_tools_with_the_same_name_the_first_stays(void **state)
{
    struct catalogue *c = catalogue_create(servers, 2);
    const struct fb_text items[] = {FB_TEXT("{\"name\":\"a\",\"n\":1}"),
                                    FB_TEXT("{\"name\":\"a\",\"n\":2}")};

    (void)state;
    assert_int_equal(put(c, 0, items, 2), 1);
    assert_true(fb_text_is(catalogue_find(c, FB_TEXT("files__a"))->item,
                           "{\"name\":\"files__a\",\"n\":1}"));
    catalogue_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_of_all_servers_come_out_sorted_by_exposed_name),
        cmocka_unit_test(of_an_item_only_the_name_is_replaced),
        cmocka_unit_test(an_item_that_names_itself_twice_is_renamed_in_both_places),
        cmocka_unit_test(what_reads_only_or_may_run_twice_is_repeatable),
        cmocka_unit_test(the_version_is_that_of_the_content),
        cmocka_unit_test(a_server_without_tools_is_known_all_the_same),
        cmocka_unit_test(names_are_found_whole_and_the_nearest_is_told),
        cmocka_unit_test(of_tools_with_the_same_name_the_first_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
