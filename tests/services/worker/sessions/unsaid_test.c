#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flowbalancer/v1/session_store.pb-c.h"
#include "services/worker/flow/alarms.h"
#include "services/worker/sessions/unsaid.h"
#include "tests/services/worker/sessions/world.h"

static const struct keeper_config usual;

enum { TASKS_MOST = 100 };

/* --- the module alone --- */

struct bench {
    struct session *session;
    struct unsaid unsaid;
    struct fb_arena arena;
};

static struct decision decision_of(struct bench *bench)
{
    return (struct decision){.session = bench->session, .arena = &bench->arena, .now_ms = 1000000};
}

static void note(struct bench *bench, const struct decision *d)
{
    assert_int_equal(d->refusal.kind, REFUSAL_NONE);
    unsaid_note(&bench->unsaid, bench->session, d->events, d->event_count);
}

static void plan_two(struct bench *bench)
{
    const struct plan_link link = {.item = 1, .kind = EVENT_LINK_AFTER};
    const struct plan_item items[] = {
        {.task = {.title = FB_TEXT("first"), .weight = 1, .priority = 2}},
        {.task = {.title = FB_TEXT("second"), .body = FB_TEXT("later"), .weight = 1, .priority = 2},
         .links = &link,
         .link_count = 1},
    };
    struct decision d = decision_of(bench);

    (void)decide_open(&d, &(struct open_command){.name = FB_TEXT("s"), .agent = FB_TEXT("ada")});
    (void)decide_plan(&d,
                      &(struct plan_command){.agent = FB_TEXT("ada"), .items = items, .count = 2});
    note(bench, &d);
}

