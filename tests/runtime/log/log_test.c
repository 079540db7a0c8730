#include "runtime/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

/* What a log went through: ends[1] is logged to, ends[0] is read by the test. */
struct pipes {
    int ends[2];
};

static void open_log(const struct pipes *pipes, bool may_drop)
{
    const struct fb_log_config config = {
        .program = "test", .fd = pipes->ends[1], .least = FB_INFO, .may_drop = may_drop};

    fb_log_open(&config);
}

static int setup_pipe(void **state)
{
    struct pipes *pipes = malloc(sizeof(*pipes));

    signal(SIGPIPE, SIG_IGN);
    *state = pipes;
    return pipes == NULL ? -1 : pipe(pipes->ends);
}

static int setup_socket(void **state)
{
    struct pipes *pipes = malloc(sizeof(*pipes));

    signal(SIGPIPE, SIG_IGN);
    *state = pipes;
    return pipes == NULL ? -1 : socketpair(AF_UNIX, SOCK_STREAM, 0, pipes->ends);
}

static int teardown(void **state)
{
    struct pipes *pipes = *state;
    const struct fb_log_config standard = {.fd = STDERR_FILENO, .least = FB_INFO};

    fb_log_open(&standard);
    close(pipes->ends[0]);
    close(pipes->ends[1]);
    free(pipes);
    return 0;
}

/* All that is in the pipe now. */
static size_t drain(const struct pipes *pipes, char *out, size_t room)
{
    size_t size = 0;
    ssize_t got;

    fcntl(pipes->ends[0], F_SETFL, O_NONBLOCK);
    while (size < room && (got = read(pipes->ends[0], out + size, room - size)) > 0) {
        size += (size_t)got;
    }
    return size;
}

static void a_line_below_the_level_is_not_even_built(void **state)
{
    const struct pipes *pipes = *state;
    char out[4096];
    int built = 0;
    size_t size;

    open_log(pipes, false);
    fb_log(FB_DEBUG, "not wanted", fb_kv_int("built", ++built));
    assert_int_equal(built, 0);
    assert_int_equal(drain(pipes, out, sizeof(out)), 0);
    fb_log_set_least(FB_DEBUG);
    fb_log(FB_DEBUG, "wanted", fb_kv_int("built", ++built));
    fb_log(FB_DEBUG, "bare");
    size = drain(pipes, out, sizeof(out) - 1);
    out[size] = '\0';
    assert_int_equal(built, 1);
    assert_non_null(strstr(out, " level=debug program=test pid="));
    assert_non_null(strstr(out, " msg=wanted built=1\n"));
    assert_non_null(strstr(out, " msg=bare\n"));
}

static void a_host_that_never_reads_blocks_nobody_and_hears_of_the_loss(void **state)
{
    const struct pipes *pipes = *state;
    const uint64_t dropped = fb_log_dropped();
    const size_t room = 4 * 1024 * 1024;
    char *out = malloc(room);
    char said[64];
    size_t size;

    assert_non_null(out);
    open_log(pipes, true);
    for (int i = 0; i < 20000; i++) {
        fb_log(FB_INFO, "a line of a program that nobody reads", fb_kv_int("serial", i));
    }
    assert_true(fb_log_dropped() > dropped);
    size = drain(pipes, out, room);
    assert_int_equal(out[size - 1], '\n');
    snprintf(said, sizeof(said), " msg=\"log lines were dropped\" lines=%llu\n",
             (unsigned long long)(fb_log_dropped() - dropped));
    fb_log(FB_INFO, "the host reads again");
    size = drain(pipes, out, room - 1);
    out[size] = '\0';
    assert_non_null(strstr(out, said));
    assert_non_null(strstr(out, " msg=\"the host reads again\"\n"));
    fb_log(FB_INFO, "and the loss is told once");
    size = drain(pipes, out, room - 1);
    out[size] = '\0';
    assert_null(strstr(out, "dropped"));
    free(out);
}

static void a_descriptor_that_is_gone_counts_and_keeps_errno(void **state)
{
    struct pipes *pipes = *state;
    const uint64_t dropped = fb_log_dropped();

    open_log(pipes, false);
    close(pipes->ends[0]);
    errno = ENOENT;
    fb_log(FB_ERROR, "nobody hears this");
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fb_log_dropped(), dropped + 1);
    pipes->ends[0] = dup(pipes->ends[1]);
}

static void *log_some(void *arg)
{
    for (int i = 0; i < 50; i++) {
        fb_log(FB_INFO, "one of many", fb_kv_str("thread", arg), fb_kv_int("serial", i));
    }
    return NULL;
}

static void lines_of_many_threads_never_mix(void **state)
{
    static char names[] = "abcd";
    const struct pipes *pipes = *state;
    const size_t room = 1024 * 1024;
    char *out = malloc(room);
    pthread_t threads[4];
    size_t lines = 0;
    size_t size;

    assert_non_null(out);
    open_log(pipes, false);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_some, names + i), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    size = drain(pipes, out, room - 1);
    out[size] = '\0';
    for (char *rest, *line = strtok_r(out, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_memory_equal(line, "ts=20", 5);
        assert_non_null(strstr(line, " msg=\"one of many\" thread="));
        assert_null(strstr(line + 1, "ts=20"));
        lines++;
    }
    assert_int_equal(lines, 200);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_below_the_level_is_not_even_built, setup_pipe,
                                        teardown),
        {"a_pipe_that_is_never_read_blocks_nobody",
         a_host_that_never_reads_blocks_nobody_and_hears_of_the_loss, setup_pipe, teardown, NULL},
        {"a_socket_that_is_never_read_blocks_nobody",
         a_host_that_never_reads_blocks_nobody_and_hears_of_the_loss, setup_socket, teardown, NULL},
        cmocka_unit_test_setup_teardown(a_descriptor_that_is_gone_counts_and_keeps_errno,
                                        setup_pipe, teardown),
        cmocka_unit_test_setup_teardown(lines_of_many_threads_never_mix, setup_pipe, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
