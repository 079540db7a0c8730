#ifndef FB_RUNTIME_CONFIG_SERVER_ENTRY_H
#define FB_RUNTIME_CONFIG_SERVER_ENTRY_H

/*
 * server_entry: one server's object in a configuration file, read into its struct.
 *
 * Knows the keys of all clients. On the thread that reads the file.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/base/status.h"
#include "runtime/config/document.h"
#include "runtime/config/expand.h"
#include "runtime/config/note.h"
#include "runtime/config/servers.h"

/* What all entries of a file share; borrowed. */
struct fb_entry_reader {
    const struct fb_document *document;
    const struct fb_expansion *expansion;   /* NULL: values stay as they are */
    const struct fb_server_flow *fallbacks; /* settings of an entry that says nothing */
    const char *directory;                  /* relative paths of entries begin there */
    const char *home;
    struct fb_arena *arena;
    struct fb_notes *notes;
};

/*
 * Reads the entry `name`, whose value is `object` and stands at `at`; `path` leads to it, for words
 * ("mcpServers.github"). False: it is wrong, and a note says where and why.
 */
bool fb_server_entry_read(const struct fb_entry_reader *reader, const char *name, const char *path,
                          const json_t *object, size_t at, struct fb_server_entry *server);

/*
 * Reads an object of our own settings over those in `flow`, which `path` leads to. False: one was
 * wrong (a note of this server says which); the others are set all the same.
 */
bool fb_server_flow_read(const struct fb_entry_reader *reader, const char *server, const char *path,
                         const json_t *object, size_t at, struct fb_server_flow *flow);

#endif
