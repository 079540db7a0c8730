#include "gateway/mcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/gateway/mcp_world.h"

/* --- tools/call --- */

static void arguments_reach_the_suite_as_they_were_written(void **state)
{
    struct world *world = *state;
    const Flowbalancer__V1__CallToolRequest *request;

    legacy(world, "2025-11-25");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"tools/call\",\"params\":{\"name\":"
               "\"every\\u0074hing__echo__x\",\"arguments\": { \"n\": 1.50, \"s\":\"\\ud800\" },"
               "\"_meta\":{\"progressToken\":7,\"vendor/key\":[1], \"traceparent\":"
               "\"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\"}}}");
    request = asked_call(last_call(world));
    assert_string_equal(request->context->server, "everything");
    assert_string_equal(request->context->name, "everything__echo__x");
    assert_string_equal(request->context->agent, "agent-1");
    assert_string_equal(request->context->session, "");
    assert_bytes(request->arguments_json, "{ \"n\": 1.50, \"s\":\"\\ud800\" }");
    assert_bytes(request->meta_json,
                 "{\"vendor/key\":[1],\"traceparent\":"
                 "\"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\"}");
    assert_true(request->progress);
    assert_int_equal(request->client_capabilities_json.len, 0);
    assert_int_equal(last_call(world)->deadline_ms, 61000);
    assert_int_equal(last_call(world)->trace.trace_id[1], 0x23);
    fake_result(last_call(world), "{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}");
    fake_end(last_call(world), fb_ok, "", -1);
    assert_string_equal(heard(world), "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"content\":[{"
                                      "\"type\":\"text\",\"text\":\"x\"}]}}");
    assert_string_equal(heard(world), "");
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

static void a_call_without_arguments_sends_none(void **state)
{
    struct world *world = *state;
    const Flowbalancer__V1__CallToolRequest *request;

    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
               "\"s__t\"," META "}}");
    request = asked_call(last_call(world));
    assert_int_equal(request->arguments_json.len, 0);
    assert_int_equal(request->meta_json.len, 0);
    assert_bytes(request->client_capabilities_json, "{}");
    assert_false(request->progress);
    fake_result(last_call(world), "{\"content\":[]}");
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\","
                        "\"content\":[]," INFO "}}");
}

static void a_name_without_a_server_is_an_unknown_tool(void **state)
{
    static const struct line lines[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}",
         "\"id\":1,\"error\":{\"code\":-32602,\"message\":\"unknown tool"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"__x\"}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"a__\\ud800\"}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"a__\\u0000\"}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
         "\"a__\\n\"}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":7}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}", "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a__b\","
         "\"arguments\":[]}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a__b\","
         "\"arguments\":null}}",
         NULL},
    };

    legacy(*state, "2025-11-25");
    check(*state, lines, COUNT(lines));
}

static void answers_come_in_the_order_of_the_suite_each_under_its_id(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "1", "");
    call_tool(world, "\"1\"", "");
    call_tool(world, "2", "");
    assert_int_equal(mcp_unanswered(world->mcp), 3);
    fake_result(&world->suite.calls[1], "{\"content\":[],\"n\":1}");
    fake_result(&world->suite.calls[2], "{\"content\":[],\"n\":2}");
    fake_result(&world->suite.calls[0], "{\"content\":[],\"n\":0}");
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"n\":1,\"content\":[]}}");
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"n\":2,\"content\":[]}}");
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":0,\"content\":[]}}");
    for (int i = 0; i < 3; i++) {
        fake_end(&world->suite.calls[i], fb_ok, "", -1);
    }
}

static void an_id_in_use_is_refused_until_it_is_answered(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "5", "");
    call_tool(world, "5", "");
    assert_non_null(strstr(heard(world), "\"id\":5,\"error\":{\"code\":-32600,"));
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}");
    assert_non_null(strstr(heard(world), "\"id\":5,\"error\":{\"code\":-32600,"));
    assert_int_equal(world->suite.count, 1);
    fake_result(last_call(world), "{\"content\":[]}");
    assert_non_null(strstr(heard(world), "\"id\":5,\"result\""));
    call_tool(world, "5", "");
    assert_int_equal(world->suite.count, 2);
}

