#ifndef FB_RUNTIME_LOOP_SIGNALS_H
#define FB_RUNTIME_LOOP_SIGNALS_H

/*
 * signals: what asks a program to end or to read its configuration again, as events of the loop.
 *
 * SIGTERM, SIGINT and SIGHUP are blocked and read from a descriptor; SIGPIPE is ignored, so that
 * writing to a closed peer is an error and no death. Opened once per process, on the loop's thread
 * and before any other thread starts, as threads inherit what is blocked. fb_child_start undoes all
 * of it in children.
 */

#include <signal.h>

#include "runtime/loop/loop.h"

struct fb_signals;

/* `number` is SIGTERM, SIGINT or SIGHUP. */
typedef void fb_signals_fn(struct fb_signals *signals, int number);

/* All zero is not open. */
struct fb_signals {
    struct fb_watch watch; /* of the signalfd */
    fb_signals_fn *fn;
    sigset_t before; /* what was blocked before us */
};

/* UNAVAILABLE when the process is out of descriptors. */
struct fb_status fb_signals_open(struct fb_loop *loop, struct fb_signals *signals,
                                 fb_signals_fn *fn);

/* The signals have their former effect again; SIGPIPE stays ignored. Harmless when not open. */
void fb_signals_close(struct fb_signals *signals);

#endif
