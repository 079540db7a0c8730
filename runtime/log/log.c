#include "runtime/log/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "runtime/base/clock.h"

/* A host that reads again within this time loses no line, even of a program that may not drop. */
enum { FULL_WAIT_MS = 1000 };

_Atomic int fb_log_least = FB_INFO;

/* Written by fb_log_open before other threads log, read by all. */
static struct fb_log_config current = {.fd = STDERR_FILENO, .least = FB_INFO};

static _Atomic uint64_t dropped;
static _Atomic uint64_t dropped_unsaid; /* since the last line that told how many */

void fb_log_open(const struct fb_log_config *config)
{
    current = *config;
    atomic_store_explicit(&dropped_unsaid, 0, memory_order_relaxed);
    fb_log_set_least(config->least);
}

void fb_log_set_least(enum fb_level least)
{
    atomic_store_explicit(&fb_log_least, (int)least, memory_order_relaxed);
}

uint64_t fb_log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static bool has_room(int wait_ms)
{
    struct pollfd ready = {.fd = current.fd, .events = POLLOUT};
    int count;

    do {
        count = poll(&ready, 1, wait_ms);
    } while (count < 0 && errno == EINTR);
    return count == 1 && (ready.revents & POLLOUT) != 0;
}

/*
 * A pipe or socket that polls as writable takes FB_LINE_BYTES without blocking. Logging keeps errno
 * as it was, so that it can stand between a failed call and the look at its reason.
 */
static bool write_line(const char *line, size_t size)
{
    size_t done = 0;

    if (current.may_drop && !has_room(0)) {
        return false;
    }
    while (done < size) {
        const ssize_t wrote = write(current.fd, line + done, size - done);

        if (wrote >= 0) {
            done += (size_t)wrote;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (current.may_drop || !has_room(FULL_WAIT_MS)) {
                return done != 0;
            }
        } else if (errno != EINTR) {
            return done != 0;
        }
    }
    return true;
}

static bool event(enum fb_level level, const char *sentence, const struct fb_kv *fields)
{
    char text[FB_LINE_BYTES];
    const struct fb_line line = {
        .at_unix_ms = fb_clock_unix_ms(),
        .level = level,
        .program = current.program,
        .pid = getpid(),
        .sentence = sentence,
    };
    const size_t size = fb_line_write(text, current.format, &line, fields);

    return write_line(text, size);
}

void fb_log_event(enum fb_level level, const char *sentence, const struct fb_kv *fields)
{
    const int error = errno;
    const uint64_t unsaid = atomic_exchange_explicit(&dropped_unsaid, 0, memory_order_relaxed);
    const struct fb_kv loss[] = {fb_kv_uint("lines", unsaid), fb_kv_end()};

    if (unsaid != 0 && !event(FB_WARN, "log lines were dropped", loss)) {
        atomic_fetch_add_explicit(&dropped_unsaid, unsaid, memory_order_relaxed);
    }
    if (!event(level, sentence, fields)) {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&dropped_unsaid, 1, memory_order_relaxed);
    }
    errno = error;
}
