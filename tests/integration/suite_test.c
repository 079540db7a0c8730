#define _GNU_SOURCE /* memmem */

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/mcp.pb-c.h"

#include "runtime/base/clock.h"
#include "runtime/loop/child.h"
#include "runtime/loop/descendants.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "tests/support/folder.h"

/*
 * The whole suite as its users run it: the supervisor, the three programs, an MCP server. Callers
 * keep calling while one program after the other is killed.
 */

enum {
    PATIENCE_MS = 60000,
    CALLERS = 8,
    ROUNDS = 20, /* unless told otherwise */
    ROUNDS_MOST = 100000,
    CALLS_PER_ROUND = 100, /* that must succeed after each kill */
    LOG_BYTES = 1 << 20
};

enum { SUPERVISOR, STORE, ROUTER, WORKER, GUARD, SERVER, PROGRAMS };

static char *programs[PROGRAMS]; /* their paths, in this order */

static long rounds = ROUNDS;

static struct fb_loop *loop;
static struct fb_channel *channel;
static char folder[FOLDER_BYTES];
static char target[FOLDER_BYTES + 32];
static char config_path[FOLDER_BYTES + 32];
static char log_path[FOLDER_BYTES + 32];

static struct {
    struct fb_child child;
    int ends;
} suite;

/* Calls a tool again and again, each time with a number of its own. */
struct caller {
    struct fb_client_call *call;
    struct fb_defer again;
    unsigned long number;
    char arguments[64];
    bool answered;
};

static struct caller callers[CALLERS];
static int succeeded;
static int failed_by_code[FB_CODE_COUNT];
static int wrong; /* answers that are not the caller's own */
static bool resting;

static void suite_ended(struct fb_child *child, struct fb_child_end end)
{
    (void)child;
    (void)end;
    suite.ends++;
}

static void start_suite(void)
{
    const char *const argv[] = {programs[SUPERVISOR],
                                "--state-dir",
                                folder,
                                "--store",
                                programs[STORE],
                                "--router",
                                programs[ROUTER],
                                "--worker",
                                programs[WORKER],
                                "--guard",
                                programs[GUARD],
                                "--config",
                                config_path,
                                "--log",
                                "-",
                                "--stop",
                                "15s",
                                NULL};
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const struct fb_child_plan plan = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = log, .stderr_fd = log, .keep_fd = -1};
    struct fb_status status;

    suite.ends = 0;
    status = fb_child_start(loop, &suite.child, &plan, suite_ended);
    close(log);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
}

static void show_log(void)
{
    static char text[LOG_BYTES];
    FILE *file = fopen(log_path, "re");
    size_t size;

    if (file != NULL) {
        size = fread(text, 1, sizeof(text) - 1, file);
        text[size] = '\0';
        fclose(file);
        fputs(text, stderr);
    }
}

static void turn_until(const int *count, int wanted)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (*count < wanted) {
        if (fb_clock_ms() >= deadline_ms) {
            show_log();
            fail_msg("waited too long: %d of %d", *count, wanted);
        }
        fb_loop_turn(loop, 100);
    }
}

/* --- calls --- */

static void message_came(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct caller *caller = arg;
    Flowbalancer__V1__CallToolEvent *event =
        flowbalancer__v1__call_tool_event__unpack(NULL, size, data);

    (void)call;
    assert_non_null(event);
    if (event->event_case == FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_RESULT) {
        const ProtobufCBinaryData *result = &event->result->result_json;

        caller->answered = true;
        wrong +=
            memmem(result->data, result->len, caller->arguments, strlen(caller->arguments)) == NULL;
    } else if (event->event_case == FLOWBALANCER__V1__CALL_TOOL_EVENT__EVENT_ERROR) {
        wrong++;
    }
    flowbalancer__v1__call_tool_event__free_unpacked(event, NULL);
}

static void call_again(struct fb_defer *defer);

static void call_ended(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct caller *caller = arg;

    (void)call;
    caller->call = NULL;
    if (end->status.code == FB_OK && caller->answered) {
        succeeded++;
    } else {
        failed_by_code[end->status.code]++;
    }
    if (!resting) {
        fb_loop_defer(loop, &caller->again, call_again);
    }
}

