#define _GNU_SOURCE /* memfd_create */

/*
 * up: starts the suite of this machine by flow-supervisor and waits until it takes calls.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/c/admin.h"
#include "clients/c/health.h"
#include "clients/flowctl/ask.h"
#include "clients/flowctl/commands.h"
#include "clients/flowctl/connect.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/table.h"
#include "clients/flowctl/terminal.h"
#include "clients/flowctl/units.h"
#include "clients/flowctl/writer.h"
#include "runtime/base/clock.h"
#include "runtime/config/environment.h"
#include "runtime/config/servers.h"
#include "runtime/loop/child.h"
#include "runtime/loop/loop.h"

enum {
    LOOK_EVERY_MS = 25,
    SUPERVISOR_RUNS_ALREADY = 75, /* its exit code */
    ARGUMENTS_MOST = 16,
    WORDS_BYTES = 4096,
};

struct up_options {
    bool foreground;
    const char *supervisor;
    struct fb_strings workers;
    int64_t wait_ms;
};

static struct up_options up_options;

static const struct fb_option up_table[] = {
    {"foreground", FB_OPTION_BOOL, offsetof(struct up_options, foreground),
     .help = "become the supervisor: log here, end with the terminal"},
    {"supervisor", FB_OPTION_PATH, offsetof(struct up_options, supervisor),
     .help = "the program to start, instead of flow-supervisor beside flowctl"},
    {"workers", FB_OPTION_LIST, offsetof(struct up_options, workers),
     .help = "workers by tier, as hot=1,warm=2,cold=1; the supervisor's default is warm"},
    {"wait", FB_OPTION_DURATION, offsetof(struct up_options, wait_ms), .fallback = "30s",
     .least = "100ms", .most = "10m", .help = "how long to wait until the suite takes calls"},
    {.name = NULL},
};

/* --- what is started --- */

struct supervisor_words {
    const char *argv[ARGUMENTS_MOST];
    size_t count;
};

static void add(struct supervisor_words *words, const char *option, const char *value)
{
    words->argv[words->count++] = option;
    words->argv[words->count++] = value;
}

/* Paths become absolute, as the supervisor does not share our folder. False without memory. */
static bool find_words(const struct run *run, const char *program, struct supervisor_words *words)
{
    const struct fb_strings *workers = &up_options.workers;
    struct fb_buffer list = {.limit_bytes = WORDS_BYTES};

    *words = (struct supervisor_words){.argv = {program}, .count = 1};
    if (run->globals->state_dir != NULL) {
        add(words, "--state-dir", fb_config_absolute(run->arena, run->state_dir));
    }
    if (run->config_given) {
        add(words, "--config", fb_config_absolute(run->arena, run->config_path));
    }
    if (workers->count > 0) {
        for (size_t i = 0; i < workers->count; i++) {
            fb_buffer_printf(&list, "%s%s", i == 0 ? "" : ",", workers->items[i]);
        }
        add(words, "--workers",
            list.failed ? NULL : fb_arena_copy(run->arena, list.data, list.size));
        fb_buffer_finish(&list);
    }
    if (up_options.foreground) {
        add(words, "--log", "-");
    }
    for (size_t i = 0; i < words->count; i++) {
        if (words->argv[i] == NULL) {
            return false;
        }
    }
    words->argv[words->count] = NULL;
    return true;
}

static const char *find_supervisor(const struct run *run)
{
    const char *path = up_options.supervisor == NULL ? suite_beside("flow-supervisor", run->arena)
                                                     : up_options.supervisor;

    if (path == NULL || access(path, X_OK) != 0) {
        terminal_complain("say where it is with --supervisor PATH",
                          "flow-supervisor cannot be started: %s: %s",
                          path == NULL ? "not found beside flowctl" : path, strerror(errno));
        return NULL;
    }
    return fb_config_absolute(run->arena, path);
}

/* --- waiting until it takes calls --- */

enum wait_outcome { WAITING, WAIT_READY, WAIT_ENDED, WAIT_TOO_LONG };

struct wait {
    struct fb_loop *loop;
    struct fb_client *client;
    struct fb_child child;
    struct fb_child_end end;
    struct fb_timer look;
    int64_t began_ms;
    int64_t until_ms;
    bool started; /* by us */
    bool serving;
    size_t workers;
    struct fb_pending *pending;
    enum wait_outcome outcome;
};

static void look(struct fb_timer *timer);

static void look_again(struct wait *wait)
{
    fb_timer_set(wait->loop, &wait->look, fb_loop_now_ms(wait->loop) + LOOK_EVERY_MS, look);
}

static void health_told(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct wait *wait = arg;
    const Grpc__Health__V1__HealthCheckResponse *health =
        (const Grpc__Health__V1__HealthCheckResponse *)(const void *)reply;

    (void)memory;
    wait->serving =
        health->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
}

