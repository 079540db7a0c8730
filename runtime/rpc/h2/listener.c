#define _GNU_SOURCE /* accept4 and SO_PEERCRED are Linux's */

#include "runtime/rpc/h2/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/rpc/address.h"
#include "runtime/rpc/h2/served.h"
#include "runtime/rpc/h2/shared.h"
#include "runtime/rpc/h2/tls.h"

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_EVENT = 64,
    NO_ROOM_PAUSE_MS = 100, /* without descriptors, before accepting is tried again */
};

struct h2_listener {
    struct fb_listener listener; /* first */
    struct fb_h2_shared *shared;
    struct fb_h2_tls *tls; /* NULL: plain */
    struct fb_watch watch;
    struct fb_timer pause;
    int fd;
    struct sockaddr_un unix_address; /* empty path: TCP */
    struct stat unix_file;           /* ours, so that we remove no other's */
    struct fb_h2_served_connection *connections;
};

static struct h2_listener *of(struct fb_listener *listener)
{
    return (struct h2_listener *)listener;
}

/* --- binding --- */

static struct fb_status failed_because(const char *what, int error, char *text, size_t room)
{
    snprintf(text, room, "%s: %s", what, strerror(error));
    return fb_fail(error == EADDRINUSE ? FB_ALREADY_EXISTS : FB_UNAVAILABLE, text);
}

/* A socket left behind by a program that died is removed; of one that lives we keep off. */
static struct fb_status make_way(const struct sockaddr_un *address)
{
    struct stat file;
    int fd;
    int failed;

    if (lstat(address->sun_path, &file) != 0) {
        return fb_ok;
    }
    if (!S_ISSOCK(file.st_mode)) {
        return fb_fail(FB_ALREADY_EXISTS,
                       "there is a file at the socket's path, and it is no socket");
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fb_fail(FB_UNAVAILABLE, "no descriptor left to listen with");
    }
    failed = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
    close(fd);
    if (failed != ECONNREFUSED) {
        return fb_fail(FB_ALREADY_EXISTS, "a living program listens on that socket");
    }
    unlink(address->sun_path);
    return fb_ok;
}

static struct fb_status bind_unix(struct h2_listener *listener, const char *path, char *text,
                                  size_t room)
{
    struct sockaddr_un *address = &listener->unix_address;
    struct fb_status status;

    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
    status = make_way(address);
    if (!fb_is_ok(status)) {
        address->sun_path[0] = '\0';
        return status;
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode of the socket before bind becomes that of the file: it is never open to others. */
    if (listener->fd < 0 || fchmod(listener->fd, 0600) != 0 ||
        bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        address->sun_path[0] = '\0';
        return failed_because("cannot make the socket", errno, text, room);
    }
    if (stat(address->sun_path, &listener->unix_file) != 0 || listen(listener->fd, BACKLOG) != 0) {
        return failed_because("cannot listen on the socket", errno, text, room);
    }
    snprintf(listener->listener.address, sizeof(listener->listener.address), "unix:%s", path);
    return fb_ok;
}

static int bind_one(const struct addrinfo *info)
{
    const int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* "host:port", "[ipv6]:port" or "dns:host:port", checked before. */
static void split(const char *spelled, char *host, size_t room, const char **port)
{
    const char *colon;
    size_t size;

    if (strncmp(spelled, "dns:", 4) == 0) {
        spelled += 4;
    }
    colon = strrchr(spelled, ':');
    size = (size_t)(colon - spelled);
    if (spelled[0] == '[') {
        spelled++;
        size -= 2;
    }
    snprintf(host, room, "%.*s", (int)size, spelled);
    *port = colon + 1;
}

static struct fb_status bind_tcp(struct h2_listener *listener, const char *spelled, char *text,
                                 size_t room)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct fb_address bound = {.size = sizeof(bound.socket)};
    struct addrinfo *list = NULL;
    char host[256];
    const char *port;
    int error;

    split(spelled, host, sizeof(host), &port);
    error =
        getaddrinfo(host, port, &hints, &list); /* programs listen at their start: it may block */
    if (error != 0) {
        snprintf(text, room, "cannot listen on %s: %s", host, gai_strerror(error));
        return fb_fail(FB_INVALID_ARGUMENT, text);
    }
    errno = 0;
    for (const struct addrinfo *info = list; info != NULL && listener->fd < 0;
         info = info->ai_next) {
        listener->fd = bind_one(info);
    }
    error = errno;
    freeaddrinfo(list);
    if (listener->fd < 0) {
        return failed_because("cannot listen there", error, text, room);
    }
    if (getsockname(listener->fd, (struct sockaddr *)&bound.socket, &bound.size) != 0) {
        return failed_because("cannot learn where it listens", errno, text, room);
    }
    fb_address_format(&bound, listener->listener.address, sizeof(listener->listener.address));
    return fb_ok;
}

/* --- accepting --- */

static struct fb_peer peer_of(int fd, const struct sockaddr_storage *from, socklen_t size)
{
    struct fb_peer peer = {.uid = (uid_t)-1};
    const struct fb_address address = {.socket = *from, .size = size};
    struct ucred who;
    socklen_t who_size = sizeof(who);

    if (from->ss_family != AF_UNIX) {
        fb_address_format(&address, peer.address, sizeof(peer.address));
        return peer;
    }
    snprintf(peer.address, sizeof(peer.address), "unix:");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0) {
        peer.local = true;
        peer.uid = who.uid;
        peer.pid = who.pid;
    }
    return peer;
}

