#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/gateway/flow_world.h"

/* --- the list --- */

static void list(struct world *world, const char *const *tools, size_t count)
{
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    ProtobufCBinaryData items[4];

    for (size_t i = 0; i < count; i++) {
        items[i] = (ProtobufCBinaryData){.len = strlen(tools[i]), .data = (uint8_t *)S(tools[i])};
    }
    response.n_items_json = count;
    response.items_json = items;
    response.version = S("v1");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}");
    reply(world, &response.base);
}

static void our_tools_come_first_in_a_fixed_order(void **state)
{
    static const char *const names[] = {
        "\"tools\":[{\"name\":\"flow_open\"", "{\"name\":\"flow_plan\"", "{\"name\":\"flow_next\"",
        "{\"name\":\"flow_pulse\"",           "{\"name\":\"flow_done\"", "{\"name\":\"flow_find\"",
        "{\"name\":\"flow_status\"",          "{\"name\":\"flow_edit\"", "{\"name\":\"a__x\"",
    };
    static const char *const tools[] = {
        "{\"name\":\"a__x\",\"inputSchema\":{\"type\":\"object\"}}"};
    const char *at;

    list(*state, tools, 1);
    at = heard(*state);
    for (size_t i = 0; i < COUNT(names); i++) {
        at = strstr(at, names[i]);
        assert_non_null(at);
    }
    list(*state, tools, 0);
    at = heard(*state);
    assert_non_null(strstr(at, "flow_edit"));
    assert_null(strstr(at, "},]"));
}

static void no_tool_is_said_to_destroy_and_only_looking_to_read(void **state)
{
    const char *line;
    size_t tools = 0;

    list(*state, NULL, 0);
    line = heard(*state);
    assert_null(strstr(line, "\"destructiveHint\":true"));
    for (const char *at = strstr(line, "\"readOnlyHint\":true"); at != NULL;
         at = strstr(at + 1, "\"readOnlyHint\":true")) {
        tools++;
    }
    assert_int_equal(tools, 2);
}

static void an_old_agent_is_shown_neither_annotations_nor_output_schemas(void **state)
{
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    struct world *world = *state;
    const char *line;

    legacy(world, "2024-11-05");
    response.version = S("v1");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    reply(world, &response.base);
    line = heard(world);
    assert_non_null(strstr(line, "\"name\":\"flow_open\""));
    assert_null(strstr(line, "annotations"));
    assert_null(strstr(line, "outputSchema"));
}

static void without_the_setting_there_are_none(void **state)
{
    struct world *world = *state;

    world->flow_tools = false;
    begin_again(world, 16, 100000);
    list(world, NULL, 0);
    hears(world, "\"tools\":[]");
    call_flow(world, "flow_open", "{}");
    hears(world, "\"code\":-32602");
}

/* --- flow_open --- */

static void opening_makes_a_handle_of_name_and_agent(void **state)
{
    Flowbalancer__V1__OpenSessionResponse response = FLOWBALANCER__V1__OPEN_SESSION_RESPONSE__INIT;
    Flowbalancer__V1__FlowSessionLine line = FLOWBALANCER__V1__FLOW_SESSION_LINE__INIT;
    const Flowbalancer__V1__OpenSessionRequest *asked;
    struct world *world = *state;

    call_flow(world, "flow_open", "{\"name\":\"my work\",\"agent\":\"ada\",\"caps\":[\"c\"]}");
    asked = asked_flow(world, "OpenSession");
    assert_string_equal(asked->context->session, "my-work-a73eaf");
    assert_string_equal(asked->context->agent, "agent-1");
    assert_string_equal(asked->context->name, "flow_open");
    assert_string_equal(asked->by->actor, "ada");
    assert_string_equal(asked->name, "my work");
    assert_string_equal(asked->caps[0], "c");
    assert_true(asked->declares);
    response.created = true;
    line.state = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_RESTING;
    response.line = &line;
    reply(world, &response.base);
    hears(world, "\"structuredContent\":{\"session\":\"my-work-a73eaf@ada\"",
          "\"text\":\"session my-work-a73eaf@ada (new)\\nresting 0, 0% of 0\"", "\"held\":[]");
}

