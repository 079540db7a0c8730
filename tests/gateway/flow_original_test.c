#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/gateway/flow_world.h"

static void the_original_tools_are_listed_with_one_status_for_both(void **state)
{
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    static const char *const names[] = {
        "flow_open",   "flow_edit", "create_session",          "add_task",       "complete_task",
        "flow_status", "pulse",     "set_comprehensive_todos", "enter_rest_mode"};
    struct world *world = *state;
    const char *line;

    world->flow_tools = true;
    begin_again(world, 16, 100000);
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}");
    reply(world, &response.base);
    line = heard(world);
    for (size_t i = 0; i < COUNT(names); i++) {
        char quoted[64];

        snprintf(quoted, sizeof(quoted), "{\"name\":\"%s\"", names[i]);
        assert_non_null(strstr(line, quoted));
        assert_null(strstr(strstr(line, quoted) + 1, quoted));
    }
}

static void without_ours_only_the_originals_are_there(void **state)
{
    struct world *world = *state;

    call_flow(world, "flow_open", "{}");
    hears(world, "\"code\":-32602");
}

static void a_session_is_created_for_the_gateways_own_agent(void **state)
{
    Flowbalancer__V1__OpenSessionResponse response = FLOWBALANCER__V1__OPEN_SESSION_RESPONSE__INIT;
    const Flowbalancer__V1__OpenSessionRequest *asked;
    struct world *world = *state;

    call_flow(world, "create_session", "{\"sessionId\":\"w\"}");
    asked = asked_flow(world, "OpenSession");
    assert_string_equal(asked->by->actor, "agent-1");
    assert_int_equal(asked->wip, 16);
    reply(world, &response.base);
    hears(world, "\"sessionId\":\"w\"");
}

static void a_description_becomes_title_and_body(void **state)
{
    Flowbalancer__V1__PlanResponse response = FLOWBALANCER__V1__PLAN_RESPONSE__INIT;
    const Flowbalancer__V1__PlanRequest *asked;
    struct world *world = *state;
    uint32_t number = 4;

    call_flow(
        world, "add_task",
        "{\"sessionId\":\"w\",\"description\":\"first\\nsecond\",\"context\":\"c\",\"weight\":8,"
        "\"dependencies\":[\"task-1\",\"#2\"]}");
    asked = asked_flow(world, "Plan");
    assert_string_equal(asked->items[0]->task->title, "first");
    assert_string_equal(asked->items[0]->task->body, "first\nsecond\n\nc");
    assert_int_equal(asked->items[0]->task->weight, 8);
    assert_string_equal(asked->items[0]->links[0]->key, "task-1");
    assert_int_equal(asked->items[0]->links[1]->task, 2);
    response.n_tasks = 1;
    response.tasks = &number;
    reply(world, &response.base);
    hears(world, "{\"taskId\":\"#4\"}");
}

static void a_pulse_claims_its_task_and_notes_what_is_done(void **state)
{
    Flowbalancer__V1__NextResponse next = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    Flowbalancer__V1__PulseResponse pulse = FLOWBALANCER__V1__PULSE_RESPONSE__INIT;
    Flowbalancer__V1__StatusResponse status = FLOWBALANCER__V1__STATUS_RESPONSE__INIT;
    struct world *world = *state;

    call_flow(world, "pulse", "{\"sessionId\":\"w\",\"action\":\"reading\",\"taskId\":\"#4\"}");
    assert_int_equal(((const Flowbalancer__V1__NextRequest *)asked_flow(world, "Next"))->task->task,
                     4);
    reply(world, &next.base);
    assert_string_equal(((const Flowbalancer__V1__PulseRequest *)asked_flow(world, "Pulse"))->note,
                        "reading");
    reply(world, &pulse.base);
    asked_flow(world, "Status");
    reply(world, &status.base);
    hears(world, "\"sessionId\":\"w\"");
    call_flow(world, "pulse", "{\"sessionId\":\"w\",\"action\":\"thinking\"}");
    asked_flow(world, "Status");
}