static void a_cancelled_call_is_cancelled_in_the_suite_and_never_answered(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "\"x\"", "");
    say(world, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
               "\"requestId\":\"y\"}}");
    say(world, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}");
    assert_false(last_call(world)->cancelled);
    say(world, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
               "\"requestId\":\"x\",\"reason\":\"no\"}}");
    assert_true(last_call(world)->cancelled);
    assert_int_equal(mcp_unanswered(world->mcp), 0);
    assert_string_equal(heard(world), "");
}

static void a_modern_call_is_cancelled_without_a_session(void **state)
{
    struct world *world = *state;

    call_tool(world, "4", "," META);
    say(world, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
               "\"requestId\":4}}");
    assert_true(last_call(world)->cancelled);
    assert_string_equal(heard(world), "");
}

static void progress_rises_and_carries_the_token_with_its_type(void **state)
{
    static const char *const tokens[] = {"7", "\"7\"", "12345678901234567890"};
    struct world *world = *state;

    legacy(world, "2025-11-25");
    for (size_t i = 0; i < COUNT(tokens); i++) {
        char meta[128];
        char expected[256];

        snprintf(meta, sizeof(meta), ",\"_meta\":{\"progressToken\":%s}", tokens[i]);
        call_tool(world, "1", meta);
        fake_progress(last_call(world), "{\"progress\":0.50,\"total\":3,\"message\":\"m\"}");
        snprintf(expected, sizeof(expected),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
                 "\"progressToken\":%s,\"progress\":0.50,\"total\":3,\"message\":\"m\"}}",
                 tokens[i]);
        assert_string_equal(heard(world), expected);
        fake_progress(last_call(world), "{\"progress\":0.5}");
        fake_progress(last_call(world), "{\"progress\":0.4}");
        fake_progress(last_call(world), "{\"progress\":\"1\"}");
        assert_string_equal(heard(world), "");
        fake_progress(last_call(world), "{\"progress\":1}");
        assert_non_null(strstr(heard(world), "\"progress\":1}"));
        fake_result(last_call(world), "{\"content\":[]}");
        assert_non_null(strstr(heard(world), "\"result\""));
        fake_progress(last_call(world), "{\"progress\":2}");
        assert_string_equal(heard(world), "");
    }
}

static void progress_without_a_token_is_not_told(void **state)
{
    struct world *world = *state;

    call_tool(world, "1", "," META);
    fake_progress(last_call(world), "{\"progress\":1}");
    assert_string_equal(heard(world), "");
}

static void log_messages_are_told_only_to_those_who_asked(void **state)
{
    static const char message[] = "{\"level\":\"error\",\"data\":\"d\"}";
    static const char told[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\","
                               "\"params\":{\"level\":\"error\",\"data\":\"d\"}}";
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "1", "");
    assert_string_equal(asked_call(last_call(world))->log_level, "");
    fake_log(last_call(world), message);
    assert_string_equal(heard(world), "");
    say(world,
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"logging/setLevel\",\"params\":{\"level\":"
        "\"warning\"}}");
    heard(world);
    fake_log(last_call(world), message);
    assert_string_equal(heard(world), told);
    call_tool(world, "3", "");
    assert_string_equal(asked_call(last_call(world))->log_level, "warning");
    call_tool(world, "4", "," META);
    assert_string_equal(asked_call(last_call(world))->log_level, "");
    fake_log(last_call(world), message);
    assert_string_equal(heard(world), "");
    call_tool(world, "5", ",\"_meta\":{" GOOD ",\"io.modelcontextprotocol/logLevel\":\"error\"}");
    assert_string_equal(asked_call(last_call(world))->log_level, "error");
    fake_log(last_call(world), message);
    assert_string_equal(heard(world), told);
}

