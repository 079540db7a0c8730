#include "services/worker/mcp/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a session told its owner, in short words one after the other. */
struct world {
    struct session *session;
    struct fb_buffer told;
    bool relist; /* ask for the list again from within on_listed */
};

static void note(struct world *w, const char *word)
{
    fb_buffer_string(&w->told, w->told.size == 0 ? "" : " ");
    fb_buffer_string(&w->told, word);
}

static void on_ready(void *self)
{
    note(self, "ready");
}

static void on_failed(void *self, enum session_failure failure, const char *why)
{
    static const char *const words[] = {
        [SESSION_REFUSED] = "refused",
        [SESSION_SILENT] = "silent",
        [SESSION_OUT_OF_MEMORY] = "memory",
    };

    assert_true(strlen(why) > 0);
    note(self, words[failure]);
}

static void on_changed(void *self, enum session_list list)
{
    static const char *const words[] = {"tools!", "resources!", "templates!", "prompts!"};

    note(self, words[list]);
}

static void on_listed(void *self, enum session_list list, struct fb_status status,
                      const struct session_items *items)
{
    struct world *w = self;

    (void)list;
    if (items == NULL) {
        note(w, fb_code_name(status.code));
        return;
    }
    assert_true(fb_is_ok(status));
    note(w, items->cut ? "cut:" : "listed:");
    for (size_t i = 0; i < items->count; i++) {
        fb_buffer_text(&w->told, items->items[i]);
    }
    if (w->relist) {
        w->relist = false;
        session_list(w->session, list, 0);
    }
}

static void on_log(void *self, struct fb_text params)
{
    struct world *w = self;

    note(w, "log:");
    fb_buffer_text(&w->told, params);
}

static const struct session_events world_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
    .on_changed = on_changed,
    .on_listed = on_listed,
    .on_log = on_log,
};

/* The session's owner pointer is fixed at creation, so worlds live on the heap. */
static struct world *world_with(struct session_config config)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    config.version = "1";
    w->session = session_create(&config, &world_events, w);
    assert_non_null(w->session);
    session_start(w->session, 0);
    return w;
}

static void end(struct world *w)
{
    session_destroy(w->session);
    fb_buffer_finish(&w->told);
    free(w);
}

static void expect_told(struct world *w, const char *wanted)
{
    const struct fb_text told = {.data = w->told.data, .size = w->told.size};

    if (!fb_text_is(told, wanted)) {
        print_error("told:   %.*s\nwanted: %s\n", (int)told.size, told.data, wanted);
    }
    assert_true(fb_text_is(told, wanted));
    fb_buffer_clear(&w->told, 1024);
}

static void expect_output(struct world *w, const char *wanted)
{
    const struct fb_text out = session_output(w->session);

    if (!fb_text_is(out, wanted)) {
        print_error("put:    %.*s\nwanted: %s\n", (int)out.size, out.data, wanted);
    }
    assert_true(fb_text_is(out, wanted));
    session_written(w->session, out.size);
}

static void drop_output(struct world *w)
{
    session_written(w->session, session_output(w->session).size);
}

static void line_at(struct world *w, int64_t now_ms, const char *text)
{
    session_line(w->session, fb_text_of(text), now_ms);
}

static void line(struct world *w, const char *text)
{
    line_at(w, 0, text);
}

#define PROBE                                                                                \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{"   \
    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                            \
    "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"1\"}," \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}\n"
#define SHAKE(id)                                                               \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"initialize\",\"params\":{" \
    "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"                   \
    "\"clientInfo\":{\"name\":\"flow-balancer\",\"version\":\"1\"}}}\n"
#define INITIALIZED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"
#define NO_METHOD(id) \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32601,\"message\":\"no\"}}"
#define SHAKEN(id, revision, capabilities)                                                 \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"protocolVersion\":\"" revision "\"," \
    "\"capabilities\":" capabilities ",\"serverInfo\":{\"name\":\"s\",\"version\":\"2\"}," \
    "\"instructions\":\"be \\\"kind\\\"\"}}"
#define DISCOVERED(capabilities)                                                             \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\","                 \
    "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":" capabilities ",\"ttlMs\":0,"  \
    "\"cacheScope\":\"public\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":" \
    "\"m\",\"version\":\"3\"}}}}"

static struct world *legacy_world(void)
{
    struct world *w = world_with((struct session_config){.era = ERA_LEGACY});

