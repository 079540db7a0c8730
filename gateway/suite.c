#define _GNU_SOURCE /* flock */

#include "gateway/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "runtime/config/environment.h"
#include "runtime/log/log.h"
#include "runtime/loop/child.h"

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

enum {
    LOOK_AGAIN_MS = 10,
    START_AGAIN_MS = 250,
    PATH_BYTES = 4096,
    RUNS_ALREADY = 75 /* flow-supervisor's exit code when there is a suite */
};

static const char supervisor_name[] = "flow-supervisor";

struct suite {
    struct fb_loop *loop;
    struct suite_config config;
    struct fb_arena words; /* of failures; emptied with each start */
    struct fb_arena arena; /* of the paths below; as long as the suite */
    const char *run;
    const char *lock_path;
    const char *log_path;
    const char *program; /* that was found to be started; NULL before */

    /* while one is wanted */
    suite_done_fn *done;
    void *arg;
    int64_t until_ms;
    struct fb_timer look; /* is it there by now? */
    int64_t again_ms;     /* not before this is it started once more */
    int lock_fd;          /* held by us when not -1 */

    /* what we started; watched for life, as it is our child to reap */
    struct fb_child child;
    bool started; /* in this attempt */
    bool ended;
    struct fb_child_end end;
};

/* --- is it there? --- */

static bool accepts(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool accepted;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    /* A queue that is full belongs to a listener that lives. */
    accepted = connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0 ||
               errno == EAGAIN;
    close(fd);
    return accepted;
}

/* --- the end of an attempt --- */

static void finish(struct suite *suite, struct fb_status status)
{
    suite_done_fn *done = suite->done;

    fb_timer_clear(&suite->look);
    if (suite->lock_fd >= 0) {
        close(suite->lock_fd);
        suite->lock_fd = -1;
    }
    suite->done = NULL;
    done(suite->arg, status);
}

static void give_up(struct suite *suite, enum fb_code code, const char *what, const char *path)
{
    finish(suite, fb_arena_fail(&suite->words, code, "cannot start flow-balancer here: %s %s: %s",
                                what, path, strerror(errno)));
}

/* --- starting --- */

static bool make_dir(const char *path)
{
    char part[PATH_BYTES];
    size_t size = strlen(path);

    if (size >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, size + 1);
    for (char *c = part + 1; *c != '\0'; c++) {
        if (*c == '/') {
            *c = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST) {
                return false;
            }
            *c = '/';
        }
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST;
}

static const char *beside(struct fb_arena *arena, const char *program)
{
    const char *end = strrchr(program, '/');
    const char *path;

    if (end == NULL) {
        return NULL;
    }
    path = fb_arena_printf(arena, "%.*s/%s", (int)(end - program), program, supervisor_name);
    /* What we start has another working folder. */
    return path != NULL && access(path, X_OK) == 0 ? fb_config_absolute(arena, path) : NULL;
}

/* As it was called, then where it really lies (links), then wherever PATH says. */
static const char *find_supervisor(struct suite *suite)
{
    char self[PATH_BYTES];
    const char *path = NULL;
    ssize_t size;

    if (suite->config.supervisor != NULL) {
        return suite->config.supervisor;
    }
    path = beside(&suite->arena, suite->config.beside);
    if (path == NULL) {
        size = readlink("/proc/self/exe", self, sizeof(self) - 1);
        if (size > 0) {
            self[size] = '\0';
            path = beside(&suite->arena, self);
        }
    }
    return path != NULL ? path : supervisor_name;
}

static void on_child_end(struct fb_child *child, struct fb_child_end end)
{
    struct suite *suite = OF(struct suite, child, child);

    suite->ended = true;
    suite->end = end;
    suite->again_ms = fb_clock_ms() + START_AGAIN_MS;
}

static void launch(struct suite *suite)
{
    const char *argv[6];
    size_t count = 0;
    struct fb_status status;
    int log_fd;

    log_fd = open(suite->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        give_up(suite, FB_UNAVAILABLE, "cannot write", suite->log_path);
        return;
    }
    if (suite->program == NULL) {
        suite->program = find_supervisor(suite);
    }
    argv[count++] = suite->program;
    if (suite->config.config_path != NULL) {
        argv[count++] = "--config";
        argv[count++] = suite->config.config_path;
    }
    if (suite->config.state_dir_given) {
        argv[count++] = "--state-dir";
        argv[count++] = suite->config.state_dir;
    }
    argv[count] = NULL;
    suite->started = true;
    suite->ended = false;
    status = fb_child_start(suite->loop, &suite->child,
                            &(struct fb_child_plan){
                                .argv = argv,
                                .cwd = "/",
                                .stdin_fd = -1,
                                .stdout_fd = log_fd,
                                .stderr_fd = log_fd,
                                .keep_fd = -1,
                                .own_session = true,
                            },
                            on_child_end);
    close(log_fd);
    if (!fb_is_ok(status)) {
        finish(suite, fb_arena_fail(&suite->words, FB_FAILED_PRECONDITION,
                                    "cannot start flow-balancer here: %s", status.why));
        return;
    }
    fb_log(FB_INFO, "started the local suite", fb_kv_str("program", argv[0]),
           fb_kv_int("pid", suite->child.pid));
}

