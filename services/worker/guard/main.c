#define _GNU_SOURCE /* vfork, signalfd, prctl, strerrordesc_np */

/*
 * flow-guard: stands before one server process and sees that nothing of it survives.
 *
 *     flow-guard [--grace MS] -- command [argument ...]
 *
 * Started with descriptor 3 as the reading end of a pipe whose writing end its owner alone holds:
 * the life line. The command gets standard input, output and error untouched. When the life line
 * closes, in whatever way the owner ended, or on SIGTERM, SIGINT or SIGHUP, everything that
 * descends from the command gets SIGTERM and, after the grace, SIGKILL, wherever it has hidden.
 * What the command leaves behind when it ends by itself is killed at once.
 *
 * Exit code: the command's own, or 128 and the number of the signal that ended it; 127 when it is
 * not found, 126 when it cannot be executed, 125 when the guard itself cannot do its work.
 *
 * It uses libc alone and no stdio, as one of these runs per server.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/version.h"
#include "runtime/loop/descendants.h"

enum {
    LIFE_LINE = 3,
    DEFAULT_GRACE_MS = 2000,
    MOST_GRACE_MS = 600000,
    KILL_AGAIN_MS = 20, /* for what was born while we killed */
    KILL_LIMIT_MS =
        10000, /* all have their SIGKILL by then; the kernel holds what still is there */
    OWN_FAILURE = 125,
    NOT_EXECUTABLE = 126,
    NOT_FOUND = 127
};

struct guard {
    pid_t server;
    bool server_ended;
    int exit_code; /* once it has ended */

    bool ending;     /* all were asked to end */
    int64_t kill_ms; /* when they will be killed; monotonic */
    int64_t grace_ms;
};

static void complain(const char *what, const char *name, const char *why)
{
    struct iovec parts[] = {
        {.iov_base = "flow-guard: ", .iov_len = 12},
        {.iov_base = (char *)what, .iov_len = strlen(what)},
        {.iov_base = " '", .iov_len = 2},
        {.iov_base = (char *)name, .iov_len = strlen(name)},
        {.iov_base = "': ", .iov_len = 3},
        {.iov_base = (char *)why, .iov_len = strlen(why)},
        {.iov_base = "\n", .iov_len = 1},
    };

    if (writev(STDERR_FILENO, parts, sizeof(parts) / sizeof(parts[0])) < 0) {
        return; /* nobody listens; the exit code still tells */
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- arguments --- */

static int show_help(void)
{
    static const char help[] =
        "Usage: flow-guard [--grace MS] -- command [argument ...]\n\n"
        "Stands before one MCP server and sees that nothing of it survives; flow-worker starts "
        "it.\n\n"
        "Options:\n"
        "  --grace MS  time between SIGTERM and SIGKILL, 0 to 600000 (default 2000)\n"
        "  --help      print this, then end\n"
        "  --version   print the version, then end\n\n"
        "Descriptor 3 must be the reading end of a pipe; when it closes, the server is ended.\n";

    return write(STDOUT_FILENO, help, sizeof(help) - 1) < 0 ? OWN_FAILURE : 0;
}

static int show_version(void)
{
    static const char version[] = "flow-guard " FB_VERSION "\n";

    return write(STDOUT_FILENO, version, sizeof(version) - 1) < 0 ? OWN_FAILURE : 0;
}

/* Returns the command's argv, or NULL after a complaint. */
static char **read_arguments(char **argv, int64_t *grace_ms)
{
    char **at = argv[0] == NULL ? argv : argv + 1;

    *grace_ms = DEFAULT_GRACE_MS;
    while (*at != NULL && strcmp(*at, "--") != 0) {
        char *end;
        long value;

        if (strcmp(*at, "--grace") != 0 || at[1] == NULL) {
            complain("bad argument", *at,
                     "usage: flow-guard [--grace MS] -- command [argument ...]");
            return NULL;
        }
        errno = 0;
        value = strtol(at[1], &end, 10);
        if (errno != 0 || end == at[1] || *end != '\0' || value < 0 || value > MOST_GRACE_MS) {
            complain("bad --grace", at[1], "must be 0 to 600000 milliseconds");
            return NULL;
        }
        *grace_ms = value;
        at += 2;
    }
    if (*at == NULL || at[1] == NULL) {
        complain("missing", "-- command",
                 "usage: flow-guard [--grace MS] -- command [argument ...]");
        return NULL;
    }
    return at + 1;
}

/* --- the server --- */

static _Noreturn void become_server(char **command, pid_t guard, const sigset_t *mask)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    int error;

    /* A group of its own: servers that end by "kill 0" mean themselves, not us. */
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL) != 0) {
        complain("cannot prepare", command[0], strerrordesc_np(errno));
        _exit(OWN_FAILURE);
    }
    if (getppid() != guard) {
        _exit(OWN_FAILURE); /* it died before we asked to be told */
    }
    sigaction(SIGPIPE, &by_default, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    error = errno;
    complain("cannot execute", command[0], strerrordesc_np(error));
    _exit(error == ENOENT || error == ENOTDIR ? NOT_FOUND : NOT_EXECUTABLE);
}

