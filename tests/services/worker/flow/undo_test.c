#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

static bool undo(struct world *w, struct fb_text agent, uint32_t task)
{
    return decide_undo(&w->d, &(struct undo_command){.agent = agent, .task = task});
}

static bool edit_title(struct world *w, struct fb_text agent, const char *title)
{
    return decide_edit(&w->d,
                       &(struct edit_command){.agent = agent,
                                              .task = 1,
                                              .action = EDIT_FIELDS,
                                              .fields = {.edited = {.fields = EVENT_FIELD_TITLE,
                                                                    .title = fb_text_of(title)}}});
}

static void an_edit_is_as_before_and_undoing_that_does_it_again(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(edit_title(&w, ann, "new"));
    assert_true(undo(&w, ann, 0));
    assert_string_equal(w.d.session->tasks[1].title, "task");
    assert_string_equal(w.d.undone, "the edit of task 1 by ann was taken back");
    assert_int_equal(w.d.task, 1);
    assert_int_equal(w.d.rev, w.d.session->tasks[1].rev);
    assert_true(undo(&w, ann, 0));
    assert_string_equal(w.d.session->tasks[1].title, "new");
    world_finish(&w);
}

static void an_edit_that_another_has_edited_since_stays(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(edit_title(&w, ann, "ann's"));
    assert_true(edit_title(&w, bob, "bob's"));
    assert_false(undo(&w, ann, 0));
    expect(&w, REFUSAL_NOT_READY, "it was edited since");
    assert_true(undo(&w, ann, 1)); /* the task's last change is bob's */
    assert_string_equal(w.d.session->tasks[1].title, "ann's");
    world_finish(&w);
}

static void a_plan_that_nobody_has_begun_is_cancelled(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    struct world w;

    (void)state;
    items[2].chain = true;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    assert_true(undo(&w, ann, 0));
    assert_int_equal(w.d.session->in_state[TASK_CANCELLED], 7);
    assert_true(undo(&w, ann, 0)); /* and back */
    assert_int_equal(w.d.session->in_state[TASK_CANCELLED], 0);
    assert_int_equal(w.d.session->in_state[TASK_QUEUED], 7);
    world_finish(&w);
}

static void a_plan_that_somebody_has_begun_or_built_on_stays_whole(void **state)
{
    const struct plan_link on_two = {.task = 2, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    const struct plan_item more = item("", &on_two, 1);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(
        decide_plan(&w.d, &(struct plan_command){.agent = bob, .items = &more, .count = 1}));
    assert_false(undo(&w, ann, 0));
    expect(&w, REFUSAL_NOT_READY, "task 3 hangs on task 2");
    assert_true(undo(&w, bob, 0));
    assert_true(next(&w, bob, 1));
    assert_false(undo(&w, ann, 0));
    expect(&w, REFUSAL_NOT_READY, "task 1 of the plan is active");
    assert_int_equal(w.d.session->in_state[TASK_CANCELLED], 1);
    world_finish(&w);
}

static void a_claim_is_handed_back_and_a_finish_reopened(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_QUEUED);
    assert_true(next(&w, ann, 1));
    assert_true(decide_done(&w.d, &(struct done_command){.agent = ann, .task = 1, .next = true}));
    expect_state(&w, 2, TASK_ACTIVE);
    assert_true(undo(&w, ann, 0)); /* the whole command: its claim, too */
    expect_state(&w, 1, TASK_QUEUED);
    expect_state(&w, 2, TASK_QUEUED);
    assert_int_equal(w.d.session->tasks[2].unmet, 1);
    world_finish(&w);
}

static void a_claim_of_another_is_not_taken_from_it(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, bob, 1));
    assert_false(undo(&w, ann, 1));
    expect(&w, REFUSAL_CONFLICT, "held by bob");
    expect_state(&w, 1, TASK_ACTIVE);
    world_finish(&w);
}

static void what_was_cancelled_or_failed_is_in_the_queue_again(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(
        decide_edit(&w.d, &(struct edit_command){.agent = ann, .task = 1, .action = EDIT_CANCEL}));
    expect_state(&w, 2, TASK_BLOCKED);
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_QUEUED);
    expect_state(&w, 2, TASK_QUEUED);
    assert_true(decide_done(&w.d, &(struct done_command){.agent = ann, .task = 1, .failed = true}));
    assert_true(undo(&w, bob, 1));
    expect_state(&w, 1, TASK_QUEUED);
    assert_int_equal(w.d.session->tasks[1].attempt, 1);
    world_finish(&w);
}