static void todos_that_are_there_are_not_added_again(void **state)
{
    Flowbalancer__V1__FindResponse found = FLOWBALANCER__V1__FIND_RESPONSE__INIT;
    Flowbalancer__V1__FlowFound one = FLOWBALANCER__V1__FLOW_FOUND__INIT;
    Flowbalancer__V1__FlowFound *ones[] = {&one};
    Flowbalancer__V1__FlowTask task = FLOWBALANCER__V1__FLOW_TASK__INIT;
    const Flowbalancer__V1__PlanRequest *asked;
    struct world *world = *state;
    char key[32];

    call_flow(world, "set_comprehensive_todos",
              "{\"sessionId\":\"w\",\"todos\":[\"a\",{\"content\":\"b\"},\"a\"]}");
    asked_flow(world, "Find");
    reply(world, &found.base);
    asked = asked_flow(world, "Plan");
    assert_int_equal(asked->n_items, 2);
    assert_string_equal(asked->items[1]->task->title, "b");
    snprintf(key, sizeof(key), "%s", asked->items[0]->task->key);
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    heard(world);
    call_flow(world, "set_comprehensive_todos", "{\"sessionId\":\"w\",\"todos\":[\"a\"]}");
    task.key = key;
    one.task = &task;
    found.n_found = 1;
    found.found = ones;
    asked_flow(world, "Find");
    reply(world, &found.base);
    hears(world, "all of them are there already", "{\"taskIds\":[]}");
}

static void resting_rests_what_the_agent_holds_and_nothing_else(void **state)
{
    Flowbalancer__V1__StatusResponse status = FLOWBALANCER__V1__STATUS_RESPONSE__INIT;
    Flowbalancer__V1__PulseResponse pulse = FLOWBALANCER__V1__PULSE_RESPONSE__INIT;
    Flowbalancer__V1__FlowTask tasks[2];
    Flowbalancer__V1__FlowTask *pointers[2];
    const Flowbalancer__V1__PulseRequest *asked;
    struct world *world = *state;

    for (uint32_t i = 0; i < 2; i++) {
        tasks[i] = (Flowbalancer__V1__FlowTask)FLOWBALANCER__V1__FLOW_TASK__INIT;
        tasks[i].task = i + 1;
        tasks[i].state = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_ACTIVE;
        tasks[i].agent = S(i == 0 ? "agent-1" : "bob");
        pointers[i] = &tasks[i];
    }
    status.n_tasks = 2;
    status.tasks = pointers;
    call_flow(world, "enter_rest_mode", "{\"sessionId\":\"w\",\"duration\":\"an hour\"}");
    asked_flow(world, "Status");
    reply(world, &status.base);
    asked = asked_flow(world, "Pulse");
    assert_int_equal(asked->task->task, 1);
    assert_int_equal(asked->state, FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_RESTING);
    assert_string_equal(asked->note, "rests for an hour");
    reply(world, &pulse.base);
    hears(world, "\"resting\":[\"#1\"]");
}

static void a_status_takes_either_name_of_the_session(void **state)
{
    struct world *world = *state;

    call_flow(world, "flow_status", "{\"sessionId\":\"w\"}");
    asked_flow(world, "Status");
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    heard(world);
    call_flow(world, "flow_status", "{\"session\":\"w@ada\"}");
    assert_string_equal(
        ((const Flowbalancer__V1__StatusRequest *)asked_flow(world, "Status"))->actor, "ada");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_original(the_original_tools_are_listed_with_one_status_for_both),
        in_original(without_ours_only_the_originals_are_there),
        in_original(a_session_is_created_for_the_gateways_own_agent),
        in_original(a_description_becomes_title_and_body),
        in_original(a_pulse_claims_its_task_and_notes_what_is_done),
        in_original(todos_that_are_there_are_not_added_again),
        in_original(resting_rests_what_the_agent_holds_and_nothing_else),
        in_original(a_status_takes_either_name_of_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
