#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: connections that are too many, or speak no HTTP/2. */

static void connections_are_bounded(void **state)
{
    struct fb_channel *second;
    struct heard *heard = hear(UNARY);

    (void)state;
    server_config.connections = 1;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    second = channel;
    channel = NULL;
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_UNAVAILABLE);
    forget(heard);
    fb_channel_destroy(second);
    WAIT_FOR(fb_server_stats(server)->connections_open == 0);
    heard = hear(UNARY);
    heard->plan.wait_for_ready = true;
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    forget(heard);
}

/* A socket connected to the server, which speaks no HTTP/2 by itself. */
static int connect_raw(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Whether the other end has closed it; what it said before is read and forgotten. */
static bool is_closed(int fd)
{
    char bytes[512];
    ssize_t size;

    do {
        size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    } while (size > 0);
    return size == 0 || errno != EAGAIN;
}

static void a_connection_that_says_nothing_is_closed_in_time(void **state)
{
    int fd;

    (void)state;
    server_config.handshake_timeout_ms = 200;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    fd = connect_raw();
    WAIT_FOR(fb_server_stats(server)->connections_open == 2);
    WAIT_FOR(is_closed(fd));
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
    close(fd);
    assert_int_equal(code_of_unary(), FB_OK);
}

static void what_is_not_http2_is_closed_and_others_live_on(void **state)
{
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand then no frame at all, but many words more",
        "\x16\x03\x01\x02 a TLS handshake where none is asked for",
    };

    (void)state;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int fd = connect_raw();

        assert_int_equal(send(fd, words[i], strlen(words[i]), MSG_NOSIGNAL), strlen(words[i]));
        WAIT_FOR(is_closed(fd));
        close(fd);
        WAIT_FOR(fb_server_stats(server)->connections_open == 1);
        assert_int_equal(code_of_unary(), FB_OK);
    }
}

static void silent_connections_do_not_delay_a_drain(void **state)
{
    int fd;

    (void)state;
    drained = 0;
    serve();
    fd = connect_raw();
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
    fb_server_drain(server, fb_clock_ms() + PATIENCE_MS, on_drained, NULL);
    WAIT_FOR(drained == 1);
    assert_true(is_closed(fd));
    close(fd);
}

static void a_server_out_of_descriptors_recovers(void **state)
{
    enum { CLIENTS = 30 };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rlimit before;
    struct rlimit few;
    int clients[CLIENTS];

    (void)state;
    serve_and_dial();
    assert_int_equal(code_of_unary(), FB_OK);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 5;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(connect(clients[i], (const struct sockaddr *)&address, sizeof(address)),
                         0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(code_of_unary(), FB_OK); /* who is connected is served on */
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    fb_channel_destroy(channel);
    channel = NULL;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
    WAIT_FOR(fb_server_stats(server)->connections_open == 1);
}

int conformance_strangers(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(connections_are_bounded),
        WORLD_TEST(a_connection_that_says_nothing_is_closed_in_time),
        WORLD_TEST(what_is_not_http2_is_closed_and_others_live_on),
        WORLD_TEST(silent_connections_do_not_delay_a_drain),
        WORLD_TEST(a_server_out_of_descriptors_recovers),
    };

    return cmocka_run_group_tests_name("strangers", tests, NULL, NULL);
}
