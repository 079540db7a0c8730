#define _GNU_SOURCE /* pipe2 */

#include "tests/runtime/service/world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/admin.pb-c.h"

#include "runtime/base/clock.h"
#include "runtime/rpc/h2/h2.h"

static const char *sample_path;

struct fb_loop *loop;
struct fb_channel *channel;
char folder[FOLDER_BYTES];
struct program program;

int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop != NULL && folder_make(folder) ? 0 : -1;
}

int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(channel);
    channel = NULL;
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

const char *path_of(const char *prefix, const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s%s/%s", prefix, folder, name);
    return path;
}

void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of("", name), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
    assert_int_equal(chmod(path_of("", name), 0600), 0);
}

/* --- the program --- */

static void program_ended(struct fb_child *child, struct fb_child_end end)
{
    (void)child;
    program.end = end;
    program.ends++;
}

void start(const char *first, ...)
{
    const char *argv[ARGUMENTS_MOST] = {sample_path, first};
    struct fb_child_plan plan = {.argv = argv, .stdin_fd = -1, .keep_fd = -1};
    struct fb_status status;
    va_list args;
    int count = 1;
    int fds[2];

    va_start(args, first);
    while (argv[count] != NULL) {
        assert_true(count < ARGUMENTS_MOST - 2);
        argv[++count] = va_arg(args, const char *);
    }
    va_end(args);
    program.ends = 0;
    program.size = 0;
    program.text[0] = '\0';
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    plan.stdout_fd = fds[1];
    plan.stderr_fd = fds[1];
    program.output = fds[0];
    status = fb_child_start(loop, &program.child, &plan, program_ended);
    close(fds[1]);
    if (!fb_is_ok(status)) {
        fail_msg("%s", status.why);
    }
}

static void read_output(void)
{
    ssize_t got;

    do {
        got = read(program.output, program.text + program.size, OUTPUT_BYTES - 1 - program.size);
        program.size += got > 0 ? (size_t)got : 0;
        program.text[program.size] = '\0';
    } while (got > 0);
}

void turn_until(const int *count, int wanted)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    while (*count < wanted) {
        if (fb_clock_ms() >= deadline_ms) {
            read_output();
            fail_msg("waited too long; the program says:\n%s", program.text);
        }
        fb_loop_turn(loop, 100);
    }
}

void wait_for_exit(int exit_code)
{
    turn_until(&program.ends, 1);
    read_output();
    close(program.output);
    if (program.end.exit_code != exit_code) {
        fail_msg("exit code %d, not %d; the program says:\n%s", program.end.exit_code, exit_code,
                 program.text);
    }
}

const char *wait_for_words(const char *words)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    for (;;) {
        const char *found;

        read_output();
        found = strstr(program.text, words);
        if (found != NULL && strchr(found, '\n') != NULL) {
            return found + strlen(words);
        }
        if (fb_clock_ms() >= deadline_ms || program.ends > 0) {
            fail_msg("'%s' is not said in:\n%s", words, program.text);
        }
        fb_loop_turn(loop, 10); /* our side of a drain goes on */
    }
}

void end_program(void)
{
    assert_true(fb_child_signal(&program.child, SIGTERM));
    wait_for_exit(0);
}

/* --- calls --- */

void dial(const char *target)
{
    const struct fb_channel_config config = {.target = target, .backoff_first_ms = 10};

    fb_channel_destroy(channel);
    assert_true(fb_is_ok(fb_channel_create(loop, &fb_h2, &config, &channel)));
}

static void message_came(struct fb_client_call *call, void *arg, const uint8_t *data, size_t size)
{
    struct made *made = arg;

    (void)call;
    if (made->message != NULL) {
        protobuf_c_message_free_unpacked(made->message, NULL);
    }
    made->message = protobuf_c_message_unpack(made->type, NULL, size, data);
    assert_non_null(made->message);
    made->messages++;
}

static void call_ended(struct fb_client_call *call, void *arg, const struct fb_call_end *end)
{
    struct made *made = arg;

    (void)call;
    made->call = NULL;
    made->code = end->status.code;
    snprintf(made->why, sizeof(made->why), "%s", end->status.why);
    made->ends++;
}

void begin(struct made *made, const char *path, const ProtobufCMessageDescriptor *type)
{
    static const struct fb_client_call_events events = {
        .on_message = message_came,
        .on_end = call_ended,
    };
    const struct fb_call_plan plan = {
        .path = path, .deadline_ms = fb_clock_ms() + PATIENCE_MS, .wait_for_ready = true};

    *made = (struct made){.type = type};
    made->call = fb_channel_call(channel, &plan, &events, made);
    assert_non_null(made->call);
}

void finish(struct made *made)
{
    if (made->call != NULL) {
        fb_client_call_cancel(made->call);
    }
    if (made->message != NULL) {
        protobuf_c_message_free_unpacked(made->message, NULL);
    }
}

void ask(struct made *made, const char *path, const ProtobufCMessage *request,
         const ProtobufCMessageDescriptor *type)
{
    begin(made, path, type);
    fb_client_call_send(made->call, request);
    fb_client_call_half_close(made->call);
    turn_until(&made->ends, 1);
}

void greeting_is(const char *greeting)
{
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    struct made made;

    ask(&made, OVERVIEW, &request.base, &flowbalancer__v1__get_overview_response__descriptor);
    if (made.code != FB_OK) {
        fail_msg("%s: %s", fb_code_name(made.code), made.why);
    }
    assert_string_equal(((Flowbalancer__V1__GetOverviewResponse *)made.message)->router->router_id,
                        greeting);
    finish(&made);
}

void order(const char *what)
{
    Flowbalancer__V1__DrainWorkerRequest request = FLOWBALANCER__V1__DRAIN_WORKER_REQUEST__INIT;
    struct made made;

    request.worker_id = (char *)what;
    ask(&made, DRAIN, &request.base, &flowbalancer__v1__drain_worker_response__descriptor);
    assert_int_equal(made.code, FB_OK);
    finish(&made);
}

void begin_open(struct made *made)
{
    Flowbalancer__V1__RecentCallsRequest request = FLOWBALANCER__V1__RECENT_CALLS_REQUEST__INIT;

    begin(made, RECENT, &flowbalancer__v1__recent_calls_response__descriptor);
    fb_client_call_send(made->call, &request.base);
    fb_client_call_half_close(made->call);
    turn_until(&made->messages, 1);
}

void start_and_dial(void)
{
    start("--listen", path_of("unix:", "s"), "--drain", "5m", NULL);
    dial(path_of("unix:", "s"));
}

bool world_takes(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s <sample program>\n", argv[0]);
        return false;
    }
    sample_path = argv[1];
    return true;
}
