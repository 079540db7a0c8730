#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/sessions/store_id.h"

static const char *must_be(struct fb_arena *arena, const char *scope, const char *session)
{
    const char *store_id = NULL;
    const struct fb_status status =
        store_id_of(arena, fb_text_of(scope), fb_text_of(session), &store_id);

    assert_string_equal(status.why, "");
    return store_id;
}

static enum fb_code code_of(struct fb_arena *arena, const char *scope, const char *session)
{
    const char *store_id;

    return store_id_of(arena, fb_text_of(scope), fb_text_of(session), &store_id).code;
}

static void without_a_scope_a_session_is_called_the_same_in_the_store(void **state)
{
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_string_equal(must_be(&arena, "", "Fix-it_1.2"), "Fix-it_1.2");
    assert_string_equal(store_id_session("Fix-it_1.2"), "Fix-it_1.2");
    fb_arena_finish(&arena);
}

static void scopes_keep_equal_ids_apart_and_each_finds_its_own_again(void **state)
{
    struct fb_arena arena;
    const char *red;
    const char *blue;

    (void)state;
    fb_arena_init(&arena, 0);
    red = must_be(&arena, "red", "s");
    blue = must_be(&arena, "blue", "s");
    assert_string_not_equal(red, blue);
    assert_string_not_equal(red, "s");
    assert_string_equal(red, must_be(&arena, "red", "s"));
    assert_string_equal(store_id_session(red), "s");
    fb_arena_finish(&arena);
}

static void what_is_no_id_is_refused_with_its_place(void **state)
{
    char longest[130];
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    memset(longest, 'x', sizeof(longest));
    longest[129] = '\0';
    assert_int_equal(code_of(&arena, "", longest), FB_INVALID_ARGUMENT);
    longest[128] = '\0';
    assert_int_equal(code_of(&arena, "", longest), FB_OK);
    assert_int_equal(code_of(&arena, "red", longest), FB_INVALID_ARGUMENT);
    longest[111] = '\0';
    assert_int_equal(code_of(&arena, "red", longest), FB_OK);
    assert_int_equal(strlen(must_be(&arena, "red", longest)), STORE_ID_BYTES);
    assert_int_equal(code_of(&arena, "", ""), FB_INVALID_ARGUMENT);
    assert_int_equal(code_of(&arena, "", "a:b"), FB_INVALID_ARGUMENT);
    assert_int_equal(code_of(&arena, "no scope", "s"), FB_INVALID_ARGUMENT);
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_scope_a_session_is_called_the_same_in_the_store),
        cmocka_unit_test(scopes_keep_equal_ids_apart_and_each_finds_its_own_again),
        cmocka_unit_test(what_is_no_id_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
