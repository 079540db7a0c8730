#include "services/worker/mcp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/services/worker/mcp/world.h"

/* --- which era --- */

static void a_legacy_server_is_probed_and_then_shaken_hands_with(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    expect_output(w, PROBE);
    assert_true(mcp_session_is_probing(w->session));
    line(w, NO_METHOD("1"));
    assert_false(mcp_session_is_probing(w->session));
    expect_output(w, SHAKE("2"));
    line(w, SHAKEN("2", "2025-06-18", "{\"tools\":{}}"));
    expect_output(w, INITIALIZED);
    expect_told(w, "ready");
    assert_int_equal(mcp_session_server(w->session)->era, ERA_LEGACY);
    assert_string_equal(mcp_session_server(w->session)->revision, "2025-06-18");
    assert_true(
        fb_text_is(mcp_session_server(w->session)->info, "{\"name\":\"s\",\"version\":\"2\"}"));
    assert_true(fb_text_is(mcp_session_server(w->session)->capabilities, "{\"tools\":{}}"));
    assert_true(fb_text_is(mcp_session_server(w->session)->instructions, "be \"kind\""));
    assert_true(mcp_session_has_list(w->session, MCP_SESSION_TOOLS));
    assert_false(mcp_session_has_list(w->session, MCP_SESSION_PROMPTS));
    end(w);
}

static void a_modern_server_is_ready_after_the_probe(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_told(w, "ready");
    expect_output(w, "");
    assert_int_equal(mcp_session_server(w->session)->era, ERA_MODERN);
    assert_true(
        fb_text_is(mcp_session_server(w->session)->info, "{\"name\":\"m\",\"version\":\"3\"}"));
    end(w);
}

static void a_modern_server_that_announces_changes_is_listened_to(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true}}"));
    expect_output(w,
                  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"subscriptions/listen\",\"params\":{"
                  "\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":true},"
                  "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                  "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"flow-balancer\","
                  "\"version\":\"1\"},\"io.modelcontextprotocol/clientCapabilities\":{}}}}\n");
    expect_told(w, "ready");
    end(w);
}

static void a_subscription_that_the_server_ends_is_asked_for_again_and_changes_are_told(
    void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{\"listChanged\":true}}"));
    drop_output(w);
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"resultType\":\"complete\"}}");
    mcp_session_tick(w->session, 5000);
    expect_output(w, "");
    assert_int_equal(mcp_session_due_ms(w->session), 6000);
    mcp_session_tick(w->session, 6000);
    assert_true(mcp_session_output(w->session).size > 0);
    mcp_session_tick(w->session, 6250);
    expect_told(w, "ready tools!");
    end(w);
}

static void silence_on_the_probe_leads_to_the_handshake(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    assert_int_equal(mcp_session_due_ms(w->session), 3000);
    mcp_session_tick(w->session, 2999);
    expect_output(w, "");
    mcp_session_tick(w->session, 3000);
    expect_output(w, SHAKE("2"));
    line(w, SHAKEN("2", "2024-11-05", "{}"));
    expect_told(w, "ready");
    end(w);
}

static void a_slow_modern_server_is_still_found_modern_after_the_probe_timed_out(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    mcp_session_tick(w->session, 3000);
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_told(w, "ready");
    assert_int_equal(mcp_session_server(w->session)->era, ERA_MODERN);
    line(w, NO_METHOD("2"));
    expect_told(w, "");
    end(w);
}

static void a_revision_refused_but_listed_is_asked_for_once_more(void **state)
{
    const char *const refusal = "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32022,"
                                "\"message\":\"\",\"data\":{\"supported\":[\"2026-07-28\"]}}}";
    char text[200];
    struct world *w = world_with((struct mcp_session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    snprintf(text, sizeof(text), refusal, 1);
    line(w, text);
    assert_true(mcp_session_output(w->session).size > 0);
    snprintf(text, sizeof(text), refusal, 2);
    line(w, text);
    expect_told(w, "refused");
    end(w);
}

static void a_handshake_refused_unknown_or_silent_fails(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_LEGACY});

    (void)state;
    line(w, NO_METHOD("1"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct mcp_session_config){.era = ERA_LEGACY});
    line(w, SHAKEN("1", "1999-01-01", "{}"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct mcp_session_config){.era = ERA_LEGACY, .start_ms = 10000});
    mcp_session_tick(w->session, 9999);
    expect_told(w, "");
    mcp_session_tick(w->session, 10000);
    expect_told(w, "silent");
    assert_int_equal(mcp_session_due_ms(w->session), INT64_MAX);
    end(w);
}