static void welcome(struct h2_listener *listener, int fd, const struct sockaddr_storage *from,
                    socklen_t size)
{
    const struct fb_peer peer = peer_of(fd, from, size);
    const int on = 1;
    SSL *tls = NULL;

    if (!fb_server_connection_opened(&listener->listener)) {
        close(fd);
        return;
    }
    if (from->ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (listener->tls != NULL) {
        tls = fb_h2_tls_begin(listener->tls, fd, NULL);
        if (tls == NULL) {
            close(fd);
            fb_server_connection_closed(&listener->listener);
            return;
        }
    }
    fb_h2_served_start(&listener->listener, listener->shared, &peer, fd, tls,
                       &listener->connections);
}

static void resume(struct fb_timer *timer)
{
    struct h2_listener *listener =
        (struct h2_listener *)((char *)timer - offsetof(struct h2_listener, pause));

    fb_watch_interest(&listener->watch, FB_READABLE);
}

static void on_readable(struct fb_watch *watch, unsigned events)
{
    struct h2_listener *listener =
        (struct h2_listener *)((char *)watch - offsetof(struct h2_listener, watch));

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof(from);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            welcome(listener, fd, &from, size);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            fb_watch_interest(&listener->watch, 0);
            fb_timer_set(watch->loop, &listener->pause,
                         fb_loop_now_ms(watch->loop) + NO_ROOM_PAUSE_MS, resume);
            return;
        }
    }
}

/* --- the end --- */

static void stop_accepting(struct h2_listener *listener)
{
    struct stat file;

    fb_loop_unwatch(&listener->watch);
    fb_timer_clear(&listener->pause);
    if (listener->unix_address.sun_path[0] != '\0') {
        if (stat(listener->unix_address.sun_path, &file) == 0 &&
            file.st_ino == listener->unix_file.st_ino &&
            file.st_dev == listener->unix_file.st_dev) {
            unlink(listener->unix_address.sun_path);
        }
        listener->unix_address.sun_path[0] = '\0';
    }
    if (listener->fd >= 0) {
        close(listener->fd);
        listener->fd = -1;
    }
}

static void drain(struct fb_listener *listener)
{
    struct fb_h2_served_connection *next;

    stop_accepting(of(listener));
    for (struct fb_h2_served_connection *at = of(listener)->connections; at != NULL; at = next) {
        next = at->next;
        fb_h2_connection_go_away(&at->connection);
    }
}

static void destroy(struct fb_listener *listener)
{
    struct h2_listener *mine = of(listener);

    stop_accepting(mine);
    while (mine->connections != NULL) {
        fb_h2_connection_close(&mine->connections->connection,
                               fb_fail(FB_UNAVAILABLE, "the server is gone"));
    }
    fb_h2_tls_close(mine->tls);
    fb_h2_shared_release(mine->shared);
    free(mine);
}

static const struct fb_listener_ops listener_ops = {
    .drain = drain,
    .destroy = destroy,
};

static struct fb_status begin(struct h2_listener *listener, const struct fb_listen_config *config,
                              char *text, size_t room)
{
    struct fb_status status = fb_ok;

    if (fb_h2_tls_wanted(&config->tls, true)) {
        status = fb_h2_tls_open(&config->tls, true, text, room, &listener->tls);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    status = fb_address_is_unix(config->address)
                 ? bind_unix(listener, config->address + sizeof("unix:") - 1, text, room)
                 : bind_tcp(listener, config->address, text, room);
    if (!fb_is_ok(status)) {
        return status;
    }
    return fb_loop_watch(fb_server_loop(listener->listener.server), &listener->watch, listener->fd,
                         FB_READABLE, on_readable);
}

struct fb_status fb_h2_listen(struct fb_server *server, const struct fb_listen_config *config,
                              struct fb_listener **listener)
{
    static _Thread_local char text[512];
    struct h2_listener *made = calloc(1, sizeof(*made));
    struct fb_status status;

    if (made == NULL) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a listener");
    }
    made->listener =
        (struct fb_listener){.ops = &listener_ops, .server = server, .tokens = config->tokens};
    made->fd = -1;
    made->shared = fb_h2_shared_acquire(fb_server_loop(server));
    status = made->shared == NULL ? fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for a listener")
                                  : begin(made, config, text, sizeof(text));
    if (!fb_is_ok(status)) {
        destroy(&made->listener);
        return status;
    }
    *listener = &made->listener;
    return fb_ok;
}