static void a_name_that_is_an_id_is_its_own(void **state)
{
    struct world *world = *state;

    call_flow(world, "flow_open", "{\"name\":\"Work-1.b_c\",\"agent\":\"ada\"}");
    assert_string_equal(
        ((const Flowbalancer__V1__OpenSessionRequest *)asked_flow(world, "OpenSession"))
            ->context->session,
        "Work-1.b_c");
    assert_false(
        ((const Flowbalancer__V1__OpenSessionRequest *)asked_flow(world, "OpenSession"))->declares);
}

static void each_mutation_has_a_name_of_its_own_that_lasts(void **state)
{
    const Flowbalancer__V1__OpenSessionRequest *first;
    const Flowbalancer__V1__OpenSessionRequest *second;
    struct world *world = *state;

    call_flow(world, "flow_open", "{\"name\":\"a\",\"agent\":\"ada\"}");
    first = asked_flow(world, "OpenSession");
    assert_true(strlen(first->by->request_id) > 16);
    assert_true(last_call(world)->repeatable);
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    call_flow(world, "flow_open", "{\"name\":\"a\",\"agent\":\"ada\"}");
    second = asked_flow(world, "OpenSession");
    assert_string_not_equal(first->by->request_id, second->by->request_id);
}

/* --- handles --- */

static void a_bare_name_of_a_session_is_the_gateways_own_agent(void **state)
{
    const Flowbalancer__V1__NextRequest *asked;
    struct world *world = *state;

    call_flow(world, "flow_next", "{\"session\":\"w@ada@home\"}");
    asked = asked_flow(world, "Next");
    assert_string_equal(asked->context->session, "w");
    assert_string_equal(asked->by->actor, "ada@home");
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    heard(world);
    call_flow(world, "flow_next", "{\"session\":\"my work\"}");
    asked = asked_flow(world, "Next");
    assert_string_equal(asked->context->session, "my-work-a73eaf");
    assert_string_equal(asked->by->actor, "agent-1");
}

/* --- flow_plan --- */

static void a_plan_is_mapped_item_by_item(void **state)
{
    Flowbalancer__V1__PlanResponse response = FLOWBALANCER__V1__PLAN_RESPONSE__INIT;
    const Flowbalancer__V1__PlanRequest *asked;
    const Flowbalancer__V1__FlowPlanItem *item;
    struct world *world = *state;
    uint32_t numbers[] = {7, 8};

    call_flow(
        world, "flow_plan",
        "{\"session\":\"w@ada\",\"key\":\"p\",\"tasks\":[{\"title\":\"one\"},{\"title\":"
        "\"two\",\"key\":\"k\",\"body\":\"b\",\"weight\":\"8\",\"priority\":0,\"after\":[\"#3\","
        "4,\"one-key\"],\"parent\":\"9\",\"from\":\"f\",\"chain\":true,\"needs\":\"gpu\","
        "\"accept\":\"a\"}]}");
    asked = asked_flow(world, "Plan");
    assert_string_equal(asked->plan_key, "p");
    assert_int_equal(asked->n_items, 2);
    assert_string_equal(asked->items[0]->task->title, "one");
    assert_int_equal(asked->items[0]->task->weight, 5);
    assert_int_equal(asked->items[0]->task->priority, 2);
    assert_int_equal(asked->items[0]->n_links, 0);
    item = asked->items[1];
    assert_string_equal(item->task->key, "k");
    assert_int_equal(item->task->weight, 8);
    assert_int_equal(item->task->priority, 0);
    assert_string_equal(item->task->needs[0], "gpu");
    assert_string_equal(item->task->accept, "a");
    assert_true(item->chain);
    assert_int_equal(item->n_links, 5);
    assert_int_equal(item->links[0]->task, 3);
    assert_int_equal(item->links[1]->task, 4);
    assert_string_equal(item->links[2]->key, "one-key");
    assert_int_equal(item->links[2]->kind, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_AFTER);
    assert_int_equal(item->links[3]->task, 9);
    assert_int_equal(item->links[3]->kind, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_PARENT);
    assert_string_equal(item->links[4]->key, "f");
    assert_int_equal(item->links[4]->kind, FLOWBALANCER__V1__FLOW_LINK_KIND__FLOW_LINK_KIND_FROM);
    response.n_tasks = 2;
    response.tasks = numbers;
    response.ready = 1;
    reply(world, &response.base);
    hears(world, "\"text\":\"planned #7 #8; 1 ready\"",
          "\"structuredContent\":{\"tasks\":[7,8],\"ready\":1}");
}