static void an_era_that_the_user_demands_is_not_given_up(void **state)
{
    struct world *w =
        world_with((struct mcp_session_config){.era = ERA_MODERN, .era_forced = true});

    (void)state;
    assert_int_equal(mcp_session_due_ms(w->session), 60000);
    line(w, NO_METHOD("1"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct mcp_session_config){.era = ERA_LEGACY, .era_forced = true});
    expect_output(w, SHAKE("1"));
    end(w);
}

static void notices_before_the_handshake_is_answered_are_tolerated(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_LEGACY});

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
    line(w, "Server starting...");
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{}}"));
    mcp_session_tick(w->session, 5000);
    expect_told(w, "ready");
    assert_int_equal(mcp_session_oddities(w->session)->noise, 1);
    end(w);
}

/* --- what the server asks --- */

static void a_legacy_server_always_gets_an_answer(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":\"p-1\",\"method\":\"ping\"}");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":\"p-1\",\"result\":{}}\n");
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":98765432109876543210,\"method\":\"roots/list\"}");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":98765432109876543210,\"error\":{\"code\":-32601,"
                     "\"message\":\"this client declared no such capability\"}}\n");
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}");
    expect_output(w, "");
    assert_int_equal(mcp_session_oddities(w->session)->refused, 1);
    assert_int_equal(mcp_session_oddities(w->session)->dropped, 1);
    end(w);
}

static void a_modern_server_gets_no_answers(void **state)
{
    struct world *w = modern_world();

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    expect_output(w, "");
    assert_int_equal(mcp_session_oddities(w->session)->dropped, 1);
    end(w);
}

static void a_server_that_asks_and_never_reads_does_not_grow_the_output_for_ever(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        line(w, "{\"jsonrpc\":\"2.0\",\"id\":\"a rather long identifier of a "
                "ping\",\"method\":\"ping\"}");
    }
    assert_true(mcp_session_output(w->session).size < 2 * 1024 * 1024);
    assert_true(mcp_session_oddities(w->session)->dropped > 0);
    end(w);
}

static void batches_are_read_in_the_one_revision_that_has_them(void **state)
{
    struct world *w = world_with((struct mcp_session_config){.era = ERA_LEGACY});
    const char *const batch = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
                              "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]";

    (void)state;
    drop_output(w);
    line(w, SHAKEN("1", "2025-03-26", "{}"));
    drop_output(w);
    line(w, batch);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"
                     "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n");
    end(w);

    w = legacy_world();
    line(w, batch);
    expect_output(w, "");
    assert_int_equal(mcp_session_oddities(w->session)->noise, 1);
    end(w);
}

/* --- logs --- */

#define LOG(level) \
    "{\"method\":\"notifications/message\",\"params\":{\"level\":\"" level "\",\"data\":1}}"

static void a_log_message_is_the_only_open_calls_and_otherwise_nobodys(void **state)
{
    struct world *w = legacy_world();
    struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    plan.log_level = mcp_session_log_level(FB_TEXT("warning"));
    ask(w, &a, &plan);
    line(w, LOG("info"));
    line(w, LOG("error"));
    ask(w, &b, &plan);
    line(w, LOG("error"));
    expect_asked(&a, "log{\"level\":\"error\",\"data\":1};");
    expect_asked(&b, "");
    expect_told(w, "log:{\"level\":\"error\",\"data\":1}");
    end(w);
}

