#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/admin.pb-c.h"
#include "grpc/health/v1/health.pb-c.h"

#include "tests/runtime/service/world.h"

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SERVICE_TEST(health_is_serving_for_the_program_and_each_of_its_services),
        SERVICE_TEST(who_watches_health_is_told_of_each_change_and_of_the_end),
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

    return world_takes(argc, argv) ? cmocka_run_group_tests(tests, NULL, NULL) : 2;
}
