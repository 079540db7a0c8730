#define _GNU_SOURCE /* flock, mkdtemp */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients/flowctl/suite.h"

static const char told[] = "{\"version\":\"0.1.0\",\"pid\":7,\"started_unix_ms\":5,\"programs\":[\n"
                           "{\"name\":\"store\",\"address\":\"unix:/s\",\"state\":\"running\","
                           "\"pid\":8,\"started_unix_ms\":6,\"starts\":2}\n]}\n";

static void what_the_supervisor_says_is_read(void **state)
{
    struct fb_arena arena;
    struct suite suite = {.version = ""};

    (void)state;
    fb_arena_init(&arena, 0);
    assert_int_equal(suite_parse(fb_text_of(told), &arena, &suite).code, FB_OK);
    assert_string_equal(suite.version, "0.1.0");
    assert_int_equal(suite.pid, 7);
    assert_int_equal(suite.count, 1);
    assert_string_equal(suite.programs[0].name, "store");
    assert_string_equal(suite.programs[0].address, "unix:/s");
    assert_string_equal(suite.programs[0].state, "running");
    assert_int_equal(suite.programs[0].pid, 8);
    assert_int_equal(suite.programs[0].starts, 2);
    fb_arena_finish(&arena);
}

static void what_is_none_of_its_files_is_refused(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{}", "{\"programs\":1}", "null"};
    struct fb_arena arena;
    struct suite suite = {.version = ""};

    (void)state;
    fb_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(suite_parse(fb_text_of(texts[i]), &arena, &suite).code,
                         FB_INVALID_ARGUMENT);
    }
    fb_arena_finish(&arena);
}

static void fields_of_other_types_read_as_absent(void **state)
{
    struct fb_arena arena;
    struct suite suite = {.version = ""};

    (void)state;
    fb_arena_init(&arena, 0);
    assert_int_equal(
        suite_parse(FB_TEXT("{\"version\":1,\"pid\":\"x\",\"programs\":[3,{\"pid\":1e9}]}"), &arena,
                    &suite)
            .code,
        FB_OK);
    assert_string_equal(suite.version, "");
    assert_int_equal(suite.pid, 0);
    assert_int_equal(suite.count, 2);
    assert_string_equal(suite.programs[1].name, "");
    assert_int_equal(suite.programs[1].pid, 0);
    fb_arena_finish(&arena);
}

static void it_runs_as_long_as_its_lock_is_held(void **state)
{
    char folder[] = "/tmp/suite-XXXXXX";
    char path[64];
    struct fb_arena arena;
    struct suite suite;
    FILE *file;
    int lock;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(suite_read(folder, &arena, &suite).code, FB_OK);
    assert_false(suite.runs || suite.is_told);

    snprintf(path, sizeof(path), "%s/run", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/run/suite.json", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(told, file);
    fclose(file);
    assert_int_equal(suite_read(folder, &arena, &suite).code, FB_OK);
    assert_true(suite.is_told);
    assert_false(suite.runs);

    snprintf(path, sizeof(path), "%s/run/suite.lock", folder);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(suite_read(folder, &arena, &suite).code, FB_OK);
    assert_true(suite.runs);
    close(lock);
    assert_int_equal(suite_read(folder, &arena, &suite).code, FB_OK);
    assert_false(suite.runs);

    unlink(path);
    snprintf(path, sizeof(path), "%s/run/suite.json", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/run", folder);
    rmdir(path);
    rmdir(folder);
    fb_arena_finish(&arena);
}

static void the_entry_for_clients_names_only_what_is_unusual(void **state)
{
    struct fb_buffer out = {.data = NULL};

    (void)state;
    suite_client_entry("/b/flow-gateway", NULL, NULL, &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "{\"command\": \"/b/flow-gateway\", \"args\": []}");
    fb_buffer_clear(&out, SIZE_MAX);
    suite_client_entry("/b c/g", "/s", "/c\"d", &out);
    fb_buffer_append(&out, "", 1);
    assert_string_equal(out.data, "{\"command\": \"/b c/g\", \"args\": [\"--state-dir\", \"/s\", "
                                  "\"--config\", \"/c\\\"d\"]}");
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_supervisor_says_is_read),
        cmocka_unit_test(what_is_none_of_its_files_is_refused),
        cmocka_unit_test(fields_of_other_types_read_as_absent),
        cmocka_unit_test(it_runs_as_long_as_its_lock_is_held),
        cmocka_unit_test(the_entry_for_clients_names_only_what_is_unusual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