static void overview_told(void *arg, const ProtobufCMessage *reply, struct fb_arena *memory)
{
    struct wait *wait = arg;
    const Flowbalancer__V1__GetOverviewResponse *overview =
        (const Flowbalancer__V1__GetOverviewResponse *)(const void *)reply;

    (void)memory;
    wait->workers = 0;
    for (size_t i = 0; i < overview->n_workers; i++) {
        wait->workers +=
            overview->workers[i]->state == FLOWBALANCER__V1__WORKER_STATE__WORKER_STATE_READY;
    }
}

static void answer_ended(void *arg, const struct fb_call_end *end)
{
    struct wait *wait = arg;

    wait->pending = NULL;
    if (!fb_is_ok(end->status)) {
        wait->serving = false;
    }
    if (wait->serving && wait->workers > 0) {
        wait->outcome = WAIT_READY;
        fb_loop_stop(wait->loop);
        return;
    }
    look_again(wait);
}

static const struct fb_client_events health_events = {
    .on_reply = health_told,
    .on_end = answer_ended,
};
static const struct fb_client_events overview_events = {
    .on_reply = overview_told,
    .on_end = answer_ended,
};

static void ask(struct wait *wait)
{
    static const Grpc__Health__V1__HealthCheckRequest health_request =
        GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    static const Flowbalancer__V1__GetOverviewRequest overview_request =
        FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    const struct fb_client_options options = {.deadline_ms = wait->until_ms};

    if (!wait->serving) {
        fb_channel_connect(fb_client_channel(wait->client));
        wait->pending = fb_client_start(wait->client, &fb_health_check_method, &health_request.base,
                                        &options, &health_events, wait);
    } else {
        wait->pending = fb_client_start(wait->client, &fb_admin_get_overview_method,
                                        &overview_request.base, &options, &overview_events, wait);
    }
    if (wait->pending == NULL) {
        look_again(wait);
    }
}

static void look(struct fb_timer *timer)
{
    struct wait *wait = (struct wait *)((char *)timer - offsetof(struct wait, look));
    const int64_t now_ms = fb_loop_now_ms(wait->loop);
    char room[UNITS_ROOM];

    if (wait->started && wait->child.pid == 0) {
        wait->outcome = WAIT_ENDED;
        fb_loop_stop(wait->loop);
        return;
    }
    if (now_ms >= wait->until_ms) {
        wait->outcome = WAIT_TOO_LONG;
        fb_loop_stop(wait->loop);
        return;
    }
    if (now_ms - wait->began_ms > 1000) {
        terminal_progress("waiting for %s, %s", wait->serving ? "a worker" : "the router",
                          units_ms((now_ms - wait->began_ms) / 1000 * 1000, room));
    }
    ask(wait);
}

static void supervisor_ended(struct fb_child *child, struct fb_child_end end)
{
    struct wait *wait = (struct wait *)((char *)child - offsetof(struct wait, child));

    wait->end = end;
    if (end.exit_code == SUPERVISOR_RUNS_ALREADY) {
        wait->started = false; /* somebody else was faster, so wait for theirs */
    }
}

/* --- what is said --- */

/* What the supervisor wrote before it ended; its words begin with its name already. */
static void show_words(int fd)
{
    char words[WORDS_BYTES];
    const ssize_t size = pread(fd, words, sizeof(words) - 1, 0);

    if (size > 0) {
        (void)!write(STDERR_FILENO, words, (size_t)size);
    }
}

static int complain(const struct run *run, const struct wait *wait, int words_fd)
{
    const char *log =
        fb_arena_printf(run->arena, "see %s/log/suite.log, and \"flowctl doctor\"", run->state_dir);
    char room[UNITS_ROOM];

    if (wait->outcome == WAIT_ENDED) {
        show_words(words_fd);
        if (wait->end.signal != 0) {
            terminal_complain(log, "flow-supervisor was ended by signal %d", wait->end.signal);
        } else {
            terminal_complain(log, "flow-supervisor ended with exit code %d", wait->end.exit_code);
        }
        return wait->end.exit_code == EXIT_CONFIG || wait->end.exit_code == EXIT_USAGE
                   ? wait->end.exit_code
                   : EXIT_UNAVAILABLE;
    }
    terminal_complain(log, "%s within %s; what was started goes on",
                      wait->serving ? "no worker was ready" : "the router did not answer",
                      units_ms(up_options.wait_ms, room));
    return EXIT_UNAVAILABLE;
}

