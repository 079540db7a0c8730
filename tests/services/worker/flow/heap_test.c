#include "services/worker/flow/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IDS = 200 };

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

/* The id that comes right after (`key`, `id`) in order, by looking at all. */
static uint32_t next_by_looking(const struct heap *heap, double key, uint32_t id)
{
    uint32_t best = HEAP_NONE;

    for (uint32_t i = 0; i < IDS; i++) {
        if (!heap_has(heap, i)) {
            continue;
        }
        if (heap_key(heap, i) > key || (heap_key(heap, i) == key && i <= id)) {
            continue;
        }
        if (best == HEAP_NONE || heap_key(heap, i) > heap_key(heap, best)) {
            best = i;
        }
    }
    return best;
}

static void an_empty_heap_has_no_top_and_ends_its_walk_at_once(void **state)
{
    struct heap heap = {0};

    (void)state;
    assert_int_equal(heap_top(&heap), HEAP_NONE);
    heap_walk(&heap);
    assert_int_equal(heap_walk_next(&heap), HEAP_NONE);
    assert_false(heap_has(&heap, 0));
    heap_finish(&heap);
}

static void equal_keys_go_by_the_lower_id(void **state)
{
    struct heap heap = {0};

    (void)state;
    assert_true(heap_reserve(&heap, 3));
    heap_put(&heap, 2, 1);
    heap_put(&heap, 0, 1);
    heap_put(&heap, 1, 1);
    heap_walk(&heap);
    assert_int_equal(heap_walk_next(&heap), 0);
    assert_int_equal(heap_walk_next(&heap), 1);
    assert_int_equal(heap_walk_next(&heap), 2);
    assert_int_equal(heap_walk_next(&heap), HEAP_NONE);
    heap_finish(&heap);
}

static void after_any_puts_moves_and_removals_a_walk_meets_all_in_order(void **state)
{
    struct heap heap = {0};
    uint64_t seed = 1;

    (void)state;
    assert_true(heap_reserve(&heap, IDS));
    for (int round = 0; round < 2000; round++) {
        uint32_t id = random_below(&seed, IDS);
        double key = 1e9;
        uint32_t last = 0;
        uint32_t met = 0;

        if (random_below(&seed, 3) == 0) {
            heap_remove(&heap, id);
        } else {
            heap_put(&heap, id, random_below(&seed, 50));
        }
        heap_walk(&heap);
        for (uint32_t at = heap_walk_next(&heap); at != HEAP_NONE; at = heap_walk_next(&heap)) {
            assert_int_equal(at, next_by_looking(&heap, key, last));
            assert_true(met > 0 || at == heap_top(&heap));
            key = heap_key(&heap, at);
            last = at;
            met++;
        }
        assert_int_equal(met, heap.count);
    }
    heap_finish(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_top_and_ends_its_walk_at_once),
        cmocka_unit_test(equal_keys_go_by_the_lower_id),
        cmocka_unit_test(after_any_puts_moves_and_removals_a_walk_meets_all_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
