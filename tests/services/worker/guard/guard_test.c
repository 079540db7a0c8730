#define _GNU_SOURCE /* pipe2 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/child.h"
#include "runtime/loop/descendants.h"

/*
 * The witness is a pipe that every process of a server's tree holds as its standard output, so that
 * it ends exactly when the last of them is gone.
 */

enum { PATIENCE_MS = 30000, ROUNDS = 100 };

static const char *guard_path;
static struct fb_loop *loop;

struct guarded {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
    int life_line; /* our end */
    int witness;   /* our end */
    int messages;  /* standard error, ours to read */
    int input;     /* standard input, ours to write */
};

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop != NULL && fb_descendants_adopt() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return 0;
}

static void guard_ended(struct fb_child *child, struct fb_child_end end)
{
    struct guarded *guarded = (struct guarded *)child;

    guarded->end = end;
    guarded->ends++;
}

static void start_with(struct guarded *guarded, const char *const *argv)
{
    int life_line[2];
    int witness[2];
    int messages[2];
    int input[2];
    struct fb_child_plan plan = {.argv = argv};
    struct fb_status status;

    *guarded = (struct guarded){.ends = 0};
    assert_int_equal(pipe2(life_line, O_CLOEXEC), 0);
    assert_int_equal(pipe2(witness, O_CLOEXEC), 0);
    assert_int_equal(pipe2(messages, O_CLOEXEC), 0);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    plan.keep_fd = life_line[0];
    plan.stdin_fd = input[0];
    plan.stdout_fd = witness[1];
    plan.stderr_fd = messages[1];
    status = fb_child_start(loop, &guarded->child, &plan, guard_ended);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
    close(life_line[0]);
    close(witness[1]);
    close(messages[1]);
    close(input[0]);
    guarded->life_line = life_line[1];
    guarded->witness = witness[0];
    guarded->messages = messages[0];
    guarded->input = input[1];
}

/* Guards a shell script. */
static void start(struct guarded *guarded, const char *grace_ms, const char *script)
{
    const char *const argv[] = {guard_path, "--grace", grace_ms, "--", "sh", "-c", script, NULL};

    start_with(guarded, argv);
}

static void finish(struct guarded *guarded)
{
    close(guarded->life_line);
    close(guarded->witness);
    close(guarded->messages);
    close(guarded->input);
}

static void cut_life_line(struct guarded *guarded)
{
    close(guarded->life_line);
    guarded->life_line = -1;
}

/* Waits until the tree has said `count` bytes. */
static void wait_for_bytes(struct guarded *guarded, size_t count)
{
    char bytes[256];

    assert_true(count <= sizeof(bytes));
    while (count > 0) {
        struct pollfd wait = {.fd = guarded->witness, .events = POLLIN};
        ssize_t got;

        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        got = read(guarded->witness, bytes, count);
        assert_true(got > 0);
        count -= (size_t)got;
    }
}

static void wait_for_the_last(const struct guarded *guarded)
{
    for (;;) {
        struct pollfd wait = {.fd = guarded->witness, .events = POLLIN};
        char byte;

        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        if (read(guarded->witness, &byte, 1) == 0) {
            return;
        }
    }
}

static void wait_for_end(struct guarded *guarded)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (guarded->ends == 0) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
}

static void nobody_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* --- passing through --- */

static void the_servers_exit_code_is_handed_on(void **state)
{
    struct guarded guarded;

    (void)state;
    start(&guarded, "1000", "exit 42");
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 42);
    finish(&guarded);
    start(&guarded, "1000", "kill -SEGV $$");
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 128 + SIGSEGV);
    finish(&guarded);
    nobody_is_left();
}

