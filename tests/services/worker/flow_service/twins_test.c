#include "services/worker/flow_service/twins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/worker/flow/decide.h"

enum { SESSIONS = 4 };

/* What the worker holds: sessions with tasks, by their ids. */
struct world {
    struct fb_arena arena;
    const char *ids[SESSIONS];
    struct session *sessions[SESSIONS];
    size_t count;
    struct twins *twins;
};

static const struct session *held(void *self, const char *store_id)
{
    const struct world *w = self;

    for (size_t i = 0; i < w->count; i++) {
        if (w->sessions[i] != NULL && strcmp(w->ids[i], store_id) == 0) {
            return w->sessions[i];
        }
    }
    return NULL;
}

static struct decision decision_of(struct world *w, size_t which)
{
    return (struct decision){.session = w->sessions[which], .arena = &w->arena, .now_ms = 1000};
}

static void begin(struct world *w, size_t count, const char *const *ids)
{
    fb_arena_init(&w->arena, 0);
    w->count = count;
    w->twins = twins_create(held, w);
    assert_non_null(w->twins);
    for (size_t i = 0; i < count; i++) {
        struct decision d;

        w->ids[i] = ids[i];
        w->sessions[i] = session_create();
        assert_non_null(w->sessions[i]);
        d = decision_of(w, i);
        assert_true(
            decide_open(&d, &(struct open_command){.name = FB_TEXT("s"), .agent = FB_TEXT("ann")}));
    }
}

static void end(struct world *w)
{
    twins_destroy(w->twins);
    for (size_t i = 0; i < w->count; i++) {
        session_destroy(w->sessions[i]);
    }
    fb_arena_finish(&w->arena);
}

static void plan(struct world *w, size_t which, const char *title)
{
    const struct plan_item item = {
        .task = {.title = fb_text_of(title), .weight = 1, .priority = 2}};
    struct decision d = decision_of(w, which);

    assert_true(decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ann"), .items = &item, .count = 1}));
    twins_meet(w->twins, w->ids[which], w->sessions[which]);
}

static bool finds(struct world *w, size_t which, const char *title, struct twin *twin)
{
    return twins_find(w->twins, w->ids[which], fb_text_of(title), twin);
}

static void a_task_of_another_session_that_says_nearly_the_same_is_found(void **state)
{
    static const char *const ids[] = {"shop", "site"};
    struct world w;
    struct twin twin;

    (void)state;
    begin(&w, 2, ids);
    plan(&w, 0, "write the landing page");
    plan(&w, 0, "Build the coordinator of the agents");
    assert_true(finds(&w, 1, "build the coordinator of all agents", &twin));
    assert_string_equal(twin.store_id, "shop");
    assert_int_equal(twin.task, 2);
    assert_string_equal(twin.title, "Build the coordinator of the agents");
    assert_in_range(twin.percent, 70, 100);
    assert_false(finds(&w, 1, "measure the disk", &twin));
    end(&w);
}

static void tasks_of_the_session_itself_are_no_twins(void **state)
{
    static const char *const ids[] = {"shop"};
    struct world w;
    struct twin twin;

    (void)state;
    begin(&w, 1, ids);
    plan(&w, 0, "build the coordinator of the agents");
    assert_false(finds(&w, 0, "build the coordinator of the agents", &twin));
    end(&w);
}

static void another_scope_is_never_told_of(void **state)
{
    static const char *const ids[] = {"0123456789abcdef:shop", "0123456789abcde0:site", "plain",
                                      "0123456789abcdef:site"};
    struct world w;
    struct twin twin;

    (void)state;
    begin(&w, 4, ids);
    plan(&w, 0, "build the coordinator of the agents");
    assert_false(finds(&w, 1, "build the coordinator of the agents", &twin));
    assert_false(finds(&w, 2, "build the coordinator of the agents", &twin));
    assert_true(finds(&w, 3, "build the coordinator of the agents", &twin));
    end(&w);
}

static void what_has_ended_or_is_no_longer_held_is_not_told_of(void **state)
{
    static const char *const ids[] = {"shop", "site"};
    struct world w;
    struct twin twin;
    struct decision d;

    (void)state;
    begin(&w, 2, ids);
    plan(&w, 0, "build the coordinator of the agents");
    d = decision_of(&w, 0);
    assert_true(decide_done(&d, &(struct done_command){.agent = FB_TEXT("ann"), .task = 1}));
    assert_false(finds(&w, 1, "build the coordinator of the agents", &twin));
    plan(&w, 0, "build the coordinator of the agents");
    assert_true(finds(&w, 1, "build the coordinator of the agents", &twin));
    assert_int_equal(twin.task, 2);
    session_destroy(w.sessions[0]);
    w.sessions[0] = NULL;
    assert_false(finds(&w, 1, "build the coordinator of the agents", &twin));
    end(&w);
}

static void sessions_beyond_the_most_push_the_first_ones_out(void **state)
{
    static const char *const ids[] = {"first", "last"};
    struct world w;
    struct twin twin;
    char id[32];

    (void)state;
    begin(&w, 2, ids);
    plan(&w, 0, "build the coordinator of the agents");
    for (int i = 0; i < TWINS_SESSIONS; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        twins_meet(w.twins, id, w.sessions[1]);
    }
    assert_false(finds(&w, 1, "build the coordinator of the agents", &twin));
    twins_meet(w.twins, "first", w.sessions[0]);
    assert_true(finds(&w, 1, "build the coordinator of the agents", &twin));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_of_another_session_that_says_nearly_the_same_is_found),
        cmocka_unit_test(tasks_of_the_session_itself_are_no_twins),
        cmocka_unit_test(another_scope_is_never_told_of),
        cmocka_unit_test(what_has_ended_or_is_no_longer_held_is_not_told_of),
        cmocka_unit_test(sessions_beyond_the_most_push_the_first_ones_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
