#include "runtime/config/servers.h"

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

/* The file that notes are about, up to the line. */
#define F "/c/f.json:"

/* Pairs of name and value, ended by NULL. */
static const char *look_up(void *context, const char *name)
{
    const char *const *pairs = context;

    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        if (strcmp(pairs[i], name) == 0) {
            return pairs[i + 1];
        }
    }
    return NULL;
}

static const char *variables[] = {"TOKEN", "t0ken", NULL};

static const struct fb_servers_plan plan = {
    .home = "/home/ada", .workspace = "/w", .variable = look_up, .context = variables};

/* JSON with ' for ", so that tests can be read. */
static struct fb_servers parse(struct fb_arena *arena, const char *quoted)
{
    char *text = fb_arena_copy(arena, quoted, strlen(quoted));
    struct fb_servers servers;
    struct fb_status status;

    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    status = fb_servers_parse(&plan, "/c/f.json", fb_text_of(text), arena, &servers);
    assert_string_equal(status.why, "");
    assert_true(fb_is_ok(status));
    return servers;
}

static void assert_notes(const struct fb_servers *servers, const char *const *texts)
{
    for (size_t i = 0; i < servers->notes.count && texts[i] != NULL; i++) {
        assert_string_equal(servers->notes.items[i].text, texts[i]);
    }
    for (size_t i = 0; texts[i] != NULL; i++) {
        assert_true(i < servers->notes.count);
        assert_true(texts[i + 1] != NULL || i + 1 == servers->notes.count);
    }
    assert_true(texts[0] != NULL || servers->notes.count == 0);
}

#define NOTES(servers, ...) assert_notes(servers, (const char *const[]){__VA_ARGS__, NULL})

static void a_stdio_server_is_command_arguments_environment_and_directory(void **state)
{
    const struct fb_servers servers = parse(
        *state, "{'mcpServers': {'github': {'command': 'npx', 'args': ['-y', '@x/github', 5, true],"
                " 'env': {'TOKEN': '${TOKEN}', 'N': 3, 'A': 'b'}, 'cwd': '/srv'}}}");
    const struct fb_server_entry *server = &servers.items[0];

    NOTES(&servers, NULL);
    assert_int_equal(servers.count, 1);
    assert_string_equal(server->name, "github");
    assert_int_equal(server->kind, FB_SERVER_STDIO);
    assert_true(server->enabled);
    assert_string_equal(server->argv[0], "npx");
    assert_string_equal(server->argv[1], "-y");
    assert_string_equal(server->argv[2], "@x/github");
    assert_string_equal(server->argv[3], "5");
    assert_string_equal(server->argv[4], "true");
    assert_null(server->argv[5]);
    assert_string_equal(server->env[0], "A=b");
    assert_string_equal(server->env[1], "N=3");
    assert_string_equal(server->env[2], "TOKEN=t0ken");
    assert_null(server->env[3]);
    assert_string_equal(server->cwd, "/srv");
    assert_null(server->url);
    assert_null(server->headers[0]);
    assert_int_equal(server->flow.timeout_ms, 60000);
    assert_int_equal(server->flow.tier, FB_TIER_AUTO);
    assert_ptr_equal(fb_servers_find(&servers, "github"), server);
    assert_null(fb_servers_find(&servers, "gitlab"));
}

static void an_http_server_is_url_and_headers_however_its_type_is_spelled(void **state)
{
    static const struct {
        const char *type;
        enum fb_server_kind kind;
    } types[] = {
        {"", FB_SERVER_HTTP},
        {"'type': 'http', ", FB_SERVER_HTTP},
        {"'type': 'streamable-http', ", FB_SERVER_HTTP},
        {"'type': 'streamableHttp', ", FB_SERVER_HTTP},
        {"'transport': 'http', ", FB_SERVER_HTTP},
        {"'type': 'sse', ", FB_SERVER_SSE},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char text[256];
        struct fb_servers servers;

        snprintf(text, sizeof(text),
                 "{'mcpServers': {'x': {%s'url': 'https://x/mcp',"
                 " 'headers': {'X-B': '1', 'Authorization': 'Bearer ${TOKEN}'}}}}",
                 types[i].type);
        servers = parse(*state, text);
        NOTES(&servers, NULL);
        assert_int_equal(servers.items[0].kind, types[i].kind);
        assert_string_equal(servers.items[0].url, "https://x/mcp");
        assert_string_equal(servers.items[0].headers[0], "Authorization: Bearer t0ken");
        assert_string_equal(servers.items[0].headers[1], "X-B: 1");
        assert_null(servers.items[0].argv);
        assert_null(servers.items[0].env[0]);
    }
}