static void a_result_too_long_for_a_line_becomes_an_error_of_the_tool(void **state)
{
    struct world *world = *state;
    char *result;
    const char *answer;

    begin_again(world, 16, 4000);
    legacy(world, "2025-11-25");
    result = malloc(5000);
    assert_non_null(result);
    snprintf(result, 5000, "{\"content\":[{\"type\":\"text\",\"text\":\"%04000d\"}]}", 0);
    call_tool(world, "1", "");
    fake_result(last_call(world), result);
    answer = heard(world);
    assert_non_null(strstr(answer, "\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
                                   "\"s__t: the result has "));
    assert_non_null(strstr(answer, "\"isError\":true}}"));
    assert_string_equal(heard(world), "");
    free(result);
}

static void beyond_the_limit_in_flight_calls_are_refused_and_others_go_on(void **state)
{
    struct world *world = *state;

    begin_again(world, 2, 100000);
    legacy(world, "2025-11-25");
    call_tool(world, "1", "");
    call_tool(world, "2", "");
    call_tool(world, "3", "");
    assert_non_null(strstr(heard(world), "\"id\":3,\"result\":{\"content\":[{\"type\":\"text\","
                                         "\"text\":\"too many requests at once"));
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\"}");
    assert_non_null(strstr(heard(world), "\"id\":4,\"error\":{\"code\":-32603,"));
    fake_result(&world->suite.calls[0], "{\"content\":[]}");
    heard(world);
    call_tool(world, "3", "");
    assert_int_equal(world->suite.count, 3);
}

struct failing {
    struct fb_status status;
    const char *reason;
    int64_t retry_ms;
    const char *out;
};

static void failures_are_said_as_the_table_has_them(void **state)
{
    static const struct failing cases[] = {
        {{FB_NOT_FOUND, "there is no tool s__t"}, "tool", -1, "\"error\":{\"code\":-32602,"},
        {{FB_UNIMPLEMENTED, "no"}, "", -1, "\"error\":{\"code\":-32602,"},
        {{FB_UNAVAILABLE, "no worker"},
         "",
         -1,
         "\"error\":{\"code\":-32603,\"message\":\"s__t: no worker. It was lost while it may have "
         "run."},
        {{FB_UNAVAILABLE, "no worker"}, "not-run", -1, "It did not run."},
        {{FB_DEADLINE_EXCEEDED, "the deadline passed"}, "", -1, "\"error\":{\"code\":-32603,"},
        {{FB_INTERNAL, "x"}, "", -1, "\"error\":{\"code\":-32603,"},
        {{FB_DATA_LOSS, "x"}, "", -1, "\"error\":{\"code\":-32603,"},
        {{FB_INVALID_ARGUMENT, "session is missing"},
         "",
         -1,
         "\"text\":\"s__t: session is missing. Correct the arguments and call it again.\"}],"
         "\"isError\":true}"},
        {{FB_FAILED_PRECONDITION, "cannot start"}, "", -1, "\"isError\":true}"},
        {{FB_FAILED_PRECONDITION, "cannot start"},
         "not-run",
         -1,
         "cannot start. It did not run. Do not retry soon; the user has to put it right."},
        {{FB_INVALID_ARGUMENT, "arguments: too deep"},
         "not-run",
         -1,
         "too deep. It did not run. Correct the arguments and call it again."},
        {{FB_RESOURCE_EXHAUSTED, "arguments: too large"},
         "not-run",
         -1,
         "large. It did not run.\""},
        {{FB_NOT_FOUND, "did you mean 's__u'?"}, "tool", -1, "'s__u'? List the tools again"},
        {{FB_RESOURCE_EXHAUSTED, "queue is full"},
         "",
         250,
         "queue is full. Try again in 250 ms.\"}],\"isError\":true}"},
        {{FB_RESOURCE_EXHAUSTED, "queue is full."}, "", 1200, "queue is full. Try again in 2 s."},
        {{FB_UNKNOWN, "the server was lost"},
         "may-have-run",
         -1,
         "the server was lost. Check what it has done"},
        {{FB_ABORTED, ""}, "", -1, "ABORTED"},
        {{FB_OK, ""}, "", -1, "\"error\":{\"code\":-32603,"},
    };
    struct world *world = *state;

    legacy(world, "2025-11-25");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *out;

        call_tool(world, "1", "");
        fake_end(last_call(world), cases[i].status, cases[i].reason, cases[i].retry_ms);
        out = heard(world);
        if (strstr(out, cases[i].out) == NULL) {
            fail_msg("case %zu: %s", i, out);
        }
        assert_int_equal(mcp_unanswered(world->mcp), 0);
    }
}

