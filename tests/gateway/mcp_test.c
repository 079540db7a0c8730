#include "gateway/mcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/gateway/mcp_world.h"

/* --- what is answered to a line at once --- */

static void what_is_no_message_is_refused_and_the_conversation_goes_on(void **state)
{
    static const struct line lines[] = {
        {"{", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}x", "\"code\":-32700,"},
        {"\"\xff\"", "\"code\":-32700,\"message\":\"not JSON at byte 1: not UTF-8\""},
        {"1", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{}", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{\"id\":1,\"method\":\"ping\"}", "\"id\":1,\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
         "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
         "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}",
         "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", "\"id\":1,\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[1]}",
         "\"id\":1,\"error\":{\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":[1]}", ""},
        {"{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}", ""},
        {"{\"jsonrpc\":\"2.0\",\"id\":9,\"error\":{\"code\":1,\"message\":\"\"}}", ""},
        {"[]", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
         "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"},
    };

    check(*state, lines, COUNT(lines));
}

static void an_id_comes_back_byte_for_byte(void **state)
{
    static const char *const ids[] = {
        "0",           "-7",          "123456789012345678901234567890",
        "\"1\"",       "\"\"",        "\"\\u0041\"",
        "\"\\ud800\"", "\"\\u0000\"", "\"caf\xc3\xa9\"",
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT(ids); i++) {
        char line[256];
        char answer[256];

        snprintf(line, sizeof(line), "{\"id\":%s,\"method\":\"ping\",\"jsonrpc\":\"2.0\"}", ids[i]);
        snprintf(answer, sizeof(answer), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", ids[i]);
        say(world, line);
        assert_string_equal(heard(world), answer);
    }
}

static void before_a_handshake_only_ping_is_served_without_an_envelope(void **state)
{
    static const struct line lines[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "\"result\":{}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}",
         "\"id\":2,\"error\":{\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"server/discover\"}", "initialize"},
        {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"x\"}",
         "io.modelcontextprotocol/protocolVersion"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", ""},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", ""},
    };

    check(*state, lines, COUNT(lines));
}

static void a_handshake_agrees_on_the_revision_asked_for_or_offers_the_newest(void **state)
{
    static const char *const asked[][2] = {
        {"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
        {"2025-11-25", "2025-11-25"}, {"2026-07-28", "2025-11-25"}, {"2024-10-07", "2025-11-25"},
        {"x", "2025-11-25"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT(asked); i++) {
        char line[256];
        char answer[128];

        snprintf(line, sizeof(line),
                 "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"method\":\"initialize\",\"params\":{"
                 "\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":{}}}",
                 asked[i][0]);
        snprintf(answer, sizeof(answer),
                 "{\"jsonrpc\":\"2.0\",\"id\":\"i\",\"result\":{\"protocolVersion\":\"%s\","
                 "\"capabilities\":{\"logging\":{},\"tools\":{\"listChanged\":true}},",
                 asked[i][1]);
        say(world, line);
        assert_non_null(strstr(heard(world), answer));
    }
    assert_int_equal(world->suite.count, 0);
    say(world, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}");
    assert_non_null(strstr(heard(world), "\"code\":-32602,"));
}

static void a_legacy_session_has_the_methods_of_its_revision(void **state)
{
    static const struct line lines[] = {
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", ""},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", "\"result\":{}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"server/discover\"}", "\"code\":-32601,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/list\"}", "\"code\":-32601,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"no\\u0000such\"}", "\"code\":-32601,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"notifications/initialized\"}",
         "\"code\":-32601,"},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/none\"}", ""},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\"}", ""},
        {"{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"logging/setLevel\",\"params\":{\"level\":"
         "\"notice\"}}",
         "\"id\":6,\"result\":{}"},
        {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"logging/setLevel\",\"params\":{\"level\":"
         "\"loud\"}}",
         "\"code\":-32602,"},
        {"{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools\\/list\"}", NULL},
    };

    legacy(*state, "2025-06-18");
    check(*state, lines, COUNT(lines));
}

static const struct line modern_lines[] = {
    {WITH(GOOD, "server/discover"), "\"id\":1,\"result\":{\"resultType\":\"complete\","
                                    "\"supportedVersions\":[\"2026-07-28\"],"},
    {WITH(VERSION "1", "server/discover"), "\"code\":-32602,"},
    {WITH(VERSION "null", "server/discover"), "\"code\":-32602,"},
    {WITH(VERSION "\"2026-07-28\"", "server/discover"), "\"code\":-32602,"},
    {WITH(VERSION "\"2026-07-28\"," CAPABILITIES "[]", "server/discover"), "\"code\":-32602,"},
    {WITH(VERSION "\"2025-11-25\"," CAPABILITIES "{}", "server/discover"),
     "\"code\":-32022,\"message\":\"this protocol version is not supported per request\","
     "\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"2025-11-25\"}}"},
    {WITH(VERSION "\"2027-01-01\"", "tools/list"), "\"requested\":\"2027-01-01\""},
    {WITH(GOOD, "initialize"), "\"code\":-32601,"},
    {WITH(GOOD, "ping"), "\"code\":-32601,"},
    {WITH(GOOD, "logging/setLevel"), "\"code\":-32601,"},
    {WITH(GOOD, "resources/subscribe"), "\"code\":-32601,"},
    {WITH(GOOD, "no/such"), "\"code\":-32601,"},
    {WITH(GOOD ",\"io.modelcontextprotocol/logLevel\":\"loud\"", "tools/list"), "\"code\":-32602,"},
    {WITH(GOOD ",\"progressToken\":1.5", "tools/list"), "\"code\":-32602,"},
    {WITH(GOOD ",\"progressToken\":{}", "tools/list"), "\"code\":-32602,"},
};

static void a_modern_message_is_judged_by_its_own_envelope(void **state)
{
    check(*state, modern_lines, COUNT(modern_lines));
}

static void a_modern_message_is_served_the_same_within_a_legacy_session(void **state)
{
    legacy(*state, "2024-11-05");
    check(*state, modern_lines, COUNT(modern_lines));
}

static void discovery_names_all_that_clients_insist_on(void **state)
{
    struct world *world = *state;
    const char *answer;

    say(world, WITH(GOOD, "server/discover"));
    answer = heard(world);
    assert_non_null(strstr(answer, "\"capabilities\":{\"logging\":{},\"tools\":{}}"));
    assert_non_null(strstr(answer, "\"ttlMs\":3600000"));
    assert_non_null(strstr(answer, "\"cacheScope\":\"public\""));
    assert_non_null(strstr(answer, INFO));
    assert_int_equal(world->suite.count, 0);
}

static void a_line_beyond_the_limit_is_answered_without_an_id(void **state)
{
    struct world *world = *state;

    mcp_line_too_long(world->mcp);
    assert_non_null(strstr(heard(world), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(what_is_no_message_is_refused_and_the_conversation_goes_on),
        in_world(an_id_comes_back_byte_for_byte),
        in_world(before_a_handshake_only_ping_is_served_without_an_envelope),
        in_world(a_handshake_agrees_on_the_revision_asked_for_or_offers_the_newest),
        in_world(a_legacy_session_has_the_methods_of_its_revision),
        in_world(a_modern_message_is_judged_by_its_own_envelope),
        in_world(a_modern_message_is_served_the_same_within_a_legacy_session),
        in_world(discovery_names_all_that_clients_insist_on),
        in_world(a_line_beyond_the_limit_is_answered_without_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