static void what_is_wrong_in_a_plan_is_named_with_its_place(void **state)
{
    struct world *world = *state;

    call_flow(
        world, "flow_plan",
        "{\"session\":\"w@ada\",\"tasks\":[{\"title\":\"a\"},{\"title\":\"b\",\"weight\":11}]}");
    hears(world,
          "\"text\":\"invalid: tasks[1].weight: wanted a whole number from 1 to 10 → "
          "correct it and call again\"",
          "\"structuredContent\":{\"error\":{\"kind\":\"invalid\",\"message\":\"tasks[1].weight",
          "\"isError\":true");
    call_flow(world, "flow_plan", "{\"session\":\"w@ada\",\"tasks\":[{\"titel\":\"a\"}]}");
    hears(world, "invalid: tasks[0].titel: there is no such argument", "title, key, body");
    call_flow(world, "flow_plan", "{\"session\":\"w@ada\",\"tasks\":[{\"title\":\"a\"},7]}");
    hears(world, "invalid: tasks[1]: wanted an object");
    call_flow(world, "flow_plan", "{\"session\":\"w@ada\",\"tasks\":[]}");
    hears(world, "invalid: tasks: wanted 1 to 100,000 → plan them in parts");
    call_flow(world, "flow_plan", "{\"tasks\":[]}");
    hears(world, "invalid: session: it is missing");
    assert_int_equal(mcp_unanswered(world->mcp), 0);
    assert_int_equal(world->suite.count, 0);
}

/* --- flow_next --- */

static void who_asked_to_wait_hears_that_it_still_does(void **state)
{
    Flowbalancer__V1__NextResponse response = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    struct world *world = *state;

    legacy(world, "2025-06-18");
    mcp_tick(world->mcp);
    assert_string_equal(heard(world), "");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{"
               "\"name\":\"flow_next\",\"arguments\":{\"session\":\"w@ada\",\"wait_s\":60},"
               "\"_meta\":{\"progressToken\":\"t\"}}}");
    mcp_tick(world->mcp);
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
                        "\"progressToken\":\"t\",\"progress\":1,\"message\":\"waiting\"}}");
    mcp_tick(world->mcp);
    assert_non_null(strstr(heard(world), "\"progress\":2,"));
    reply(world, &response.base);
    assert_non_null(strstr(heard(world), "no task"));
    mcp_tick(world->mcp);
    assert_string_equal(heard(world), "");
    call_flow(world, "flow_next", "{\"session\":\"w@ada\",\"wait_s\":60}");
    mcp_tick(world->mcp);
    assert_string_equal(heard(world), "");
}

static Flowbalancer__V1__FlowTask task_of(uint32_t number, const char *title)
{
    Flowbalancer__V1__FlowTask task = FLOWBALANCER__V1__FLOW_TASK__INIT;

    task.task = number;
    task.title = S(title);
    task.priority = 2;
    task.state = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED;
    task.ready = true;
    return task;
}

