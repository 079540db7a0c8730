#ifndef FB_SERVICES_SUPERVISOR_SUPERVISOR_H
#define FB_SERVICES_SUPERVISOR_SUPERVISOR_H

/*
 * supervisor: starts the programs of a suite, starts again what ends, and ends all in order.
 *
 * Programs get SIGTERM when the supervisor dies in whatever way. What a program leaves behind when
 * it dies becomes the supervisor's: it gets the time to end by itself that a program gets, then
 * SIGKILL. On the loop's thread, which is the process's only one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/loop/loop.h"
#include "services/supervisor/fleet.h"
#include "services/supervisor/place.h"

struct supervisor;

/* All strings and `place` are borrowed for the supervisor's life. */
struct supervisor_plan {
    struct fb_loop *loop;
    const struct place *place;
    struct fleet fleet;
    const char *store; /* paths of the programs */
    const char *router;
    const char *worker;
    const char *guard;        /* handed on to workers; NULL: beside the worker */
    const char *config;       /* file handed on to each; NULL: their default */
    const char *log_level;    /* handed on */
    const char *log_format;   /* handed on */
    int output;               /* where the programs log */
    int64_t stop_ms;          /* for routers, then workers, then the store, to end */
    void (*ended)(void *arg); /* all is gone after supervisor_stop */
    void *arg;
};

/* Starts all programs. INVALID_ARGUMENT, RESOURCE_EXHAUSTED; a program that does not start is tried
 * again like one that ended. */
struct fb_status supervisor_create(const struct supervisor_plan *plan, struct fb_arena *arena,
                                   struct supervisor **supervisor);

/* After `ended`, or before the loop runs. NULL is fine. */
void supervisor_destroy(struct supervisor *supervisor);

/* Asks routers, then workers, then the store to end; kills what takes longer than stop_ms. Called
 * again it kills everything at once. */
void supervisor_stop(struct supervisor *supervisor);

/* Hands a signal on to all programs that run. */
void supervisor_signal(struct supervisor *supervisor, int number);

#endif
