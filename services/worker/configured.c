#include "services/worker/configured.h"

#include <string.h>

#include "flowbalancer/v1/registry.pb-c.h"
#include "runtime/config/environment.h"
#include "runtime/config/servers.h"
#include "runtime/log/log.h"

enum { IDLE_MS = 300000 };

/* What servers need of the worker's environment, as every MCP host passes it. */
static const char *const common_environment[] = {"HOME", "LOGNAME", "PATH", "SHELL",
                                                 "TERM", "USER",    NULL};

static bool is_set(const char *const *environment, size_t count, const char *name)
{
    const size_t size = strlen(name);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(environment[i], name, size) == 0 && environment[i][size] == '=') {
            return true;
        }
    }
    return false;
}

/* Adds a variable of ours unless it is set already; false when memory is exhausted. */
static bool pass_on(const char **environment, size_t *count, const char *name,
                    struct fb_arena *arena)
{
    const char *value = fb_config_environment(name);

    if (value == NULL || is_set(environment, *count, name)) {
        return true;
    }
    environment[*count] = fb_arena_printf(arena, "%s=%s", name, value);
    return environment[(*count)++] != NULL;
}

/* The whole environment of a server: its own variables, those it asks for, and the common ones. */
static const char *const *environment_of(const struct fb_server_entry *entry,
                                         struct fb_arena *arena)
{
    const size_t common = sizeof(common_environment) / sizeof(common_environment[0]);
    const char **environment;
    size_t own = 0;
    size_t count = 0;
    bool fits = true;

    while (entry->env[own] != NULL) {
        own++;
    }
    environment =
        fb_arena_zalloc(arena, own + entry->flow.pass_env.count + common, sizeof(*environment));
    if (environment == NULL) {
        return NULL;
    }
    for (; count < own; count++) {
        environment[count] = entry->env[count];
    }
    for (size_t i = 0; fits && i < entry->flow.pass_env.count; i++) {
        fits = pass_on(environment, &count, entry->flow.pass_env.items[i], arena);
    }
    for (size_t i = 0; fits && common_environment[i] != NULL; i++) {
        fits = pass_on(environment, &count, common_environment[i], arena);
    }
    return fits ? environment : NULL;
}

static enum era era_of(int era)
{
    switch (era) {
    case FB_ERA_LEGACY:
        return ERA_LEGACY;
    case FB_ERA_MODERN:
        return ERA_MODERN;
    default:
        return ERA_UNKNOWN;
    }
}

static int tier_of(int tier)
{
    switch (tier) {
    case FB_TIER_HOT:
        return FLOWBALANCER__V1__TIER__TIER_HOT;
    case FB_TIER_WARM:
        return FLOWBALANCER__V1__TIER__TIER_WARM;
    case FB_TIER_COLD:
        return FLOWBALANCER__V1__TIER__TIER_COLD;
    default:
        return FLOWBALANCER__V1__TIER__TIER_UNSPECIFIED;
    }
}

static uint8_t nibble(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_digest(const char *hex, uint8_t digest[KEPT_SERVER_DIGEST_BYTES])
{
    for (size_t i = 0; i < KEPT_SERVER_DIGEST_BYTES; i++) {
        digest[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
}

static const char *why_not(const struct fb_server_entry *entry)
{
    switch (entry->kind) {
    case FB_SERVER_STDIO:
        return NULL;
    case FB_SERVER_HTTP:
        return "servers of type http are not supported yet";
    case FB_SERVER_SSE:
        return "servers of type sse are not supported yet";
    }
    return "servers of this type are not supported";
}

static void say_notes(const struct fb_notes *notes)
{
    for (size_t i = 0; i < notes->count; i++) {
        const struct fb_note *note = &notes->items[i];

        if (note->kind != FB_NOTE_HINT) {
            fb_log(note->kind == FB_NOTE_ERROR ? FB_ERROR : FB_WARN, "configuration of servers",
                   fb_kv_str("server", note->server), fb_kv_str("note", note->text));
        }
    }
    if (notes->left_off != 0) {
        fb_log(FB_WARN, "configuration of servers has more to be said",
               fb_kv_uint("left_off", notes->left_off));
    }
}

static bool fill(const struct fb_servers *servers, struct fb_arena *arena, struct configured *c)
{
    const size_t room = servers->count + 1;

    c->names = fb_arena_zalloc(arena, room, sizeof(*c->names));
    c->exposed = fb_arena_zalloc(arena, room, sizeof(*c->exposed));
    c->pool = fb_arena_zalloc(arena, room, sizeof(*c->pool));
    c->kept = fb_arena_zalloc(arena, room, sizeof(*c->kept));
    c->joins = fb_arena_zalloc(arena, room, sizeof(*c->joins));
    if (c->names == NULL || c->exposed == NULL || c->pool == NULL || c->kept == NULL ||
        c->joins == NULL) {
        return false;
    }
    for (size_t i = 0; i < servers->count; i++) {
        const struct fb_server_entry *entry = &servers->items[i];
        const size_t at = c->count;

        if (!entry->enabled) {
            continue;
        }
        c->names[at] = entry->name;
        c->pool[at] = (struct pool_server){
            .name = c->exposed[at].name,
            .argv = entry->argv,
            .env = environment_of(entry, arena),
            .cwd = entry->cwd,
            .cannot = why_not(entry),
            .era = era_of(entry->flow.era),
            .start_ms = entry->flow.start_timeout_ms,
            .call_ms = entry->flow.timeout_ms,
            .idle_ms = entry->flow.idle_timeout_ms == 0 ? IDLE_MS : entry->flow.idle_timeout_ms,
            .line_most_bytes = (size_t)entry->flow.max_line_bytes,
        };
        if (c->pool[at].env == NULL) {
            return false;
        }
        c->kept[at].name = c->exposed[at].name;
        read_digest(entry->digest, c->kept[at].digest);
        c->joins[at].name = c->exposed[at].name;
        c->joins[at].tier = tier_of(entry->flow.tier);
        memcpy(c->joins[at].digest, c->kept[at].digest, KEPT_SERVER_DIGEST_BYTES);
        c->count++;
    }
    exposure_servers(c->names, c->count, c->exposed);
    return true;
}

struct fb_status configured_read(const char *path, struct fb_arena *arena,
                                 struct configured *configured)
{
    const struct fb_servers_plan plan = {.home = fb_config_home(arena)};
    struct fb_servers servers = {.count = 0};
    struct fb_status status = fb_servers_read(&plan, path, arena, &servers);

    *configured = (struct configured){.count = 0};
    if (status.code == FB_NOT_FOUND) {
        fb_log(FB_WARN, "there is no configuration, so there are no servers",
               fb_kv_str("path", path));
        servers = (struct fb_servers){.count = 0};
    } else if (!fb_is_ok(status)) {
        return status;
    }
    say_notes(&servers.notes);
    if (!fill(&servers, arena, configured)) {
        return fb_fail(FB_RESOURCE_EXHAUSTED, "no memory for the configured servers");
    }
    for (size_t i = 0; i < configured->count; i++) {
        if (strcmp(configured->names[i], configured->exposed[i].name) != 0) {
            fb_log(FB_INFO, "a server is exposed under another name",
                   fb_kv_str("server", configured->names[i]),
                   fb_kv_str("exposed", configured->exposed[i].name));
        }
    }
    return fb_ok;
}