static void vs_codes_form_is_read_and_an_input_without_value_fails_its_server_alone(void **state)
{
    const struct fb_servers servers = parse(
        *state, "{\n  // asked for\n  'inputs': [{'type': 'promptString', 'id': 'a', 'default':"
                " 'one'},\n    {'type': 'promptString', 'id': 'b', 'password': true},],\n"
                "  'servers': {\n"
                "    'one': {'type': 'stdio', 'command': 'x', 'args': ['${input:a}'],},\n"
                "    'two': {'command': 'x', 'env': {'K': '${input:b}'}},\n"
                "    'three': {'command': '${workspaceFolder}/x'}, /* end */\n"
                "  },\n}\n");

    NOTES(&servers, F "7:36: servers.two.env: K: the input \"b\" has no value; give it one "
                      "under flow.inputs");
    assert_int_equal(servers.notes.items[0].kind, FB_NOTE_ERROR);
    assert_string_equal(servers.notes.items[0].server, "two");
    assert_int_equal(servers.count, 2);
    assert_string_equal(servers.items[0].argv[1], "one");
    assert_string_equal(servers.items[1].argv[0], "/w/x");
}

static void inputs_get_their_values_from_our_part_of_the_file(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'flow': {'inputs': {'a': 'ours', 'b': '${env:TOKEN}', 'c': '${UNSET}'}},"
                      " 'inputs': [{'id': 'a', 'default': 'theirs'}], 'servers': {"
                      "'one': {'command': 'x', 'args': ['${input:a}', '${input:b}']},"
                      "'two': {'command': 'x', 'args': ['${input:c}']}}}");

    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.items[0].argv[1], "ours");
    assert_string_equal(servers.items[0].argv[2], "t0ken");
}

static void one_bad_server_never_takes_another_down(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {\n"
                      "'a': 5,\n"
                      "'b': {},\n"
                      "'c': {'command': ''},\n"
                      "'d': {'command': 'x', 'args': '-y'},\n"
                      "'e': {'command': 'x', 'args': [['-y']]},\n"
                      "'f': {'command': 'x', 'env': ['A=b']},\n"
                      "'g': {'command': 'x', 'env': {'A=b': 'c'}},\n"
                      "'h': {'url': 'ftp://x'},\n"
                      "'i': {'url': 'http://x', 'headers': {'A': 'b\\nc'}},\n"
                      "'j': {'url': 'http://x', 'headers': {'A b': 'c'}},\n"
                      "'k': {'type': 'carrier-pigeon', 'command': 'x'},\n"
                      "'l': {'type': 'http', 'command': 'x'},\n"
                      "'m': {'type': 'stdio', 'url': 'http://x'},\n"
                      "'n': {'command': 'x', 'url': 'http://x'},\n"
                      "'o': {'command': 'x', 'env': {'A': '${UNSET}'}},\n"
                      "'p': {'command': 'x', 'envFile': '/nowhere/.env'},\n"
                      "'q': {'command': 'x', 'flow': 5},\n"
                      "'r': {'command': 'x', 'flow': {'tier': 'hott'}},\n"
                      "'s': {'command': 'x', 'disabled': 'yes'},\n"
                      "'': {'command': 'x'},\n"
                      "'good': {'command': 'x'}}}");

    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.items[0].name, "good");
    NOTES(&servers, F "2:6: mcpServers.a: wanted an object in braces",
          F "3:6: mcpServers.b: has neither a command nor a url",
          F "4:18: mcpServers.c.command: wanted the name of a program",
          F "5:31: mcpServers.d.args: wanted a list of strings in brackets",
          F "6:31: mcpServers.e.args: wanted a string",
          F "7:30: mcpServers.f.env: wanted an object of names and strings",
          F "8:30: mcpServers.g.env: a variable has no name, or \"=\" in it",
          F "9:14: mcpServers.h.url: wanted a URL of http or https",
          F "10:37: mcpServers.i.headers: A: control characters are not allowed in a "
            "header",
          F "11:37: mcpServers.j.headers: a header has no name, or one that HTTP does not "
            "allow",
          F "12:15: mcpServers.k.type: wanted \"stdio\", \"http\" or \"sse\"",
          F "13:6: mcpServers.l: has no url", F "14:6: mcpServers.m: has no command",
          F "15:6: mcpServers.n: has both a command and a url; its type must say which "
            "counts",
          F "16:30: mcpServers.o.env: A: the variable UNSET is not set; ${UNSET:-x} would "
            "stand for x then",
          F "17:34: mcpServers.p.envFile: /nowhere/.env: there is no such file",
          F "18:31: mcpServers.q.flow: wanted an object in braces",
          F "19:40: mcpServers.r.flow.tier: \"hott\" is not one of auto, hot, warm, cold",
          F "20:35: mcpServers.s.disabled: wanted true or false",
          F "21:5: mcpServers.: a server needs a name");
}

