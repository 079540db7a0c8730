#define _GNU_SOURCE /* pipe2, F_SETPIPE_SZ */

#include "gateway/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"

enum { DEADLINE_MS = 20000, LINE = 64, HIGH = 100 * 1000, MOST = 400 * 1000 };

struct world {
    struct fb_loop *loop;
    struct stdio *stdio;
    int to;   /* our end of its input */
    int from; /* our end of its output */
    int in_fd;
    int out_fd;

    size_t lines;
    size_t too_long;
    bool ended;
    bool gone;
    size_t holds;
    bool held;
    size_t flushes;
    size_t answer_bytes; /* each line is answered by as many */
};

static void on_line(void *arg, struct fb_text line)
{
    struct world *world = arg;
    char *room;

    (void)line;
    world->lines++;
    if (world->answer_bytes > 0) {
        room = fb_buffer_reserve(stdio_out(world->stdio), world->answer_bytes);
        assert_non_null(room);
        memset(room, 'x', world->answer_bytes - 1);
        room[world->answer_bytes - 1] = '\n';
        stdio_out(world->stdio)->size += world->answer_bytes;
        stdio_written(world->stdio);
    }
}

static void on_too_long(void *arg)
{
    ((struct world *)arg)->too_long++;
}

static void on_end(void *arg)
{
    assert_false(((struct world *)arg)->ended);
    ((struct world *)arg)->ended = true;
}

static void on_gone(void *arg)
{
    assert_false(((struct world *)arg)->gone);
    ((struct world *)arg)->gone = true;
}

static void on_hold(void *arg, bool on)
{
    struct world *world = arg;

    assert_true(world->held != on);
    world->held = on;
    world->holds++;
}

static void on_flushed(void *arg)
{
    ((struct world *)arg)->flushes++;
}

static const struct stdio_events events = {
    .lines = {.on_line = on_line, .on_too_long = on_too_long},
    .on_end = on_end,
    .on_gone = on_gone,
    .on_hold = on_hold,
    .on_flushed = on_flushed,
};

enum kind { PIPES, SOCKETS };

static void begin(struct world *world, enum kind kind)
{
    int in[2];
    int out[2];

    signal(SIGPIPE, SIG_IGN);
    *world = (struct world){.loop = fb_loop_create()};
    assert_non_null(world->loop);
    if (kind == PIPES) {
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    } else {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
    }
    world->in_fd = in[0];
    world->to = in[1];
    world->from = out[0];
    world->out_fd = out[1];
}

static void make(struct world *world)
{
    world->stdio = stdio_create(world->loop,
                                &(struct stdio_config){
                                    .in_fd = world->in_fd,
                                    .out_fd = world->out_fd,
                                    .line_bytes = LINE,
                                    .high_bytes = HIGH,
                                    .most_bytes = MOST,
                                },
                                &events, world);
    assert_non_null(world->stdio);
}

static void finish(struct world *world)
{
    stdio_destroy(world->stdio);
    fb_loop_destroy(world->loop);
    close(world->in_fd);
    close(world->out_fd);
    if (world->to >= 0) {
        close(world->to);
    }
    if (world->from >= 0) {
        close(world->from);
    }
}

static void say(const struct world *world, const char *text)
{
    assert_int_equal(write(world->to, text, strlen(text)), (ssize_t)strlen(text));
}

/* Rounds of the loop until `*count` is at least `least`. */
static void turn_until(struct world *world, const size_t *count, size_t least)
{
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;

    while (*count < least) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
}

static void turn_until_true(struct world *world, const bool *done)
{
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;

    while (!*done) {
        assert_true(fb_clock_ms() < end_ms);
        fb_loop_turn(world->loop, 100);
    }
}

/* Takes `size` bytes of what was written, while the loop runs. */
static void take(struct world *world, size_t size)
{
    int64_t end_ms = fb_clock_ms() + DEADLINE_MS;
    char room[65536];

    fcntl(world->from, F_SETFL, O_NONBLOCK);
    while (size > 0) {
        ssize_t got = read(world->from, room, size < sizeof(room) ? size : sizeof(room));

        if (got > 0) {
            size -= (size_t)got;
        } else {
            assert_true(got < 0 && errno == EAGAIN && fb_clock_ms() < end_ms);
        }
        fb_loop_turn(world->loop, 0);
    }
}

