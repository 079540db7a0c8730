/*
 * check_configuration: the file, what it warns of, and the commands of the servers; and the files of
 * clients that name our gateway.
 */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/flowctl/ask.h"
#include "clients/flowctl/findings.h"
#include "clients/flowctl/suite.h"
#include "clients/flowctl/which.h"
#include "runtime/config/environment.h"
#include "runtime/config/import.h"
#include "runtime/config/servers.h"

static const char part_file[] = "configuration";
static const char part_server[] = "server";
static const char part_client[] = "client";

/* Those with a part of the file. */
static const char *const programs[] = {"flow-supervisor", "flow-store", "flow-router",
                                       "flow-worker", "flow-gateway"};

/* What a command needs beside itself, and how one gets it. */
static const struct {
    const char *command;
    const char *needs;
    const char *mend;
} helpers[] = {
    {"node", NULL, "install Node.js 20 or later"},
    {"npx", "node", "install Node.js 20 or later, which brings npx"},
    {"npm", "node", "install Node.js 20 or later, which brings npm"},
    {"bunx", "bun", "install Bun"},
    {"uvx", "uv", "install uv (https://docs.astral.sh/uv)"},
    {"python3", NULL, "install Python 3"},
    {"docker", NULL, "install Docker, or podman with its docker command"},
};

static const char *how_to_get(const char *command)
{
    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        if (strcmp(helpers[i].command, command) == 0) {
            return helpers[i].mend;
        }
    }
    return "install it, or write its whole path as the command";
}

static void check_mode(struct findings *findings, const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0 || (found.st_mode & 077) == 0) {
        return;
    }
    if (findings->fix && chmod(path, found.st_mode & 07700) == 0) {
        findings_add(findings, FINDING_MENDED, part_file, NULL, "%s was open to others", path);
    } else {
        findings_add(findings, FINDING_WARNING, part_file,
                     fb_arena_printf(findings->run->arena,
                                     "chmod 600 %s, or \"flowctl doctor --fix\"", path),
                     "%s can be read by others, and may hold secrets", path);
    }
}

static void add_notes(struct findings *findings, const struct fb_notes *notes)
{
    static const enum finding_level levels[] = {
        [FB_NOTE_HINT] = FINDING_HINT,
        [FB_NOTE_WARNING] = FINDING_WARNING,
        [FB_NOTE_ERROR] = FINDING_PROBLEM,
    };

    for (size_t i = 0; i < notes->count; i++) {
        const struct fb_note *note = &notes->items[i];

        findings_add(findings, levels[note->kind], part_file,
                     note->kind == FB_NOTE_ERROR ? "mend it; until then this server is left out"
                                                 : NULL,
                     "%s", note->text);
    }
    if (notes->left_off > 0) {
        findings_add(findings, FINDING_WARNING, part_file, NULL, "%zu more remarks",
                     notes->left_off);
    }
}

/* What one program says of its part of the file, which it alone knows. */
static void check_section(struct findings *findings, const char *name)
{
    const char *program = suite_beside(name, findings->run->arena);
    const size_t skipped = strlen(name) + strlen(": ");
    struct asked asked;
    bool usable;

    if (program == NULL || access(program, X_OK) != 0) {
        return; /* told with the programs */
    }
    usable = ask_settings(findings->run, program, &asked);
    for (char *line = asked.err, *rest = NULL; (line = strtok_r(line, "\n", &rest)) != NULL;
         line = NULL) {
        const bool named = strncmp(line, name, strlen(name)) == 0 && strlen(line) > skipped;

        findings_add(findings, usable ? FINDING_WARNING : FINDING_PROBLEM, part_file,
                     usable ? NULL
                            : fb_arena_printf(findings->run->arena,
                                              "mend it; until then %s does not start", name),
                     "%s", named ? line + skipped : line);
    }
}

/* PATH as the server's own environment has it, else ours. */
static const char *path_of(const struct fb_server_entry *server)
{
    for (size_t i = 0; server->env[i] != NULL; i++) {
        if (strncmp(server->env[i], "PATH=", 5) == 0) {
            return server->env[i] + 5;
        }
    }
    return fb_config_environment("PATH");
}

static void check_server(struct findings *findings, const struct fb_server_entry *server)
{
    struct fb_arena *arena = findings->run->arena;
    const char *path = path_of(server);
    const char *file = which(server->argv[0], path, server->cwd, arena);
    struct stat folder;

    if (server->cwd != NULL && (stat(server->cwd, &folder) != 0 || !S_ISDIR(folder.st_mode))) {
        findings_add(findings, FINDING_PROBLEM, part_server, "make it, or mend \"cwd\"",
                     "%s: its folder %s is not there", server->name, server->cwd);
        return;
    }
    if (file == NULL) {
        findings_add(findings, FINDING_PROBLEM, part_server, how_to_get(server->argv[0]),
                     "%s: command %s is not %s", server->name, server->argv[0],
                     strchr(server->argv[0], '/') == NULL ? "found in PATH"
                                                          : "there, or may not be run");
        return;
    }
    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        if (strcmp(helpers[i].command, server->argv[0]) == 0 && helpers[i].needs != NULL &&
            which(helpers[i].needs, path, NULL, arena) == NULL) {
            findings_add(findings, FINDING_PROBLEM, part_server, helpers[i].mend,
                         "%s: %s needs %s, which is not found in PATH", server->name,
                         server->argv[0], helpers[i].needs);
            return;
        }
    }
    findings_add(findings, FINDING_GOOD, part_server, NULL, "%s: %s", server->name, file);
}

