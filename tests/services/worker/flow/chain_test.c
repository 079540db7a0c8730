#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/services/worker/flow/world.h"

static struct plan_item chain(const char *key, uint32_t weight)
{
    struct plan_item made = item(key, NULL, 0);

    made.task.weight = weight;
    made.chain = true;
    return made;
}

static void a_chain_is_four_parts_one_after_the_other_below_its_parent(void **state)
{
    static const uint32_t weights[] = {2, 5, 2, 1};
    static const char *const titles[] = {"Plan: task", "Implement: task", "Test: task",
                                         "Document: task"};
    const struct plan_item one = chain("feature", 10);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_int_equal(w.d.task_count, 1);
    assert_int_equal(w.d.session->task_count, 5);
    assert_int_equal(w.d.session->open_chains, 1);
    for (uint32_t i = 0; i < 4; i++) {
        const struct task *part = &w.d.session->tasks[2 + i];

        assert_string_equal(part->title, titles[i]);
        assert_int_equal(part->weight, weights[i]);
        assert_int_equal(part->phase, i + 1);
        assert_int_equal(part->parent, 1);
        assert_true(next(&w, ann, 0));
        assert_int_equal(w.d.task, 2 + i);
        assert_true(done(&w, ann, 2 + i, 0));
    }
    world_finish(&w);
}

static void the_parent_completes_with_its_last_part_by_an_event_of_its_own(void **state)
{
    const struct plan_item one = chain("", 4);
    const struct event *last;
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    for (uint32_t i = 2; i <= 5; i++) {
        expect_state(&w, 1, TASK_QUEUED);
        assert_true(
            decide_done(&w.d, &(struct done_command){.agent = ann, .task = i, .next = true}));
    }
    expect_state(&w, 1, TASK_COMPLETED);
    assert_int_equal(w.d.session->open_chains, 0);
    last = &w.d.events[w.d.event_count - 1];
    assert_int_equal(last->kind, EVENT_FINISHED);
    assert_int_equal(last->task, 1);
    assert_int_equal(last->actor.size, 0);
    assert_true(last->continues);
    assert_int_equal(session_progress(w.d.session), 100);
    world_finish(&w);
}

static void a_part_that_failed_leaves_the_parent_to_an_agent(void **state)
{
    const struct plan_item one = chain("", 4);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(done(&w, ann, 2, 0));
    assert_true(done(&w, ann, 3, 0));
    assert_true(decide_done(&w.d, &(struct done_command){.agent = ann, .task = 4, .failed = true}));
    assert_true(
        decide_edit(&w.d, &(struct edit_command){.agent = ann, .task = 5, .action = EDIT_CANCEL}));
    expect_state(&w, 1, TASK_QUEUED);
    assert_true(next(&w, ann, 1));
    world_finish(&w);
}

static void what_holds_up_the_parent_holds_up_the_first_part(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    struct plan_item items[] = {item("", NULL, 0), chain("", 4)};
    struct world w;

    (void)state;
    world_begin(&w);
    items[1].links = &after;
    items[1].link_count = 1;
    assert_true(plan(&w, items, 2));
    assert_int_equal(schedule_ready_count(w.d.session->schedule), 1);
    assert_false(next(&w, ann, 3));
    expect(&w, REFUSAL_NOT_READY, "waits for task 1");
    assert_true(done(&w, ann, 1, 0));
    assert_true(next(&w, ann, 3));
    world_finish(&w);
}

static void at_most_three_chains_are_open_unless_more_are_asked_for(void **state)
{
    const struct plan_item items[] = {chain("", 1), chain("", 1), chain("", 1), chain("", 1)};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_false(plan(&w, items, 4));
    expect(&w, REFUSAL_BUDGET, "chains_most");
    assert_int_equal(w.d.session->task_count, 0);
    assert_true(plan(&w, items, 3));
    assert_false(plan(&w, items, 1));
    expect(&w, REFUSAL_BUDGET, "#1, #2, #3");
    assert_true(decide_plan(
        &w.d, &(struct plan_command){.agent = ann, .items = items, .count = 1, .chains_most = 4}));
    assert_int_equal(w.d.session->open_chains, 4);
    world_finish(&w);
}

static void a_task_that_is_there_is_taken_apart_once(void **state)
{
    const struct plan_item one = item("k", NULL, 0);
    const struct edit_command expand = {.agent = ann, .task = 1, .action = EDIT_CHAIN};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(decide_edit(&w.d, &expand));
    assert_int_equal(w.d.session->task_count, 5);
    assert_true(decide_edit(&w.d, &expand));
    assert_int_equal(w.d.session->task_count, 5);
    world_finish(&w);
}

