#include "services/worker/configured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "flowbalancer/v1/registry.pb-c.h"

static struct fb_arena arena;

static int set_up(void **state)
{
    (void)state;
    fb_arena_init(&arena, 0);
    return setenv("FLOW_TEST_PASSED", "from the worker", 1) | setenv("HOME", "/home/nobody", 1);
}

static int tear_down(void **state)
{
    (void)state;
    fb_arena_finish(&arena);
    return 0;
}

static struct configured read_text(const char *text)
{
    char path[] = "/tmp/configured_test.XXXXXX";
    const int fd = mkstemp(path);
    struct configured configured;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_true(fb_is_ok(configured_read(path, &arena, &configured)));
    unlink(path);
    return configured;
}

static const char *variable(const struct pool_server *server, const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; server->env[i] != NULL; i++) {
        if (strncmp(server->env[i], name, size) == 0 && server->env[i][size] == '=') {
            return server->env[i] + size + 1;
        }
    }
    return NULL;
}

static void without_a_file_there_are_no_servers(void **state)
{
    struct configured configured;

    (void)state;
    assert_true(fb_is_ok(configured_read("/nonexistent/config.json", &arena, &configured)));
    assert_int_equal(configured.count, 0);
}

static void a_server_is_run_reported_and_kept_under_its_exposed_name(void **state)
{
    const struct configured c = read_text(
        "{\"mcpServers\": {\"My Files\": {\"command\": \"files\", \"args\": [\"/tmp\"],"
        " \"flow\": {\"tier\": \"hot\", \"era\": \"legacy\", \"idle_timeout\": \"7s\"}}}}");
    uint8_t nothing[KEPT_SERVER_DIGEST_BYTES] = {0};

    (void)state;
    assert_int_equal(c.count, 1);
    assert_string_equal(c.names[0], "My Files");
    assert_string_equal(c.pool[0].name, "my-files");
    assert_string_equal(c.kept[0].name, "my-files");
    assert_string_equal(c.joins[0].name, "my-files");
    assert_string_equal(c.pool[0].argv[0], "files");
    assert_string_equal(c.pool[0].argv[1], "/tmp");
    assert_null(c.pool[0].cannot);
    assert_int_equal(c.pool[0].era, ERA_LEGACY);
    assert_int_equal(c.pool[0].idle_ms, 7000);
    assert_int_equal(c.joins[0].tier, FLOWBALANCER__V1__TIER__TIER_HOT);
    assert_memory_not_equal(c.kept[0].digest, nothing, sizeof(nothing));
    assert_memory_equal(c.kept[0].digest, c.joins[0].digest, sizeof(nothing));
}

static void a_server_that_is_switched_off_is_left_out(void **state)
{
    const struct configured c =
        read_text("{\"mcpServers\": {\"a\": {\"command\": \"a\", \"disabled\": true},"
                  " \"b\": {\"command\": \"b\"}}}");

    (void)state;
    assert_int_equal(c.count, 1);
    assert_string_equal(c.names[0], "b");
}

static void a_server_reached_by_http_says_that_it_cannot_be_run(void **state)
{
    const struct configured c =
        read_text("{\"mcpServers\": {\"r\": {\"type\": \"http\", \"url\": \"http://h/mcp\"}}}");

    (void)state;
    assert_int_equal(c.count, 1);
    assert_non_null(strstr(c.pool[0].cannot, "type http"));
}

static void a_server_gets_its_own_variables_those_it_asks_for_and_the_common_ones(void **state)
{
    const struct configured c =
        read_text("{\"mcpServers\": {\"a\": {\"command\": \"a\", \"env\": {\"HOME\": \"/its/own\"},"
                  " \"flow\": {\"pass_env\": [\"FLOW_TEST_PASSED\"]}},"
                  " \"b\": {\"command\": \"b\"}}}");

    (void)state;
    assert_string_equal(variable(&c.pool[0], "HOME"), "/its/own");
    assert_string_equal(variable(&c.pool[0], "FLOW_TEST_PASSED"), "from the worker");
    assert_string_equal(variable(&c.pool[1], "HOME"), "/home/nobody");
    assert_null(variable(&c.pool[1], "FLOW_TEST_PASSED"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_there_are_no_servers),
        cmocka_unit_test(a_server_is_run_reported_and_kept_under_its_exposed_name),
        cmocka_unit_test(a_server_that_is_switched_off_is_left_out),
        cmocka_unit_test(a_server_reached_by_http_says_that_it_cannot_be_run),
        cmocka_unit_test(a_server_gets_its_own_variables_those_it_asks_for_and_the_common_ones),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
