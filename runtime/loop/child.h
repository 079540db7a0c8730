#ifndef FB_RUNTIME_LOOP_CHILD_H
#define FB_RUNTIME_LOOP_CHILD_H

/*
 * child: a child process with its end reported by pidfd.
 *
 * On the loop's thread, which must be one that lives as long as the process: the parent-death
 * signal is tied to the thread that forks.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/loop/loop.h"

struct fb_child;

/*
 * How it ended: exactly one of the two is set. A child that somebody else reaped (no part of this
 * program should) counts as killed by SIGKILL.
 */
struct fb_child_end {
    int exit_code; /* 0 to 255, or -1 */
    int signal;    /* number of the signal, or 0 */
};

/* Called once, after the child was reaped; then its struct may be used again. */
typedef void fb_child_end_fn(struct fb_child *child, struct fb_child_end end);

/* All zero is a child that is not running. */
struct fb_child {
    pid_t pid;             /* 0 when not running */
    struct fb_watch watch; /* of the pidfd */
    fb_child_end_fn *on_end;
};

struct fb_child_plan {
    const char *const *argv; /* NULL-ended; argv[0] without a slash is looked up in PATH of `env` */
    const char *const *env;  /* NULL-ended "NAME=value", the whole environment; NULL keeps ours */
    const char *cwd;         /* NULL keeps ours; a relative argv[0] counts from here */
    int stdin_fd;            /* -1 means /dev/null; the three stay the caller's to close */
    int stdout_fd;
    int stderr_fd;
    int keep_fd;      /* one more descriptor to inherit, as number 3; -1 for none */
    bool own_group;   /* leads a process group of its own */
    bool own_session; /* setsid: for programs that outlive the terminal */
    int death_signal; /* sent to the child when our thread dies; 0 for none */
};

/*
 * Starts a program without a shell; every other descriptor is closed in it and signals are at their
 * defaults, none blocked. The plan is only borrowed. NOT_FOUND or PERMISSION_DENIED (named) when it
 * cannot be executed or `cwd` not entered, INVALID_ARGUMENT when arguments and environment are too
 * long, UNAVAILABLE when the system has no room; then nothing is left behind and `on_end` is never
 * called. `why` is text in a static buffer of this module, good until the next start.
 */
struct fb_status fb_child_start(struct fb_loop *loop, struct fb_child *child,
                                const struct fb_child_plan *plan, fb_child_end_fn *on_end);

/* By pidfd, so never to a stranger that inherited the number; false when it has ended already. */
bool fb_child_signal(struct fb_child *child, int signal);

/*
 * Signals the whole process group of a child started with own_group or own_session, also while the
 * leader has ended and on_end has not been called yet.
 */
bool fb_child_signal_group(struct fb_child *child, int signal);

/*
 * Stops watching without waiting: for owners that end first. The child is left to itself, and to
 * whoever reaps our children. Harmless when not running.
 */
void fb_child_forget(struct fb_child *child);

#endif
