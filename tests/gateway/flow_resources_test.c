#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/gateway/flow_world.h"

#define MODERN(id, method, params) \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params META "}}"
#define LEGACY(id, method, params) \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"

/* --- what there is --- */

static void resources_are_a_capability_of_both_eras(void **state)
{
    struct world *world = *state;

    say(world, MODERN("1", "server/discover", ""));
    hears(world, "\"resources\":{\"subscribe\":true},\"tools\":{}");
    say(world, LEGACY("2", "initialize", "\"protocolVersion\":\"2025-11-25\""));
    hears(world, "\"resources\":{\"subscribe\":true},\"tools\":{\"listChanged\":true}");
}

static void without_our_tools_there_are_no_resources(void **state)
{
    struct world *world = *state;

    world->flow_tools = false;
    begin_again(world, 16, 100000);
    say(world, MODERN("1", "resources/list", ""));
    hears(world, "\"code\":-32601");
    say(world, MODERN("1", "server/discover", ""));
    assert_null(strstr(heard(world), "resources"));
}

static void every_session_has_a_brief_a_graph_and_a_log(void **state)
{
    Flowbalancer__V1__ListFlowSessionsResponse response =
        FLOWBALANCER__V1__LIST_FLOW_SESSIONS_RESPONSE__INIT;
    Flowbalancer__V1__FlowSessionLine line = FLOWBALANCER__V1__FLOW_SESSION_LINE__INIT;
    Flowbalancer__V1__FlowSessionLine *lines[] = {&line};
    struct world *world = *state;

    line.session = S("w");
    response.n_sessions = 1;
    response.sessions = lines;
    response.next_page_token = S("t");
    say(world, MODERN("1", "resources/list", "\"cursor\":\"c\","));
    assert_string_equal(
        ((const Flowbalancer__V1__ListFlowSessionsRequest *)asked_flow(world, "ListSessions"))
            ->page_token,
        "c");
    reply(world, &response.base);
    hears(world, "{\"resultType\":\"complete\",\"resources\":[{\"uri\":\"flow://w/brief\",",
          "\"name\":\"w/brief\",\"title\":\"Brief\"", "\"uri\":\"flow://w/graph.svg\"",
          "\"mimeType\":\"image/svg+xml\"", "\"uri\":\"flow://w/log\"",
          "\"nextCursor\":\"t\",\"ttlMs\":5000,\"cacheScope\":\"private\"");
    legacy(world, "2025-03-26");
    say(world, LEGACY("1", "resources/templates/list", ""));
    hears(world,
          "\"result\":{\"resourceTemplates\":[{\"uriTemplate\":\"flow://{session}/brief\",\"name\":"
          "\"brief\",\"description\"");
}

/* --- reading --- */

static void an_unknown_resource_is_said_by_the_era(void **state)
{
    static const char *const uris[] = {"flow://w/none", "file:///etc/passwd", "flow://w",
                                       "flow:///log", "flow://a b/log"};
    struct world *world = *state;
    char line[512];

    for (size_t i = 0; i < COUNT(uris); i++) {
        snprintf(line, sizeof(line), MODERN("1", "resources/read", "\"uri\":\"%s\","), uris[i]);
        say(world, line);
        hears(world, "\"code\":-32602", "\"data\":{\"uri\":\"", uris[i]);
    }
    legacy(world, "2025-11-25");
    say(world, LEGACY("1", "resources/read", "\"uri\":\"flow://w/none\""));
    hears(world, "\"code\":-32002");
    say(world, LEGACY("1", "resources/read", "\"uri\":\"flow://w/graph.svg\""));
    asked_flow(world, "Graph");
    fake_end(last_call(world), fb_fail(FB_NOT_FOUND, "there is no session w"), "no_such", -1);
    hears(world, "\"code\":-32002", "there is no session w",
          "\"data\":{\"uri\":\"flow://w/graph.svg\"}");
}

static void a_graph_is_the_drawing_as_it_came(void **state)
{
    static const char svg[] = "<svg>\n\"a\"</svg>";
    Flowbalancer__V1__GraphResponse response = FLOWBALANCER__V1__GRAPH_RESPONSE__INIT;
    struct world *world = *state;

    response.data = (ProtobufCBinaryData){.len = sizeof(svg) - 1, .data = (uint8_t *)S(svg)};
    say(world, MODERN("1", "resources/read", "\"uri\":\"flow://w/graph.svg\","));
    assert_int_equal(((const Flowbalancer__V1__GraphRequest *)asked_flow(world, "Graph"))->format,
                     FLOWBALANCER__V1__FLOW_GRAPH_FORMAT__FLOW_GRAPH_FORMAT_SVG);
    reply(world, &response.base);
    hears(world,
          "\"contents\":[{\"uri\":\"flow://w/graph.svg\",\"mimeType\":\"image/svg+xml\",\"text\":"
          "\"<svg>\\n\\\"a\\\"</svg>\"}],\"ttlMs\":0,\"cacheScope\":\"private\"");
}