static Flowbalancer__V1__Projection *take(struct bench *bench)
{
    Flowbalancer__V1__Projection *projection =
        unsaid_take(&bench->unsaid, bench->session, (int64_t)bench->session->events, false,
                    TASKS_MOST, &bench->arena);

    assert_non_null(projection);
    return projection;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    bench->session = session_create();
    assert_non_null(bench->session);
    fb_arena_init(&bench->arena, 0);
    unsaid_begin(&bench->unsaid, bench->session, 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    unsaid_finish(&bench->unsaid);
    session_destroy(bench->session);
    fb_arena_finish(&bench->arena);
    free(bench);
    return 0;
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void new_tasks_are_said_with_their_texts(void **state)
{
    struct bench *bench = *state;
    Flowbalancer__V1__Projection *projection;

    plan_two(bench);
    projection = take(bench);
    assert_int_equal(projection->n_tasks, 2);
    assert_int_equal(projection->tasks[0]->state, UNSAID_READY);
    assert_int_equal(projection->tasks[1]->state, TASK_QUEUED);
    assert_string_equal(projection->tasks[1]->texts->title, "second");
    assert_string_equal(projection->tasks[1]->texts->body, "later\n");
    assert_int_equal(projection->line->ready, 1);
    assert_int_equal(projection->line->tasks_by_state[TASK_QUEUED], 2);
    assert_int_equal(projection->sequence, bench->session->events);
    assert_false(unsaid_are_due(&bench->unsaid, (int64_t)bench->session->events));
}

static void imported_tasks_are_said_with_their_texts_and_states(void **state)
{
    struct bench *bench = *state;
    const struct event_imported_task tasks[] = {
        {.task = {.title = FB_TEXT("done"), .weight = 1}, .state = EVENT_IMPORTED_COMPLETED},
        {.task = {.title = FB_TEXT("open"), .body = FB_TEXT("text"), .weight = 1}},
    };
    const struct event_link link = {.task = 2, .on = 1, .kind = EVENT_LINK_AFTER};
    const struct event events[] = {
        {.kind = EVENT_OPENED, .unix_ms = 5, .opened = {.name = FB_TEXT("s")}},
        {.kind = EVENT_IMPORTED,
         .unix_ms = 6,
         .imported =
             {.first_task = 1, .tasks = tasks, .task_count = 2, .links = &link, .link_count = 1}},
    };
    Flowbalancer__V1__Projection *projection;

    for (size_t i = 0; i < 2; i++) {
        assert_true(fb_is_ok(session_fold(bench->session, &events[i])));
    }
    unsaid_note(&bench->unsaid, bench->session, events, 2);
    projection = take(bench);
    assert_int_equal(projection->n_tasks, 2);
    assert_int_equal(projection->tasks[0]->state, TASK_COMPLETED);
    assert_int_equal(projection->tasks[1]->state, UNSAID_READY);
    assert_string_equal(projection->tasks[1]->texts->body, "text\n");
}

static void a_task_that_becomes_ready_by_anothers_end_is_said_again_without_texts(void **state)
{
    struct bench *bench = *state;
    struct decision d = decision_of(bench);
    Flowbalancer__V1__Projection *projection;

    plan_two(bench);
    take(bench);
    (void)decide_next(&d, &(struct next_command){.agent = FB_TEXT("ada")});
    note(bench, &d);
    projection = take(bench);
    assert_int_equal(projection->n_tasks, 1);
    assert_string_equal(projection->tasks[0]->agent, "ada");
    assert_null(projection->tasks[0]->texts);
    d = decision_of(bench);
    (void)decide_done(&d, &(struct done_command){.agent = FB_TEXT("ada"), .task = 1});
    note(bench, &d);
    projection = take(bench);
    assert_int_equal(projection->n_tasks, 2);
    assert_int_equal(projection->tasks[0]->state, TASK_COMPLETED);
    assert_non_null(projection->tasks[0]->texts);
    assert_int_equal(projection->tasks[1]->state, UNSAID_READY);
    assert_null(projection->tasks[1]->texts);
}

static void more_than_fits_is_said_by_and_by_and_its_sequence_last(void **state)
{
    enum { COUNT = 2 * TASKS_MOST + 10 };
    struct bench *bench = *state;
    struct plan_item *items = calloc(COUNT, sizeof(*items));
    struct decision d = decision_of(bench);
    size_t said = 0;
    int times = 0;

    assert_non_null(items);
    for (int i = 0; i < COUNT && items != NULL; i++) {
        items[i].task =
            (struct event_planned_task){.title = FB_TEXT("one"), .weight = 1, .priority = 2};
    }
    (void)decide_open(&d, &(struct open_command){.name = FB_TEXT("s"), .agent = FB_TEXT("ada")});
    (void)decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ada"), .items = items, .count = COUNT});
    note(bench, &d);
    while (unsaid_are_due(&bench->unsaid, (int64_t)bench->session->events)) {
        Flowbalancer__V1__Projection *projection = take(bench);

        said += projection->n_tasks;
        times++;
        assert_int_equal(projection->sequence, said == COUNT ? bench->session->events : 0);
    }
    assert_int_equal(said, COUNT);
    assert_int_equal(times, 3);
    free(items);
}

static void what_is_fresh_does_not_wait_for_what_is_left(void **state)
{
    struct bench *bench = *state;
    struct decision d = decision_of(bench);
    Flowbalancer__V1__Projection *projection;

    plan_two(bench);
    unsaid_take(&bench->unsaid, bench->session, 0, false, 0, &bench->arena);
    (void)decide_plan(
        &d, &(struct plan_command){.agent = FB_TEXT("ada"),
                                   .items = &(struct plan_item){.task = {.title = FB_TEXT("third"),
                                                                         .weight = 1,
                                                                         .priority = 2}},
                                   .count = 1});
    note(bench, &d);
    projection = unsaid_take(&bench->unsaid, bench->session, 9, true, TASKS_MOST, &bench->arena);
    assert_non_null(projection);
    assert_int_equal(projection->n_tasks, 1);
    assert_int_equal(projection->tasks[0]->number, 3);
    assert_int_equal(projection->sequence, 0);
    projection = take(bench);
    assert_int_equal(projection->n_tasks, 2);
    assert_int_equal(projection->sequence, bench->session->events);
}

static void alarms_that_are_on_are_said_with_the_session(void **state)
{
    struct bench *bench = *state;
    Flowbalancer__V1__Projection *projection;
    uint32_t times;

    plan_two(bench);
    for (int i = 0; i < 3; i++) {
        (void)session_called(bench->session, FB_TEXT("ada"), FB_TEXT("Pulse"), 7, false,
                             bench->session->last_ms, &times);
    }
    projection = take(bench);
    assert_int_equal(projection->line->n_alarms, 1);
    assert_int_equal(projection->line->alarms[0]->kind, ALARM_RUNAWAY);
}

/* --- as queries see it --- */

struct answer {
    bool ended;
    size_t tasks;
    uint32_t state;
    char title[64];
    size_t behind;
};

static void on_message(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct answer *answer = arg;
    Flowbalancer__V1__SearchTasksResponse *response =
        flowbalancer__v1__search_tasks_response__unpack(NULL, size, data);

    (void)call;
    assert_non_null(response);
    answer->tasks += response->n_tasks;
    answer->behind += response->n_behind_session_ids;
    if (response->n_tasks > 0) {
        answer->state = response->tasks[0]->task->state;
        snprintf(answer->title, sizeof(answer->title), "%s",
                 response->tasks[0]->task->texts->title);
    }
    flowbalancer__v1__search_tasks_response__free_unpacked(response, NULL);
}

static void on_end(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    (void)call;
    assert_string_equal(end->status.why, "");
    ((struct answer *)arg)->ended = true;
}

static struct answer search(struct world *world, struct keeper *keeper, uint32_t state)
{
    static const struct fb_client_call_events events = {.on_message = on_message, .on_end = on_end};
    static const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.SessionStoreService/SearchTasks"};
    Flowbalancer__V1__SearchTasksRequest request = FLOWBALANCER__V1__SEARCH_TASKS_REQUEST__INIT;
    struct answer answer = {.ended = false};
    struct fb_client_call *call = fb_channel_call(keeper_channel(keeper), &plan, &events, &answer);

    assert_non_null(call);
    request.session_id = (char *)(uintptr_t) "s";
    request.states = &state;
    request.n_states = state == UINT32_MAX ? 0 : 1;
    request.page_size = 10000;
    (void)fb_client_call_send(call, &request.base);
    fb_client_call_half_close(call);
    world_until(world, &answer.ended);
    return answer;
}

static void queries_know_what_was_answered(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct answer answer;
    struct ask next;

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper,
         (struct ask){.kind = ASK_PLAN, .session = "s", .count = 3, .chained = true});
    answer = search(world, keeper, UNSAID_READY);
    assert_int_equal(answer.tasks, 1);
    assert_string_equal(answer.title, "a task of a test");
    next = must(world, keeper, (struct ask){.kind = ASK_NEXT, .session = "s"});
    assert_int_equal(search(world, keeper, TASK_ACTIVE).tasks, 1);
    must(world, keeper,
         (struct ask){
             .kind = ASK_FINISH, .session = "s", .task = next.got_task, .fence = next.got_fence});
    assert_int_equal(search(world, keeper, TASK_COMPLETED).tasks, 1);
    assert_int_equal(search(world, keeper, UNSAID_READY).tasks, 1);
}

static void queries_catch_up_with_a_plan_that_is_too_large_for_one_append(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct answer answer = {.behind = 1};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 9000});
    while (answer.behind != 0) {
        answer = search(world, keeper, UINT32_MAX);
    }
    assert_int_equal(answer.tasks, 9000);
}

