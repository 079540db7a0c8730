#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "clients/flowctl/which.h"
#include "tests/support/folder.h"

static void make(const char *path, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void the_first_folder_that_has_the_program_is_taken(void **state)
{
    char folder[FOLDER_BYTES];
    struct fb_arena arena;
    const char *path;
    const char *wanted;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(folder_make(folder));
    mkdir(fb_arena_printf(&arena, "%s/a", folder), 0700);
    mkdir(fb_arena_printf(&arena, "%s/b", folder), 0700);
    mkdir(fb_arena_printf(&arena, "%s/a/dir", folder), 0700);
    make(fb_arena_printf(&arena, "%s/a/tool", folder), 0600);
    wanted = fb_arena_printf(&arena, "%s/b/tool", folder);
    make(wanted, 0700);
    path = fb_arena_printf(&arena, "/no-such:%s/a:%s/b:", folder, folder);

    assert_string_equal(which("tool", path, NULL, &arena), wanted);
    assert_null(which("dir", path, NULL, &arena));
    assert_null(which("other", path, NULL, &arena));
    assert_null(which("tool", "", NULL, &arena));
    assert_null(which("tool", NULL, NULL, &arena));

    assert_true(folder_remove(folder));
    fb_arena_finish(&arena);
}

static void a_command_with_a_slash_is_not_looked_up(void **state)
{
    char folder[FOLDER_BYTES];
    struct fb_arena arena;
    const char *wanted;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_true(folder_make(folder));
    wanted = fb_arena_printf(&arena, "%s/./tool", folder);
    make(wanted, 0700);

    assert_string_equal(which(wanted, "/no-such", NULL, &arena), wanted);
    assert_string_equal(which("./tool", "/no-such", folder, &arena), wanted);
    assert_null(which("./other", folder, folder, &arena));

    assert_true(folder_remove(folder));
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_folder_that_has_the_program_is_taken),
        cmocka_unit_test(a_command_with_a_slash_is_not_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
