#include "services/worker/flow/doubles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TASKS = 5000 };

/* Titles by number; an ended task has its bit set. */
struct tasks {
    char titles[TASKS + 1][40];
    bool ended[TASKS + 1];
};

static struct fb_text title_of(const void *arg, uint32_t task)
{
    return fb_text_of(((const struct tasks *)arg)->titles[task]);
}

static bool is_open(const void *arg, uint64_t owner, uint32_t task)
{
    (void)owner;
    return !((const struct tasks *)arg)->ended[task];
}

static struct tasks world;

static const struct doubles_tasks tasks = {.arg = &world, .title = title_of, .may = is_open};

static void retitle(uint32_t task, const char *title)
{
    char copy[sizeof(world.titles[task])];

    snprintf(copy, sizeof(copy), "%s", title);
    memcpy(world.titles[task], copy, sizeof(copy));
}

static void begin(void)
{
    memset(&world, 0, sizeof(world));
    for (uint32_t task = 1; task <= TASKS; task++) {
        snprintf(world.titles[task], sizeof(world.titles[task]), "Take measure number %u", task);
    }
}

static void a_pair_is_found_when_the_later_task_is_planned(void **state)
{
    struct doubles doubles = {.pairs_seen = 0};

    (void)state;
    begin();
    retitle(9, world.titles[4]);
    assert_true(doubles_planned(&doubles, &tasks, 1, 8, 5));
    assert_null(doubles_pair(&doubles, 0));
    assert_true(doubles_planned(&doubles, &tasks, 9, 3, 6));
    assert_int_equal(doubles_pair(&doubles, 0)->task, 9);
    assert_int_equal(doubles_pair(&doubles, 0)->other, 4);
    assert_int_equal(doubles_pair(&doubles, 0)->percent, 100);
    assert_int_equal(doubles_pair(&doubles, 0)->unix_ms, 6);
    assert_null(doubles_pair(&doubles, 1));
    doubles_finish(&doubles);
}

static void what_has_ended_is_no_double(void **state)
{
    struct doubles doubles = {.pairs_seen = 0};

    (void)state;
    begin();
    retitle(9, world.titles[4]);
    world.ended[4] = true;
    assert_true(doubles_planned(&doubles, &tasks, 1, 11, 5));
    assert_null(doubles_pair(&doubles, 0));
    doubles_finish(&doubles);
}

static void a_new_title_counts_in_place_of_the_old_one(void **state)
{
    struct doubles doubles = {.pairs_seen = 0};

    (void)state;
    begin();
    assert_true(doubles_planned(&doubles, &tasks, 1, 8, 5));
    retitle(9, world.titles[4]);
    retitle(4, "Something else that is to be done");
    doubles_retitled(&doubles);
    assert_true(doubles_planned(&doubles, &tasks, 9, 1, 6));
    assert_null(doubles_pair(&doubles, 0));
    doubles_finish(&doubles);
}

/* As after a snapshot, at whatever moment. */
static void what_is_found_does_not_hang_on_when_the_titles_were_read(void **state)
{
    struct doubles kept = {.pairs_seen = 0};
    struct doubles read = {.pairs_seen = 0};

    (void)state;
    begin();
    for (uint32_t task = 100; task <= TASKS; task += 37) {
        retitle(task, world.titles[task - task % 89 - 1]);
    }
    for (uint32_t first = 1; first <= TASKS; first += 50) {
        assert_true(doubles_planned(&kept, &tasks, first, 50, first));
        assert_true(doubles_planned(&read, &tasks, first, 50, first));
        doubles_finish(&read);
        assert_int_equal(kept.pairs_seen, read.pairs_seen);
        assert_memory_equal(kept.pairs, read.pairs, sizeof(kept.pairs));
    }
    assert_true(kept.pairs_seen > 100);
    doubles_finish(&kept);
}

static void a_plan_adds_no_more_than_its_share(void **state)
{
    struct doubles doubles = {.pairs_seen = 0};

    (void)state;
    begin();
    for (uint32_t task = 1; task <= TASKS; task++) {
        retitle(task, "Write the manual");
    }
    assert_true(doubles_planned(&doubles, &tasks, 1, TASKS, 5));
    assert_int_equal(doubles.pairs_seen, DOUBLES_OF_PLAN);
    doubles_finish(&doubles);
}

static void a_file_of_two_agents_and_two_tasks_makes_one_pair(void **state)
{
    struct doubles doubles = {.pairs_seen = 0};

    (void)state;
    begin();
    for (int i = 0; i < 5; i++) {
        doubles_shown(&doubles, &tasks, FB_TEXT("a.c"), 1, 7, 10);
        doubles_shown(&doubles, &tasks, FB_TEXT("b.c"), 2, 8, 11);
        doubles_shown(&doubles, &tasks, FB_TEXT("a.c"), 3, 7, 12);
    }
    assert_null(doubles_pair(&doubles, 0));
    assert_int_equal(doubles.files_seen, 3);
    for (int i = 0; i < 5; i++) {
        doubles_shown(&doubles, &tasks, FB_TEXT("a.c"), 2, 8, 13);
    }
    assert_int_equal(doubles.pairs_seen, 2);
    assert_int_equal(doubles_pair(&doubles, 0)->percent, 0);
    world.ended[1] = true;
    doubles_shown(&doubles, &tasks, FB_TEXT("a.c"), 4, 9, 14);
    assert_int_equal(doubles.pairs_seen, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_found_when_the_later_task_is_planned),
        cmocka_unit_test(what_has_ended_is_no_double),
        cmocka_unit_test(a_new_title_counts_in_place_of_the_old_one),
        cmocka_unit_test(what_is_found_does_not_hang_on_when_the_titles_were_read),
        cmocka_unit_test(a_plan_adds_no_more_than_its_share),
        cmocka_unit_test(a_file_of_two_agents_and_two_tasks_makes_one_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
