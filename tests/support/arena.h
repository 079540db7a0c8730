#ifndef FB_TESTS_SUPPORT_ARENA_H
#define FB_TESTS_SUPPORT_ARENA_H

/*
 * arena: for cmocka, an arena of a test's own in `*state`.
 */

int arena_set_up(void **state);
int arena_tear_down(void **state);

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, arena_set_up, arena_tear_down)

#endif
