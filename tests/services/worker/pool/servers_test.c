/* How servers start or fail to, and the tools they are found to have. */

#include "services/worker/pool/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/services/worker/pool/world.h"

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
        cmocka_unit_test(a_storm_of_change_notices_reads_the_tools_few_times),
        cmocka_unit_test(a_server_that_cannot_be_run_here_says_why),
    };

    if (!know_programs(argc, argv)) {
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, NULL);
}