static Flowbalancer__V1__FlowClaim claim_of(Flowbalancer__V1__FlowTask *task)
{
    Flowbalancer__V1__FlowClaim claim = FLOWBALANCER__V1__FLOW_CLAIM__INIT;

    claim.task = task;
    claim.fence = 27;
    claim.lease_ms = 1800000;
    return claim;
}

static void a_claim_tells_all_that_is_needed_to_begin(void **state)
{
    Flowbalancer__V1__NextResponse response = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    Flowbalancer__V1__FlowTask task = task_of(12, "Write the parser");
    Flowbalancer__V1__FlowTask before = task_of(11, "Plan it");
    Flowbalancer__V1__FlowClaim claim = claim_of(&task);
    Flowbalancer__V1__FlowClaim *claims[] = {&claim};
    Flowbalancer__V1__FlowTask *finished[] = {&before};
    char *notes[] = {S("use\nthe scanner")};
    struct world *world = *state;

    before.summary = S("recursive descent");
    task.body = S("In C.\nNo tree.");
    task.accept = S("tests pass");
    claim.n_finished = 1;
    claim.finished = finished;
    claim.n_notes = 1;
    claim.notes = notes;
    response.n_claims = 1;
    response.claims = claims;
    call_flow(world, "flow_next", "{\"session\":\"w@ada\",\"task\":\"#12\",\"wait_s\":5}");
    assert_int_equal(((const Flowbalancer__V1__NextRequest *)asked_flow(world, "Next"))->wait_ms,
                     5000);
    reply(world, &response.base);
    hears(
        world,
        "\"text\":\"#12 Write the parser (fence 27, lease 30m)\\nIn C.\\nNo tree.\\naccept: tests "
        "pass\\ndone #11 Plan it: recursive descent\\nnote: use the scanner\"",
        "\"tasks\":[{\"task\":12,\"title\":\"Write the parser\",\"fence\":27,\"lease_s\":1800,"
        "\"body\":\"In C.\\nNo tree.\",\"accept\":\"tests pass\",\"done\":[\"#11 Plan it: "
        "recursive "
        "descent\"],\"notes\":[\"use the scanner\"]}]}");
}

static void waiting_ends_with_the_claim_or_with_why_there_is_none(void **state)
{
    Flowbalancer__V1__NextResponse waiting = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    Flowbalancer__V1__NextResponse none = FLOWBALANCER__V1__NEXT_RESPONSE__INIT;
    struct world *world = *state;

    waiting.waiting = true;
    none.why = S("all tasks have ended");
    none.finished = true;
    call_flow(world, "flow_next", "{\"session\":\"w@ada\",\"wait_s\":5}");
    fake_say(last_call(world), &waiting.base);
    assert_string_equal(heard(world), "");
    reply(world, &none.base);
    hears(world, "\"text\":\"no task: all tasks have ended\"",
          "{\"tasks\":[],\"why\":\"all tasks have ended\",\"finished\":true}");
}

/* --- flow_pulse --- */

static void a_blocker_is_a_task_or_a_question(void **state)
{
    const Flowbalancer__V1__PulseRequest *asked;
    struct world *world = *state;

    call_flow(
        world, "flow_pulse",
        "{\"session\":\"w@ada\",\"task\":12,\"fence\":27,\"note\":\"n\",\"pct\":40,\"blocker\":"
        "\"#3\"}");
    asked = asked_flow(world, "Pulse");
    assert_int_equal(asked->by->fence, 27);
    assert_int_equal(asked->percent, 40);
    assert_int_equal(asked->state, FLOWBALANCER__V1__FLOW_PULSE__FLOW_PULSE_BLOCKED);
    assert_int_equal(asked->blocker->task, 3);
    assert_string_equal(asked->gate, "");
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    heard(world);
    call_flow(world, "flow_pulse",
              "{\"session\":\"w@ada\",\"task\":12,\"fence\":27,\"state\":\"blocked\",\"blocker\":"
              "\"May I drop it?\"}");
    asked = asked_flow(world, "Pulse");
    assert_null(asked->blocker);
    assert_string_equal(asked->gate, "May I drop it?");
}

