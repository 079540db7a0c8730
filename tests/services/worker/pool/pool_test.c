#define _GNU_SOURCE /* mkdtemp and kill beside C17 */

#include "services/worker/pool/pool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/descendants.h"

/* With real processes: flow-guard and a server that misbehaves as told. */

enum { PATIENCE_MS = 30000, SERVERS = 3, ARGS = 8 };

static const char *guard_path;
static const char *nasty_path;

struct world {
    struct fb_loop *loop;
    struct pool *pool;
    struct pool_server servers[SERVERS];
    const char *argv[SERVERS][ARGS + 1];
    size_t count;
    char note[64];         /* what the servers note down */
    size_t lists[SERVERS]; /* times that tools were read */
    size_t tools[SERVERS]; /* how many there were the last time */
    enum era era[SERVERS];
    bool stopped;
};

static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};

/* --- a call and what became of it --- */

struct told {
    struct pool_call call;
    struct pool_call_plan plan;
    struct fb_arena arena;
    struct fb_buffer text;
    bool ended;
    enum pool_end end;
    enum fb_code code;
    char reason[32];
};

static struct told *told_of(struct pool_call *call)
{
    return (struct told *)(void *)call;
}

static void on_progress(struct pool_call *call, struct fb_text params)
{
    fb_buffer_text(&told_of(call)->text, params);
}

static void on_call_log(struct pool_call *call, struct fb_text params)
{
    fb_buffer_text(&told_of(call)->text, params);
}

static void on_call_end(struct pool_call *call, const struct pool_outcome *outcome)
{
    struct told *t = told_of(call);

    assert_false(t->ended);
    t->ended = true;
    t->end = outcome->end;
    t->code = outcome->status.code;
    snprintf(t->reason, sizeof(t->reason), "%s", outcome->reason);
    if (outcome->end == POOL_FAILED) {
        fb_buffer_string(&t->text, outcome->status.why);
    } else {
        fb_buffer_text(&t->text, outcome->body);
        assert_true(strlen(outcome->revision) == 10);
    }
}

static const struct pool_call_events call_events = {
    .on_progress = on_progress,
    .on_log = on_call_log,
    .on_end = on_call_end,
};

static void call_with(struct world *w, struct told *t, size_t server,
                      const struct mcp_session_plan *say, bool repeatable)
{
    *t = (struct told){.text.limit_bytes = 0};
    fb_arena_init(&t->arena, 0);
    t->plan = (struct pool_call_plan){
        .server = server,
        .say = *say,
        .repeatable = repeatable,
        .has_deadline = true,
        .arena = &t->arena,
    };
    pool_call_start(w->pool, &t->call, &t->plan, &call_events);
}

static struct mcp_session_plan say(const char *name)
{
    return (struct mcp_session_plan){
        .method = "tools/call",
        .name = fb_text_of(name),
        .arguments = FB_TEXT("{\"a\":1.50}"),
        .log_level = -1,
    };
}

static void call(struct world *w, struct told *t, size_t server, const char *name)
{
    const struct mcp_session_plan plan = say(name);

    call_with(w, t, server, &plan, false);
}

static bool holds(const struct told *t, const char *part)
{
    return memmem(t->text.data, t->text.size, part, strlen(part)) != NULL;
}

static void forget(struct told *t)
{
    fb_buffer_finish(&t->text);
    fb_arena_finish(&t->arena);
}

/* --- the world --- */

static void on_tools(void *self, size_t server, const struct mcp_session_items *items,
                     const struct mcp_session_server *said)
{
    struct world *w = self;

    w->lists[server]++;
    w->tools[server] = items->count;
    w->era[server] = said->era;
}

static void on_state(void *self, size_t server)
{
    (void)self;
    (void)server;
}

static const struct pool_events pool_events = {.on_tools = on_tools, .on_state = on_state};

/* `options` of the server, separated by single spaces. */
static void add_server(struct world *w, const char *name, char *options)
{
    const size_t index = w->count++;
    size_t count = 0;

    w->argv[index][count++] = nasty_path;
    w->argv[index][count++] = "--note";
    w->argv[index][count++] = w->note;
    for (char *o = strtok(options, " "); o != NULL; o = strtok(NULL, " ")) {
        assert_true(count < ARGS);
        w->argv[index][count++] = o;
    }
    w->servers[index] = (struct pool_server){
        .name = name,
        .argv = w->argv[index],
        .env = environment,
        .start_ms = 20000,
        .call_ms = 20000,
        .idle_ms = 600000,
        .line_most_bytes = 10 << 20,
    };
}

