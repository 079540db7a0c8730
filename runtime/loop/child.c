#define _GNU_SOURCE /* vfork, pidfd, close_range, prctl */

#include "runtime/loop/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

enum { KEPT_FD = 3 };

/* What the child was doing when it failed. */
enum stage { STAGE_DESCRIPTORS, STAGE_SESSION, STAGE_DEATH_SIGNAL, STAGE_FOLDER, STAGE_EXEC };

/* What a child that cannot start its program writes into the pipe. */
struct report {
    enum stage stage;
    int error; /* errno */
};

/* All that the child needs, made before it exists: it shares our memory and allocates nothing. */
struct launch {
    const struct fb_child_plan *plan;
    char *const *env;
    const char *path; /* to search; NULL when argv[0] names a file itself */
    char *candidate;  /* room for the longest entry of `path` with argv[0] behind it */
    int report_fd;
    pid_t parent;
};

static char failure[512];

static struct fb_status fail(enum fb_code code, const char *what, const char *name, int error)
{
    snprintf(failure, sizeof(failure), "%s '%.300s': %s", what, name, strerror(error));
    return fb_fail(code, failure);
}

/* --- in the child: only what is safe after vfork --- */

static _Noreturn void give_up(const struct launch *launch, enum stage stage, int error)
{
    const struct report report = {.stage = stage, .error = error};

    /* Less than PIPE_BUF into an empty pipe: whole or, with the reader gone, of no interest. */
    if (write(launch->report_fd, &report, sizeof(report)) < 0) {
        _exit(126);
    }
    _exit(127);
}

static void close_from(unsigned first)
{
    struct rlimit limit;

    if (close_range(first, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0) {
        return;
    }
    /* Linux before 5.11, or a filter that does not know the call. */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) {
        limit.rlim_cur = INT_MAX;
    }
    for (unsigned fd = first; fd < limit.rlim_cur; fd++) {
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
}

/* First above all that will be overwritten, then into place. */
static void arrange_descriptors(struct launch *launch)
{
    const struct fb_child_plan *plan = launch->plan;
    const int wanted[] = {plan->stdin_fd, plan->stdout_fd, plan->stderr_fd, plan->keep_fd};
    const int count = plan->keep_fd < 0 ? KEPT_FD : KEPT_FD + 1;
    int moved[KEPT_FD + 1];
    int report_fd = fcntl(launch->report_fd, F_DUPFD_CLOEXEC, count);

    if (report_fd < 0) {
        give_up(launch, STAGE_DESCRIPTORS, errno);
    }
    launch->report_fd = report_fd;
    for (int i = 0; i < count; i++) {
        int fd = wanted[i] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : wanted[i];

        moved[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, count);
        if (moved[i] < 0) {
            give_up(launch, STAGE_DESCRIPTORS, errno);
        }
    }
    for (int i = 0; i < count; i++) {
        if (dup2(moved[i], i) < 0) {
            give_up(launch, STAGE_DESCRIPTORS, errno);
        }
    }
    close_from((unsigned)count);
}

/* The kernel refuses numbers that are none of its signals, or not to be changed: no matter. */
static void reset_signals(void)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &by_default, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int exec_by_path(const struct launch *launch)
{
    const char *name = launch->plan->argv[0];
    const char *entry = launch->path;
    int error = ENOENT;

    for (;;) {
        size_t length = strcspn(entry, ":");
        char *end = launch->candidate;

        if (length > 0) {
            memcpy(end, entry, length);
            end += length;
            *end++ = '/';
        }
        memcpy(end, name, strlen(name) + 1);
        execve(launch->candidate, (char *const *)launch->plan->argv, launch->env);
        if (errno == EACCES) {
            error = EACCES; /* there is one, and perhaps a better one further on */
        } else if (errno != ENOENT && errno != ENOTDIR) {
            return errno;
        }
        if (entry[length] == '\0') {
            return error;
        }
        entry += length + 1;
    }
}

static _Noreturn void become_program(struct launch *launch)
{
    const struct fb_child_plan *plan = launch->plan;

    arrange_descriptors(launch);
    if (plan->own_session) {
        if (setsid() < 0) {
            give_up(launch, STAGE_SESSION, errno);
        }
    } else if (plan->own_group && setpgid(0, 0) != 0) {
        give_up(launch, STAGE_SESSION, errno);
    }
    if (plan->death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, (unsigned long)plan->death_signal) != 0) {
            give_up(launch, STAGE_DEATH_SIGNAL, errno);
        }
        if (getppid() != launch->parent) {
            _exit(127); /* it died before we asked to be told */
        }
    }
    if (plan->cwd != NULL && chdir(plan->cwd) != 0) {
        give_up(launch, STAGE_FOLDER, errno);
    }
    reset_signals();
    if (launch->path != NULL) {
        give_up(launch, STAGE_EXEC, exec_by_path(launch));
    }
    execve(plan->argv[0], (char *const *)plan->argv, launch->env);
    give_up(launch, STAGE_EXEC, errno);
}

/* --- in the parent --- */

static const char *search_path(char *const *env)
{
    for (; *env != NULL; env++) {
        if (strncmp(*env, "PATH=", 5) == 0) {
            return *env + 5;
        }
    }
    return DEFAULT_PATH;
}

static struct fb_status explain(const struct fb_child_plan *plan, struct report report)
{
    enum fb_code code = FB_UNAVAILABLE;

