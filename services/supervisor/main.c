/*
 * flow-supervisor: the whole suite on one machine.
 *
 * Exit codes: 0 ended as asked; 64 bad arguments or settings; 69 unavailable; 70 our own fault; 75 a
 * suite runs there already; 78 the state folder cannot be used.
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/arena.h"
#include "runtime/base/version.h"
#include "runtime/config/environment.h"
#include "runtime/config/options.h"
#include "runtime/config/schema.h"
#include "runtime/log/log.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/signals.h"
#include "services/supervisor/fleet.h"
#include "services/supervisor/journal.h"
#include "services/supervisor/place.h"
#include "services/supervisor/supervisor.h"

enum {
    EXIT_USAGE = 64,
    EXIT_UNAVAILABLE = 69,
    EXIT_INTERNAL = 70,
    EXIT_RUNS_ALREADY = 75,
    EXIT_CONFIG = 78
};

enum { ARENA_BYTES = 4 << 20 };

struct settings {
    const char *state_dir;
    struct fb_strings workers;
    const char *bin_dir;
    const char *store;
    const char *router;
    const char *worker;
    const char *guard;
    int64_t stop_ms;
    const char *log;
    int64_t log_bytes;
    int log_level;
    int log_format;
};

static const struct fb_option table[] = {
    {"state_dir", FB_OPTION_PATH, offsetof(struct settings, state_dir),
     .help = "folder of sockets, log and data; without it ~/.local/state/flow-balancer"},
    {"workers", FB_OPTION_LIST, offsetof(struct settings, workers), .fallback = "warm",
     .help = "workers by tier, as hot=1,warm=2,cold=1"},
    {"bin_dir", FB_OPTION_PATH, offsetof(struct settings, bin_dir),
     .help = "folder of the programs; without it the one of flow-supervisor"},
    {"store", FB_OPTION_PATH, offsetof(struct settings, store),
     .help = "the program flow-store, if it is elsewhere"},
    {"router", FB_OPTION_PATH, offsetof(struct settings, router),
     .help = "the program flow-router, if it is elsewhere"},
    {"worker", FB_OPTION_PATH, offsetof(struct settings, worker),
     .help = "the program flow-worker, if it is elsewhere"},
    {"guard", FB_OPTION_PATH, offsetof(struct settings, guard),
     .help = "the program flow-guard, if it is not beside flow-worker"},
    {"stop", FB_OPTION_DURATION, offsetof(struct settings, stop_ms), .fallback = "20s",
     .least = "100ms", .most = "15m",
     .help = "time to end, each for routers, workers and store, before they are killed"},
    {"log", FB_OPTION_PATH, offsetof(struct settings, log),
     .help = "the log file, - for standard error; without it log/suite.log in state_dir"},
    {"log_size", FB_OPTION_SIZE, offsetof(struct settings, log_bytes), .fallback = "8MiB",
     .least = "64KiB", .most = "1GiB", .help = "size at which the log file is begun anew"},
    {"log_level", FB_OPTION_CHOICE, offsetof(struct settings, log_level), .fallback = "info",
     .choices = fb_level_names, .help = "least level that is logged, by all programs"},
    {"log_format", FB_OPTION_CHOICE, offsetof(struct settings, log_format), .fallback = "logfmt",
     .choices = fb_line_format_names, .help = "how a line of the log is written"},
    {.name = NULL},
};

/* All of the running program. */
struct run {
    struct settings settings;
    struct fb_options options;
    struct fb_arena arena;
    struct fleet fleet;
    struct place place;
    struct fb_loop *loop;
    struct fb_signals signals;
    struct journal journal; /* unless it logs to standard error */
    bool journalling;
    struct supervisor *supervisor;
};