    drop_output(w);
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{\"listChanged\":true},\"logging\":{}}"));
    expect_output(w, INITIALIZED);
    expect_told(w, "ready");
    return w;
}

static struct world *modern_world(void)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_output(w, "");
    expect_told(w, "ready");
    return w;
}

/* --- which era --- */

static void a_legacy_server_is_probed_and_then_shaken_hands_with(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    expect_output(w, PROBE);
    assert_true(session_is_probing(w->session));
    line(w, NO_METHOD("1"));
    assert_false(session_is_probing(w->session));
    expect_output(w, SHAKE("2"));
    line(w, SHAKEN("2", "2025-06-18", "{\"tools\":{}}"));
    expect_output(w, INITIALIZED);
    expect_told(w, "ready");
    assert_int_equal(session_server(w->session)->era, ERA_LEGACY);
    assert_string_equal(session_server(w->session)->revision, "2025-06-18");
    assert_true(fb_text_is(session_server(w->session)->info, "{\"name\":\"s\",\"version\":\"2\"}"));
    assert_true(fb_text_is(session_server(w->session)->capabilities, "{\"tools\":{}}"));
    assert_true(fb_text_is(session_server(w->session)->instructions, "be \"kind\""));
    assert_true(session_has_list(w->session, SESSION_TOOLS));
    assert_false(session_has_list(w->session, SESSION_PROMPTS));
    end(w);
}

static void a_modern_server_is_ready_after_the_probe(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_told(w, "ready");
    expect_output(w, "");
    assert_int_equal(session_server(w->session)->era, ERA_MODERN);
    assert_true(fb_text_is(session_server(w->session)->info, "{\"name\":\"m\",\"version\":\"3\"}"));
    end(w);
}

static void a_modern_server_that_announces_changes_is_listened_to(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

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
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{\"listChanged\":true}}"));
    drop_output(w);
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"resultType\":\"complete\"}}");
    session_tick(w->session, 5000);
    expect_output(w, "");
    assert_int_equal(session_due_ms(w->session), 6000);
    session_tick(w->session, 6000);
    assert_true(session_output(w->session).size > 0);
    session_tick(w->session, 6250);
    expect_told(w, "ready tools!");
    end(w);
}

static void silence_on_the_probe_leads_to_the_handshake(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    assert_int_equal(session_due_ms(w->session), 3000);
    session_tick(w->session, 2999);
    expect_output(w, "");
    session_tick(w->session, 3000);
    expect_output(w, SHAKE("2"));
    line(w, SHAKEN("2", "2024-11-05", "{}"));
    expect_told(w, "ready");
    end(w);
}

static void a_slow_modern_server_is_still_found_modern_after_the_probe_timed_out(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    session_tick(w->session, 3000);
    drop_output(w);
    line(w, DISCOVERED("{\"tools\":{}}"));
    expect_told(w, "ready");
    assert_int_equal(session_server(w->session)->era, ERA_MODERN);
    line(w, NO_METHOD("2"));
    expect_told(w, "");
    end(w);
}

static void a_revision_refused_but_listed_is_asked_for_once_more(void **state)
{
    const char *const refusal = "{\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32022,"
                                "\"message\":\"\",\"data\":{\"supported\":[\"2026-07-28\"]}}}";
    char text[200];
    struct world *w = world_with((struct session_config){.era = ERA_UNKNOWN});

    (void)state;
    drop_output(w);
    snprintf(text, sizeof(text), refusal, 1);
    line(w, text);
    assert_true(session_output(w->session).size > 0);
    snprintf(text, sizeof(text), refusal, 2);
    line(w, text);
    expect_told(w, "refused");
    end(w);
}

static void a_handshake_refused_unknown_or_silent_fails(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_LEGACY});

    (void)state;
    line(w, NO_METHOD("1"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct session_config){.era = ERA_LEGACY});
    line(w, SHAKEN("1", "1999-01-01", "{}"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct session_config){.era = ERA_LEGACY, .start_ms = 10000});
    session_tick(w->session, 9999);
    expect_told(w, "");
    session_tick(w->session, 10000);
    expect_told(w, "silent");
    assert_int_equal(session_due_ms(w->session), INT64_MAX);
    end(w);
}