static struct world *world_of(void)
{
    struct world *w = calloc(1, sizeof(*w));
    int fd;

    assert_non_null(w);
    snprintf(w->note, sizeof(w->note), "/tmp/pool_test.XXXXXX");
    fd = mkstemp(w->note);
    assert_true(fd >= 0);
    close(fd);
    w->loop = fb_loop_create();
    assert_non_null(w->loop);
    return w;
}

static void begin(struct world *w)
{
    const struct pool_config config = {
        .loop = w->loop,
        .servers = w->servers,
        .count = w->count,
        .guard_path = guard_path,
        .version = "1",
        .stop_ms = 300,
    };

    w->pool = pool_create(&config, &pool_events, w);
    assert_non_null(w->pool);
    fb_loop_turn(w->loop, 0);
}

static void turn_until(struct world *w, bool (*done)(const struct world *w, const void *arg),
                       const void *arg)
{
    const int64_t limit_ms = fb_clock_ms() + PATIENCE_MS;

    while (!done(w, arg)) {
        assert_true(fb_clock_ms() < limit_ms);
        fb_loop_turn(w->loop, 100);
    }
}

static bool has_ended(const struct world *w, const void *arg)
{
    (void)w;
    return ((const struct told *)arg)->ended;
}

static void wait_for(struct world *w, const struct told *t)
{
    turn_until(w, has_ended, t);
}

static size_t notes(const struct world *w, const char *what)
{
    char text[128];
    size_t count = 0;
    FILE *file = fopen(w->note, "r");

    assert_non_null(file);
    while (fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        count += strcmp(text, what) == 0;
    }
    fclose(file);
    return count;
}

static void on_stopped(void *arg)
{
    ((struct world *)arg)->stopped = true;
}

static bool has_stopped(const struct world *w, const void *arg)
{
    (void)arg;
    return w->stopped;
}

/* Stops the pool and proves that no process is left. */
static void end(struct world *w)
{
    pool_stop(w->pool, on_stopped, w);
    turn_until(w, has_stopped, NULL);
    pool_destroy(w->pool);
    fb_loop_destroy(w->loop);
    assert_false(fb_descendants_reap(NULL, 0));
    unlink(w->note);
    free(w);
}

static struct world *world_with(const char *options)
{
    static char copy[256];
    struct world *w = world_of();

    snprintf(copy, sizeof(copy), "%s", options);
    add_server(w, "nasty", copy);
    begin(w);
    return w;
}

static void expect_echo(struct world *w, size_t server)
{
    struct told t;

    call(w, &t, server, "\"echo\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_RESULT);
    assert_true(holds(&t, "\"structuredContent\":{\"a\":1.50}"));
    forget(&t);
}

/* --- tests --- */

static void a_call_starts_the_server_it_needs_and_no_other(void **state)
{
    struct world *w = world_of();
    char none[] = "";
    char none_either[] = "";

    (void)state;
    add_server(w, "one", none);
    add_server(w, "two", none_either);
    begin(w);
    assert_int_equal(pool_report(w->pool, 0).state, POOL_IDLE);
    expect_echo(w, 0);
    assert_int_equal(pool_report(w->pool, 0).state, POOL_READY);
    assert_int_equal(pool_report(w->pool, 1).state, POOL_IDLE);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 1);
    end(w);
}

static void servers_that_misbehave_at_the_start_still_serve(void **state)
{
    static const struct {
        const char *options;
        enum era era;
        size_t starts;
    } cases[] = {
        {"--banner", ERA_LEGACY, 1},
        {"--modern", ERA_MODERN, 1},
        {"--exit-on-probe", ERA_LEGACY, 2},
        {"--flood", ERA_LEGACY, 1},
        {"--banner --modern --flood", ERA_MODERN, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_with(cases[i].options);

        expect_echo(w, 0);
        expect_echo(w, 0);
        assert_int_equal(notes(w, "start"), cases[i].starts);
        end(w);
    }
}

static bool has_list(const struct world *w, const void *arg)
{
    return w->lists[*(const size_t *)arg] > 0;
}

static void silence_on_the_probe_costs_time_but_not_the_call(void **state)
{
    struct world *w = world_with("--mute-on-probe");

    (void)state;
    expect_echo(w, 0);
    end(w);
}

static void a_known_era_spares_the_probe(void **state)
{
    struct world *w = world_with("--exit-on-probe");

    (void)state;
    pool_know_era(w->pool, 0, ERA_LEGACY);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 1);
    end(w);
}

