#define _GNU_SOURCE /* pipe2 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/admin.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include "runtime/base/clock.h"
#include "runtime/loop/child.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/h2/h2.h"
#include "tests/support/folder.h"

enum { PATIENCE_MS = 30000, OUTPUT_BYTES = 65536, ARGUMENTS_MOST = 24 };

#define OVERVIEW "/flowbalancer.v1.AdminService/GetOverview"
#define DRAIN    "/flowbalancer.v1.AdminService/DrainWorker"
#define RECENT   "/flowbalancer.v1.AdminService/RecentCalls"

static const char *sample_path;
static struct fb_loop *loop;
static struct fb_channel *channel;
static char folder[FOLDER_BYTES];

/* The program under test and what it says. */
static struct {
    struct fb_child child;
    struct fb_child_end end;
    int ends;
    int output; /* both streams */
    char text[OUTPUT_BYTES];
    size_t size;
} program;

/* A call that we make, and what came of it. */
struct made {
    struct fb_client_call *call;
    ProtobufCMessage *message; /* the last */
    const ProtobufCMessageDescriptor *type;
    int messages;
    int ends;
    enum fb_code code;
    char why[256];
};

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    return loop != NULL && folder_make(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fb_channel_destroy(channel);
    channel = NULL;
    fb_loop_destroy(loop);
    return folder_remove(folder) ? 0 : -1;
}

