#include "services/worker/flow/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/snapshot.h"
#include "tests/services/worker/flow/world.h"

static struct fb_buffer snapshot_of(const struct world *w)
{
    struct fb_buffer bytes = {.data = NULL};

    assert_true(snapshot_write(w->d.session, &bytes));
    return bytes;
}

/* The plan is refused, names the offender, and has changed nothing. */
static void refuse_plan(struct world *w, const struct plan_item *items, size_t count,
                        enum refusal_kind kind, const char *says)
{
    struct fb_buffer before = snapshot_of(w);
    const size_t events = w->d.event_count;
    struct fb_buffer after;

    assert_false(plan(w, items, count));
    expect(w, kind, says);
    assert_int_equal(w->d.event_count, events);
    after = snapshot_of(w);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, after.size);
    fb_buffer_finish(&before);
    fb_buffer_finish(&after);
    expect_sound(w);
}

static void refuse_edit(struct world *w, const struct edit_command *command, enum refusal_kind kind,
                        const char *says)
{
    struct fb_buffer before = snapshot_of(w);
    struct fb_buffer after;

    assert_false(decide_edit(&w->d, command));
    expect(w, kind, says);
    after = snapshot_of(w);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, after.size);
    fb_buffer_finish(&before);
    fb_buffer_finish(&after);
}

static void a_cycle_is_named_by_its_path(void **state)
{
    const struct plan_link next_item = {.item = 2, .kind = EVENT_LINK_AFTER};
    const struct plan_link first_item = {.item = 1, .kind = EVENT_LINK_ENDS};
    const struct plan_item chain[] = {item("", &next_item, 1), item("", NULL, 0)};
    const struct plan_item knot[] = {item("", &next_item, 1), item("", &first_item, 1)};
    const struct plan_item self = item("", &first_item, 1);
    const struct event_link back = {.on = 1, .kind = EVENT_LINK_AFTER};
    struct edit_command edit = {
        .agent = ann, .task = 2, .action = EDIT_LINKS, .links = &back, .link_count = 1};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, chain, 2));
    refuse_plan(&w, &self, 1, REFUSAL_CYCLE, "tasks[0] -> tasks[0];");
    refuse_plan(&w, knot, 2, REFUSAL_CYCLE, "tasks[1] -> tasks[0] -> tasks[1];");
    refuse_edit(&w, &edit, REFUSAL_CYCLE, " -> ");
    assert_true(w.d.refusal.task == 1 || w.d.refusal.task == 2);
    edit.task = 1;
    refuse_edit(&w, &edit, REFUSAL_CYCLE, "wait for itself: #1 -> #1;");
    assert_true(next(&w, ann, 2));
    assert_false(decide_pulse(
        &w.d,
        &(struct pulse_command){.agent = ann, .task = 2, .state = PULSE_BLOCKED, .blocker = 2}));
    expect(&w, REFUSAL_CYCLE, "task 2 cannot wait for itself");
    world_finish(&w);
}