static void what_was_handed_back_rests_or_is_blocked_goes_on(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct pulse_command pulse = {.agent = ann, .task = 1, .state = PULSE_HAND_BACK};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    assert_true(decide_pulse(&w.d, &pulse));
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_ACTIVE);
    assert_int_equal(w.d.fence, 2);
    pulse.state = PULSE_RESTING;
    pulse.note = FB_TEXT("later");
    assert_true(decide_pulse(&w.d, &pulse));
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_ACTIVE);
    assert_string_equal(w.d.session->tasks[1].note, "later"); /* a note stays said */
    pulse.state = PULSE_BLOCKED;
    pulse.gate = FB_TEXT("may I?");
    assert_true(decide_pulse(&w.d, &pulse));
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_QUEUED);
    assert_true(next(&w, ann, 1));
    pulse.blocker = 2;
    assert_true(decide_pulse(&w.d, &pulse));
    expect_state(&w, 1, TASK_BLOCKED);
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 1, TASK_QUEUED);
    assert_int_equal(w.d.session->tasks[1].unmet, 0);
    world_finish(&w);
}

static void links_are_as_before(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    const struct event_link links[] = {
        {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER, .dropped = true},
        {.task = 2, .on = 3, .kind = EVENT_LINK_AFTER},
    };
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    assert_true(decide_edit(
        &w.d, &(struct edit_command){
                  .agent = ann, .task = 2, .action = EDIT_LINKS, .links = links, .link_count = 2}));
    assert_int_equal(session_holds_up(w.d.session, 2), 3);
    assert_true(undo(&w, ann, 0));
    assert_int_equal(session_holds_up(w.d.session, 2), 1);
    assert_int_equal(w.d.session->tasks[2].unmet, 1);
    world_finish(&w);
}

static void a_chain_is_open_again_with_its_last_part(void **state)
{
    struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    one.chain = true;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    for (uint32_t i = 2; i <= 5; i++) {
        assert_true(done(&w, ann, i, 0));
    }
    expect_state(&w, 1, TASK_COMPLETED);
    assert_true(undo(&w, ann, 0));
    expect_state(&w, 5, TASK_QUEUED);
    expect_state(&w, 1, TASK_QUEUED);
    assert_int_equal(w.d.session->open_chains, 1);
    assert_true(done(&w, ann, 5, 0));
    expect_state(&w, 1, TASK_COMPLETED);
    world_finish(&w);
}

static void what_cannot_be_taken_back_says_so(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_false(undo(&w, bob, 0));
    expect(&w, REFUSAL_NOT_READY, "nothing to take back");
    assert_false(undo(&w, FB_TEXT("eve"), 0));
    expect(&w, REFUSAL_NOT_READY, "nothing to take back");
    assert_false(undo(&w, ann, 7));
    expect(&w, REFUSAL_NO_SUCH, "no task 7");
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, bob, 1));
    assert_true(decide_pulse(
        &w.d, &(struct pulse_command){.agent = bob, .task = 1, .note = FB_TEXT("hm")}));
    assert_false(undo(&w, bob, 0));
    expect(&w, REFUSAL_NOT_READY, "a note stays said");
    assert_true(done(&w, bob, 1, 0));
    for (int i = 0; i < CHANGES_MOST; i++) {
        assert_true(edit_title(&w, ann, i % 2 == 0 ? "this" : "that"));
    }
    assert_false(undo(&w, bob, 0));
    expect(&w, REFUSAL_NOT_READY, "nothing to take back");
    world_finish(&w);
}

static void an_undo_that_comes_twice_is_done_once(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(edit_title(&w, ann, "new"));
    w.d.request_id = FB_TEXT("u");
    assert_true(undo(&w, ann, 0));
    assert_true(undo(&w, ann, 0));
    assert_true(w.d.repeated);
    assert_string_equal(w.d.session->tasks[1].title, "task");
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_is_as_before_and_undoing_that_does_it_again),
        cmocka_unit_test(an_edit_that_another_has_edited_since_stays),
        cmocka_unit_test(a_plan_that_nobody_has_begun_is_cancelled),
        cmocka_unit_test(a_plan_that_somebody_has_begun_or_built_on_stays_whole),
        cmocka_unit_test(a_claim_is_handed_back_and_a_finish_reopened),
        cmocka_unit_test(a_claim_of_another_is_not_taken_from_it),
        cmocka_unit_test(what_was_cancelled_or_failed_is_in_the_queue_again),
        cmocka_unit_test(what_was_handed_back_rests_or_is_blocked_goes_on),
        cmocka_unit_test(links_are_as_before),
        cmocka_unit_test(a_chain_is_open_again_with_its_last_part),
        cmocka_unit_test(what_cannot_be_taken_back_says_so),
        cmocka_unit_test(an_undo_that_comes_twice_is_done_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
