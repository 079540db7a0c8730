#define _GNU_SOURCE /* pipe2 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

enum { PATIENCE_MS = 20000, OUTPUT_BYTES = 4096 };

static struct fb_loop *loop;

/* A child whose standard output is collected. */
struct run {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
    char output[OUTPUT_BYTES];
};

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return 0;
}

static void child_ended(struct fb_child *child, struct fb_child_end end)
{
    struct run *run = (struct run *)child;

    assert_int_equal(child->pid, 0);
    run->end = end;
    run->ends++;
}

static void wait_for_end(struct run *run)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (run->ends == 0) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
    assert_int_equal(run->ends, 1);
}

/* The plan of a shell script, all three streams on /dev/null. */
static struct fb_child_plan plan_of(const char *const *argv)
{
    return (struct fb_child_plan){
        .argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .keep_fd = -1};
}

static void start(struct run *run, const struct fb_child_plan *plan)
{
    struct fb_status status;

    *run = (struct run){.ends = 0};
    status = fb_child_start(loop, &run->child, plan, child_ended);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
    assert_true(run->child.pid > 0);
}

/* Runs the plan to its end with a pipe as standard output. */
static void run_for_output(struct run *run, struct fb_child_plan plan)
{
    int fds[2];
    size_t size = 0;
    ssize_t got;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    plan.stdout_fd = fds[1];
    start(run, &plan);
    close(fds[1]);
    while ((got = read(fds[0], run->output + size, OUTPUT_BYTES - 1 - size)) > 0) {
        size += (size_t)got;
    }
    close(fds[0]);
    wait_for_end(run);
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void a_child_that_exits_is_reported_with_its_code(void **state)
{
    const char *const argv[] = {"sh", "-c", "exit 7", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;

    (void)state;
    start(&run, &plan);
    wait_for_end(&run);
    assert_int_equal(run.end.exit_code, 7);
    assert_int_equal(run.end.signal, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_child_that_is_killed_is_reported_with_the_signal(void **state)
{
    const char *const argv[] = {"sleep", "1000", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;

    (void)state;
    start(&run, &plan);
    assert_true(fb_child_signal(&run.child, SIGKILL));
    wait_for_end(&run);
    assert_int_equal(run.end.exit_code, -1);
    assert_int_equal(run.end.signal, SIGKILL);
    assert_false(fb_child_signal(&run.child, SIGTERM));
    assert_false(fb_child_signal_group(&run.child, SIGTERM));
}

static void an_ended_child_not_yet_reported_takes_no_signal(void **state)
{
    const char *const argv[] = {"true", NULL};
    struct fb_child_plan plan = plan_of(argv);
    siginfo_t info;
    struct run run;

    (void)state;
    start(&run, &plan);
    assert_int_equal(waitid(P_PID, (id_t)run.child.pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(fb_child_signal(&run.child, SIGTERM));
    wait_for_end(&run);
    assert_int_equal(run.end.exit_code, 0);
}

static void a_group_is_signalled_as_a_whole(void **state)
{
    const char *const argv[] = {"sh", "-c", "sleep 1000 & echo started; wait", NULL};
    struct fb_child_plan plan = plan_of(argv);
    int fds[2];
    char byte;
    struct run run;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    plan.stdout_fd = fds[1];
    plan.own_group = true;
    start(&run, &plan);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_true(fb_child_signal_group(&run.child, SIGKILL));
    wait_for_end(&run);
    /* The pipe ends only when the sleeping grandchild has gone too. */
    while (read(fds[0], &byte, 1) > 0) {
    }
    close(fds[0]);
    assert_int_equal(run.end.signal, SIGKILL);
}

static void a_program_that_is_not_there_is_not_found_by_name(void **state)
{
    const char *const nowhere[] = {"no-such-program-here", NULL};
    const char *const below[] = {"/no/such/program", NULL};
    struct fb_child_plan plan = plan_of(nowhere);
    struct run run = {.ends = 0};
    struct fb_status status = fb_child_start(loop, &run.child, &plan, child_ended);

    (void)state;
    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why,
                        "cannot execute 'no-such-program-here': No such file or directory");
    plan.argv = below;
    status = fb_child_start(loop, &run.child, &plan, child_ended);
    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "cannot execute '/no/such/program': No such file or directory");
    assert_int_equal(run.child.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void what_is_no_program_is_refused(void **state)
{
    const char *const folder[] = {"/usr", NULL};
    const char *const data[] = {"/etc/hostname", NULL};
    char script[] = "/tmp/child-test-XXXXXX";
    const char *const headless[] = {script, NULL};
    struct fb_child_plan plan = plan_of(folder);
    struct run run = {.ends = 0};
    int fd = mkstemp(script);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "echo\n", 5), 5);
    assert_int_equal(fchmod(fd, 0755), 0);
    close(fd);
    assert_int_equal(fb_child_start(loop, &run.child, &plan, child_ended).code,
                     FB_PERMISSION_DENIED);
    plan.argv = data;
    assert_int_equal(fb_child_start(loop, &run.child, &plan, child_ended).code,
                     FB_PERMISSION_DENIED);
    plan.argv = headless; /* no shell is called to the rescue */
    assert_int_equal(fb_child_start(loop, &run.child, &plan, child_ended).code,
                     FB_PERMISSION_DENIED);
    unlink(script);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    const char *const argv[] = {"true", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run = {.ends = 0};
    struct fb_status status;

    (void)state;
    plan.cwd = "/no/such/folder";
    status = fb_child_start(loop, &run.child, &plan, child_ended);
    assert_int_equal(status.code, FB_NOT_FOUND);
    assert_string_equal(status.why, "cannot enter working folder '/no/such/folder': No such file "
                                    "or directory");
}

static void arguments_beyond_the_systems_limit_are_refused(void **state)
{
    enum { HUGE_BYTES = 1 << 18 }; /* one argument holds at most 128 KiB */
    char *huge = malloc(HUGE_BYTES);
    const char *argv[] = {"true", huge, NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run = {.ends = 0};

    (void)state;
    assert_non_null(huge);
    memset(huge, 'x', HUGE_BYTES - 1);
    huge[HUGE_BYTES - 1] = '\0';
    assert_int_equal(fb_child_start(loop, &run.child, &plan, child_ended).code,
                     FB_INVALID_ARGUMENT);
    free(huge);
}

static void the_path_of_the_given_environment_is_searched(void **state)
{
    const char *const argv[] = {"program", NULL};
    char folder[] = "/tmp/child-test-XXXXXX";
    char file[PATH_MAX];
    char path[PATH_MAX];
    const char *const env[] = {path, "GREETING=hello", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;
    FILE *script;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/program", folder);
    snprintf(path, sizeof(path), "PATH=/no/such:/etc/hostname:%s", folder);
    script = fopen(file, "we");
    assert_non_null(script);
    fputs("#!/bin/sh\necho \"$GREETING\"\n", script);
    fclose(script);
    assert_int_equal(chmod(file, 0755), 0);
    plan.env = env;
    run_for_output(&run, plan);
    assert_string_equal(run.output, "hello\n");
    unlink(file);
    rmdir(folder);
}

static void the_environment_is_the_given_one_and_nothing_else(void **state)
{
    const char *const argv[] = {"/usr/bin/env", NULL};
    const char *const env[] = {"A=1", "B=two words", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;

    (void)state;
    plan.env = env;
    run_for_output(&run, plan);
    assert_string_equal(run.output, "A=1\nB=two words\n");
}

static void the_working_folder_is_the_given_one(void **state)
{
    const char *const argv[] = {"pwd", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;

    (void)state;
    plan.cwd = "/usr/lib";
    run_for_output(&run, plan);
    assert_string_equal(run.output, "/usr/lib\n");
}

static void the_kept_descriptor_is_number_three(void **state)
{
    const char *const argv[] = {"sh", "-c", "cat <&3", NULL};
    struct fb_child_plan plan = plan_of(argv);
    int fds[2];
    struct run run;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "life line", 9), 9);
    close(fds[1]);
    plan.keep_fd = fds[0];
    run_for_output(&run, plan);
    assert_string_equal(run.output, "life line");
    close(fds[0]);
}

static void streams_given_in_each_others_places_are_not_mixed_up(void **state)
{
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
    struct fb_child_plan plan = plan_of(argv);
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);
    int out[2];
    int err[2];
    char text[2][16] = {"", ""};
    struct run run;

    (void)state;
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    assert_true(dup2(out[1], STDERR_FILENO) >= 0);
    assert_true(dup2(err[1], STDOUT_FILENO) >= 0);
    plan.stdout_fd = STDERR_FILENO;
    plan.stderr_fd = STDOUT_FILENO;
    start(&run, &plan);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0);
    assert_true(dup2(saved_err, STDERR_FILENO) >= 0);
    wait_for_end(&run);
    assert_int_equal(read(out[0], text[0], sizeof(text[0]) - 1), 4);
    assert_int_equal(read(err[0], text[1], sizeof(text[1]) - 1), 4);
    assert_string_equal(text[0], "out\n");
    assert_string_equal(text[1], "err\n");
    for (int i = 0; i < 2; i++) {
        close(out[i]);
        close(err[i]);
    }
    close(saved_out);
    close(saved_err);
}

static void a_child_inherits_no_other_descriptor(void **state)
{
    /* The number that the shell's glob itself holds while it reads the folder is not counted. */
    const char *const argv[] = {"sh", "-c",
                                "for f in 3 4 5 6 7 8 9; do "
                                "[ -e /proc/$$/fd/$f ] && echo $f; done; true",
                                NULL};
    struct fb_child_plan plan = plan_of(argv);
    int leaks[4];
    struct run run;

    (void)state;
    for (int i = 0; i < 4; i++) {
        leaks[i] = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
        assert_true(leaks[i] >= 0);
    }
    run_for_output(&run, plan);
    assert_string_equal(run.output, "");
    assert_int_equal(run.end.exit_code, 0);
    for (int i = 0; i < 4; i++) {
        close(leaks[i]);
    }
}

static void hundred_children_leave_no_descriptor_behind(void **state)
{
    const char *const good[] = {"true", NULL};
    const char *const bad[] = {"/no/such/program", NULL};
    struct fb_child_plan plan;
    struct run run;
    int before = open_descriptors();

    (void)state;
    for (int i = 0; i < 100; i++) {
        plan = plan_of(good);
        start(&run, &plan);
        wait_for_end(&run);
        plan = plan_of(bad);
        assert_int_equal(fb_child_start(loop, &run.child, &plan, child_ended).code, FB_NOT_FOUND);
    }
    assert_int_equal(open_descriptors(), before);
}

static void a_child_starts_with_signals_at_their_defaults(void **state)
{
    const char *const argv[] = {"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status", NULL};
    struct fb_child_plan plan = plan_of(argv);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    sigset_t usual;
    sigset_t blocked;
    /* 32 and 33 are the C library's own, which it lets nobody reset; a sandbox may ignore them. */
    const unsigned long long library = 3ull << 31;
    const char *ignored;
    struct run run;

    (void)state;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &usual);
    sigaction(SIGPIPE, &ignore, &before);
    run_for_output(&run, plan);
    sigaction(SIGPIPE, &before, NULL);
    sigprocmask(SIG_SETMASK, &usual, NULL);
    assert_non_null(strstr(run.output, "SigBlk:\t0000000000000000\n"));
    ignored = strstr(run.output, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~library, 0);
}

static void a_child_is_reported_though_sigchld_was_ignored(void **state)
{
    const char *const argv[] = {"sh", "-c", "exit 9", NULL};
    struct fb_child_plan plan = plan_of(argv);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct run run;

    (void)state;
    sigaction(SIGCHLD, &ignore, NULL);
    start(&run, &plan);
    wait_for_end(&run);
    assert_int_equal(run.end.exit_code, 9);
}

static void a_child_leads_the_group_or_session_it_was_promised(void **state)
{
    const char *const argv[] = {"sleep", "1000", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;

    (void)state;
    start(&run, &plan);
    assert_int_equal(getpgid(run.child.pid), getpgid(0));
    fb_child_signal(&run.child, SIGKILL);
    wait_for_end(&run);
    plan.own_group = true;
    start(&run, &plan);
    assert_int_equal(getpgid(run.child.pid), run.child.pid);
    assert_int_equal(getsid(run.child.pid), getsid(0));
    fb_child_signal(&run.child, SIGKILL);
    wait_for_end(&run);
    plan.own_session = true;
    start(&run, &plan);
    assert_int_equal(getsid(run.child.pid), run.child.pid);
    fb_child_signal(&run.child, SIGKILL);
    wait_for_end(&run);
}

/*
 * A forked copy of us starts the child, is killed, and the child must follow: its end of the pipe
 * closes only with it.
 */
static void a_child_with_a_death_signal_dies_with_its_parent(void **state)
{
    const char *const argv[] = {"sleep", "1000", NULL};
    struct fb_child_plan plan = plan_of(argv);
    int fds[2];
    char byte;
    pid_t parent;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    plan.stdout_fd = fds[1];
    plan.death_signal = SIGKILL;
    parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        struct run run;

        start(&run, &plan);
        kill(getpid(), SIGKILL);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
}

static void a_forgotten_child_is_left_to_itself(void **state)
{
    const char *const argv[] = {"sh", "-c", "exit 3", NULL};
    struct fb_child_plan plan = plan_of(argv);
    struct run run;
    pid_t pid;
    int status;

    (void)state;
    start(&run, &plan);
    pid = run.child.pid;
    fb_child_forget(&run.child);
    fb_child_forget(&run.child);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    fb_loop_turn(loop, 0);
    assert_int_equal(run.ends, 0);
}

#define CHILD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHILD_TEST(a_child_that_exits_is_reported_with_its_code),
        CHILD_TEST(a_child_that_is_killed_is_reported_with_the_signal),
        CHILD_TEST(an_ended_child_not_yet_reported_takes_no_signal),
        CHILD_TEST(a_group_is_signalled_as_a_whole),
        CHILD_TEST(a_program_that_is_not_there_is_not_found_by_name),
        CHILD_TEST(what_is_no_program_is_refused),
        CHILD_TEST(a_folder_that_is_not_there_is_named),
        CHILD_TEST(arguments_beyond_the_systems_limit_are_refused),
        CHILD_TEST(the_path_of_the_given_environment_is_searched),
        CHILD_TEST(the_environment_is_the_given_one_and_nothing_else),
        CHILD_TEST(the_working_folder_is_the_given_one),
        CHILD_TEST(the_kept_descriptor_is_number_three),
        CHILD_TEST(streams_given_in_each_others_places_are_not_mixed_up),
        CHILD_TEST(a_child_inherits_no_other_descriptor),
        CHILD_TEST(hundred_children_leave_no_descriptor_behind),
        CHILD_TEST(a_child_starts_with_signals_at_their_defaults),
        CHILD_TEST(a_child_is_reported_though_sigchld_was_ignored),
        CHILD_TEST(a_child_leads_the_group_or_session_it_was_promised),
        CHILD_TEST(a_child_with_a_death_signal_dies_with_its_parent),
        CHILD_TEST(a_forgotten_child_is_left_to_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
