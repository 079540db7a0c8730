#include "services/worker/pool/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void no_more_start_at_once_than_there_are_places(void **state)
{
    struct admission a;
    struct admission_ticket t[3] = {{.next = NULL}};

    (void)state;
    admission_init(&a, 2);
    for (size_t i = 0; i < 3; i++) {
        admission_wait(&a, &t[i], ADMISSION_CALL, 0);
    }
    assert_ptr_equal(admission_next(&a, 0), &t[0]);
    assert_ptr_equal(admission_next(&a, 0), &t[1]);
    assert_null(admission_next(&a, 0));
    admission_leave(&a, &t[0]);
    assert_ptr_equal(admission_next(&a, 0), &t[2]);
    assert_null(admission_next(&a, 0));
}

static void a_call_goes_before_refreshes_that_have_not_waited_long(void **state)
{
    struct admission a;
    struct admission_ticket refresh = {.next = NULL};
    struct admission_ticket call = {.next = NULL};

    (void)state;
    admission_init(&a, 1);
    admission_wait(&a, &refresh, ADMISSION_REFRESH, 0);
    admission_wait(&a, &call, ADMISSION_CALL, 9999);
    assert_ptr_equal(admission_next(&a, 9999), &call);
}

static void a_refresh_that_has_waited_long_goes_before_a_call(void **state)
{
    struct admission a;
    struct admission_ticket refresh = {.next = NULL};
    struct admission_ticket call = {.next = NULL};

    (void)state;
    admission_init(&a, 1);
    admission_wait(&a, &refresh, ADMISSION_REFRESH, 0);
    admission_wait(&a, &call, ADMISSION_CALL, 10000);
    assert_ptr_equal(admission_next(&a, 10000), &refresh);
}

static void a_refresh_moves_forward_when_a_call_comes_for_it(void **state)
{
    struct admission a;
    struct admission_ticket one = {.next = NULL};
    struct admission_ticket other = {.next = NULL};

    (void)state;
    admission_init(&a, 1);
    admission_wait(&a, &one, ADMISSION_REFRESH, 0);
    admission_wait(&a, &other, ADMISSION_REFRESH, 1);
    admission_wait(&a, &other, ADMISSION_CALL, 2);
    admission_wait(&a, &other, ADMISSION_REFRESH, 3);
    assert_ptr_equal(admission_next(&a, 3), &other);
}

static void a_slow_start_loses_its_place_but_only_when_somebody_waits(void **state)
{
    struct admission a;
    struct admission_ticket slow = {.next = NULL};
    struct admission_ticket next = {.next = NULL};

    (void)state;
    admission_init(&a, 1);
    admission_wait(&a, &slow, ADMISSION_CALL, 0);
    assert_ptr_equal(admission_next(&a, 0), &slow);
    assert_int_equal(admission_due_ms(&a), INT64_MAX);
    admission_wait(&a, &next, ADMISSION_CALL, 10);
    assert_int_equal(admission_due_ms(&a), ADMISSION_HOLD_MS);
    assert_null(admission_next(&a, ADMISSION_HOLD_MS - 1));
    assert_ptr_equal(admission_next(&a, ADMISSION_HOLD_MS), &next);
    assert_false(slow.holding);
    admission_leave(&a, &slow);
    assert_int_equal(a.held, 1);
}

static void who_leaves_while_waiting_is_not_started(void **state)
{
    struct admission a;
    struct admission_ticket t = {.next = NULL};

    (void)state;
    admission_init(&a, 1);
    admission_wait(&a, &t, ADMISSION_CALL, 0);
    admission_leave(&a, &t);
    assert_null(admission_next(&a, 0));
    admission_leave(&a, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_start_at_once_than_there_are_places),
        cmocka_unit_test(a_call_goes_before_refreshes_that_have_not_waited_long),
        cmocka_unit_test(a_refresh_that_has_waited_long_goes_before_a_call),
        cmocka_unit_test(a_refresh_moves_forward_when_a_call_comes_for_it),
        cmocka_unit_test(a_slow_start_loses_its_place_but_only_when_somebody_waits),
        cmocka_unit_test(who_leaves_while_waiting_is_not_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
