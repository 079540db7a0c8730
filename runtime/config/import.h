#ifndef FB_RUNTIME_CONFIG_IMPORT_H
#define FB_RUNTIME_CONFIG_IMPORT_H

/*
 * import: where other MCP clients keep their servers, and what they have there.
 *
 * Reads only. Values stay verbatim: a ${VAR} is worked out when our own file is read, so that no
 * secret is copied from the environment into a file.
 */

#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/config/servers.h"

/* A file that a client may keep. */
struct fb_import_source {
    const char *client; /* "claude-code", "cursor", "vscode" … */
    const char *title;  /* "Claude Code" */
    const char *path;
};

enum { FB_IMPORT_SOURCES = 32 };

/*
 * The places known to us, of the user (below `home`) and of a project (below `workspace`, which
 * may be NULL), whether there is a file or not. Returns how many; paths live in the arena.
 */
size_t fb_import_sources(const char *home, const char *workspace, struct fb_arena *arena,
                         struct fb_import_source sources[FB_IMPORT_SOURCES]);

/*
 * The servers of such a file, of whichever form it is: `mcpServers`, VS Code's `servers` or the
 * `mcp.servers` of its settings, and the projects of Claude Code (then with `project` set).
 * Statuses as of fb_servers_read.
 */
struct fb_status fb_import_read(const char *path, struct fb_arena *arena,
                                struct fb_servers *servers);

#endif
