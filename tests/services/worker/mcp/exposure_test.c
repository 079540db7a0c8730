#include "services/worker/mcp/exposure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *server_of(const char *configured)
{
    static struct exposure_server out;

    exposure_servers(&configured, 1, &out);
    return out.name;
}

static const char *name_of(const char *server, const char *tool)
{
    static struct exposure_name out;
    const struct fb_text name = fb_text_of(tool);

    assert_int_equal(exposure_names(server, &name, 1, &out), 0);
    return out.name;
}

static void a_legal_server_name_is_kept(void **state)
{
    (void)state;
    assert_string_equal(server_of("filesystem"), "filesystem");
    assert_string_equal(server_of("my-server_2"), "my-server_2");
    assert_string_equal(server_of("abcdefghijklmnopqrstuvwx"), "abcdefghijklmnopqrstuvwx");
}

static void an_illegal_server_name_is_respelled(void **state)
{
    static const struct {
        const char *configured;
        const char *exposed;
    } cases[] = {
        {"My Server", "my-server"}, {"a__b", "a_b"},  {"_hidden_", "hidden"}, {"9lives", "s9lives"},
        {"git.hub/x", "git-hub-x"}, {"", "server"},   {"___", "server"},      {"-dash-", "dash"},
        {"UPPER", "upper"},         {"a___b", "a_b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(server_of(cases[i].configured), cases[i].exposed);
    }
}

static void a_long_server_name_is_cut_and_hashed(void **state)
{
    char first[EXPOSURE_SERVER_BYTES + 1];

    (void)state;
    snprintf(first, sizeof(first), "%s", server_of("abcdefghijklmnopqrstuvwxy"));
    assert_int_equal(strlen(first), EXPOSURE_SERVER_BYTES);
    assert_memory_equal(first, "abcdefghijklmno-", 16);
    assert_string_not_equal(first, server_of("abcdefghijklmnopqrstuvwxz"));
    assert_string_equal(first, server_of("abcdefghijklmnopqrstuvwxy"));
}

static void servers_spelled_alike_are_told_apart_whatever_their_order(void **state)
{
    const char *const one[] = {"my-server", "My Server", "My.Server"};
    const char *const other[] = {"My.Server", "my-server", "My Server"};
    struct exposure_server a[3];
    struct exposure_server b[3];

    (void)state;
    exposure_servers(one, 3, a);
    exposure_servers(other, 3, b);
    assert_string_equal(a[0].name, "my-server");
    assert_string_equal(b[1].name, "my-server");
    assert_string_not_equal(a[1].name, a[2].name);
    assert_string_equal(a[1].name, b[2].name);
    assert_string_equal(a[2].name, b[0].name);
}

static void equal_server_names_still_get_different_exposed_ones(void **state)
{
    const char *const names[] = {"twin", "twin", "twin"};
    struct exposure_server out[3];

    (void)state;
    exposure_servers(names, 3, out);
    assert_string_equal(out[0].name, "twin");
    assert_string_not_equal(out[0].name, out[1].name);
    assert_string_not_equal(out[1].name, out[2].name);
}

static void a_legal_tool_name_is_prefixed_and_otherwise_kept(void **state)
{
    (void)state;
    assert_string_equal(name_of("files", "read_text-file2"), "files__read_text-file2");
    assert_string_equal(name_of("files", "_x"), "files___x");
    assert_string_equal(name_of("files", "a__b"), "files__a__b");
}

static void an_illegal_tool_name_gets_a_stable_hash(void **state)
{
    char dotted[EXPOSURE_NAME_BYTES + 1];

    (void)state;
    snprintf(dotted, sizeof(dotted), "%s", name_of("s", "a.b"));
    assert_memory_equal(dotted, "s__a_b_", 7);
    assert_int_equal(strlen(dotted), 7 + 8);
    assert_string_equal(dotted, name_of("s", "a.b"));
    assert_string_not_equal(dotted, name_of("s", "a/b"));
    assert_memory_equal(name_of("s", "gr\xc3\xb6\xc3\x9f"
                                     "e"),
                        "s__gr__e_", 9);
    assert_memory_equal(name_of("s", ""), "s___", 4);
}

static void a_tool_name_that_is_too_long_is_cut_to_64_with_a_hash(void **state)
{
    char tool[200];
    char fits[EXPOSURE_NAME_BYTES + 1];

    (void)state;
    memset(tool, 'x', sizeof(tool));
    tool[61] = '\0';
    snprintf(fits, sizeof(fits), "%s", name_of("s", tool));
    assert_int_equal(strlen(fits), 64);
    assert_int_equal(fits[63], 'x');
    tool[61] = 'x';
    tool[199] = '\0';
    assert_int_equal(strlen(name_of("s", tool)), 64);
    assert_string_not_equal(fits, name_of("s", tool));
}

static void a_name_may_hold_nul(void **state)
{
    const struct fb_text names[] = {{.data = "a\0b", .size = 3}, {.data = "a\0c", .size = 3}};
    struct exposure_name out[2];

    (void)state;
    assert_int_equal(exposure_names("s", names, 2, out), 0);
    assert_memory_equal(out[0].name, "s__a_b_", 7);
    assert_string_not_equal(out[0].name, out[1].name);
}

static void of_duplicates_only_the_first_is_exposed(void **state)
{
    const struct fb_text names[] = {FB_TEXT("b"), FB_TEXT("a"), FB_TEXT("b"), FB_TEXT("b")};
    struct exposure_name out[4];

    (void)state;
    assert_int_equal(exposure_names("s", names, 4, out), 2);
    assert_string_equal(out[0].name, "s__b");
    assert_string_equal(out[1].name, "s__a");
    assert_string_equal(out[2].name, "");
    assert_string_equal(out[3].name, "");
}

static void a_name_that_looks_like_anothers_alias_keeps_its_own(void **state)
{
    struct exposure_name out[2];
    struct fb_text names[2] = {FB_TEXT("a.b")};
    char alias[EXPOSURE_NAME_BYTES + 1];

    (void)state;
    snprintf(alias, sizeof(alias), "%s", name_of("s", "a.b"));
    names[1] = fb_text_of(alias + 3);
    assert_int_equal(exposure_names("s", names, 2, out), 0);
    assert_string_equal(out[1].name, alias);
    assert_string_not_equal(out[0].name, alias);
    assert_memory_equal(out[0].name, "s__a_b_", 7);
}

static void the_server_is_what_stands_before_the_first_double_underscore(void **state)
{
    (void)state;
    assert_true(fb_text_is(exposure_server_of(FB_TEXT("files__read__x")), "files"));
    assert_true(fb_text_is(exposure_server_of(FB_TEXT("files___x")), "files"));
    assert_int_equal(exposure_server_of(FB_TEXT("files_read")).size, 0);
    assert_int_equal(exposure_server_of(FB_TEXT("")).size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_legal_server_name_is_kept),
        cmocka_unit_test(an_illegal_server_name_is_respelled),
        cmocka_unit_test(a_long_server_name_is_cut_and_hashed),
        cmocka_unit_test(servers_spelled_alike_are_told_apart_whatever_their_order),
        cmocka_unit_test(equal_server_names_still_get_different_exposed_ones),
        cmocka_unit_test(a_legal_tool_name_is_prefixed_and_otherwise_kept),
        cmocka_unit_test(an_illegal_tool_name_gets_a_stable_hash),
        cmocka_unit_test(a_tool_name_that_is_too_long_is_cut_to_64_with_a_hash),
        cmocka_unit_test(a_name_may_hold_nul),
        cmocka_unit_test(of_duplicates_only_the_first_is_exposed),
        cmocka_unit_test(a_name_that_looks_like_anothers_alias_keeps_its_own),
        cmocka_unit_test(the_server_is_what_stands_before_the_first_double_underscore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