static void lines_go_in_and_out(void **state)
{
    (void)state;
    for (int kind = PIPES; kind <= SOCKETS; kind++) {
        struct world world;

        begin(&world, (enum kind)kind);
        world.answer_bytes = 10;
        make(&world);
        say(&world, "a\nb\nc");
        turn_until(&world, &world.lines, 2);
        turn_until(&world, &world.flushes, 1);
        take(&world, 20);
        assert_true(stdio_is_flushed(world.stdio));
        close(world.to);
        world.to = -1;
        turn_until_true(&world, &world.ended);
        assert_int_equal(world.lines, 2);
        finish(&world);
    }
}

static void it_reads_on_while_nobody_reads_its_answers(void **state)
{
    char lines[701];

    (void)state;
    for (int kind = PIPES; kind <= SOCKETS; kind++) {
        struct world world;

        begin(&world, (enum kind)kind);
        world.answer_bytes = 1000;
        make(&world);
        for (size_t i = 0; i < 350; i++) {
            memcpy(lines + 2 * i, "a\n", 3);
        }
        say(&world, lines);
        turn_until(&world, &world.lines, 350);
        assert_true(world.held);
        assert_int_equal(world.holds, 1);
        assert_false(stdio_is_flushed(world.stdio));
        take(&world, 350 * 1000);
        assert_false(world.held);
        assert_true(stdio_is_flushed(world.stdio));
        finish(&world);
    }
}

static void beyond_the_most_it_waits_and_then_goes_on(void **state)
{
    struct world world;

    (void)state;
    begin(&world, PIPES);
    world.answer_bytes = 100 * 1000;
    make(&world);
    for (size_t i = 0; i < 30; i++) {
        say(&world, "a\n");
        for (size_t k = 0; k < 3; k++) {
            fb_loop_turn(world.loop, 0);
        }
    }
    assert_true(world.lines >= 5 && world.lines < 10);
    take(&world, 30 * world.answer_bytes);
    assert_int_equal(world.lines, 30);
    finish(&world);
}

static void flags_that_others_share_are_left_alone(void **state)
{
    (void)state;
    for (int kind = PIPES; kind <= SOCKETS; kind++) {
        struct world world;

        begin(&world, (enum kind)kind);
        make(&world);
        assert_int_equal(fcntl(world.in_fd, F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(fcntl(world.out_fd, F_GETFL) & O_NONBLOCK, 0);
        finish(&world);
    }
}

static void who_does_not_listen_any_more_is_gone(void **state)
{
    (void)state;
    for (int kind = PIPES; kind <= SOCKETS; kind++) {
        struct world world;

        begin(&world, (enum kind)kind);
        world.answer_bytes = 10;
        make(&world);
        close(world.from);
        world.from = -1;
        say(&world, "a\n");
        turn_until_true(&world, &world.gone);
        assert_true(stdio_is_flushed(world.stdio));
        say(&world, "a\n");
        turn_until(&world, &world.lines, 2);
        finish(&world);
    }
}

static void files_are_read_and_written(void **state)
{
    char in[] = "/tmp/fb-stdio-XXXXXX";
    char out[] = "/tmp/fb-stdio-XXXXXX";
    struct world world;

    (void)state;
    begin(&world, PIPES);
    close(world.in_fd);
    close(world.out_fd);
    world.in_fd = mkstemp(in);
    world.out_fd = mkstemp(out);
    assert_true(world.in_fd >= 0 && world.out_fd >= 0);
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(write(world.in_fd, "a\n", 2), 2);
    }
    assert_int_equal(lseek(world.in_fd, 0, SEEK_SET), 0);
    world.answer_bytes = 3;
    make(&world);
    turn_until_true(&world, &world.ended);
    assert_int_equal(world.lines, 100000);
    turn_until(&world, &world.flushes, 1);
    assert_true(stdio_is_flushed(world.stdio));
    assert_int_equal(lseek(world.out_fd, 0, SEEK_END), 300000);
    unlink(in);
    unlink(out);
    finish(&world);
}

static void a_line_that_is_too_long_is_told(void **state)
{
    struct world world;

    (void)state;
    begin(&world, SOCKETS);
    make(&world);
    say(&world, "0123456789012345678901234567890123456789012345678901234567890123456789\nb\n");
    turn_until(&world, &world.lines, 1);
    assert_int_equal(world.too_long, 1);
    finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_in_and_out),
        cmocka_unit_test(it_reads_on_while_nobody_reads_its_answers),
        cmocka_unit_test(beyond_the_most_it_waits_and_then_goes_on),
        cmocka_unit_test(flags_that_others_share_are_left_alone),
        cmocka_unit_test(who_does_not_listen_any_more_is_gone),
        cmocka_unit_test(files_are_read_and_written),
        cmocka_unit_test(a_line_that_is_too_long_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
