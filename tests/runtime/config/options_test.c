#include "runtime/config/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct config {
    const char *listen;
    int64_t grace_ms;
    bool verbose;
    struct fb_strings routers;
    const char *token;
};

struct common {
    int level;
};

static const char *const levels[] = {"debug", "info", NULL};

static const struct fb_option own[] = {
    {"listen", FB_OPTION_ADDRESS, offsetof(struct config, listen), .fallback = "127.0.0.1:7070",
     .help = "where others reach us"},
    {"heartbeat_grace", FB_OPTION_DURATION, offsetof(struct config, grace_ms), .fallback = "6s",
     .least = "1s", .most = "5m", .help = "silence after which a worker is gone"},
    {"verbose", FB_OPTION_BOOL, offsetof(struct config, verbose), .help = "say more"},
    {"router", FB_OPTION_ADDRESSES, offsetof(struct config, routers), .help = "whom to ask"},
    {"token", FB_OPTION_STRING, offsetof(struct config, token), .help = "a word", .secret = true},
    {.name = NULL},
};

static const struct fb_option shared[] = {
    {"log_level", FB_OPTION_CHOICE, offsetof(struct common, level), .fallback = "info",
     .choices = levels, .help = "lines below it are left out"},
    {.name = NULL},
};

/* A program about to read its options, with a home of its own. */
struct world {
    struct fb_arena arena;
    struct config config;
    struct common common;
    struct fb_options_plan plan;
    struct fb_options options;
    char home[64];
    char path[128];
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL) {
        return -1;
    }
    *state = world;
    fb_arena_init(&world->arena, 0);
    snprintf(world->home, sizeof(world->home), "/tmp/fb-options-XXXXXX");
    if (mkdtemp(world->home) == NULL) {
        return -1;
    }
    snprintf(world->path, sizeof(world->path), "%s/config.json", world->home);
    setenv("HOME", world->home, 1);
    world->plan = (struct fb_options_plan){
        .section = "router",
        .executable = "flow-router",
        .purpose = "Routes calls",
        .version = "1.2.3",
        .sets = {{own, &world->config}, {shared, &world->common}},
    };
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    unlink(world->path);
    rmdir(world->home);
    fb_arena_finish(&world->arena);
    free(world);
    return 0;
}

static void write_file(const struct world *world, const char *text)
{
    FILE *file = fopen(world->path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* The arguments, split at spaces. */
static struct fb_status read_options(struct world *world, const char *arguments)
{
    static char text[512];
    char *argv[32] = {(char[]){"flow-router"}};
    int argc = 1;
    char *rest;

    snprintf(text, sizeof(text), "%s", arguments);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    return fb_options_read(&world->plan, argc, argv, &world->arena, &world->options);
}

static void assert_read(struct world *world, const char *arguments)
{
    const struct fb_status status = read_options(world, arguments);

    assert_string_equal(status.why, "");
    assert_true(fb_is_ok(status));
}

static void assert_refused(struct world *world, const char *arguments, const char *why)
{
    const struct fb_status status = read_options(world, arguments);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why, why);
}

static void without_arguments_and_file_the_fallbacks_hold(void **state)
{
    struct world *world = *state;
    char expected[128];

    assert_read(world, "");
    assert_int_equal(world->options.wish, FB_WISH_RUN);
    assert_false(world->options.file_read);
    assert_string_equal(world->config.listen, "127.0.0.1:7070");
    assert_int_equal(world->config.grace_ms, 6000);
    assert_int_equal(world->common.level, 1);
    snprintf(expected, sizeof(expected), "%s/.config/flow-balancer/config.json", world->home);
    assert_string_equal(world->options.path, expected);
}

static void an_argument_may_be_spelled_in_each_usual_way(void **state)
{
    static const char *const spellings[] = {
        "--heartbeat-grace 7s --verbose",
        "--heartbeat_grace=7s --verbose=yes",
        "--heartbeat-grace=7s --no-verbose --verbose",
        "--heartbeat-grace 1s --verbose --heartbeat_grace 7s",
    };

    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct world *world = *state;

        assert_read(world, spellings[i]);
        assert_int_equal(world->config.grace_ms, 7000);
        assert_true(world->config.verbose);
    }
    assert_read(*state, "--verbose --no-verbose");
    assert_false(((struct world *)*state)->config.verbose);
}

static void arguments_win_over_the_file_and_the_file_over_fallbacks(void **state)
{
    struct world *world = *state;
    char arguments[256];

    write_file(world,
               "{\"flow\": {\"router\": {\"listen\": \"[::1]:1\", \"heartbeat_grace\": \"9s\","
               " \"verbose\": true, \"router\": [\"a:1\", \"b:2\"], \"token\": null,"
               " \"log_level\": \"debug\"}, \"worker\": {\"listen\": 5}}, \"mcpServers\": 7}");
    snprintf(arguments, sizeof(arguments), "--config %s --heartbeat-grace 8s --no-verbose",
             world->path);
    assert_read(world, arguments);
    assert_true(world->options.file_read);
    assert_string_equal(world->config.listen, "[::1]:1");
    assert_int_equal(world->config.grace_ms, 8000);
    assert_false(world->config.verbose);
    assert_int_equal(world->config.routers.count, 2);
    assert_null(world->config.token);
    assert_int_equal(world->common.level, 0);
    assert_int_equal(world->options.notes.count, 0);
}