/* If nobody else has it. */
static void take_lock(struct suite *suite)
{
    int fd;

    if (!make_dir(suite->run)) {
        give_up(suite, FB_FAILED_PRECONDITION, "cannot make", suite->run);
        return;
    }
    fd = open(suite->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        give_up(suite, FB_FAILED_PRECONDITION, "cannot open", suite->lock_path);
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return;
    }
    suite->lock_fd = fd;
}

/* Ours ended without need: the suite that runs may just be starting its router again. */
static bool start_failed(const struct suite *suite)
{
    return suite->started && suite->ended && suite->end.exit_code != RUNS_ALREADY;
}

/* A suite that ran, and may have been about to end: once it has, it no longer stands in the way. */
static bool start_is_due(const struct suite *suite, int64_t now_ms)
{
    return suite->lock_fd >= 0 && suite->child.pid == 0 &&
           (!suite->started || (suite->ended && now_ms >= suite->again_ms));
}

static void say_why_not(struct suite *suite)
{
    const char *dir = suite->config.state_dir;

    if (start_failed(suite) && suite->end.signal != 0) {
        finish(suite, fb_arena_fail(&suite->words, FB_UNAVAILABLE,
                                    "flow-balancer did not start: flow-supervisor was ended by "
                                    "signal %d; see %s/supervisor.log",
                                    suite->end.signal, dir));
    } else if (start_failed(suite)) {
        finish(suite, fb_arena_fail(&suite->words, FB_UNAVAILABLE,
                                    "flow-balancer did not start: flow-supervisor ended with "
                                    "code %d; see %s/supervisor.log",
                                    suite->end.exit_code, dir));
    } else {
        finish(suite,
               fb_arena_fail(&suite->words, FB_UNAVAILABLE,
                             "flow-balancer did not start within %d s: nothing accepts at "
                             "%s; see %s/supervisor.log",
                             (int)(suite->config.patience_ms / 1000), suite->config.socket, dir));
    }
}

static void look(struct fb_timer *timer)
{
    struct suite *suite = OF(struct suite, look, timer);
    int64_t now_ms = fb_clock_ms();

    if (accepts(suite->config.socket)) {
        finish(suite, fb_ok);
        return;
    }
    if (now_ms >= suite->until_ms || start_failed(suite)) {
        say_why_not(suite);
        return;
    }
    if (suite->lock_fd < 0) {
        take_lock(suite);
        if (suite->done == NULL) {
            return; /* it failed */
        }
    }
    /* Whoever had the lock before may have brought the suite up since we looked. */
    if (start_is_due(suite, now_ms) && !accepts(suite->config.socket)) {
        launch(suite);
        if (suite->done == NULL) {
            return;
        }
    }
    fb_timer_set(suite->loop, &suite->look, now_ms + LOOK_AGAIN_MS, look);
}

void suite_start(struct suite *suite, suite_done_fn *done, void *arg)
{
    fb_arena_reset(&suite->words);
    suite->done = done;
    suite->arg = arg;
    suite->started = false;
    suite->until_ms = fb_clock_ms() + suite->config.patience_ms;
    fb_timer_set(suite->loop, &suite->look, 0, look);
}

struct suite *suite_create(struct fb_loop *loop, const struct suite_config *config)
{
    struct suite *suite = calloc(1, sizeof(*suite));

    if (suite == NULL) {
        return NULL;
    }
    suite->loop = loop;
    suite->config = *config;
    suite->lock_fd = -1;
    suite->child.watch.fd = -1;
    fb_arena_init(&suite->words, 64 * 1024);
    fb_arena_init(&suite->arena, 64 * 1024);
    suite->run = fb_arena_printf(&suite->arena, "%s/run", config->state_dir);
    suite->lock_path = fb_arena_printf(&suite->arena, "%s/run/start.lock", config->state_dir);
    suite->log_path = fb_arena_printf(&suite->arena, "%s/supervisor.log", config->state_dir);
    if (suite->run == NULL || suite->lock_path == NULL || suite->log_path == NULL) {
        suite_destroy(suite);
        return NULL;
    }
    return suite;
}

void suite_destroy(struct suite *suite)
{
    if (suite == NULL) {
        return;
    }
    fb_timer_clear(&suite->look);
    if (suite->lock_fd >= 0) {
        close(suite->lock_fd);
    }
    fb_child_forget(&suite->child);
    fb_arena_finish(&suite->words);
    fb_arena_finish(&suite->arena);
    free(suite);
}
