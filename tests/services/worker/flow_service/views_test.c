#include "services/worker/flow_service/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow_service/effects.h"
#include "services/worker/flow_service/search.h"

enum { HOUR_MS = 3600000 };

static const struct fb_text ada = {.data = "ada", .size = 3};

static struct fb_arena arena;
static struct decision d;

static int setup(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    d = (struct decision){.session = session_create(), .arena = &arena, .now_ms = 1000000};
    assert_non_null(d.session);
    assert_true(decide_open(&d, &(struct open_command){.name = FB_TEXT("Work"), .agent = ada}));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    session_destroy(d.session);
    fb_arena_finish(&arena);
    return 0;
}

static uint32_t plan_after(const char *title, uint32_t after, enum event_link_kind kind)
{
    const struct plan_link link = {.task = after, .kind = kind};
    const struct plan_item item = {
        .task = {.title = fb_text_of(title),
                 .key = fb_text_of(title),
                 .body = FB_TEXT("What is to be done."),
                 .weight = 2,
                 .priority = 1},
        .links = &link,
        .link_count = after == 0 ? 0 : 1,
    };

    assert_true(decide_plan(&d, &(struct plan_command){.agent = ada, .items = &item, .count = 1}));
    return d.task;
}

static void claim(uint32_t task)
{
    assert_true(decide_next(&d, &(struct next_command){.agent = ada, .task = task}));
}

static struct view view_now(void)
{
    return view_of(&d);
}

/* --- a task --- */

static void a_line_tells_what_there_is_and_leaves_the_texts_out(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const uint32_t second = plan_after("second", first, EVENT_LINK_AFTER);
    const struct view view = view_now();
    const Flowbalancer__V1__FlowTask *one = view_task(&view, first, false);
    const Flowbalancer__V1__FlowTask *two = view_task(&view, second, false);

    (void)state;
    assert_int_equal(one->task, first);
    assert_string_equal(one->key, "first");
    assert_int_equal(one->state, FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED);
    assert_true(one->ready);
    assert_string_equal(one->body, "");
    assert_int_equal(one->n_links, 0);
    assert_false(two->ready);
    assert_int_equal(two->waits_for, first);
    assert_int_equal(two->updated_unix_ms, 1000000);
}

static void a_full_view_tells_texts_and_links_of_both_ways(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const Flowbalancer__V1__FlowTask *one;
    struct view view;

    (void)state;
    plan_after("second", first, EVENT_LINK_AFTER);
    plan_after("part", first, EVENT_LINK_PARENT);
    view = view_now();
    one = view_task(&view, first, true);
    assert_string_equal(one->body, "What is to be done.");
    assert_int_equal(one->n_links, 2);
    for (size_t i = 0; i < one->n_links; i++) {
        const Flowbalancer__V1__FlowLink *link = one->links[i];

        /* As it was said: what hangs on something is `task`, a child on its parent too. */
        assert_int_equal(link->on, first);
        assert_true(link->kind == FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER
                        ? link->task == 2
                        : link->task == 3);
    }
    assert_int_equal(one->waits_for, 3);
}

static void a_task_whose_agent_is_silent_is_suspect(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    struct view view;

    (void)state;
    claim(first);
    view = view_now();
    assert_false(view_task(&view, first, false)->suspect);
    assert_string_equal(view_task(&view, first, false)->agent, "ada");
    view.now_ms += HOUR_MS / 2 + 1;
    assert_true(view_task(&view, first, false)->suspect);
}

static void a_claim_brings_how_what_it_builds_on_has_ended(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const uint32_t second = plan_after("second", first, EVENT_LINK_AFTER);
    const Flowbalancer__V1__FlowClaim *shown;
    struct view view;

    (void)state;
    assert_true(decide_done(
        &d, &(struct done_command){.agent = ada, .task = first, .summary = FB_TEXT("It stands.")}));
    claim(second);
    view = view_now();
    shown = view_claim(&view, second, false);
    assert_int_equal(shown->fence, d.fence);
    assert_true(shown->lease_ms > 0);
    assert_int_equal(shown->n_finished, 1);
    assert_string_equal(shown->finished[0]->summary, "It stands.");
    assert_int_equal(shown->n_notes, 0);
}

/* --- a session --- */