static void an_era_that_is_known_wrongly_costs_a_start_but_not_the_call(void **state)
{
    struct world *w = world_with("--modern");

    (void)state;
    pool_know_era(w->pool, 0, ERA_LEGACY);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 2);
    end(w);
}

static void a_refresh_reads_the_tools(void **state)
{
    struct world *w = world_with("");
    const size_t server = 0;

    (void)state;
    pool_refresh(w->pool, 0);
    turn_until(w, has_list, &server);
    assert_int_equal(w->tools[0], 11);
    assert_int_equal(w->era[0], ERA_LEGACY);
    end(w);
}

static bool has_two_lists(const struct world *w, const void *arg)
{
    (void)arg;
    return w->lists[0] >= 2;
}

static void tools_that_are_too_old_are_read_anew_when_asked_for(void **state)
{
    struct world *w = world_with("--modern"); /* it allows 5 ms */
    const size_t server = 0;
    int64_t limit_ms;

    (void)state;
    pool_refresh(w->pool, 0);
    turn_until(w, has_list, &server);
    limit_ms = fb_clock_ms() + PATIENCE_MS;
    while (!has_two_lists(w, NULL)) {
        assert_true(fb_clock_ms() < limit_ms);
        pool_refresh_stale(w->pool);
        fb_loop_turn(w->loop, 10);
    }
    end(w);
}

static void a_server_that_cannot_start_fails_its_calls_with_the_reason_at_once(void **state)
{
    static const struct {
        const char *options;
        const char *why;
    } cases[] = {
        {"--fail",
         "server 'nasty' cannot be started: it ended with exit code 3 before it was ready"},
        {"--refuse", "it refused the handshake: -32000 no licence"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = world_with(cases[i].options);
        struct told t;

        call(w, &t, 0, "\"echo\"");
        wait_for(w, &t);
        assert_int_equal(t.end, POOL_FAILED);
        assert_int_equal(t.code, FB_FAILED_PRECONDITION);
        assert_string_equal(t.reason, POOL_NOT_RUN);
        assert_true(holds(&t, cases[i].why));
        forget(&t);
        call(w, &t, 0, "\"echo\"");
        assert_true(t.ended);
        forget(&t);
        assert_true(pool_report(w->pool, 0).retry_ms > 0);
        end(w);
    }
}

static void a_command_that_is_not_there_is_named(void **state)
{
    struct world *w = world_of();
    char none[] = "";
    struct told t;

    (void)state;
    add_server(w, "absent", none);
    w->argv[0][0] = "no-such-command-anywhere";
    begin(w);
    call(w, &t, 0, "\"echo\"");
    wait_for(w, &t);
    assert_int_equal(t.code, FB_FAILED_PRECONDITION);
    assert_true(holds(&t, "command 'no-such-command-anywhere' is not found"));
    assert_true(pool_report(w->pool, 0).not_found);
    forget(&t);
    end(w);
}

static void a_silent_server_holds_nobody_else_back(void **state)
{
    struct world *w = world_of();
    char mute[] = "--mute --stubborn";
    char fail[] = "--fail";
    char good[] = "";
    struct told stuck;
    struct told broken;

    (void)state;
    add_server(w, "mute", mute);
    add_server(w, "broken", fail);
    add_server(w, "good", good);
    begin(w);
    call(w, &stuck, 0, "\"echo\"");
    call(w, &broken, 1, "\"echo\"");
    expect_echo(w, 2);
    wait_for(w, &broken);
    assert_false(stuck.ended);
    pool_call_cancel(&stuck.call, "enough");
    forget(&stuck);
    forget(&broken);
    end(w);
}

static void each_of_500_calls_gets_its_own_answer(void **state)
{
    enum { COUNT = 500 };
    struct world *w = world_with("");
    struct told *all = calloc(COUNT, sizeof(*all));
    char(*arguments)[32] = calloc(COUNT, sizeof(*arguments));

    (void)state;
    assert_non_null(all);
    assert_non_null(arguments);
    for (size_t i = 0; i < COUNT; i++) {
        struct mcp_session_plan plan = say("\"echo\"");

        snprintf(arguments[i], sizeof(arguments[i]), "{\"n\":\"%zu!\"}", i);
        plan.arguments = fb_text_of(arguments[i]);
        call_with(w, &all[i], 0, &plan, false);
    }
    for (size_t i = 0; i < COUNT; i++) {
        wait_for(w, &all[i]);
        assert_int_equal(all[i].end, POOL_RESULT);
        assert_true(holds(&all[i], arguments[i]));
        forget(&all[i]);
    }
    free(all);
    free(arguments);
    end(w);
}

static void wrong_and_doubled_answers_reach_nobody(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    for (int i = 0; i < 3; i++) {
        call(w, &t, 0, "\"wrong\"");
        wait_for(w, &t);
        assert_true(holds(&t, "{\"a\":1.50}"));
        assert_false(holds(&t, "bad"));
        forget(&t);
    }
    end(w);
}

static void progress_and_errors_come_through(void **state)
{
    struct world *w = world_with("");
    struct mcp_session_plan plan = say("\"progress\"");
    struct told t;

    (void)state;
    plan.progress = true;
    call_with(w, &t, 0, &plan, false);
    wait_for(w, &t);
    assert_true(holds(&t, "{\"progress\":1,\"total\":3.0}{\"progress\":2,\"total\":3.0}"
                          "{\"progress\":3,\"total\":3.0}{\"content\":[]"));
    forget(&t);
    call(w, &t, 0, "\"error\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_ERROR);
    assert_true(holds(&t, "{\"code\":-32602,\"message\":\"no \\u00fc\",\"data\":{\"n\":1.0}}"));
    forget(&t);
    end(w);
}

static void a_server_that_asks_is_answered(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"ask\"");
    wait_for(w, &t);
    assert_true(holds(&t, "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}"));
    assert_true(holds(&t, "\"id\":\"r\",\"error\":{\"code\":-32601"));
    forget(&t);
    end(w);
}

static bool was_cancelled(const struct world *w, const void *arg)
{
    (void)arg;
    return notes(w, "cancelled") == 1;
}

static bool is_called(const struct world *w, const void *arg)
{
    (void)arg;
    return notes(w, "call") == 1;
}

static void a_cancellation_reaches_the_server(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"hang\"");
    turn_until(w, is_called, NULL);
    pool_call_cancel(&t.call, "not wanted any more");
    turn_until(w, was_cancelled, NULL);
    assert_false(t.ended);
    forget(&t);
    expect_echo(w, 0);
    end(w);
}

