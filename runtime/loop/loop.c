#define _GNU_SOURCE /* epoll_create1 and eventfd are Linux's */

#include "runtime/loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"

enum {
    EVENTS_PER_ROUND = 256, /* more wait for the next round; epoll hands them out in turn */
    DEFER_PASSES = 8,       /* of work deferred by deferred work, before the loop looks up again */
    FIRST_TIMERS = 64,
    HEAP_ARITY = 4 /* flatter than a binary heap: fewer cache lines per move */
};

struct post {
    struct post *next;
    fb_post_fn *fn;
    void *arg;
};

struct fb_loop {
    int epoll_fd;
    int wake_fd; /* an eventfd; registered with the loop itself as its datum */

    /* the present round */
    bool in_round;
    int64_t now_ms;
    struct epoll_event events[EVENTS_PER_ROUND];
    int event_next; /* events before it have been handled */
    int event_count;

    /* timers: a heap by due_ms; the timer at index i has place i + 1 */
    struct fb_timer **timers;
    uint32_t timer_count;
    uint32_t timer_room;

    /* deferred work, in order */
    struct fb_defer *deferred;
    struct fb_defer **deferred_end;

    /* shared with other threads */
    _Atomic(struct post *) posts; /* newest first */
    atomic_bool asleep;           /* waiting or about to: who posts must wake us */
    atomic_bool stopping;
};

static_assert(ATOMIC_POINTER_LOCK_FREE == 2 && ATOMIC_BOOL_LOCK_FREE == 2,
              "fb_loop_stop is called from signal handlers");

struct fb_loop *fb_loop_create(void)
{
    struct fb_loop *loop = calloc(1, sizeof(*loop));
    struct epoll_event wake = {.events = EPOLLIN};

    if (loop == NULL) {
        return NULL;
    }
    loop->deferred_end = &loop->deferred;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wake.data.ptr = loop;
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) != 0) {
        fb_loop_destroy(loop);
        return NULL;
    }
    return loop;
}

static bool run_posts(struct fb_loop *loop)
{
    struct post *newest = atomic_exchange(&loop->posts, NULL);
    struct post *next = NULL;

    if (newest == NULL) {
        return false;
    }
    while (newest != NULL) {
        struct post *older = newest->next;

        newest->next = next;
        next = newest;
        newest = older;
    }
    while (next != NULL) {
        struct post *post = next;

        next = post->next;
        post->fn(post->arg);
        free(post);
    }
    return true;
}

void fb_loop_destroy(struct fb_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!loop->in_round);
    while (run_posts(loop)) {
    }
    for (uint32_t i = 0; i < loop->timer_count; i++) {
        loop->timers[i]->place = 0;
    }
    while (loop->deferred != NULL) {
        fb_defer_cancel(loop->deferred);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    free(loop->timers);
    free(loop);
}

/* --- other threads --- */

static void wake(struct fb_loop *loop)
{
    const uint64_t one = 1;
    int saved = errno;

    /* EAGAIN would mean that it is full, thus readable, thus awake. */
    if (write(loop->wake_fd, &one, sizeof(one)) < 0) {
        assert(errno == EAGAIN);
    }
    errno = saved;
}

void fb_loop_stop(struct fb_loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

bool fb_loop_post(struct fb_loop *loop, fb_post_fn *fn, void *arg)
{
    struct post *post = malloc(sizeof(*post));

    if (post == NULL) {
        return false;
    }
    *post = (struct post){.next = atomic_load(&loop->posts), .fn = fn, .arg = arg};
    while (!atomic_compare_exchange_weak(&loop->posts, &post->next, post)) {
    }
    /*
     * The loop sets `asleep` before it looks at `posts` for the last time, we look at `asleep`
     * after we have put ours there: one of the two sees the other. Whoever takes the flag wakes.
     */
    if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false)) {
        wake(loop);
    }
    return true;
}

/* --- descriptors --- */

/*
 * Errors and hang-ups come whether asked for or not, again and again. Where nothing is asked for,
 * edge triggering makes that a single event, which is then ignored.
 */
static uint32_t epoll_events(unsigned interest)
{
    uint32_t events = 0;

    if (interest & FB_READABLE) {
        events |= EPOLLIN;
    }
    if (interest & FB_WRITABLE) {
        events |= EPOLLOUT;
    }
    return events == 0 ? EPOLLET : events;
}

