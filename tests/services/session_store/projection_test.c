#include "tests/services/session_store/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    int failed = world_set_up(state);

    world_open(*state);
    return failed;
}

/* The session as a list of sessions tells it. Ends with the test's arena. */
static struct engine_session listed(struct world *world, const char *session_id)
{
    struct engine_list_sessions list = {
        .op = {.kind = ENGINE_LIST_SESSIONS}, .scope = "", .name_prefix = "", .most = 10};
    struct engine_session session = {.id = NULL};

    op_do(world->engine, &list.op);
    for (size_t i = 0; i < list.session_count; i++) {
        if (strcmp(list.sessions[i].id, session_id) == 0) {
            session = list.sessions[i];
            session.line.data =
                (const uint8_t *)fb_arena_copy(&world->arena, session.line.data, session.line.size);
        }
    }
    assert_non_null(session.id);
    op_finish(&list.op);
    return session;
}

static struct engine_put_projection put_of(int64_t epoch, int64_t sequence, const char *line)
{
    return (struct engine_put_projection){
        .op = {.kind = ENGINE_PUT_PROJECTION},
        .session_id = "s",
        .epoch = epoch,
        .projection = {.sequence = sequence,
                       .has_line = line != NULL,
                       .line = bytes_of(line != NULL ? line : "")},
    };
}

static void an_append_shows_its_tasks_and_line_at_once(void **state)
{
    struct world *world = *state;
    const struct engine_task tasks[] = {task_of(1, "", "Write the parser", ""),
                                        task_of(2, "", "Test the parser", "")};
    const struct engine_projection projection = {
        .sequence = 1, .has_line = true, .line = bytes_of("line"), .tasks = tasks, .task_count = 2};
    const struct engine_event event = event_of("planned");
    struct engine_append append =
        append_of("s", must_acquire(world->engine, "s", "w"), 0, "r1", &event, 1);
    struct engine_session session;

    append.projection = &projection;
    op_do(world->engine, &append.op);
    assert_int_equal(append.op.status.code, FB_OK);
    op_finish(&append.op);
    session = listed(world, "s");
    assert_true(bytes_are(session.line, "line"));
    assert_int_equal(session.projection_sequence, 1);
    assert_found(world->engine, search_of(&world->arena, "parser test"), "2");
    assert_int_equal(findings_of(world->engine), 0);
}

static void an_append_that_is_refused_or_repeated_projects_nothing(void **state)
{
    struct world *world = *state;
    const struct engine_task task = task_of(1, "", "never", "");
    const struct engine_projection projection = {.sequence = 1, .tasks = &task, .task_count = 1};
    const struct engine_event event = event_of("a");
    int64_t epoch = must_acquire(world->engine, "s", "w");
    struct engine_append append = append_of("s", epoch, 3, "r2", &event, 1);

    append.projection = &projection;
    op_do(world->engine, &append.op);
    assert_int_equal(append.op.status.code, FB_ABORTED);
    op_finish(&append.op);
    append.epoch = epoch + 1;
    append.expected_sequence = 0;
    op_do(world->engine, &append.op);
    assert_int_equal(append.op.status.code, FB_ABORTED);
    op_finish(&append.op);
    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a"));
    append = append_of("s", epoch, 0, "r1", (const struct engine_event[]){event_of("a")}, 1);
    append.projection = &projection;
    op_do(world->engine, &append.op);
    assert_true(append.repeated);
    op_finish(&append.op);
    assert_found(world->engine, search_of(&world->arena, NULL), "");
    assert_int_equal(listed(world, "s").projection_sequence, 0);
}

static void a_session_without_projections_is_told_to_be_behind(void **state)
{
    struct world *world = *state;
    struct engine_search_tasks search = search_of(&world->arena, NULL);
    const struct engine_task task = task_of(1, "", "shown", "");
    int64_t epoch = must_plan(world->engine, "s", &task, 1);
    char numbers[256];

    search_do(world->engine, &search, numbers);
    assert_int_equal(search.behind_count, 0);
    op_finish(&search.op);
    must_append(world->engine, "s", epoch, 1, "r2", TEXTS("b"));
    search_do(world->engine, &search, numbers);
    assert_string_equal(numbers, "1");
    assert_int_equal(search.behind_count, 1);
    assert_string_equal(search.behind[0], "s");
    op_finish(&search.op);
    must_project(world->engine, "s", epoch, 2, NULL, 0);
    search_do(world->engine, &search, numbers);
    assert_int_equal(search.behind_count, 0);
    op_finish(&search.op);
}

static void a_projection_is_fenced(void **state)
{
    struct world *world = *state;
    int64_t epoch = must_acquire(world->engine, "s", "w");
    struct engine_put_projection put;

    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a"));
    put = put_of(epoch + 1, 1, "stale");
    op_do(world->engine, &put.op);
    assert_string_equal(put.op.reason, "stale-epoch");
    op_finish(&put.op);
    put = put_of(epoch, 2, "beyond");
    op_do(world->engine, &put.op);
    assert_string_equal(put.op.reason, "wrong-sequence");
    assert_int_equal(put.last_sequence, 1);
    op_finish(&put.op);
    put.session_id = "none";
    op_do(world->engine, &put.op);
    assert_int_equal(put.op.status.code, FB_NOT_FOUND);
    op_finish(&put.op);
    assert_int_equal(listed(world, "s").line.size, 0);
}