static void an_unknown_key_is_named_with_its_nearest(void **state)
{
    const struct fb_servers servers = parse(
        *state, "{'mcpServers': {'github': {'comand': 'a', 'command': 'b', 'xyzzy': 1,"
                " 'flow': {'teir': 'hot', 'plugh': 2}}},\n"
                " 'flows': {}, 'theme': 'dark', 'flow': {'ruter': {}, 'zork': 1, 'router': {}}}");

    assert_int_equal(servers.count, 1);
    NOTES(&servers, F "2:2: flows: unknown key, did you mean \"flow\"?",
          F "2:41: flow.ruter: unknown key, did you mean \"router\"?",
          F "2:54: flow.zork: unknown key",
          F "1:28: mcpServers.github.comand: unknown key, did you mean \"command\"?",
          F "1:59: mcpServers.github.xyzzy: unknown key",
          F "1:80: mcpServers.github.flow.teir: unknown key, did you mean \"tier\"?",
          F "1:95: mcpServers.github.flow.plugh: unknown key");
    for (size_t i = 0; i < servers.notes.count; i++) {
        assert_int_equal(servers.notes.items[i].kind, FB_NOTE_WARNING);
    }
}

static void a_key_that_only_others_use_is_reported_as_such(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'x': {'command': 'x', 'alwaysAllow': []}}}");

    NOTES(&servers, F "1:39: mcpServers.x.alwaysAllow: not used by flow-balancer");
    assert_int_equal(servers.notes.items[0].kind, FB_NOTE_HINT);
}

static void our_settings_come_from_the_entry_then_the_file_then_the_table(void **state)
{
    const struct fb_servers servers = parse(
        *state, "{'flow': {'servers': {'timeout': '5s', 'tier': 'cold', 'sharing': 'wrong'}},"
                " 'mcpServers': {'a': {'command': 'x', 'flow': {'tier': 'hot', 'pass_env': ['P'],"
                " 'max_line': '1MiB', 'scope': 'me', 'era': 'modern', 'sharing': 'pinned'}},"
                " 'b': {'command': 'x'}}}");

    NOTES(&servers, F "1:67: flow.servers.sharing: \"wrong\" is not one of auto, shared, "
                      "pooled, pinned");
    assert_int_equal(servers.count, 2);
    assert_int_equal(servers.items[0].flow.timeout_ms, 5000);
    assert_int_equal(servers.items[0].flow.tier, FB_TIER_HOT);
    assert_int_equal(servers.items[0].flow.era, FB_ERA_MODERN);
    assert_int_equal(servers.items[0].flow.sharing, FB_SHARING_PINNED);
    assert_int_equal(servers.items[0].flow.max_line_bytes, 1024 * 1024);
    assert_string_equal(servers.items[0].flow.scope, "me");
    assert_string_equal(servers.items[0].flow.pass_env.items[0], "P");
    assert_int_equal(servers.items[1].flow.tier, FB_TIER_COLD);
    assert_int_equal(servers.items[1].flow.sharing, FB_SHARING_AUTO);
    assert_int_equal(servers.items[1].flow.pass_env.count, 0);
}

