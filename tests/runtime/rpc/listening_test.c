#include <errno.h>
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

#include "runtime/rpc/address.h"
#include "runtime/rpc/listening.h"
#include "tests/support/folder.h"

static char folder[FOLDER_BYTES];
static char path[64];
static char address[80];

static int set_up(void **state)
{
    (void)state;
    if (!folder_make(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

static struct fb_listening open_there(const char *where)
{
    struct fb_listening listening;
    struct fb_status status = fb_listening_open(where, &listening);

    if (!fb_is_ok(status)) {
        fail_msg("%s: %s", where, status.why);
    }
    return listening;
}

static int dial(const char *to)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", to);
    assert_int_equal(connect(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static void a_unix_socket_is_for_its_owner_alone(void **state)
{
    const mode_t before = umask(0);
    struct fb_listening listening = open_there(address);
    struct stat info;

    (void)state;
    umask(before);
    assert_string_equal(listening.address, address);
    assert_true(listening.local);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    fb_listening_close(&listening);
    assert_int_equal(stat(path, &info), -1);
    fb_listening_close(&listening);
}

static void the_peer_is_told_by_the_kernel(void **state)
{
    struct fb_listening listening = open_there(address);
    struct fb_peer peer;
    int client;
    int server;

    (void)state;
    assert_int_equal(fb_listening_accept(&listening), -1);
    assert_int_equal(errno, EAGAIN);
    client = dial(path);
    server = fb_listening_accept(&listening);
    assert_true(server >= 0);
    fb_peer_of_socket(server, &peer);
    assert_true(peer.local);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.pid, getpid());
    assert_string_equal(peer.address, "unix:");
    assert_string_equal(peer.subject, "");
    close(client);
    close(server);
    fb_listening_close(&listening);
}

static void a_living_socket_is_left_and_a_dead_one_replaced(void **state)
{
    struct fb_listening first = open_there(address);
    struct fb_listening second;

    (void)state;
    assert_int_equal(fb_listening_open(address, &second).code, FB_ALREADY_EXISTS);
    assert_int_equal(second.fd, -1);
    close(dial(path)); /* it lives on */
    close(first.fd);   /* as the kernel does for a program that dies */
    second = open_there(address);
    close(dial(path));
    fb_listening_close(&second);
}

static void only_our_own_file_is_removed(void **state)
{
    struct fb_listening first = open_there(address);
    struct fb_listening second;
    struct stat info;

    (void)state;
    assert_int_equal(unlink(path), 0);
    second = open_there(address);
    fb_listening_close(&first);
    assert_int_equal(stat(path, &info), 0);
    fb_listening_close(&second);
    assert_int_equal(stat(path, &info), -1);
}

static void other_files_are_left_alone(void **state)
{
    struct fb_listening listening;
    struct stat info;

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(fb_listening_open(address, &listening).code, FB_ALREADY_EXISTS);
    assert_int_equal(stat(path, &info), 0);
}

static void a_missing_folder_is_told(void **state)
{
    struct fb_listening listening;

    (void)state;
    snprintf(address, sizeof(address), "unix:%s/none/s", folder);
    assert_int_equal(fb_listening_open(address, &listening).code, FB_INVALID_ARGUMENT);
}

static void port_0_is_chosen_and_told(void **state)
{
    static const char *const hosts[] = {"127.0.0.1:0", "localhost:0", "dns:127.0.0.1:0"};

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct fb_listening listening = open_there(hosts[i]);
        struct fb_listening second;

        assert_false(listening.local);
        assert_true(fb_address_is_loopback(listening.address));
        assert_true(strtol(strrchr(listening.address, ':') + 1, NULL, 10) > 0);
        assert_int_equal(fb_listening_open(listening.address, &second).code, FB_ALREADY_EXISTS);
        fb_listening_close(&listening);
    }
}

static void what_is_no_place_of_ours_is_refused(void **state)
{
    struct fb_listening listening;

    (void)state;
    assert_int_equal(fb_listening_open("nonsense", &listening).code, FB_INVALID_ARGUMENT);
    assert_int_equal(listening.fd, -1);
    assert_int_equal(fb_listening_open("192.0.2.1:0", &listening).code, FB_INVALID_ARGUMENT);
    assert_int_equal(fb_listening_open("nobody.invalid:0", &listening).code, FB_INVALID_ARGUMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_unix_socket_is_for_its_owner_alone),
        TEST(the_peer_is_told_by_the_kernel),
        TEST(a_living_socket_is_left_and_a_dead_one_replaced),
        TEST(only_our_own_file_is_removed),
        TEST(other_files_are_left_alone),
        TEST(a_missing_folder_is_told),
        TEST(port_0_is_chosen_and_told),
        TEST(what_is_no_place_of_ours_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