static void a_plan_is_refused_by_the_place_of_what_is_wrong(void **state)
{
    const struct fb_text word = FB_TEXT("\xc3(");
    const struct plan_link lost = {.task = 77, .kind = EVENT_LINK_AFTER};
    const struct plan_link behind = {.item = 3, .kind = EVENT_LINK_AFTER};
    const struct plan_link odd = {.item = 1, .kind = (enum event_link_kind)9};
    const struct plan_link parents[] = {{.item = 1, .kind = EVENT_LINK_PARENT},
                                        {.item = 1, .kind = EVENT_LINK_PARENT}};
    struct plan_item items[2] = {item("", NULL, 0), item("", NULL, 0)};
    char *megabyte = malloc(1 << 20);
    struct world w;

    (void)state;
    assert_non_null(megabyte);
    memset(megabyte, 'x', 1 << 20);
    world_begin(&w);
    items[1].task.title = (struct fb_text){.data = megabyte, .size = 1 << 20};
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].title: 1 to 512 bytes");
    items[1].task.title = FB_TEXT("\xff\xfe");
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].title:");
    items[1].task.title = FB_TEXT("");
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].title:");
    items[1] = item("", NULL, 0);
    items[1].task.body = (struct fb_text){.data = megabyte, .size = EVENT_BODY_BYTES + 1};
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].body: at most 64 KiB");
    items[1] = item("", NULL, 0);
    items[1].task.weight = UINT32_MAX;
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].weight: 1 to 10");
    items[1].task.weight = 0;
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].weight: 1 to 10");
    items[1] = item("", NULL, 0);
    items[1].task.priority = 5;
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].priority:");
    items[1] = item("", NULL, 0);
    items[1].task.needs = (struct event_texts){.items = &word, .count = 1};
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].needs:");
    items[1] = item("", &lost, 1);
    refuse_plan(&w, items, 2, REFUSAL_NO_SUCH, "tasks[1] names task 77, which there is not");
    items[1] = item("", &behind, 1);
    refuse_plan(&w, items, 2, REFUSAL_NO_SUCH, "tasks[1]");
    items[1] = item("", &odd, 1);
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "links: there is no such kind");
    items[1] = item("", parents, 2);
    refuse_plan(&w, items, 2, REFUSAL_INVALID, "tasks[1].links: a task has one parent");
    items[0] = item("same", NULL, 0);
    items[1] = item("same", NULL, 0);
    refuse_plan(&w, items, 2, REFUSAL_DUPLICATE_KEY,
                "tasks[1].key \"same\" is that of tasks[0]; choose another");
    refuse_plan(&w, NULL, 0, REFUSAL_INVALID, "tasks: at least one");
    free(megabyte);
    world_finish(&w);
}

static void a_plan_that_the_store_would_not_take_at_once_is_refused_with_its_limit(void **state)
{
    enum { COUNT = 260 };
    struct plan_item *items = calloc(COUNT, sizeof(*items));
    char *body = malloc(EVENT_BODY_BYTES);
    struct world w;

    (void)state;
    assert_non_null(items);
    assert_non_null(body);
    memset(body, 'x', EVENT_BODY_BYTES);
    for (int i = 0; i < COUNT; i++) {
        items[i] = item("", NULL, 0);
        items[i].task.body = (struct fb_text){.data = body, .size = EVENT_BODY_BYTES};
    }
    world_begin(&w);
    refuse_plan(&w, items, COUNT, REFUSAL_BUDGET, "a plan takes at most 15 MiB, and this one 17");
    assert_true(plan(&w, items, 200));
    for (size_t i = 0; i < w.d.event_count; i++) {
        struct fb_arena arena;
        struct fb_text bytes;

        fb_arena_init(&arena, 0);
        assert_true(fb_is_ok(event_pack(&w.d.events[i], &arena, &bytes)));
        fb_arena_finish(&arena);
    }
    world_finish(&w);
    free(items);
    free(body);
}

static void a_session_is_full_at_200000_tasks(void **state)
{
    enum { COUNT = 100000 };
    struct plan_item *items = calloc(COUNT + 1, sizeof(*items));
    struct world w;

    (void)state;
    assert_non_null(items);
    for (int i = 0; i <= COUNT; i++) {
        items[i] = item("", NULL, 0);
    }
    world_begin(&w);
    assert_true(plan(&w, items, COUNT));
    assert_false(plan(&w, items, COUNT + 1));
    expect(&w, REFUSAL_BUDGET, "at most 200000 tasks and has 100000");
    assert_true(plan(&w, items, COUNT));
    assert_false(plan(&w, items, 1));
    expect(&w, REFUSAL_BUDGET, "open another session");
    world_finish(&w);
    free(items);
}

