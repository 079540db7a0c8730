#define _GNU_SOURCE /* EPOLL_CLOEXEC, F_DUPFD_CLOEXEC */

#include "runtime/rpc/core/connections.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/text.h"
#include "runtime/rpc/listening.h"

enum { FIRST_NUMBER = 64, EVENTS_AT_ONCE = 64 };

struct connection {
    struct fb_peer peer; /* first: what calls hold */
    unsigned shares;     /* the list's own and those of calls */
    int fd;              /* ours, for the end of the connection */
    int number;          /* the library's */
    struct connection *next;
    struct connection **link;
};

struct fb_core_connections {
    fb_core_connection_fn *closed;
    void *arg;
    struct connection *first;
    struct connection **by_number;
    size_t room;
    int next_number;
    int ends; /* an epoll that tells of hang-ups alone, which the loop does not offer */
    struct fb_watch watch;
};

static void release(struct connection *connection)
{
    if (--connection->shares == 0) {
        free(connection);
    }
}

static void forget(struct fb_core_connections *connections, struct connection *connection)
{
    if (connections->by_number[connection->number] == connection) {
        connections->by_number[connection->number] = NULL;
    }
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    assert(connections->first != connection);
    /* The library's descriptor of the same socket would keep a closed one registered. */
    epoll_ctl(connections->ends, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    release(connection);
}

static void on_ends(struct fb_watch *watch, unsigned events)
{
    struct fb_core_connections *connections =
        (struct fb_core_connections *)((char *)watch - offsetof(struct fb_core_connections, watch));
    struct epoll_event ended[EVENTS_AT_ONCE];
    int count = epoll_wait(connections->ends, ended, EVENTS_AT_ONCE, 0);

    (void)events;
    for (int i = 0; i < count; i++) {
        forget(connections, ended[i].data.ptr);
        connections->closed(connections->arg);
    }
}

struct fb_core_connections *fb_core_connections_create(struct fb_loop *loop,
                                                       fb_core_connection_fn *closed, void *arg)
{
    struct fb_core_connections *connections = calloc(1, sizeof(*connections));

    if (connections == NULL) {
        return NULL;
    }
    connections->closed = closed;
    connections->arg = arg;
    connections->next_number = FIRST_NUMBER;
    connections->watch.fd = -1;
    connections->ends = epoll_create1(EPOLL_CLOEXEC);
    if (connections->ends < 0 ||
        !fb_is_ok(
            fb_loop_watch(loop, &connections->watch, connections->ends, FB_READABLE, on_ends))) {
        fb_core_connections_destroy(connections);
        return NULL;
    }
    return connections;
}

void fb_core_connections_destroy(struct fb_core_connections *connections)
{
    if (connections == NULL) {
        return;
    }
    while (connections->first != NULL) {
        forget(connections, connections->first);
    }
    if (connections->watch.fd >= 0) {
        fb_loop_unwatch(&connections->watch);
    }
    if (connections->ends >= 0) {
        close(connections->ends);
    }
    free(connections->by_number);
    free(connections);
}

/* The next free number; from the first again when the process has no higher ones. */
static int duplicate(struct fb_core_connections *connections, int fd)
{
    int number = fcntl(fd, F_DUPFD_CLOEXEC, connections->next_number);

    if (number < 0) {
        number = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_NUMBER);
    }
    connections->next_number = number + 1;
    return number;
}

static bool make_room(struct fb_core_connections *connections, size_t number)
{
    size_t room = number * 2;
    struct connection **by_number;

    if (number < connections->room) {
        return true;
    }
    by_number = realloc(connections->by_number, room * sizeof(struct connection *));
    if (by_number == NULL) {
        return false;
    }
    memset(by_number + connections->room, 0,
           (room - connections->room) * sizeof(struct connection *));
    connections->by_number = by_number;
    connections->room = room;
    return true;
}

static void enter(struct fb_core_connections *connections, struct connection *connection)
{
    connection->next = connections->first;
    connection->link = &connections->first;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    connections->first = connection;
    connections->by_number[connection->number] = connection;
}

int fb_core_connections_add(struct fb_core_connections *connections, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct epoll_event event = {.events = 0, .data.ptr = connection};
    int number = duplicate(connections, fd);

    if (connection == NULL || number < 0 || !make_room(connections, (size_t)number) ||
        epoll_ctl(connections->ends, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(connection);
        if (number >= 0) {
            close(number);
        }
        close(fd);
        return -1;
    }
    fb_peer_of_socket(fd, &connection->peer);
    connection->shares = 1;
    connection->fd = fd;
    connection->number = number;
    enter(connections, connection);
    return number;
}

const struct fb_peer *fb_core_peer_acquire(struct fb_core_connections *connections,
                                           const char *spelled)
{
    struct connection *connection;
    uint64_t number;

    if (strncmp(spelled, "fd:", 3) != 0 || !fb_text_to_u64(fb_text_of(spelled + 3), &number) ||
        number >= connections->room) {
        return NULL;
    }
    connection = connections->by_number[number];
    if (connection == NULL) {
        return NULL;
    }
    connection->shares++;
    return &connection->peer;
}

void fb_core_peer_release(const struct fb_peer *peer)
{
    if (peer != NULL) {
        release((struct connection *)(uintptr_t)peer);
    }
}
