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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/loop/child.h"
#include "runtime/loop/descendants.h"
#include "tests/support/folder.h"

/*
 * The programs are shell scripts; what happens is read from the log, which comes by a pipe that
 * every process of the suite holds, so that it ends exactly with the last of them.
 */

enum { PATIENCE_MS = 30000, LOG_BYTES = 65536 };

static const char *supervisor_path;
static struct fb_loop *loop;
static char folder[FOLDER_BYTES];

struct suite {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
    int log_fd;
    char log[LOG_BYTES];
    size_t size;
    size_t seen; /* what was waited for lies before */
};

static struct suite suite;

static const char *path_of(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void write_script(const char *name, const char *body)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", body);
    fclose(file);
    assert_int_equal(chmod(path_of(name), 0700), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (!folder_make(folder) || !fb_descendants_adopt()) {
        return -1;
    }
    write_script("flow-store", "exec tail -f /dev/null");
    write_script("flow-router", "exec tail -f /dev/null");
    write_script("flow-worker", "exec tail -f /dev/null");
    suite = (struct suite){.ends = 0};
    loop = fb_loop_create();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

static void suite_ended(struct fb_child *child, struct fb_child_end end)
{
    (void)child;
    suite.end = end;
    suite.ends++;
}

static void start(const char *state_dir, const char *stop, const char *workers)
{
    const char *const argv[] = {supervisor_path, "--state-dir", state_dir, "--bin-dir", folder,
                                "--log",         "-",           "--stop",  stop,        "--workers",
                                workers,         NULL};
    struct fb_child_plan plan = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .keep_fd = -1};
    struct fb_status status;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    plan.stderr_fd = fds[1];
    suite = (struct suite){.log_fd = fds[0]};
    status = fb_child_start(loop, &suite.child, &plan, suite_ended);
    close(fds[1]);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
}

/* False at the end of the log. */
static bool read_more(void)
{
    struct pollfd wait = {.fd = suite.log_fd, .events = POLLIN};
    ssize_t got;

    if (poll(&wait, 1, PATIENCE_MS) != 1) {
        fail_msg("nothing more is said after:\n%s", suite.log);
    }
    got = read(suite.log_fd, suite.log + suite.size, LOG_BYTES - 1 - suite.size);
    assert_true(got >= 0);
    suite.size += (size_t)got;
    suite.log[suite.size] = '\0';
    return got > 0;
}

/* Waits for words in the log, behind what was waited for before. Returns what follows them. */
static const char *wait_for(const char *words)
{
    for (;;) {
        const char *found = strstr(suite.log + suite.seen, words);
        const char *end = found == NULL ? NULL : strchr(found, '\n');

        if (end != NULL) {
            suite.seen = (size_t)(end - suite.log);
            return found + strlen(words);
        }
        if (!read_more()) {
            fail_msg("'%s' is not said in:\n%s", words, suite.log);
        }
    }
}

/* The pid of a program that is started next. */
static pid_t wait_for_start(const char *name)
{
    char words[128];

    snprintf(words, sizeof(words), "pid=%d msg=started name=%s child=", suite.child.pid, name);
    return (pid_t)strtol(wait_for(words), NULL, 10);
}

static void wait_for_exit(int exit_code)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (suite.ends == 0) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
    assert_int_equal(suite.end.exit_code, exit_code);
}