static void an_era_that_the_user_demands_is_not_given_up(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_MODERN, .era_forced = true});

    (void)state;
    assert_int_equal(session_due_ms(w->session), 60000);
    line(w, NO_METHOD("1"));
    expect_told(w, "refused");
    end(w);

    w = world_with((struct session_config){.era = ERA_LEGACY, .era_forced = true});
    expect_output(w, SHAKE("1"));
    end(w);
}

static void notices_before_the_handshake_is_answered_are_tolerated(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_LEGACY});

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
    line(w, "Server starting...");
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{}}"));
    session_tick(w->session, 5000);
    expect_told(w, "ready");
    assert_int_equal(session_oddities(w->session)->noise, 1);
    end(w);
}

/* --- requests --- */

struct asked {
    struct session_request request;
    struct fb_buffer told;
};

static void asked_note(struct session_request *request, const char *word, struct fb_text text)
{
    struct asked *a = (struct asked *)(void *)request;

    fb_buffer_string(&a->told, word);
    fb_buffer_text(&a->told, text);
    fb_buffer_string(&a->told, ";");
}

static void asked_progress(struct session_request *request, struct fb_text params)
{
    asked_note(request, "progress", params);
}

static void asked_log(struct session_request *request, struct fb_text params)
{
    asked_note(request, "log", params);
}

static void asked_answer(struct session_request *request, const struct session_answer *answer)
{
    static const char *const words[] = {
        [SESSION_RESULT] = "result",   [SESSION_INPUT] = "input",   [SESSION_ERROR] = "error",
        [SESSION_GARBLED] = "garbled", [SESSION_UNSENT] = "unsent", [SESSION_LOST] = "lost",
    };

    asked_note(request, words[answer->end], answer->body);
}

static const struct session_request_events asked_events = {
    .on_progress = asked_progress,
    .on_log = asked_log,
    .on_answer = asked_answer,
};

static void ask(struct world *w, struct asked *a, const struct session_plan *plan)
{
    *a = (struct asked){.told.limit_bytes = 0};
    assert_true(fb_is_ok(session_request(w->session, &a->request, &asked_events, plan)));
}

static void expect_asked(struct asked *a, const char *wanted)
{
    const struct fb_text told = {.data = a->told.data, .size = a->told.size};

    if (!fb_text_is(told, wanted)) {
        print_error("told:   %.*s\nwanted: %s\n", (int)told.size, told.data, wanted);
    }
    assert_true(fb_text_is(told, wanted));
    fb_buffer_finish(&a->told);
}

static struct session_plan plan_of(const char *name)
{
    return (struct session_plan){
        .method = "tools/call",
        .name = fb_text_of(name),
        .log_level = -1,
    };
}

static void arguments_go_out_byte_for_byte(void **state)
{
    struct world *w = legacy_world();
    struct session_plan plan = plan_of("\"e\\u0063ho\"");
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
    struct session_plan plan = plan_of("\"x\"");
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
    const struct session_plan plan = plan_of("\"x\"");

    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < COUNT; i++) {
        ask(w, &all[i], &plan);
    }
    assert_int_equal(session_open_requests(w->session), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const size_t pick = (i * 37 + 11) % COUNT; /* 37 and 500 have no common factor */
        char text[100];

        snprintf(text, sizeof(text), "{\"result\":{\"n\":%zu},\"jsonrpc\":\"2.0\",\"id\":%zu}",
                 pick, pick + 2);
        line(w, text);
    }
    assert_int_equal(session_open_requests(w->session), 0);
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
    const struct session_plan plan = plan_of("\"x\"");
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
    assert_int_equal(session_oddities(w->session)->strays, 5);
    end(w);
}

static void an_error_comes_through_as_it_is(void **state)
{
    struct world *w = legacy_world();
    const struct session_plan plan = plan_of("\"x\"");
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
    struct session_plan plan = plan_of("\"x\"");
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
    const struct session_plan plan = plan_of("\"x\"");
    struct asked a;

    (void)state;
    ask(w, &a, &plan);
    drop_output(w);
    session_cancel(w->session, &a.request, "the caller \"left\"");
    session_cancel(w->session, &a.request, "again");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                     "\"requestId\":2,\"reason\":\"the caller \\\"left\\\"\"}}\n");
    line(w, "{\"id\":2,\"result\":{}}");
    expect_asked(&a, "");
    assert_int_equal(session_oddities(w->session)->strays, 1);
    assert_int_equal(session_open_requests(w->session), 0);
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
        const struct session_plan plan = plan_of("\"x\"");
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
    const struct session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    ask(w, &a, &plan);
    ask(w, &b, &plan);
    session_long_line(w->session, FB_TEXT("{\"result\":{"),
                      FB_TEXT("},\"jsonrpc\":\"2.0\",\"id\":2}"));
    session_long_line(w->session, FB_TEXT("noise"), FB_TEXT("noise"));
    expect_asked(&a, "garbled;");
    expect_asked(&b, "");
    end(w);
}