/* --- refusals --- */

static void a_refusal_says_its_kind_and_the_way_out(void **state)
{
    Flowbalancer__V1__FlowRefusal refusal = FLOWBALANCER__V1__FLOW_REFUSAL__INIT;
    struct world *world = *state;

    refusal.reason = S("conflict");
    refusal.task = 12;
    refusal.holder = S("bob");
    refusal.fence = 31;
    call_flow(world, "flow_done", "{\"session\":\"w@ada\",\"task\":12}");
    refuse_with(world, FB_ABORTED,
                "task 12 is held by bob with fence 31; take another with flow_next", &refusal);
    hears(
        world,
        "\"text\":\"conflict: task 12 is held by bob with fence 31 → take another with flow_next\"",
        "\"structuredContent\":{\"error\":{\"kind\":\"conflict\",\"message\":\"task 12 is held by "
        "bob with fence 31; take another with flow_next\",\"task\":12,\"fence\":31,\"holder\":"
        "\"bob\"}}",
        "\"isError\":true");
}

static void what_is_no_refusal_is_said_as_for_any_tool(void **state)
{
    struct world *world = *state;

    call_flow(world, "flow_done", "{\"session\":\"w@ada\",\"task\":12}");
    fake_end(last_call(world), fb_fail(FB_UNAVAILABLE, "no worker"), "", -1);
    hears(world, "\"error\":{\"code\":-32603,\"message\":\"flow_done: no worker");
    call_flow(world, "flow_done", "{\"session\":\"w@ada\",\"task\":12}");
    fake_end(last_call(world), fb_fail(FB_RESOURCE_EXHAUSTED, "busy"), "", 500);
    hears(world, "flow_done: busy. Try again in 500 ms.", "\"isError\":true");
}

/* --- flow_find, flow_status, flow_edit --- */

static void found_tasks_are_lines_within_the_budget(void **state)
{
    Flowbalancer__V1__FindResponse response = FLOWBALANCER__V1__FIND_RESPONSE__INIT;
    Flowbalancer__V1__FlowTask tasks[4];
    Flowbalancer__V1__FlowFound found[4];
    Flowbalancer__V1__FlowFound *pointers[4];
    const Flowbalancer__V1__FindRequest *asked;
    struct world *world = *state;

    for (uint32_t i = 0; i < 4; i++) {
        static const char *const cursors[] = {"c0", "c1", "c2", ""};

        tasks[i] = task_of(i + 1, "A title of five words");
        found[i] = (Flowbalancer__V1__FlowFound)FLOWBALANCER__V1__FLOW_FOUND__INIT;
        found[i].task = &tasks[i];
        found[i].cursor = S(cursors[i]);
        pointers[i] = &found[i];
    }
    response.total = 4;
    response.n_found = 4;
    response.found = pointers;
    call_flow(world, "flow_find", "{\"session\":\"w@ada\",\"q\":\"title\",\"budget\":20}");
    asked = asked_flow(world, "Find");
    assert_string_equal(asked->q, "title");
    assert_int_equal(asked->page_size, 2);
    reply(world, &response.base);
    hears(world,
          "\"lines\":[\"#1 ready A title of five words\",\"#2 ready A title of five words\"]",
          "\"total\":4,\"cursor\":\"c1\"", "2 of 4, more with cursor c1");
    call_flow(world, "flow_find", "{\"session\":\"w@ada\"}");
    reply(world, &response.base);
    hears(world, "\"#4 ready A title of five words\"],\"total\":4}");
}

