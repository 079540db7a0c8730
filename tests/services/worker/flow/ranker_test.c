#define _XOPEN_SOURCE 700 /* nrand48 */

#include "services/worker/flow/ranker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000 };

/* Tasks from `first` on, planned at the same time, all of them candidates. */
static void plan(struct ranker *ranker, uint32_t first, uint32_t count, int64_t now_ms)
{
    assert_true(ranker_reserve(ranker, first + count));
    for (uint32_t i = 0; i < count; i++) {
        ranker_describe(ranker, first + i,
                        (struct ranker_task){.planned_ms = now_ms, .priority = 2});
        ranker_set_candidate(ranker, first + i, true);
    }
}

/* What the one agent did before. */
static struct ranker_last last;

static int nothing_done(void **state)
{
    (void)state;
    last = (struct ranker_last){.task = 0};
    return 0;
}

static void choose(struct ranker *ranker, uint32_t number, int64_t now_ms)
{
    ranker_learn(ranker, &last, number, now_ms);
    ranker_set_candidate(ranker, number, false);
    last = (struct ranker_last){.task = number};
}

/* The n-th candidate from the oldest, from 0. */
static uint32_t nth(const struct ranker *ranker, uint32_t n)
{
    for (uint32_t number = 0; number < ranker->room; number++) {
        if (ranker_is_candidate(ranker, number) && n-- == 0) {
            return number;
        }
    }
    return 0;
}

static void it_learns_from_choices_among_three_or_more(void **state)
{
    struct ranker ranker;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 3, 1000);
    choose(&ranker, 1, 2000);
    assert_int_equal(ranker.ranked, 1);
    assert_int_equal(ranker.lesson.candidates, 3);
    choose(&ranker, 2, 3000);
    assert_int_equal(ranker.ranked, 1);
    assert_int_equal(ranker.lesson.candidates, 2);
    assert_int_equal(ranker.lesson.place, 0);
    ranker_finish(&ranker);
}

static void what_was_no_candidate_teaches_nothing(void **state)
{
    struct ranker ranker;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 5, 1000);
    ranker_set_candidate(&ranker, 2, false);
    choose(&ranker, 2, 2000);
    assert_int_equal(ranker.ranked, 0);
    ranker_finish(&ranker);
}

static void the_rules_rank_as_they_are_named(void **state)
{
    struct ranker ranker;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 9, 1000);
    ranker_describe(&ranker, 4, (struct ranker_task){.planned_ms = 1000, .priority = 0});
    choose(&ranker, 9, 1500);
    ranker_last_freed(&last, 4);
    ranker_touch(&ranker, 4, 1600);
    ranker_learn(&ranker, &last, 4, 2000);
    assert_int_equal(ranker.lesson.rule_places[RANKER_OLDEST], 4);
    assert_int_equal(ranker.lesson.rule_places[RANKER_NEWEST], 5);
    assert_int_equal(ranker.lesson.rule_places[RANKER_URGENT_OLDEST], 1);
    assert_int_equal(ranker.lesson.rule_places[RANKER_URGENT_NEWEST], 1);
    assert_int_equal(ranker.lesson.rule_places[RANKER_FREED_NEWEST], 1);
    assert_int_equal(ranker.lesson.rule_places[RANKER_LAST_TOUCHED], 1);
    ranker_finish(&ranker);
}

static void a_touch_is_forgotten_after_half_an_hour(void **state)
{
    struct ranker ranker;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 9, 1000);
    ranker_touch(&ranker, 1, 2000);
    ranker_learn(&ranker, &last, 1, 2000 + RANKER_TOUCHED_MS);
    assert_int_equal(ranker.lesson.rule_places[RANKER_LAST_TOUCHED], 1);
    ranker_learn(&ranker, &last, 1, 2001 + RANKER_TOUCHED_MS);
    assert_int_equal(ranker.lesson.rule_places[RANKER_LAST_TOUCHED], 9);
    ranker_finish(&ranker);
}

static void it_learns_what_no_rule_knows_and_is_trusted_then(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    struct ranker ranker;
    struct ranker_likely likely[3];
    struct ranker_record record;
    int64_t now_ms = 1000;
    uint32_t next = 1;

    (void)state;
    ranker_init(&ranker);
    /* Of thirty tasks with four parents each time one with the parent of the last. */
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t chosen = 0;

        while (ranker.count < 30) {
            plan(&ranker, next, 1, now_ms);
            ranker_describe(&ranker, next,
                            (struct ranker_task){.planned_ms = now_ms,
                                                 .parent = 1 + (uint32_t)(nrand48(seed) % 10),
                                                 .priority = 2});
            next++;
            now_ms += MINUTE_MS;
        }
        for (uint32_t n = 0; n < 30 && chosen == 0; n++) {
            const uint32_t number = nth(&ranker, n);

            if (last.task != 0 && ranker.tasks[number].parent == ranker.tasks[last.task].parent) {
                chosen = number;
            }
        }
        choose(&ranker, chosen != 0 ? chosen : nth(&ranker, (uint32_t)(nrand48(seed) % 30)),
               now_ms);
    }
    record = ranker_record(&ranker);
    assert_true(record.trusted);
    assert_true(record.hits > record.rule_hits[record.best] + .2);
    assert_int_equal(ranker_likely(&ranker, &last, now_ms, NULL, NULL, likely, 3), 3);
    assert_int_equal(ranker.tasks[likely[0].task].parent, ranker.tasks[last.task].parent);
    assert_true(likely[0].probability >= likely[1].probability);
    ranker_finish(&ranker);
}