static int exit_code_of(struct fb_status status)
{
    switch (status.code) {
    case FB_OK:
        return EXIT_SUCCESS;
    case FB_ALREADY_EXISTS:
        return EXIT_RUNS_ALREADY;
    case FB_INVALID_ARGUMENT:
        return EXIT_USAGE;
    case FB_NOT_FOUND:
    case FB_PERMISSION_DENIED:
        return EXIT_CONFIG;
    case FB_UNAVAILABLE:
    case FB_RESOURCE_EXHAUSTED:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_INTERNAL;
    }
}

/* --- settings --- */

static struct fb_status no_memory(void)
{
    return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory left to start");
}

static struct fb_status folder_of_this_program(struct fb_arena *arena, const char **folder)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *end;

    if (size <= 0) {
        return fb_fail(FB_NOT_FOUND, "bin_dir: cannot find out where flow-supervisor itself is; "
                                     "say where the programs are");
    }
    path[size] = '\0';
    end = strrchr(path, '/');
    *folder = fb_arena_copy(arena, path, (size_t)(end - path));
    return *folder == NULL ? no_memory() : fb_ok;
}

/* Where a program is: as told, else in the folder. It must be there. */
static struct fb_status find_program(struct run *run, const char *name, const char **path)
{
    if (*path == NULL) {
        *path = fb_arena_printf(&run->arena, "%s/%s", run->settings.bin_dir, name);
    }
    if (*path == NULL) {
        return no_memory();
    }
    if (access(*path, X_OK) != 0) {
        return fb_arena_fail(&run->arena, FB_NOT_FOUND, "%s: '%s': %s", name, *path,
                             strerror(errno));
    }
    return fb_ok;
}

static struct fb_status complete_settings(struct run *run)
{
    struct settings *settings = &run->settings;
    struct fb_status status =
        fleet_read(settings->workers.items, settings->workers.count, &run->arena, &run->fleet);

    if (settings->state_dir == NULL) {
        settings->state_dir = fb_config_state_dir(&run->arena);
        if (settings->state_dir == NULL) {
            return no_memory();
        }
    }
    if (fb_is_ok(status) && settings->bin_dir == NULL) {
        status = folder_of_this_program(&run->arena, &settings->bin_dir);
    }
    if (fb_is_ok(status)) {
        status = find_program(run, "flow-store", &settings->store);
    }
    if (fb_is_ok(status)) {
        status = find_program(run, "flow-router", &settings->router);
    }
    if (fb_is_ok(status)) {
        status = find_program(run, "flow-worker", &settings->worker);
    }
    return status;
}

static int grant_wish(const struct fb_options_plan *plan, const struct fb_options *options)
{
    struct fb_buffer text = {.data = NULL};
    bool failed;

    if (options->wish == FB_WISH_HELP) {
        fb_options_help(plan, &text);
    } else if (options->wish == FB_WISH_PRINT_SCHEMA) {
        fb_config_schema(&plan, 1, &text);
    } else if (options->wish == FB_WISH_VERSION) {
        fb_buffer_printf(&text, "%s %s\n", plan->executable, plan->version);
    } else {
        fb_notes_write(&options->notes, plan->executable, stderr);
        fb_options_print(plan, &text);
    }
    failed =
        text.failed || fwrite(text.data, 1, text.size, stdout) != text.size || fflush(stdout) != 0;
    fb_buffer_finish(&text);
    return failed ? EXIT_INTERNAL : EXIT_SUCCESS;
}

/* --- running --- */

static void suite_ended(void *arg)
{
    struct run *run = arg;

    fb_loop_stop(run->loop);
}

static void signal_came(struct fb_signals *signals, int number)
{
    struct run *run = (struct run *)((char *)signals - offsetof(struct run, signals));

    if (number == SIGHUP) {
        supervisor_signal(run->supervisor, SIGHUP);
        return;
    }
    fb_log(FB_INFO, "told to end", fb_kv_str("signal", number == SIGINT ? "INT" : "TERM"));
    supervisor_stop(run->supervisor);
}

