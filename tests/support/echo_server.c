/*
 * An echo service (echo.proto) on either transport, for clients of other make.
 *
 * Writes the address where it listens as one line, then serves until standard input ends; then it drains, for at most
 * ten seconds. Writes a line for each call that was cancelled.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/loop/loop.h"
#include "runtime/rpc/server.h"
#include "tests/support/echo.h"
#include "tests/support/peer.h"

enum { DRAIN_MS = 10000, LOOK_EACH_MS = 50 };

static struct fb_loop *loop;
static struct fb_server *server;
static struct echo echo;
static struct fb_watch input;
static struct fb_timer look;
static uint32_t told;

static void on_drained(void *arg)
{
    (void)arg;
    fb_loop_stop(loop);
}

static void on_input(struct fb_watch *watch, unsigned events)
{
    char bytes[64];

    (void)events;
    if (read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0) {
        fb_loop_unwatch(watch);
        fb_server_drain(server, fb_clock_ms() + DRAIN_MS, on_drained, NULL);
    }
}

static void on_look(struct fb_timer *timer)
{
    for (; told < echo.cancelled; told++) {
        puts("cancelled");
    }
    fflush(stdout);
    fb_timer_set(loop, timer, fb_clock_ms() + LOOK_EACH_MS, on_look);
}

static void check(struct fb_status status)
{
    if (!fb_is_ok(status)) {
        fprintf(stderr, "%s: %s\n", fb_code_name(status.code), status.why);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const struct peer_arguments arguments = peer_arguments_read(argc, argv);
    const struct fb_server_config config = {.message_limit_bytes = 4 << 20};
    struct fb_listen_config listen = {.address = arguments.address, .tls = arguments.tls};
    struct fb_tokens *tokens = NULL;

    if (arguments.tokens_file != NULL) {
        check(fb_tokens_open(arguments.tokens_file, &tokens));
        listen.tokens = tokens;
    }
    loop = fb_loop_create();
    server = fb_server_create(loop, &config);
    fb_server_add(server, &echo_service, &echo);
    check(fb_server_listen(server, arguments.transport, &listen));
    check(fb_loop_watch(loop, &input, STDIN_FILENO, FB_READABLE, on_input));
    printf("%s\n", fb_server_address(server, 0));
    fflush(stdout);
    fb_timer_set(loop, &look, fb_clock_ms() + LOOK_EACH_MS, on_look);
    fb_loop_run(loop);
    fb_server_destroy(server);
    fb_loop_destroy(loop);
    fb_tokens_destroy(tokens);
    return 0;
}