static void what_was_never_written_whole_surely_did_not_run(void **state)
{
    struct world *w = legacy_world();
    const struct session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;
    struct asked c;
    struct asked d;
    size_t size;

    (void)state;
    ask(w, &a, &plan);
    drop_output(w);
    ask(w, &b, &plan);
    size = session_output(w->session).size;
    ask(w, &c, &plan);
    ask(w, &d, &plan);
    /* b but for its line end */
    session_written(w->session, size - 1);
    /* and c but for its last brace and its line end */
    session_written(w->session, 1 + size - 2);
    session_lost(w->session);
    expect_asked(&a, "lost;");
    expect_asked(&b, "lost;");
    expect_asked(&c, "unsent;");
    expect_asked(&d, "unsent;");
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
    assert_int_equal(session_oddities(w->session)->refused, 1);
    assert_int_equal(session_oddities(w->session)->dropped, 1);
    end(w);
}

static void a_modern_server_gets_no_answers(void **state)
{
    struct world *w = modern_world();

    (void)state;
    line(w, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    expect_output(w, "");
    assert_int_equal(session_oddities(w->session)->dropped, 1);
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
    assert_true(session_output(w->session).size < 2 * 1024 * 1024);
    assert_true(session_oddities(w->session)->dropped > 0);
    end(w);
}

static void batches_are_read_in_the_one_revision_that_has_them(void **state)
{
    struct world *w = world_with((struct session_config){.era = ERA_LEGACY});
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
    assert_int_equal(session_oddities(w->session)->noise, 1);
    end(w);
}

/* --- logs --- */

#define LOG(level) \
    "{\"method\":\"notifications/message\",\"params\":{\"level\":\"" level "\",\"data\":1}}"

static void a_log_message_is_the_only_open_calls_and_otherwise_nobodys(void **state)
{
    struct world *w = legacy_world();
    struct session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    plan.log_level = session_log_level(FB_TEXT("warning"));
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
    struct session_plan plan = plan_of("\"x\"");
    struct asked a;
    struct asked b;

    (void)state;
    plan.log_level = session_log_level(FB_TEXT("info"));
    ask(w, &a, &plan);
    expect_output(w,
                  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"logging/setLevel\",\"params\":{"
                  "\"level\":\"info\"}}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\","
                  "\"params\":{\"name\":\"x\"}}\n");
    line(w, "{\"id\":2,\"result\":{}}");
    plan.log_level = session_log_level(FB_TEXT("error"));
    ask(w, &b, &plan);
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\","
                     "\"params\":{\"name\":\"x\"}}\n");
    expect_asked(&a, "");
    expect_asked(&b, "");
    end(w);
}

static void log_levels_are_ordered_and_others_unknown(void **state)
{
    (void)state;
    assert_int_equal(session_log_level(FB_TEXT("debug")), 0);
    assert_int_equal(session_log_level(FB_TEXT("emergency")), 7);
    assert_int_equal(session_log_level(FB_TEXT("warn")), -1);
    assert_int_equal(session_log_level(FB_TEXT("")), -1);
}

/* --- lists --- */

static void all_pages_of_a_list_are_read(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    session_list(w->session, SESSION_TOOLS, 0);
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
    assert_int_equal(session_due_ms(w->session), INT64_MAX);
    end(w);
}

