#define _GNU_SOURCE /* signalfd */

#include "runtime/loop/signals.h"

#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signal_came(struct fb_watch *watch, unsigned events)
{
    struct fb_signals *signals =
        (struct fb_signals *)((char *)watch - offsetof(struct fb_signals, watch));
    struct signalfd_siginfo info;

    (void)events;
    /* One per round: `fn` may close us, and what is left is reported again. */
    if (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        signals->fn(signals, (int)info.ssi_signo);
    }
}

struct fb_status fb_signals_open(struct fb_loop *loop, struct fb_signals *signals,
                                 fb_signals_fn *fn)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct fb_status status;
    sigset_t ours;
    int fd;

    *signals = (struct fb_signals){.watch = {.fd = -1}, .fn = fn};
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return fb_fail(FB_UNAVAILABLE, "system has no descriptor left for signals");
    }
    status = fb_loop_watch(loop, &signals->watch, fd, FB_READABLE, signal_came);
    if (!fb_is_ok(status)) {
        close(fd);
        return status;
    }
    pthread_sigmask(SIG_BLOCK, &ours, &signals->before);
    sigaction(SIGPIPE, &ignore, NULL);
    return fb_ok;
}

void fb_signals_close(struct fb_signals *signals)
{
    int fd = signals->watch.fd;

    if (signals->watch.loop == NULL || fd < 0) {
        return;
    }
    fb_loop_unwatch(&signals->watch);
    close(fd);
    pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}