static struct fb_status open_log(struct run *run)
{
    const struct settings *settings = &run->settings;
    struct fb_log_config config = {
        .program = "flow-supervisor",
        .fd = STDERR_FILENO,
        .least = (enum fb_level)settings->log_level,
        .format = (enum fb_line_format)settings->log_format,
    };
    const char *path = settings->log;
    struct fb_status status = fb_ok;

    if (path == NULL) {
        path = fb_arena_printf(&run->arena, "%s/suite.log", run->place.log);
        if (path == NULL) {
            return no_memory();
        }
    }
    if (strcmp(path, "-") != 0) {
        status = journal_open(&run->journal, run->loop, path, settings->log_bytes);
        if (!fb_is_ok(status)) {
            return fb_arena_fail(&run->arena, status.code, "log '%s': %s", path, status.why);
        }
        run->journalling = true;
        config.fd = run->journal.file;
    }
    fb_log_open(&config);
    for (size_t i = 0; i < run->options.notes.count; i++) {
        fb_log(FB_WARN, "a setting is ignored",
               fb_kv_str("what", run->options.notes.items[i].text));
    }
    return status;
}

static struct fb_status bring_up(struct run *run)
{
    struct fb_status status = complete_settings(run);

    if (fb_is_ok(status)) {
        status = place_open(&run->place, run->settings.state_dir, &run->arena);
    }
    if (!fb_is_ok(status)) {
        return status;
    }
    run->loop = fb_loop_create();
    if (run->loop == NULL) {
        return no_memory();
    }
    status = fb_signals_open(run->loop, &run->signals, signal_came);
    if (fb_is_ok(status)) {
        status = open_log(run);
    }
    if (fb_is_ok(status)) {
        const struct supervisor_plan plan = {
            .loop = run->loop,
            .place = &run->place,
            .fleet = run->fleet,
            .store = run->settings.store,
            .router = run->settings.router,
            .worker = run->settings.worker,
            .guard = run->settings.guard,
            .config = run->options.path_given ? run->options.path : NULL,
            .log_level = fb_level_names[run->settings.log_level],
            .log_format = fb_line_format_names[run->settings.log_format],
            .output = run->journalling ? run->journal.input : STDERR_FILENO,
            .stop_ms = run->settings.stop_ms,
            .ended = suite_ended,
            .arg = run,
        };

        status = supervisor_create(&plan, &run->arena, &run->supervisor);
    }
    return status;
}

static void take_down(struct run *run)
{
    supervisor_destroy(run->supervisor);
    if (run->journalling) {
        const struct fb_log_config config = {.program = "flow-supervisor", .fd = STDERR_FILENO};

        fb_log_open(&config);
        journal_close(&run->journal);
    }
    fb_signals_close(&run->signals);
    fb_loop_destroy(run->loop);
    place_close(&run->place);
    fb_arena_finish(&run->arena);
}

int main(int argc, char **argv)
{
    struct run run = {.place = {.lock = -1}};
    const struct fb_options_plan plan = {
        .section = "supervisor",
        .executable = "flow-supervisor",
        .purpose = "runs the whole suite on this machine, and keeps it running",
        .version = FB_VERSION,
        .sets = {{.options = table, .config = &run.settings}},
    };
    struct fb_status status;
    int code;

    umask(077);
    fb_arena_init(&run.arena, ARENA_BYTES);
    status = fb_options_read(&plan, argc, argv, &run.arena, &run.options);
    if (fb_is_ok(status) && run.options.wish != FB_WISH_RUN) {
        code = grant_wish(&plan, &run.options);
        fb_arena_finish(&run.arena);
        return code;
    }
    if (fb_is_ok(status)) {
        status = bring_up(&run);
    }
    code = exit_code_of(status);
    if (fb_is_ok(status)) {
        fb_loop_run(run.loop);
    } else {
        fprintf(stderr, "flow-supervisor: %s\n", status.why);
    }
    take_down(&run);
    return code;
}
