#include "services/worker/flow/ties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

static unsigned ties(const struct world *w, struct fb_text agent, uint32_t task)
{
    const struct ties whose = {.session = w->d.session,
                               .agent = session_agent_of(w->d.session, agent)};

    return ties_of(&whose, task);
}

static const struct event_evidence file = {.kind = EVENT_EVIDENCE_FILE,
                                           .ref = {.data = "/src/a.c", .size = 8}};

static bool done_with_file(struct world *w, struct fb_text agent, uint32_t task)
{
    return decide_done(&w->d, &(struct done_command){.agent = agent,
                                                     .task = task,
                                                     .evidence = {.items = &file, .count = 1}});
}

static void siblings_of_the_last_task_and_what_came_after_it_are_near(void **state)
{
    const struct plan_link child = {.item = 1, .kind = EVENT_LINK_PARENT};
    const struct plan_link after = {.item = 2, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &child, 1), item("", &child, 1),
                                      item("", &after, 1), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 5));
    assert_true(done(&w, ann, 2, 0));
    assert_int_equal(ties(&w, ann, 3), SCHEDULE_SAME_PARENT);
    assert_int_equal(ties(&w, ann, 4), SCHEDULE_HELD_PREDECESSOR);
    assert_int_equal(ties(&w, ann, 5), 0);
    assert_int_equal(ties(&w, bob, 3), 0);
    assert_int_equal(ties(&w, bob, 4), 0);
    world_finish(&w);
}

static void files_that_both_have_touched_bind_a_task_to_an_agent(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    assert_true(done_with_file(&w, bob, 1));
    assert_int_equal(ties(&w, ann, 2), 0);
    assert_true(done_with_file(&w, ann, 3));
    assert_int_equal(ties(&w, ann, 2), SCHEDULE_SHARED_EVIDENCE);
    world_finish(&w);
}

static void of_two_alike_the_nearer_one_is_given(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    struct plan_item items[12];
    struct world w;

    (void)state;
    for (int i = 0; i < 12; i++) {
        items[i] = item("", NULL, 0);
    }
    items[11].links = &after; /* the highest number: behind the others by itself */
    items[11].link_count = 1;
    items[11].task.priority = 1;
    for (int i = 1; i < 5; i++) {
        items[i].task.priority = 1;
    }
    items[10].task.weight = 10; /* long, so that no chain is in danger */
    items[10].task.priority = 4;
    world_begin(&w);
    assert_true(plan(&w, items, 12));
    assert_true(decide_done(&w.d, &(struct done_command){.agent = ann, .task = 1}));
    assert_true(next(&w, bob, 11)); /* out of the way */
    assert_true(next(&w, ann, 0));
    assert_int_equal(w.d.task, 12);
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siblings_of_the_last_task_and_what_came_after_it_are_near),
        cmocka_unit_test(files_that_both_have_touched_bind_a_task_to_an_agent),
        cmocka_unit_test(of_two_alike_the_nearer_one_is_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
