#include "runtime/ops/ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"

enum { DEADLINE_MS = 10000 };

static const struct fb_metric table[] = {
    {"t_calls_total", FB_COUNTER, "Calls.", FB_UNIT_NONE, {NULL}, 0},
    {.name = NULL},
};

/* A program with an endpoint, and what its checks say. */
struct world {
    struct fb_loop *loop;
    struct fb_metrics *metrics[2];
    struct fb_status alive;
    struct fb_status ready;
    struct fb_ops *ops;
    char answer[1 << 16];
};

static struct fb_status say_alive(void *context)
{
    return ((struct world *)context)->alive;
}

static struct fb_status say_ready(void *context)
{
    return ((struct world *)context)->ready;
}

static struct fb_status write_greeting(void *context, const struct fb_ops_call *call,
                                       struct fb_buffer *body)
{
    const char *name = fb_ops_query(call, "name");

    (void)context;
    if (name == NULL) {
        return fb_fail(FB_INVALID_ARGUMENT, "whom to greet? ?name= is missing");
    }
    fb_buffer_printf(body, "<p>Hello %s", name);
    return fb_ok;
}

static struct fb_status write_large(void *context, const struct fb_ops_call *call,
                                    struct fb_buffer *body)
{
    const size_t size = strtoul(fb_ops_query(call, "size"), NULL, 10);

    (void)context;
    if (fb_buffer_reserve(body, size) != NULL) {
        memset(body->data, 'x', size);
        body->size = size;
    }
    return fb_ok;
}

static const struct fb_ops_page pages[] = {
    {"/greeting", "text/html", write_greeting, NULL, "says hello"},
    {"/large", "text/plain", write_large, NULL, "as large as you want"},
    {.path = NULL},
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    if (world == NULL) {
        return -1;
    }
    world->loop = fb_loop_create();
    world->metrics[0] = fb_metrics_create(table);
    world->alive = fb_ok;
    world->ready = fb_ok;
    *state = world;
    return world->loop == NULL || world->metrics[0] == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    fb_ops_close(world->ops);
    fb_metrics_destroy(world->metrics[0]);
    fb_loop_destroy(world->loop);
    free(world);
    return 0;
}

static struct fb_status try_open(struct world *world, const char *listen, const char *token)
{
    const struct fb_ops_config config = {
        .loop = world->loop,
        .listen = listen,
        .token = token,
        .metrics = world->metrics,
        .pages = pages,
        .alive = say_alive,
        .ready = say_ready,
        .context = world,
    };

    return fb_ops_open(&config, &world->ops);
}

static void open_ops(struct world *world, const char *listen, const char *token)
{
    const struct fb_status status = try_open(world, listen, token);

    assert_string_equal(status.why, "");
    assert_true(fb_is_ok(status));
}

static int dial(const struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fb_ops_port(world->ops)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends all of the request and runs the loop until the other end has closed. */
static const char *talk(struct world *world, int fd, const char *request)
{
    const int64_t deadline_ms = fb_clock_ms() + DEADLINE_MS;
    size_t size = 0;

    assert_int_equal(write(fd, request, strlen(request)), (int)strlen(request));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (;;) {
        const ssize_t got = read(fd, world->answer + size, sizeof(world->answer) - 1 - size);

        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            break;
        }
        size += got > 0 ? (size_t)got : 0;
        assert_true(got > 0 || errno == EAGAIN);
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(world->loop, 10);
    }
    close(fd);
    world->answer[size] = '\0';
    return world->answer;
}

static const char *ask(struct world *world, const char *request)
{
    return talk(world, dial(world), request);
}

/* With more headers, each ended by CR LF. */
static const char *get(struct world *world, const char *path, const char *headers)
{
    char request[1024];

    snprintf(request, sizeof(request),
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path, headers);
    return ask(world, request);
}