static void a_legacy_server_is_told_the_most_talkative_level_that_anyone_wants(void **state)
{
    struct world *w = legacy_world();
    struct mcp_session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    plan.log_level = mcp_session_log_level(FB_TEXT("info"));
    ask(w, &a, &plan);
    expect_output(w,
                  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"logging/setLevel\",\"params\":{"
                  "\"level\":\"info\"}}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\","
                  "\"params\":{\"name\":\"x\"}}\n");
    line(w, "{\"id\":2,\"result\":{}}");
    plan.log_level = mcp_session_log_level(FB_TEXT("error"));
    ask(w, &b, &plan);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\","
                     "\"params\":{\"name\":\"x\"}}\n");
    expect_asked(&a, "");
    expect_asked(&b, "");
    end(w);
}

/* --- what has changed --- */

static void a_storm_of_change_notices_is_told_once_and_not_put_off_for_ever(void **state)
{
    struct world *w = legacy_world();
    const char *const notice =
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";
    int64_t now = 10000;

    (void)state;
    line_at(w, now, notice);
    assert_int_equal(mcp_session_due_ms(w->session), 10250);
    mcp_session_tick(w->session, 10249);
    expect_told(w, "");
    mcp_session_tick(w->session, 10250);
    expect_told(w, "tools!");
    for (now = 20000; now < 30000; now += 10) {
        line_at(w, now, notice);
        mcp_session_tick(w->session, now);
    }
    /* 10 s of storm: every 8 debounce periods */
    expect_told(w, "tools! tools! tools! tools!");
    end(w);
}

static void a_change_notice_for_what_the_server_does_not_have_is_ignored(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}");
    mcp_session_tick(w->session, 100000);
    expect_told(w, "");
    end(w);
}

static void nothing_it_may_be_sent_breaks_it(void **state)
{
    static const char *const lines[] = {
        "{\"method\":\"notifications/message\"}",
        "{\"method\":\"notifications/message\",\"params\":{}}",
        "{\"method\":\"notifications/message\",\"params\":{\"level\":\"\"}}",
        "{\"method\":\"notifications/message\",\"params\":{\"level\":7}}",
        "{\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"a\"}}",
        "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}",
        "{\"id\":-1,\"result\":{}}",
        "{\"id\":9223372036854775807,\"result\":{}}",
        "{\"id\":99999999999999999999,\"result\":{}}",
        "[]",
        "[[]]",
        "{}",
        "\xef\xbb\xbf{\"method\":\"x\"}",
    };
    struct world *w = legacy_world();

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        line(w, lines[i]);
    }
    expect_output(w, "");
    assert_true(mcp_session_is_ready(w->session));
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_legacy_server_is_probed_and_then_shaken_hands_with),
        cmocka_unit_test(a_modern_server_is_ready_after_the_probe),
        cmocka_unit_test(a_modern_server_that_announces_changes_is_listened_to),
        cmocka_unit_test(
            a_subscription_that_the_server_ends_is_asked_for_again_and_changes_are_told),
        cmocka_unit_test(silence_on_the_probe_leads_to_the_handshake),
        cmocka_unit_test(a_slow_modern_server_is_still_found_modern_after_the_probe_timed_out),
        cmocka_unit_test(a_revision_refused_but_listed_is_asked_for_once_more),
        cmocka_unit_test(a_handshake_refused_unknown_or_silent_fails),
        cmocka_unit_test(an_era_that_the_user_demands_is_not_given_up),
        cmocka_unit_test(notices_before_the_handshake_is_answered_are_tolerated),
        cmocka_unit_test(a_legacy_server_always_gets_an_answer),
        cmocka_unit_test(a_modern_server_gets_no_answers),
        cmocka_unit_test(a_server_that_asks_and_never_reads_does_not_grow_the_output_for_ever),
        cmocka_unit_test(batches_are_read_in_the_one_revision_that_has_them),
        cmocka_unit_test(a_log_message_is_the_only_open_calls_and_otherwise_nobodys),
        cmocka_unit_test(a_legacy_server_is_told_the_most_talkative_level_that_anyone_wants),
        cmocka_unit_test(a_storm_of_change_notices_is_told_once_and_not_put_off_for_ever),
        cmocka_unit_test(a_change_notice_for_what_the_server_does_not_have_is_ignored),
        cmocka_unit_test(nothing_it_may_be_sent_breaks_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