/* All processes of the suite are gone. */
static void wait_for_silence(void)
{
    while (read_more()) {
    }
    close(suite.log_fd);
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

static void end_suite(void)
{
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    wait_for_exit(0);
    wait_for_silence();
}

/* --- the tests --- */

static void all_programs_are_started_and_told_where_to_listen(void **state)
{
    (void)state;
    write_script("flow-store", "echo \"store got: $*\" >&2; exec tail -f /dev/null");
    write_script("flow-worker", "echo \"worker got: $*\" >&2; exec tail -f /dev/null");
    start(folder, "10s", "hot=2");
    wait_for("store got: ");
    suite.seen = 0;
    wait_for("worker got: ");
    suite.seen = 0;
    wait_for_start("worker-hot-1");
    assert_non_null(strstr(suite.log, "/run/store.sock"));
    assert_non_null(strstr(suite.log, "/run/router.sock"));
    assert_non_null(strstr(suite.log, "/run/worker-hot-0.sock"));
    assert_non_null(strstr(suite.log, "--tier hot"));
    assert_non_null(strstr(suite.log, "/flow.db"));
    end_suite();
}

static void a_suite_file_that_could_not_be_written_is_written_when_it_can(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of("run"), 0700), 0);
    assert_int_equal(mkdir(path_of("run/suite.json.new"), 0700), 0); /* stands in the way */
    start(folder, "10s", "warm");
    wait_for("cannot say what runs");
    assert_int_equal(rmdir(path_of("run/suite.json.new")), 0);
    wait_for("can say again what runs");
    assert_int_equal(access(path_of("run/suite.json"), R_OK), 0);
    end_suite();
}

static void the_suite_file_says_what_runs_and_goes_with_it(void **state)
{
    char text[2048] = "";
    char words[64];
    pid_t router;
    FILE *file;

    (void)state;
    start(folder, "10s", "warm");
    router = wait_for_start("router");
    wait_for_start("worker-warm-0");
    /* It is written at the end of a round; a program that is killed brings it up to date. */
    kill(router, SIGKILL);
    router = wait_for_start("router");
    fb_child_signal(&suite.child, SIGHUP);
    kill(router, SIGKILL);
    wait_for("msg=ended");
    wait_for_start("router");
    file = fopen(path_of("run/suite.json"), "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    snprintf(words, sizeof(words), "\"pid\":%d,", suite.child.pid);
    assert_non_null(strstr(text, words));
    assert_non_null(strstr(text, "{\"name\":\"store\",\"address\":\"unix:"));
    assert_non_null(strstr(text, "{\"name\":\"worker-warm-0\",\"address\":\"unix:"));
    assert_non_null(strstr(text, "\"state\":\"running\",\"pid\":"));
    end_suite();
    assert_int_equal(access(path_of("run/suite.json"), F_OK), -1);
}

static void a_killed_program_is_started_again(void **state)
{
    const char *const names[] = {"store", "router", "worker-warm-0"};

    (void)state;
    start(folder, "10s", "warm");
    for (int i = 0; i < 3; i++) {
        suite.seen = 0;
        kill(wait_for_start(names[i]), SIGKILL);
        assert_true(wait_for_start(names[i]) > 0);
    }
    end_suite();
}

static void a_program_that_cannot_be_started_is_tried_again(void **state)
{
    (void)state;
    write_script("flow-router", "");
    assert_int_equal(truncate(path_of("flow-router"), 0), 0); /* not executable: empty */
    start(folder, "10s", "warm");
    wait_for("cannot start a program");
    write_script("flow-router.new", "exec tail -f /dev/null");
    assert_int_equal(rename(path_of("flow-router.new"), path_of("flow-router")), 0);
    wait_for_start("router");
    end_suite();
}

static void routers_end_first_then_workers_then_the_store(void **state)
{
    (void)state;
    start(folder, "10s", "warm");
    wait_for_start("worker-warm-0");
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    wait_for("name=router exit_code");
    wait_for("name=worker-warm-0 exit_code");
    wait_for("name=store exit_code");
    wait_for("the suite has ended");
    wait_for_exit(0);
    wait_for_silence();
}

static void a_program_that_does_not_listen_is_killed(void **state)
{
    (void)state;
    write_script("flow-worker",
                 "trap '' TERM; echo deaf >&2; tail -f /dev/null; tail -f /dev/null");
    start(folder, "200ms", "warm");
    wait_for("deaf");
    suite.seen = 0;
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    wait_for("did not end in time and is killed\" name=worker");
    wait_for("msg=ended name=worker-warm-0 exit_code=-1 signal=9");
    wait_for_exit(0);
    wait_for_silence();
}