static void what_others_call_our_settings_is_understood_and_ours_win(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'a': {'command': 'x', 'timeout': 30, 'idle_timeout': '90s',"
                      " 'shared': true, 'longLived': true, 'startup_timeout_sec': 20},"
                      " 'b': {'command': 'x', 'flow': {'timeout': '7s'}, 'timeout': 45000}}}");

    NOTES(&servers, NULL);
    assert_int_equal(servers.items[0].flow.timeout_ms, 30000);
    assert_int_equal(servers.items[0].flow.idle_timeout_ms, 90000);
    assert_int_equal(servers.items[0].flow.start_timeout_ms, 20000);
    assert_int_equal(servers.items[0].flow.sharing, FB_SHARING_SHARED);
    assert_int_equal(servers.items[0].flow.tier, FB_TIER_HOT);
    assert_int_equal(servers.items[1].flow.timeout_ms, 7000);
}

static void what_is_of_the_other_kind_of_server_is_left_out_with_a_hint(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'a': {'type': 'stdio', 'command': 'x', 'url': 'http://x',"
                      " 'headers': {'A': 'b'}}, 'b': {'type': 'http', 'command': 'x', 'url':"
                      " 'http://x', 'env': {'A': 'b'}, 'cwd': '/'}, 'c': {'command': 'x'}}}");

    NOTES(&servers,
          F "1:22: mcpServers.a: url and headers mean nothing to a program that is started",
          F "1:104: mcpServers.b: command, env, envFile and cwd mean nothing to a server "
            "that has a url");
    assert_null(servers.items[0].url);
    assert_null(servers.items[0].headers[0]);
    assert_string_equal(servers.items[0].digest, servers.items[2].digest);
    assert_null(servers.items[1].argv);
    assert_null(servers.items[1].cwd);
    assert_null(servers.items[1].env[0]);
}

static void a_server_that_its_user_switched_off_is_kept_as_such(void **state)
{
    const struct fb_servers servers = parse(
        *state, "{'mcpServers': {'a': {'command': 'x', 'disabled': true}, 'b': {'command': 'x',"
                " 'enabled': false}, 'c': {'command': 'x', 'disabled': false, 'enabled': true}}}");

    assert_int_equal(servers.count, 3);
    assert_false(servers.items[0].enabled);
    assert_false(servers.items[1].enabled);
    assert_true(servers.items[2].enabled);
}

static void env_wins_over_the_env_file_and_null_takes_out(void **state)
{
    char path[] = "/tmp/fb-env-XXXXXX";
    const int fd = mkstemp(path);
    char text[256];
    struct fb_servers servers;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "A=1\nB=2\nC=3\n", 12), 12);
    close(fd);
    snprintf(text, sizeof(text),
             "{'mcpServers': {'x': {'command': 'x', 'env': {'B': 'two', 'C': null}, 'envFile':"
             " '%s'}}}",
             path);
    servers = parse(*state, text);
    unlink(path);
    NOTES(&servers, NULL);
    assert_string_equal(servers.items[0].env[0], "A=1");
    assert_string_equal(servers.items[0].env[1], "B=two");
    assert_null(servers.items[0].env[2]);
}

static void relative_paths_begin_where_the_file_is(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'a': {'command': '~/x', 'cwd': 'sub'}, 'b': {'command':"
                      " './x', 'cwd': '~/y'}}}");

    assert_string_equal(servers.items[0].argv[0], "/home/ada/x");
    assert_string_equal(servers.items[0].cwd, "/c/sub");
    assert_string_equal(servers.items[1].argv[0], "./x");
    assert_string_equal(servers.items[1].cwd, "/home/ada/y");
}

static void a_command_may_be_a_list_and_a_sentence_is_suspicious(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'a': {'command': ['npx', '-y', 'x'], 'args': ['z']},"
                      " 'b': {'command': 'npx -y x'}}}");

    assert_string_equal(servers.items[0].argv[0], "npx");
    assert_string_equal(servers.items[0].argv[2], "x");
    assert_string_equal(servers.items[0].argv[3], "z");
    assert_null(servers.items[0].argv[4]);
    NOTES(&servers, F "1:87: mcpServers.b.command: has spaces and is taken as the name of "
                      "one program; arguments belong into args");
}