static void a_projection_never_goes_back_and_keeps_the_line_it_does_not_say(void **state)
{
    struct world *world = *state;
    int64_t epoch = must_acquire(world->engine, "s", "w");
    struct engine_put_projection put;
    struct engine_session session;

    must_append(world->engine, "s", epoch, 0, "r1", TEXTS("a", "b", "c"));
    put = put_of(epoch, 3, "line");
    op_do(world->engine, &put.op);
    op_finish(&put.op);
    put = put_of(epoch, 1, NULL);
    op_do(world->engine, &put.op);
    assert_int_equal(put.op.status.code, FB_OK);
    op_finish(&put.op);
    must_append(world->engine, "s", epoch, 3, "r2", TEXTS("d"));
    session = listed(world, "s");
    assert_int_equal(session.projection_sequence, 3);
    assert_true(bytes_are(session.line, "line"));
}

static void a_task_keeps_its_texts_until_others_are_said(void **state)
{
    struct world *world = *state;
    struct engine_task task = task_of(1, "k", "old title", "old body");
    int64_t epoch = must_plan(world->engine, "s", &task, 1);
    struct engine_search_tasks search = search_of(&world->arena, "old");
    char numbers[256];

    task = (struct engine_task){.number = 1, .state = 3, .agent = "ada", .updated_unix_ms = 9};
    must_project(world->engine, "s", epoch, 1, &task, 1);
    search_do(world->engine, &search, numbers);
    assert_string_equal(numbers, "1");
    assert_int_equal(search.found[0].task.state, 3);
    assert_string_equal(search.found[0].task.agent, "ada");
    assert_string_equal(search.found[0].task.key, "k");
    assert_string_equal(search.found[0].task.title, "old title");
    op_finish(&search.op);
    task = task_of(1, "k", "new title", "old body");
    must_project(world->engine, "s", epoch, 1, &task, 1);
    assert_found(world->engine, search_of(&world->arena, "new title"), "1");
    assert_found(world->engine, search_of(&world->arena, "old title"), "1");
    assert_found(world->engine, search_of(&world->arena, "\"old title\""), "");
    task = task_of(1, "", "", "");
    must_project(world->engine, "s", epoch, 1, &task, 1);
    assert_found(world->engine, search_of(&world->arena, "title"), "");
    assert_int_equal(findings_of(world->engine), 0);
}

static void a_task_may_be_shown_before_its_texts(void **state)
{
    struct world *world = *state;
    const struct engine_task task = {.number = 1000000, .agent = "", .updated_unix_ms = 1};
    const struct engine_task with = task_of(1000000, "", "late", "");
    int64_t epoch = must_plan(world->engine, "s", &task, 1);

    assert_found(world->engine, search_of(&world->arena, NULL), "1000000");
    must_project(world->engine, "s", epoch, 1, &with, 1);
    assert_found(world->engine, search_of(&world->arena, "late"), "1000000");
    assert_int_equal(findings_of(world->engine), 0);
}

static void sessions_are_listed_by_the_time_of_their_last_event(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct world *world = *state;
    struct engine_list_sessions list = {.op = {.kind = ENGINE_LIST_SESSIONS},
                                        .scope = "",
                                        .name_prefix = "",
                                        .order = ENGINE_BY_UPDATED,
                                        .most = 2};

    for (int i = 0; i < 4; i++) {
        world_set_time(1000 + i / 2 * 1000);
        must_append(world->engine, ids[i], must_acquire(world->engine, ids[i], "w"), 0, "r",
                    TEXTS("x"));
    }
    op_do(world->engine, &list.op);
    assert_int_equal(list.session_count, 2);
    assert_true(list.more);
    assert_string_equal(list.sessions[0].id, "c"); /* of the same time, then by id */
    assert_string_equal(list.sessions[1].id, "d");
    op_finish(&list.op);
    list.after_id = "d";
    list.after_updated_unix_ms = 2000;
    op_do(world->engine, &list.op);
    assert_int_equal(list.session_count, 2);
    assert_false(list.more);
    assert_string_equal(list.sessions[0].id, "a");
    op_finish(&list.op);
    list.after_id = NULL;
    list.order = ENGINE_BY_NAME;
    list.updated_since_unix_ms = 2000;
    op_do(world->engine, &list.op);
    assert_int_equal(list.session_count, 2);
    assert_string_equal(list.sessions[0].id, "c");
    op_finish(&list.op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
        TEST(an_append_shows_its_tasks_and_line_at_once),
        TEST(an_append_that_is_refused_or_repeated_projects_nothing),
        TEST(a_session_without_projections_is_told_to_be_behind),
        TEST(a_projection_is_fenced),
        TEST(a_projection_never_goes_back_and_keeps_the_line_it_does_not_say),
        TEST(a_task_keeps_its_texts_until_others_are_said),
        TEST(a_task_may_be_shown_before_its_texts),
        TEST(sessions_are_listed_by_the_time_of_their_last_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
