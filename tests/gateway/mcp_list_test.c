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

/* --- tools/list --- */

static void page(struct world *world, const char *const *tools, size_t count, const char *next)
{
    Flowbalancer__V1__ListToolsResponse response = FLOWBALANCER__V1__LIST_TOOLS_RESPONSE__INIT;
    ProtobufCBinaryData items[16];

    assert_true(count <= COUNT(items));
    for (size_t i = 0; i < count; i++) {
        items[i] =
            (ProtobufCBinaryData){.len = strlen(tools[i]), .data = (uint8_t *)(uintptr_t)tools[i]};
    }
    response.n_items_json = count;
    response.items_json = items;
    response.next_cursor = (char *)(uintptr_t)next;
    response.version = (char *)(uintptr_t) "v1";
    response.ttl_ms = 5000;
    response.cache_scope = FLOWBALANCER__V1__CACHE_SCOPE__CACHE_SCOPE_PUBLIC;
    assert_string_equal(last_call(world)->path, "/flowbalancer.v1.McpService/ListTools");
    fake_say(last_call(world), &response.base);
    fake_end(last_call(world), fb_ok, "", -1);
}

static const Flowbalancer__V1__ListToolsRequest *asked_list(struct world *world)
{
    return (const Flowbalancer__V1__ListToolsRequest *)last_call(world)->request;
}

static void a_list_is_gathered_from_all_pages_of_the_suite(void **state)
{
    static const char *const first[] = {
        "{\"name\":\"a__x\",\"inputSchema\":{\"type\":\"object\"}}",
        "{\"name\":\"a__y\",\"inputSchema\":{\"type\":\"object\"}}",
    };
    static const char *const second[] = {
        "{\"name\":\"b__z\",\"inputSchema\":{\"type\":\"object\"}}",
    };
    struct world *world = *state;

    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}");
    assert_int_equal(asked_list(world)->wait_ms, 250);
    assert_string_equal(asked_list(world)->cursor, "");
    page(world, first, 2, "p2");
    assert_string_equal(asked_list(world)->cursor, "p2");
    page(world, second, 1, "");
    assert_string_equal(
        heard(world),
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"tools\":["
        "{\"name\":\"a__x\",\"inputSchema\":{\"type\":\"object\"}},"
        "{\"name\":\"a__y\",\"inputSchema\":{\"type\":\"object\"}},"
        "{\"name\":\"b__z\",\"inputSchema\":{\"type\":\"object\"}}],"
        "\"ttlMs\":5000,\"cacheScope\":\"public\"," INFO "}}");
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

static void a_list_too_long_for_a_line_is_handed_out_in_pages(void **state)
{
    struct world *world = *state;
    char *tools[4];
    const char *answer;

    begin_again(world, 16, 3 << 20);
    for (size_t i = 0; i < COUNT(tools); i++) {
        tools[i] = malloc(1 << 20);
        assert_non_null(tools[i]);
        snprintf(tools[i], 1 << 20,
                 "{\"name\":\"s__%zu\",\"inputSchema\":{\"type\":\"object\"},\"description\":"
                 "\"%0900000d\"}",
                 i, 0);
    }
    legacy(world, "2025-11-25");
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}");
    page(world, (const char *const *)tools, 4, "");
    assert_int_equal(asked_list(world)->page_size, 2);
    page(world, (const char *const *)tools, 2, "c2");
    assert_string_equal(asked_list(world)->cursor, "c2");
    page(world, (const char *const *)tools + 2, 2, "");
    answer = heard(world);
    assert_non_null(strstr(answer, "{\"name\":\"s__1\""));
    assert_null(strstr(answer, "{\"name\":\"s__2\""));
    assert_non_null(strstr(answer, "],\"nextCursor\":\"c2\"}}"));
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{\"cursor\":"
               "\"c2\"}}");
    assert_string_equal(asked_list(world)->cursor, "c2");
    page(world, (const char *const *)tools + 2, 2, "");
    answer = heard(world);
    assert_non_null(strstr(answer, "{\"name\":\"s__2\""));
    assert_null(strstr(answer, "nextCursor"));
    for (size_t i = 0; i < COUNT(tools); i++) {
        free(tools[i]);
    }
}