static void a_call_without_a_deadline_of_its_own_ends_by_the_servers(void **state)
{
    struct world *w = world_of();
    char none[] = "";
    struct told t;

    (void)state;
    add_server(w, "slow", none);
    w->servers[0].call_ms = 300;
    begin(w);
    expect_echo(w, 0);
    t = (struct told){.text.limit_bytes = 0};
    fb_arena_init(&t.arena, 0);
    t.plan = (struct pool_call_plan){.server = 0, .say = say("\"hang\""), .arena = &t.arena};
    pool_call_start(w->pool, &t.call, &t.plan, &call_events);
    wait_for(w, &t);
    assert_int_equal(t.code, FB_DEADLINE_EXCEEDED);
    turn_until(w, was_cancelled, NULL);
    forget(&t);
    end(w);
}

static void an_answer_that_is_too_long_fails_its_call_alone(void **state)
{
    struct world *w = world_with("");
    struct told huge;
    struct told hang;

    (void)state;
    call(w, &hang, 0, "\"hang\"");
    call(w, &huge, 0, "\"huge\"");
    wait_for(w, &huge);
    assert_int_equal(huge.code, FB_RESOURCE_EXHAUSTED);
    assert_false(hang.ended);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 1);
    pool_call_cancel(&hang.call, "enough");
    forget(&huge);
    forget(&hang);
    end(w);
}

static void a_call_lost_in_a_crash_says_that_it_may_have_run_and_the_server_is_restarted(
    void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"crash\"");
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_FAILED);
    assert_int_equal(t.code, FB_UNKNOWN);
    assert_string_equal(t.reason, POOL_MAY_HAVE_RUN);
    forget(&t);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 2);
    end(w);
}

