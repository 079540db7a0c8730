#include "runtime/rpc/h2/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct fb_h2_memory memory;
static nghttp2_mem face;

static int set_up(void **state)
{
    (void)state;
    memory = (struct fb_h2_memory){.free_bytes = 0};
    face = fb_h2_memory_face(&memory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_h2_memory_finish(&memory);
    assert_int_equal(memory.free_bytes, 0);
    return 0;
}

static void *take(size_t size)
{
    return face.malloc(size, face.mem_user_data);
}

static void give_back(void *piece)
{
    face.free(piece, face.mem_user_data);
}

static void *resize(void *piece, size_t size)
{
    return face.realloc(piece, size, face.mem_user_data);
}

static void pieces_of_any_size_can_be_written_and_given_back(void **state)
{
    (void)state;
    for (size_t size = 0; size < 5000; size += 37) {
        void *piece = take(size);

        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        memset(piece, 0xaa, size);
        give_back(piece);
    }
}

static void cleared_pieces_are_clear_though_used_before(void **state)
{
    static const uint8_t zeros[300];
    void *piece = take(300);

    (void)state;
    memset(piece, 0xff, 300);
    give_back(piece);
    piece = face.calloc(3, 100, face.mem_user_data);
    assert_memory_equal(piece, zeros, 300);
    give_back(piece);
}

static void a_piece_keeps_its_bytes_when_it_grows_and_shrinks(void **state)
{
    static const size_t sizes[] = {10, 64, 65, 1024, 1025, 100000, 3000, 40};
    char *piece = resize(NULL, 10);

    (void)state;
    memcpy(piece, "0123456789", 10);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        piece = resize(piece, sizes[i]);
        assert_non_null(piece);
        assert_memory_equal(piece, "0123456789", 10);
        memset(piece + 10, 0xee, sizes[i] - 10);
    }
    give_back(piece);
}

static void nothing_may_be_given_back(void **state)
{
    (void)state;
    give_back(NULL);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    assert_null(face.calloc(SIZE_MAX / 2, 3, face.mem_user_data));
    assert_null(take(SIZE_MAX - 1));
}

static void what_is_kept_is_bounded(void **state)
{
    enum { COUNT = 3000 };
    static void *pieces[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        pieces[i] = take(1000);
    }
    for (int i = 0; i < COUNT; i++) {
        give_back(pieces[i]);
    }
    assert_in_range(memory.free_bytes, 0, 1024 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_any_size_can_be_written_and_given_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(cleared_pieces_are_clear_though_used_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_piece_keeps_its_bytes_when_it_grows_and_shrinks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_may_be_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes_that_overflow_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_is_bounded, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