static void a_demand_for_evidence_is_met_by_the_part_that_tests(void **state)
{
    const struct event_evidence run = {.kind = EVENT_EVIDENCE_COMMAND, .ref = FB_TEXT("make test")};
    struct plan_item one = chain("", 4);
    struct done_command finish = {.agent = ann, .task = 4};
    struct world w;

    (void)state;
    one.task.accept = FB_TEXT("evidence: the tests pass");
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(done(&w, ann, 2, 0));
    assert_true(done(&w, ann, 3, 0));
    assert_false(decide_done(&w.d, &finish));
    expect(&w, REFUSAL_NOT_READY, "evidence");
    finish.summary = FB_TEXT("they pass, believe me");
    assert_false(decide_done(&w.d, &finish));
    expect(&w, REFUSAL_NOT_READY, "evidence");
    finish.evidence = (struct event_evidence_list){.items = &run, .count = 1};
    assert_true(decide_done(&w.d, &finish));
    assert_string_equal(w.d.session->tasks[4].evidence[0].ref, "make test");
    assert_true(done(&w, ann, 5, 0));
    expect_state(&w, 1, TASK_COMPLETED);
    world_finish(&w);
}

static void evidence_of_a_note_counts_at_the_end(void **state)
{
    const struct event_evidence file = {.kind = EVENT_EVIDENCE_FILE, .ref = FB_TEXT("/a")};
    struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    one.task.accept = FB_TEXT("evidence: a file");
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    assert_true(
        decide_pulse(&w.d, &(struct pulse_command){
                               .agent = ann, .task = 1, .evidence = {.items = &file, .count = 1}}));
    assert_true(decide_done(
        &w.d, &(struct done_command){.agent = ann, .task = 1, .summary = FB_TEXT("see there")}));
    world_finish(&w);
}

static void a_task_keeps_its_last_64_pieces_of_evidence_each_once(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    char refs[70][8];
    struct event_evidence items[70];
    struct pulse_command pulse = {.agent = ann, .task = 1};
    struct world w;

    (void)state;
    for (int i = 0; i < 70; i++) {
        snprintf(refs[i], sizeof(refs[i]), "/%d", i);
        items[i] = (struct event_evidence){.kind = EVENT_EVIDENCE_FILE, .ref = fb_text_of(refs[i])};
    }
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    pulse.evidence = (struct event_evidence_list){.items = items, .count = 64};
    assert_true(decide_pulse(&w.d, &pulse));
    assert_true(decide_pulse(&w.d, &pulse));
    assert_int_equal(w.d.session->tasks[1].evidence_count, 64);
    pulse.evidence = (struct event_evidence_list){.items = items + 64, .count = 6};
    assert_true(decide_pulse(&w.d, &pulse));
    assert_int_equal(w.d.session->tasks[1].evidence_count, 64);
    assert_string_equal(w.d.session->tasks[1].evidence[0].ref, "/6");
    pulse.evidence.count = 65;
    assert_false(decide_pulse(&w.d, &pulse));
    expect(&w, REFUSAL_INVALID, "evidence: at most 64");
    world_finish(&w);
}

static void no_chain_is_begun_while_tasks_flood_the_session(void **state)
{
    const struct plan_item plain = item("", NULL, 0);
    const struct plan_item one = chain("", 4);
    struct world w;

    (void)state;
    world_begin(&w);
    for (int i = 0; i < 51; i++) {
        w.d.now_ms += 1000;
        assert_true(plan(&w, &plain, 1));
    }
    assert_false(plan(&w, &one, 1));
    expect(&w, REFUSAL_BUDGET, "chain: 51 tasks came within the hour");
    assert_true(plan(&w, &plain, 1));
    w.d.now_ms += 70 * MINUTE_MS;
    assert_true(plan(&w, &one, 1));
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_chain_is_begun_while_tasks_flood_the_session),
        cmocka_unit_test(a_chain_is_four_parts_one_after_the_other_below_its_parent),
        cmocka_unit_test(the_parent_completes_with_its_last_part_by_an_event_of_its_own),
        cmocka_unit_test(a_part_that_failed_leaves_the_parent_to_an_agent),
        cmocka_unit_test(what_holds_up_the_parent_holds_up_the_first_part),
        cmocka_unit_test(at_most_three_chains_are_open_unless_more_are_asked_for),
        cmocka_unit_test(a_task_that_is_there_is_taken_apart_once),
        cmocka_unit_test(a_demand_for_evidence_is_met_by_the_part_that_tests),
        cmocka_unit_test(evidence_of_a_note_counts_at_the_end),
        cmocka_unit_test(a_task_keeps_its_last_64_pieces_of_evidence_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