static void a_session_s_line_counts_its_tasks(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const Flowbalancer__V1__FlowSessionLine *line;
    struct view view;

    (void)state;
    plan_after("second", first, EVENT_LINK_AFTER);
    plan_after("third", 0, EVENT_LINK_AFTER);
    claim(first);
    view = view_now();
    line = view_line(&view, "id");
    assert_string_equal(line->session, "id");
    assert_string_equal(line->name, "Work");
    assert_int_equal(line->tasks, 3);
    assert_int_equal(line->active, 1);
    assert_int_equal(line->ready, 1);
    assert_int_equal(line->load, 2);
    assert_int_equal(line->agents, 1);
    assert_int_equal(line->seq, d.session->events);
}

static void why_there_is_nothing_names_the_cause(void **state)
{
    struct view view = view_now();
    uint32_t first;

    (void)state;
    assert_non_null(strstr(view_why(&view, ada), "no tasks yet"));
    first = plan_after("first", 0, EVENT_LINK_AFTER);
    claim(first);
    view = view_now();
    assert_non_null(strstr(view_why(&view, ada), "1 active"));
    assert_false(view_is_finished(&view));
    assert_true(decide_done(&d, &(struct done_command){.agent = ada, .task = first}));
    view = view_now();
    assert_non_null(strstr(view_why(&view, ada), "have ended"));
    assert_true(view_is_finished(&view));
}

/* --- what has changed --- */

static void the_effects_of_a_change_are_those_that_changed_with_it(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const uint32_t second = plan_after("second", first, EVENT_LINK_AFTER);
    Flowbalancer__V1__FlowTask **effects;
    uint64_t before;
    struct view view;
    size_t count;

    (void)state;
    plan_after("apart", 0, EVENT_LINK_AFTER);
    before = d.session->events;
    assert_true(decide_edit(
        &d, &(struct edit_command){.agent = ada, .task = first, .action = EDIT_CANCEL}));
    view = view_now();
    effects = effects_of(&view, first, before, false, &count);
    assert_int_equal(count, 1);
    assert_int_equal(effects[0]->task, second);
    effects = effects_of(&view, first, before, true, &count);
    assert_int_equal(count, 2);
    assert_int_equal(effects[0]->task, first);
    effects_of(&view, first, d.session->events, false, &count);
    assert_int_equal(count, 0);
}

/* --- searching --- */

static struct search_result searched(struct search search)
{
    const struct view view = view_now();
    struct search_result result;

    assert_true(fb_is_ok(search_run(&view, &search, &result)));
    return result;
}

static void each_order_is_total_and_every_place_goes_on_behind_itself(void **state)
{
    char title[16];

    (void)state;
    for (int i = 0; i < 60; i++) {
        d.now_ms += i % 3 == 0 ? 0 : 1000;
        snprintf(title, sizeof(title), "task%d", i);
        plan_after(title, 0, EVENT_LINK_AFTER);
    }
    for (int order = SEARCH_SCHEDULE; order <= SEARCH_RANK; order++) {
        struct search search = {.order = (enum search_order)order};
        struct search_result result;

        assert_true(words_read(FB_TEXT("task*"), &search.words));
        result = searched(search);
        assert_int_equal(result.count, d.session->task_count);
        for (size_t i = 0; i < result.count; i++) {
            assert_int_equal(search_behind(&result, &result.places[i]), i + 1);
        }
    }
}

static void what_waits_by_way_of_others_is_behind_a_task(void **state)
{
    const uint32_t first = plan_after("first", 0, EVENT_LINK_AFTER);
    const uint32_t second = plan_after("second", first, EVENT_LINK_AFTER);
    const uint32_t third = plan_after("third", second, EVENT_LINK_ENDS);
    struct search_result result;

    (void)state;
    plan_after("aside", first, EVENT_LINK_FROM);
    result = searched((struct search){.where = {.after = first}, .order = SEARCH_NUMBER});
    assert_int_equal(result.count, 2);
    assert_int_equal(result.places[0].task, second);
    assert_int_equal(result.places[1].task, third);
    result = searched((struct search){.where = {.before = third}, .order = SEARCH_NUMBER});
    assert_int_equal(result.count, 2);
    result = searched((struct search){.where = {.after = 99}, .order = SEARCH_NUMBER});
    assert_int_equal(result.count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_tells_what_there_is_and_leaves_the_texts_out),
        CASE(a_full_view_tells_texts_and_links_of_both_ways),
        CASE(a_task_whose_agent_is_silent_is_suspect),
        CASE(a_claim_brings_how_what_it_builds_on_has_ended),
        CASE(a_session_s_line_counts_its_tasks),
        CASE(why_there_is_nothing_names_the_cause),
        CASE(the_effects_of_a_change_are_those_that_changed_with_it),
        CASE(each_order_is_total_and_every_place_goes_on_behind_itself),
        CASE(what_waits_by_way_of_others_is_behind_a_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