static void a_list_given_as_arguments_replaces_that_of_the_file(void **state)
{
    struct world *world = *state;
    char arguments[256];

    write_file(world, "{\"flow\": {\"router\": {\"router\": \"a:1\"}}}");
    snprintf(arguments, sizeof(arguments), "--config=%s --router b:2 --router c:3,d:4",
             world->path);
    assert_read(world, arguments);
    assert_int_equal(world->config.routers.count, 3);
    assert_string_equal(world->config.routers.items[0], "b:2");
    assert_string_equal(world->config.routers.items[2], "d:4");
    assert_null(world->config.routers.items[3]);
}

static void a_mistyped_argument_is_told_its_nearest(void **state)
{
    assert_refused(*state, "--lisen x", "--lisen: unknown option, did you mean --listen?");
    assert_refused(*state, "--heartbeat-grade=1s",
                   "--heartbeat-grade: unknown option, did you mean --heartbeat-grace?");
    assert_refused(*state, "--vesion", "--vesion: unknown option, did you mean --version?");
    assert_refused(*state, "--xyzzy", "--xyzzy: unknown option; --help lists all");
    assert_refused(*state, "-x", "-x: unknown option; --help lists all");
    assert_refused(*state, "--no-listen", "--no-listen: unknown option, did you mean --listen?");
}

static void a_bad_argument_is_named_with_what_is_allowed(void **state)
{
    assert_refused(*state, "--heartbeat-grace 6x",
                   "--heartbeat-grace: \"6x\" is not a duration like 200ms, 30s or 5m, from 1s to "
                   "5m");
    assert_refused(*state, "--listen", "--listen: its value is missing");
    assert_refused(*state, "--listen --verbose", "--listen: its value is missing");
    assert_refused(*state, "--help=yes", "--help: takes no value");
    assert_refused(*state, "stray", "stray: unexpected argument; options begin with --");
}

static void a_bad_value_in_the_file_is_named_with_its_place(void **state)
{
    struct world *world = *state;
    char arguments[256];
    char why[512];

    snprintf(arguments, sizeof(arguments), "--config %s", world->path);
    write_file(world, "{\n  \"flow\": {\"router\": {\n    \"heartbeat_grace\": 6\n  }}\n}");
    snprintf(why, sizeof(why),
             "%s:3:24: flow.router.heartbeat_grace: \"6\" is not a duration like 200ms, 30s or 5m, "
             "from 1s to 5m",
             world->path);
    assert_refused(world, arguments, why);
    write_file(world, "{\"flow\": {\"router\": {\"verbose\": \"perhaps\"}}}");
    snprintf(why, sizeof(why), "%s:1:33: flow.router.verbose: \"perhaps\" is not true or false",
             world->path);
    assert_refused(world, arguments, why);
    write_file(world, "{\"flow\": {\"router\": {\"listen\": {}}}}");
    snprintf(why, sizeof(why),
             "%s:1:32: flow.router.listen: wanted an address: host:port, [::1]:port, dns:host:port "
             "or unix:/path",
             world->path);
    assert_refused(world, arguments, why);
    write_file(world, "{\"flow\": []}");
    snprintf(why, sizeof(why), "%s:1:10: flow: wanted an object in braces", world->path);
    assert_refused(world, arguments, why);
    write_file(world, "{\"flow\": {\"router\": 5}}");
    snprintf(why, sizeof(why), "%s:1:21: flow.router: wanted an object in braces", world->path);
    assert_refused(world, arguments, why);
}

static void an_unknown_key_in_the_file_is_a_note_with_its_nearest(void **state)
{
    struct world *world = *state;
    char arguments[256];
    char note[512];

    write_file(world, "{\"flow\": {\"router\": {\"lisen\": 1,\n\"xyzzy\": 2}}}");
    snprintf(arguments, sizeof(arguments), "--config %s", world->path);
    assert_read(world, arguments);
    assert_int_equal(world->options.notes.count, 2);
    snprintf(note, sizeof(note),
             "%s:1:22: flow.router.lisen: unknown key, did you mean \"listen\"?", world->path);
    assert_string_equal(world->options.notes.items[0].text, note);
    snprintf(note, sizeof(note), "%s:2:1: flow.router.xyzzy: unknown key", world->path);
    assert_string_equal(world->options.notes.items[1].text, note);
}

static void a_file_that_was_asked_for_must_be_there(void **state)
{
    const struct fb_status status = read_options(*state, "--config /nowhere/x.json");

    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "/nowhere/x.json: there is no such file");
}