/* Only the server's end of its pipes may count, so that their end is its end. */
static bool let_go_of_streams(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool done = null_fd >= 0;

    for (int fd = 0; fd < LIFE_LINE && done; fd++) {
        done = dup2(null_fd, fd) == fd;
    }
    if (null_fd > LIFE_LINE) {
        close(null_fd);
    }
    return done;
}

/* --- ending --- */

/* SIGTERM to all; harmless twice. */
static void begin_end(struct guard *guard, int64_t grace_ms)
{
    int64_t kill_ms = now_ms() + grace_ms;

    if (guard->ending) {
        return;
    }
    guard->ending = true;
    guard->kill_ms = kill_ms;
    if (grace_ms > 0) {
        fb_descendants_signal(SIGTERM, NULL, 0);
    }
}

/* False when no child, and so no descendant, is left. */
static bool reap_all(struct guard *guard)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != guard->server) {
            continue;
        }
        guard->server_ended = true;
        guard->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        begin_end(guard, 0);
    }
    return pid == 0;
}

/* Until none is left. New ones appear only from those that we have not seen yet. */
static void kill_all(struct guard *guard, int signal_fd)
{
    const int64_t limit_ms = now_ms() + KILL_LIMIT_MS;
    struct pollfd wake = {.fd = signal_fd, .events = POLLIN};

    while (reap_all(guard) && now_ms() < limit_ms) {
        struct signalfd_siginfo info;

        if (!guard->server_ended) {
            kill(-guard->server, SIGKILL); /* serves where /proc is missing */
        }
        fb_descendants_signal(SIGKILL, NULL, 0);
        if (poll(&wake, 1, KILL_AGAIN_MS) > 0 && read(signal_fd, &info, sizeof(info)) < 0) {
            return; /* cannot be: the descriptor is ours and readable */
        }
    }
}

/* False when the owner is gone. What it may write means nothing. */
static bool life_line_holds(void)
{
    char ignored[64];

    return read(LIFE_LINE, ignored, sizeof(ignored)) > 0;
}

static void stand_guard(struct guard *guard, int signal_fd)
{
    struct pollfd waits[] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = LIFE_LINE, .events = POLLIN},
    };

    while (reap_all(guard)) {
        int wait_ms = -1;

        if (guard->ending) {
            int64_t left_ms = guard->kill_ms - now_ms();

            if (left_ms <= 0) {
                kill_all(guard, signal_fd);
                return;
            }
            wait_ms = (int)left_ms;
        }
        if (poll(waits, 2, wait_ms) <= 0) {
            continue;
        }
        if (waits[0].revents != 0) {
            struct signalfd_siginfo info;

            if (read(signal_fd, &info, sizeof(info)) > 0 && info.ssi_signo != SIGCHLD) {
                begin_end(guard, guard->grace_ms);
            }
        }
        if (waits[1].revents != 0 && !life_line_holds()) {
            waits[1].fd = -1;
            begin_end(guard, guard->grace_ms);
        }
    }
}

int main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    struct guard guard = {.exit_code = OWN_FAILURE};
    const pid_t self = getpid();
    sigset_t watched;
    sigset_t before;
    char **command;
    int signal_fd;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return show_help();
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        return show_version();
    }
    command = read_arguments(argv, &guard.grace_ms);
    if (command == NULL) {
        return OWN_FAILURE;
    }
    if (fcntl(LIFE_LINE, F_SETFD, FD_CLOEXEC) != 0) {
        complain("no life line on", "descriptor 3", strerrordesc_np(errno));
        return OWN_FAILURE;
    }
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGHUP);
    sigprocmask(SIG_BLOCK, &watched, &before);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGCHLD, &by_default, NULL); /* ignored, it would reap in our place */
    signal_fd = signalfd(-1, &watched, SFD_CLOEXEC);
    if (signal_fd < 0 || !fb_descendants_adopt() || (getpgrp() != self && setpgid(0, 0) != 0)) {
        complain("cannot guard", command[0], strerrordesc_np(errno));
        return OWN_FAILURE;
    }
    guard.server = vfork();
    if (guard.server == 0) {
        become_server(command, self, &before);
    }
    if (guard.server < 0) {
        complain("cannot start", command[0], strerrordesc_np(errno));
        return OWN_FAILURE;
    }
    if (!let_go_of_streams()) {
        begin_end(&guard, 0);
    }
    stand_guard(&guard, signal_fd);
    return guard.exit_code;
}