static void check_servers(struct findings *findings)
{
    const struct run *run = findings->run;
    const struct fb_servers_plan plan = {.home = fb_config_home(run->arena)};
    struct fb_servers servers = {.items = NULL};
    const struct fb_status status = fb_servers_read(&plan, run->config_path, run->arena, &servers);
    size_t enabled = 0;

    if (!fb_is_ok(status)) {
        findings_add(findings, FINDING_PROBLEM, part_file, "mend the file; nothing of it is used",
                     "%s", status.why);
        return;
    }
    add_notes(findings, &servers.notes);
    for (size_t i = 0; i < servers.count; i++) {
        const struct fb_server_entry *server = &servers.items[i];

        if (!server->enabled) {
            findings_add(findings, FINDING_HINT, part_server, NULL, "%s: switched off",
                         server->name);
            continue;
        }
        enabled++;
        if (server->kind == FB_SERVER_STDIO) {
            check_server(findings, server);
        } else {
            findings_add(findings, FINDING_WARNING, part_server,
                         "name a program that speaks for it, or leave it with its client",
                         "%s: a server that is reached by HTTP is left out", server->name);
        }
    }
    if (enabled == 0) {
        findings_add(findings, FINDING_WARNING, part_file,
                     "add some to \"mcpServers\", or take them over with \"flowctl import\"",
                     "%s names no server", run->config_path);
    }
}

void check_configuration(struct findings *findings)
{
    const struct run *run = findings->run;

    if (access(run->config_path, F_OK) != 0) {
        findings_add(findings, run->config_given ? FINDING_PROBLEM : FINDING_WARNING, part_file,
                     "take over what your MCP clients have with \"flowctl import\"",
                     "there is no %s, so there are no servers", run->config_path);
        return;
    }
    if (access(run->config_path, R_OK) != 0) {
        findings_add(findings, FINDING_PROBLEM, part_file, "make it yours: chown, chmod 600",
                     "%s: %s", run->config_path, strerror(errno));
        return;
    }
    check_mode(findings, run->config_path);
    if (!fb_is_ok(run->config_state)) {
        findings_add(findings, FINDING_PROBLEM, part_file, "mend the file", "%s",
                     run->config_state.why);
        return;
    }
    findings_add(findings, FINDING_GOOD, part_file, NULL, "%s", run->config_path);
    add_notes(findings, run->notes);
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        check_section(findings, programs[i]);
    }
    check_servers(findings);
}

/* --- clients --- */

static void check_client(struct findings *findings, const struct fb_import_source *source,
                         const struct fb_server_entry *entry)
{
    struct fb_arena *arena = findings->run->arena;
    const char *slash = strrchr(entry->argv[0], '/');

    if (strcmp(slash == NULL ? entry->argv[0] : slash + 1, "flow-gateway") != 0) {
        return;
    }
    if (which(entry->argv[0], fb_config_environment("PATH"), entry->cwd, arena) == NULL) {
        findings_add(findings, FINDING_PROBLEM, part_client,
                     fb_arena_printf(arena, "flowctl import --write-client '%s'", source->path),
                     "%s: %s starts %s, which is not there", source->title, source->path,
                     entry->argv[0]);
    } else if (slash == NULL) {
        findings_add(findings, FINDING_HINT, part_client,
                     fb_arena_printf(arena, "flowctl import --write-client '%s' names it whole",
                                     source->path),
                     "%s starts flow-gateway by its name; clients often have another PATH",
                     source->title);
    } else {
        findings_add(findings, FINDING_GOOD, part_client, NULL, "%s: %s", source->title,
                     source->path);
    }
}

void check_clients(struct findings *findings)
{
    struct fb_arena *arena = findings->run->arena;
    struct fb_import_source sources[FB_IMPORT_SOURCES];
    const size_t count = fb_import_sources(fb_config_home(arena), NULL, arena, sources);
    const size_t before = findings->count;

    for (size_t i = 0; i < count; i++) {
        struct fb_servers servers = {.items = NULL};

        if (!fb_is_ok(fb_import_read(sources[i].path, arena, &servers))) {
            continue; /* its client's business, not ours */
        }
        for (size_t j = 0; j < servers.count; j++) {
            if (servers.items[j].kind == FB_SERVER_STDIO) {
                check_client(findings, &sources[i], &servers.items[j]);
            }
        }
    }
    if (findings->count == before) {
        findings_add(findings, FINDING_HINT, part_client,
                     "flowctl import --write-client FILE puts the entry into a client's file",
                     "no MCP client known to us starts flow-gateway");
    }
}
