#include "services/worker/flow/fairness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MINUTE = 60000, SESSIONS = 3 };

/* Which sessions have something to do. */
struct busy {
    bool sessions[8];
};

static bool can(void *arg, uint32_t session)
{
    const struct busy *busy = arg;

    return session < 8 && busy->sessions[session];
}

static uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % bound;
}

static struct fairness *of_sessions(const uint32_t *weights, uint32_t count)
{
    struct fairness *fairness = fairness_create();

    assert_non_null(fairness);
    for (uint32_t session = 0; session < count; session++) {
        assert_true(fairness_join(fairness, session, weights[session]));
    }
    return fairness;
}

static void nobody_has_a_turn_when_none_can(void **state)
{
    struct fairness *fairness = of_sessions((const uint32_t[]){1, 1}, 2);
    struct busy busy = {{false}};

    (void)state;
    assert_int_equal(fairness_pick(fairness, can, &busy), FAIRNESS_NONE);
    fairness_leave(fairness, 0);
    fairness_leave(fairness, 1);
    busy.sessions[0] = true;
    assert_int_equal(fairness_pick(fairness, can, &busy), FAIRNESS_NONE);
    fairness_destroy(fairness);
}

static void equals_with_equal_tasks_take_turns(void **state)
{
    struct fairness *fairness = of_sessions((const uint32_t[]){1, 1, 1}, 3);
    struct busy busy = {{true, true, true}};

    (void)state;
    for (uint32_t i = 0; i < 9; i++) {
        uint32_t session = fairness_pick(fairness, can, &busy);

        assert_int_equal(session, i % 3);
        fairness_charge(fairness, session, 10 * MINUTE);
    }
    fairness_destroy(fairness);
}

static void effort_is_shared_by_weight_whatever_the_size_of_the_tasks(void **state)
{
    const uint32_t weights[SESSIONS] = {1, 2, 4};
    const uint32_t longest[SESSIONS] = {200, 5, 40};
    struct fairness *fairness = of_sessions(weights, SESSIONS);
    struct busy busy = {{true, true, true}};
    double served[SESSIONS] = {0};
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        uint32_t session = fairness_pick(fairness, can, &busy);
        uint32_t minutes = 1 + random_below(&seed, longest[session]);

        served[session] += minutes;
        fairness_charge(fairness, session, (uint64_t)minutes * MINUTE);
        /* The bound of the method: one turn and the largest task, each by weight. */
        for (int a = 0; a < SESSIONS; a++) {
            for (int b = 0; b < SESSIONS; b++) {
                assert_true(served[a] / weights[a] - served[b] / weights[b] <=
                            20 + longest[a] / (double)weights[a] + longest[b] / (double)weights[b]);
            }
        }
    }
    fairness_destroy(fairness);
}

static void a_session_that_was_idle_has_saved_nothing_up(void **state)
{
    struct fairness *fairness = of_sessions((const uint32_t[]){1000, 1}, 2);
    struct busy busy = {{true, true}};

    /* The heavy one has most of its turn left when it runs out of tasks. */
    (void)state;
    assert_int_equal(fairness_pick(fairness, can, &busy), 0);
    fairness_charge(fairness, 0, MINUTE);
    fairness_idle(fairness, 0);
    assert_int_equal(fairness_pick(fairness, can, &busy), 1);
    fairness_destroy(fairness);
}

static void a_session_with_nothing_for_this_agent_is_passed_over_and_keeps_its_turn(void **state)
{
    struct fairness *fairness = of_sessions((const uint32_t[]){1, 1}, 2);
    struct busy busy = {{false, true}};

    (void)state;
    assert_int_equal(fairness_pick(fairness, can, &busy), 1);
    fairness_charge(fairness, 1, 60 * MINUTE);
    busy.sessions[0] = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fairness_pick(fairness, can, &busy), 0);
        fairness_charge(fairness, 0, 10 * MINUTE);
    }
    fairness_destroy(fairness);
}

static void weights_and_sessions_out_of_range_are_refused(void **state)
{
    struct fairness *fairness = of_sessions(NULL, 0);

    (void)state;
    assert_false(fairness_join(fairness, FAIRNESS_SESSIONS_MOST, 1));
    assert_false(fairness_join(fairness, 0, 0));
    assert_false(fairness_join(fairness, 0, FAIRNESS_WEIGHT_MOST + 1));
    fairness_charge(fairness, 0, 1);
    fairness_idle(fairness, 0);
    fairness_leave(fairness, 0);
    fairness_destroy(fairness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_has_a_turn_when_none_can),
        cmocka_unit_test(equals_with_equal_tasks_take_turns),
        cmocka_unit_test(effort_is_shared_by_weight_whatever_the_size_of_the_tasks),
        cmocka_unit_test(a_session_that_was_idle_has_saved_nothing_up),
        cmocka_unit_test(a_session_with_nothing_for_this_agent_is_passed_over_and_keeps_its_turn),
        cmocka_unit_test(weights_and_sessions_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