static void a_wish_is_granted_whatever_else_is_wrong(void **state)
{
    struct world *world = *state;

    assert_read(world, "--config /nowhere/x.json --heartbeat-grace 6x --help --xyzzy");
    assert_int_equal(world->options.wish, FB_WISH_HELP);
    assert_read(world, "-h");
    assert_int_equal(world->options.wish, FB_WISH_HELP);
    assert_read(world, "--version");
    assert_int_equal(world->options.wish, FB_WISH_VERSION);
    assert_read(world, "--print-schema");
    assert_int_equal(world->options.wish, FB_WISH_PRINT_SCHEMA);
    assert_refused(world, "--print-config --heartbeat-grace 6x",
                   "--heartbeat-grace: \"6x\" is not a duration like 200ms, 30s or 5m, from 1s to "
                   "5m");
}

static void what_is_left_over_is_kept_for_programs_that_want_it(void **state)
{
    struct world *world = *state;

    world->plan.takes_rest = true;
    assert_read(world, "tools --verbose ls - -- --listen");
    assert_int_equal(world->options.rest_count, 4);
    assert_string_equal(world->options.rest[1], "ls");
    assert_string_equal(world->options.rest[2], "-");
    assert_string_equal(world->options.rest[3], "--listen");
    assert_null(world->options.rest[4]);
    world->plan.rest_ends_options = true;
    assert_read(world, "--verbose import --dry-run");
    assert_int_equal(world->options.rest_count, 2);
    assert_string_equal(world->options.rest[1], "--dry-run");
}

static void help_lists_every_option_with_range_and_default(void **state)
{
    struct world *world = *state;
    struct fb_buffer out = {0};
    static const char *const expected[] = {
        "Usage: flow-router [options]\n\nRoutes calls.\n",
        "  --listen ADDRESS            where others reach us;",
        "(default 127.0.0.1:7070)\n",
        "  --heartbeat-grace DURATION  silence after which",
        "from 1s to 5m (default 6s)\n",
        "  --[no-]verbose              say more\n",
        "  --log-level WORD            lines below it are left out; one of debug, info (default ",
        "  --config PATH ",
        "  --print-config ",
        "  --print-schema ",
        "  --version ",
        "flow.router",
    };

    fb_options_help(&world->plan, &out);
    fb_buffer_append(&out, "", 1);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (strstr(out.data, expected[i]) == NULL) {
            print_error("not there: %s\nin:\n%s", expected[i], out.data);
        }
        assert_non_null(strstr(out.data, expected[i]));
    }
    for (char *rest, *line = strtok_r(out.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_true(strlen(line) <= 100);
    }
    fb_buffer_finish(&out);
}

static void what_is_printed_reads_back_but_for_secrets(void **state)
{
    struct world *world = *state;
    struct fb_buffer out = {0};
    char arguments[256];

    assert_read(world, "--listen [::1]:9 --heartbeat-grace 90s --verbose --router a:1,b:2 "
                       "--token hunter2 --log-level debug");
    fb_options_print(&world->plan, &out);
    fb_buffer_append(&out, "", 1);
    assert_null(strstr(out.data, "hunter2"));
    write_file(world, out.data);
    fb_buffer_finish(&out);
    snprintf(arguments, sizeof(arguments), "--config %s", world->path);
    assert_read(world, arguments);
    assert_string_equal(world->config.listen, "[::1]:9");
    assert_int_equal(world->config.grace_ms, 90000);
    assert_true(world->config.verbose);
    assert_int_equal(world->config.routers.count, 2);
    assert_string_equal(world->config.token, "(set)");
    assert_int_equal(world->common.level, 0);
}

static void running_out_of_memory_is_a_status(void **state)
{
    struct world *world = *state;
    char arguments[256];
    bool read = false;

    write_file(world, "{\"flow\": {\"router\": {\"listen\": \"[::1]:1\", \"lisen\": 1,"
                      " \"router\": [\"a:1\", \"b:2\"]}}}");
    snprintf(arguments, sizeof(arguments), "--config %s --router c:3 --router d:4 --token x",
             world->path);
    for (size_t limit = 1; !read; limit += 48) {
        struct fb_status status;

        fb_arena_finish(&world->arena);
        fb_arena_init(&world->arena, limit);
        status = read_options(world, arguments);
        read = fb_is_ok(status) && world->options.notes.count == 1;
        assert_true(fb_is_ok(status) || status.code == FB_RESOURCE_EXHAUSTED);
        if (fb_is_ok(status)) {
            assert_string_equal(world->config.listen, "[::1]:1");
            assert_int_equal(world->config.routers.count, 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_arguments_and_file_the_fallbacks_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_argument_may_be_spelled_in_each_usual_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(arguments_win_over_the_file_and_the_file_over_fallbacks,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_given_as_arguments_replaces_that_of_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_mistyped_argument_is_told_its_nearest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_argument_is_named_with_what_is_allowed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_bad_value_in_the_file_is_named_with_its_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_in_the_file_is_a_note_with_its_nearest,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_was_asked_for_must_be_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wish_is_granted_whatever_else_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_over_is_kept_for_programs_that_want_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(help_lists_every_option_with_range_and_default, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_printed_reads_back_but_for_secrets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(running_out_of_memory_is_a_status, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