static void until_it_is_trusted_the_best_rule_says_what_is_likely(void **state)
{
    struct ranker ranker;
    struct ranker_likely likely[4];

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 9, 1000);
    assert_int_equal(ranker_likely(&ranker, &last, 2000, NULL, NULL, likely, 4), 4);
    assert_int_equal(likely[0].task, 9);
    assert_int_equal(likely[3].task, 6);
    choose(&ranker, 9, 2000);
    ranker_last_freed(&last, 3);
    assert_false(ranker_record(&ranker).trusted);
    assert_int_equal(ranker_likely(&ranker, &last, 2000, NULL, NULL, likely, 2), 2);
    assert_int_equal(likely[0].task, 3);
    assert_int_equal(likely[1].task, 8);
    ranker_finish(&ranker);
}

static bool is_even(const void *arg, uint32_t number)
{
    (void)arg;
    return number % 2 == 0;
}

static void only_what_may_be_named_is_named(void **state)
{
    struct ranker ranker;
    struct ranker_likely likely[9];

    (void)state;
    ranker_init(&ranker);
    assert_int_equal(ranker_likely(&ranker, &last, 2000, NULL, NULL, likely, 9), 0);
    plan(&ranker, 1, 9, 1000);
    assert_int_equal(ranker_likely(&ranker, &last, 2000, is_even, NULL, likely, 9), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(likely[i].task, 8 - 2 * i);
    }
    ranker_finish(&ranker);
}

static void the_lowest_of_many_that_were_freed_are_remembered(void **state)
{
    struct ranker ranker;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 100, 1000);
    for (uint32_t i = 0; i < 99; i++) {
        ranker_last_freed(&last, 2 + i * 37 % 99);
        ranker_last_freed(&last, 2 + i * 37 % 99);
    }
    assert_int_equal(last.freed_count, RANKER_FREED);
    for (uint32_t i = 0; i < RANKER_FREED; i++) {
        assert_int_equal(last.freed[i], 2 + i);
    }
    ranker_finish(&ranker);
}

static void of_too_many_candidates_a_sample_is_ranked(void **state)
{
    struct ranker ranker;
    struct ranker_likely likely[RANKER_CANDIDATES];
    size_t count;

    (void)state;
    ranker_init(&ranker);
    plan(&ranker, 1, 100000, 1000);
    count = ranker_likely(&ranker, &last, 2000, NULL, NULL, likely, RANKER_CANDIDATES);
    assert_true(count > RANKER_SAMPLED / 2 && count <= RANKER_SAMPLED);
    assert_int_equal(likely[0].task, 100000);
    choose(&ranker, 50000, 2000);
    assert_int_equal(ranker.ranked, 1);
    assert_int_equal(ranker.lesson.place, 0); /* missed */
    choose(&ranker, 50001, 3000);
    assert_true(ranker.lesson.place != 0); /* just after the last */
    ranker_finish(&ranker);
}

static void the_order_in_which_tasks_are_told_of_does_not_matter(void **state)
{
    struct ranker up;
    struct ranker down;

    (void)state;
    ranker_init(&up);
    ranker_init(&down);
    for (uint32_t i = 1; i <= 50; i++) {
        plan(&up, i, 1, 1000 + i / 10);
        plan(&down, 51 - i, 1, 1000 + (51 - i) / 10);
    }
    for (uint32_t i = 1; i <= 40; i++) {
        const struct ranker_last before = last;

        choose(&up, i * 7 % 50 + 1, 2000 + i);
        last = before;
        choose(&down, i * 7 % 50 + 1, 2000 + i);
    }
    assert_memory_equal(up.weights, down.weights, sizeof(up.weights));
    ranker_finish(&up);
    ranker_finish(&down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_learns_from_choices_among_three_or_more, nothing_done),
        cmocka_unit_test_setup(what_was_no_candidate_teaches_nothing, nothing_done),
        cmocka_unit_test_setup(the_rules_rank_as_they_are_named, nothing_done),
        cmocka_unit_test_setup(a_touch_is_forgotten_after_half_an_hour, nothing_done),
        cmocka_unit_test_setup(it_learns_what_no_rule_knows_and_is_trusted_then, nothing_done),
        cmocka_unit_test_setup(until_it_is_trusted_the_best_rule_says_what_is_likely, nothing_done),
        cmocka_unit_test_setup(only_what_may_be_named_is_named, nothing_done),
        cmocka_unit_test_setup(the_lowest_of_many_that_were_freed_are_remembered, nothing_done),
        cmocka_unit_test_setup(of_too_many_candidates_a_sample_is_ranked, nothing_done),
        cmocka_unit_test_setup(the_order_in_which_tasks_are_told_of_does_not_matter, nothing_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