static void the_streams_are_the_servers_alone(void **state)
{
    const char *const argv[] = {guard_path, "--", "sh", "-c", "cat; exec >&- 2>&-; read never <&3",
                                NULL};
    struct guarded guarded;
    char text[16] = "";

    (void)state;
    start_with(&guarded, argv);
    assert_int_equal(write(guarded.input, "hello", 5), 5);
    close(guarded.input);
    guarded.input = -1;
    /* Both ends come though the guard still stands. */
    assert_int_equal(read(guarded.witness, text, sizeof(text)), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(read(guarded.witness, text, sizeof(text)), 0);
    while (read(guarded.messages, text, sizeof(text)) > 0) {
    }
    cut_life_line(&guarded);
    wait_for_end(&guarded);
    finish(&guarded);
    nobody_is_left();
}

static void the_server_inherits_neither_life_line_nor_blocked_signals(void **state)
{
    struct guarded guarded;
    char text[256] = "";
    size_t size = 0;
    ssize_t got;

    (void)state;
    start(&guarded, "1000",
          "[ -e /proc/$$/fd/3 ] && echo leaked; exec grep -E '^Sig(Blk|Ign):' /proc/self/status");
    while ((got = read(guarded.witness, text + size, sizeof(text) - 1 - size)) > 0) {
        size += (size_t)got;
    }
    assert_int_equal(strncmp(text, "SigBlk:\t0000000000000000\nSigIgn:\t", 33), 0);
    /* Signals 32 and 33 libc keeps to itself. */
    assert_int_equal(strtoull(text + 33, NULL, 16) & ~(3ULL << 31), 0);
    wait_for_end(&guarded);
    finish(&guarded);
}

static void check_failure(const char *const *argv, int exit_code, const char *message)
{
    struct guarded guarded;
    char text[256] = "";

    start_with(&guarded, argv);
    wait_for_end(&guarded);
    assert_true(read(guarded.messages, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, message);
    assert_int_equal(guarded.end.exit_code, exit_code);
    finish(&guarded);
    nobody_is_left();
}

static void what_cannot_be_executed_is_said_in_words_and_code(void **state)
{
    const char *const missing[] = {guard_path, "--", "no-such-server", NULL};
    const char *const folder[] = {guard_path, "--", "/usr", NULL};

    (void)state;
    check_failure(missing, 127,
                  "flow-guard: cannot execute 'no-such-server': No such file or directory\n");
    check_failure(folder, 126, "flow-guard: cannot execute '/usr': Permission denied\n");
}

static void bad_arguments_are_named(void **state)
{
    const char *const grace[] = {guard_path, "--grace", "1s", "--", "true", NULL};
    const char *const beyond[] = {guard_path, "--grace", "600001", "--", "true", NULL};
    const char *const unknown[] = {guard_path, "--fast", "--", "true", NULL};
    const char *const nothing[] = {guard_path, "--", NULL};

    (void)state;
    check_failure(grace, 125, "flow-guard: bad --grace '1s': must be 0 to 600000 milliseconds\n");
    check_failure(beyond, 125,
                  "flow-guard: bad --grace '600001': must be 0 to 600000 milliseconds\n");
    check_failure(unknown, 125,
                  "flow-guard: bad argument '--fast': usage: flow-guard [--grace MS] -- command "
                  "[argument ...]\n");
    check_failure(nothing, 125,
                  "flow-guard: missing '-- command': usage: flow-guard [--grace MS] -- command "
                  "[argument ...]\n");
}

static void without_a_life_line_nothing_is_started(void **state)
{
    const char *const argv[] = {guard_path, "--", "true", NULL};
    const struct fb_child_plan plan = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .keep_fd = -1};
    struct guarded guarded = {.ends = 0};

    (void)state;
    assert_true(fb_is_ok(fb_child_start(loop, &guarded.child, &plan, guard_ended)));
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 125);
}

/* --- ending --- */

static void a_server_that_listens_ends_by_sigterm_within_the_grace(void **state)
{
    struct guarded guarded;

    (void)state;
    start(&guarded, "600000", "trap 'exit 5' TERM; echo; while :; do read line; done");
    wait_for_bytes(&guarded, 1);
    cut_life_line(&guarded);
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 5);
    finish(&guarded);
    nobody_is_left();
}

static void sigterm_to_the_guard_ends_the_tree_too(void **state)
{
    struct guarded guarded;

    (void)state;
    start(&guarded, "600000", "sleep 1000 & sleep 1000 & echo; wait");
    wait_for_bytes(&guarded, 1);
    assert_true(fb_child_signal(&guarded.child, SIGTERM));
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 128 + SIGTERM);
    wait_for_the_last(&guarded);
    finish(&guarded);
    nobody_is_left();
}

/* Cuts the life line of a server that has said `bytes` and does not want to go. */
static void check_gone(const char *script, size_t bytes)
{
    struct guarded guarded;

    start(&guarded, "50", script);
    wait_for_bytes(&guarded, bytes);
    cut_life_line(&guarded);
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 128 + SIGKILL);
    wait_for_the_last(&guarded);
    finish(&guarded);
    nobody_is_left();
}

static void a_tree_that_ignores_sigterm_is_killed_after_the_grace(void **state)
{
    (void)state;
    check_gone("trap '' TERM; sh -c 'echo; sleep 1000' & sh -c 'echo; sleep 1000'; sleep 1000", 2);
}

static void a_daemon_with_a_session_of_its_own_is_found(void **state)
{
    (void)state;
    check_gone("trap '' TERM; (setsid sh -c 'sh -c \"echo; exec sleep 1000\" & exit' &); "
               "sleep 1000; sleep 1000",
               1);
}

static void a_burst_of_fifty_processes_is_ended(void **state)
{
    (void)state;
    check_gone("trap '' TERM\n"
               "burst() { n=$1; [ $n -le 0 ] && return; burst $((n - 1)) & echo; "
               "while :; do sleep 1000; done; }\n"
               "burst 50",
               50);
}

static void a_stopped_server_is_ended(void **state)
{
    (void)state;
    check_gone("trap '' TERM; sh -c 'echo; kill -STOP $$'; sleep 1000", 1);
}

