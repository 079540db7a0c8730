/* No process outlives its use, whoever ends: the server, its guard, the pool or the owner. */

#include "services/worker/pool/pool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/services/worker/pool/world.h"

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_without_calls_is_stopped_and_started_again_when_needed),
        cmocka_unit_test(stubborn_servers_and_what_they_left_behind_end_with_the_pool),
        cmocka_unit_test(what_a_killed_guard_left_behind_is_ended_and_nothing_else),
        cmocka_unit_test(killing_the_owner_leaves_no_process),
    };

    if (!know_programs(argc, argv)) {
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, NULL);
}
