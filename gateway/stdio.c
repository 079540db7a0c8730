#include "gateway/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum {
    READ_BYTES = 64 * 1024,
    KEEP_BYTES = 64 * 1024, /* of the queue when it has run empty */
    CAREFUL_BYTES = 4096, /* PIPE_BUF: a pipe that polls writable takes as much without blocking */
};

/* How a descriptor is written to without blocking, and without touching flags that others share. */
enum out_kind {
    OUT_OWN,     /* opened anew for us, non-blocking */
    OUT_SOCKET,  /* non-blocking by a flag of each call */
    OUT_CAREFUL, /* blocking: little at a time, and only when it polls writable */
    OUT_FILE,    /* never blocks for long */
};

struct stdio {
    struct fb_loop *loop;
    struct stdio_config config;
    const struct stdio_events *events;
    void *arg;

    /* from the agent */
    struct lines lines;
    struct fb_watch in;
    struct fb_timer next_read; /* files cannot be watched: they are read in every round */
    bool in_is_file;
    bool ended;

    /* to the agent */
    struct fb_buffer queue;
    size_t sent; /* of the queue */
    enum out_kind out_kind;
    int out_fd; /* ours to close when it is not the one of config */
    struct fb_watch out;
    struct fb_defer flush;
    bool gone;
    bool held;

    char room[READ_BYTES];
};

static size_t waiting(const struct stdio *stdio)
{
    return stdio->queue.size - stdio->sent;
}

static bool may_read(const struct stdio *stdio)
{
    return !stdio->ended && waiting(stdio) <= stdio->config.most_bytes;
}

/* --- writing --- */

static bool polls_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    return poll(&poll_fd, 1, 0) == 1;
}

static ssize_t write_some(struct stdio *stdio, const char *data, size_t size)
{
    switch (stdio->out_kind) {
    case OUT_SOCKET:
        return send(stdio->out_fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    case OUT_CAREFUL:
        if (!polls_writable(stdio->out_fd)) {
            errno = EAGAIN;
            return -1;
        }
        return write(stdio->out_fd, data, size < CAREFUL_BYTES ? size : CAREFUL_BYTES);
    case OUT_OWN:
    case OUT_FILE:
    default:
        return write(stdio->out_fd, data, size);
    }
}

static void resume_reading(struct stdio *stdio);

static void tell_hold(struct stdio *stdio)
{
    size_t size = waiting(stdio);

    if (!stdio->held && size > stdio->config.high_bytes) {
        stdio->held = true;
        stdio->events->on_hold(stdio->arg, true);
    } else if (stdio->held && size <= stdio->config.high_bytes / 2) {
        stdio->held = false;
        stdio->events->on_hold(stdio->arg, false);
    }
    resume_reading(stdio);
}

static void forget_queue(struct stdio *stdio)
{
    fb_buffer_clear(&stdio->queue, KEEP_BYTES);
    stdio->sent = 0;
}

static void out_ready(struct fb_watch *watch, unsigned events);

static void write_queue(struct stdio *stdio)
{
    while (waiting(stdio) > 0 && !stdio->gone) {
        ssize_t size = write_some(stdio, stdio->queue.data + stdio->sent, waiting(stdio));

        if (size > 0) {
            stdio->sent += (size_t)size;
            continue;
        }
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        stdio->gone = true;
    }
    if (stdio->gone) {
        forget_queue(stdio);
        fb_loop_unwatch(&stdio->out);
        stdio->events->on_gone(stdio->arg);
        return;
    }
    if (waiting(stdio) == 0) {
        forget_queue(stdio);
        fb_loop_unwatch(&stdio->out);
        tell_hold(stdio);
        stdio->events->on_flushed(stdio->arg);
        return;
    }
    if (stdio->sent > stdio->queue.size / 2) {
        fb_buffer_consume(&stdio->queue, stdio->sent);
        stdio->sent = 0;
    }
    if (stdio->out.fd < 0 &&
        !fb_is_ok(fb_loop_watch(stdio->loop, &stdio->out, stdio->out_fd, FB_WRITABLE, out_ready))) {
        stdio->gone = true;
        stdio->events->on_gone(stdio->arg);
        return;
    }
    tell_hold(stdio);
}

static void out_ready(struct fb_watch *watch, unsigned events)
{
    (void)events;
    write_queue(OF(struct stdio, out, watch));
}

static void flush(struct fb_defer *defer)
{
    struct stdio *stdio = OF(struct stdio, flush, defer);

    /* While it is watched, the descriptor was full a moment ago. */
    if (stdio->out.fd < 0) {
        write_queue(stdio);
    } else {
        tell_hold(stdio);
    }
}

struct fb_buffer *stdio_out(struct stdio *stdio)
{
    return &stdio->queue;
}

void stdio_written(struct stdio *stdio)
{
    if (stdio->gone) {
        forget_queue(stdio);
        return;
    }
    fb_loop_defer(stdio->loop, &stdio->flush, flush);
}

bool stdio_is_flushed(const struct stdio *stdio)
{
    return stdio->gone || waiting(stdio) == 0;
}

/*
 * Another open file description of the same pipe or terminal is ours alone, so that O_NONBLOCK
 * disturbs nobody. Sockets cannot be opened again and need not be.
 */
static void open_out(struct stdio *stdio)
{
    char path[64];
    struct stat stat;
    int fd;

    stdio->out_fd = stdio->config.out_fd;
    stdio->out_kind = OUT_CAREFUL;
    if (fstat(stdio->config.out_fd, &stat) != 0) {
        return;
    }
    if (S_ISSOCK(stat.st_mode)) {
        stdio->out_kind = OUT_SOCKET;
        return;
    }
    if (S_ISREG(stat.st_mode) || S_ISBLK(stat.st_mode)) {
        stdio->out_kind = OUT_FILE;
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", stdio->config.out_fd);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0) {
        stdio->out_fd = fd;
        stdio->out_kind = OUT_OWN;
    }
}

/* --- reading --- */

static void end_of_input(struct stdio *stdio)
{
    stdio_stop_reading(stdio);
    stdio->events->on_end(stdio->arg);
}

static void read_some(struct stdio *stdio)
{
    ssize_t size;

    do {
        size = read(stdio->config.in_fd, stdio->room, sizeof(stdio->room));
    } while (size < 0 && errno == EINTR);
    if (size > 0) {
        lines_feed(&stdio->lines, stdio->room, (size_t)size);
        tell_hold(stdio);
    } else if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        end_of_input(stdio);
    }
}