    switch (report.error) {
    case ENOENT:
    case ENOTDIR:
        code = FB_NOT_FOUND;
        break;
    case EACCES:
    case EPERM:
    case ENOEXEC:
    case ELOOP:
    case EISDIR:
        code = FB_PERMISSION_DENIED;
        break;
    case E2BIG:
    case ENAMETOOLONG:
        code = FB_INVALID_ARGUMENT;
        break;
    default:
        break;
    }
    switch (report.stage) {
    case STAGE_FOLDER:
        return fail(code, "cannot enter working folder", plan->cwd, report.error);
    case STAGE_EXEC:
        return fail(code, "cannot execute", plan->argv[0], report.error);
    default:
        return fail(FB_UNAVAILABLE, "cannot set up process for", plan->argv[0], report.error);
    }
}

/*
 * By vfork, as a process with much memory takes long to copy its page tables; all signals wait
 * meanwhile, so that no handler of ours runs in the child. A sanitizer may turn it into a fork,
 * hence the pipe where shared memory would do.
 */
static pid_t launch_child(struct launch *launch)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = vfork();
    if (pid == 0) {
        become_program(launch);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* False when the pipe ended empty, thus at a successful exec. */
static bool read_report(int fd, struct report *report)
{
    ssize_t got;

    do {
        got = read(fd, report, sizeof(*report));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*report);
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static struct fb_status start_process(const struct fb_child_plan *plan, pid_t *pid)
{
    struct launch launch = {.plan = plan, .parent = getpid()};
    struct report report = {.error = 0};
    int pipe_fds[2] = {-1, -1};
    int error = 0;
    bool failed;

    launch.env = plan->env == NULL ? environ : (char *const *)plan->env;
    if (strchr(plan->argv[0], '/') == NULL) {
        launch.path = search_path(launch.env);
        launch.candidate = malloc(strlen(launch.path) + strlen(plan->argv[0]) + 2);
        if (launch.candidate == NULL) {
            return fail(FB_UNAVAILABLE, "cannot start", plan->argv[0], ENOMEM);
        }
    }
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        error = errno;
        free(launch.candidate);
        return fail(FB_UNAVAILABLE, "cannot start", plan->argv[0], error);
    }
    launch.report_fd = pipe_fds[1];
    *pid = launch_child(&launch);
    error = errno;
    close(pipe_fds[1]);
    free(launch.candidate);
    if (*pid < 0) {
        close(pipe_fds[0]);
        return fail(FB_UNAVAILABLE, "cannot start", plan->argv[0], error);
    }
    failed = read_report(pipe_fds[0], &report);
    close(pipe_fds[0]);
    if (failed) {
        reap(*pid);
        return explain(plan, report);
    }
    return fb_ok;
}

/* With SIGCHLD ignored, perhaps since before our own start, the kernel would reap in our place. */
static void keep_zombies(void)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    struct sigaction present;

    if (sigaction(SIGCHLD, NULL, &present) == 0 && present.sa_handler == SIG_IGN) {
        sigaction(SIGCHLD, &by_default, NULL);
    }
}

static void child_ended(struct fb_watch *watch, unsigned events)
{
    struct fb_child *child = (struct fb_child *)((char *)watch - offsetof(struct fb_child, watch));
    struct fb_child_end end = {.exit_code = -1};
    siginfo_t info = {.si_pid = 0};

    (void)events;
    if (waitid(P_PIDFD, (id_t)watch->fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0) {
        return;
    }
    if (info.si_code == CLD_EXITED) {
        end.exit_code = info.si_status;
    } else {
        /* Reaped by someone else its end is unknown; SIGKILL is the likeliest. */
        end.signal = info.si_pid == 0 ? SIGKILL : info.si_status;
    }
    fb_child_forget(child);
    child->on_end(child, end);
}

struct fb_status fb_child_start(struct fb_loop *loop, struct fb_child *child,
                                const struct fb_child_plan *plan, fb_child_end_fn *on_end)
{
    struct fb_status status;
    pid_t pid = -1;
    int fd;

    assert(plan->argv != NULL && plan->argv[0] != NULL);
    *child = (struct fb_child){.pid = 0, .watch = {.fd = -1}, .on_end = on_end};
    keep_zombies();
    status = start_process(plan, &pid);
    if (!fb_is_ok(status)) {
        return status;
    }
    fd = pidfd_open(pid, 0);
    if (fd < 0) {
        status = fail(FB_UNAVAILABLE, "cannot watch process of", plan->argv[0], errno);
    } else {
        status = fb_loop_watch(loop, &child->watch, fd, FB_READABLE, child_ended);
    }
    if (!fb_is_ok(status)) {
        kill(pid, SIGKILL);
        reap(pid);
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    child->pid = pid;
    return fb_ok;
}

static bool running(const struct fb_child *child)
{
    struct pollfd ended = {.fd = child->watch.fd, .events = POLLIN};

    return child->pid != 0 && poll(&ended, 1, 0) == 0;
}

bool fb_child_signal(struct fb_child *child, int signal)
{
    return running(child) && pidfd_send_signal(child->watch.fd, signal, NULL, 0) == 0;
}

bool fb_child_signal_group(struct fb_child *child, int signal)
{
    /* Until we reap the leader its number, and so the group's, is nobody else's. */
    return child->pid != 0 && kill(-child->pid, signal) == 0;
}

void fb_child_forget(struct fb_child *child)
{
    int fd = child->watch.fd;

    if (child->pid == 0) {
        return;
    }
    fb_loop_unwatch(&child->watch);
    close(fd);
    child->pid = 0;
}
