#include "services/session_store/fencing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A session at epoch 4, held by "a" until 2000, with 10 events, the last at 900. */
static const struct fencing_facts held = {
    .epoch = 4,
    .owner = "a",
    .lease_expires_unix_ms = 2000,
    .last_sequence = 10,
    .updated_unix_ms = 900,
};

static void assert_refused(struct fencing_decision decision, enum fb_code code, const char *reason)
{
    assert_int_equal(decision.verdict, FENCING_REFUSE);
    assert_int_equal(decision.status.code, code);
    assert_string_equal(decision.reason, reason);
}

static void a_session_never_held_is_given_at_epoch_1(void **state)
{
    struct fencing_facts facts = {.owner = ""};
    int64_t epoch = 0;

    (void)state;
    assert_int_equal(fencing_acquire(&facts, "a", false, 1000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 1);
}

static void the_owner_gets_its_own_epoch_again(void **state)
{
    int64_t epoch = 0;

    (void)state;
    assert_int_equal(fencing_acquire(&held, "a", false, 1000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 4);
    assert_int_equal(fencing_acquire(&held, "a", true, 9000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 4);
}

static void another_waits_until_the_lease_expires(void **state)
{
    int64_t epoch = 0;

    (void)state;
    assert_refused(fencing_acquire(&held, "b", false, 1999, &epoch), FB_FAILED_PRECONDITION,
                   "held");
    assert_int_equal(fencing_acquire(&held, "b", false, 2000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 5);
}

static void another_may_take_over_at_once(void **state)
{
    int64_t epoch = 0;

    (void)state;
    assert_int_equal(fencing_acquire(&held, "b", true, 1000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 5);
}

static void a_released_session_is_free_and_still_counts_epochs(void **state)
{
    struct fencing_facts facts = held;
    int64_t epoch = 0;

    (void)state;
    facts.owner = "";
    facts.lease_expires_unix_ms = 0;
    assert_int_equal(fencing_acquire(&facts, "a", false, 1000, &epoch).verdict, FENCING_GO);
    assert_int_equal(epoch, 5);
}

static void a_lease_is_prolonged_only_for_its_owner_at_its_epoch(void **state)
{
    (void)state;
    assert_true(fencing_holds(&held, "a", 4));
    assert_false(fencing_holds(&held, "a", 3));
    assert_false(fencing_holds(&held, "b", 4));
}

static void an_append_at_epoch_and_sequence_goes_in(void **state)
{
    (void)state;
    assert_int_equal(fencing_append(&held, 4, 10, FENCING_NEW).verdict, FENCING_GO);
}

static void an_append_with_another_epoch_is_stale_whatever_its_sequence(void **state)
{
    (void)state;
    assert_refused(fencing_append(&held, 3, 10, FENCING_NEW), FB_ABORTED, "stale-epoch");
    assert_refused(fencing_append(&held, 3, 9, FENCING_NEW), FB_ABORTED, "stale-epoch");
    assert_refused(fencing_append(&held, 5, 10, FENCING_NEW), FB_ABORTED, "stale-epoch");
}

static void an_append_elsewhere_has_the_wrong_sequence(void **state)
{
    (void)state;
    assert_refused(fencing_append(&held, 4, 9, FENCING_NEW), FB_ABORTED, "wrong-sequence");
    assert_refused(fencing_append(&held, 4, 11, FENCING_NEW), FB_ABORTED, "wrong-sequence");
}

static void an_append_seen_before_is_answered_as_then_whoever_owns_the_session_now(void **state)
{
    (void)state;
    assert_int_equal(fencing_append(&held, 3, 2, FENCING_SAME).verdict, FENCING_REPEAT);
}

static void a_request_id_used_for_other_events_is_refused(void **state)
{
    (void)state;
    assert_refused(fencing_append(&held, 4, 10, FENCING_DIFFERENT), FB_ALREADY_EXISTS, "");
}

static void a_snapshot_is_kept_if_it_is_later_and_not_beyond_the_last_event(void **state)
{
    (void)state;
    assert_int_equal(fencing_snapshot(&held, 4, 10, 9).verdict, FENCING_GO);
    assert_int_equal(fencing_snapshot(&held, 4, 9, 9).verdict, FENCING_REPEAT);
    assert_refused(fencing_snapshot(&held, 4, 11, 9), FB_ABORTED, "wrong-sequence");
    assert_refused(fencing_snapshot(&held, 3, 10, 9), FB_ABORTED, "stale-epoch");
}

static void a_held_session_is_deleted_by_its_owner_only(void **state)
{
    (void)state;
    assert_refused(fencing_delete(&held, 0, 1999), FB_FAILED_PRECONDITION, "held");
    assert_int_equal(fencing_delete(&held, 4, 1999).verdict, FENCING_GO);
    assert_int_equal(fencing_delete(&held, 0, 2000).verdict, FENCING_GO);
}

static void time_never_decreases_in_a_session(void **state)
{
    (void)state;
    assert_int_equal(fencing_stamp(&held, 899), 900);
    assert_int_equal(fencing_stamp(&held, 901), 901);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_never_held_is_given_at_epoch_1),
        cmocka_unit_test(the_owner_gets_its_own_epoch_again),
        cmocka_unit_test(another_waits_until_the_lease_expires),
        cmocka_unit_test(another_may_take_over_at_once),
        cmocka_unit_test(a_released_session_is_free_and_still_counts_epochs),
        cmocka_unit_test(a_lease_is_prolonged_only_for_its_owner_at_its_epoch),
        cmocka_unit_test(an_append_at_epoch_and_sequence_goes_in),
        cmocka_unit_test(an_append_with_another_epoch_is_stale_whatever_its_sequence),
        cmocka_unit_test(an_append_elsewhere_has_the_wrong_sequence),
        cmocka_unit_test(an_append_seen_before_is_answered_as_then_whoever_owns_the_session_now),
        cmocka_unit_test(a_request_id_used_for_other_events_is_refused),
        cmocka_unit_test(a_snapshot_is_kept_if_it_is_later_and_not_beyond_the_last_event),
        cmocka_unit_test(a_held_session_is_deleted_by_its_owner_only),
        cmocka_unit_test(time_never_decreases_in_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
