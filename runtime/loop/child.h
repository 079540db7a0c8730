#ifndef FB_RUNTIME_LOOP_CHILD_H
#define FB_RUNTIME_LOOP_CHILD_H

/*
 * child: a child process with its end reported by pidfd.
 *
 * On the loop's thread, which must be the thread that lives as long as the process (the parent-death
 * signal is tied to the thread that forks).
 */

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/loop/loop.h"

struct fb_child;

/* How it ended: exactly one of the two is set. */
struct fb_child_end {
    int exit_code;   /* 0 to 255, or -1 */
    int signal;      /* number of the signal, or 0 */
};

/* Called once, after the child was reaped; then its struct may be used again. */
typedef void fb_child_end_fn(struct fb_child *child, struct fb_child_end end);

struct fb_child {
    pid_t pid;               /* 0 when not running */
    struct fb_watch watch;   /* of the pidfd */
    fb_child_end_fn *on_end;
};

struct fb_child_plan {
    const char *const *argv;     /* NULL-ended; argv[0] is looked up in PATH of `env` */
    const char *const *env;      /* NULL-ended "NAME=value", the whole environment; NULL keeps ours */
    const char *cwd;             /* NULL keeps ours */
    int stdin_fd;                /* -1 means /dev/null; the three stay the caller's to close */
    int stdout_fd;
    int stderr_fd;
    int keep_fd;                 /* one more descriptor to inherit, as number 3; -1 for none */
    bool own_group;              /* leads a process group of its own */
    bool own_session;            /* setsid: for programs that outlive the terminal */
    int death_signal;            /* sent to the child when our thread dies; 0 for none */
};

/*
 * Starts a program without a shell; every other descriptor is closed in it and signals are at their
 * defaults. NOT_FOUND or PERMISSION_DENIED (named) when it cannot be executed, UNAVAILABLE when the
 * system has no room. `why` is text in a static buffer of this module, good until the next start.
 */
struct fb_status fb_child_start(struct fb_loop *loop, struct fb_child *child,
                                const struct fb_child_plan *plan, fb_child_end_fn *on_end);

/* By pidfd, so never to a stranger that inherited the number; false when it has ended already. */
bool fb_child_signal(struct fb_child *child, int signal);

/* Signals the whole process group of a child started with own_group. */
bool fb_child_signal_group(struct fb_child *child, int signal);

/* Stops watching without waiting: for owners that end first. The child is left to itself. */
void fb_child_forget(struct fb_child *child);

#endif
