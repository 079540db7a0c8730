#include "services/worker/mcp/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/services/worker/mcp/world.h"

static void all_pages_of_a_list_are_read(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{}}\n");
    line(w, "{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\",\"n\":1.0},{\"name\":\"b\"}],"
            "\"nextCursor\":\"\"}}");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":{"
                     "\"cursor\":\"\"}}\n");
    line(w, "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"c\"}],\"nextCursor\":\"p\\u0032\"}}");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/list\",\"params\":{"
                     "\"cursor\":\"p\\u0032\"}}\n");
    line(w, "{\"id\":4,\"result\":{\"tools\":[],\"nextCursor\":null}}");
    expect_told(w, "listed:{\"name\":\"a\",\"n\":1.0}{\"name\":\"b\"}{\"name\":\"c\"}");
    assert_int_equal(mcp_session_due_ms(w->session), INT64_MAX);
    end(w);
}

static void items_without_a_name_are_skipped(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w,
         "{\"id\":2,\"result\":{\"tools\":[1,{},{\"name\":\"\"},{\"name\":5},{\"name\":\"ok\"}]}}");
    expect_told(w, "listed:{\"name\":\"ok\"}");
    end(w);
}

static void a_list_without_end_is_cut(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    /* the same cursor again */
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}],\"nextCursor\":\"x\"}}");
    line(w, "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}],\"nextCursor\":\"x\"}}");
    expect_told(w, "cut:{\"name\":\"a\"}{\"name\":\"b\"}");
    end(w);

    /* too many pages */
    w = world_with(
        (struct mcp_session_config){.era = ERA_LEGACY, .pages_most = 3, .items_most = 4});
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{}}"));
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}],\"nextCursor\":\"1\"}}");
    line(w, "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}],\"nextCursor\":\"2\"}}");
    line(w, "{\"id\":4,\"result\":{\"tools\":[{\"name\":\"c\"}],\"nextCursor\":\"3\"}}");
    expect_told(w, "ready cut:{\"name\":\"a\"}{\"name\":\"b\"}{\"name\":\"c\"}");

    /* too many items */
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, "{\"id\":5,\"result\":{\"tools\":[{\"name\":\"1\"},{\"name\":\"2\"},{\"name\":\"3\"},"
            "{\"name\":\"4\"},{\"name\":\"5\"}]}}");
    expect_told(w, "cut:{\"name\":\"1\"}{\"name\":\"2\"}{\"name\":\"3\"}{\"name\":\"4\"}");
    end(w);
}

static void a_list_that_takes_too_long_is_given_up(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 1000);
    drop_output(w);
    assert_int_equal(mcp_session_due_ms(w->session), 31000);
    mcp_session_tick(w->session, 31000);
    expect_told(w, "DEADLINE_EXCEEDED");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                     "\"requestId\":2,\"reason\":\"took too long\"}}\n");
    end(w);
}

static void a_list_that_fails_says_so(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, NO_METHOD("2"));
    expect_told(w, "FAILED_PRECONDITION");
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, "{\"id\":3,\"result\":{\"tools\":{}}}");
    expect_told(w, "FAILED_PRECONDITION");
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    mcp_session_lost(w->session);
    expect_told(w, "UNAVAILABLE");
    end(w);
}

static void a_list_asked_for_while_it_is_read_is_read_once_more(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    mcp_session_list(w->session, MCP_SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[]}}");
    w->relist = true;
    line(w, "{\"id\":3,\"result\":{\"tools\":[]}}");
    line(w, "{\"id\":4,\"result\":{\"tools\":[]}}");
    expect_told(w, "listed: listed: listed:");
    assert_int_equal(mcp_session_due_ms(w->session), INT64_MAX);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pages_of_a_list_are_read),
        cmocka_unit_test(items_without_a_name_are_skipped),
        cmocka_unit_test(a_list_without_end_is_cut),
        cmocka_unit_test(a_list_that_takes_too_long_is_given_up),
        cmocka_unit_test(a_list_that_fails_says_so),
        cmocka_unit_test(a_list_asked_for_while_it_is_read_is_read_once_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