struct fb_status fb_loop_watch(struct fb_loop *loop, struct fb_watch *watch, int fd,
                               unsigned interest, fb_watch_fn *fn)
{
    struct epoll_event event = {.events = epoll_events(interest), .data.ptr = watch};

    *watch = (struct fb_watch){.fd = -1, .loop = loop};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        switch (errno) {
        case EPERM:
            return fb_fail(FB_UNAVAILABLE, "descriptor is of a kind that cannot be waited for");
        case EEXIST:
            return fb_fail(FB_UNAVAILABLE, "descriptor is watched already");
        case EBADF:
            return fb_fail(FB_UNAVAILABLE, "descriptor is not open");
        default:
            return fb_fail(FB_UNAVAILABLE, "system has no room to watch another descriptor");
        }
    }
    *watch = (struct fb_watch){.fd = fd, .interest = interest, .fn = fn, .loop = loop};
    return fb_ok;
}

static bool watching(const struct fb_watch *watch)
{
    return watch->loop != NULL && watch->fd >= 0;
}

void fb_watch_interest(struct fb_watch *watch, unsigned interest)
{
    struct epoll_event event = {.events = epoll_events(interest), .data.ptr = watch};
    int failed;

    assert(watching(watch));
    if (watch->interest == interest) {
        return;
    }
    watch->interest = interest;
    failed = epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    assert(failed == 0); /* only a descriptor closed under us is refused */
    (void)failed;
}

void fb_loop_unwatch(struct fb_watch *watch)
{
    struct fb_loop *loop = watch->loop;

    if (!watching(watch)) {
        return;
    }
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    for (int i = loop->event_next; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

static void run_events(struct fb_loop *loop)
{
    while (loop->event_next < loop->event_count) {
        const struct epoll_event *event = &loop->events[loop->event_next++];
        struct fb_watch *watch = event->data.ptr;
        unsigned came = 0;

        if (event->data.ptr == loop) {
            uint64_t wakes;

            if (read(loop->wake_fd, &wakes, sizeof(wakes)) < 0) {
                assert(errno == EAGAIN);
            }
            continue;
        }
        if (watch == NULL) {
            continue;
        }
        if (event->events & EPOLLIN) {
            came |= FB_READABLE;
        }
        if (event->events & EPOLLOUT) {
            came |= FB_WRITABLE;
        }
        if (event->events & (EPOLLERR | EPOLLHUP)) {
            came |= FB_READABLE | FB_WRITABLE;
        }
        came &= watch->interest; /* it may have changed since the event was fetched */
        if (came != 0) {
            watch->fn(watch, came);
        }
    }
    loop->event_next = 0;
    loop->event_count = 0;
}

/* --- timers --- */

static void put_timer(struct fb_loop *loop, uint32_t index, struct fb_timer *timer)
{
    loop->timers[index] = timer;
    timer->place = index + 1;
}

/* Writes `timer` where it belongs on the way from `index` to the root. */
static void sift_up(struct fb_loop *loop, uint32_t index, struct fb_timer *timer)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / HEAP_ARITY;

        if (loop->timers[parent]->due_ms <= timer->due_ms) {
            break;
        }
        put_timer(loop, index, loop->timers[parent]);
        index = parent;
    }
    put_timer(loop, index, timer);
}

/* The same, away from the root. */
static void sift_down(struct fb_loop *loop, uint32_t index, struct fb_timer *timer)
{
    for (;;) {
        uint64_t first = (uint64_t)index * HEAP_ARITY + 1;
        uint32_t least;

        if (first >= loop->timer_count) {
            break;
        }
        least = (uint32_t)first;
        for (uint64_t i = first + 1; i < first + HEAP_ARITY && i < loop->timer_count; i++) {
            if (loop->timers[i]->due_ms < loop->timers[least]->due_ms) {
                least = (uint32_t)i;
            }
        }
        if (timer->due_ms <= loop->timers[least]->due_ms) {
            break;
        }
        put_timer(loop, index, loop->timers[least]);
        index = least;
    }
    put_timer(loop, index, timer);
}

static void settle(struct fb_loop *loop, uint32_t index, struct fb_timer *timer)
{
    if (index > 0 && loop->timers[(index - 1) / HEAP_ARITY]->due_ms > timer->due_ms) {
        sift_up(loop, index, timer);
    } else {
        sift_down(loop, index, timer);
    }
}

static void grow_timers(struct fb_loop *loop)
{
    uint32_t room = loop->timer_room == 0 ? FIRST_TIMERS : loop->timer_room * 2;
    struct fb_timer **timers = NULL;

    if (room <= UINT32_MAX / 2) {
        timers = realloc(loop->timers, room * sizeof(*timers));
    }
    if (timers == NULL) {
        fputs("out of memory for timers\n", stderr);
        abort();
    }
    loop->timers = timers;
    loop->timer_room = room;
}