static void status_at(struct world *world, int64_t seq)
{
    Flowbalancer__V1__StatusResponse status = FLOWBALANCER__V1__STATUS_RESPONSE__INIT;
    Flowbalancer__V1__FlowSessionLine line = FLOWBALANCER__V1__FLOW_SESSION_LINE__INIT;

    asked_flow(world, "Status");
    line.name = S("my work");
    line.seq = seq;
    status.line = &line;
    reply(world, &status.base);
}

static void event(struct world *world, int64_t seq, Flowbalancer__V1__FlowEvent *event)
{
    Flowbalancer__V1__WatchResponse response = FLOWBALANCER__V1__WATCH_RESPONSE__INIT;
    Flowbalancer__V1__FlowWatched watched = FLOWBALANCER__V1__FLOW_WATCHED__INIT;

    watched.seq = seq;
    watched.event = event;
    response.part_case = FLOWBALANCER__V1__WATCH_RESPONSE__PART_EVENT;
    response.event = &watched;
    fake_say(last_call(world), &response.base);
}

static void a_log_is_the_last_events_a_line_each(void **state)
{
    Flowbalancer__V1__WatchResponse behind = FLOWBALANCER__V1__WATCH_RESPONSE__INIT;
    Flowbalancer__V1__FlowEvent happened = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    Flowbalancer__V1__FlowTaskFinished finished = FLOWBALANCER__V1__FLOW_TASK_FINISHED__INIT;
    struct world *world = *state;

    say(world, MODERN("1", "resources/read", "\"uri\":\"flow://w/log\","));
    status_at(world, 1000);
    assert_int_equal(
        ((const Flowbalancer__V1__WatchRequest *)asked_flow(world, "Watch"))->since_seq, 800);
    happened.unix_ms = INT64_C(1700000000000);
    happened.actor = S("ada");
    happened.kind_case = FLOWBALANCER__V1__FLOW_EVENT__KIND_FINISHED;
    happened.finished = &finished;
    finished.task = 12;
    finished.outcome = FLOWBALANCER__V1__FLOW_OUTCOME__FLOW_OUTCOME_COMPLETED;
    finished.fence = 7;
    finished.summary = S("all\nwell");
    event(world, 1000, &happened);
    behind.part_case = FLOWBALANCER__V1__WATCH_RESPONSE__PART_CAUGHT_UP_SEQ;
    behind.caught_up_seq = 1000;
    fake_say(last_call(world), &behind.base);
    assert_true(last_call(world)->cancelled);
    hears(world,
          "\"text\":\"1000 2023-11-14T22:13:20Z @ada finished task 12 outcome completed fence 7 "
          "summary \\\"all well\\\"\\n\"");
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

static void a_brief_says_how_it_goes_and_what_is_ready(void **state)
{
    Flowbalancer__V1__FindResponse found = FLOWBALANCER__V1__FIND_RESPONSE__INIT;
    Flowbalancer__V1__FlowFound one = FLOWBALANCER__V1__FLOW_FOUND__INIT;
    Flowbalancer__V1__FlowFound *ones[] = {&one};
    Flowbalancer__V1__FlowTask task = FLOWBALANCER__V1__FLOW_TASK__INIT;
    struct world *world = *state;

    say(world, MODERN("1", "resources/read", "\"uri\":\"flow://w/brief\","));
    status_at(world, 9);
    task.task = 3;
    task.title = S("Go");
    task.priority = 2;
    task.state = FLOWBALANCER__V1__FLOW_TASK_STATE__FLOW_TASK_STATE_QUEUED;
    task.ready = true;
    one.task = &task;
    found.n_found = 1;
    found.found = ones;
    assert_string_equal(((const Flowbalancer__V1__FindRequest *)asked_flow(world, "Find"))->where,
                        "state:ready");
    reply(world, &found.base);
    hears(world,
          "\"text\":\"# my work\\n\\nunknown 0, 0% of 0\\n\\n## Ready\\n\\n- #3 ready Go\\n\"",
          "\"mimeType\":\"text/markdown\"");
}

/* --- notices --- */

static void a_legacy_subscriber_is_told_of_each_change(void **state)
{
    Flowbalancer__V1__FlowEvent happened = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    struct world *world = *state;
    struct uplink_call *watch;

    legacy(world, "2025-11-25");
    say(world, LEGACY("1", "resources/subscribe", "\"uri\":\"flow://w/log\""));
    assert_string_equal(heard(world), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
    status_at(world, 5);
    watch = last_call(world);
    assert_int_equal(
        ((const Flowbalancer__V1__WatchRequest *)asked_flow(world, "Watch"))->since_seq, 5);
    assert_true(watch->only_if_there);
    event(world, 6, &happened);
    assert_string_equal(heard(world), "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/"
                                      "updated\",\"params\":{\"uri\":\"flow://w/log\"}}");
    happened.continues = true;
    event(world, 7, &happened);
    event(world, 6, &happened);
    assert_string_equal(heard(world), "");
    say(world, LEGACY("2", "resources/subscribe", "\"uri\":\"flow://w/brief\""));
    heard(world);
    happened.continues = false;
    assert_ptr_equal(watch, last_call(world));
    event(world, 8, &happened);
    hears(world, "flow://w/log");
    hears(world, "flow://w/brief");
    say(world, LEGACY("3", "resources/unsubscribe", "\"uri\":\"flow://w/log\""));
    say(world, LEGACY("4", "resources/unsubscribe", "\"uri\":\"flow://w/brief\""));
    assert_true(watch->cancelled);
    heard(world);
    heard(world);
    assert_string_equal(heard(world), "");
}

static void a_stream_that_broke_goes_on_where_it_was(void **state)
{
    Flowbalancer__V1__FlowEvent happened = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    struct world *world = *state;

    legacy(world, "2025-11-25");
    say(world, LEGACY("1", "resources/subscribe", "\"uri\":\"flow://w/log\""));
    heard(world);
    status_at(world, 5);
    event(world, 6, &happened);
    heard(world);
    fake_end(last_call(world), fb_fail(FB_UNAVAILABLE, "x"), "", -1);
    assert_int_equal(
        ((const Flowbalancer__V1__WatchRequest *)asked_flow(world, "Watch"))->since_seq, 6);
    fake_end(last_call(world), fb_fail(FB_UNAVAILABLE, "x"), "", -1);
    assert_false(last_call(world)->open);
    call_tool(world, "2", "");
    assert_int_equal(
        ((const Flowbalancer__V1__WatchRequest *)asked_flow(world, "Watch"))->since_seq, 6);
}

static void a_second_handshake_ends_the_subscriptions(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    say(world, LEGACY("1", "resources/subscribe", "\"uri\":\"flow://w/log\""));
    heard(world);
    legacy(world, "2025-11-25");
    assert_true(last_call(world)->cancelled);
}

static void a_listen_is_acknowledged_told_and_ended_under_its_id(void **state)
{
    Flowbalancer__V1__FlowEvent happened = FLOWBALANCER__V1__FLOW_EVENT__INIT;
    struct world *world = *state;

    say(world, MODERN("\"l\"", "subscriptions/listen",
                      "\"notifications\":{\"toolsListChanged\":true,\"resourceSubscriptions\":["
                      "\"flow://w/log\",\"file:///x\",\"flow://w/log\"]},"));
    assert_string_equal(
        heard(world),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{"
        "\"notifications\":{\"resourceSubscriptions\":[\"flow://w/log\"]},\"_meta\":{"
        "\"io.modelcontextprotocol/subscriptionId\":\"l\"}}}");
    status_at(world, 5);
    event(world, 6, &happened);
    assert_string_equal(
        heard(world),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":"
        "\"flow://w/log\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"l\"}}}");
    mcp_end_subscriptions(world->mcp);
    hears(world, "\"id\":\"l\",\"result\":{\"resultType\":\"complete\",\"_meta\":{"
                 "\"io.modelcontextprotocol/subscriptionId\":\"l\"");
    assert_true(last_call(world)->cancelled);
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

static void a_cancelled_listen_tells_nothing_more(void **state)
{
    struct world *world = *state;

    say(world, MODERN("7", "subscriptions/listen",
                      "\"notifications\":{\"resourceSubscriptions\":[\"flow://w/log\"]},"));
    heard(world);
    assert_int_equal(mcp_unanswered(world->mcp), 1);
    say(world,
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":"
        "7}}");
    assert_true(last_call(world)->cancelled);
    assert_string_equal(heard(world), "");
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_flow(resources_are_a_capability_of_both_eras),
        in_flow(without_our_tools_there_are_no_resources),
        in_flow(every_session_has_a_brief_a_graph_and_a_log),
        in_flow(an_unknown_resource_is_said_by_the_era),
        in_flow(a_graph_is_the_drawing_as_it_came),
        in_flow(a_log_is_the_last_events_a_line_each),
        in_flow(a_brief_says_how_it_goes_and_what_is_ready),
        in_flow(a_legacy_subscriber_is_told_of_each_change),
        in_flow(a_stream_that_broke_goes_on_where_it_was),
        in_flow(a_second_handshake_ends_the_subscriptions),
        in_flow(a_listen_is_acknowledged_told_and_ended_under_its_id),
        in_flow(a_cancelled_listen_tells_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
