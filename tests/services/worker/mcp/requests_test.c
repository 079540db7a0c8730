#include "services/worker/mcp/requests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/services/worker/mcp/world.h"

static void arguments_go_out_byte_for_byte(void **state)
{
    struct world *w = legacy_world();
    struct mcp_session_plan plan = plan_of("\"e\\u0063ho\"");
    struct asked a;

    (void)state;
    plan.arguments = FB_TEXT("{ \"z\": 1.0e5, \"a\":\"\\ud800\",\"id\":12345678901234567890 }");
    plan.meta = FB_TEXT("{\"traceparent\":\"00-a\"}");
    plan.progress = true;
    ask(w, &a, &plan);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":"
                     "\"e\\u0063ho\",\"arguments\":{ \"z\": 1.0e5, \"a\":\"\\ud800\",\"id\":"
                     "12345678901234567890 },\"_meta\":{\"progressToken\":2,\"traceparent\":"
                     "\"00-a\"}}}\n");
    expect_asked(&a, "");
    end(w);
}

static void a_line_break_in_arguments_cannot_begin_a_message_of_its_own(void **state)
{
    struct world *w = legacy_world();
    struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;

    (void)state;
    plan.arguments = FB_TEXT("{\"a\":\n{\"jsonrpc\":\"2.0\"}\r\n}");
    ask(w, &a, &plan);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":"
                     "\"x\",\"arguments\":{\"a\":{\"jsonrpc\":\"2.0\"}}}}\n");
    expect_asked(&a, "");
    end(w);
}

static void each_of_500_requests_gets_its_own_answer_in_any_order(void **state)
{
    enum { COUNT = 500 };
    struct world *w = legacy_world();
    struct asked *all = calloc(COUNT, sizeof(*all));
    const struct mcp_session_plan plan = plan_of("\"x\"");

    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < COUNT; i++) {
        ask(w, &all[i], &plan);
    }
    assert_int_equal(mcp_session_open_requests(w->session), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const size_t pick = (i * 37 + 11) % COUNT; /* 37 and 500 have no common factor */
        char text[100];

        snprintf(text, sizeof(text), "{\"result\":{\"n\":%zu},\"jsonrpc\":\"2.0\",\"id\":%zu}",
                 pick, pick + 2);
        line(w, text);
    }
    assert_int_equal(mcp_session_open_requests(w->session), 0);
    for (size_t i = 0; i < COUNT; i++) {
        char wanted[40];

        snprintf(wanted, sizeof(wanted), "result{\"n\":%zu};", i);
        expect_asked(&all[i], wanted);
    }
    free(all);
    end(w);
}

static void doubled_late_and_made_up_answers_are_ignored(void **state)
{
    struct world *w = legacy_world();
    const struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;

    (void)state;
    ask(w, &a, &plan);
    line(w, "{\"id\":2,\"result\":{\"first\":1}}");
    line(w, "{\"id\":2,\"result\":{\"second\":1}}");
    line(w, "{\"id\":99,\"result\":{}}");
    line(w, "{\"id\":\"2\",\"result\":{}}");
    line(w, "{\"id\":2.0,\"result\":{}}");
    line(w, "{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"\"}}");
    expect_asked(&a, "result{\"first\":1};");
    assert_int_equal(mcp_session_oddities(w->session)->strays, 5);
    end(w);
}

static void an_error_comes_through_as_it_is(void **state)
{
    struct world *w = legacy_world();
    const struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;

    (void)state;
    ask(w, &a, &plan);
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32602,\"message\":\"no\",\"data\":["
            "1.0]}}");
    expect_asked(&a, "error{\"code\":-32602,\"message\":\"no\",\"data\":[1.0]};");
    end(w);
}

static void progress_comes_without_its_token_and_only_rising(void **state)
{
    struct world *w = legacy_world();
    struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked quiet;

    (void)state;
    plan.progress = true;
    ask(w, &a, &plan);
    plan.progress = false;
    ask(w, &quiet, &plan);
    line(w, "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":2,\"progress\":0,"
            "\"total\":2.0,\"message\":\"m\"}}");
    line(w,
         "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":2,\"progress\":0}}");
    line(w,
         "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":3,\"progress\":1}}");
    line(w, "{\"method\":\"notifications/"
            "progress\",\"params\":{\"progressToken\":2,\"progress\":1e0}}");
    line(w, "{\"method\":\"notifications/"
            "progress\",\"params\":{\"progressToken\":2,\"progress\":\"3\"}}");
    line(w, "{\"method\":\"notifications/progress\"}");
    line(w, "{\"id\":2,\"result\":{}}");
    line(w,
         "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":2,\"progress\":2}}");
    expect_asked(&a, "progress{\"progress\":0,\"total\":2.0,\"message\":\"m\"};"
                     "progress{\"progress\":1e0};result{};");
    expect_asked(&quiet, "");
    end(w);
}

