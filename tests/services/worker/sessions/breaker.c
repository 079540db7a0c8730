#include "tests/services/worker/sessions/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIECE_BYTES = 64 << 10 };

/* One connection of the caller, and the one to the server that belongs to it. */
struct pair {
    struct breaker *breaker;
    struct fb_watch caller;
    struct fb_watch server;
    struct pair *next;
};

struct breaker {
    struct fb_loop *loop;
    struct sockaddr_un to;
    struct fb_watch listener;
    struct pair *pairs;
    unsigned every;
    unsigned pieces;
    unsigned broken;
};

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static struct sockaddr_un address_of(const char *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", target + strlen("unix:"));
    return address;
}

static void close_pair(struct pair *pair)
{
    struct pair **at = &pair->breaker->pairs;

    while (*at != pair) {
        at = &(*at)->next;
    }
    *at = pair->next;
    close(pair->caller.fd);
    close(pair->server.fd);
    fb_loop_unwatch(&pair->caller);
    fb_loop_unwatch(&pair->server);
    free(pair);
}

/* False: the connection is at its end. */
static bool pass(int from, int to)
{
    char piece[PIECE_BYTES];
    const ssize_t size = recv(from, piece, sizeof(piece), 0);
    ssize_t sent = 0;

    while (size > 0 && sent < size) {
        const ssize_t more = send(to, piece + sent, (size_t)(size - sent), MSG_NOSIGNAL);

        if (more <= 0) {
            return false;
        }
        sent += more;
    }
    return size > 0;
}

static void on_caller(struct fb_watch *watch, unsigned events)
{
    struct pair *pair = OWNER_OF(struct pair, caller, watch);

    (void)events;
    if (!pass(pair->caller.fd, pair->server.fd)) {
        close_pair(pair);
    }
}

static void on_server(struct fb_watch *watch, unsigned events)
{
    struct pair *pair = OWNER_OF(struct pair, server, watch);
    struct breaker *breaker = pair->breaker;

    (void)events;
    breaker->pieces++;
    if (breaker->every != 0 && breaker->pieces % breaker->every == 0) {
        breaker->broken++;
        close_pair(pair);
    } else if (!pass(pair->server.fd, pair->caller.fd)) {
        close_pair(pair);
    }
}

static void on_listener(struct fb_watch *watch, unsigned events)
{
    struct breaker *breaker = OWNER_OF(struct breaker, listener, watch);
    const int caller = accept(watch->fd, NULL, NULL);
    const int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct pair *pair;

    (void)events;
    if (caller < 0 || server < 0 ||
        connect(server, (const struct sockaddr *)&breaker->to, sizeof(breaker->to)) != 0) {
        close(caller);
        close(server);
        return;
    }
    pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    pair->breaker = breaker;
    pair->next = breaker->pairs;
    breaker->pairs = pair;
    assert_int_equal(
        fb_loop_watch(breaker->loop, &pair->caller, caller, FB_READABLE, on_caller).code, FB_OK);
    assert_int_equal(
        fb_loop_watch(breaker->loop, &pair->server, server, FB_READABLE, on_server).code, FB_OK);
}

struct breaker *breaker_create(struct fb_loop *loop, const char *at, const char *to)
{
    struct breaker *breaker = calloc(1, sizeof(*breaker));
    const struct sockaddr_un address = address_of(at);
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_non_null(breaker);
    breaker->loop = loop;
    breaker->to = address_of(to);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(
        fb_loop_watch(loop, &breaker->listener, listener, FB_READABLE, on_listener).code, FB_OK);
    return breaker;
}

void breaker_destroy(struct breaker *breaker)
{
    for (struct pair *pair = breaker->pairs, *next; pair != NULL; pair = next) {
        next = pair->next;
        close_pair(pair);
    }
    close(breaker->listener.fd);
    fb_loop_unwatch(&breaker->listener);
    free(breaker);
}

void breaker_set(struct breaker *breaker, unsigned every)
{
    breaker->every = every;
}

unsigned breaker_broken(const struct breaker *breaker)
{
    return breaker->broken;
}