static void nothing_given_lists_the_sessions(void **state)
{
    Flowbalancer__V1__ListFlowSessionsResponse response =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_RESPONSE__INIT;
    Flowbalancer__V1__FlowSessionLine line = FLOWBALANCER__V1__FLOW_SESSION_LINE__INIT;
    Flowbalancer__V1__FlowSessionLine *lines[] = {&line};
    struct world *world = *state;

    line.session = S("my-work-a73eaf");
    line.name = S("my work");
    line.state = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_FLOWING;
    line.tasks = 3;
    line.ready = 2;
    response.n_sessions = 1;
    response.sessions = lines;
    call_flow(world, "flow_find", "{}");
    asked_flow(world, "ListSessions");
    reply(world, &response.base);
    hears(world, "my-work-a73eaf \\\"my work\\\": flowing 0, 0% of 3: 2 ready");
}

static void a_graph_is_a_line_for_each_task_with_what_it_waits_for(void **state)
{
    static const char drawing[] = "{\"tasks\":[{\"task\":1,\"title\":\"a\",\"state\":\"queued\","
                                  "\"ready\":true,\"critical\":true"
                                  "},{\"task\":2,\"title\":\"b\",\"state\":\"active\",\"agent\":"
                                  "\"bob\"},{\"task\":3,\"title\":"
                                  "\"c\",\"state\":\"queued\"}],\"links\":[{\"task\":3,\"on\":2,"
                                  "\"kind\":\"after\"},{\"task\":2,"
                                  "\"on\":3,\"kind\":\"parent\"},{\"task\":3,\"on\":1,\"kind\":"
                                  "\"after\"},{\"task\":2,\"on\":1,"
                                  "\"kind\":\"from\"}]}";
    Flowbalancer__V1__GraphResponse response = FLOWBALANCER__V1__GRAPH_RESPONSE__INIT;
    const Flowbalancer__V1__GraphRequest *asked;
    struct world *world = *state;

    response.data =
        (ProtobufCBinaryData){.len = sizeof(drawing) - 1, .data = (uint8_t *)S(drawing)};
    call_flow(world, "flow_find",
              "{\"session\":\"w@ada\",\"view\":\"graph\",\"q\":\"#3\",\"where\":\"state:open\"}");
    asked = asked_flow(world, "Graph");
    assert_int_equal(asked->around->task, 3);
    assert_true(asked->open_only);
    reply(world, &response.base);
    hears(world,
          "\"text\":\"*#1 ready a\\n#2 active @bob b from #1 in #3\\n#3 queued c <- #1, #2\"",
          "\"total\":3");
}

static void a_status_says_forecast_and_alarms_in_lines(void **state)
{
    Flowbalancer__V1__StatusResponse response = FLOWBALANCER__V1__STATUS_RESPONSE__INIT;
    Flowbalancer__V1__FlowSessionLine line = FLOWBALANCER__V1__FLOW_SESSION_LINE__INIT;
    Flowbalancer__V1__FlowForecast forecast = FLOWBALANCER__V1__FLOW_FORECAST__INIT;
    Flowbalancer__V1__FlowCompletionForecast at = FLOWBALANCER__V1__FLOW_COMPLETION_FORECAST__INIT;
    Flowbalancer__V1__FlowCompletionForecast *ats[] = {&at};
    Flowbalancer__V1__FlowAlarm alarm = FLOWBALANCER__V1__FLOW_ALARM__INIT;
    Flowbalancer__V1__FlowAlarm *alarms[] = {&alarm};
    struct world *world = *state;

    line.state = FLOWBALANCER__V1__FLOW_STATE__FLOW_STATE_FLOWING;
    line.momentum = 64;
    line.progress = 17;
    line.tasks = 6;
    line.active = 1;
    line.completed = 1;
    line.agents = 2;
    line.load = 12;
    line.load_most = 30;
    line.seq = 99;
    at.horizon_ms = 1800000;
    at.probability = 0.62;
    at.model = true;
    at.skill = 0.151;
    forecast.n_completion = 1;
    forecast.completion = ats;
    forecast.remaining_p50_ms = 3 * 3600000;
    forecast.remaining_p90_ms = 5 * 3600000;
    alarm.kind = S("stalled");
    alarm.task = 4;
    alarm.evidence = S("held 5 h");
    alarm.suggestion = S("ask its agent");
    response.line = &line;
    response.forecast = &forecast;
    response.n_alarms = 1;
    response.alarms = alarms;
    call_flow(world, "flow_status", "{\"session\":\"w@ada\",\"since\":90,\"wait_s\":1}");
    assert_string_equal(
        ((const Flowbalancer__V1__StatusRequest *)asked_flow(world, "Status"))->actor, "ada");
    reply(world, &response.base);
    hears(
        world,
        "flowing 64, 17% of 6: 1 active, 1 completed; 2 agents, load 12/30; seq 99\\na completion "
        "in 30m 62% (skill 0.15); left 3h to 5h\\nalarm: stalled #4: held 5 h → ask its agent",
        "\"seq\":99");
}

