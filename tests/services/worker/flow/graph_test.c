#include "services/worker/flow/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { MINUTE = 60000, CHAIN = 5000 };

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static void ok(struct fb_status status)
{
    assert_string_equal(status.why, "");
    assert_int_equal(status.code, FB_OK);
}

static struct graph_edge after(uint32_t before, uint32_t node)
{
    return (struct graph_edge){.before = before, .after = node, .kind = GRAPH_AFTER};
}

static struct graph *of_nodes(uint32_t count, uint32_t effort_ms)
{
    struct graph *graph = graph_create();

    assert_non_null(graph);
    for (uint32_t node = 0; node < count; node++) {
        ok(graph_add_node(graph, node, effort_ms));
    }
    return graph;
}

static struct graph *chain(uint32_t count)
{
    struct graph *graph = of_nodes(count, MINUTE);
    struct graph_edge *edges = calloc(count, sizeof(*edges));

    assert_non_null(edges);
    for (uint32_t node = 1; node < count; node++) {
        edges[node - 1] = after(node - 1, node);
    }
    ok(graph_add_edges(graph, edges, count - 1, NULL));
    free(edges);
    return graph;
}

/* Every edge that holds up points forward, and every level is what its definition says. */
static void check_all(const struct graph *graph, uint32_t nodes)
{
    uint64_t longest_ms = 0;
    uint64_t open_ms = 0;
    uint32_t edges = 0;

    for (uint32_t node = 0; node < nodes; node++) {
        uint64_t level_ms = 0;

        if (!graph_has(graph, node)) {
            continue;
        }
        for (uint32_t at = graph_first_out(graph, node); at != GRAPH_NONE;
             at = graph_next_out(graph, at)) {
            struct graph_edge edge = graph_edge_at(graph, at);

            edges++;
            assert_int_equal(edge.before, node);
            if (!graph_holds_up(edge.kind)) {
                continue;
            }
            assert_true(graph_position(graph, node) < graph_position(graph, edge.after));
            if (graph_level_ms(graph, edge.after) > level_ms) {
                level_ms = graph_level_ms(graph, edge.after);
            }
        }
        level_ms = graph_is_open(graph, node) ? level_ms + graph_effort_ms(graph, node) : 0;
        assert_int_equal(graph_level_ms(graph, node), level_ms);
        longest_ms = level_ms > longest_ms ? level_ms : longest_ms;
        open_ms += graph_is_open(graph, node) ? graph_effort_ms(graph, node) : 0;
    }
    assert_int_equal(graph_edge_count(graph), edges);
    assert_int_equal(graph_longest_ms(graph), longest_ms);
    assert_int_equal(graph_open_effort_ms(graph), open_ms);
}

static void a_level_is_the_effort_of_the_longest_way_that_waits(void **state)
{
    struct graph *graph = of_nodes(4, MINUTE);

    (void)state;
    ok(graph_add_edge(graph, after(0, 1)));
    ok(graph_add_edge(graph, after(1, 3)));
    ok(graph_add_edge(graph, after(0, 2)));
    ok(graph_set_effort(graph, 2, 5 * MINUTE));
    assert_int_equal(graph_level_ms(graph, 3), MINUTE);
    assert_int_equal(graph_level_ms(graph, 1), 2 * MINUTE);
    assert_int_equal(graph_level_ms(graph, 0), 6 * MINUTE);
    assert_int_equal(graph_longest_ms(graph), 6 * MINUTE);
    assert_int_equal(graph_open_effort_ms(graph), 8 * MINUTE);
    graph_destroy(graph);
}

static void a_closed_task_holds_up_nothing_until_it_is_opened_again(void **state)
{
    struct graph *graph = of_nodes(3, MINUTE);

    (void)state;
    ok(graph_add_edge(graph, after(0, 1)));
    ok(graph_add_edge(graph, after(1, 2)));
    ok(graph_set_open(graph, 1, false));
    assert_int_equal(graph_level_ms(graph, 0), MINUTE);
    assert_int_equal(graph_level_ms(graph, 1), 0);
    assert_int_equal(graph_open_effort_ms(graph), 2 * MINUTE);
    ok(graph_set_open(graph, 1, true));
    assert_int_equal(graph_level_ms(graph, 0), 3 * MINUTE);
    assert_int_equal(graph_open_effort_ms(graph), 3 * MINUTE);
    graph_destroy(graph);
}

