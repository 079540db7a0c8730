#define _GNU_SOURCE /* accept4, struct ucred */

#include "runtime/rpc/listening.h"

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

enum { BACKLOG = 512 };

static struct fb_status status_of_errno(int error)
{
    switch (error) {
    case EADDRINUSE:
    case EEXIST:
        return fb_fail(FB_ALREADY_EXISTS, "somebody else listens there");
    case EACCES:
    case EPERM:
    case EROFS:
        return fb_fail(FB_PERMISSION_DENIED, "we may not listen there");
    case EADDRNOTAVAIL:
        return fb_fail(FB_INVALID_ARGUMENT, "the address is not of this machine");
    case ENOENT:
    case ENOTDIR:
        return fb_fail(FB_INVALID_ARGUMENT, "the folder of the Unix socket does not exist");
    case EMFILE:
    case ENFILE:
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no descriptor left to listen with");
    default:
        return fb_fail(FB_UNAVAILABLE, "the system refuses to listen there");
    }
}

/* Binds and listens; the system's word on it, 0 when all is well. */
static int occupy(int fd, const struct sockaddr *address, socklen_t size)
{
    if (bind(fd, address, size) != 0 || listen(fd, BACKLOG) != 0) {
        return errno;
    }
    return 0;
}

/* --- Unix --- */

/* Whether what lies at the path is a socket that nobody listens on any more. */
static bool is_dead_socket(const struct sockaddr_un *address)
{
    struct stat info;
    bool dead;
    int probe;

    if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return false;
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return false;
    }
    dead = connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
           errno == ECONNREFUSED;
    close(probe);
    return dead;
}

static struct fb_status open_unix(const char *path, struct fb_listening *listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    int error;

    memcpy(address.sun_path, path, strlen(path) + 1);
    listening->local = true;
    listening->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening->fd < 0) {
        return status_of_errno(errno);
    }
    /* Before it has a name, so that there is no moment in which others could connect. */
    fchmod(listening->fd, 0600);
    error = occupy(listening->fd, (const struct sockaddr *)&address, sizeof(address));
    if (error == EADDRINUSE && is_dead_socket(&address)) {
        unlink(path);
        error = occupy(listening->fd, (const struct sockaddr *)&address, sizeof(address));
    }
    if (error != 0) {
        return status_of_errno(error);
    }
    if (chmod(path, 0600) != 0 || stat(path, &info) != 0) {
        return status_of_errno(errno);
    }
    listening->device = info.st_dev;
    listening->inode = info.st_ino;
    snprintf(listening->address, sizeof(listening->address), "unix:%s", path);
    return fb_ok;
}

/* --- TCP --- */

static int open_one(const struct addrinfo *place, struct fb_listening *listening)
{
    const int on = 1;
    int error;

    listening->fd =
        socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (listening->fd < 0) {
        return errno;
    }
    setsockopt(listening->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    error = occupy(listening->fd, place->ai_addr, place->ai_addrlen);
    if (error != 0) {
        close(listening->fd);
        listening->fd = -1;
    }
    return error;
}

static struct fb_status open_tcp(const char *address, struct fb_listening *listening)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE,
    };
    const char *spelled = strncmp(address, "dns:", 4) == 0 ? address + 4 : address;
    const char *colon = strrchr(spelled, ':');
    struct addrinfo *places = NULL;
    struct fb_address real = {.size = sizeof(real.socket)};
    char host[256];
    int error = EADDRNOTAVAIL;

    if (spelled[0] == '[') {
        snprintf(host, sizeof(host), "%.*s", (int)(colon - spelled - 2), spelled + 1);
    } else {
        snprintf(host, sizeof(host), "%.*s", (int)(colon - spelled), spelled);
    }
    if (getaddrinfo(host, colon + 1, &hints, &places) != 0) {
        return fb_fail(FB_INVALID_ARGUMENT, "the host to listen on has no address");
    }
    for (const struct addrinfo *place = places; place != NULL && error != 0;
         place = place->ai_next) {
        error = open_one(place, listening);
    }
    freeaddrinfo(places);
    if (error != 0) {
        return status_of_errno(error);
    }
    if (getsockname(listening->fd, (struct sockaddr *)&real.socket, &real.size) != 0) {
        return status_of_errno(errno);
    }
    fb_address_format(&real, listening->address, sizeof(listening->address));
    return fb_ok;
}

struct fb_status fb_listening_open(const char *address, struct fb_listening *listening)
{
    struct fb_status status = fb_address_check(address);

    *listening = (struct fb_listening){.fd = -1};
    if (!fb_is_ok(status)) {
        return status;
    }
    status = fb_address_is_unix(address) ? open_unix(address + 5, listening)
                                         : open_tcp(address, listening);
    if (!fb_is_ok(status)) {
        fb_listening_close(listening);
    }
    return status;
}

void fb_listening_close(struct fb_listening *listening)
{
    const char *path = listening->address + 5;
    struct stat info;

    if (listening->fd < 0) {
        return;
    }
    /* First the name: who comes then finds nobody rather than a socket about to close. */
    if (listening->inode != 0 && lstat(path, &info) == 0 && info.st_dev == listening->device &&
        info.st_ino == listening->inode) {
        unlink(path);
    }
    close(listening->fd);
    *listening = (struct fb_listening){.fd = -1};
}

int fb_listening_accept(const struct fb_listening *listening)
{
    const int on = 1;
    int fd = accept4(listening->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0 && !listening->local) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

void fb_peer_of_socket(int fd, struct fb_peer *peer)
{
    struct fb_address address = {.size = sizeof(address.socket)};
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    *peer = (struct fb_peer){.address = ""};
    if (getpeername(fd, (struct sockaddr *)&address.socket, &address.size) == 0) {
        fb_address_format(&address, peer->address, sizeof(peer->address));
        peer->local = address.socket.ss_family == AF_UNIX;
    }
    if (peer->local && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
        peer->uid = credentials.uid;
        peer->pid = credentials.pid;
    }
}