static const char *path_of(const char *prefix, const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s%s/%s", prefix, folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
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

/* Starts the sample with further arguments, NULL-ended. */
static void start(const char *first, ...)
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

/* Turns our loop until `*count` is `wanted`. */
static void turn_until(const int *count, int wanted)
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

static void wait_for_exit(int exit_code)
{
    turn_until(&program.ends, 1);
    read_output();
    close(program.output);
    if (program.end.exit_code != exit_code) {
        fail_msg("exit code %d, not %d; the program says:\n%s", program.end.exit_code, exit_code,
                 program.text);
    }
}

/* Waits for words in what it says; returns what follows them. */
static const char *wait_for_words(const char *words)
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

static void end_program(void)
{
    assert_true(fb_child_signal(&program.child, SIGTERM));
    wait_for_exit(0);
}

/* --- calls --- */

static void dial(const char *target)
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

static void begin(struct made *made, const char *path, const ProtobufCMessageDescriptor *type)
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

static void finish(struct made *made)
{
    if (made->call != NULL) {
        fb_client_call_cancel(made->call);
    }
    if (made->message != NULL) {
        protobuf_c_message_free_unpacked(made->message, NULL);
    }
}

/* One message there, and the end awaited. */
static void ask(struct made *made, const char *path, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *type)
{
    begin(made, path, type);
    fb_client_call_send(made->call, request);
    fb_client_call_half_close(made->call);
    turn_until(&made->ends, 1);
}

static void greeting_is(const char *greeting)
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

static void order(const char *what)
{
    Flowbalancer__V1__DrainWorkerRequest request = FLOWBALANCER__V1__DRAIN_WORKER_REQUEST__INIT;
    struct made made;

    request.worker_id = (char *)what;
    ask(&made, DRAIN, &request.base, &flowbalancer__v1__drain_worker_response__descriptor);
    assert_int_equal(made.code, FB_OK);
    finish(&made);
}

/* A call that the program keeps open; its first message has come. */
static void begin_open(struct made *made)
{
    Flowbalancer__V1__RecentCallsRequest request = FLOWBALANCER__V1__RECENT_CALLS_REQUEST__INIT;

    begin(made, RECENT, &flowbalancer__v1__recent_calls_response__descriptor);
    fb_client_call_send(made->call, &request.base);
    fb_client_call_half_close(made->call);
    turn_until(&made->messages, 1);
}

static void start_and_dial(void)
{
    start("--listen", path_of("unix:", "s"), "--drain", "5m", NULL);
    dial(path_of("unix:", "s"));
}

/* --- health --- */

static Grpc__Health__V1__HealthCheckResponse__ServingStatus status_of(const struct made *made)
{
    return ((Grpc__Health__V1__HealthCheckResponse *)made->message)->status;
}

static void check_health(struct made *made, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    request.service = (char *)service;
    ask(made, "/grpc.health.v1.Health/Check", &request.base,
        &grpc__health__v1__health_check_response__descriptor);
}

static void begin_watch(struct made *made, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    request.service = (char *)service;
    begin(made, "/grpc.health.v1.Health/Watch",
          &grpc__health__v1__health_check_response__descriptor);
    fb_client_call_send(made->call, &request.base);
    fb_client_call_half_close(made->call);
    turn_until(&made->messages, 1);
}

static void health_is_serving_for_the_program_and_each_of_its_services(void **state)
{
    const char *const services[] = {"", "flowbalancer.v1.AdminService", "grpc.health.v1.Health"};
    struct made made;

    (void)state;
    start_and_dial();
    for (int i = 0; i < 3; i++) {
        check_health(&made, services[i]);
        assert_int_equal(made.code, FB_OK);
        assert_int_equal(status_of(&made),
                         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
        finish(&made);
    }
    check_health(&made, "flowbalancer.v1.Nothing");
    assert_int_equal(made.code, FB_NOT_FOUND);
    finish(&made);
    end_program();
}

static void who_watches_health_is_told_of_each_change_and_of_the_end(void **state)
{
    struct made made;
    struct made unknown;

    (void)state;
    start_and_dial();
    begin_watch(&made, "");
    assert_int_equal(status_of(&made),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    begin_watch(&unknown, "flowbalancer.v1.Nothing");
    assert_int_equal(status_of(&unknown),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN);
    order("unready");
    turn_until(&made.messages, 2);
    assert_int_equal(status_of(&made),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
    order("ready");
    turn_until(&made.messages, 3);
    assert_int_equal(status_of(&made),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    assert_true(fb_child_signal(&program.child, SIGTERM));
    turn_until(&made.messages, 4);
    assert_int_equal(status_of(&made),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
    turn_until(&made.ends, 1);
    assert_int_equal(made.code, FB_UNAVAILABLE);
    turn_until(&unknown.ends, 1);
    assert_int_equal(unknown.messages, 1);
    wait_for_exit(0);
    finish(&made);
    finish(&unknown);
}

/* --- reflection --- */

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

static const char *const versions[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

static const reflection_response *reflect(struct made *made, const reflection_request *request)
{
    const int before = made->messages;

    fb_client_call_send(made->call, &request->base);
    turn_until(&made->messages, before + 1);
    return (const reflection_response *)made->message;
}

static void reflection_lists_the_services(void **state)
{
    const char *const expected[] = {
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "grpc.health.v1.Health",
        "flowbalancer.v1.AdminService",
    };

    (void)state;
    start_and_dial();
    for (int i = 0; i < 2; i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        const reflection_response *answer;
        struct made made;

        begin(&made, versions[i], &grpc__reflection__v1__server_reflection_response__descriptor);
        request.host = (char *)"me";
        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
        request.list_services = (char *)"*";
        answer = reflect(&made, &request);
        assert_string_equal(answer->valid_host, "me");
        assert_string_equal(answer->original_request->list_services, "*");
        assert_non_null(answer->list_services_response);
        assert_int_equal(answer->list_services_response->n_service, 4);
        for (int k = 0; k < 4; k++) {
            assert_string_equal(answer->list_services_response->service[k]->name, expected[k]);
        }
        fb_client_call_half_close(made.call);
        turn_until(&made.ends, 1);
        assert_int_equal(made.code, FB_OK);
        finish(&made);
    }
    end_program();
}

/* The names of the files of an answer, each unpacked as a client would do it. */
static void files_are(const reflection_response *answer, const char *const *names, size_t count)
{
    const Grpc__Reflection__V1__FileDescriptorResponse *files = answer->file_descriptor_response;

    assert_int_equal(
        answer->message_response_case,
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE);
    assert_int_equal(files->n_file_descriptor_proto, count);
    for (size_t i = 0; i < count; i++) {
        Google__Protobuf__FileDescriptorProto *file =
            google__protobuf__file_descriptor_proto__unpack(
                NULL, files->file_descriptor_proto[i].len, files->file_descriptor_proto[i].data);

        assert_non_null(file);
        assert_string_equal(file->name, names[i]);
        google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    }
}

static void reflection_gives_the_file_of_any_symbol_with_its_imports(void **state)
{
    static const char *const admin[] = {"flowbalancer/v1/admin.proto",
                                        "flowbalancer/v1/registry.proto"};
    static const char *const health[] = {"grpc/health/v1/health.proto"};
    static const struct {
        const char *symbol;
        const char *const *files;
        size_t count;
    } cases[] = {
        {"flowbalancer.v1.AdminService", admin, 2},                      /* service */
        {"flowbalancer.v1.AdminService.GetOverview", admin, 2},          /* method */
        {"flowbalancer.v1.RouterOverview", admin, 2},                    /* message */
        {"flowbalancer.v1.RouterOverview.router_id", admin, 2},          /* field */
        {"flowbalancer.v1.WorkerState", admin, 2},                       /* enum */
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", health, 1}, /* enum in a message */
        {"grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING", health, 1}, /* its value */
    };
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        request.file_containing_symbol = (char *)cases[i].symbol;
        files_are(reflect(&made, &request), cases[i].files, cases[i].count);
    }
    finish(&made);
    end_program();
}

static void reflection_gives_a_file_by_its_name(void **state)
{
    static const char *const health[] = {"grpc/health/v1/health.proto"};
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;
    request.file_by_filename = (char *)health[0];
    files_are(reflect(&made, &request), health, 1);
    finish(&made);
    end_program();
}

static void reflection_says_what_it_does_not_know_and_goes_on(void **state)
{
    static const char *const unknown[] = {"",
                                          ".",
                                          "flowbalancer",
                                          "flowbalancer.v1",
                                          "flowbalancer.v1.",
                                          "flowbalancer.v1.AdminServic",
                                          "flowbalancer.v1.AdminService.",
                                          "flowbalancer.v1.AdminServiceX",
                                          "flowbalancer.v1.AdminService.GetOverview.x",
                                          "flowbalancerXv1.AdminService"};
    struct made made;
    reflection_request empty = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    const reflection_response *answer;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        request.file_containing_symbol = (char *)unknown[i];
        answer = reflect(&made, &request);
        assert_int_equal(
            answer->message_response_case,
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE);
        assert_int_equal(answer->error_response->error_code, FB_NOT_FOUND);
    }
    answer = reflect(&made, &empty);
    assert_int_equal(answer->error_response->error_code, FB_INVALID_ARGUMENT);
    finish(&made);
    end_program();
}

static void reflection_ends_a_stream_of_garbage_with_the_reason(void **state)
{
    struct made made;

    (void)state;
    start_and_dial();
    begin(&made, versions[0], &grpc__reflection__v1__server_reflection_response__descriptor);
    fb_client_call_send_bytes(made.call, (const uint8_t *)"\xff\xff\xff", 3);
    turn_until(&made.ends, 1);
    assert_int_equal(made.code, FB_INVALID_ARGUMENT);
    finish(&made);
    greeting_is("hello");
    end_program();
}

/* --- the end --- */

static void sigterm_lets_a_running_call_end_and_exits_with_0(void **state)
{
    struct made made;

    (void)state;
    start_and_dial();
    begin_open(&made);
    assert_true(fb_child_signal(&program.child, SIGTERM));
    turn_until(&made.ends, 1);
    assert_int_equal(made.code, FB_OK);
    wait_for_exit(0);
    finish(&made);
    assert_int_equal(access(path_of("", "s"), F_OK), -1);
}

static void a_call_that_does_not_end_is_cancelled_at_the_drains_limit(void **state)
{
    struct made made;

    (void)state;
    start("--listen", path_of("unix:", "s"), "--drain", "100ms", "--hold", NULL);
    dial(path_of("unix:", "s"));
    begin_open(&made);
    assert_true(fb_child_signal(&program.child, SIGTERM));
    turn_until(&made.ends, 1);
    assert_int_equal(made.code, FB_UNAVAILABLE);
    wait_for_exit(0);
    finish(&made);
}

static void a_second_signal_ends_at_once(void **state)
{
    struct made made;

    (void)state;
    start("--listen", path_of("unix:", "s"), "--drain", "5m", "--hold", NULL);
    dial(path_of("unix:", "s"));
    begin_open(&made);
    assert_true(fb_child_signal(&program.child, SIGTERM));
    wait_for_words("told to end");
    assert_true(fb_child_signal(&program.child, SIGINT));
    wait_for_exit(0);
    turn_until(&made.ends, 1);
    finish(&made);
}

/* Our side does not turn its loop meanwhile, so it does not see that it is to hang up. */
static void a_peer_that_does_not_hang_up_does_not_hold_the_end(void **state)
{
    struct pollfd ended = {.events = POLLIN};

    (void)state;
    start_and_dial();
    greeting_is("hello");
    ended.fd = program.child.watch.fd;
    assert_true(fb_child_signal(&program.child, SIGTERM));
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
    wait_for_exit(0);
}

static void a_stop_that_never_ends_is_given_up(void **state)
{
    (void)state;
    start("--listen", path_of("unix:", "s"), "--never-stop", NULL);
    dial(path_of("unix:", "s"));
    greeting_is("hello");
    assert_true(fb_child_signal(&program.child, SIGTERM));
    wait_for_words("did not stop in time");
    wait_for_exit(0);
}

static void what_cannot_go_on_drains_and_exits_with_its_code(void **state)
{
    (void)state;
    start_and_dial();
    order("fail");
    wait_for_exit(69);
    assert_non_null(strstr(program.text, "cannot go on"));
    assert_non_null(strstr(program.text, "something is lost"));
}

/* --- the start --- */

static void a_refused_start_is_told_by_words_and_exit_code(void **state)
{
    (void)state;
    start("--refuse", "config", NULL);
    wait_for_exit(78);
    assert_non_null(strstr(program.text, "a file that it needs is not there"));
    start("--refuse", "unavailable", NULL);
    wait_for_exit(69);
    start("--refuse", "internal", NULL);
    wait_for_exit(70);
}

static void bad_arguments_are_named_and_exit_with_64(void **state)
{
    (void)state;
    start("--greting", "x", NULL);
    wait_for_exit(64);
    assert_non_null(strstr(program.text, "flow-sample: "));
    assert_non_null(strstr(program.text, "greting"));
    start("--drain", "soon", NULL);
    wait_for_exit(64);
    assert_non_null(strstr(program.text, "drain"));
}

static void an_address_that_is_taken_exits_with_69(void **state)
{
    struct fb_child first;
    int output;

    (void)state;
    start_and_dial();
    greeting_is("hello");
    first = program.child;
    output = program.output;
    fb_child_forget(&program.child);
    start("--listen", path_of("unix:", "s"), NULL);
    wait_for_exit(69);
    assert_non_null(strstr(program.text, path_of("unix:", "s")));
    greeting_is("hello");
    kill(first.pid, SIGTERM);
    close(output);
}

static void listening_beyond_loopback_without_protection_exits_with_78(void **state)
{
    (void)state;
    start("--listen", "0.0.0.0:0", NULL);
    wait_for_exit(78);
    assert_non_null(strstr(program.text, "0.0.0.0:0"));
}

static void a_missing_file_of_a_setting_exits_with_78(void **state)
{
    (void)state;
    start("--tokens", "/no/such/file", NULL);
    wait_for_exit(78);
    start("--token-file", "/no/such/file", NULL);
    wait_for_exit(78);
    assert_non_null(strstr(program.text, "/no/such/file"));
    start("--tls-cert", "/no/such/file", NULL);
    wait_for_exit(78);
    assert_non_null(strstr(program.text, "tls_cert and tls_key"));
    start("--config", "/no/such/file", NULL);
    wait_for_exit(78);
}

static void several_addresses_are_served_at_once(void **state)
{
    char target[64];

    (void)state;
    start("--listen", path_of("unix:", "s"), "--listen", "127.0.0.1:0", NULL);
    snprintf(target, sizeof(target), "127.0.0.1:%ld",
             strtol(wait_for_words("address=127.0.0.1:"), NULL, 10));
    dial(path_of("unix:", "s"));
    greeting_is("hello");
    dial(target);
    greeting_is("hello");
    end_program();
}

static void tokens_are_asked_for_by_tcp_and_not_on_unix_sockets(void **state)
{
    Flowbalancer__V1__GetOverviewRequest request = FLOWBALANCER__V1__GET_OVERVIEW_REQUEST__INIT;
    char target[64];
    struct made made;

    (void)state;
    write_file("tokens", "acme 0123456789abcdef\n");
    start("--listen", path_of("unix:", "s"), "--listen", "127.0.0.1:0", "--tokens",
          path_of("", "tokens"), NULL);
    snprintf(target, sizeof(target), "127.0.0.1:%ld",
             strtol(wait_for_words("address=127.0.0.1:"), NULL, 10));
    dial(path_of("unix:", "s"));
    greeting_is("hello");
    dial(target);
    ask(&made, OVERVIEW, &request.base, &flowbalancer__v1__get_overview_response__descriptor);
    assert_int_equal(made.code, FB_UNAUTHENTICATED);
    finish(&made);
    end_program();
}

/* --- settings --- */

static void sighup_reads_the_settings_anew_and_keeps_the_old_if_they_are_wrong(void **state)
{
    (void)state;
    write_file("c.json", "{\"flow\": {\"sample\": {\"greeting\": \"one\"}}}");
    start("--listen", path_of("unix:", "s"), "--config", path_of("", "c.json"), NULL);
    dial(path_of("unix:", "s"));
    greeting_is("one");
    write_file("c.json", "{\"flow\": {\"sample\": {\"greeting\": \"two\"}}}");
    assert_true(fb_child_signal(&program.child, SIGHUP));
    wait_for_words("settings were read again");
    greeting_is("two");
    write_file("c.json", "{\"flow\": {\"sample\": {\"drain\": \"soon\"}}}");
    assert_true(fb_child_signal(&program.child, SIGHUP));
    wait_for_words("the old ones stay");
    greeting_is("two");
    end_program();
}

static void an_unknown_setting_is_named_in_a_warning(void **state)
{
    (void)state;
    write_file("c.json", "{\"flow\": {\"sample\": {\"greting\": \"one\"}}}");
    start("--listen", path_of("unix:", "s"), "--config", path_of("", "c.json"), NULL);
    wait_for_words("listens");
    assert_non_null(strstr(program.text, "a setting is ignored"));
    assert_non_null(strstr(program.text, "greting"));
    assert_non_null(strstr(program.text, "greeting"));
    end_program();
}

static void questions_are_answered_on_standard_output_instead_of_a_start(void **state)
{
    (void)state;
    start("--help", NULL);
    wait_for_exit(0);
    assert_non_null(strstr(program.text, "--greeting"));
    assert_non_null(strstr(program.text, "--listen"));
    start("--version", NULL);
    wait_for_exit(0);
    assert_ptr_equal(strstr(program.text, "flow-sample "), program.text);
    start("--print-config", NULL);
    wait_for_exit(0);
    assert_non_null(strstr(program.text, "\"greeting\": \"hello\""));
    start("--print-schema", NULL);
    wait_for_exit(0);
    assert_non_null(strstr(program.text, "json-schema.org"));
}

/* --- ops --- */

/* One GET of a port on loopback; the whole answer. */
static void get(long port, const char *path, char *answer, size_t room)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    char request[128];
    size_t size = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    while ((got = read(fd, answer + size, room - 1 - size)) > 0) {
        size += (size_t)got;
    }
    answer[size] = '\0';
    close(fd);
}

static void shows(const char *answer, const char *text)
{
    if (strstr(answer, text) == NULL) {
        fail_msg("'%s' is not in:\n%s", text, answer);
    }
}

static void ops_shows_metrics_readiness_and_the_services_own_pages(void **state)
{
    char answer[16384];
    long port;

    (void)state;
    start("--listen", path_of("unix:", "s"), "--ops-listen", "127.0.0.1:0", NULL);
    port = strtol(strstr(wait_for_words("shows itself"), "port=") + 5, NULL, 10);
    dial(path_of("unix:", "s"));
    greeting_is("hello");
    get(port, "/metrics", answer, sizeof(answer));
    shows(answer, "\nflowbalancer_sample_overviews_total 1\n");
    shows(answer, "\nflowbalancer_process_resident_bytes ");
    shows(answer, "\nflowbalancer_rpc_calls_started_total ");
    get(port, "/sample", answer, sizeof(answer));
    shows(answer, "a page of the sample");
    get(port, "/readyz", answer, sizeof(answer));
    shows(answer, " 200 ");
    order("unready");
    get(port, "/readyz", answer, sizeof(answer));
    shows(answer, " 503 ");
    shows(answer, "something is lost");
    get(port, "/healthz", answer, sizeof(answer));
    shows(answer, " 200 ");
    end_program();
}

static void ops_says_that_a_draining_program_is_not_ready_but_alive(void **state)
{
    char answer[16384];
    struct made made;
    long port;

    (void)state;
    start("--listen", path_of("unix:", "s"), "--ops-listen", "127.0.0.1:0", "--drain", "5m",
          "--hold", NULL);
    port = strtol(strstr(wait_for_words("shows itself"), "port=") + 5, NULL, 10);
    dial(path_of("unix:", "s"));
    begin_open(&made);
    assert_true(fb_child_signal(&program.child, SIGTERM));
    wait_for_words("told to end");
    get(port, "/readyz", answer, sizeof(answer));
    shows(answer, " 503 ");
    shows(answer, "shutting down");
    get(port, "/healthz", answer, sizeof(answer));
    shows(answer, " 200 ");
    finish(&made);
    wait_for_exit(0);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(health_is_serving_for_the_program_and_each_of_its_services),
        SERVICE_TEST(who_watches_health_is_told_of_each_change_and_of_the_end),
        SERVICE_TEST(reflection_lists_the_services),
        SERVICE_TEST(reflection_gives_the_file_of_any_symbol_with_its_imports),
        SERVICE_TEST(reflection_gives_a_file_by_its_name),
        SERVICE_TEST(reflection_says_what_it_does_not_know_and_goes_on),
        SERVICE_TEST(reflection_ends_a_stream_of_garbage_with_the_reason),
        SERVICE_TEST(sigterm_lets_a_running_call_end_and_exits_with_0),
        SERVICE_TEST(a_call_that_does_not_end_is_cancelled_at_the_drains_limit),
        SERVICE_TEST(a_second_signal_ends_at_once),
        SERVICE_TEST(a_peer_that_does_not_hang_up_does_not_hold_the_end),
        SERVICE_TEST(a_stop_that_never_ends_is_given_up),
        SERVICE_TEST(what_cannot_go_on_drains_and_exits_with_its_code),
        SERVICE_TEST(a_refused_start_is_told_by_words_and_exit_code),
        SERVICE_TEST(bad_arguments_are_named_and_exit_with_64),
        SERVICE_TEST(an_address_that_is_taken_exits_with_69),
        SERVICE_TEST(listening_beyond_loopback_without_protection_exits_with_78),
        SERVICE_TEST(a_missing_file_of_a_setting_exits_with_78),
        SERVICE_TEST(several_addresses_are_served_at_once),
        SERVICE_TEST(tokens_are_asked_for_by_tcp_and_not_on_unix_sockets),
        SERVICE_TEST(sighup_reads_the_settings_anew_and_keeps_the_old_if_they_are_wrong),
        SERVICE_TEST(an_unknown_setting_is_named_in_a_warning),
        SERVICE_TEST(questions_are_answered_on_standard_output_instead_of_a_start),
        SERVICE_TEST(ops_shows_metrics_readiness_and_the_services_own_pages),
        SERVICE_TEST(ops_says_that_a_draining_program_is_not_ready_but_alive),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s <sample program>\n", argv[0]);
        return 2;
    }
    sample_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