static void a_refused_edge_names_its_cycle_and_changes_nothing(void **state)
{
    struct graph *graph = of_nodes(5, MINUTE);
    const uint32_t *cycle;
    size_t count;

    (void)state;
    ok(graph_add_edge(graph, after(3, 1)));
    ok(graph_add_edge(graph, after(1, 4)));
    ok(graph_add_edge(graph, after(1, 2)));
    assert_int_equal(graph_add_edge(graph, after(4, 3)).code, FB_FAILED_PRECONDITION);
    cycle = graph_cycle(graph, &count);
    assert_int_equal(count, 3);
    assert_int_equal(cycle[0], 3);
    assert_int_equal(cycle[1], 1);
    assert_int_equal(cycle[2], 4);
    assert_false(graph_has_edge(graph, after(4, 3)));
    check_all(graph, 5);
    ok(graph_add_edge(graph, after(3, 0)));
    graph_cycle(graph, &count);
    assert_int_equal(count, 0);
    graph_destroy(graph);
}

static void an_edge_to_itself_is_a_cycle_of_one(void **state)
{
    struct graph *graph = of_nodes(1, MINUTE);
    size_t count;

    (void)state;
    assert_int_equal(graph_add_edge(graph, after(0, 0)).code, FB_FAILED_PRECONDITION);
    assert_int_equal(graph_cycle(graph, &count)[0], 0);
    assert_int_equal(count, 1);
    graph_destroy(graph);
}

static void all_kinds_that_hold_up_form_cycles_together_and_the_others_none(void **state)
{
    for (int kind = 0; kind < GRAPH_KINDS; kind++) {
        struct graph *graph = of_nodes(2, MINUTE);
        struct graph_edge back = {.before = 1, .after = 0, .kind = (enum graph_kind)kind};

        (void)state;
        ok(graph_add_edge(graph, after(0, 1)));
        if (kind == GRAPH_FROM || kind == GRAPH_DUP) {
            ok(graph_add_edge(graph, back));
            ok(graph_add_edges(graph, &back, 1, NULL));
            assert_int_equal(graph_level_ms(graph, 1), MINUTE);
        } else {
            assert_int_equal(graph_add_edge(graph, back).code, FB_FAILED_PRECONDITION);
        }
        graph_destroy(graph);
    }
}

static void what_is_not_there_is_already_there_or_too_much_is_refused_by_name(void **state)
{
    struct graph *graph = of_nodes(2, MINUTE);
    struct graph_edge odd = {.before = 0, .after = 1, .kind = GRAPH_KINDS};

    (void)state;
    assert_int_equal(graph_add_node(graph, 1, 0).code, FB_ALREADY_EXISTS);
    assert_int_equal(graph_add_node(graph, GRAPH_NODES_MOST, 0).code, FB_OUT_OF_RANGE);
    assert_int_equal(graph_add_edge(graph, after(0, 2)).code, FB_NOT_FOUND);
    assert_int_equal(graph_add_edge(graph, odd).code, FB_INVALID_ARGUMENT);
    ok(graph_add_edge(graph, after(0, 1)));
    assert_int_equal(graph_add_edge(graph, after(0, 1)).code, FB_ALREADY_EXISTS);
    assert_int_equal(graph_remove_edge(graph, after(1, 0)).code, FB_NOT_FOUND);
    assert_int_equal(graph_remove_node(graph, 7).code, FB_NOT_FOUND);
    assert_int_equal(graph_set_effort(graph, 7, 1).code, FB_NOT_FOUND);
    assert_int_equal(graph_set_open(graph, 7, true).code, FB_NOT_FOUND);
    graph_destroy(graph);
}