void fb_timer_set(struct fb_loop *loop, struct fb_timer *timer, int64_t due_ms, fb_timer_fn *fn)
{
    assert(timer->place == 0 || timer->loop == loop);
    timer->due_ms = due_ms;
    timer->fn = fn;
    timer->loop = loop;
    if (timer->place != 0) {
        settle(loop, timer->place - 1, timer);
        return;
    }
    if (loop->timer_count == loop->timer_room) {
        grow_timers(loop);
    }
    sift_up(loop, loop->timer_count++, timer);
}

void fb_timer_clear(struct fb_timer *timer)
{
    struct fb_loop *loop = timer->loop;
    struct fb_timer *last;
    uint32_t index;

    if (timer->place == 0) {
        return;
    }
    index = timer->place - 1;
    assert(loop->timers[index] == timer);
    timer->place = 0;
    last = loop->timers[--loop->timer_count];
    if (last != timer) {
        settle(loop, index, last);
    }
}

/* No more calls than were set at first: those set meanwhile for the past come next round. */
static void run_timers(struct fb_loop *loop)
{
    uint32_t most = loop->timer_count;

    while (most-- > 0 && loop->timer_count > 0 && loop->timers[0]->due_ms <= loop->now_ms) {
        struct fb_timer *timer = loop->timers[0];

        fb_timer_clear(timer);
        timer->fn(timer);
    }
}

/* --- work for the end of the round --- */

void fb_loop_defer(struct fb_loop *loop, struct fb_defer *defer, fb_defer_fn *fn)
{
    if (defer->link != NULL) {
        return;
    }
    *defer = (struct fb_defer){.fn = fn, .loop = loop, .link = loop->deferred_end};
    *loop->deferred_end = defer;
    loop->deferred_end = &defer->next;
}

void fb_defer_cancel(struct fb_defer *defer)
{
    if (defer->link == NULL) {
        return;
    }
    *defer->link = defer->next;
    if (defer->next != NULL) {
        defer->next->link = defer->link;
    }
    if (defer->loop->deferred_end == &defer->next) {
        defer->loop->deferred_end = defer->link;
    }
    defer->next = NULL;
    defer->link = NULL;
}

static void run_deferred(struct fb_loop *loop)
{
    for (int pass = 0; pass < DEFER_PASSES && loop->deferred != NULL; pass++) {
        struct fb_defer *batch = loop->deferred;

        batch->link = &batch;
        loop->deferred = NULL;
        loop->deferred_end = &loop->deferred;
        while (batch != NULL) {
            struct fb_defer *defer = batch;

            fb_defer_cancel(defer);
            defer->fn(defer);
        }
    }
}

/* --- rounds --- */

int64_t fb_loop_now_ms(const struct fb_loop *loop)
{
    return loop->in_round ? loop->now_ms : fb_clock_ms();
}

static int wait_for_ms(const struct fb_loop *loop, int64_t wait_ms)
{
    if (wait_ms == 0 || loop->deferred != NULL) {
        return 0;
    }
    if (loop->timer_count > 0) {
        int64_t due_ms = loop->timers[0]->due_ms;
        int64_t now_ms = fb_clock_ms();

        if (due_ms <= now_ms) {
            return 0;
        }
        if (wait_ms < 0 || due_ms - now_ms < wait_ms) {
            wait_ms = due_ms - now_ms;
        }
    }
    if (wait_ms < 0) {
        return -1;
    }
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

void fb_loop_turn(struct fb_loop *loop, int64_t wait_ms)
{
    int most_ms = wait_for_ms(loop, wait_ms);
    int count;

    assert(!loop->in_round);
    if (most_ms != 0) {
        atomic_store(&loop->asleep, true);
        if (atomic_load(&loop->posts) != NULL) {
            most_ms = 0;
        }
    }
    count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_ROUND, most_ms);
    assert(count >= 0 || errno == EINTR);
    atomic_store(&loop->asleep, false);
    loop->event_next = 0;
    loop->event_count = count < 0 ? 0 : count;
    loop->now_ms = fb_clock_ms();

    loop->in_round = true;
    run_events(loop);
    run_posts(loop);
    run_timers(loop);
    run_deferred(loop);
    loop->in_round = false;
}

void fb_loop_run(struct fb_loop *loop)
{
    while (!atomic_exchange(&loop->stopping, false)) {
        fb_loop_turn(loop, -1);
    }
}
