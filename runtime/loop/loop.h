#ifndef FB_RUNTIME_LOOP_LOOP_H
#define FB_RUNTIME_LOOP_LOOP_H

/*
 * loop: one thread's epoll loop with timers, deferred work and posts from other threads.
 *
 * Everything but fb_loop_post and fb_loop_stop is called on the loop's own thread (or before it
 * runs). Watches and timers are embedded in their owners: the loop allocates nothing per event.
 */

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

struct fb_loop;
struct fb_watch;
struct fb_timer;
struct fb_defer;

/* NULL when the process is out of descriptors or memory. */
struct fb_loop *fb_loop_create(void);

/*
 * Frees the loop (NULL does nothing). Posts not yet run are run first; timers and deferred work
 * still pending are forgotten as if cleared; a watch still registered may not be touched after.
 */
void fb_loop_destroy(struct fb_loop *loop);

/* Runs until fb_loop_stop, not at all if that came first; may be run again after. */
void fb_loop_run(struct fb_loop *loop);

/*
 * One round: waits at most `wait_ms` (0 polls, below 0 waits without limit) for something to do and
 * does all that is due: events of descriptors, posts, timers, deferred work, in that order, so that
 * an answer wins over the timer that would have given it up. Never from inside a round. For
 * programs that drive the loop until something of theirs is done.
 */
void fb_loop_turn(struct fb_loop *loop, int64_t wait_ms);

/* Makes fb_loop_run return after the present round. Any thread, and signal handlers. */
void fb_loop_stop(struct fb_loop *loop);

/*
 * Monotonic time as read at the start of the present round: no system call. Outside of a round (in
 * set-up before the loop runs) the clock itself.
 */
int64_t fb_loop_now_ms(const struct fb_loop *loop);

/*
 * Runs `fn(arg)` on the loop's thread, in order of posting. Any thread. False only when memory is
 * exhausted; then nothing was posted.
 */
typedef void fb_post_fn(void *arg);
bool fb_loop_post(struct fb_loop *loop, fb_post_fn *fn, void *arg);

/* --- descriptors --- */

enum { FB_READABLE = 1, FB_WRITABLE = 2 };

/*
 * `events` is what came of what is asked for; an error or hang-up counts as all of it. With an
 * interest of 0 nothing is ever called: a hang-up is then reported once interest returns.
 */
typedef void fb_watch_fn(struct fb_watch *watch, unsigned events);

struct fb_watch {
    int fd;            /* -1 when not watching */
    unsigned interest; /* FB_READABLE | FB_WRITABLE; level triggered */
    fb_watch_fn *fn;
    struct fb_loop *loop;
};

/* Watches `fd`, which stays the caller's to close (after unwatch). UNAVAILABLE: epoll refuses. */
struct fb_status fb_loop_watch(struct fb_loop *loop, struct fb_watch *watch, int fd,
                               unsigned interest, fb_watch_fn *fn);

/* Changes what is waited for, also of events already fetched; the same again costs nothing. */
void fb_watch_interest(struct fb_watch *watch, unsigned interest);

/* Its function will not be called again, not even for an event already fetched. Harmless twice. */
void fb_loop_unwatch(struct fb_watch *watch);

/* --- timers --- */

typedef void fb_timer_fn(struct fb_timer *timer);

/* All zero is a timer that is not set. */
struct fb_timer {
    int64_t due_ms; /* monotonic */
    fb_timer_fn *fn;
    struct fb_loop *loop;
    uint32_t place; /* in the heap, from 1; 0 when not set */
};

/*
 * Sets or moves it: `fn` is called once, not before `due_ms` (monotonic; the past means soon), and
 * may set it again. The order of timers due at the same time is not defined. Ends the process when
 * there is no memory for the heap: a timer that is lost in silence would be worse.
 */
void fb_timer_set(struct fb_loop *loop, struct fb_timer *timer, int64_t due_ms, fb_timer_fn *fn);

/* Its function will not be called. Harmless when not set. */
void fb_timer_clear(struct fb_timer *timer);

/* --- work for the end of the round --- */

typedef void fb_defer_fn(struct fb_defer *defer);

/* All zero is not pending. */
struct fb_defer {
    fb_defer_fn *fn;
    struct fb_loop *loop;
    struct fb_defer *next;
    struct fb_defer **link; /* what points at us while pending, else NULL */
};

/*
 * Calls `fn` once when the events of this round have been handled, before the loop waits again:
 * where what a round produced is written in one go. Already pending: nothing happens. Deferred from
 * deferred work it still comes before the next wait.
 */
void fb_loop_defer(struct fb_loop *loop, struct fb_defer *defer, fb_defer_fn *fn);
void fb_defer_cancel(struct fb_defer *defer);

#endif