struct server_error {
    int64_t code;
    int modern; /* the code that the agent is shown */
    int legacy;
};

static void an_error_of_a_server_is_shown_as_the_revision_knows_it(void **state)
{
    static const struct server_error cases[] = {
        {-32602, -32602, -32602},
        {-32603, -32603, -32603},
        {-32002, -32602, -32002},
        {-32021, -32021, -32603},
        {-32020, -32603, -32603},
        {-32022, -32603, -32603},
        {-32042, -32603, -32603},
        {-32601, -32603, -32603},
        {-32000, -32603, -32603},
        {-31999, -31999, -31999},
        {42, 42, 42},
    };
    struct world *world = *state;

    legacy(world, "2025-11-25");
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int modern = 0; modern < 2; modern++) {
            Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
            Flowbalancer__V1__McpError error = FLOWBALANCER__V1__MCP_ERROR__INIT;
            char expected[64];
            const char *out;

            call_tool(world, "1", modern ? "," META : "");
            error.code = cases[i].code;
            error.message = (char *)(uintptr_t) "said";
            event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_ERROR;
            event.error = &error;
            fake_say(last_call(world), &event.base);
            fake_end(last_call(world), fb_ok, "", -1);
            out = heard(world);
            snprintf(expected, sizeof(expected), "\"error\":{\"code\":%d,\"message\":\"",
                     modern ? cases[i].modern : cases[i].legacy);
            if (strstr(out, expected) == NULL || strstr(out, "said") == NULL) {
                fail_msg("%lld: %s", (long long)cases[i].code, out);
            }
        }
    }
}

static void wanted_input_is_handed_to_a_modern_agent(void **state)
{
    Flowbalancer__V1__CallToolEvent event = FLOWBALANCER__V1__CALL_TOOL_EVENT__INIT;
    Flowbalancer__V1__InputWanted wanted = FLOWBALANCER__V1__INPUT_WANTED__INIT;
    struct world *world = *state;

    wanted.input_requests_json =
        (ProtobufCBinaryData){.len = 9, .data = (uint8_t *)(uintptr_t) "{\"k\":{} }"};
    wanted.request_state = (char *)(uintptr_t) "sealed";
    event.event_case = FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_INPUT_WANTED;
    event.input_wanted = &wanted;
    call_tool(world, "1", "," META);
    fake_say(last_call(world), &event.base);
    assert_string_equal(heard(world),
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":"
                        "\"input_required\",\"inputRequests\":{\"k\":{} },\"requestState\":"
                        "\"sealed\"," INFO "}}");
    call_tool(world, "2", ",\"inputResponses\":{\"k\":1},\"requestState\":\"sealed\"," META);
    assert_bytes(asked_call(last_call(world))->input_responses_json, "{\"k\":1}");
    assert_string_equal(asked_call(last_call(world))->request_state, "sealed");
    call_tool(world, "3", ",\"inputResponses\":[]," META);
    assert_non_null(strstr(heard(world), "\"id\":3,\"error\":{\"code\":-32602,"));
}

static void an_agent_that_does_not_read_holds_the_suite_back(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "1", ",\"_meta\":{\"progressToken\":1}");
    mcp_hold(world->mcp, true);
    assert_true(world->suite.held);
    fake_progress(last_call(world), "{\"progress\":1}");
    assert_string_equal(heard(world), "");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}");
    assert_non_null(strstr(heard(world), "\"id\":2,\"result\":{}"));
    mcp_hold(world->mcp, false);
    assert_false(world->suite.held);
    fake_progress(last_call(world), "{\"progress\":2}");
    assert_non_null(strstr(heard(world), "\"progress\":2"));
}

static void a_carriage_return_between_tokens_does_not_reach_a_server(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
               "\"s__t\",\"arguments\":{\r\"a b\":\r1}}}");
    assert_bytes(asked_call(last_call(world))->arguments_json, "{\"a b\":1}");
}