/* `more` edges beside, that are on no cycle. */
static void refuse_plan(uint32_t more)
{
    struct graph *graph = of_nodes(6 + more, MINUTE);
    struct graph_edge plan[105] = {after(0, 1), after(1, 2), after(2, 3), after(3, 1), after(3, 4)};
    const uint32_t *cycle;
    size_t failed;
    size_t count;

    for (uint32_t i = 0; i < more; i++) {
        plan[5 + i] = after(4, 6 + i);
    }
    ok(graph_add_edge(graph, after(1, 2)));
    assert_int_equal(graph_add_edges(graph, plan, 5 + more, &failed).code, FB_FAILED_PRECONDITION);
    assert_in_range(failed, 1, 3);
    cycle = graph_cycle(graph, &count);
    assert_int_equal(count, 3);
    assert_int_equal(cycle[0] + cycle[1] + cycle[2], 6);
    assert_int_equal(cycle[0], plan[failed].after);
    assert_int_equal(cycle[2], plan[failed].before);
    assert_int_equal(graph_edge_count(graph), 1);
    assert_true(graph_has_edge(graph, after(1, 2)));
    check_all(graph, 6 + more);
    graph_destroy(graph);
}

static void a_plan_with_a_cycle_is_refused_whole_and_names_an_edge_on_it(void **state)
{
    (void)state;
    refuse_plan(0);
    refuse_plan(100);
}

static void a_plan_may_say_an_edge_twice(void **state)
{
    struct graph *graph = of_nodes(2, MINUTE);
    struct graph_edge plan[100];

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        plan[i] = after(1, 0);
    }
    ok(graph_add_edges(graph, plan, 0, NULL));
    ok(graph_add_edges(graph, plan, 2, NULL));
    ok(graph_add_edges(graph, plan, 100, NULL));
    assert_int_equal(graph_edge_count(graph), 1);
    check_all(graph, 2);
    graph_destroy(graph);
}

static void a_removed_task_takes_its_edges_with_it(void **state)
{
    struct graph *graph = chain(3);

    (void)state;
    ok(graph_remove_node(graph, 1));
    assert_int_equal(graph_edge_count(graph), 0);
    assert_int_equal(graph_level_ms(graph, 0), MINUTE);
    ok(graph_add_node(graph, 1, 2 * MINUTE));
    ok(graph_add_edge(graph, after(2, 1)));
    ok(graph_add_edge(graph, after(1, 0)));
    assert_int_equal(graph_level_ms(graph, 2), 4 * MINUTE);
    check_all(graph, 3);
    graph_destroy(graph);
}

static void minutes_are_counted_in_milliseconds_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(graph_effort_of(10), 10 * MINUTE);
    assert_int_equal(graph_effort_of(0), 0);
    assert_int_equal(graph_effort_of(-3), 0);
    assert_int_equal(graph_effort_of(0.0 / 0.0), 0);
    assert_int_equal(graph_effort_of(1e12), UINT32_MAX);
}

struct heard {
    uint32_t nodes[8];
    uint64_t levels_ms[8];
    size_t count;
};

static void hear(void *arg, uint32_t node, uint64_t level_ms)
{
    struct heard *heard = arg;

    assert_true(heard->count < 8);
    heard->nodes[heard->count] = node;
    heard->levels_ms[heard->count++] = level_ms;
}

static void levels_are_told_once_each_and_only_where_they_change(void **state)
{
    struct graph *graph = of_nodes(5, MINUTE);
    struct heard heard = {.count = 0};

    /* A diamond 0 -> {1, 2} -> 3, of which 1 is the longer side; 4 waits for nothing. */
    (void)state;
    ok(graph_set_effort(graph, 1, 9 * MINUTE));
    ok(graph_add_edge(graph, after(0, 1)));
    ok(graph_add_edge(graph, after(0, 2)));
    ok(graph_add_edge(graph, after(1, 3)));
    graph_watch(graph, hear, &heard);
    ok(graph_add_edge(graph, after(2, 3)));
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.nodes[0], 2);
    heard.count = 0;
    ok(graph_add_edge(graph, after(3, 4)));
    assert_int_equal(heard.count, 4);
    assert_int_equal(heard.nodes[0], 3);
    assert_int_equal(heard.nodes[3], 0);
    assert_int_equal(heard.levels_ms[3], 12 * MINUTE);
    graph_destroy(graph);
}

static uint32_t any_effort(const void *arg, uint32_t node)
{
    uint64_t seed = *(const uint64_t *)arg + node;

    return random_below(&seed, 100) * MINUTE;
}

