#define _GNU_SOURCE /* syscall */

/*
 * down: ends the suite of this machine.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clients/flowctl/commands.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"
#include "runtime/base/clock.h"

enum { FORCED_MS = 10000, ROUND_MS = 500 };

struct down_options {
    int64_t wait_ms;
    bool force;
};

static struct down_options down_options;

static const struct fb_option down_table[] = {
    {"wait", FB_OPTION_DURATION, offsetof(struct down_options, wait_ms), .fallback = "75s",
     .least = "0", .most = "1h", .help = "how long the programs may take to end what they do"},
    {"force", FB_OPTION_BOOL, offsetof(struct down_options, force),
     .help = "have what still runs then killed"},
    {.name = NULL},
};

/* True when the process has ended in time. */
static bool wait_for_end(int pidfd, int64_t wait_ms)
{
    const int64_t began_ms = fb_clock_ms();
    struct pollfd polled = {.fd = pidfd, .events = POLLIN};
    char room[UNITS_ROOM];

    for (;;) {
        const int64_t left_ms = began_ms + wait_ms - fb_clock_ms();
        const int ready = poll(&polled, 1,
                               (int)(left_ms > ROUND_MS ? ROUND_MS
                                     : left_ms < 0      ? 0
                                                        : left_ms));

        if (ready > 0) {
            return true;
        }
        if (left_ms <= 0) {
            return false;
        }
        if (fb_clock_ms() - began_ms > 1000) {
            terminal_progress("waiting for calls to end, %s",
                              units_ms((fb_clock_ms() - began_ms) / 1000 * 1000, room));
        }
    }
}

static bool signal_supervisor(int pidfd, int number)
{
    return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) == 0;
}

static int report(const struct run *run, const struct suite *suite, bool ended, bool forced,
                  int64_t took_ms)
{
    struct writer writer = {.depth = 0};
    char room[UNITS_ROOM];

    if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key_bool(&writer, "ended", ended);
        writer_key_bool(&writer, "forced", forced);
        writer_key_int(&writer, "pid", suite->pid);
        writer_key_uint(&writer, "programs", suite->count);
        writer_key_int(&writer, "took_ms", took_ms);
        writer_close(&writer, '}');
        writer_send(&writer);
    } else if (ended) {
        terminal_print("flow-balancer is down: flow-supervisor (%" PRId64 ") and its %zu programs "
                       "%s after %s\n",
                       suite->pid, suite->count, forced ? "were killed" : "ended",
                       units_ms(took_ms, room));
    }
    if (!ended) {
        terminal_complain("\"flowctl down --force\" kills what still runs",
                          "told flow-supervisor (%" PRId64 ") to end; it still does after %s",
                          suite->pid, units_ms(took_ms, room));
    }
    return ended ? EXIT_DONE : EXIT_UNAVAILABLE;
}

static int end_suite(const struct run *run, const struct suite *suite, int pidfd)
{
    const int64_t began_ms = fb_clock_ms();
    bool forced = false;
    bool ended;

    if (!signal_supervisor(pidfd, SIGTERM)) {
        terminal_complain(NULL, "flow-supervisor (%" PRId64 ") cannot be told to end: %s",
                          suite->pid, strerror(errno));
        return errno == EPERM ? EXIT_DENIED : EXIT_UNAVAILABLE;
    }
    ended = wait_for_end(pidfd, down_options.wait_ms);
    if (!ended && down_options.force) {
        forced = true;
        signal_supervisor(pidfd, SIGTERM); /* the second time it kills all at once */
        ended = wait_for_end(pidfd, FORCED_MS);
    }
    terminal_progress_end();
    return report(run, suite, ended, forced, fb_clock_ms() - began_ms);
}

static int say_none_runs(const struct run *run)
{
    struct writer writer = {.depth = 0};

    if (run->globals->json) {
        writer_open(&writer, '{');
        writer_key_bool(&writer, "ended", false);
        writer_key_bool(&writer, "ran", false);
        writer_close(&writer, '}');
        writer_send(&writer);
    } else {
        terminal_print("no suite runs in %s\n", run->state_dir);
    }
    return EXIT_DONE;
}

static int down(const struct run *run)
{
    struct suite suite;
    struct suite again;
    struct fb_status status = suite_read(run->state_dir, run->arena, &suite);
    int pidfd;
    int code;

    if (!suite.runs) {
        return say_none_runs(run);
    }
    if (!fb_is_ok(status) || !suite.is_told || suite.pid <= 1) {
        terminal_complain("look who holds run/suite.lock in the state folder",
                          "a suite runs, but what it said of itself cannot be read: %s",
                          fb_is_ok(status) ? "no suite.json" : status.why);
        return EXIT_UNAVAILABLE;
    }
    pidfd = (int)syscall(SYS_pidfd_open, (pid_t)suite.pid, 0);
    /* With the process held, the file must say the same: else the number may be a stranger's. */
    status = suite_read(run->state_dir, run->arena, &again);
    if (fb_is_ok(status) && !again.runs) {
        code = say_none_runs(run);
    } else if (pidfd < 0 || !again.is_told || again.pid != suite.pid) {
        terminal_complain("try again", "the suite is just being started or ended by somebody else");
        code = EXIT_UNAVAILABLE;
    } else {
        code = end_suite(run, &suite, pidfd);
    }
    if (pidfd >= 0) {
        close(pidfd);
    }
    return code;
}

const struct command command_down = {
    .name = "down",
    .usage = "",
    .purpose = "end the suite of this machine, letting calls end first",
    .details = "Tells flow-supervisor to end: routers first, then workers, then the store. What is "
               "durable stays.\nWithout a suite nothing is done, which is no error",
    .options = down_table,
    .config = &down_options,
    .run = down,
};
