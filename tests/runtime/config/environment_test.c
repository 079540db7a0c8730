#include "runtime/config/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/arena.h"

static void programs_meet_below_home_whatever_else_is_set(void **state)
{
    setenv("HOME", "/home/ada", 1);
    setenv("XDG_CONFIG_HOME", "/elsewhere", 1);
    setenv("XDG_STATE_HOME", "/elsewhere", 1);
    setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
    assert_string_equal(fb_config_home(*state), "/home/ada");
    assert_string_equal(fb_config_dir(*state), "/home/ada/.config/flow-balancer");
    assert_string_equal(fb_config_default_path(*state),
                        "/home/ada/.config/flow-balancer/config.json");
    assert_string_equal(fb_config_state_dir(*state), "/home/ada/.local/state/flow-balancer");
}

static void only_a_leading_tilde_is_the_home(void **state)
{
    setenv("HOME", "/home/ada", 1);
    assert_string_equal(fb_config_path(*state, "~/x"), "/home/ada/x");
    assert_string_equal(fb_config_path(*state, "/a/~/x"), "/a/~/x");
    assert_string_equal(fb_config_path(*state, "~eve/x"), "~eve/x");
    setenv("HOME", "/", 1);
    assert_string_equal(fb_config_path(*state, "~/x"), "/x");
}

static void a_relative_path_is_counted_from_the_working_folder(void **state)
{
    assert_int_equal(chdir("/tmp"), 0);
    assert_string_equal(fb_config_absolute(*state, "a/b"), "/tmp/a/b");
    assert_string_equal(fb_config_absolute(*state, "./b"), "/tmp/./b");
    assert_string_equal(fb_config_absolute(*state, "/a/b"), "/a/b");
}

static void without_a_usable_home_the_user_database_is_asked(void **state)
{
    unsetenv("HOME");
    assert_int_equal(fb_config_home(*state)[0], '/');
    setenv("HOME", "relative", 1);
    assert_int_equal(fb_config_home(*state)[0], '/');
}

static void an_unset_variable_is_null_and_an_empty_one_is_not(void **state)
{
    (void)state;
    setenv("FB_TEST_EMPTY", "", 1);
    unsetenv("FB_TEST_UNSET");
    assert_string_equal(fb_config_environment("FB_TEST_EMPTY"), "");
    assert_null(fb_config_environment("FB_TEST_UNSET"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(programs_meet_below_home_whatever_else_is_set),
        ARENA_TEST(only_a_leading_tilde_is_the_home),
        ARENA_TEST(a_relative_path_is_counted_from_the_working_folder),
        ARENA_TEST(without_a_usable_home_the_user_database_is_asked),
        cmocka_unit_test(an_unset_variable_is_null_and_an_empty_one_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