static void a_call_that_may_run_twice_is_repeated_once_after_a_crash(void **state)
{
    struct world *w = world_with("");
    const struct mcp_session_plan once = say("\"crash.once\"");
    const struct mcp_session_plan always = say("\"crash\"");
    struct told t;

    (void)state;
    call_with(w, &t, 0, &once, true);
    wait_for(w, &t);
    assert_int_equal(t.end, POOL_RESULT);
    assert_true(holds(&t, "\"survived\":true"));
    forget(&t);
    call_with(w, &t, 0, &always, true);
    wait_for(w, &t);
    assert_int_equal(t.code, FB_UNKNOWN);
    assert_int_equal(notes(w, "call"), 4);
    forget(&t);
    end(w);
}

static void what_a_deaf_server_never_read_waits_within_bounds(void **state)
{
    enum { COUNT = 40 };
    struct world *w = world_with("--deaf");
    struct told *all = calloc(COUNT, sizeof(*all));
    char *big = malloc(100001);
    struct mcp_session_plan plan = say("\"echo\"");

    (void)state;
    assert_non_null(all);
    assert_non_null(big);
    memset(big, ' ', 100000);
    big[0] = '{';
    big[99999] = '}';
    plan.arguments = (struct fb_text){.data = big, .size = 100000};
    for (size_t i = 0; i < COUNT; i++) {
        call_with(w, &all[i], 0, &plan, false);
    }
    for (int i = 0; i < 50 || pool_report(w->pool, 0).state != POOL_READY; i++) {
        fb_loop_turn(w->loop, 20);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(all[i].ended);
    }
    /* The pipe and what may wait in the output took a few; the others wait in line. */
    assert_true(all[COUNT - 1].call.waiting);
    for (size_t i = 0; i < COUNT; i++) {
        pool_call_cancel(&all[i].call, "enough");
        forget(&all[i]);
    }
    free(all);
    free(big);
    end(w);
}

static void a_storm_of_change_notices_reads_the_tools_few_times(void **state)
{
    struct world *w = world_with("");
    struct told t;

    (void)state;
    for (int i = 0; i < 3; i++) {
        call(w, &t, 0, "\"storm\"");
        wait_for(w, &t);
        forget(&t);
    }
    expect_echo(w, 0);
    assert_in_range(w->lists[0], 1, 3);
    end(w);
}

static void a_log_message_comes_with_the_call_that_wants_it(void **state)
{
    struct world *w = world_with("");
    struct mcp_session_plan plan = say("\"log\"");
    struct told t;

    (void)state;
    plan.log_level = mcp_session_log_level(FB_TEXT("info"));
    call_with(w, &t, 0, &plan, false);
    wait_for(w, &t);
    assert_true(holds(&t, "{\"level\":\"warning\",\"data\":\"beware\"}"));
    forget(&t);
    end(w);
}

static bool is_idle(const struct world *w, const void *arg)
{
    (void)arg;
    return pool_report(w->pool, 0).state == POOL_IDLE;
}

static void a_server_without_calls_is_stopped_and_started_again_when_needed(void **state)
{
    struct world *w = world_of();
    char none[] = "";

    (void)state;
    add_server(w, "idle", none);
    w->servers[0].idle_ms = 50;
    begin(w);
    expect_echo(w, 0);
    turn_until(w, is_idle, NULL);
    assert_int_equal(pool_report(w->pool, 0).pid, 0);
    expect_echo(w, 0);
    assert_int_equal(notes(w, "start"), 2);
    end(w);
}

static void stubborn_servers_and_what_they_left_behind_end_with_the_pool(void **state)
{
    struct world *w = world_with("--stubborn --litter --flood");
    struct told t;

    (void)state;
    call(w, &t, 0, "\"hang\"");
    turn_until(w, is_called, NULL);
    end(w); /* proves that no process is left */
    assert_true(t.ended);
    assert_string_equal(t.reason, POOL_MAY_HAVE_RUN);
    forget(&t);
}

static bool are_called(const struct world *w, const void *arg)
{
    (void)arg;
    return notes(w, "call") == 4;
}

static void what_a_killed_guard_left_behind_is_ended_and_nothing_else(void **state)
{
    struct world *w = world_of();
    char stubborn[] = "--stubborn --litter";
    char other[] = "--litter";
    struct told hang;
    struct told undisturbed;

    (void)state;
    add_server(w, "orphaned", stubborn);
    add_server(w, "other", other);
    begin(w);
    expect_echo(w, 0);
    expect_echo(w, 1);
    call(w, &hang, 0, "\"hang\"");
    call(w, &undisturbed, 1, "\"hang\"");
    turn_until(w, are_called, NULL);
    assert_int_equal(kill(pool_report(w->pool, 0).pid, SIGKILL), 0);
    wait_for(w, &hang);
    assert_string_equal(hang.reason, POOL_MAY_HAVE_RUN);
    expect_echo(w, 0);
    assert_false(undisturbed.ended);
    assert_int_equal(pool_report(w->pool, 1).starts, 1);
    pool_call_cancel(&undisturbed.call, "enough");
    forget(&hang);
    forget(&undisturbed);
    end(w); /* proves that no process is left */
}