static void edits_are_refused_by_what_they_name(void **state)
{
    const struct plan_link child = {.item = 1, .kind = EVENT_LINK_PARENT};
    const struct plan_item items[] = {item("", NULL, 0), item("", &child, 1), item("", NULL, 0)};
    struct event_link link = {.on = 3, .kind = EVENT_LINK_AFTER, .dropped = true};
    struct edit_command edit = {
        .agent = ann, .task = 2, .action = EDIT_LINKS, .links = &link, .link_count = 1};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    refuse_edit(&w, &edit, REFUSAL_NO_SUCH, "task 2 has no such link to task 3");
    link = (struct event_link){.on = 3, .kind = EVENT_LINK_PARENT};
    refuse_edit(&w, &edit, REFUSAL_CONFLICT, "task 2 has task 1 for its parent");
    link.on = 99;
    refuse_edit(&w, &edit, REFUSAL_NO_SUCH, "there is no task 99");
    edit.task = 0;
    refuse_edit(&w, &edit, REFUSAL_NO_SUCH, "there is no task 0");
    edit = (struct edit_command){.agent = ann, .task = 2, .action = EDIT_FIELDS, .if_rev = 9999};
    refuse_edit(&w, &edit, REFUSAL_STALE_REV, "not 9999; read it again");
    assert_int_equal(w.d.refusal.fence, w.d.session->tasks[2].rev);
    edit.if_rev = 0;
    refuse_edit(&w, &edit, REFUSAL_INVALID, "fields:");
    edit.fields.edited.fields = EVENT_FIELD_WEIGHT;
    edit.fields.edited.weight = 11;
    refuse_edit(&w, &edit, REFUSAL_INVALID, "weight:");
    edit = (struct edit_command){.agent = ann, .task = 2, .action = EDIT_REOPEN};
    refuse_edit(&w, &edit, REFUSAL_CONFLICT, "task 2 is queued, not completed");
    edit.agent = FB_TEXT("\xc0\x80");
    edit.action = EDIT_CANCEL;
    refuse_edit(&w, &edit, REFUSAL_INVALID, "agent:");
    edit.agent = FB_TEXT("");
    refuse_edit(&w, &edit, REFUSAL_INVALID, "agent: say who you are");
    world_finish(&w);
}

static void an_edit_of_several_things_is_done_whole_or_not_at_all(void **state)
{
    const struct plan_link after = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {item("", NULL, 0), item("", &after, 1), item("", NULL, 0)};
    struct event_link link = {.on = 2, .kind = EVENT_LINK_AFTER};
    struct edit_command edit = {
        .agent = ann,
        .task = 1,
        .fields = {.edited = {.fields = EVENT_FIELD_TITLE, .title = FB_TEXT("new")}},
        .links = &link,
        .link_count = 1,
        .action = EDIT_CANCEL,
    };
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 3));
    refuse_edit(&w, &edit, REFUSAL_CYCLE, " -> ");
    link.on = 3;
    edit.action = EDIT_REOPEN;
    edit.reason = FB_TEXT("why not");
    refuse_edit(&w, &edit, REFUSAL_CONFLICT, "task 1 is queued, not completed");
    edit.action = EDIT_CHAIN;
    refuse_edit(&w, &edit, REFUSAL_INVALID, "links:");
    edit.action = EDIT_CANCEL;
    assert_true(decide_edit(&w.d, &edit));
    assert_string_equal(w.d.session->tasks[1].title, "new");
    assert_int_equal(session_holds_up(w.d.session, 1), 3);
    expect_state(&w, 1, TASK_CANCELLED);
    assert_true(decide_undo(&w.d, &(struct undo_command){.agent = ann}));
    assert_string_equal(w.d.session->tasks[1].title, "task");
    assert_int_equal(w.d.session->tasks[1].unmet, 0);
    expect_state(&w, 1, TASK_QUEUED);
    world_finish(&w);
}

static void a_gate_is_opened_by_another_and_a_blocker_by_its_end(void **state)
{
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct pulse_command pulse = {
        .agent = ann, .task = 1, .state = PULSE_BLOCKED, .gate = FB_TEXT("which port?")};
    struct edit_command open = {.agent = ann, .task = 1, .action = EDIT_UNBLOCK};
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    assert_true(decide_pulse(&w.d, &pulse));
    refuse_edit(&w, &open, REFUSAL_CONFLICT, "by another than who asked: which port?");
    open.agent = bob;
    assert_true(decide_edit(&w.d, &open));
    assert_true(next(&w, ann, 1));
    pulse.blocker = 2;
    assert_true(decide_pulse(&w.d, &pulse));
    refuse_edit(&w, &open, REFUSAL_CONFLICT, "task 1 waits for task 2, not for an answer");
    world_finish(&w);
}