static void assert_status(const char *answer, const char *status)
{
    assert_memory_equal(answer, "HTTP/1.1 ", 9);
    assert_memory_equal(answer + 9, status, strlen(status));
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static void metrics_are_served_as_prometheus_reads_them(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", NULL);
    fb_metrics_add(world->metrics[0], 0, 3);
    answer = get(world, "/metrics", "");
    assert_status(answer, "200 ");
    assert_non_null(
        strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(body_of(answer), "\nt_calls_total 3\n"));
}

static void health_and_readiness_say_what_the_checks_say(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", NULL);
    answer = get(world, "/healthz", "");
    assert_status(answer, "200 ");
    assert_string_equal(body_of(answer), "ok\n");
    world->ready = fb_fail(FB_FAILED_PRECONDITION, "draining");
    answer = get(world, "/readyz", "");
    assert_status(answer, "503 ");
    assert_string_equal(body_of(answer), "draining\n");
    assert_status(get(world, "/healthz", ""), "200 ");
    world->alive = fb_fail(FB_INTERNAL, "stuck");
    assert_status(get(world, "/healthz", ""), "503 ");
}

static void a_page_of_the_program_gets_its_query(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", NULL);
    answer = get(world, "/greeting?name=a%20b&x=1", "");
    assert_status(answer, "200 ");
    assert_non_null(strstr(answer, "\r\nContent-Type: text/html\r\n"));
    assert_string_equal(body_of(answer), "<p>Hello a b");
    answer = get(world, "/greeting", "");
    assert_status(answer, "400 ");
    assert_string_equal(body_of(answer), "whom to greet? ?name= is missing\n");
}

static void an_unknown_path_is_answered_with_a_list_of_pages(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", NULL);
    answer = get(world, "/", "");
    assert_status(answer, "404 ");
    assert_non_null(strstr(answer, "/metrics "));
    assert_non_null(strstr(answer, "/healthz "));
    assert_non_null(strstr(answer, "/readyz "));
    assert_non_null(strstr(answer, "/greeting            says hello\n"));
}

static void head_is_answered_without_a_body(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", NULL);
    answer = ask(world, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_status(answer, "200 ");
    assert_non_null(strstr(answer, "\r\nContent-Length: 3\r\n"));
    assert_string_equal(body_of(answer), "");
}

static void any_other_method_is_refused_with_those_allowed(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
    struct world *world = *state;

    open_ops(world, "127.0.0.1:0", NULL);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char request[256];
        const char *answer;

        snprintf(request, sizeof(request),
                 "%s /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 "Content-Length: 0\r\n\r\n",
                 methods[i]);
        answer = ask(world, request);
        assert_status(answer, "405 ");
        assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    }
}

static void a_body_is_refused_unread(void **state)
{
    struct world *world = *state;

    open_ops(world, "127.0.0.1:0", NULL);
    assert_status(get(world, "/metrics", "Content-Length: 1000000000\r\n"), "413 ");
    assert_status(get(world, "/metrics", "Transfer-Encoding: chunked\r\n"), "413 ");
}

static void a_page_of_the_web_cannot_read_us_under_its_own_name(void **state)
{
    struct world *world = *state;

    open_ops(world, "127.0.0.1:0", NULL);
    assert_status(ask(world, "GET /metrics HTTP/1.1\r\nHost: evil.example:9090\r\n"
                             "Connection: close\r\n\r\n"),
                  "403 ");
    assert_status(ask(world, "GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n"
                             "Connection: close\r\n\r\n"),
                  "403 ");
    assert_status(ask(world, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n"
                             "Connection: close\r\n\r\n"),
                  "200 ");
    assert_status(ask(world, "GET /metrics HTTP/1.1\r\nHost: [::1]:9090\r\n"
                             "Connection: close\r\n\r\n"),
                  "200 ");
}

static void with_a_token_only_probes_come_without_it(void **state)
{
    struct world *world = *state;
    const char *answer;

    open_ops(world, "127.0.0.1:0", "s3cret");
    answer = get(world, "/metrics", "");
    assert_status(answer, "401 ");
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Bearer\r\n"));
    assert_status(get(world, "/metrics", "Authorization: Bearer s3cre\r\n"), "401 ");
    assert_status(get(world, "/metrics", "Authorization: Bearer s3crets\r\n"), "401 ");
    assert_status(get(world, "/metrics", "Authorization: Basic s3cret\r\n"), "401 ");
    assert_status(get(world, "/nowhere", ""), "401 ");
    assert_status(get(world, "/metrics", "Authorization: Bearer s3cret\r\n"), "200 ");
    assert_status(get(world, "/metrics", "Authorization: bearer s3cret\r\n"), "200 ");
    assert_status(get(world, "/readyz", ""), "200 ");
}

static void beyond_loopback_nothing_listens_without_a_token(void **state)
{
    assert_int_equal(try_open(*state, "0.0.0.0:0", NULL).code, FB_PERMISSION_DENIED);
    assert_int_equal(try_open(*state, "[::]:0", NULL).code, FB_PERMISSION_DENIED);
    assert_int_equal(try_open(*state, "nonsense", NULL).code, FB_INVALID_ARGUMENT);
}

static void an_address_that_is_taken_is_named(void **state)
{
    struct world *world = *state;
    struct fb_ops *first;
    char address[64];

    open_ops(world, "127.0.0.1:0", NULL);
    first = world->ops;
    snprintf(address, sizeof(address), "127.0.0.1:%d", fb_ops_port(first));
    assert_false(fb_is_ok(try_open(world, address, NULL)));
    assert_null(world->ops);
    world->ops = first;
}

static void a_unix_socket_serves_its_owner_alone(void **state)
{
    struct world *world = *state;
    char folder[] = "/tmp/fb-ops-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char listen[128];
    int fd;

    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
    snprintf(listen, sizeof(listen), "unix:%s", address.sun_path);
    open_ops(world, listen, NULL);
    assert_int_equal(fb_ops_port(world->ops), 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_status(talk(world, fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
                  "200 ");
    fb_ops_close(world->ops);
    world->ops = NULL;
    assert_int_equal(rmdir(folder), 0);
}

static void nonsense_gets_no_page_and_others_are_still_served(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /metrics HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    struct world *world = *state;

    open_ops(world, "127.0.0.1:0", NULL);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const int fd = dial(world);
        char answer[1024];
        ssize_t size;

        assert_true(write(fd, requests[i], strlen(requests[i])) > 0);
        assert_status(get(world, "/healthz", ""), "200 ");
        size = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
        answer[size > 0 ? size : 0] = '\0';
        assert_null(strstr(answer, "t_calls_total"));
        close(fd);
    }
}

static void headers_beyond_the_room_are_refused(void **state)
{
    struct world *world = *state;
    char *request = malloc(64 * 1024);
    const char *answer;

    assert_non_null(request);
    open_ops(world, "127.0.0.1:0", NULL);
    memset(request, 'x', 64 * 1024);
    memcpy(request, "GET /healthz HTTP/1.1\r\nX: ", 26);
    memcpy(request + 40000, "\r\n\r\n", 5);
    answer = ask(world, request);
    assert_true(answer[0] == '\0' || strncmp(answer + 9, "431", 3) == 0 ||
                strncmp(answer + 9, "413", 3) == 0);
    assert_status(get(world, "/healthz", ""), "200 ");
    free(request);
}

static void a_page_too_large_is_an_error_and_a_large_one_arrives(void **state)
{
    struct world *world = *state;

    open_ops(world, "127.0.0.1:0", NULL);
    assert_status(get(world, "/large?size=16777217", ""), "500 ");
    assert_int_equal(strlen(body_of(get(world, "/large?size=60000", ""))), 60000);
}

static void connections_beyond_the_most_wait_for_their_turn(void **state)
{
    enum { MANY = 80 };
    struct world *world = *state;
    int fds[MANY];

    open_ops(world, "127.0.0.1:0", NULL);
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(world);
        fb_loop_turn(world->loop, 0);
    }
    for (int i = 0; i < MANY; i++) {
        const char *answer = talk(world, fds[i],
                                  "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n");

        assert_status(answer, "200 ");
    }
}

static void one_connection_serves_many_requests(void **state)
{
    struct world *world = *state;
    const char *answer;
    size_t count = 0;

    open_ops(world, "127.0.0.1:0", NULL);
    answer = ask(world, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                        "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (const char *at = answer; (at = strstr(at, "HTTP/1.1 200 ")) != NULL; at++) {
        count++;
    }
    assert_int_equal(count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(metrics_are_served_as_prometheus_reads_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(health_and_readiness_say_what_the_checks_say, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_page_of_the_program_gets_its_query, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_path_is_answered_with_a_list_of_pages, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(head_is_answered_without_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(any_other_method_is_refused_with_those_allowed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_body_is_refused_unread, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_of_the_web_cannot_read_us_under_its_own_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(with_a_token_only_probes_come_without_it, setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_loopback_nothing_listens_without_a_token, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_taken_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_unix_socket_serves_its_owner_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense_gets_no_page_and_others_are_still_served, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(headers_beyond_the_room_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_too_large_is_an_error_and_a_large_one_arrives, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(connections_beyond_the_most_wait_for_their_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_connection_serves_many_requests, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