static void a_cancelled_request_tells_the_server_and_hears_nothing_more(void **state)
{
    struct world *w = legacy_world();
    const struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;

    (void)state;
    ask(w, &a, &plan);
    drop_output(w);
    mcp_session_cancel(w->session, &a.request, "the caller \"left\"");
    mcp_session_cancel(w->session, &a.request, "again");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                     "\"requestId\":2,\"reason\":\"the caller \\\"left\\\"\"}}\n");
    line(w, "{\"id\":2,\"result\":{}}");
    expect_asked(&a, "");
    assert_int_equal(mcp_session_oddities(w->session)->strays, 1);
    assert_int_equal(mcp_session_open_requests(w->session), 0);
    end(w);
}

static void a_modern_result_is_told_apart_by_its_type(void **state)
{
    static const struct {
        const char *result;
        const char *told;
    } cases[] = {
        {"{\"content\":[]}", "result{\"content\":[]};"},
        {"{\"resultType\":\"complete\"}", "result{\"resultType\":\"complete\"};"},
        {"{\"resultType\":\"input_required\"}", "input{\"resultType\":\"input_required\"};"},
        {"{\"resultType\":\"novel\"}", "garbled;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = modern_world();
        const struct mcp_session_plan plan = plan_of("\"x\"");
        struct asked a;
        char text[120];

        ask(w, &a, &plan);
        snprintf(text, sizeof(text), "{\"id\":2,\"result\":%s}", cases[i].result);
        line(w, text);
        expect_asked(&a, cases[i].told);
        end(w);
    }
}

static void the_request_whose_answer_was_too_long_ends_and_no_other(void **state)
{
    struct world *w = legacy_world();
    const struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    ask(w, &a, &plan);
    ask(w, &b, &plan);
    mcp_session_long_line(w->session, FB_TEXT("{\"result\":{"),
                          FB_TEXT("},\"jsonrpc\":\"2.0\",\"id\":2}"));
    mcp_session_long_line(w->session, FB_TEXT("noise"), FB_TEXT("noise"));
    expect_asked(&a, "garbled;");
    expect_asked(&b, "");
    end(w);
}

static void what_was_never_written_whole_surely_did_not_run(void **state)
{
    struct world *w = legacy_world();
    const struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;
    struct asked c;
    struct asked d;
    size_t size;

    (void)state;
    ask(w, &a, &plan);
    drop_output(w);
    ask(w, &b, &plan);
    size = mcp_session_output(w->session).size;
    ask(w, &c, &plan);
    ask(w, &d, &plan);
    /* b but for its line end */
    mcp_session_written(w->session, size - 1);
    /* and c but for its last brace and its line end */
    mcp_session_written(w->session, 1 + size - 2);
    mcp_session_lost(w->session);
    expect_asked(&a, "lost;");
    expect_asked(&b, "lost;");
    expect_asked(&c, "unsent;");
    expect_asked(&d, "unsent;");
    end(w);
}

static void log_levels_are_ordered_and_others_unknown(void **state)
{
    (void)state;
    assert_int_equal(mcp_session_log_level(FB_TEXT("debug")), 0);
    assert_int_equal(mcp_session_log_level(FB_TEXT("emergency")), 7);
    assert_int_equal(mcp_session_log_level(FB_TEXT("warn")), -1);
    assert_int_equal(mcp_session_log_level(FB_TEXT("")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_go_out_byte_for_byte),
        cmocka_unit_test(a_line_break_in_arguments_cannot_begin_a_message_of_its_own),
        cmocka_unit_test(each_of_500_requests_gets_its_own_answer_in_any_order),
        cmocka_unit_test(doubled_late_and_made_up_answers_are_ignored),
        cmocka_unit_test(an_error_comes_through_as_it_is),
        cmocka_unit_test(progress_comes_without_its_token_and_only_rising),
        cmocka_unit_test(a_cancelled_request_tells_the_server_and_hears_nothing_more),
        cmocka_unit_test(a_modern_result_is_told_apart_by_its_type),
        cmocka_unit_test(the_request_whose_answer_was_too_long_ends_and_no_other),
        cmocka_unit_test(what_was_never_written_whole_surely_did_not_run),
        cmocka_unit_test(log_levels_are_ordered_and_others_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
