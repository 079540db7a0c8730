#include "services/worker/flow/mutes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void set(struct mutes *mutes, uint32_t kind, uint32_t task, int64_t until_ms, int64_t now_ms)
{
    mutes_set(mutes, (struct mute){.kind = kind, .task = task, .until_unix_ms = until_ms}, now_ms);
}

static void an_alarm_is_mute_for_its_task_or_wherever_until_then(void **state)
{
    struct mutes mutes = {.count = 0};

    (void)state;
    set(&mutes, 1, 5, 100, 0);
    set(&mutes, 2, 0, 200, 0);
    assert_int_equal(mutes_until(&mutes, 1, 5, 99), 100);
    assert_int_equal(mutes_until(&mutes, 1, 5, 100), 0);
    assert_int_equal(mutes_until(&mutes, 1, 6, 0), 0);
    assert_int_equal(mutes_until(&mutes, 2, 6, 0), 200);
}

static void the_last_word_counts_and_a_time_that_has_passed_unmutes(void **state)
{
    struct mutes mutes = {.count = 0};

    (void)state;
    set(&mutes, 1, 5, 100, 0);
    set(&mutes, 1, 5, 50, 0);
    assert_int_equal(mutes.count, 1);
    assert_int_equal(mutes_until(&mutes, 1, 5, 0), 50);
    set(&mutes, 1, 5, 0, 10);
    assert_int_equal(mutes.count, 0);
    assert_int_equal(mutes_until(&mutes, 1, 5, 10), 0);
}

static void of_too_many_the_one_that_ends_first_goes(void **state)
{
    struct mutes mutes = {.count = 0};

    (void)state;
    for (uint32_t i = 0; i <= MUTES_MOST; i++) {
        set(&mutes, 1, 1 + i, 1000 - i, 0);
    }
    assert_int_equal(mutes.count, MUTES_MOST);
    assert_int_equal(mutes_until(&mutes, 1, MUTES_MOST, 0), 0);
    assert_int_equal(mutes_until(&mutes, 1, MUTES_MOST + 1, 0), 1000 - MUTES_MOST);
    set(&mutes, 2, 1, 5000, 990);
    assert_int_equal(mutes_until(&mutes, 2, 1, 990), 5000);
    assert_in_range(mutes.count, 2, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_is_mute_for_its_task_or_wherever_until_then),
        cmocka_unit_test(the_last_word_counts_and_a_time_that_has_passed_unmutes),
        cmocka_unit_test(of_too_many_the_one_that_ends_first_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