static void an_edit_names_the_fields_that_it_sets(void **state)
{
    const Flowbalancer__V1__EditRequest *asked;
    const Flowbalancer__V1__UndoRequest *undo;
    struct world *world = *state;

    call_flow(
        world, "flow_edit",
        "{\"session\":\"w@ada\",\"task\":\"k\",\"if_rev\":3,\"set\":{\"body\":\"\",\"priority\":"
        "0,\"action\":\"reopen\",\"reason\":\"it fails\"},\"add_after\":[\"#2\"],\"drop_after\":"
        "[\"x\"]}");
    asked = asked_flow(world, "Edit");
    assert_string_equal(asked->task->key, "k");
    assert_int_equal(asked->by->if_rev, 3);
    assert_int_equal(asked->set->fields, 2 | 16);
    assert_int_equal(asked->action, FLOWBALANCER__V1__FLOW_EDIT_ACTION__FLOW_EDIT_ACTION_REOPEN);
    assert_string_equal(asked->reason, "it fails");
    assert_int_equal(asked->add[0]->task, 2);
    assert_string_equal(asked->drop[0]->key, "x");
    fake_end(last_call(world), fb_fail(FB_CANCELLED, "x"), "", -1);
    heard(world);
    call_flow(world, "flow_edit", "{\"session\":\"w@ada\",\"task\":\"#5\",\"undo\":true}");
    undo = asked_flow(world, "Undo");
    assert_int_equal(undo->task->task, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_flow(who_asked_to_wait_hears_that_it_still_does),
        in_flow(our_tools_come_first_in_a_fixed_order),
        in_flow(no_tool_is_said_to_destroy_and_only_looking_to_read),
        in_flow(an_old_agent_is_shown_neither_annotations_nor_output_schemas),
        in_flow(without_the_setting_there_are_none),
        in_flow(opening_makes_a_handle_of_name_and_agent),
        in_flow(a_name_that_is_an_id_is_its_own),
        in_flow(each_mutation_has_a_name_of_its_own_that_lasts),
        in_flow(a_bare_name_of_a_session_is_the_gateways_own_agent),
        in_flow(a_plan_is_mapped_item_by_item),
        in_flow(what_is_wrong_in_a_plan_is_named_with_its_place),
        in_flow(a_claim_tells_all_that_is_needed_to_begin),
        in_flow(waiting_ends_with_the_claim_or_with_why_there_is_none),
        in_flow(a_blocker_is_a_task_or_a_question),
        in_flow(a_refusal_says_its_kind_and_the_way_out),
        in_flow(what_is_no_refusal_is_said_as_for_any_tool),
        in_flow(found_tasks_are_lines_within_the_budget),
        in_flow(nothing_given_lists_the_sessions),
        in_flow(a_graph_is_a_line_for_each_task_with_what_it_waits_for),
        in_flow(a_status_says_forecast_and_alarms_in_lines),
        in_flow(an_edit_names_the_fields_that_it_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