static void efforts_set_together_are_levelled_as_one_by_one(void **state)
{
    const uint64_t seed = 5;
    struct graph *graph = chain(100);
    struct graph *other = chain(100);

    (void)state;
    ok(graph_set_open(graph, 50, false));
    ok(graph_set_open(other, 50, false));
    graph_set_efforts(graph, any_effort, &seed);
    for (uint32_t node = 0; node < 100; node++) {
        ok(graph_set_effort(other, node, any_effort(&seed, node)));
    }
    check_all(graph, 100);
    for (uint32_t node = 0; node < 100; node++) {
        assert_int_equal(graph_level_ms(graph, node), graph_level_ms(other, node));
    }
    assert_int_equal(graph_open_effort_ms(graph), graph_open_effort_ms(other));
    graph_destroy(other);
    graph_destroy(graph);
}

/* One random edit, its answer checked. */
static void edit(struct graph *graph, uint32_t nodes, uint64_t *seed)
{
    uint32_t a = random_below(seed, nodes);
    uint32_t b = random_below(seed, nodes);
    uint32_t what = random_below(seed, 100);
    struct graph_edge edge = {
        .before = a, .after = b, .kind = (enum graph_kind)random_below(seed, GRAPH_KINDS)};

    if (!graph_has(graph, a)) {
        ok(graph_add_node(graph, a, random_below(seed, 100) * MINUTE));
    } else if (what < 55) {
        struct fb_status status = graph_add_edge(graph, edge);
        const uint32_t *cycle;
        size_t count;

        if (status.code != FB_FAILED_PRECONDITION) {
            return;
        }
        cycle = graph_cycle(graph, &count);
        assert_int_equal(cycle[0], b);
        assert_int_equal(cycle[count - 1], a);
        for (size_t i = 0; i + 1 < count; i++) {
            bool waits = false;

            for (int kind = 0; kind <= GRAPH_PARENT; kind++) {
                waits |= graph_has_edge(graph, (struct graph_edge){.before = cycle[i],
                                                                   .after = cycle[i + 1],
                                                                   .kind = (enum graph_kind)kind});
            }
            assert_true(waits);
        }
    } else if (what < 80) {
        uint32_t at = graph_first_out(graph, a);

        if (at != GRAPH_NONE) {
            ok(graph_remove_edge(graph, graph_edge_at(graph, at)));
        }
    } else if (what < 81) {
        graph_set_efforts(graph, any_effort, seed);
    } else if (what < 88) {
        ok(graph_set_effort(graph, a, random_below(seed, 100) * MINUTE));
    } else if (what < 98) {
        ok(graph_set_open(graph, a, what < 94));
    } else {
        ok(graph_remove_node(graph, a));
    }
}

/* The same tasks and edges, given to a new graph at once. */
static struct graph *rebuilt(const struct graph *graph, uint32_t nodes)
{
    struct graph *other = graph_create();
    struct graph_edge *edges = calloc(graph_edge_count(graph) + 1, sizeof(*edges));
    size_t count = 0;

    assert_non_null(other);
    assert_non_null(edges);
    for (uint32_t node = 0; node < nodes; node++) {
        if (!graph_has(graph, node)) {
            continue;
        }
        ok(graph_add_node(other, node, graph_effort_ms(graph, node)));
        ok(graph_set_open(other, node, graph_is_open(graph, node)));
        for (uint32_t at = graph_first_out(graph, node); at != GRAPH_NONE;
             at = graph_next_out(graph, at)) {
            edges[count++] = graph_edge_at(graph, at);
        }
    }
    ok(graph_add_edges(other, edges, count, NULL));
    free(edges);
    return other;
}

static void edit_and_compare(uint32_t nodes, int edits, int check_every, uint64_t seed)
{
    struct graph *graph = graph_create();
    struct graph *other;

    assert_non_null(graph);
    for (int i = 1; i <= edits; i++) {
        edit(graph, nodes, &seed);
        if (i % check_every == 0) {
            check_all(graph, nodes);
        }
    }
    other = rebuilt(graph, nodes);
    check_all(other, nodes);
    for (uint32_t node = 0; node < nodes; node++) {
        assert_int_equal(graph_has(graph, node), graph_has(other, node));
        if (graph_has(graph, node)) {
            assert_int_equal(graph_level_ms(graph, node), graph_level_ms(other, node));
        }
    }
    assert_int_equal(graph_longest_ms(graph), graph_longest_ms(other));
    assert_int_equal(graph_open_effort_ms(graph), graph_open_effort_ms(other));
    graph_rebuild(graph);
    check_all(graph, nodes);
    graph_destroy(other);
    graph_destroy(graph);
}