static void a_launcher_with_a_node_server_behind_it_is_ended(void **state)
{
    if (access("/usr/bin/node", X_OK) != 0) {
        skip();
    }
    (void)state;
    check_gone("trap '' TERM; sh -c 'node -e \"process.on(\\\"SIGTERM\\\", () => {}); "
               "console.log(); setInterval(() => {}, 1000)\"; true'; true",
               1);
}

static void what_a_server_leaves_behind_is_killed(void **state)
{
    struct guarded guarded;

    (void)state;
    start(&guarded, "600000",
          "(trap '' TERM; setsid sh -c 'echo; exec sleep 1000' &); read line; exit 3");
    wait_for_bytes(&guarded, 1);
    assert_int_equal(write(guarded.input, "\n", 1), 1);
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 3);
    wait_for_the_last(&guarded);
    finish(&guarded);
    nobody_is_left();
}

static void a_server_that_signals_its_own_group_does_not_reach_the_guard(void **state)
{
    struct guarded guarded;

    (void)state;
    start(&guarded, "1000", "(setsid sleep 1000 &); kill -KILL 0");
    wait_for_end(&guarded);
    assert_int_equal(guarded.end.exit_code, 128 + SIGKILL);
    wait_for_the_last(&guarded);
    finish(&guarded);
    nobody_is_left();
}

static void a_killed_guard_takes_its_server_along_and_its_owner_finds_the_rest(void **state)
{
    struct guarded guarded;
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    (void)state;
    start(&guarded, "600000", "(setsid sh -c 'echo; exec sleep 1000' &); echo; exec sleep 1000");
    wait_for_bytes(&guarded, 2);
    assert_int_equal(fb_descendants_signal(0, NULL, 0), 3);
    assert_int_equal(fb_descendants_signal(SIGKILL, &guarded.child.pid, 1), 0);
    assert_true(fb_child_signal(&guarded.child, SIGKILL));
    wait_for_end(&guarded);
    while (fb_descendants_reap(NULL, 0)) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_descendants_signal(SIGKILL, NULL, 0);
    }
    wait_for_the_last(&guarded);
    finish(&guarded);
    nobody_is_left();
}

/* A forked copy of us is the owner; the witness tells when all that it began is gone. */
static void hundred_owners_killed_leave_no_survivor(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct guarded guarded = {.ends = 0};
        int witness[2];
        pid_t owner;

        assert_int_equal(pipe2(witness, O_CLOEXEC), 0);
        owner = fork();
        assert_true(owner >= 0);
        if (owner == 0) {
            const char *const argv[] = {
                guard_path,
                "--grace",
                "10",
                "--",
                "sh",
                "-c",
                "trap '' TERM; (setsid sh -c 'echo; exec sleep 1000' &); sleep 1000 & echo; wait",
                NULL};
            int life_line[2];
            struct fb_child_plan plan = {
                .argv = argv, .stdin_fd = -1, .stdout_fd = witness[1], .stderr_fd = -1};

            if (pipe2(life_line, O_CLOEXEC) != 0) {
                _exit(1);
            }
            plan.keep_fd = life_line[0];
            if (!fb_is_ok(fb_child_start(loop, &guarded.child, &plan, guard_ended))) {
                _exit(2);
            }
            pause();
            _exit(3);
        }
        close(witness[1]);
        guarded.witness = witness[0];
        wait_for_bytes(&guarded, (size_t)(round % 3)); /* also while it still starts */
        kill(owner, SIGKILL);
        wait_for_the_last(&guarded);
        close(witness[0]);
        /* The guard itself became ours with its owner's death. */
        while (waitpid(-1, NULL, 0) > 0) {
        }
        nobody_is_left();
    }
}

#define GUARD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(the_servers_exit_code_is_handed_on),
        GUARD_TEST(the_streams_are_the_servers_alone),
        GUARD_TEST(the_server_inherits_neither_life_line_nor_blocked_signals),
        GUARD_TEST(what_cannot_be_executed_is_said_in_words_and_code),
        GUARD_TEST(bad_arguments_are_named),
        GUARD_TEST(without_a_life_line_nothing_is_started),
        GUARD_TEST(a_server_that_listens_ends_by_sigterm_within_the_grace),
        GUARD_TEST(sigterm_to_the_guard_ends_the_tree_too),
        GUARD_TEST(a_tree_that_ignores_sigterm_is_killed_after_the_grace),
        GUARD_TEST(a_daemon_with_a_session_of_its_own_is_found),
        GUARD_TEST(a_burst_of_fifty_processes_is_ended),
        GUARD_TEST(a_stopped_server_is_ended),
        GUARD_TEST(a_launcher_with_a_node_server_behind_it_is_ended),
        GUARD_TEST(what_a_server_leaves_behind_is_killed),
        GUARD_TEST(a_server_that_signals_its_own_group_does_not_reach_the_guard),
        GUARD_TEST(a_killed_guard_takes_its_server_along_and_its_owner_finds_the_rest),
        GUARD_TEST(hundred_owners_killed_leave_no_survivor),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s <flow-guard>\n", argv[0]);
        return 2;
    }
    guard_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
