#ifndef FB_GATEWAY_SUITE_H
#define FB_GATEWAY_SUITE_H

/*
 * suite: brings up the programs of this machine when none run, as ssh-agent or tmux do.
 *
 * Any number of gateways may want a suite at once: a lock on `run/start.lock` lets one of them start
 * it, the others wait until its router accepts. What is started is detached: it outlives the gateway
 * and writes to a log of its own. On the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/loop/loop.h"

struct suite;

/* All borrowed. */
struct suite_config {
    const char *state_dir;   /* absolute; made if it is not there, with mode 0700 */
    const char *socket;      /* of the router; below state_dir */
    const char *supervisor;  /* path or name; NULL: flow-supervisor, beside us or in PATH */
    const char *beside;      /* argv[0] of ours */
    const char *config_path; /* --config for it; NULL: not given */
    bool state_dir_given;    /* --state-dir for it */
    int64_t patience_ms;     /* from the wish to the first accepted connection */
};

/* NULL when memory is exhausted. Nothing is started. */
struct suite *suite_create(struct fb_loop *loop, const struct suite_config *config);

/* A suite that was started lives on. NULL is fine. */
void suite_destroy(struct suite *suite);

/*
 * Has a suite running and its router accepting; `done` is called once, later. UNAVAILABLE and the
 * others say what is wrong and where the log is; `why` is borrowed until `done` returns. Not while
 * one is under way.
 */
typedef void suite_done_fn(void *arg, struct fb_status status);
void suite_start(struct suite *suite, suite_done_fn *done, void *arg);

#endif
