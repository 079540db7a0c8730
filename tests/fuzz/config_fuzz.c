/*
 * Whatever a configuration file holds, reading it ends in a status and notes, and what was read
 * verbatim prints as a file that reads back as the same servers.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/config/env_list.h"
#include "runtime/config/servers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 64 * 1024 * 1024, NAMES_MOST = 64 };

static const char *look_up(void *context, const char *name)
{
    (void)context;
    return name[0] == 'H' ? "home ${HOME} \"x\"" : NULL;
}

static void expect_sound(const struct fb_servers *servers)
{
    assert(servers->count <= FB_SERVERS_MOST);
    assert(servers->notes.count <= FB_NOTES_MOST);
    for (size_t i = 0; i < servers->count; i++) {
        const struct fb_server_entry *server = &servers->items[i];

        assert(strlen(server->digest) == FB_SERVER_DIGEST_BYTES);
        assert((server->kind == FB_SERVER_STDIO) == (server->argv != NULL));
        assert((server->kind != FB_SERVER_STDIO) == (server->url != NULL));
        assert(server->env != NULL && server->headers != NULL);
        assert(i == 0 || strcmp(servers->items[i - 1].name, server->name) <= 0);
    }
}

static void read_expanded(struct fb_text text)
{
    const struct fb_servers_plan plan = {.home = "/home/x", .workspace = "/w", .variable = look_up};
    struct fb_servers servers;
    struct fb_arena arena;

    fb_arena_init(&arena, ARENA_BYTES);
    if (fb_is_ok(fb_servers_parse(&plan, "f.json", text, &arena, &servers))) {
        expect_sound(&servers);
    }
    fb_arena_finish(&arena);
}

/* A project's directory becomes the server's, so only those without one are the same. */
static void print_and_read_again(const struct fb_servers_plan *plan,
                                 const struct fb_servers *servers, struct fb_arena *arena)
{
    struct fb_buffer out = {0};
    struct fb_servers again;

    fb_servers_print(servers, &out);
    if (!out.failed && out.size <= 4 * 1024 * 1024) {
        const struct fb_text text = {.data = out.data, .size = out.size};
        const struct fb_status status = fb_servers_parse(plan, "p.json", text, arena, &again);

        assert(fb_is_ok(status) || status.code == FB_RESOURCE_EXHAUSTED);
        for (size_t i = 0; fb_is_ok(status) && i < servers->count; i++) {
            const struct fb_server_entry *first = &servers->items[i];
            const struct fb_server_entry *same = fb_servers_find(&again, first->name);

            assert(same != NULL);
            assert(first->project != NULL || strcmp(same->digest, first->digest) == 0);
        }
    }
    fb_buffer_finish(&out);
}

static void read_verbatim(struct fb_text text)
{
    const struct fb_servers_plan plan = {.verbatim = true, .foreign = true};
    struct fb_servers servers;
    struct fb_arena arena;

    fb_arena_init(&arena, ARENA_BYTES);
    if (fb_is_ok(fb_servers_parse(&plan, "f.json", text, &arena, &servers))) {
        expect_sound(&servers);
        print_and_read_again(&plan, &servers, &arena);
    }
    fb_arena_finish(&arena);
}

static void read_env_file(struct fb_text text)
{
    struct fb_env_list list = {.count = 0};
    struct fb_arena arena;

    fb_arena_init(&arena, ARENA_BYTES);
    if (fb_is_ok(fb_env_list_read(&list, &arena, NAMES_MOST, ".env", text))) {
        assert(list.count <= NAMES_MOST);
        assert(fb_env_list_join(&list, &arena, "=") != NULL);
    }
    fb_arena_finish(&arena);
}

/* Each of our own settings, given the input as its value. */
static void read_settings(struct fb_text text)
{
    struct fb_server_flow flow;
    struct fb_arena arena;
    const char *value;

    fb_arena_init(&arena, ARENA_BYTES);
    value = fb_arena_copy(&arena, text.data, text.size);
    if (value != NULL && fb_option_set_fallbacks(fb_server_options, &flow, &arena)) {
        for (const struct fb_option *option = fb_server_options; option->name != NULL; option++) {
            const struct fb_status status =
                fb_option_set_value(option, &flow, option->name, value, &arena);

            assert(status.why != NULL && (fb_is_ok(status) || status.why[0] != '\0'));
        }
    }
    fb_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fb_text text = {.data = (const char *)data, .size = size};

    read_expanded(text);
    read_verbatim(text);
    read_env_file(text);
    read_settings(text);
    return 0;
}