static void items_without_a_name_are_skipped(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    session_list(w->session, SESSION_TOOLS, 0);
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
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}],\"nextCursor\":\"x\"}}");
    line(w, "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}],\"nextCursor\":\"x\"}}");
    expect_told(w, "cut:{\"name\":\"a\"}{\"name\":\"b\"}");
    end(w);

    /* too many pages */
    w = world_with((struct session_config){.era = ERA_LEGACY, .pages_most = 3, .items_most = 4});
    line(w, SHAKEN("1", "2025-11-25", "{\"tools\":{}}"));
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[{\"name\":\"a\"}],\"nextCursor\":\"1\"}}");
    line(w, "{\"id\":3,\"result\":{\"tools\":[{\"name\":\"b\"}],\"nextCursor\":\"2\"}}");
    line(w, "{\"id\":4,\"result\":{\"tools\":[{\"name\":\"c\"}],\"nextCursor\":\"3\"}}");
    expect_told(w, "ready cut:{\"name\":\"a\"}{\"name\":\"b\"}{\"name\":\"c\"}");

    /* too many items */
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, "{\"id\":5,\"result\":{\"tools\":[{\"name\":\"1\"},{\"name\":\"2\"},{\"name\":\"3\"},"
            "{\"name\":\"4\"},{\"name\":\"5\"}]}}");
    expect_told(w, "cut:{\"name\":\"1\"}{\"name\":\"2\"}{\"name\":\"3\"}{\"name\":\"4\"}");
    end(w);
}

static void a_list_that_takes_too_long_is_given_up(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    session_list(w->session, SESSION_TOOLS, 1000);
    drop_output(w);
    assert_int_equal(session_due_ms(w->session), 31000);
    session_tick(w->session, 31000);
    expect_told(w, "DEADLINE_EXCEEDED");
    expect_output(w, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                     "\"requestId\":2,\"reason\":\"took too long\"}}\n");
    end(w);
}

static void a_list_that_fails_says_so(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, NO_METHOD("2"));
    expect_told(w, "FAILED_PRECONDITION");
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, "{\"id\":3,\"result\":{\"tools\":{}}}");
    expect_told(w, "FAILED_PRECONDITION");
    session_list(w->session, SESSION_TOOLS, 0);
    session_lost(w->session);
    expect_told(w, "UNAVAILABLE");
    end(w);
}

static void a_list_asked_for_while_it_is_read_is_read_once_more(void **state)
{
    struct world *w = legacy_world();

    (void)state;
    session_list(w->session, SESSION_TOOLS, 0);
    session_list(w->session, SESSION_TOOLS, 0);
    session_list(w->session, SESSION_TOOLS, 0);
    line(w, "{\"id\":2,\"result\":{\"tools\":[]}}");
    w->relist = true;
    line(w, "{\"id\":3,\"result\":{\"tools\":[]}}");
    line(w, "{\"id\":4,\"result\":{\"tools\":[]}}");
    expect_told(w, "listed: listed: listed:");
    assert_int_equal(session_due_ms(w->session), INT64_MAX);
    end(w);
}

static void a_storm_of_change_notices_is_told_once_and_not_put_off_for_ever(void **state)
{
    struct world *w = legacy_world();
    const char *const notice =
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";
    int64_t now = 10000;

    (void)state;
    line_at(w, now, notice);
    assert_int_equal(session_due_ms(w->session), 10250);
    session_tick(w->session, 10249);
    expect_told(w, "");
    session_tick(w->session, 10250);
    expect_told(w, "tools!");
    for (now = 20000; now < 30000; now += 10) {
        line_at(w, now, notice);
        session_tick(w->session, now);
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
    session_tick(w->session, 100000);
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
    assert_true(session_is_ready(w->session));
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
        cmocka_unit_test(a_legacy_server_always_gets_an_answer),
        cmocka_unit_test(a_modern_server_gets_no_answers),
        cmocka_unit_test(a_server_that_asks_and_never_reads_does_not_grow_the_output_for_ever),
        cmocka_unit_test(batches_are_read_in_the_one_revision_that_has_them),
        cmocka_unit_test(a_log_message_is_the_only_open_calls_and_otherwise_nobodys),
        cmocka_unit_test(a_legacy_server_is_told_the_most_talkative_level_that_anyone_wants),
        cmocka_unit_test(log_levels_are_ordered_and_others_unknown),
        cmocka_unit_test(all_pages_of_a_list_are_read),
        cmocka_unit_test(items_without_a_name_are_skipped),
        cmocka_unit_test(a_list_without_end_is_cut),
        cmocka_unit_test(a_list_that_takes_too_long_is_given_up),
        cmocka_unit_test(a_list_that_fails_says_so),
        cmocka_unit_test(a_list_asked_for_while_it_is_read_is_read_once_more),
        cmocka_unit_test(a_storm_of_change_notices_is_told_once_and_not_put_off_for_ever),
        cmocka_unit_test(a_change_notice_for_what_the_server_does_not_have_is_ignored),
        cmocka_unit_test(nothing_it_may_be_sent_breaks_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