static void show_programs(const struct suite *suite)
{
    struct table table = {.headings = {"PROGRAM", "PID", "ADDRESS"}, .right = {false, true}};
    struct fb_buffer text = {.data = NULL};

    table_put(&table, TERMINAL_PLAIN, "supervisor");
    table_put(&table, TERMINAL_PLAIN, "%" PRId64, suite->pid);
    table_put(&table, TERMINAL_PLAIN, " ");
    for (size_t i = 0; i < suite->count; i++) {
        table_put(&table, TERMINAL_PLAIN, "%s", suite->programs[i].name);
        table_put(&table, TERMINAL_PLAIN, "%" PRId64, suite->programs[i].pid);
        table_put(&table, TERMINAL_PLAIN, "%s", suite->programs[i].address);
    }
    table_render(&table, &text);
    terminal_write((struct fb_text){.data = text.data, .size = text.size});
    fb_buffer_finish(&text);
    table_finish(&table);
}

static void show_json(const struct suite *suite, const struct wait *wait, struct fb_text entry)
{
    struct writer writer = {.depth = 0};

    writer_open(&writer, '{');
    writer_key_bool(&writer, "started", wait->started);
    writer_key_int(&writer, "took_ms", fb_clock_ms() - wait->began_ms);
    writer_key_int(&writer, "pid", suite->pid);
    writer_key_string(&writer, "version", suite->version);
    writer_key(&writer, "programs");
    writer_open(&writer, '[');
    for (size_t i = 0; i < suite->count; i++) {
        writer_open(&writer, '{');
        writer_key_string(&writer, "name", suite->programs[i].name);
        writer_key_int(&writer, "pid", suite->programs[i].pid);
        writer_key_string(&writer, "address", suite->programs[i].address);
        writer_close(&writer, '}');
    }
    writer_close(&writer, ']');
    writer_key(&writer, "client");
    writer_open(&writer, '{');
    writer_key(&writer, "mcpServers");
    writer_open(&writer, '{');
    writer_key(&writer, "flow-balancer");
    writer_raw(&writer, entry);
    writer_close(&writer, '}');
    writer_close(&writer, '}');
    writer_close(&writer, '}');
    writer_send(&writer);
}

/* What is wrong with entries of servers; the rest of them runs without these. */
static void show_servers_left_out(const struct run *run)
{
    const struct fb_servers_plan plan = {.home = fb_config_home(run->arena)};
    struct fb_servers servers = {.items = NULL};

    if (fb_is_ok(fb_servers_read(&plan, run->config_path, run->arena, &servers)) &&
        servers.notes.count > 0) {
        fb_notes_write(&servers.notes, "flowctl", stderr);
    }
}

static int report(const struct run *run, const struct wait *wait)
{
    const char *gateway = suite_beside("flow-gateway", run->arena);
    struct fb_buffer entry = {.data = NULL};
    struct suite suite;
    const struct fb_status status = suite_read(run->state_dir, run->arena, &suite);
    char room[UNITS_ROOM];

    if (!fb_is_ok(status)) {
        terminal_complain(NULL, "%s", status.why);
    }
    suite_client_entry(
        gateway == NULL ? "flow-gateway" : gateway,
        run->globals->state_dir == NULL ? NULL : fb_config_absolute(run->arena, run->state_dir),
        run->config_given ? fb_config_absolute(run->arena, run->config_path) : NULL, &entry);
    if (run->globals->json) {
        show_json(&suite, wait, (struct fb_text){.data = entry.data, .size = entry.size});
    } else {
        if (wait->started) {
            terminal_print("%sflow-balancer is up%s, after %s\n\n", terminal_colour(TERMINAL_GOOD),
                           terminal_colour(TERMINAL_PLAIN),
                           units_ms(fb_clock_ms() - wait->began_ms, room));
        } else {
            terminal_print("%sflow-balancer was up already%s\n\n", terminal_colour(TERMINAL_GOOD),
                           terminal_colour(TERMINAL_PLAIN));
        }
        show_programs(&suite);
        terminal_print(
            "\nFor an MCP client:\n\n{\n  \"mcpServers\": {\n    \"flow-balancer\": %.*s\n"
            "  }\n}\n",
            (int)entry.size, entry.data == NULL ? "" : entry.data);
    }
    show_servers_left_out(run);
    if (access(run->config_path, F_OK) != 0) {
        terminal_complain("take over those of your MCP clients with \"flowctl import\"",
                          "there are no servers yet: %s is not there", run->config_path);
    }
    fb_buffer_finish(&entry);
    return EXIT_DONE;
}

/* --- the command --- */

static struct fb_status start(const struct run *run, const char *program, struct wait *wait,
                              int words_fd)
{
    struct supervisor_words words;
    const struct fb_child_plan plan = {
        .argv = words.argv,
        .cwd = "/",
        .stdin_fd = -1,
        .stdout_fd = words_fd,
        .stderr_fd = words_fd,
        .keep_fd = -1,
        .own_session = true,
    };

    if (!find_words(run, program, &words)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory");
    }
    wait->started = true;
    return fb_child_start(wait->loop, &wait->child, &plan, supervisor_ended);
}