static void call_again(struct fb_defer *defer)
{
    static const struct fb_client_call_events events = {
        .on_message = message_came,
        .on_end = call_ended,
    };
    struct caller *caller = (struct caller *)((char *)defer - offsetof(struct caller, again));
    const struct fb_call_plan plan = {
        .path = "/flowbalancer.v1.McpService/CallTool",
        .deadline_ms = fb_loop_now_ms(loop) + PATIENCE_MS,
        .wait_for_ready = true,
    };
    Flowbalancer__V1__CallContext context = FLOWBALANCER__V1__CALL_CONTEXT__INIT;
    Flowbalancer__V1__CallToolRequest request = FLOWBALANCER__V1__CALL_TOOL_REQUEST__INIT;
    static unsigned long next;

    caller->number = ++next;
    caller->answered = false;
    snprintf(caller->arguments, sizeof(caller->arguments), "{\"n\":%lu}", caller->number);
    context.agent = (char *)"test";
    context.server = (char *)"echo";
    context.name = (char *)"echo__echo";
    request.context = &context;
    request.arguments_json.data = (uint8_t *)caller->arguments;
    request.arguments_json.len = strlen(caller->arguments);
    caller->call = fb_channel_call(channel, &plan, &events, caller);
    assert_non_null(caller->call);
    fb_client_call_send(caller->call, &request.base);
    fb_client_call_half_close(caller->call);
}

static void begin_calling(void)
{
    succeeded = 0;
    wrong = 0;
    resting = false;
    memset(failed_by_code, 0, sizeof(failed_by_code));
    for (int i = 0; i < CALLERS; i++) {
        fb_loop_defer(loop, &callers[i].again, call_again);
    }
}

static void end_calling(void)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    resting = true;
    for (int i = 0; i < CALLERS; i++) {
        while (callers[i].call != NULL || callers[i].again.link != NULL) {
            assert_true(fb_clock_ms() < deadline_ms);
            fb_loop_turn(loop, 100);
        }
    }
}

/* --- the suite --- */

/* The pid of a program as the suite file has it; 0 while it does not run. */
static pid_t pid_of(const char *name)
{
    char path[FOLDER_BYTES + 32];
    char words[64];
    char text[4096] = "";
    const char *found;
    FILE *file;

    snprintf(path, sizeof(path), "%s/run/suite.json", folder);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    snprintf(words, sizeof(words), "{\"name\":\"%s\"", name);
    found = strstr(text, words);
    found = found == NULL ? NULL : strstr(found, "\"pid\":");
    return found == NULL ? 0 : (pid_t)strtol(found + strlen("\"pid\":"), NULL, 10);
}

/* A living child of a process; 0 when it has none. */
static pid_t child_of(pid_t parent)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t child = 0;

    assert_non_null(proc);
    while (child == 0 && (entry = readdir(proc)) != NULL) {
        char path[64];
        char line[512] = "";
        const char *end;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%.20s/stat", entry->d_name);
        file = fopen(path, "re");
        if (file == NULL) {
            continue;
        }
        end = fgets(line, sizeof(line), file) == NULL ? NULL : strrchr(line, ')');
        fclose(file);
        if (end != NULL && end[2] != 'Z' && strtol(end + 3, NULL, 10) == parent) {
            child = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    closedir(proc);
    return child;
}

/* "guard" is the worker's child, "server" is the guard's. */
static pid_t find_program(const char *name)
{
    const bool server = strcmp(name, "server") == 0;
    pid_t pid;

    if (!server && strcmp(name, "guard") != 0) {
        return pid_of(name);
    }
    pid = pid_of("worker-warm-0");
    pid = pid == 0 ? 0 : child_of(pid);
    return server && pid != 0 ? child_of(pid) : pid;
}

static void kill_program(const char *name)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;
    pid_t pid;

    while ((pid = find_program(name)) == 0 || kill(pid, SIGKILL) != 0) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 10);
    }
}

static void end_suite(void)
{
    assert_true(fb_child_signal(&suite.child, SIGTERM));
    turn_until(&suite.ends, 1);
}

