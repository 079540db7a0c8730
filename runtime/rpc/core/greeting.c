#include "runtime/rpc/core/greeting.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct silent {
    struct fb_watch watch; /* first */
    struct fb_timer timer;
    struct fb_core_greeting *greeting;
    struct silent *next;
    struct silent **link;
};

struct fb_core_greeting {
    struct fb_loop *loop;
    int64_t timeout_ms;
    fb_core_greeted_fn *fn;
    void *arg;
    struct silent *first;
};

/* Lets go of it; its descriptor stays open. */
static int leave(struct silent *silent)
{
    int fd = silent->watch.fd;

    fb_loop_unwatch(&silent->watch);
    fb_timer_clear(&silent->timer);
    *silent->link = silent->next;
    if (silent->next != NULL) {
        silent->next->link = silent->link;
    }
    free(silent);
    return fd;
}

static void drop(struct fb_core_greeting *greeting, int fd)
{
    close(fd);
    greeting->fn(greeting->arg, -1);
}

static void on_readable(struct fb_watch *watch, unsigned events)
{
    struct silent *silent = (struct silent *)watch;
    struct fb_core_greeting *greeting = silent->greeting;
    int fd = leave(silent);
    char byte;

    (void)events;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
        greeting->fn(greeting->arg, fd);
    } else {
        drop(greeting, fd);
    }
}

static void on_timeout(struct fb_timer *timer)
{
    struct silent *silent =
        (struct silent *)(void *)((char *)timer - offsetof(struct silent, timer));
    struct fb_core_greeting *greeting = silent->greeting;

    drop(greeting, leave(silent));
}

struct fb_core_greeting *fb_core_greeting_create(struct fb_loop *loop, int64_t timeout_ms,
                                                 fb_core_greeted_fn *fn, void *arg)
{
    struct fb_core_greeting *greeting = calloc(1, sizeof(*greeting));

    if (greeting == NULL) {
        return NULL;
    }
    greeting->loop = loop;
    greeting->timeout_ms = timeout_ms;
    greeting->fn = fn;
    greeting->arg = arg;
    return greeting;
}

void fb_core_greeting_destroy(struct fb_core_greeting *greeting)
{
    struct silent *silent = greeting == NULL ? NULL : greeting->first;

    while (silent != NULL) {
        struct silent *next = silent->next;

        drop(greeting, leave(silent));
        silent = next;
    }
    free(greeting);
}

void fb_core_greeting_add(struct fb_core_greeting *greeting, int fd)
{
    struct silent *silent = calloc(1, sizeof(*silent));

    if (silent == NULL ||
        !fb_is_ok(fb_loop_watch(greeting->loop, &silent->watch, fd, FB_READABLE, on_readable))) {
        free(silent);
        drop(greeting, fd);
        return;
    }
    silent->greeting = greeting;
    silent->next = greeting->first;
    silent->link = &greeting->first;
    if (silent->next != NULL) {
        silent->next->link = &silent->next;
    }
    greeting->first = silent;
    fb_timer_set(greeting->loop, &silent->timer,
                 fb_loop_now_ms(greeting->loop) + greeting->timeout_ms, on_timeout);
}
