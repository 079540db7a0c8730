#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients/flowctl/replace.h"
#include "tests/support/folder.h"

struct world {
    char folder[FOLDER_BYTES];
    struct fb_arena arena;
};

static int begin(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL) {
        return -1;
    }
    fb_arena_init(&world->arena, 0);
    *state = world;
    return folder_make(world->folder) ? 0 : -1;
}

static int end(void **state)
{
    struct world *world = *state;
    const bool removed = folder_remove(world->folder);

    fb_arena_finish(&world->arena);
    free(world);
    return removed ? 0 : -1;
}

static const char *in(struct world *world, const char *name)
{
    return fb_arena_printf(&world->arena, "%s/%s", world->folder, name);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect(const char *path, const char *wanted)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) < sizeof(text));
    fclose(file);
    assert_string_equal(text, wanted);
}

static void a_new_file_is_made_with_its_folders_for_us_alone(void **state)
{
    struct world *world = *state;
    const char *path = in(world, "a/b/file");
    const char *backup = "";
    struct stat found;

    assert_int_equal(replace_file(path, FB_TEXT("new"), &world->arena, &backup).code, FB_OK);
    expect(path, "new");
    assert_null(backup);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(stat(in(world, "a"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
}

static void the_file_before_is_kept_and_its_mode_stays(void **state)
{
    struct world *world = *state;
    const char *path = in(world, "file");
    const char *first;
    const char *second;
    struct stat found;

    put(path, "one");
    chmod(path, 0644);
    assert_int_equal(replace_file(path, FB_TEXT("two"), &world->arena, &first).code, FB_OK);
    assert_int_equal(replace_file(path, FB_TEXT("three"), &world->arena, &second).code, FB_OK);
    expect(path, "three");
    expect(first, "one");
    expect(second, "two");
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0644);
}

static void a_link_stays_and_what_it_leads_to_is_replaced(void **state)
{
    struct world *world = *state;
    const char *path = in(world, "file");
    const char *alias = in(world, "alias");
    const char *backup;
    struct stat found;

    put(path, "one");
    assert_int_equal(symlink(path, alias), 0);
    assert_int_equal(replace_file(alias, FB_TEXT("two"), &world->arena, &backup).code, FB_OK);
    expect(path, "two");
    assert_int_equal(lstat(alias, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
}

static void a_folder_in_its_place_is_refused(void **state)
{
    struct world *world = *state;
    const char *backup;
    struct fb_status status;

    status = replace_file(world->folder, FB_TEXT("x"), &world->arena, &backup);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    status = replace_file("name", FB_TEXT("x"), &world->arena, &backup);
    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
}

static void where_no_folder_can_be_made_the_words_name_it(void **state)
{
    struct world *world = *state;
    const char *backup;
    struct fb_status status;

    put(in(world, "file"), "x");
    status = replace_file(in(world, "file/below/y"), FB_TEXT("x"), &world->arena, &backup);
    assert_false(fb_is_ok(status));
    assert_non_null(strstr(status.why, "/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_is_made_with_its_folders_for_us_alone, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_file_before_is_kept_and_its_mode_stays, begin, end),
        cmocka_unit_test_setup_teardown(a_link_stays_and_what_it_leads_to_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_in_its_place_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(where_no_folder_can_be_made_the_words_name_it, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
