#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/child.h"
#include "runtime/loop/signals.h"

enum { PATIENCE_MS = 20000 };

static struct fb_loop *loop;
static struct fb_signals signals;
static int last;
static int came;

static void signal_came(struct fb_signals *source, int number)
{
    assert_ptr_equal(source, &signals);
    last = number;
    came++;
}

static int set_up(void **state)
{
    (void)state;
    came = 0;
    last = 0;
    loop = fb_loop_create();
    return loop != NULL && fb_is_ok(fb_signals_open(loop, &signals, signal_came)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fb_signals_close(&signals);
    fb_signals_close(&signals);
    fb_loop_destroy(loop);
    return 0;
}

static void turn_until(const int *count, int wanted)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (*count < wanted) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
}

static void each_signal_arrives_as_an_event(void **state)
{
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        turn_until(&came, i + 1);
        assert_int_equal(last, numbers[i]);
    }
}

static void a_closed_pipe_is_an_error_and_no_death(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(write(fds[1], "x", 1), -1);
    close(fds[1]);
}

struct run {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
};

static void child_ended(struct fb_child *child, struct fb_child_end end)
{
    struct run *run = (struct run *)child;

    run->end = end;
    run->ends++;
}

static void a_child_may_be_ended_by_the_signals_we_block(void **state)
{
    const char *const argv[] = {"sleep", "1000", NULL};
    const struct fb_child_plan plan = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .keep_fd = -1};
    struct run run = {.ends = 0};

    (void)state;
    assert_true(fb_is_ok(fb_child_start(loop, &run.child, &plan, child_ended)));
    assert_true(fb_child_signal(&run.child, SIGTERM));
    turn_until(&run.ends, 1);
    assert_int_equal(run.end.signal, SIGTERM);
}

static void closing_restores_what_was_blocked(void **state)
{
    sigset_t blocked;

    (void)state;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    assert_true(sigismember(&blocked, SIGTERM));
    fb_signals_close(&signals);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM));
}

#define SIGNALS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIGNALS_TEST(each_signal_arrives_as_an_event),
        SIGNALS_TEST(a_closed_pipe_is_an_error_and_no_death),
        SIGNALS_TEST(a_child_may_be_ended_by_the_signals_we_block),
        SIGNALS_TEST(closing_restores_what_was_blocked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
