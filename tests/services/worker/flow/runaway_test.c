#include "services/worker/flow/runaway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct runaway_call note_of(uint32_t agent, uint64_t arguments)
{
    return (struct runaway_call){
        .agent = agent, .operation = FB_TEXT("pulse"), .arguments = arguments};
}

static struct runaway_call look_of(uint32_t agent)
{
    return (struct runaway_call){
        .agent = agent, .operation = FB_TEXT("status"), .arguments = 1, .reads = true};
}

static void the_third_is_warned_of_and_the_tenth_refused(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call call = note_of(0, 7);
    uint32_t times;

    (void)state;
    for (uint32_t i = 1; i <= 364; i++) {
        const enum runaway_answer answer = runaway_seen(&runaway, &call, i, &times);

        assert_int_equal(times, i);
        assert_int_equal(answer, i < 3 ? RUNAWAY_OK : i < 10 ? RUNAWAY_WARNED : RUNAWAY_REFUSED);
    }
}

static void another_call_of_the_agent_begins_anew(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call call = note_of(0, 7);
    const struct runaway_call other = note_of(0, 8);
    uint32_t times;

    (void)state;
    runaway_seen(&runaway, &call, 1, NULL);
    runaway_seen(&runaway, &call, 2, NULL);
    runaway_seen(&runaway, &other, 3, &times);
    assert_int_equal(times, 1);
    assert_int_equal(runaway_seen(&runaway, &call, 4, &times), RUNAWAY_OK);
    assert_int_equal(times, 1);
}

static void agents_are_told_apart(void **state)
{
    struct runaway runaway = {.events = 0};
    uint32_t times;

    (void)state;
    for (uint32_t agent = 0; agent < RUNAWAY_AGENTS; agent++) {
        const struct runaway_call call = note_of(agent, 7);

        for (uint32_t i = 1; i <= 2; i++) {
            assert_int_equal(runaway_seen(&runaway, &call, agent, &times), RUNAWAY_OK);
            assert_int_equal(times, i);
        }
    }
}

static void what_others_do_makes_a_look_worth_while_but_no_change(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call look = look_of(0);
    const struct runaway_call note = note_of(1, 7);
    uint32_t times;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(runaway_seen(&runaway, &look, i, &times), RUNAWAY_OK);
        assert_int_equal(times, 1);
        runaway_event(&runaway, 5);
    }
    for (uint32_t i = 1; i <= 5; i++) {
        runaway_seen(&runaway, &note, i, &times);
        assert_int_equal(times, i);
        runaway_event(&runaway, 5);
    }
}

static void its_own_events_do_not_excuse_an_agent(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call look = look_of(0);
    uint32_t times;

    (void)state;
    for (uint32_t i = 1; i <= 4; i++) {
        runaway_seen(&runaway, &look, i, &times);
        assert_int_equal(times, i);
        runaway_event(&runaway, 0);
    }
}

static void calls_far_apart_are_no_row(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call call = note_of(0, 7);
    uint32_t times;

    (void)state;
    for (int i = 0; i < 20; i++) {
        runaway_seen(&runaway, &call, i * (RUNAWAY_GAP_MS + INT64_C(1)), &times);
        assert_int_equal(times, 1);
    }
}

static void who_repeats_itself_is_named_until_it_stops(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call call = note_of(3, 7);
    const struct runaway_call other = note_of(3, 8);
    const struct runaway_agent *agents[4];

    (void)state;
    runaway_seen(&runaway, &call, 1, NULL);
    runaway_seen(&runaway, &call, 2, NULL);
    assert_int_equal(runaway_agents(&runaway, 2, agents, 4), 0);
    runaway_seen(&runaway, &call, 3, NULL);
    assert_int_equal(runaway_agents(&runaway, 3, agents, 4), 1);
    assert_int_equal(agents[0]->agent, 3);
    assert_int_equal(agents[0]->times, 3);
    assert_int_equal(agents[0]->first_ms, 1);
    assert_int_equal(runaway_agents(&runaway, 4 + RUNAWAY_GAP_MS, agents, 4), 0);
    runaway_seen(&runaway, &other, 4, NULL);
    assert_int_equal(runaway_agents(&runaway, 4, agents, 4), 0);
}

static void who_called_longest_ago_is_forgotten_first(void **state)
{
    struct runaway runaway = {.events = 0};
    uint32_t times;

    (void)state;
    for (uint32_t agent = 0; agent <= RUNAWAY_AGENTS; agent++) {
        const struct runaway_call call = note_of(agent, 7);

        runaway_seen(&runaway, &call, agent, NULL);
    }
    for (uint32_t agent = RUNAWAY_AGENTS; agent > 0; agent--) {
        const struct runaway_call call = note_of(agent, 7);

        runaway_seen(&runaway, &call, 1000, &times);
        assert_int_equal(times, 2);
    }
}

static void whom_the_session_does_not_know_is_not_watched(void **state)
{
    struct runaway runaway = {.events = 0};
    const struct runaway_call call = note_of(NAMES_NONE, 7);

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(runaway_seen(&runaway, &call, i, NULL), RUNAWAY_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_third_is_warned_of_and_the_tenth_refused),
        cmocka_unit_test(another_call_of_the_agent_begins_anew),
        cmocka_unit_test(agents_are_told_apart),
        cmocka_unit_test(what_others_do_makes_a_look_worth_while_but_no_change),
        cmocka_unit_test(its_own_events_do_not_excuse_an_agent),
        cmocka_unit_test(calls_far_apart_are_no_row),
        cmocka_unit_test(who_repeats_itself_is_named_until_it_stops),
        cmocka_unit_test(who_called_longest_ago_is_forgotten_first),
        cmocka_unit_test(whom_the_session_does_not_know_is_not_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
