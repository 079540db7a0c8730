#include "runtime/config/import.h"

#include <stdbool.h>

/* Below the home, or below the folder of a project. */
static const struct {
    const char *client;
    const char *title;
    bool in_project;
    const char *path;
} places[] = {
    {"claude-code", "Claude Code", false, ".claude.json"},
    {"claude-code", "Claude Code (project)", true, ".mcp.json"},
    {"claude-desktop", "Claude Desktop", false, ".config/Claude/claude_desktop_config.json"},
    {"claude-desktop", "Claude Desktop", false,
     "Library/Application Support/Claude/claude_desktop_config.json"},
    {"cursor", "Cursor", false, ".cursor/mcp.json"},
    {"cursor", "Cursor (project)", true, ".cursor/mcp.json"},
    {"gemini", "Gemini CLI", false, ".gemini/settings.json"},
    {"gemini", "Gemini CLI (project)", true, ".gemini/settings.json"},
    {"lmstudio", "LM Studio", false, ".lmstudio/mcp.json"},
    {"vscode", "VS Code", false, ".config/Code/User/mcp.json"},
    {"vscode", "VS Code", false, "Library/Application Support/Code/User/mcp.json"},
    {"vscode", "VS Code (settings)", false, ".config/Code/User/settings.json"},
    {"vscode", "VS Code (project)", true, ".vscode/mcp.json"},
    {"windsurf", "Windsurf", false, ".codeium/windsurf/mcp_config.json"},
};

_Static_assert(sizeof(places) / sizeof(places[0]) <= FB_IMPORT_SOURCES, "room for all places");

size_t fb_import_sources(const char *home, const char *workspace, struct fb_arena *arena,
                         struct fb_import_source sources[FB_IMPORT_SOURCES])
{
    size_t count = 0;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *base = places[i].in_project ? workspace : home;
        const char *path =
            base == NULL ? NULL : fb_arena_printf(arena, "%s/%s", base, places[i].path);

        if (path != NULL) {
            sources[count++] = (struct fb_import_source){
                .client = places[i].client, .title = places[i].title, .path = path};
        }
    }
    return count;
}

struct fb_status fb_import_read(const char *path, struct fb_arena *arena,
                                struct fb_servers *servers)
{
    const struct fb_servers_plan plan = {.verbatim = true, .foreign = true};

    return fb_servers_read(&plan, path, arena, servers);
}