static void stale_fences_are_refused_with_the_holder_and_its_fence(void **state)
{
    const struct plan_item one = item("", NULL, 0);
    struct world w;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, &one, 1));
    assert_true(next(&w, ann, 1));
    assert_false(done(&w, ann, 1, 999));
    expect(&w, REFUSAL_CONFLICT, "task 1 is yours, but with fence 1, not 999; call again");
    assert_int_equal(w.d.refusal.fence, 1);
    assert_false(done(&w, bob, 1, 1));
    expect(&w, REFUSAL_CONFLICT, "held by ann with fence 1");
    assert_true(fb_text_is(w.d.refusal.holder, "ann"));
    assert_int_equal(w.d.refusal.fence, 1);
    assert_true(done(&w, ann, 1, 1));
    assert_false(done(&w, ann, 1, 1));
    expect(&w, REFUSAL_CONFLICT, "completed and no longer yours");
    assert_false(decide_pulse(
        &w.d, &(struct pulse_command){.agent = ann, .task = 1, .fence = 1, .percent = 101}));
    expect(&w, REFUSAL_INVALID, "percent: 0 to 100");
    world_finish(&w);
}

static void a_clock_that_leaps_ahead_and_back_loses_no_work(void **state)
{
    const int64_t ten_years_ms = INT64_C(3650) * 24 * 60 * MINUTE_MS;
    const struct plan_item items[] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;
    int64_t then_ms;

    (void)state;
    world_begin(&w);
    assert_true(plan(&w, items, 2));
    assert_true(next(&w, ann, 1));
    then_ms = w.d.now_ms;
    w.d.now_ms += ten_years_ms;
    assert_true(decide_expire(&w.d));
    assert_true(next(&w, bob, 2));
    expect_state(&w, 1, TASK_QUEUED); /* ann's lease has expired, its task has not been lost */
    assert_true(w.d.session->awake_ms <= 2 * 60 * MINUTE_MS + 1000);
    w.d.now_ms = then_ms;
    assert_true(next(&w, ann, 1));
    assert_int_equal(w.d.session->last_ms, then_ms + ten_years_ms);
    assert_true(done(&w, bob, 2, 0));
    w.d.now_ms = -5;
    assert_true(done(&w, ann, 1, 0));
    w.d.now_ms = INT64_MAX;
    assert_false(plan(&w, items, 2));
    expect(&w, REFUSAL_INVALID, "unix_ms:");
    w.d.now_ms = 0;
    assert_true(plan(&w, items, 2));
    world_finish(&w);
}

static void more_words_than_a_session_knows_are_refused_whole(void **state)
{
    char words[65][8];
    struct fb_text needs[65];
    struct plan_item items[2] = {item("", NULL, 0), item("", NULL, 0)};
    struct world w;

    (void)state;
    for (int i = 0; i < 65; i++) {
        snprintf(words[i], sizeof(words[i]), "w%d", i);
        needs[i] = fb_text_of(words[i]);
    }
    items[0].task.needs = (struct event_texts){.items = needs, .count = 64};
    items[1].task.needs = (struct event_texts){.items = needs + 64, .count = 1};
    world_begin(&w);
    refuse_plan(&w, items, 2, REFUSAL_BUDGET, "needs: a session knows at most 64 words");
    assert_true(plan(&w, items, 1));
    world_finish(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cycle_is_named_by_its_path),
        cmocka_unit_test(a_plan_is_refused_by_the_place_of_what_is_wrong),
        cmocka_unit_test(a_plan_that_the_store_would_not_take_at_once_is_refused_with_its_limit),
        cmocka_unit_test(a_session_is_full_at_200000_tasks),
        cmocka_unit_test(edits_are_refused_by_what_they_name),
        cmocka_unit_test(an_edit_of_several_things_is_done_whole_or_not_at_all),
        cmocka_unit_test(a_gate_is_opened_by_another_and_a_blocker_by_its_end),
        cmocka_unit_test(stale_fences_are_refused_with_the_holder_and_its_fence),
        cmocka_unit_test(a_clock_that_leaps_ahead_and_back_loses_no_work),
        cmocka_unit_test(more_words_than_a_session_knows_are_refused_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
