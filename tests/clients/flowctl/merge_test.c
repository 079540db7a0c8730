#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clients/flowctl/merge.h"

static const char *const none[] = {NULL};

static struct fb_server_entry program(const char *name, const char *const *argv)
{
    return (struct fb_server_entry){
        .name = name,
        .enabled = true,
        .kind = FB_SERVER_STDIO,
        .argv = argv,
        .env = none,
        .headers = none,
    };
}

static void a_name_that_ours_lacks_is_added(void **state)
{
    const char *const argv[] = {"npx", "a", NULL};
    const struct fb_server_entry theirs = program("a", argv);
    const struct fb_servers ours = {.count = 0};

    (void)state;
    assert_int_equal(merge_judge(&theirs, &ours, NULL, 0, false), MERGE_ADDED);
}

static void a_name_that_ours_has_is_same_or_differs_or_is_replaced(void **state)
{
    const char *const argv[] = {"npx", "a", NULL};
    const char *const longer[] = {"npx", "a", "b", NULL};
    struct fb_server_entry mine = program("a", argv);
    const struct fb_servers ours = {.items = &mine, .count = 1};
    const struct fb_server_entry same = program("a", argv);
    const struct fb_server_entry other = program("a", longer);

    (void)state;
    assert_int_equal(merge_judge(&same, &ours, NULL, 0, true), MERGE_SAME);
    assert_int_equal(merge_judge(&other, &ours, NULL, 0, false), MERGE_DIFFERS);
    assert_int_equal(merge_judge(&other, &ours, NULL, 0, true), MERGE_REPLACED);
}

static void of_two_clients_the_first_one_wins(void **state)
{
    const char *const argv[] = {"one", NULL};
    const char *const other_argv[] = {"two", NULL};
    const struct fb_server_entry first = program("a", argv);
    const struct fb_server_entry again = program("a", argv);
    const struct fb_server_entry second = program("a", other_argv);
    const struct fb_server_entry *const before[] = {&first};
    const struct fb_servers ours = {.count = 0};

    (void)state;
    assert_int_equal(merge_judge(&second, &ours, before, 1, true), MERGE_CONFLICT);
    assert_int_equal(merge_judge(&again, &ours, before, 1, true), MERGE_SAME);
}

static void our_own_gateway_is_never_taken(void **state)
{
    const char *const argv[] = {"/usr/bin/flow-gateway", NULL};
    const struct fb_server_entry theirs = program("x", argv);
    const struct fb_servers ours = {.count = 0};

    (void)state;
    assert_int_equal(merge_judge(&theirs, &ours, NULL, 0, false), MERGE_OURSELF);
}

static void what_only_its_client_knows_cannot_be_used(void **state)
{
    const char *const command[] = {"npx", "--key=${command:key}", NULL};
    const char *const folder[] = {"${workspaceFolder}/tool", NULL};
    const char *const known[] = {"npx", "${HOME}", "${input:key}", NULL};
    const struct fb_server_entry entries[] = {
        program("a", command),
        program("b", folder),
        program("c", known),
    };
    const struct fb_servers ours = {.count = 0};

    (void)state;
    assert_int_equal(merge_judge(&entries[0], &ours, NULL, 0, false), MERGE_UNUSABLE);
    assert_int_equal(merge_judge(&entries[1], &ours, NULL, 0, false), MERGE_UNUSABLE);
    assert_int_equal(merge_judge(&entries[2], &ours, NULL, 0, false), MERGE_ADDED);
}

static void the_inputs_that_want_values_are_named(void **state)
{
    const char *const argv[] = {"npx", "${input:key}-${input:other}", NULL};
    const char *const env[] = {"A=${input:third}", NULL};
    struct fb_server_entry entry = program("a", argv);
    struct fb_buffer out = {.data = NULL};

    (void)state;
    entry.env = env;
    merge_inputs(&entry, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "key, other, third");
    fb_buffer_finish(&out);
}

static void a_server_of_a_project_runs_in_its_folder(void **state)
{
    const char *const relative[] = {"./tool", NULL};
    const char *const found[] = {"npx", NULL};
    struct fb_server_entry limited = program("a", found);
    const struct fb_server_entry in_file = program("b", relative);
    const struct fb_server_entry anywhere = program("c", found);
    struct fb_server_entry settled;
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    limited.project = "/p";
    assert_true(merge_settle(&limited, NULL, &arena, &settled));
    assert_string_equal(settled.cwd, "/p");
    assert_null(settled.project);
    assert_true(merge_settle(&in_file, "/q", &arena, &settled));
    assert_string_equal(settled.cwd, "/q");
    assert_true(merge_settle(&in_file, NULL, &arena, &settled));
    assert_null(settled.cwd);
    assert_true(merge_settle(&anywhere, "/q", &arena, &settled));
    assert_null(settled.cwd);
    fb_arena_finish(&arena);
}

static void the_folder_of_a_project_is_put_where_its_client_would(void **state)
{
    const char *const argv[] = {"npx", "${workspaceFolder}/a:${workspaceFolder}/b", NULL};
    const char *const env[] = {"DIR=${workspaceFolder}", NULL};
    struct fb_server_entry entry = program("a", argv);
    struct fb_server_entry settled;
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    entry.env = env;
    assert_true(merge_settle(&entry, "/q", &arena, &settled));
    assert_string_equal(settled.argv[0], "npx");
    assert_string_equal(settled.argv[1], "/q/a:/q/b");
    assert_null(settled.argv[2]);
    assert_string_equal(settled.env[0], "DIR=/q");
    fb_arena_finish(&arena);
}

static void a_description_shows_no_secret(void **state)
{
    const char *const argv[] = {"npx",     "--api-key", "sk-1", "--token=t",
                                "A_KEY:x", "--port",    "1",    NULL};
    const char *const env[] = {"A=1", "TOKEN=2", NULL};
    struct fb_server_entry entry = program("a", argv);
    const struct fb_server_entry remote = {
        .name = "r", .kind = FB_SERVER_HTTP, .url = "https://h/mcp?key=1", .env = none};
    struct fb_buffer out = {.data = NULL};

    (void)state;
    entry.env = env;
    merge_describe(&entry, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "npx --api-key … --token=… A_KEY:… --port 1  env A, TOKEN");
    fb_buffer_clear(&out, SIZE_MAX);
    merge_describe(&remote, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "https://h/mcp?…");
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_ours_lacks_is_added),
        cmocka_unit_test(a_name_that_ours_has_is_same_or_differs_or_is_replaced),
        cmocka_unit_test(of_two_clients_the_first_one_wins),
        cmocka_unit_test(our_own_gateway_is_never_taken),
        cmocka_unit_test(what_only_its_client_knows_cannot_be_used),
        cmocka_unit_test(the_inputs_that_want_values_are_named),
        cmocka_unit_test(a_server_of_a_project_runs_in_its_folder),
        cmocka_unit_test(the_folder_of_a_project_is_put_where_its_client_would),
        cmocka_unit_test(a_description_shows_no_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
