#include "runtime/config/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/arena.h"

static struct fb_servers import(struct fb_arena *arena, const char *text)
{
    char path[] = "/tmp/fb-import-XXXXXX";
    const int fd = mkstemp(path);
    struct fb_servers servers;
    struct fb_status status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    status = fb_import_read(path, arena, &servers);
    unlink(path);
    assert_string_equal(status.why, "");
    return servers;
}

static bool has_source(const struct fb_import_source *sources, size_t count, const char *client,
                       const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(sources[i].client, client) == 0 && strcmp(sources[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void the_files_of_all_clients_are_looked_for(void **state)
{
    struct fb_import_source sources[FB_IMPORT_SOURCES];
    size_t count = fb_import_sources("/home/ada", "/w", *state, sources);

    assert_true(has_source(sources, count, "claude-code", "/home/ada/.claude.json"));
    assert_true(has_source(sources, count, "claude-code", "/w/.mcp.json"));
    assert_true(has_source(sources, count, "claude-desktop",
                           "/home/ada/.config/Claude/claude_desktop_config.json"));
    assert_true(has_source(sources, count, "cursor", "/home/ada/.cursor/mcp.json"));
    assert_true(has_source(sources, count, "cursor", "/w/.cursor/mcp.json"));
    assert_true(has_source(sources, count, "vscode", "/w/.vscode/mcp.json"));
    assert_true(has_source(sources, count, "vscode", "/home/ada/.config/Code/User/mcp.json"));
    count = fb_import_sources("/home/ada", NULL, *state, sources);
    assert_false(has_source(sources, count, "claude-code", "/w/.mcp.json"));
    assert_true(has_source(sources, count, "claude-code", "/home/ada/.claude.json"));
}

static void claude_code_keeps_servers_for_the_user_and_by_project(void **state)
{
    const struct fb_servers servers =
        import(*state, "{\"numStartups\": 3, \"mcpServers\": {\"fetch\": {\"command\": \"uvx\"}},"
                       " \"projects\": {\"/w/a\": {\"allowedTools\": [], \"mcpServers\":"
                       " {\"fetch\": {\"command\": \"node\"}, \"db\": {\"type\": \"http\","
                       " \"url\": \"https://x/mcp\"}}}, \"/w/b\": {}, \"/w/c\": null}}");

    assert_int_equal(servers.count, 3);
    assert_string_equal(servers.items[0].name, "db");
    assert_string_equal(servers.items[0].project, "/w/a");
    assert_null(servers.items[1].project);
    assert_string_equal(servers.items[1].argv[0], "uvx");
    assert_string_equal(servers.items[2].project, "/w/a");
    assert_int_equal(servers.notes.count, 0);
}

static void vs_code_keeps_them_in_a_file_or_in_its_settings(void **state)
{
    struct fb_servers servers = import(
        *state, "{\n  // prompted\n  \"inputs\": [{\"id\": \"k\", \"type\": \"promptString\"}],"
                " \"servers\": {\"x\": {\"type\": \"stdio\", \"command\": \"x\", \"env\":"
                " {\"K\": \"${input:k}\"},},},}");

    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.items[0].env[0], "K=${input:k}");
    servers = import(*state, "{\"editor.fontSize\": 12, \"mcp\": {\"servers\": {\"y\":"
                             " {\"command\": \"y\"}}}}");
    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.items[0].name, "y");
}

static void what_is_imported_stays_verbatim(void **state)
{
    const struct fb_servers servers = import(
        *state, "{\"mcpServers\": {\"x\": {\"command\": \"~/bin/x\", \"args\": [\"${A:-b}\"],"
                " \"cwd\": \"sub\", \"envFile\": \"${workspaceFolder}/.env\", \"env\":"
                " {\"TOKEN\": \"${TOKEN}\"}}, \"y\": {\"url\": \"${BASE}/mcp\"}}}");

    assert_int_equal(servers.count, 2);
    assert_int_equal(servers.notes.count, 0);
    assert_string_equal(servers.items[0].argv[0], "~/bin/x");
    assert_string_equal(servers.items[0].argv[1], "${A:-b}");
    assert_string_equal(servers.items[0].cwd, "sub");
    assert_string_equal(servers.items[0].env_file, "${workspaceFolder}/.env");
    assert_string_equal(servers.items[0].env[0], "TOKEN=${TOKEN}");
    assert_string_equal(servers.items[1].url, "${BASE}/mcp");
}

static void what_is_printed_reads_back_as_the_same(void **state)
{
    const struct fb_servers servers = import(
        *state,
        "{\"mcpServers\": {\"a b\\u0022\": {\"command\": \"x\", \"args\": [\"1\", \"\\u0001\"],"
        " \"env\": {\"A\": \"b=c\", \"B\": \"\"}, \"cwd\": \"/\", \"envFile\": \".env\","
        " \"disabled\": true, \"flow\": {\"tier\": \"hot\", \"idle_timeout\": \"5m\", \"pass_env\":"
        " [\"X\"]}}, \"h\": {\"url\": \"http://x\", \"headers\": {\"A\": \"b: c\"}},"
        " \"s\": {\"type\": \"sse\", \"url\": \"http://x\"}}}");
    struct fb_buffer out = {0};
    struct fb_servers again;

    assert_int_equal(servers.count, 3);
    fb_servers_print(&servers, &out);
    fb_buffer_append(&out, "", 1);
    again = import(*state, out.data);
    fb_buffer_finish(&out);
    assert_int_equal(again.count, 3);
    assert_int_equal(again.notes.count, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(again.items[i].name, servers.items[i].name);
        assert_int_equal(again.items[i].kind, servers.items[i].kind);
        assert_string_equal(again.items[i].digest, servers.items[i].digest);
        assert_int_equal(again.items[i].enabled, servers.items[i].enabled);
        assert_int_equal(again.items[i].flow.tier, servers.items[i].flow.tier);
        assert_int_equal(again.items[i].flow.idle_timeout_ms,
                         servers.items[i].flow.idle_timeout_ms);
    }
}

static void no_servers_print_as_an_empty_file(void **state)
{
    const struct fb_servers none = import(*state, "{}");
    struct fb_buffer out = {0};

    fb_servers_print(&none, &out);
    fb_buffer_append(&out, "", 1);
    assert_int_equal(import(*state, out.data).count, 0);
    fb_buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(the_files_of_all_clients_are_looked_for),
        ARENA_TEST(claude_code_keeps_servers_for_the_user_and_by_project),
        ARENA_TEST(vs_code_keeps_them_in_a_file_or_in_its_settings),
        ARENA_TEST(what_is_imported_stays_verbatim),
        ARENA_TEST(what_is_printed_reads_back_as_the_same),
        ARENA_TEST(no_servers_print_as_an_empty_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
