#include "runtime/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_is_handed_out_is_aligned_and_apart(void **state)
{
    struct fb_arena arena;
    char *before = NULL;

    (void)state;
    fb_arena_init(&arena, 0);
    for (size_t size = 0; size < 3000; size += 7) {
        char *memory = fb_arena_alloc(&arena, size);

        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(memory, before);
        memset(memory, 0xa5, size);
        before = memory;
    }
    fb_arena_finish(&arena);
}

static void cleared_memory_is_all_zero_even_after_a_reset(void **state)
{
    struct fb_arena arena;
    const unsigned char *memory;

    (void)state;
    fb_arena_init(&arena, 0);
    memset(fb_arena_alloc(&arena, 512), 0xff, 512);
    fb_arena_reset(&arena);
    memory = fb_arena_zalloc(&arena, 64, 8);
    assert_non_null(memory);
    for (size_t i = 0; i < 512; i++) {
        assert_int_equal(memory[i], 0);
    }
    fb_arena_finish(&arena);
}

static void nothing_goes_beyond_the_limit(void **state)
{
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 4096);
    assert_non_null(fb_arena_alloc(&arena, 4000));
    assert_null(fb_arena_alloc(&arena, 200));
    assert_non_null(fb_arena_alloc(&arena, 96));
    assert_null(fb_arena_alloc(&arena, 1));
    fb_arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(fb_arena_alloc(&arena, 4096));
    fb_arena_finish(&arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_null(fb_arena_alloc(&arena, SIZE_MAX));
    assert_null(fb_arena_alloc(&arena, SIZE_MAX - 64));
    assert_null(fb_arena_zalloc(&arena, SIZE_MAX / 2, 3));
    assert_null(fb_arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(fb_arena_zalloc(&arena, 0, 8));
    fb_arena_finish(&arena);
}

static void a_block_larger_than_any_other_is_served_and_not_kept(void **state)
{
    struct fb_arena arena;
    char *memory;

    (void)state;
    fb_arena_init(&arena, 0);
    memory = fb_arena_alloc(&arena, 3 * 1024 * 1024);
    assert_non_null(memory);
    memset(memory, 1, 3 * 1024 * 1024);
    fb_arena_reset(&arena);
    assert_null(arena.blocks);
    assert_non_null(fb_arena_alloc(&arena, 1));
    fb_arena_finish(&arena);
}

static void a_reset_arena_gives_the_same_memory_again(void **state)
{
    struct fb_arena arena;
    const void *first;

    (void)state;
    fb_arena_init(&arena, 0);
    fb_arena_reset(&arena);
    first = fb_arena_alloc(&arena, 100);
    fb_arena_reset(&arena);
    assert_ptr_equal(fb_arena_alloc(&arena, 100), first);
    fb_arena_finish(&arena);
    fb_arena_finish(&arena);
}

static void a_copy_has_its_bytes_and_a_nul_behind_them(void **state)
{
    struct fb_arena arena;
    const char *copy;

    (void)state;
    fb_arena_init(&arena, 0);
    copy = fb_arena_copy(&arena, "a\0b", 3);
    assert_memory_equal(copy, "a\0b\0", 4);
    assert_string_equal(fb_arena_copy(&arena, NULL, 0), "");
    fb_arena_finish(&arena);
}

static void printed_text_is_whole(void **state)
{
    struct fb_arena arena;

    (void)state;
    fb_arena_init(&arena, 0);
    assert_string_equal(fb_arena_printf(&arena, "%s has %d", "w1", 7), "w1 has 7");
    assert_int_equal(strlen(fb_arena_printf(&arena, "%5000d", 1)), 5000);
    fb_arena_finish(&arena);
}

static void a_failure_keeps_its_code_when_there_is_no_room_for_its_words(void **state)
{
    struct fb_arena arena;
    struct fb_status status;

    (void)state;
    fb_arena_init(&arena, 64);
    status = fb_arena_fail(&arena, FB_NOT_FOUND, "no worker %s", "w1");
    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "no worker w1");
    status = fb_arena_fail(&arena, FB_NOT_FOUND, "no worker %100s", "w1");
    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "no worker %100s");
    fb_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_handed_out_is_aligned_and_apart),
        cmocka_unit_test(cleared_memory_is_all_zero_even_after_a_reset),
        cmocka_unit_test(nothing_goes_beyond_the_limit),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_block_larger_than_any_other_is_served_and_not_kept),
        cmocka_unit_test(a_reset_arena_gives_the_same_memory_again),
        cmocka_unit_test(a_copy_has_its_bytes_and_a_nul_behind_them),
        cmocka_unit_test(printed_text_is_whole),
        cmocka_unit_test(a_failure_keeps_its_code_when_there_is_no_room_for_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