static void a_cursor_that_nobody_gave_out_is_refused(void **state)
{
    struct world *world = *state;

    legacy(world, "2025-11-25");
    say(world,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"cursor\":7}}");
    assert_non_null(strstr(heard(world), "\"id\":1,\"error\":{\"code\":-32602,"));
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{\"cursor\":"
               "\"x\"}}");
    fake_end(last_call(world), fb_fail(FB_INVALID_ARGUMENT, "no such cursor"), "", -1);
    assert_non_null(strstr(heard(world), "\"id\":2,\"error\":{\"code\":-32602,"));
    assert_int_equal(mcp_unanswered(world->mcp), 0);
}

static void a_suite_that_is_not_there_is_an_internal_error_of_a_list(void **state)
{
    struct world *world = *state;

    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}");
    fake_end(last_call(world), fb_fail(FB_UNAVAILABLE, "the router does not answer"), "", -1);
    assert_non_null(strstr(heard(world), "\"id\":1,\"error\":{\"code\":-32603,\"message\":\"the "
                                         "router does not answer. "));
}

/* --- changes --- */

static void a_session_that_was_shown_the_tools_is_told_when_they_change(void **state)
{
    Flowbalancer__V1__ListenEvent event = FLOWBALANCER__V1__LISTEN_EVENT__INIT;
    Flowbalancer__V1__ListChanged changed = FLOWBALANCER__V1__LIST_CHANGED__INIT;
    const Flowbalancer__V1__ListenRequest *request;
    struct world *world = *state;
    struct uplink_call *listen;

    legacy(world, "2025-11-25");
    call_tool(world, "1", "");
    assert_int_equal(world->suite.count, 1);
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}");
    page(world, NULL, 0, "");
    assert_non_null(strstr(heard(world), "\"id\":2,\"result\":{\"tools\":[]}"));
    listen = last_call(world);
    assert_string_equal(listen->path, "/flowbalancer.v1.McpService/Listen");
    assert_true(listen->only_if_there);
    request = (const Flowbalancer__V1__ListenRequest *)listen->request;
    assert_int_equal(request->n_lists, 1);
    assert_string_equal(request->lists[0]->version, "v1");
    assert_int_equal(mcp_unanswered(world->mcp), 1);
    changed.kind = FLOWBALANCER__V1__LIST_KIND__LIST_KIND_TOOLS;
    changed.version = (char *)(uintptr_t) "v2";
    event.event_case = FLOWBALANCER__V1__LISTEN_EVENT__EVENT_LIST_CHANGED;
    event.list_changed = &changed;
    fake_say(listen, &event.base);
    assert_string_equal(heard(world), "{\"jsonrpc\":\"2.0\",\"method\":"
                                      "\"notifications/tools/list_changed\",\"params\":{}}");
    fake_end(listen, fb_fail(FB_UNAVAILABLE, "broken"), "", -1);
    call_tool(world, "3", "");
    listen = last_call(world);
    request = (const Flowbalancer__V1__ListenRequest *)listen->request;
    assert_string_equal(listen->path, "/flowbalancer.v1.McpService/Listen");
    assert_string_equal(request->lists[0]->version, "v2");
    legacy(world, "2025-11-25");
    assert_true(listen->cancelled);
}

static void a_modern_agent_is_told_nothing_that_it_did_not_subscribe_to(void **state)
{
    struct world *world = *state;

    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" META "}}");
    page(world, NULL, 0, "");
    assert_int_equal(world->suite.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_list_is_gathered_from_all_pages_of_the_suite),
        in_world(a_list_too_long_for_a_line_is_handed_out_in_pages),
        in_world(a_cursor_that_nobody_gave_out_is_refused),
        in_world(a_suite_that_is_not_there_is_an_internal_error_of_a_list),
        in_world(a_session_that_was_shown_the_tools_is_told_when_they_change),
        in_world(a_modern_agent_is_told_nothing_that_it_did_not_subscribe_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
