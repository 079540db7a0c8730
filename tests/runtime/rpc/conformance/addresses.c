#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/runtime/rpc/conformance/world.h"

/* Of conformance: where a server listens, and who calls. */

static void a_list_of_addresses_is_tried_in_turn(void **state)
{
    char list[160];

    (void)state;
    serve();
    snprintf(list, sizeof(list), "unix:%s/nobody,%s", folder, socket_address);
    channel_config.target = list;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_name_is_resolved(void **state)
{
    char target[64];

    (void)state;
    serve_tcp();
    snprintf(target, sizeof(target), "dns:localhost%s", strrchr(channel_config.target, ':'));
    channel_config.target = target;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void a_unix_socket_is_ours_alone_and_tells_who_calls(void **state)
{
    struct heard *heard = hear(UNARY);
    struct stat info;

    (void)state;
    serve_and_dial();
    assert_string_equal(fb_server_address(server, 0), socket_address);
    assert_null(fb_server_address(server, 1));
    assert_int_equal(stat(socket_address + 5, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_true(echo.peer.local);
    assert_int_equal(echo.peer.uid, getuid());
    assert_int_equal(echo.peer.pid, getpid());
    assert_string_equal(heard->answer->peer, "unix:");
    assert_string_equal(heard->answer->tenant, "");
    forget(heard);
    fb_server_destroy(server);
    server = NULL;
    assert_int_not_equal(stat(socket_address + 5, &info), 0);
}

static void a_dead_socket_is_replaced_and_a_living_one_is_not(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fb_server *first;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_address + 5);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* its file stays */
    serve();
    first = server;
    server = NULL;
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    fb_server_destroy(server);
    server = first;
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    FILE *file = fopen(socket_address + 5, "w");

    (void)state;
    fputs("precious", file);
    fclose(file);
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    assert_int_equal(unlink(socket_address + 5), 0);
}

static void port_0_is_chosen_and_told(void **state)
{
    struct heard *heard = hear(UNARY);

    (void)state;
    serve_tcp();
    assert_int_equal(strncmp(channel_config.target, "127.0.0.1:", 10), 0);
    assert_int_not_equal(strtol(channel_config.target + 10, NULL, 10), 0);
    dial();
    run(heard, REQUEST());
    assert_ended(heard, FB_OK);
    assert_int_equal(strncmp(heard->answer->peer, "127.0.0.1:", 10), 0);
    assert_false(echo.peer.local);
    forget(heard);
}

static void a_taken_port_is_told(void **state)
{
    static char address[64];
    struct fb_server *first;

    (void)state;
    serve_tcp();
    snprintf(address, sizeof(address), "%s", fb_server_address(server, 0));
    first = server;
    server = NULL;
    listen_config.address = address;
    assert_int_equal(listen_there().code, FB_ALREADY_EXISTS);
    fb_server_destroy(server);
    server = first;
}

static void one_server_listens_on_several_addresses(void **state)
{
    (void)state;
    serve();
    listen_config.address = "127.0.0.1:0";
    serve();
    assert_string_equal(fb_server_address(server, 0), socket_address);
    channel_config.target = fb_server_address(server, 1);
    dial();
    assert_int_equal(code_of_unary(), FB_OK);
}

static void beyond_loopback_is_refused_without_protection(void **state)
{
    (void)state;
    listen_config.address = "0.0.0.0:0";
    assert_int_equal(listen_there().code, FB_FAILED_PRECONDITION);
    listen_config.address = "[::]:0";
    assert_int_equal(listen_there().code, FB_FAILED_PRECONDITION);
    listen_config.address = "nonsense";
    assert_int_equal(listen_there().code, FB_INVALID_ARGUMENT);
    listen_config.address = "127.0.0.1:0";
    assert_int_equal(listen_there().code, FB_OK);
}

int conformance_addresses(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_list_of_addresses_is_tried_in_turn),
        WORLD_TEST(a_name_is_resolved),
        WORLD_TEST(a_unix_socket_is_ours_alone_and_tells_who_calls),
        WORLD_TEST(a_dead_socket_is_replaced_and_a_living_one_is_not),
        WORLD_TEST(what_is_no_socket_is_left_alone),
        WORLD_TEST(port_0_is_chosen_and_told),
        WORLD_TEST(a_taken_port_is_told),
        WORLD_TEST(one_server_listens_on_several_addresses),
        WORLD_TEST(beyond_loopback_is_refused_without_protection),
    };

    return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