static void what_a_lost_worker_left_unsaid_is_said_by_the_next(void **state)
{
    struct world *world = *state;
    struct keeper *keeper = world_keeper(world, 0, &usual);
    struct answer answer;
    struct ask look_in = {.kind = ASK_LOOK, .session = "s", .call = {.take_over = true}};

    must(world, keeper, (struct ask){.kind = ASK_OPEN, .session = "s"});
    must(world, keeper, (struct ask){.kind = ASK_PLAN, .session = "s", .count = 9000});
    world_lose_keeper(world, 0);
    keeper = world_keeper(world, 1, &usual);
    answer = search(world, keeper, UINT32_MAX);
    assert_int_equal(answer.behind, 1);
    ask_do(world, keeper, &look_in);
    ask_finish(&look_in);
    while (answer.behind != 0) {
        answer = search(world, keeper, UINT32_MAX);
    }
    assert_int_equal(answer.tasks, 9000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(new_tasks_are_said_with_their_texts),
        BENCH_TEST(imported_tasks_are_said_with_their_texts_and_states),
        BENCH_TEST(a_task_that_becomes_ready_by_anothers_end_is_said_again_without_texts),
        BENCH_TEST(more_than_fits_is_said_by_and_by_and_its_sequence_last),
        BENCH_TEST(alarms_that_are_on_are_said_with_the_session),
        BENCH_TEST(what_is_fresh_does_not_wait_for_what_is_left),
        WORLD_TEST(queries_know_what_was_answered),
        WORLD_TEST(queries_catch_up_with_a_plan_that_is_too_large_for_one_append),
        WORLD_TEST(what_a_lost_worker_left_unsaid_is_said_by_the_next),
    };

    if (argc < 2) {
        fprintf(stderr, "usage: %s FLOW-STORE\n", argv[0]);
        return 2;
    }
    world_store_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
