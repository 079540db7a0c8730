#define _GNU_SOURCE /* memfd_create */

#include "clients/flowctl/ask.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/config/environment.h"
#include "runtime/loop/child.h"

enum { ASK_MS = 5000 };

struct asking {
    struct fb_child child;
    struct fb_child_end end;
    bool ended;
};

static void child_ended(struct fb_child *child, struct fb_child_end end)
{
    struct asking *asking = (struct asking *)(void *)child;

    asking->end = end;
    asking->ended = true;
}

static int run_to_end(struct fb_loop *loop, const char *const *argv, int out_fd, int err_fd)
{
    const struct fb_child_plan plan = {
        .argv = argv,
        .stdin_fd = -1,
        .stdout_fd = out_fd,
        .stderr_fd = err_fd,
        .keep_fd = -1,
        .death_signal = SIGKILL,
    };
    struct asking asking = {.ended = false};
    const int64_t until_ms = fb_clock_ms() + ASK_MS;

    if (!fb_is_ok(fb_child_start(loop, &asking.child, &plan, child_ended))) {
        return -1;
    }
    while (!asking.ended && fb_clock_ms() < until_ms) {
        fb_loop_turn(loop, until_ms - fb_clock_ms());
    }
    if (!asking.ended) {
        fb_child_signal(&asking.child, SIGKILL);
        fb_child_forget(&asking.child);
        return -1;
    }
    return asking.end.exit_code;
}

static void take(int fd, char *words)
{
    const ssize_t size = pread(fd, words, ASK_BYTES - 1, 0);

    words[size > 0 ? (size_t)size : 0] = '\0';
}

void ask_program(const char *const *argv, struct asked *asked)
{
    /* Files in memory rather than pipes: they are never full. */
    const int out_fd = memfd_create("out", MFD_CLOEXEC);
    const int err_fd = memfd_create("err", MFD_CLOEXEC);
    struct fb_loop *loop = fb_loop_create();

    asked->exit_code = -1;
    asked->out[0] = '\0';
    asked->err[0] = '\0';
    if (loop != NULL && out_fd >= 0 && err_fd >= 0) {
        asked->exit_code = run_to_end(loop, argv, out_fd, err_fd);
        take(out_fd, asked->out);
        take(err_fd, asked->err);
    }
    fb_loop_destroy(loop);
    if (out_fd >= 0) {
        close(out_fd);
    }
    if (err_fd >= 0) {
        close(err_fd);
    }
}

bool ask_settings(const struct run *run, const char *program, struct asked *asked)
{
    const char *const argv[] = {
        program, "--print-config", run->config_given ? "--config" : NULL,
        run->config_given ? fb_config_absolute(run->arena, run->config_path) : NULL, NULL};

    ask_program(argv, asked);
    return asked->exit_code == 0;
}
