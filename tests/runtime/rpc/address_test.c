#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <sys/un.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/rpc/address.h"

enum { PATIENCE_MS = 20000 };

/* --- spelling --- */

static void unix_paths_hosts_and_brackets_are_addresses(void **state)
{
    static const char *const good[] = {
        "unix:/run/x.sock", "unix:///run/x.sock", "127.0.0.1:0",     "0.0.0.0:65535",
        "localhost:80",     "[::1]:80",           "[fe80::1]:1",     "dns:router:7070",
        "a-b.example_1:9",  "dns:[::]:5",         "dns:127.0.0.1:5", "9gag.example:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(fb_address_check(good[i]).code, FB_OK);
    }
}

static void other_spellings_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *target;
        const char *why;
    } bad[] = {
        {"", "empty"},
        {"unix:", "absolute path"},
        {"unix:relative", "absolute path"},
        {"host", "port is missing"},
        {"host:", "0 to 65535"},
        {"host:65536", "0 to 65535"},
        {"host:-1", "0 to 65535"},
        {"host:80x", "0 to 65535"},
        {"host:000080", "0 to 65535"},
        {":80", "host is empty"},
        {"::1:80", "[address]:port"},
        {"[::1]", "[address]:port"},
        {"[::1]80", "[address]:port"},
        {"[::1", "[address]:port"},
        {"[host]:80", "IPv6"},
        {"[::1]:x", "0 to 65535"},
        {"a b:80", "character"},
        {"héhé:80", "character"},
        {"http://host:80", "colons"},
        {"1.2.3.999:80", "IPv4"},
        {"1.2.3:80", "IPv4"},
        {"dns:", "port is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fb_status status = fb_address_check(bad[i].target);

        assert_int_equal(status.code, FB_INVALID_ARGUMENT);
        if (strstr(status.why, bad[i].why) == NULL) {
            fail_msg("%s: %s", bad[i].target, status.why);
        }
    }
    assert_int_equal(fb_address_check(NULL).code, FB_INVALID_ARGUMENT);
}

static void names_and_paths_have_their_greatest_length(void **state)
{
    char target[400];

    (void)state;
    memset(target, 'a', sizeof(target));
    memcpy(target + 253, ":1", 3);
    assert_int_equal(fb_address_check(target).code, FB_OK);
    memset(target, 'a', sizeof(target));
    memcpy(target + 254, ":1", 3);
    assert_int_equal(fb_address_check(target).code, FB_INVALID_ARGUMENT);
    memset(target, 'a', sizeof(target));
    memcpy(target, "unix:/", 6);
    target[5 + 107] = '\0';
    assert_int_equal(fb_address_check(target).code, FB_OK);
    target[5 + 107] = 'a';
    target[5 + 108] = '\0';
    assert_int_equal(fb_address_check(target).code, FB_INVALID_ARGUMENT);
}

static void unix_sockets_are_told_from_others(void **state)
{
    (void)state;
    assert_true(fb_address_is_unix("unix:/x"));
    assert_false(fb_address_is_unix("unix:x"));
    assert_false(fb_address_is_unix("unix.example:1"));
}

static void loopback_is_what_never_leaves_the_machine(void **state)
{
    (void)state;
    assert_true(fb_address_is_loopback("unix:/x"));
    assert_true(fb_address_is_loopback("127.0.0.1:1"));
    assert_true(fb_address_is_loopback("127.9.9.9:1"));
    assert_true(fb_address_is_loopback("[::1]:1"));
    assert_true(fb_address_is_loopback("[::ffff:127.0.0.1]:1"));
    assert_true(fb_address_is_loopback("localhost:1"));
    assert_true(fb_address_is_loopback("dns:LOCALHOST:1"));
    assert_false(fb_address_is_loopback("0.0.0.0:1"));
    assert_false(fb_address_is_loopback("[::]:1"));
    assert_false(fb_address_is_loopback("128.0.0.1:1"));
    assert_false(fb_address_is_loopback("localhost.example:1"));
    assert_false(fb_address_is_loopback("127.0.0.1.example:1"));
    assert_false(fb_address_is_loopback("127.0.0.1"));
}

/* --- resolving --- */

static struct fb_loop *loop;
static int answers;
static struct fb_status answer;
static struct fb_address list[64];
static size_t list_count;

static int set_up(void **state)
{
    (void)state;
    loop = fb_loop_create();
    answers = 0;
    list_count = 0;
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    fb_loop_destroy(loop);
    return 0;
}

static void on_resolved(void *arg, struct fb_status status, const struct fb_address *found,
                        size_t count)
{
    assert_ptr_equal(arg, loop);
    answers++;
    answer = status;
    list_count = count;
    memcpy(list, found, count * sizeof(*found));
}

static void resolve(const char *target)
{
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;
    int before = answers;

    assert_non_null(fb_address_resolve(loop, target, on_resolved, loop));
    assert_int_equal(answers, before); /* later, never from within */
    while (answers == before) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
    }
    fb_loop_turn(loop, 0);
    assert_int_equal(answers, before + 1);
}

static void assert_resolves(const char *target, const char *to)
{
    char spelled[128];

    resolve(target);
    assert_int_equal(answer.code, FB_OK);
    assert_int_equal(list_count, 1);
    fb_address_format(&list[0], spelled, sizeof(spelled));
    assert_string_equal(spelled, to);
}

