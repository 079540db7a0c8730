#include "services/worker/flow/pace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000 };

/* Blocks of tasks of ten minutes each that were there from the start, which take so long. */
static int64_t blocks(struct pace *pace, uint32_t count, uint32_t minutes, uint32_t workers,
                      int64_t awake_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 1; k <= PACE_BLOCK; k++) {
            assert_int_equal(pace_completed(pace, 10, 0), k == PACE_BLOCK);
        }
        awake_ms += (int64_t)minutes * MINUTE_MS;
        pace_block(pace, workers, awake_ms);
    }
    return awake_ms;
}

static double mean_of(const struct pace *pace)
{
    double mean;
    double spread;

    pace_of(pace, 100, &mean, &spread);
    assert_true(spread > 0);
    return mean;
}

static void work_that_takes_twice_as_long_is_expected_to(void **state)
{
    struct pace as_said = {.blocks = 0};
    struct pace twice = {.blocks = 0};

    (void)state;
    (void)blocks(&as_said, 200, 10 * PACE_BLOCK, 1, 0);
    (void)blocks(&twice, 200, 20 * PACE_BLOCK, 1, 0);
    assert_true(fabs(mean_of(&twice) - mean_of(&as_said) - log(2)) < 1e-3);
}

static void agents_share_the_work(void **state)
{
    struct pace one = {.blocks = 0};
    struct pace four = {.blocks = 0};

    (void)state;
    (void)blocks(&one, 50, 40, 1, 0);
    (void)blocks(&four, 50, 10, 4, 0);
    assert_true(fabs(mean_of(&one) - mean_of(&four)) < 1e-9);
}

static void what_is_known_of_it_grows_with_what_was_seen(void **state)
{
    struct pace pace = {.blocks = 0};
    double mean;
    double first;
    double then;

    (void)state;
    pace_of(&pace, 100, &mean, &first);
    (void)blocks(&pace, 30, 80, 1, 0);
    pace_of(&pace, 100, &mean, &then);
    assert_true(then < first);
}

static void new_tasks_take_time_and_do_not_count(void **state)
{
    struct pace calm = {.blocks = 0};
    struct pace busy = {.blocks = 0};
    int64_t awake_ms = 0;

    (void)state;
    (void)blocks(&calm, 30, 80, 1, 0);
    for (int i = 0; i < 30; i++) {
        awake_ms += MINUTE_MS; /* created after the block began */
        for (int k = 0; k < 8; k++) {
            assert_false(pace_completed(&busy, 1000, awake_ms));
        }
        awake_ms = blocks(&busy, 1, 159, 1, awake_ms);
    }
    assert_true(mean_of(&busy) > mean_of(&calm) + .5);
}

static void completions_of_new_tasks_end_a_block_too(void **state)
{
    struct pace pace = {.blocks = 0};

    (void)state;
    pace_block(&pace, 1, 1000);
    for (int i = 1; i <= PACE_BLOCK_MOST; i++) {
        assert_int_equal(pace_completed(&pace, 10, 2000), i == PACE_BLOCK_MOST);
    }
    pace_block(&pace, 1, 3000);
    assert_int_equal(pace.blocks, 0); /* which says nothing */
    assert_int_equal(pace.newer, 0);
}

static void absurd_times_leave_it_finite(void **state)
{
    struct pace pace = {.blocks = 0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)pace_completed(&pace, 1e-9, 0);
        pace_block(&pace, 0, i % 2 == 0 ? INT64_C(1) << 52 : 0);
        assert_true(fabs(mean_of(&pace)) < 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_takes_twice_as_long_is_expected_to),
        cmocka_unit_test(agents_share_the_work),
        cmocka_unit_test(what_is_known_of_it_grows_with_what_was_seen),
        cmocka_unit_test(new_tasks_take_time_and_do_not_count),
        cmocka_unit_test(completions_of_new_tasks_end_a_block_too),
        cmocka_unit_test(absurd_times_leave_it_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
