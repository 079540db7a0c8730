#include "services/worker/flow/cycles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 12, DEEP = 300000 };

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static struct graph_edge after(uint32_t before, uint32_t node)
{
    return (struct graph_edge){.before = before, .after = node, .kind = GRAPH_AFTER};
}

static void every_knot_is_named_and_nothing_beside(void **state)
{
    const struct graph_edge edges[] = {
        after(0, 1), after(1, 2), after(2, 1),
        after(2, 3), after(4, 4), after(5, 6),
        after(6, 7), after(7, 5), {.before = 3, .after = 0, .kind = GRAPH_FROM},
    };
    struct cycles cycles;

    (void)state;
    assert_int_equal(cycles_find(edges, 9, 8, &cycles).code, FB_OK);
    assert_int_equal(cycles.count, 3);
    assert_int_equal(cycles.ends[0], 2);
    assert_int_equal(cycles.nodes[0], 1);
    assert_int_equal(cycles.nodes[1], 2);
    assert_int_equal(cycles.ends[1], 3);
    assert_int_equal(cycles.nodes[2], 4);
    assert_int_equal(cycles.ends[2], 6);
    assert_int_equal(cycles.nodes[3], 5);
    assert_int_equal(cycles.nodes[5], 7);
    cycles_finish(&cycles);
}

static void an_edge_to_a_task_that_is_not_there_is_refused(void **state)
{
    const struct graph_edge edge = after(0, 2);
    struct cycles cycles;

    (void)state;
    assert_int_equal(cycles_find(&edge, 1, 2, &cycles).code, FB_OUT_OF_RANGE);
    assert_int_equal(cycles.count, 0);
    cycles_finish(&cycles);
}

static void two_tasks_share_a_knot_if_and_only_if_each_reaches_the_other(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct graph_edge edges[16];
        size_t count = random_below(&seed, 17);
        bool reaches[NODES][NODES] = {{false}};
        size_t knot[NODES];
        struct cycles cycles;
        size_t at = 0;

        for (size_t i = 0; i < count; i++) {
            edges[i] = after(random_below(&seed, NODES), random_below(&seed, NODES));
            reaches[edges[i].before][edges[i].after] = true;
        }
        for (int via = 0; via < NODES; via++) {
            for (int a = 0; a < NODES; a++) {
                for (int b = 0; b < NODES; b++) {
                    reaches[a][b] |= reaches[a][via] && reaches[via][b];
                }
            }
        }
        assert_int_equal(cycles_find(edges, count, NODES, &cycles).code, FB_OK);
        memset(knot, 0, sizeof(knot));
        for (size_t i = 0; i < cycles.count; i++) {
            for (; at < cycles.ends[i]; at++) {
                assert_int_equal(knot[cycles.nodes[at]], 0);
                knot[cycles.nodes[at]] = i + 1;
            }
        }
        for (int a = 0; a < NODES; a++) {
            assert_int_equal(knot[a] != 0, reaches[a][a]);
            for (int b = 0; b < NODES; b++) {
                assert_int_equal(a == b || (knot[a] != 0 && knot[a] == knot[b]),
                                 a == b || (reaches[a][b] && reaches[b][a]));
            }
        }
        cycles_finish(&cycles);
    }
}

static void a_circle_of_300000_does_not_end_the_stack(void **state)
{
    struct graph_edge *edges = calloc(DEEP, sizeof(*edges));
    struct cycles cycles;

    (void)state;
    assert_non_null(edges);
    for (uint32_t node = 0; node < DEEP; node++) {
        edges[node] = after(node, (node + 1) % DEEP);
    }
    assert_int_equal(cycles_find(edges, DEEP, DEEP, &cycles).code, FB_OK);
    assert_int_equal(cycles.count, 1);
    assert_int_equal(cycles.ends[0], DEEP);
    cycles_finish(&cycles);
    free(edges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_knot_is_named_and_nothing_beside),
        cmocka_unit_test(an_edge_to_a_task_that_is_not_there_is_refused),
        cmocka_unit_test(two_tasks_share_a_knot_if_and_only_if_each_reaches_the_other),
        cmocka_unit_test(a_circle_of_300000_does_not_end_the_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