static int wait_for_suite(const struct run *run, struct wait *wait, int words_fd)
{
    const struct fb_client_config config = {.target = run->router, .loop = wait->loop};
    const struct fb_status status = fb_client_open(&config, &wait->client);

    if (!fb_is_ok(status)) {
        return connect_complain_of(run, "the router", run->router, status);
    }
    fb_timer_set(wait->loop, &wait->look, 0, look);
    fb_loop_run(wait->loop);
    terminal_progress_end();
    if (wait->pending != NULL) {
        fb_pending_cancel(wait->pending);
    }
    fb_client_close(wait->client);
    return wait->outcome == WAIT_READY ? report(run, wait) : complain(run, wait, words_fd);
}

static int bring_up(const struct run *run, const char *program)
{
    /* A file in memory rather than a pipe: it does not break when we end before the supervisor. */
    const int words_fd = memfd_create("flow-supervisor", MFD_CLOEXEC);
    struct wait wait = {.loop = fb_loop_create(), .began_ms = fb_clock_ms()};
    struct fb_status status = fb_ok;
    int code = EXIT_UNAVAILABLE;

    wait.until_ms = wait.began_ms + up_options.wait_ms;
    if (words_fd < 0 || wait.loop == NULL) {
        terminal_complain(NULL, "the system has no room: %s", strerror(errno));
    } else {
        if (program != NULL) {
            status = start(run, program, &wait, words_fd);
        }
        if (fb_is_ok(status)) {
            code = wait_for_suite(run, &wait, words_fd);
        } else {
            terminal_complain("say where it is with --supervisor PATH",
                              "flow-supervisor cannot be started: %s", status.why);
        }
    }
    fb_child_forget(&wait.child);
    fb_loop_destroy(wait.loop);
    if (words_fd >= 0) {
        close(words_fd);
    }
    return code;
}

static int become_supervisor(const struct run *run, const char *program)
{
    struct supervisor_words words;

    if (find_words(run, program, &words)) {
        execv(program, (char *const *)(uintptr_t)words.argv);
    }
    terminal_complain("say where it is with --supervisor PATH",
                      "flow-supervisor cannot be started: %s: %s", program, strerror(errno));
    return EXIT_UNAVAILABLE;
}

/* Has each program look at its part of the file, as one that cannot use it ends again and again. */
static bool settings_are_usable(const struct run *run)
{
    static const char *const programs[] = {"flow-supervisor", "flow-store", "flow-router",
                                           "flow-worker"};
    bool usable = true;
    struct asked asked;

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        const char *program = suite_beside(programs[i], run->arena);

        if (program == NULL || access(program, X_OK) != 0) {
            continue; /* it may be elsewhere; the supervisor tells */
        }
        usable = ask_settings(run, program, &asked) && usable;
        (void)!write(STDERR_FILENO, asked.err, strlen(asked.err));
    }
    return usable;
}

static int up(const struct run *run)
{
    const char *program = NULL;
    struct suite suite;
    struct fb_status status;

    if (!fb_is_ok(run->config_state)) {
        terminal_complain("mend the file first", "nothing was started");
        return EXIT_CONFIG;
    }
    status = suite_read(run->state_dir, run->arena, &suite);
    if (!fb_is_ok(status) && !suite.runs && status.code == FB_PERMISSION_DENIED) {
        terminal_complain("see \"flowctl doctor\"", "%s", status.why);
        return EXIT_DENIED;
    }
    if (suite.runs && up_options.foreground) {
        terminal_complain("end it with \"flowctl down\"", "a suite runs in %s already",
                          run->state_dir);
        return EXIT_NEGATIVE;
    }
    if (!suite.runs) {
        program = find_supervisor(run);
        if (program == NULL) {
            return EXIT_UNAVAILABLE;
        }
        if (!settings_are_usable(run)) {
            terminal_complain("mend the file first", "nothing was started");
            return EXIT_CONFIG;
        }
    }
    return up_options.foreground ? become_supervisor(run, program) : bring_up(run, program);
}

const struct command command_up = {
    .name = "up",
    .usage = "",
    .purpose = "start the suite of this machine, if none runs",
    .details =
        "Starts flow-supervisor, which runs store, router and workers and starts again what ends,\n"
        "waits until the router takes calls and a worker is ready, and says what runs where and "
        "what\n"
        "to paste into an MCP client. Repeating it is fine. The log is log/suite.log in the state\n"
        "folder",
    .options = up_table,
    .config = &up_options,
    .run = up,
};
