#include "runtime/config/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/arena.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Pairs of name and value, ended by NULL. */
static const char *look_up(const void *context, const char *name)
{
    const char *const *pairs = context;

    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        if (strcmp(pairs[i], name) == 0) {
            return pairs[i + 1];
        }
    }
    return NULL;
}

static const char *const variables[] = {"USER", "ada", "EMPTY", "", "TRICK", "${USER}", NULL};
static const char *const inputs[] = {"token", "t0ken", NULL};

static const struct fb_expansion expansion = {
    .home = "/home/ada",
    .workspace = "/projects/space",
    .variable = look_up,
    .variables = variables,
    .input = look_up,
    .inputs = inputs,
};

static void each_form_is_replaced_by_what_it_stands_for(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain $USER {USER}", "plain $USER {USER}"},
        {"${USER}", "ada"},
        {"a${USER}b${USER}c", "aadabadac"},
        {"${env:USER}", "ada"},
        {"${EMPTY}", ""},
        {"${UNSET:-x}", "x"},
        {"${UNSET:-}", ""},
        {"${EMPTY:-x y:-z}", "x y:-z"},
        {"${USER:-x}", "ada"},
        {"${env:UNSET:-x}", "x"},
        {"${workspaceFolder}/a", "/projects/space/a"},
        {"${workspaceFolderBasename}", "space"},
        {"${userHome}${/}x${pathSeparator}y", "/home/ada/x/y"},
        {"Bearer ${input:token}", "Bearer t0ken"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *out = NULL;

        assert_true(fb_is_ok(fb_expand(&expansion, cases[i][0], *state, &out)));
        assert_string_equal(out, cases[i][1]);
    }
}

static void what_is_put_in_is_not_expanded_again(void **state)
{
    const char *out = NULL;

    assert_true(fb_is_ok(fb_expand(&expansion, "${TRICK}", *state, &out)));
    assert_string_equal(out, "${USER}");
}

static void what_is_no_form_of_ours_stays(void **state)
{
    static const char *const texts[] = {
        "${",        "${}",        "${USER", "${1}",   "${HOME##*/}", "${x%%.*}", "${a b}",
        "${USER-x}", "${USER:+x}", "$${",    "${a:b}", "}${",         "${:-x}",
    };
    const char *out = NULL;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(fb_is_ok(fb_expand(&expansion, texts[i], *state, &out)));
        assert_string_equal(out, texts[i]);
    }
    assert_true(fb_is_ok(fb_expand(&expansion, "${x%${USER}}", *state, &out)));
    assert_string_equal(out, "${x%ada}");
}

static void a_name_without_a_value_is_named(void **state)
{
    static const char *const cases[][2] = {
        {"a ${UNSET}", "the variable UNSET is not set; ${UNSET:-x} would stand for x then"},
        {"${env:UNSET}", "the variable UNSET is not set; ${UNSET:-x} would stand for x then"},
        {"${input:key}", "the input \"key\" has no value; give it one under flow.inputs"},
        {"${command:pick}", "${command:pick} is known to VS Code alone"},
        {"${config:a.b}", "${config:a.b} is known to VS Code alone"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *out = NULL;
        const struct fb_status status = fb_expand(&expansion, cases[i][0], *state, &out);

        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        assert_string_equal(status.why, cases[i][1]);
    }
}

static void without_a_workspace_asking_for_it_fails(void **state)
{
    struct fb_expansion homeless = expansion;
    const char *out = NULL;

    homeless.workspace = NULL;
    homeless.input = NULL;
    assert_int_equal(fb_expand(&homeless, "${workspaceFolder}", *state, &out).code,
                     FB_INVALID_ARGUMENT);
    assert_int_equal(fb_expand(&homeless, "${input:token}", *state, &out).code,
                     FB_INVALID_ARGUMENT);
}

static void what_grows_beyond_an_argument_is_refused(void **state)
{
    char *text = malloc(FB_EXPANDED_BYTES + 16);
    const char *out = NULL;

    assert_non_null(text);
    memset(text, 'x', FB_EXPANDED_BYTES);
    memcpy(text, "${workspaceFolder}", 18);
    text[FB_EXPANDED_BYTES] = '\0';
    assert_true(fb_is_ok(fb_expand(&expansion, text, *state, &out)));
    memcpy(text, "${/}", 4);
    text[FB_EXPANDED_BYTES] = 'x';
    text[FB_EXPANDED_BYTES + 1] = '\0';
    assert_int_equal(fb_expand(&expansion, text, *state, &out).code, FB_INVALID_ARGUMENT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(each_form_is_replaced_by_what_it_stands_for),
        ARENA_TEST(what_is_put_in_is_not_expanded_again),
        ARENA_TEST(what_is_no_form_of_ours_stays),
        ARENA_TEST(a_name_without_a_value_is_named),
        ARENA_TEST(without_a_workspace_asking_for_it_fails),
        ARENA_TEST(what_grows_beyond_an_argument_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
