#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/supervisor/place.h"
#include "tests/support/folder.h"

static struct fb_arena arena;
static char folder[FOLDER_BYTES];

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return folder_make(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return folder_remove(folder) ? 0 : -1;
}

static void the_folders_are_made_for_us_alone(void **state)
{
    const char *path = fb_arena_printf(&arena, "%s/a/b", folder);
    struct place place;
    struct stat info;

    (void)state;
    assert_true(fb_is_ok(place_open(&place, path, &arena)));
    assert_string_equal(place.state, path);
    assert_int_equal(stat(place.run, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(stat(place.log, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    place_close(&place);
    place_close(&place);
}

static void there_is_one_suite_per_folder(void **state)
{
    struct place first;
    struct place second;
    struct fb_status status;

    (void)state;
    assert_true(fb_is_ok(place_open(&first, folder, &arena)));
    status = place_open(&second, folder, &arena);
    assert_int_equal(status.code, FB_ALREADY_EXISTS);
    assert_string_equal(status.why,
                        fb_arena_printf(&arena, "a suite runs already in '%s'", folder));
    place_close(&second);
    place_close(&first);
    assert_true(fb_is_ok(place_open(&second, folder, &arena)));
    place_close(&second);
}

static void a_folder_that_others_may_write_to_is_refused(void **state)
{
    struct place place;
    struct fb_status status;

    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    status = place_open(&place, folder, &arena);
    assert_int_equal(status.code, FB_PERMISSION_DENIED);
    assert_string_equal(status.why,
                        fb_arena_printf(&arena, "others may write to folder '%s'", folder));
}

static void a_file_in_the_way_is_named(void **state)
{
    const char *path = fb_arena_printf(&arena, "%s/run", folder);
    FILE *file = fopen(path, "we");
    struct place place;
    struct fb_status status;

    (void)state;
    assert_non_null(file);
    fclose(file);
    status = place_open(&place, folder, &arena);
    assert_int_equal(status.code, FB_UNAVAILABLE);
    assert_string_equal(status.why, fb_arena_printf(&arena, "'%s' is no folder", path));
}

static void a_path_too_long_for_sockets_is_refused_with_the_reason(void **state)
{
    const char *fits = "a-folder-whose-name-has-sixty-bytes-in-all-which-just-fits-i";
    const char *path = fb_arena_printf(&arena, "%s/%s", folder, fits);
    const char *longer = fb_arena_printf(&arena, "%s+", path);
    const char *address;
    struct place place;
    struct fb_status status;

    (void)state;
    assert_true(fb_is_ok(place_open(&place, path, &arena)));
    assert_true(fb_is_ok(place_address(&place, "worker-warm-999", &arena, &address)));
    assert_int_equal(strlen(address), strlen("unix:") + 107);
    place_close(&place);
    status = place_open(&place, longer, &arena);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_string_equal(status.why,
                        fb_arena_printf(&arena,
                                        "state_dir '%s' is 1 bytes too long: the path of a Unix "
                                        "socket has at most 107",
                                        longer));
}

static void the_suite_file_is_replaced_as_a_whole(void **state)
{
    struct place place;
    char text[16] = "";
    FILE *file;
    FILE *before;

    (void)state;
    assert_true(fb_is_ok(place_open(&place, folder, &arena)));
    assert_true(fb_is_ok(place_write_suite(&place, "old", 3, &arena)));
    before = fopen(place.suite_file, "re");
    assert_true(fb_is_ok(place_write_suite(&place, "new!", 4, &arena)));
    assert_non_null(fgets(text, sizeof(text), before));
    assert_string_equal(text, "old");
    fclose(before);
    file = fopen(place.suite_file, "re");
    assert_non_null(fgets(text, sizeof(text), file));
    assert_string_equal(text, "new!");
    fclose(file);
    place_close(&place);
    assert_int_equal(access(place.suite_file, F_OK), -1);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(the_folders_are_made_for_us_alone),
        PLACE_TEST(there_is_one_suite_per_folder),
        PLACE_TEST(a_folder_that_others_may_write_to_is_refused),
        PLACE_TEST(a_file_in_the_way_is_named),
        PLACE_TEST(a_path_too_long_for_sockets_is_refused_with_the_reason),
        PLACE_TEST(the_suite_file_is_replaced_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