static void a_server_that_cannot_be_run_here_says_why(void **state)
{
    struct world *w = world_of();
    char none[] = "";
    struct told t;

    (void)state;
    add_server(w, "remote", none);
    w->servers[0].cannot = "servers reached by HTTP are not supported yet";
    begin(w);
    pool_refresh(w->pool, 0);
    call(w, &t, 0, "\"echo\"");
    assert_true(t.ended);
    assert_int_equal(t.code, FB_FAILED_PRECONDITION);
    assert_true(holds(&t, "servers reached by HTTP are not supported yet"));
    forget(&t);
    end(w);
}

static void killing_the_owner_leaves_no_process(void **state)
{
    enum { ROUNDS = 20 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int ready[2];
        char byte;
        pid_t owner;

        assert_int_equal(pipe(ready), 0);
        owner = fork();
        assert_true(owner >= 0);
        if (owner == 0) {
            struct world *w = world_with("--stubborn --litter");
            struct told t;

            call(w, &t, 0, "\"progress\"");
            wait_for(w, &t);
            if (write(ready[1], "r", 1) == 1) {
                for (;;) {
                    fb_loop_turn(w->loop, 1000);
                }
            }
            _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        assert_int_equal(kill(owner, SIGKILL), 0);
        /* We adopt orphans: when waitpid knows no child, there is no descendant. */
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return fb_descendants_adopt() ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_starts_the_server_it_needs_and_no_other),
        cmocka_unit_test(servers_that_misbehave_at_the_start_still_serve),
        cmocka_unit_test(silence_on_the_probe_costs_time_but_not_the_call),
        cmocka_unit_test(a_known_era_spares_the_probe),
        cmocka_unit_test(an_era_that_is_known_wrongly_costs_a_start_but_not_the_call),
        cmocka_unit_test(a_refresh_reads_the_tools),
        cmocka_unit_test(tools_that_are_too_old_are_read_anew_when_asked_for),
        cmocka_unit_test(a_server_that_cannot_start_fails_its_calls_with_the_reason_at_once),
        cmocka_unit_test(a_command_that_is_not_there_is_named),
        cmocka_unit_test(a_silent_server_holds_nobody_else_back),
        cmocka_unit_test(each_of_500_calls_gets_its_own_answer),
        cmocka_unit_test(wrong_and_doubled_answers_reach_nobody),
        cmocka_unit_test(progress_and_errors_come_through),
        cmocka_unit_test(a_server_that_asks_is_answered),
        cmocka_unit_test(a_cancellation_reaches_the_server),
        cmocka_unit_test(a_call_without_a_deadline_of_its_own_ends_by_the_servers),
        cmocka_unit_test(an_answer_that_is_too_long_fails_its_call_alone),
        cmocka_unit_test(
            a_call_lost_in_a_crash_says_that_it_may_have_run_and_the_server_is_restarted),
        cmocka_unit_test(a_call_that_may_run_twice_is_repeated_once_after_a_crash),
        cmocka_unit_test(what_a_deaf_server_never_read_waits_within_bounds),
        cmocka_unit_test(a_storm_of_change_notices_reads_the_tools_few_times),
        cmocka_unit_test(a_log_message_comes_with_the_call_that_wants_it),
        cmocka_unit_test(a_server_without_calls_is_stopped_and_started_again_when_needed),
        cmocka_unit_test(stubborn_servers_and_what_they_left_behind_end_with_the_pool),
        cmocka_unit_test(what_a_killed_guard_left_behind_is_ended_and_nothing_else),
        cmocka_unit_test(a_server_that_cannot_be_run_here_says_why),
        cmocka_unit_test(killing_the_owner_leaves_no_process),
    };

    if (argc != 3) {
        return 2;
    }
    guard_path = argv[1];
    nasty_path = argv[2];
    return cmocka_run_group_tests(tests, set_up, NULL);
}