static void the_last_of_servers_with_the_same_name_counts(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'servers': {'a': {'command': 'one'}}, 'mcpServers': {'b': {'command':"
                      " 'x'}, 'a': {'command': 'two'}, 'a': {'command': 'three'}}}");

    assert_int_equal(servers.count, 2);
    assert_string_equal(servers.items[0].argv[0], "three");
    assert_int_equal(servers.notes.count, 2);
    assert_string_equal(servers.notes.items[0].text,
                        "/c/f.json: a: there are several of this name; the last one counts");
}

/* Each change of what an instance is must change the digest; anything else must not. */
static void the_digest_is_of_what_makes_an_instance(void **state)
{
    static const char *const different[] = {
        "{'command': 'x', 'args': ['ab', 'c']}",
        "{'command': 'x', 'args': ['a', 'bc']}",
        "{'command': 'x', 'args': ['abc']}",
        "{'command': 'x', 'args': ['ab', 'c'], 'env': {'A': 'b'}}",
        "{'command': 'x', 'args': ['ab', 'c'], 'env': {'A': 'c'}}",
        "{'command': 'x', 'args': ['ab', 'c', 'A=c']}",
        "{'command': 'x', 'args': ['ab', 'c'], 'cwd': '/'}",
        "{'command': 'x', 'args': ['ab', 'c'], 'flow': {'scope': 'me'}}",
        "{'command': 'x', 'args': ['ab', 'c'], 'flow': {'pass_env': ['A']}}",
        "{'url': 'http://x'}",
        "{'url': 'http://x', 'type': 'sse'}",
        "{'url': 'http://x', 'headers': {'A': 'b'}}",
    };
    static const char *const same[] = {
        "{'args': ['ab', 'c'], 'command': 'x', 'flow': {'tier': 'hot'}}",
        "{'command': 'x', 'args': ['ab', 'c'], 'disabled': true}",
    };
    enum { DIFFERENT = sizeof(different) / sizeof(different[0]) };
    char digests[DIFFERENT][FB_SERVER_DIGEST_BYTES + 1];
    char text[256];

    for (size_t i = 0; i < DIFFERENT; i++) {
        struct fb_servers servers;

        snprintf(text, sizeof(text), "{'mcpServers': {'n%zu': %s}}", i, different[i]);
        servers = parse(*state, text);
        memcpy(digests[i], servers.items[0].digest, sizeof(digests[i]));
        assert_int_equal(strspn(digests[i], "0123456789abcdef"), FB_SERVER_DIGEST_BYTES);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(digests[i], digests[j]);
        }
    }
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        struct fb_servers servers;

        snprintf(text, sizeof(text), "{'mcpServers': {'x': %s}}", same[i]);
        servers = parse(*state, text);
        assert_string_equal(servers.items[0].digest, digests[0]);
    }
}

static void there_is_a_most_of_servers(void **state)
{
    struct fb_buffer text = {0};
    struct fb_servers servers;

    fb_buffer_string(&text, "{'mcpServers': {");
    for (int i = 0; i < FB_SERVERS_MOST + 5; i++) {
        fb_buffer_printf(&text, "%s's%04d': {'command': 'x'}", i == 0 ? "" : ",", i);
    }
    fb_buffer_append(&text, "}}", 3);
    servers = parse(*state, text.data);
    fb_buffer_finish(&text);
    assert_int_equal(servers.count, FB_SERVERS_MOST);
    assert_int_equal(servers.notes.count, 1);
    assert_int_equal(servers.notes.items[0].kind, FB_NOTE_ERROR);
    assert_non_null(fb_servers_find(&servers, "s0999"));
}

static void notes_beyond_the_most_are_counted(void **state)
{
    struct fb_buffer text = {0};
    struct fb_servers servers;

    fb_buffer_string(&text, "{'mcpServers': {'a': {'command': 'x'");
    for (int i = 0; i < FB_NOTES_MOST + 5; i++) {
        fb_buffer_printf(&text, ", 'xyzzy%d': 1", i);
    }
    fb_buffer_append(&text, "}}}", 4);
    servers = parse(*state, text.data);
    fb_buffer_finish(&text);
    assert_int_equal(servers.count, 1);
    assert_int_equal(servers.notes.count, FB_NOTES_MOST);
    assert_int_equal(servers.notes.left_off, 5);
}

static void names_are_short_and_printable(void **state)
{
    char text[512] = "{'mcpServers': {'";
    struct fb_servers servers;

    memset(text + strlen(text), 'n', FB_SERVER_NAME_BYTES + 1);
    snprintf(text + strlen(text), 256, "%s",
             "': {'command': 'x'}, 'a\\u0007b': {'command': 'x'}, 'gr\xc3\xbc\xc3\x9f e': "
             "{'command': 'x'}}}");
    servers = parse(*state, text);
    assert_int_equal(servers.count, 1);
    assert_string_equal(servers.items[0].name, "gr\xc3\xbc\xc3\x9f e");
    assert_int_equal(servers.notes.count, 2);
}