static void exhausted_memory_is_answered(void **state)
{
    struct world *world = *state;

    world->suite.exhausted = true;
    call_tool(world, "1", "," META);
    assert_non_null(strstr(heard(world), "\"id\":1,\"error\":{\"code\":-32603,"));
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

/* --- batches --- */

static void a_batch_is_answered_by_one_line_when_all_is_answered(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-03-26");
    say(world, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
               "\"s__t\"}},{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"},"
               "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"},7,"
               "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"initialize\",\"params\":{"
               "\"protocolVersion\":\"2025-03-26\"}},"
               "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\",\"params\":{" META "}}]");
    assert_string_equal(heard(world), "");
    fake_result(last_call(world), "{\"content\":[]}");
    fake_end(last_call(world), fb_ok, "", -1);
    assert_string_equal(
        heard(world),
        "[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}},"
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"a message must be a JSON "
        "object\"}},{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32600,\"message\":"
        "\"initialize cannot be part of a batch\"}},{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{"
        "\"code\":-32600,\"message\":\"this version of the protocol has no batches\"}},"
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}]");
}

static void a_batch_of_notifications_is_not_answered(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-03-26");
    say(world, "[{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":[]},"
               "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},"
               "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}]");
    assert_string_equal(heard(world), "");
}

static void a_cancelled_call_leaves_its_batch(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-03-26");
    say(world, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
               "\"s__t\"}},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]");
    assert_string_equal(heard(world), "");
    say(world, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
               "\"requestId\":1}}");
    assert_string_equal(heard(world), "[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]");
}

static void batches_are_for_one_revision_only(void **state)
{
    static const char batch[] = "[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]";
    static const char *const revisions[] = {"2024-11-05", "2025-06-18", "2025-11-25"};
    struct world *world = *state;

    say(world, batch);
    assert_non_null(strstr(heard(world), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"));
    for (size_t i = 0; i < COUNT(revisions); i++) {
        legacy(world, revisions[i]);
        say(world, batch);
        assert_non_null(strstr(heard(world), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"));
    }
    legacy(world, "2025-03-26");
    say(world, "[]");
    assert_non_null(strstr(heard(world), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"));
}

/* --- the end --- */

static void ending_cancels_all_that_is_unanswered(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    call_tool(world, "1", "");
    call_tool(world, "2", "");
    fake_result(&world->suite.calls[0], "{\"content\":[]}");
    heard(world);
    mcp_cancel_all(world->mcp);
    assert_true(world->suite.calls[0].cancelled);
    assert_true(world->suite.calls[1].cancelled);
    assert_int_equal(mcp_unanswered(world->mcp), 0);
    assert_string_equal(heard(world), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(arguments_reach_the_suite_as_they_were_written),
        in_world(a_call_without_arguments_sends_none),
        in_world(a_name_without_a_server_is_an_unknown_tool),
        in_world(answers_come_in_the_order_of_the_suite_each_under_its_id),
        in_world(an_id_in_use_is_refused_until_it_is_answered),
        in_world(a_cancelled_call_is_cancelled_in_the_suite_and_never_answered),
        in_world(a_modern_call_is_cancelled_without_a_session),
        in_world(progress_rises_and_carries_the_token_with_its_type),
        in_world(progress_without_a_token_is_not_told),
        in_world(log_messages_are_told_only_to_those_who_asked),
        in_world(a_result_too_long_for_a_line_becomes_an_error_of_the_tool),
        in_world(beyond_the_limit_in_flight_calls_are_refused_and_others_go_on),
        in_world(failures_are_said_as_the_table_has_them),
        in_world(an_error_of_a_server_is_shown_as_the_revision_knows_it),
        in_world(wanted_input_is_handed_to_a_modern_agent),
        in_world(an_agent_that_does_not_read_holds_the_suite_back),
        in_world(a_carriage_return_between_tokens_does_not_reach_a_server),
        in_world(exhausted_memory_is_answered),
        in_world(a_batch_is_answered_by_one_line_when_all_is_answered),
        in_world(a_batch_of_notifications_is_not_answered),
        in_world(a_cancelled_call_leaves_its_batch),
        in_world(batches_are_for_one_revision_only),
        in_world(ending_cancels_all_that_is_unanswered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
