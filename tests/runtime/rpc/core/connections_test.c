#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/core/connections.h"

enum { PATIENCE_MS = 20000 };

static struct fb_loop *loop;
static struct fb_core_connections *connections;
static int closed;

static void on_closed(void *arg)
{
    assert_ptr_equal(arg, &closed);
    closed++;
}

static int set_up(void **state)
{
    (void)state;
    closed = 0;
    loop = fb_loop_create();
    connections = fb_core_connections_create(loop, on_closed, &closed);
    return loop == NULL || connections == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_core_connections_destroy(connections);
    fb_loop_destroy(loop);
    return 0;
}

static void wait_closed(int count)
{
    const int64_t until_ms = fb_clock_ms() + PATIENCE_MS;

    while (closed < count) {
        assert_true(fb_clock_ms() < until_ms);
        fb_loop_turn(loop, 50);
    }
    assert_int_equal(closed, count);
}

/* A connection whose other end is `*peer`; the library's descriptor of it. */
static int add(int *peer)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    *peer = ends[1];
    return fb_core_connections_add(connections, ends[0]);
}

static const struct fb_peer *acquire(int number)
{
    char spelled[16];

    snprintf(spelled, sizeof(spelled), "fd:%d", number);
    return fb_core_peer_acquire(connections, spelled);
}

/* What the library does at the end of a connection. */
static void end(int number)
{
    shutdown(number, SHUT_RDWR);
    close(number);
}

static void a_call_finds_its_peer_by_the_descriptor(void **state)
{
    const struct fb_peer *peer;
    int other;
    int number = add(&other);

    (void)state;
    peer = acquire(number);
    assert_non_null(peer);
    assert_true(peer->local);
    assert_int_equal(peer->uid, getuid());
    assert_int_equal(peer->pid, getpid());
    assert_null(acquire(number + 1));
    assert_null(fb_core_peer_acquire(connections, "ipv4:127.0.0.1:1"));
    assert_null(fb_core_peer_acquire(connections, "fd:"));
    assert_null(fb_core_peer_acquire(connections, "fd:99999999999"));
    fb_core_peer_release(peer);
    fb_core_peer_release(NULL);
    end(number);
    close(other);
}

static void either_side_ends_a_connection(void **state)
{
    int others[2];
    int numbers[2];

    (void)state;
    numbers[0] = add(&others[0]);
    numbers[1] = add(&others[1]);
    fb_loop_turn(loop, 0);
    assert_int_equal(closed, 0);
    end(numbers[0]);
    wait_closed(1);
    assert_null(acquire(numbers[0]));
    close(others[1]);
    wait_closed(2);
    end(numbers[1]);
    fb_loop_turn(loop, 0);
    assert_int_equal(closed, 2);
    close(others[0]);
}

static void a_held_peer_outlives_its_connection(void **state)
{
    const struct fb_peer *peer;
    int other;
    int number = add(&other);

    (void)state;
    peer = acquire(number);
    close(other);
    wait_closed(1);
    end(number);
    assert_int_equal(peer->pid, getpid());
    fb_core_peer_release(peer);
}

static void a_number_is_not_used_again_soon(void **state)
{
    int last = -1;

    (void)state;
    for (int i = 1; i <= 50; i++) {
        int other;
        int number = add(&other);

        assert_true(number > last);
        last = number;
        end(number);
        close(other);
        wait_closed(i);
    }
}

static void numbers_begin_anew_when_there_are_no_higher_ones(void **state)
{
    struct rlimit before;
    struct rlimit few;
    int highest = -1;
    int lowest_since = 1 << 30;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 1; i <= 60; i++) {
        int other;
        int number = add(&other);

        assert_true(number >= 0);
        if (number > highest) {
            highest = number;
        } else if (number < lowest_since) {
            lowest_since = number;
        }
        end(number);
        close(other);
        wait_closed(i);
    }
    assert_int_equal(highest, 99);
    assert_int_equal(lowest_since, 64);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void without_a_descriptor_the_connection_is_closed(void **state)
{
    struct rlimit before;
    struct rlimit few;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(fb_core_connections_add(connections, ends[0]), -1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(read(ends[1], &byte, 1), 0);
    close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_finds_its_peer_by_the_descriptor),
        TEST(either_side_ends_a_connection),
        TEST(a_held_peer_outlives_its_connection),
        TEST(a_number_is_not_used_again_soon),
        TEST(numbers_begin_anew_when_there_are_no_higher_ones),
        TEST(without_a_descriptor_the_connection_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