static void numeric_and_unix_targets_resolve_to_themselves(void **state)
{
    (void)state;
    assert_resolves("127.0.0.1:80", "127.0.0.1:80");
    assert_resolves("dns:10.1.2.3:0", "10.1.2.3:0");
    assert_resolves("[::1]:65535", "[::1]:65535");
    assert_resolves("[0:0:0:0:0:0:0:2]:7", "[::2]:7");
    assert_resolves("unix:/run/flow.sock", "unix:/run/flow.sock");
}

static void a_list_is_resolved_in_its_order(void **state)
{
    static const char spelling[] = "10.0.0.2:1,unix:/run/a.sock,[::1]:3,10.0.0.1:2";
    char spelled[128];

    (void)state;
    assert_int_equal(fb_address_check(spelling).code, FB_OK);
    resolve(spelling);
    assert_int_equal(answer.code, FB_OK);
    assert_int_equal(list_count, 4);
    fb_address_format(&list[0], spelled, sizeof(spelled));
    assert_string_equal(spelled, "10.0.0.2:1");
    fb_address_format(&list[1], spelled, sizeof(spelled));
    assert_string_equal(spelled, "unix:/run/a.sock");
    fb_address_format(&list[3], spelled, sizeof(spelled));
    assert_string_equal(spelled, "10.0.0.1:2");
}

static void a_list_holds_neither_names_nor_gaps(void **state)
{
    (void)state;
    assert_non_null(strstr(fb_address_check("10.0.0.1:1,router:2").why, "not of names"));
    assert_non_null(strstr(fb_address_check("10.0.0.1:1,,10.0.0.1:2").why, "empty"));
    assert_non_null(strstr(fb_address_check(",10.0.0.1:1").why, "empty"));
    resolve("10.0.0.1:1,router:2");
    assert_int_equal(answer.code, FB_INVALID_ARGUMENT);
}

static void a_name_is_resolved_on_another_thread(void **state)
{
    bool loopback = true;

    (void)state;
    resolve("localhost:4711");
    assert_int_equal(answer.code, FB_OK);
    assert_true(list_count >= 1);
    for (size_t i = 0; i < list_count; i++) {
        char spelled[128];

        fb_address_format(&list[i], spelled, sizeof(spelled));
        loopback = loopback && fb_address_is_loopback(spelled);
        assert_non_null(strstr(spelled, ":4711"));
    }
    assert_true(loopback);
}

static void a_bad_spelling_is_told_on_the_loop(void **state)
{
    (void)state;
    resolve("no port");
    assert_int_equal(answer.code, FB_INVALID_ARGUMENT);
    assert_int_equal(list_count, 0);
}

static void a_name_nobody_has_is_unavailable(void **state)
{
    (void)state;
    resolve("nobody.invalid:1");
    assert_int_equal(answer.code, FB_UNAVAILABLE);
    assert_int_equal(list_count, 0);
}

static void after_a_cancel_nothing_is_told(void **state)
{
    (void)state;
    fb_resolving_cancel(NULL);
    fb_resolving_cancel(fb_address_resolve(loop, "127.0.0.1:1", on_resolved, loop));
    fb_resolving_cancel(fb_address_resolve(loop, "no port", on_resolved, loop));
    fb_resolving_cancel(fb_address_resolve(loop, "localhost:1", on_resolved, loop));
    resolve("localhost:2"); /* asserts that one answer came, its own */
}

static void the_loop_may_go_while_a_name_is_being_resolved(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct fb_loop *other = fb_loop_create();
        struct fb_resolving *resolving;

        assert_non_null(other);
        resolving = fb_address_resolve(other, "localhost:1", on_resolved, loop);
        if (round % 2 == 0) {
            fb_loop_turn(other, 0);
        }
        if (answers == 0) {
            fb_resolving_cancel(resolving);
        }
        answers = 0;
        fb_loop_destroy(other);
    }
}

static void many_names_at_once_are_each_answered(void **state)
{
    enum { NAMES = 200 };
    int64_t deadline_ms = fb_clock_ms() + PATIENCE_MS;

    (void)state;
    for (int i = 0; i < NAMES; i++) {
        assert_non_null(fb_address_resolve(loop, "localhost:1", on_resolved, loop));
    }
    while (answers < NAMES) {
        assert_true(fb_clock_ms() < deadline_ms);
        fb_loop_turn(loop, 100);
        assert_true(answer.code == FB_OK || answer.code == FB_RESOURCE_EXHAUSTED);
    }
}

static void odd_socket_addresses_are_spelled_too(void **state)
{
    struct fb_address address = {.size = sizeof(sa_family_t)};
    char spelled[128];

    (void)state;
    address.socket.ss_family = AF_UNIX;
    fb_address_format(&address, spelled, sizeof(spelled));
    assert_string_equal(spelled, "unix:");
    address.socket.ss_family = AF_UNSPEC;
    fb_address_format(&address, spelled, sizeof(spelled));
    assert_string_equal(spelled, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unix_paths_hosts_and_brackets_are_addresses),
        cmocka_unit_test(other_spellings_are_refused_with_a_reason),
        cmocka_unit_test(names_and_paths_have_their_greatest_length),
        cmocka_unit_test(unix_sockets_are_told_from_others),
        cmocka_unit_test(loopback_is_what_never_leaves_the_machine),
        cmocka_unit_test_setup_teardown(numeric_and_unix_targets_resolve_to_themselves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_list_is_resolved_in_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_holds_neither_names_nor_gaps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_is_resolved_on_another_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_spelling_is_told_on_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_nobody_has_is_unavailable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_cancel_nothing_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_loop_may_go_while_a_name_is_being_resolved, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_names_at_once_are_each_answered, set_up, tear_down),
        cmocka_unit_test(odd_socket_addresses_are_spelled_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