/* Nothing descends from us: whatever an ended supervisor left has become our child. */
static void nobody_is_left(void)
{
    const int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (fb_descendants_reap(NULL, 0)) {
        if (fb_clock_ms() >= deadline_ms) {
            show_log();
            fail_msg("%zu processes are left", fb_descendants_signal(SIGKILL, NULL, 0));
        }
        fb_loop_turn(loop, 10);
    }
}

static int set_up(void **state)
{
    FILE *file;

    (void)state;
    loop = fb_loop_create();
    if (loop == NULL || !folder_make(folder) || !fb_descendants_adopt()) {
        return -1;
    }
    snprintf(target, sizeof(target), "unix:%s/run/router.sock", folder);
    snprintf(config_path, sizeof(config_path), "%s/config.json", folder);
    snprintf(log_path, sizeof(log_path), "%s/all.log", folder);
    file = fopen(config_path, "we");
    if (file == NULL) {
        return -1;
    }
    fprintf(file, "{\"mcpServers\": {\"echo\": {\"command\": \"%s\"}}}\n", programs[SERVER]);
    fclose(file);
    return fb_is_ok(fb_channel_create(loop, &fb_h2,
                                      &(struct fb_channel_config){.target = target,
                                                                  .backoff_first_ms = 10,
                                                                  .backoff_most_ms = 100},
                                      &channel))
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(channel);
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

/* --- the tests --- */

static void a_call_goes_through_the_suite_to_a_server_and_back(void **state)
{
    (void)state;
    start_suite();
    begin_calling();
    turn_until(&succeeded, CALLS_PER_ROUND);
    end_calling();
    assert_int_equal(wrong, 0);
    end_suite();
    nobody_is_left();
}

static void the_suite_recovers_from_the_kill_of_any_program_under_load(void **state)
{
    static const char *const victims[] = {"worker-warm-0", "router", "store",
                                          "guard",         "server", NULL};
    enum { VICTIMS = sizeof(victims) / sizeof(victims[0]) };

    (void)state;
    start_suite();
    begin_calling();
    turn_until(&succeeded, CALLS_PER_ROUND);
    for (long round = 0; round < rounds; round++) {
        const char *victim = victims[round % VICTIMS];

        if (victim != NULL) {
            kill_program(victim);
        } else {
            assert_true(fb_child_signal(&suite.child, SIGKILL));
            turn_until(&suite.ends, 1);
            start_suite();
        }
        turn_until(&succeeded, succeeded + CALLS_PER_ROUND);
    }
    end_calling();
    print_message("%ld kills: %d calls succeeded, %d ended UNAVAILABLE, %d UNKNOWN\n", rounds,
                  succeeded, failed_by_code[FB_UNAVAILABLE], failed_by_code[FB_UNKNOWN]);
    assert_int_equal(wrong, 0);
    for (int code = 0; code < FB_CODE_COUNT; code++) {
        /* What was lost says so: it did not run, or it may have run. */
        if (code != FB_UNAVAILABLE && code != FB_UNKNOWN && failed_by_code[code] != 0) {
            show_log();
            fail_msg("%d calls ended with %s", failed_by_code[code],
                     fb_code_name((enum fb_code)code));
        }
    }
    end_suite();
    nobody_is_left();
}

#define SUITE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(a_call_goes_through_the_suite_to_a_server_and_back),
        SUITE_TEST(the_suite_recovers_from_the_kill_of_any_program_under_load),
    };

    if (argc == PROGRAMS + 2) {
        rounds = strtol(argv[PROGRAMS + 1], NULL, 10);
    }
    if (argc < PROGRAMS + 1 || argc > PROGRAMS + 2 || rounds < 1 || rounds > ROUNDS_MOST) {
        fprintf(stderr,
                "usage: %s <supervisor> <store> <router> <worker> <guard> <server> [rounds]\n",
                argv[0]);
        return 2;
    }
    for (int i = 0; i < PROGRAMS; i++) {
        programs[i] = realpath(argv[i + 1], NULL);
        if (programs[i] == NULL) {
            perror(argv[i + 1]);
            return 2;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