static void a_second_signal_ends_everything_at_once(void **state)
{
    (void)state;
    write_script("flow-router",
                 "trap '' TERM; echo deaf >&2; tail -f /dev/null; tail -f /dev/null");
    start(folder, "15m", "warm");
    wait_for("deaf");
    suite.seen = 0;
    wait_for_start("worker-warm-0");
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    wait_for("told to end");
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    wait_for_exit(0);
    wait_for_silence();
}

static void what_a_dead_program_left_behind_is_killed(void **state)
{
    pid_t worker;

    (void)state;
    write_script("flow-worker", "(setsid sh -c 'trap \"\" TERM; echo hidden >&2; "
                                "exec tail -f /dev/null' &); exec tail -f /dev/null");
    start(folder, "200ms", "warm");
    worker = wait_for_start("worker-warm-0");
    suite.seen = 0;
    wait_for("hidden");
    kill(worker, SIGKILL);
    wait_for("killed what an ended program left behind");
    end_suite();
}

static void a_killed_supervisor_takes_the_suite_down(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        start(folder, "10s", "warm=2");
        if (round % 2 == 0) {
            wait_for_start("worker-warm-1");
        } else {
            wait_for_start("store");
        }
        assert_true(fb_child_signal(&suite.child, SIGKILL));
        wait_for_exit(-1);
        wait_for_silence();
    }
}

static void a_second_suite_in_the_same_folder_is_refused(void **state)
{
    struct suite first;

    (void)state;
    start(folder, "10s", "warm");
    wait_for_start("worker-warm-0");
    first = suite;
    fb_child_forget(&suite.child);
    start(folder, "10s", "warm");
    wait_for("a suite runs already in");
    wait_for_exit(75);
    close(suite.log_fd);
    kill(first.child.pid, SIGTERM);
    suite.log_fd = first.log_fd;
    wait_for_silence();
}

static void bad_settings_are_named(void **state)
{
    char deep[256];

    (void)state;
    snprintf(deep, sizeof(deep), "%s/%0100d", folder, 0);
    start(deep, "10s", "warm");
    wait_for("bytes too long: the path of a Unix socket has at most 107");
    wait_for_exit(64);
    wait_for_silence();
    start(folder, "10s", "tepid");
    wait_for("flow-supervisor: workers: 'tepid' is not hot, warm or cold");
    wait_for_exit(64);
    wait_for_silence();
    assert_int_equal(unlink(path_of("flow-worker")), 0);
    start(folder, "10s", "warm");
    wait_for("flow-supervisor: flow-worker: '");
    wait_for_exit(78);
    wait_for_silence();
}

#define SUPERVISOR_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SUPERVISOR_TEST(all_programs_are_started_and_told_where_to_listen),
        SUPERVISOR_TEST(a_suite_file_that_could_not_be_written_is_written_when_it_can),
        SUPERVISOR_TEST(the_suite_file_says_what_runs_and_goes_with_it),
        SUPERVISOR_TEST(a_killed_program_is_started_again),
        SUPERVISOR_TEST(a_program_that_cannot_be_started_is_tried_again),
        SUPERVISOR_TEST(routers_end_first_then_workers_then_the_store),
        SUPERVISOR_TEST(a_program_that_does_not_listen_is_killed),
        SUPERVISOR_TEST(a_second_signal_ends_everything_at_once),
        SUPERVISOR_TEST(what_a_dead_program_left_behind_is_killed),
        SUPERVISOR_TEST(a_killed_supervisor_takes_the_suite_down),
        SUPERVISOR_TEST(a_second_suite_in_the_same_folder_is_refused),
        SUPERVISOR_TEST(bad_settings_are_named),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s <flow-supervisor>\n", argv[0]);
        return 2;
    }
    supervisor_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