static void in_ready(struct fb_watch *watch, unsigned events)
{
    (void)events;
    read_some(OF(struct stdio, in, watch));
}

static void read_file(struct fb_timer *timer)
{
    struct stdio *stdio = OF(struct stdio, next_read, timer);

    read_some(stdio);
    resume_reading(stdio);
}

static bool watch_in(struct stdio *stdio)
{
    bool watched = fb_is_ok(
        fb_loop_watch(stdio->loop, &stdio->in, stdio->config.in_fd, FB_READABLE, in_ready));

    if (!watched) {
        stdio->in.fd = -1;
    }
    return watched;
}

/* Reads on, or waits until the agent has taken some of its answers. */
static void resume_reading(struct stdio *stdio)
{
    if (stdio->in_is_file) {
        if (may_read(stdio)) {
            fb_timer_set(stdio->loop, &stdio->next_read, 0, read_file);
        } else {
            fb_timer_clear(&stdio->next_read);
        }
        return;
    }
    /* Watched without interest, a descriptor would still report that it was hung up. */
    if (!may_read(stdio)) {
        fb_loop_unwatch(&stdio->in);
    } else if (stdio->in.fd < 0 && !watch_in(stdio)) {
        stdio->in_is_file = true;
        fb_timer_set(stdio->loop, &stdio->next_read, 0, read_file);
    }
}

void stdio_stop_reading(struct stdio *stdio)
{
    stdio->ended = true;
    fb_loop_unwatch(&stdio->in);
    fb_timer_clear(&stdio->next_read);
}

/* --- life --- */

struct stdio *stdio_create(struct fb_loop *loop, const struct stdio_config *config,
                           const struct stdio_events *events, void *arg)
{
    struct stdio *stdio = calloc(1, sizeof(*stdio));

    if (stdio == NULL) {
        return NULL;
    }
    stdio->loop = loop;
    stdio->config = *config;
    stdio->events = events;
    stdio->arg = arg;
    stdio->lines = lines_begin(config->line_bytes, &events->lines, arg);
    stdio->in.fd = -1;
    stdio->out.fd = -1;
    open_out(stdio);
    resume_reading(stdio);
    return stdio;
}

void stdio_destroy(struct stdio *stdio)
{
    if (stdio == NULL) {
        return;
    }
    stdio_stop_reading(stdio);
    fb_loop_unwatch(&stdio->out);
    fb_defer_cancel(&stdio->flush);
    if (stdio->out_fd != stdio->config.out_fd) {
        close(stdio->out_fd);
    }
    lines_finish(&stdio->lines);
    fb_buffer_finish(&stdio->queue);
    free(stdio);
}
