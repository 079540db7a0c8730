#include "services/worker/flow/outlook.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

enum { HOUR_MS = 60 * MINUTE_MS };

/* One waits for nothing, two for one, three for two. */
static void plan_three(struct world *w)
{
    const struct plan_link links[] = {{.item = 1, .kind = EVENT_LINK_AFTER},
                                      {.item = 2, .kind = EVENT_LINK_AFTER}};
    const struct plan_item items[] = {item("one", NULL, 0), item("two", &links[0], 1),
                                      item("three", &links[1], 1)};

    assert_true(plan(w, items, 3));
}

static double ready_within(const struct world *w, uint32_t task, int64_t within_ms)
{
    return outlook_ready_within(w->d.session, task, within_ms, w->d.now_ms);
}

static struct remaining remaining_of(const struct world *w)
{
    struct remaining remaining;

    assert_true(fb_is_ok(outlook_remaining(w->d.session, w->d.now_ms, &remaining)));
    return remaining;
}

static void what_waits_for_more_is_less_likely_ready(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w);
    plan_three(&w);
    assert_true(ready_within(&w, 1, 0) == 1);
    assert_true(ready_within(&w, 2, HOUR_MS) < 1);
    assert_true(ready_within(&w, 3, HOUR_MS) < ready_within(&w, 2, HOUR_MS));
    assert_true(ready_within(&w, 3, HOUR_MS) > ready_within(&w, 3, MINUTE_MS));
    world_finish(&w);
}

static void what_is_held_or_has_ended_does_not_become_ready(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w);
    plan_three(&w);
    assert_true(next(&w, ann, 1));
    assert_true(ready_within(&w, 1, HOUR_MS) == 0);
    assert_true(done(&w, ann, 1, w.d.fence));
    assert_true(ready_within(&w, 1, HOUR_MS) == 0);
    assert_true(ready_within(&w, 2, 0) == 1);
    world_finish(&w);
}

static void what_waits_for_a_failure_is_not_foreseen(void **state)
{
    const struct plan_link link = {.item = 1, .kind = EVENT_LINK_ON_FAIL};
    const struct plan_item items[] = {item("one", NULL, 0), item("two", &link, 1)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(ready_within(&w, 2, HOUR_MS) == 0);
    world_finish(&w);
}

static void what_remains_shrinks_to_nothing(void **state)
{
    struct world w;
    struct remaining before;

    (void)state;
    world_begin(&w);
    assert_true(remaining_of(&w).p90_minutes == 0);
    plan_three(&w);
    for (uint32_t task = 1; task <= 3; task++) {
        before = remaining_of(&w);
        assert_true(before.p50_minutes > 0 && before.p90_minutes > before.p50_minutes);
        assert_true(next(&w, ann, task));
        assert_true(done(&w, ann, task, w.d.fence));
        assert_true(remaining_of(&w).p50_minutes < before.p50_minutes);
    }
    assert_true(remaining_of(&w).p90_minutes == 0);
    world_finish(&w);
}

static void asking_twice_gives_the_same_and_changes_nothing(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w);
    plan_three(&w);
    assert_true(remaining_of(&w).p90_minutes == remaining_of(&w).p90_minutes);
    (void)ready_within(&w, 3, HOUR_MS);
    world_finish(&w);
}

static void the_likely_next_are_ready_and_led_by_what_was_freed(void **state)
{
    const struct plan_link link = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("one", NULL, 0), item("two", &link, 1),
                                      item("three", NULL, 0), item("four", NULL, 0)};
    struct ranker_likely likely[3];
    struct world w;
    uint32_t agent;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 4));
    assert_true(next(&w, ann, 1));
    agent = session_agent_of(w.d.session, ann);
    assert_int_equal(session_likely(w.d.session, agent, w.d.now_ms, likely, 3), 2);
    assert_int_equal(likely[0].task, 4);
    assert_int_equal(likely[1].task, 3);
    assert_true(done(&w, ann, 1, w.d.fence));
    assert_int_equal(session_likely(w.d.session, agent, w.d.now_ms, likely, 3), 3);
    assert_int_equal(likely[0].task, 2);
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_for_more_is_less_likely_ready),
        cmocka_unit_test(what_is_held_or_has_ended_does_not_become_ready),
        cmocka_unit_test(what_waits_for_a_failure_is_not_foreseen),
        cmocka_unit_test(what_remains_shrinks_to_nothing),
        cmocka_unit_test(asking_twice_gives_the_same_and_changes_nothing),
        cmocka_unit_test(the_likely_next_are_ready_and_led_by_what_was_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