static void after_each_of_100000_random_edits_order_and_levels_are_as_if_rebuilt(void **state)
{
    (void)state;
    edit_and_compare(60, 100000, 1, 7);
}

static void after_100000_random_edits_of_a_larger_graph_it_is_as_if_rebuilt(void **state)
{
    (void)state;
    edit_and_compare(3000, 100000, 1000, 8);
}

static void an_edge_that_would_close_a_chain_of_5000_is_refused_within_a_millisecond(void **state)
{
    struct graph *graph = chain(CHAIN);
    double best_ms = 1e9;
    size_t count;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct timespec from;
        struct timespec to;
        double took_ms;

        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_int_equal(graph_add_edge(graph, after(CHAIN - 1, 0)).code, FB_FAILED_PRECONDITION);
        clock_gettime(CLOCK_MONOTONIC, &to);
        took_ms =
            (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    print_message("best of 20: %.3f ms\n", best_ms);
    assert_true(best_ms <= 1);
    graph_cycle(graph, &count);
    assert_int_equal(count, CHAIN);
    graph_destroy(graph);
}

static void a_chain_given_backwards_edge_by_edge_is_in_order(void **state)
{
    struct graph *graph = of_nodes(300, MINUTE);

    (void)state;
    for (uint32_t node = 1; node < 300; node++) {
        ok(graph_add_edge(graph, after(node, node - 1)));
    }
    check_all(graph, 300);
    assert_int_equal(graph_longest_ms(graph), 300 * MINUTE);
    graph_destroy(graph);
}

static void a_graph_may_have_a_million_tasks_in_a_row(void **state)
{
    struct graph *graph = chain(GRAPH_NODES_MOST);

    (void)state;
    assert_int_equal(graph_longest_ms(graph), (uint64_t)GRAPH_NODES_MOST * MINUTE);
    assert_int_equal(graph_add_edge(graph, after(GRAPH_NODES_MOST - 1, 0)).code,
                     FB_FAILED_PRECONDITION);
    /* Done one after the other, each costs only what is near it. */
    for (uint32_t node = 0; node < GRAPH_NODES_MOST; node++) {
        ok(graph_set_open(graph, node, false));
    }
    assert_int_equal(graph_longest_ms(graph), 0);
    graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_is_the_effort_of_the_longest_way_that_waits),
        cmocka_unit_test(a_closed_task_holds_up_nothing_until_it_is_opened_again),
        cmocka_unit_test(a_refused_edge_names_its_cycle_and_changes_nothing),
        cmocka_unit_test(an_edge_to_itself_is_a_cycle_of_one),
        cmocka_unit_test(all_kinds_that_hold_up_form_cycles_together_and_the_others_none),
        cmocka_unit_test(what_is_not_there_is_already_there_or_too_much_is_refused_by_name),
        cmocka_unit_test(a_plan_with_a_cycle_is_refused_whole_and_names_an_edge_on_it),
        cmocka_unit_test(a_plan_may_say_an_edge_twice),
        cmocka_unit_test(a_removed_task_takes_its_edges_with_it),
        cmocka_unit_test(minutes_are_counted_in_milliseconds_within_bounds),
        cmocka_unit_test(efforts_set_together_are_levelled_as_one_by_one),
        cmocka_unit_test(levels_are_told_once_each_and_only_where_they_change),
        cmocka_unit_test(after_each_of_100000_random_edits_order_and_levels_are_as_if_rebuilt),
        cmocka_unit_test(after_100000_random_edits_of_a_larger_graph_it_is_as_if_rebuilt),
        cmocka_unit_test(an_edge_that_would_close_a_chain_of_5000_is_refused_within_a_millisecond),
        cmocka_unit_test(a_chain_given_backwards_edge_by_edge_is_in_order),
        cmocka_unit_test(a_graph_may_have_a_million_tasks_in_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