static void no_secret_is_in_any_note(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': {'a': {'url': 'hunter2', 'headers': {'A': 'hunter2\\u0001'}},"
                      " 'b': {'command': 'x', 'env': {'A': ['hunter2']}, 'timeout': -5, 'type':"
                      " 'hunter2', 'args': [{'a': 'hunter2'}]}}}");

    assert_int_equal(servers.count, 0);
    assert_true(servers.notes.count > 0);
    for (size_t i = 0; i < servers.notes.count; i++) {
        assert_null(strstr(servers.notes.items[i].text, "hunter2"));
    }
}

static void a_file_that_is_no_json_is_refused_with_its_place(void **state)
{
    struct fb_servers servers;
    const struct fb_status status = fb_servers_parse(
        &plan, "/c/f.json", FB_TEXT("{\"mcpServers\": {\n\"a\": }}"), *state, &servers);

    assert_int_equal(status.code, FB_INVALID_ARGUMENT);
    assert_memory_equal(status.why, F "2:", strlen(F "2:"));
    assert_int_equal(servers.count, 0);
    assert_int_equal(fb_servers_read(&plan, "/nowhere/x", *state, &servers).code, FB_NOT_FOUND);
}

static void sections_of_the_wrong_type_are_named(void **state)
{
    const struct fb_servers servers =
        parse(*state, "{'mcpServers': [], 'servers': {'a': {'command': 'x'}}, 'flow': 7}");

    assert_int_equal(servers.count, 1);
    NOTES(&servers, F "1:64: flow: wanted an object in braces",
          F "1:16: mcpServers: wanted an object of servers in braces");
}

static void running_out_of_memory_is_a_status(void **state)
{
    static const char text[] = "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"y\"],"
                               " \"env\": {\"A\": \"b\"}, \"xyzzy\": 1}}}";

    (void)state;
    for (size_t limit = 1; limit < 20000; limit += 48) {
        struct fb_arena arena;
        struct fb_servers servers;
        struct fb_status status;

        fb_arena_init(&arena, limit);
        status = fb_servers_parse(&plan, "f", fb_text_of(text), &arena, &servers);
        if (!fb_is_ok(status)) {
            assert_int_equal(status.code, FB_RESOURCE_EXHAUSTED);
        } else {
            assert_true(servers.count == 1 || servers.notes.count + servers.notes.left_off > 0);
        }
        fb_arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_stdio_server_is_command_arguments_environment_and_directory),
        ARENA_TEST(an_http_server_is_url_and_headers_however_its_type_is_spelled),
        ARENA_TEST(vs_codes_form_is_read_and_an_input_without_value_fails_its_server_alone),
        ARENA_TEST(inputs_get_their_values_from_our_part_of_the_file),
        ARENA_TEST(one_bad_server_never_takes_another_down),
        ARENA_TEST(an_unknown_key_is_named_with_its_nearest),
        ARENA_TEST(a_key_that_only_others_use_is_reported_as_such),
        ARENA_TEST(our_settings_come_from_the_entry_then_the_file_then_the_table),
        ARENA_TEST(what_others_call_our_settings_is_understood_and_ours_win),
        ARENA_TEST(what_is_of_the_other_kind_of_server_is_left_out_with_a_hint),
        ARENA_TEST(a_server_that_its_user_switched_off_is_kept_as_such),
        ARENA_TEST(env_wins_over_the_env_file_and_null_takes_out),
        ARENA_TEST(relative_paths_begin_where_the_file_is),
        ARENA_TEST(a_command_may_be_a_list_and_a_sentence_is_suspicious),
        ARENA_TEST(the_last_of_servers_with_the_same_name_counts),
        ARENA_TEST(the_digest_is_of_what_makes_an_instance),
        ARENA_TEST(there_is_a_most_of_servers),
        ARENA_TEST(notes_beyond_the_most_are_counted),
        ARENA_TEST(names_are_short_and_printable),
        ARENA_TEST(no_secret_is_in_any_note),
        ARENA_TEST(a_file_that_is_no_json_is_refused_with_its_place),
        ARENA_TEST(sections_of_the_wrong_type_are_named),
        ARENA_TEST(running_out_of_memory_is_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
